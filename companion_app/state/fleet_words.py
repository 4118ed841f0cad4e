"""Devices in words: what the screens of devices print, and in which order."""

from __future__ import annotations

import time
from datetime import datetime

from companion_app.i18n import N_, ntr, tr
from companion_app.i18n.figures import clock, day_and_clock, number
from companion_app.state.describe import human_bytes
from companion_app.state.fleet import Coming, Detail, Figures, Fleet, Sample, Updates
from companion_app.state.model import AppState, Device

# How far a release came on a device, by the words of its updater.
_COMING = {
    "fetching": N_("{name}: an update is being fetched."),
    "verified": N_("{name}: an update is fetched and checked."),
    "staged": N_("{name}: an update waits for its moment."),
    "probation": N_("{name}: an update is on probation."),
    "rolled_back": N_("{name}: an update was taken back."),
}
UNDER_WAY = ("fetching", "verified", "staged", "probation")
PIPELINE_STATES = {
    "running": N_("runs"),
    "stopped": N_("stopped"),
    "wrong": N_("can't be used"),
    "retrying": N_("waits for its source"),
    "failed": N_("failed"),
    "ended": N_("at its end"),
}


def shown_devices(state: AppState) -> tuple[Device, ...]:
    """The devices that the search and the filter leave, by group and name."""
    fleet = state.fleet
    words = fleet.search.lower().split()

    def wanted(device: Device) -> bool:
        label = fleet.labels.get(device.address)
        group, tags = (label.group, label.tags) if label else ("", ())
        if fleet.filter and fleet.filter not in (group, *tags):
            return False
        models = " ".join(model.name for model in device.link.models)
        text = f"{device.name} {device.address} {group} {' '.join(tags)} {models}".lower()
        return all(word in text for word in words)

    def order(device: Device) -> tuple[str, str, str]:
        label = fleet.labels.get(device.address)
        group = label.group.lower() if label else ""
        # Those of no group come last: who makes groups looks for these first.
        return (group or "\uffff", device.name.lower(), device.address)

    return tuple(sorted(filter(wanted, state.devices), key=order))


def filters(fleet: Fleet) -> tuple[str, ...]:
    """The groups, then the tags, each by the alphabet."""
    groups = {label.group for label in fleet.labels.values() if label.group}
    tags = {tag for label in fleet.labels.values() for tag in label.tags} - groups
    return (*sorted(groups, key=str.lower), *sorted(tags, key=str.lower))


def label_line(fleet: Fleet, address: str) -> str:
    """A device's group and tags."""
    label = fleet.labels.get(address)
    return "" if label is None else "  ".join((label.group, *(f"#{tag}" for tag in label.tags))).strip()


def vitals_line(detail: Detail | None) -> str:
    """Heat, battery and version in a line."""
    vitals = detail.vitals if detail else None
    if vitals is None:
        return ""
    parts = []
    if vitals.celsius is not None:
        parts.append(tr("{degrees} °C", degrees=number(vitals.celsius, ".0f")))
    if vitals.battery is not None:
        parts.append(tr("{share} % battery", share=number(vitals.battery, ".0f")))
    if vitals.version:
        parts.append(tr("Enigma {version}", version=vitals.version))
    return "  ·  ".join(parts)


def vitals_facts(detail: Detail) -> tuple[tuple[str, str], ...]:
    """What the card of a device lists, as (name, value)."""
    vitals = detail.vitals
    if vitals is None:
        return ()
    unknown = tr("not told")
    return (
        (
            tr("Temperature"),
            unknown if vitals.celsius is None else tr("{degrees} °C", degrees=number(vitals.celsius, ".0f")),
        ),
        (tr("Battery"), tr("none in use") if vitals.battery is None else number(vitals.battery, ".0f") + " %"),
        (tr("Enigma"), vitals.version),
        (tr("Up since"), when(vitals.started) if vitals.started else unknown),
        (tr("Memory"), human_bytes(vitals.memory)),
        (tr("Disk free"), human_bytes(vitals.free)),
    )


def spares_itself(detail: Detail | None) -> str:
    """A sentence where heat, supply or battery keep a device from doing all it can."""
    vitals = detail.vitals if detail else None
    if vitals is None or vitals.load == "free":
        return ""
    return tr("It spares itself: {why}.", why="; ".join(vitals.reasons))


def update_word(detail: Detail | None) -> str:
    """Whether the device's updater has something, in two words; empty where it has nothing."""
    updates = detail.updates if detail else None
    return tr("Update available") if updates and any(one.state in UNDER_WAY for one in updates.coming) else ""


def update_lines(updates: Updates | None) -> tuple[str, ...]:
    """What the updater does, a sentence each."""
    if updates is None:
        return (tr("This device doesn't tell of updates; it is older than this app, or this pairing may not ask."),)
    if not updates.following:
        return (tr("It follows no repository of updates; bundles are pushed to it."),)
    lines = [_coming(one) for one in updates.coming]
    if updates.cause:
        lines.insert(0, tr("Updates are stuck: {why}", why=updates.cause))
    return tuple(lines) or (tr("It follows its repository, and has the newest of everything."),)


def _coming(one: Coming) -> str:
    known = _COMING.get(one.state)
    said = tr(known, name=one.specialist) if known else tr("{name} waits.", name=one.specialist)
    return f"{said} {one.cause[:1].upper()}{one.cause[1:]}".strip()


def figures_line(figures: Figures | None) -> str:
    """A specialist's live figures."""
    if figures is None:
        return ""
    parts = []
    if figures.p50_ms is not None:
        parts.append(tr("half of the answers within {ms} ms", ms=_short(figures.p50_ms)))
    parts.append(ntr("{number} answer", "{number} answers", figures.answered))
    if figures.memory:
        parts.append(tr("{size} of memory", size=human_bytes(figures.memory)))
    return "  ·  ".join(parts)


def sample_line(sample: Sample) -> str:
    """What came of trying a specialist."""
    if sample.busy or sample.error:
        return ""
    took = tr("answered in {ms} ms", ms=_short(sample.ms))
    if not sample.expected:
        return took
    same = (
        tr("as where it was made")
        if sample.answer == sample.expected
        else tr("where it was made: {expected}", expected=sample.expected)
    )
    return f"{took}, {same}"


def is_busy(fleet: Fleet, address: str, what: str) -> bool:
    """Whether the device is told to do this now."""
    return (address, what) in fleet.busy


def when(at: float) -> str:
    """A moment as a person reads it: the time, with the date where it isn't today."""
    try:
        moment = datetime.fromtimestamp(at)
    except (OverflowError, OSError, ValueError):
        return ""
    today = datetime.fromtimestamp(time.time()).date()
    return clock(moment, seconds=True) if moment.date() == today else day_and_clock(moment)


def _short(ms: float) -> str:
    return number(ms, ".2f") if ms < 1 else number(ms, ".1f") if ms < 100 else number(ms, ".0f")
