"""How the fleet changes; `reduce_fleet` is one of the reducers of `state.reduce`."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from companion_app.state import fleet_actions as fact
from companion_app.state.fleet import Fleet, with_item, without
from companion_app.state.model import AppState


def reduce_fleet(action: fact.FleetAction, state: AppState) -> AppState:
    """The state after something happened to devices."""
    fleet = _reduce(action, state.fleet)
    return state if fleet is state.fleet else replace(state, fleet=fleet)


def forgotten(fleet: Fleet, address: str) -> Fleet:
    """Nothing of a device is left."""
    return replace(
        fleet,
        details=without(fleet.details, address),
        labels=without(fleet.labels, address),
        notes=without(fleet.notes, address),
        samples={key: one for key, one in fleet.samples.items() if key[0] != address},
        busy=frozenset(one for one in fleet.busy if one[0] != address),
    )


@singledispatch
def _reduce(action: object, fleet: Fleet) -> Fleet:
    raise TypeError(f"{type(action).__name__} is not an action of the fleet")


@_reduce.register
def _(action: fact.DetailSeen, fleet: Fleet) -> Fleet:
    if fleet.details.get(action.address) == action.detail:
        return fleet
    return replace(fleet, details=with_item(fleet.details, action.address, action.detail))


@_reduce.register
def _(action: fact.Labelled, fleet: Fleet) -> Fleet:
    changed = replace(fleet, labels=with_item(fleet.labels, action.address, action.label))
    known = {name for label in changed.labels.values() for name in (label.group, *label.tags)}
    return changed if fleet.filter in known else replace(changed, filter="")


@_reduce.register
def _(action: fact.Searched, fleet: Fleet) -> Fleet:
    return fleet if action.words == fleet.search else replace(fleet, search=action.words)


@_reduce.register
def _(action: fact.Filtered, fleet: Fleet) -> Fleet:
    return fleet if action.label == fleet.filter else replace(fleet, filter=action.label)


@_reduce.register
def _(action: fact.NearbyLooked, fleet: Fleet) -> Fleet:
    found = fleet.found if action.found is None else action.found
    return replace(fleet, looking=action.looking, found=found, look_problem=action.problem)


@_reduce.register
def _(action: fact.CommandBegun, fleet: Fleet) -> Fleet:
    notes = without(fleet.notes, action.address)
    return replace(fleet, busy=fleet.busy | {(action.address, action.what)}, notes=notes)


@_reduce.register
def _(action: fact.CommandEnded, fleet: Fleet) -> Fleet:
    busy = fleet.busy - {(action.address, action.what)}
    if not action.sentence:
        return replace(fleet, busy=busy)
    return replace(fleet, busy=busy, notes=with_item(fleet.notes, action.address, (action.sentence, action.failed)))


@_reduce.register
def _(action: fact.SampleSeen, fleet: Fleet) -> Fleet:
    return replace(fleet, samples=with_item(fleet.samples, (action.address, action.specialist), action.sample))


@_reduce.register
def _(action: fact.LogSeen, fleet: Fleet) -> Fleet:
    return replace(fleet, log=action.log)


@_reduce.register
def _(action: fact.PairingPicked, fleet: Fleet) -> Fleet:
    return replace(fleet, invited=action.address)


@_reduce.register
def _(action: fact.PicturesFound, fleet: Fleet) -> Fleet:
    return fleet if action.paths == fleet.pictures else replace(fleet, pictures=action.paths)


@_reduce.register
def _(action: fact.Scanning, fleet: Fleet) -> Fleet:
    return fleet if action.on == fleet.scanning else replace(fleet, scanning=action.on)
