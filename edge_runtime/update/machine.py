"""What happens to one specialist's release on one device, as a table: no I/O, no clock, the same on a device and in a simulator.

A unit's whole state is a frozen `Unit`; `step` gives the next one and what is to be done. Whoever drives it writes the
unit down before it acts, so that after a kill at any instant `reconcile` (what the disk says) and `resume` (what is to
be done again) lead to the same end. Every effect may therefore be done twice.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass, field

from edge_runtime.errors import StateError

Json = dict[str, object]
MOST_BOOTS = 3  # starts that a release may fail to survive while it is on probation
MOST_CAUSE = 500  # characters of a cause that are kept


class State(enum.Enum):
    """Where a release stands. A staged one waits for its conditions."""

    IDLE = "idle"
    FETCHING = "fetching"
    VERIFIED = "verified"
    STAGED = "staged"
    PROBATION = "probation"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"


class What(enum.Enum):
    """What can happen to it."""

    WANT = "want"  # a release is desired that isn't the one here
    RENEWED = "renewed"  # the same release on other conditions, as where its rollout was paused
    CONTENT = "content"  # what serves is what is desired
    DROP = "drop"  # what was under way isn't desired any more, and nothing is in its place
    FETCHED = "fetched"  # the whole file is here and has its signed hash
    STAGED = "staged"  # it is unpacked and fits this device
    LOST = "lost"  # what was here is gone or damaged
    TRYING = "trying"  # the switch begins
    HUNG = "hung"  # it didn't come back in time, and may still move the pointer
    SWITCHED = "switched"  # the pointer names it, after its golden vectors agreed
    BOOTED = "booted"  # the daemon starts
    STOPPED = "stopped"  # the daemon stops on purpose, or the switch ended and changed nothing
    PASSED = "passed"  # it stood its probation
    FAILED = "failed"  # for good: it isn't tried again until something else is desired
    REVERTED = "reverted"  # the pointer names what it named before


class Effect(enum.Enum):
    """What is to be done, in this order; each may be done again after a kill."""

    DISCARD = "discard"  # remove what was fetched and staged
    FETCH = "fetch"
    STAGE = "stage"
    SWITCH = "switch"  # once the conditions hold
    WATCH = "watch"  # the probation
    REVERT = "revert"  # point at what served before
    TIDY = "tidy"  # remove what only the way here needed


@dataclass(frozen=True)
class Release:
    """One version for one specialist, as both signers named it.

    rollout: its id in the list of rollouts. target, sha256: the file in the repository and its hash in hex; bundle: the
    hash of its payload, by which slots name it. when: the conditions for switching to it. p95_ms, memory_mb: the budgets
    that it is held to, 0 where there is none.
    """

    rollout: str
    target: str
    sha256: str
    bundle: str
    version: str = ""
    when: tuple[str, ...] = ()
    p95_ms: float = 0.0
    memory_mb: float = 0.0

    def same(self, other: Release | None) -> bool:
        """Whether it is the same file for the same rollout, whose conditions and budgets may have been changed since."""
        return other is not None and (self.rollout, self.sha256) == (other.rollout, other.sha256)


@dataclass(frozen=True)
class Event:
    """Something that happened. release: what WANT, RENEWED and CONTENT are about; former: what served before a switch, or None."""

    what: What
    release: Release | None = None
    former: str | None = None
    cause: str = ""
    evidence: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """One specialist's state. release: under way, serving, or refused last; former: the bundle that served before it.

    boots: starts of the daemon that ended without its probation's end, or in its switch, and without a clean stop. running:
    the daemon started, or began the switch, and hasn't stopped cleanly. revert: rolled back, and the pointer may still have to follow. cause, evidence: why
    it was rolled back, or what its probation showed.
    """

    state: State = State.IDLE
    release: Release | None = None
    former: str | None = None
    boots: int = 0
    running: bool = False
    revert: bool = False
    cause: str = ""
    evidence: Json = field(default_factory=dict)

    def plain(self) -> Json:
        """As JSON; `unit_from` reads it."""
        return {**dataclasses.asdict(self), "state": self.state.value}


S, W, E = State, What, Effect
# (state, event) -> (next state, effects). What isn't here can't happen.
TABLE: dict[tuple[State, What], tuple[State, tuple[Effect, ...]]] = {
    (S.IDLE, W.WANT): (S.FETCHING, (E.FETCH,)),
    (S.IDLE, W.CONTENT): (S.COMMITTED, ()),
    (S.FETCHING, W.FETCHED): (S.VERIFIED, (E.STAGE,)),
    (S.VERIFIED, W.STAGED): (S.STAGED, (E.SWITCH,)),
    (S.VERIFIED, W.LOST): (S.FETCHING, (E.DISCARD, E.FETCH)),
    (S.STAGED, W.LOST): (S.FETCHING, (E.DISCARD, E.FETCH)),
    (S.STAGED, W.TRYING): (S.STAGED, (E.SWITCH,)),
    (S.STAGED, W.BOOTED): (S.STAGED, (E.SWITCH,)),
    (S.STAGED, W.STOPPED): (S.STAGED, (E.SWITCH,)),
    (S.STAGED, W.HUNG): (S.ROLLED_BACK, (E.REVERT, E.TIDY)),
    (S.STAGED, W.SWITCHED): (S.PROBATION, (E.TIDY, E.WATCH)),
    (S.PROBATION, W.BOOTED): (S.PROBATION, (E.WATCH,)),
    (S.PROBATION, W.STOPPED): (S.PROBATION, ()),
    (S.PROBATION, W.PASSED): (S.COMMITTED, (E.TIDY,)),
    (S.PROBATION, W.FAILED): (S.ROLLED_BACK, (E.REVERT, E.TIDY)),
    (S.ROLLED_BACK, W.REVERTED): (S.ROLLED_BACK, ()),
    (S.ROLLED_BACK, W.WANT): (S.FETCHING, (E.FETCH,)),
    (S.ROLLED_BACK, W.CONTENT): (S.COMMITTED, ()),
    (S.COMMITTED, W.WANT): (S.FETCHING, (E.FETCH,)),
    (S.COMMITTED, W.CONTENT): (S.COMMITTED, ()),
    (S.FETCHING, W.RENEWED): (S.FETCHING, (E.FETCH,)),
    (S.VERIFIED, W.RENEWED): (S.VERIFIED, (E.STAGE,)),
    (S.STAGED, W.RENEWED): (S.STAGED, (E.SWITCH,)),
    # The newest desired state wins wherever the pointer hasn't moved yet, and what fails there changes nothing.
    **{(state, W.WANT): (S.FETCHING, (E.DISCARD, E.FETCH)) for state in (S.FETCHING, S.VERIFIED, S.STAGED)},
    **{(state, W.CONTENT): (S.COMMITTED, (E.DISCARD,)) for state in (S.FETCHING, S.VERIFIED, S.STAGED)},
    **{(state, W.DROP): (S.IDLE, (E.DISCARD,)) for state in (S.FETCHING, S.VERIFIED, S.STAGED)},
    **{(state, W.FAILED): (S.ROLLED_BACK, (E.DISCARD,)) for state in (S.FETCHING, S.VERIFIED, S.STAGED)},
}
# What a state has to do, again after a kill.
DUE: dict[State, tuple[Effect, ...]] = {
    S.FETCHING: (E.FETCH,),
    S.VERIFIED: (E.STAGE,),
    S.STAGED: (E.SWITCH,),
    S.PROBATION: (E.WATCH,),
}
UNDER_WAY = frozenset({S.FETCHING, S.VERIFIED, S.STAGED})  # the pointer hasn't moved


def step(unit: Unit, event: Event, most_boots: int = MOST_BOOTS) -> tuple[Unit, tuple[Effect, ...]]:
    """The unit after an event, and what is to be done; raises `StateError` for what the table doesn't know.

    A start that follows one without a clean stop, or a switch that didn't end, is a failed boot; the last one that is allowed
    rolls back.
    """
    found = TABLE.get((unit.state, event.what))
    if found is None:
        raise StateError(f"'{event.what.value}' can't happen to a release that is {unit.state.value}.")
    state, effects = found
    match event.what:
        case W.WANT | W.CONTENT:
            return Unit(state, event.release), effects
        case W.RENEWED:
            return dataclasses.replace(unit, release=event.release), effects
        case W.DROP:
            return Unit(), effects
        case W.SWITCHED:
            return Unit(state, unit.release, event.former, running=True), effects
        case W.TRYING:
            return dataclasses.replace(unit, running=True), effects
        case W.STOPPED | W.LOST:
            return dataclasses.replace(unit, state=state, running=False), effects
        case W.BOOTED:
            boots, serves = unit.boots + unit.running, unit.state is S.PROBATION
            unit = dataclasses.replace(unit, boots=boots, running=serves)
            if boots >= most_boots:
                where = "without reaching the end of its probation" if serves else "in the middle of its switch"
                cause = f"the device started {boots} times {where}"
                return step(unit, Event(W.FAILED, cause=cause, evidence={"boots": boots}))
            return unit, effects
        case W.PASSED:
            return dataclasses.replace(unit, state=state, evidence=event.evidence, boots=0, running=False), effects
        case W.FAILED | W.HUNG:
            moved = unit.state is S.PROBATION or event.what is W.HUNG
            failed = Unit(state, unit.release, unit.former, unit.boots, False, moved, event.cause[:MOST_CAUSE])
            return dataclasses.replace(failed, evidence=event.evidence), effects
        case W.REVERTED:
            return dataclasses.replace(unit, revert=False), effects
    return dataclasses.replace(unit, state=state), effects


def judge(unit: Unit, wish: Release | None, serving: str | None) -> Event | None:
    """What a desired release means for a unit; None where it means nothing new.

    serving: the bundle that the pointer names and that can serve, None where there is none.
    """
    if wish is None:
        return Event(W.DROP) if unit.state in UNDER_WAY else None
    if unit.state is S.PROBATION:
        # A rollout that is taken back ends a probation at once; any other release waits for its end, which is near.
        if wish.bundle == unit.former and unit.release is not None and wish.bundle != unit.release.bundle:
            return Event(W.FAILED, cause="the fleet went back to the release before it")
        return None
    same = wish.same(unit.release)
    if same and unit.state in UNDER_WAY:
        return None if wish == unit.release else Event(W.RENEWED, wish)
    if same and unit.state is S.ROLLED_BACK:
        return None  # what failed isn't tried again until something else is desired
    if same and unit.state is S.COMMITTED and serving is not None:
        return None  # where somebody pushed another one since, that stays until something else is desired
    return Event(W.CONTENT if wish.bundle == serving else W.WANT, wish)


def reconcile(unit: Unit, active: str | None, previous: str | None) -> Event | None:
    """What a kill left unsaid: the event that the pointer on disk shows to have happened, None where they agree.

    active, previous: what the pointer names. Ask again after each event.
    """
    here = unit.release is not None and unit.release.bundle == active
    if unit.state is S.STAGED and here:
        return Event(W.SWITCHED, former=previous)
    if unit.state is S.PROBATION and not here:
        return Event(W.FAILED, cause="it couldn't be loaded at the start, so the one before serves")
    if unit.state is S.ROLLED_BACK and unit.revert and not here:
        return Event(W.REVERTED)
    return None


def resume(unit: Unit) -> tuple[Effect, ...]:
    """What is to be done at a start about a unit as it was written down."""
    return ((E.REVERT,) if unit.revert else ()) + DUE.get(unit.state, (E.TIDY,))


def unit_from(raw: object) -> Unit:
    """Read `Unit.plain`; raises `StateError`."""
    try:
        assert isinstance(raw, dict)
        release = raw["release"]
        fields = {key.name: raw[key.name] for key in dataclasses.fields(Unit)}
        fields["state"] = State(raw["state"])
        if release is not None:
            fields["release"] = Release(**{**release, "when": tuple(release["when"])})
        return Unit(**fields)
    except (AssertionError, KeyError, TypeError, ValueError):
        raise StateError("The journal of updates holds a state that this version can't read.") from None
