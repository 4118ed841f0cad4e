"""Releases as chains of states: each chain as a row, and each with a kill before and after everything that is done."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_runtime.errors import StateError
from edge_runtime.update.journal import Journal
from edge_runtime.update.machine import (
    DUE,
    TABLE,
    UNDER_WAY,
    Effect,
    Event,
    Release,
    State,
    Unit,
    What,
    judge,
    reconcile,
    resume,
    step,
    unit_from,
)

A, B, C = (
    Release(f"r-{name}", f"models/router/tiny-{n}.0.0.enigma", name * 64, name * 64)
    for n, name in ((1, "a"), (2, "b"), (3, "c"))
)
LATER = dataclasses.replace(B, when=("docked",))
NAME = "tiny"


class Killed(Exception):
    """The power went away."""


@dataclass
class World:
    """One device's disk, and what will happen: `wishes` in turn, each once the one before came to rest.

    fails: release -> the effect that fails for it, and why. hangs: whose switch doesn't come back in time, and moves the
    pointer later. midway: a wish that takes the place of the first one while that is in the named state.
    """

    wishes: tuple[Release | None, ...]
    active: Release | None = A
    previous: Release | None = None
    fails: dict[Release, tuple[Effect, str]] = field(default_factory=dict)
    hangs: Release | None = None
    midway: tuple[State, Release | None] | None = None
    fetched: Release | None = None
    staged: Release | None = None
    turn: int = 0
    points: int = 0
    kill_at: int = 0

    def point(self) -> None:
        self.points += 1
        if self.points == self.kill_at:
            raise Killed

    def wish(self, unit: Unit) -> Release | None:
        if self.midway is not None and unit.state is self.midway[0]:
            self.wishes, self.midway = (self.midway[1],), None
        return self.wishes[self.turn]

    def roll_back(self) -> None:
        self.active, self.previous = self.previous, self.active


def digest(release: Release | None) -> str | None:
    return None if release is None else release.bundle


class Driver:
    """As the agent drives a unit, with a disk of five variables."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.journal = Journal(folder)
        self.chain: list[str] = []
        self.unit = self.journal.units.get(NAME, Unit())

    def happen(self, event: Event) -> tuple[Effect, ...]:
        unit, effects = step(self.unit, event)
        self.world.point()
        self.journal.record(event.what.value, NAME, unit)
        if unit.state is not self.unit.state or event.what is What.WANT:
            self.chain.append(unit.state.value)
        self.unit = unit
        self.world.point()
        return effects

    def start(self) -> None:
        world = self.world
        while event := reconcile(self.unit, digest(world.active), digest(world.previous)):
            self.happen(event)
        if self.unit.state is State.PROBATION or self.unit.running:
            self.happen(Event(What.BOOTED))

    def run(self) -> None:
        self.start()
        effects = resume(self.unit)
        while True:
            while effects:
                effects = self.act(effects)
            event = judge(self.unit, self.world.wish(self.unit), digest(self.world.active))
            if event is not None:
                effects = self.happen(event)
            elif due := DUE.get(self.unit.state):
                effects = due
            elif self.world.turn + 1 < len(self.world.wishes):
                self.world.turn += 1
            else:
                return

    def act(self, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        """Do them; the last one's event leads on. What is wished is asked again before each, as the agent polls meanwhile."""
        world, release = self.world, self.unit.release
        for effect in effects:
            world.point()
            if effect not in (Effect.DISCARD, Effect.REVERT, Effect.TIDY):
                event = judge(self.unit, world.wish(self.unit), digest(world.active))
                if event is not None:
                    return self.happen(event)
                assert release is not None
                failing = world.fails.get(release)
                if failing is not None and failing[0] is effect:
                    return self.happen(Event(What.FAILED, cause=failing[1]))
            match effect:
                case Effect.DISCARD:
                    world.fetched = world.staged = None
                case Effect.FETCH:
                    world.fetched = release
                    world.point()
                    return self.happen(Event(What.FETCHED))
                case Effect.STAGE:
                    if digest(world.fetched) != digest(release):
                        return self.happen(Event(What.LOST))
                    world.staged = release
                    world.point()
                    return self.happen(Event(What.STAGED))
                case Effect.SWITCH:
                    if digest(world.staged) != digest(release):
                        return self.happen(Event(What.LOST))
                    if not self.unit.running:
                        self.happen(Event(What.TRYING))
                    former = world.active
                    given_up = self.happen(Event(What.HUNG, cause="the disk")) if release == world.hangs else ()
                    world.active, world.previous = release, former
                    world.point()
                    if given_up:
                        return given_up
                    return self.happen(Event(What.SWITCHED, former=digest(former)))
                case Effect.TIDY:
                    world.fetched = world.staged = None
                case Effect.WATCH:
                    return self.happen(Event(What.PASSED))
                case Effect.REVERT:
                    assert release is not None
                    if world.active == release:
                        world.roll_back()
                    world.point()
                    self.happen(Event(What.REVERTED))
        return ()


GOOD = ["fetching", "verified", "staged", "probation", "committed"]
CHAINS: dict[str, tuple[World, list[str], Release | None]] = {
    "a good release": (World((B,)), GOOD, B),
    "the first one of a specialist": (World((B,), active=None), GOOD, B),
    "what serves already": (World((A,)), ["committed"], A),
    "one after the other": (World((B, C)), [*GOOD, *GOOD], C),
    "back to the one before": (World((B, A)), [*GOOD, *GOOD], A),
    "nothing desired": (World((None,)), [], A),
    "no longer desired": (World((B, None)), GOOD, B),
    "fetching fails": (World((B,), fails={B: (Effect.FETCH, "404")}), ["fetching", "rolled_back"], A),
    "it doesn't fit": (World((B,), fails={B: (Effect.STAGE, "opset")}), ["fetching", "verified", "rolled_back"], A),
    "its golden vectors fail": (
        World((B,), fails={B: (Effect.SWITCH, "golden")}),
        ["fetching", "verified", "staged", "rolled_back"],
        A,
    ),
    "its switch hangs": (World((B,), hangs=B), ["fetching", "verified", "staged", "rolled_back"], A),
    "it fails on probation": (
        World((B,), fails={B: (Effect.WATCH, "p95")}),
        [*GOOD[:4], "rolled_back"],
        A,
    ),
    "the first one fails on probation": (
        World((B,), active=None, fails={B: (Effect.WATCH, "p95")}),
        [*GOOD[:4], "rolled_back"],
        None,
    ),
    "what failed isn't tried again": (World((B, B), fails={B: (Effect.WATCH, "p95")}), [*GOOD[:4], "rolled_back"], A),
    "a better one after a bad one": (
        World((B, C), fails={B: (Effect.WATCH, "p95")}),
        [*GOOD[:4], "rolled_back", *GOOD],
        C,
    ),
    "back after a bad one": (
        World((B, A), fails={B: (Effect.WATCH, "p95")}),
        [*GOOD[:4], "rolled_back", "committed"],
        A,
    ),
    **{
        f"a newer one while {state.value}": (
            World((B,), midway=(state, C)),
            [*GOOD[: GOOD.index(state.value) + 1], *GOOD],
            C,
        )
        for state in (State.FETCHING, State.VERIFIED, State.STAGED)
    },
    **{
        f"taken back while {state.value}": (
            World((B,), midway=(state, None)),
            [*GOOD[: GOOD.index(state.value) + 1], "idle"],
            A,
        )
        for state in (State.FETCHING, State.VERIFIED, State.STAGED)
    },
    **{
        f"other conditions while {state.value}": (World((B,), midway=(state, LATER)), GOOD, LATER)
        for state in (State.FETCHING, State.VERIFIED, State.STAGED)
    },
    "the fleet goes back while it is on probation": (
        World((B,), midway=(State.PROBATION, A)),
        [*GOOD[:4], "rolled_back", "committed"],
        A,
    ),
    "a newer one waits for the end of a probation": (World((B,), midway=(State.PROBATION, C)), [*GOOD, *GOOD], C),
}


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill loses nothing that was written, so these tests needn't wait for a disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def fresh(name: str) -> World:
    return dataclasses.replace(CHAINS[name][0])


@pytest.mark.parametrize("name", CHAINS)
def test_a_release_goes_through_its_states(name: str, tmp_path: Path) -> None:
    world = fresh(name)
    driver = Driver(world, tmp_path)
    driver.run()
    _, chain, serves = CHAINS[name]
    assert (driver.chain, world.active) == (chain, serves)
    assert world.fetched is None and world.staged is None


@pytest.mark.parametrize("name", CHAINS)
def test_a_kill_anywhere_leads_to_the_same_end(name: str, tmp_path: Path) -> None:
    calm = fresh(name)
    ended = Driver(calm, tmp_path / "calm")
    ended.run()
    assert calm.points > 0 or name == "nothing desired"
    for point in range(1, calm.points + 1):
        world, folder = fresh(name), tmp_path / str(point)
        world.kill_at = point
        with pytest.raises(Killed):
            Driver(world, folder).run()
        again = Driver(world, folder)
        again.run()
        end, wanted = again.unit, ended.unit
        assert (end.state, end.release, end.cause, end.revert) == (
            wanted.state,
            wanted.release,
            wanted.cause,
            False,
        ), f"killed at {point}"
        assert world.active == calm.active, f"killed at {point}"
        assert world.fetched is None and world.staged is None, f"killed at {point}"


def test_every_state_was_killed_and_every_row_of_the_table_was_used(tmp_path: Path) -> None:
    # Or the two tests above would show less than they say.
    used: set[tuple[State, What]] = set()
    for name in CHAINS:
        driver = Driver(fresh(name), tmp_path / name)
        driver.run()
        before = State.IDLE
        for line in reversed(driver.journal.entries()):
            used.add((before, What(line["what"])))
            before = unit_from(line["unit"]).state
    starts = {(state, what) for state in (State.STAGED, State.PROBATION) for what in (What.BOOTED, What.STOPPED)}
    by_kills = {(state, What.LOST) for state in UNDER_WAY} | starts
    contents = {(state, What.CONTENT) for state in (*UNDER_WAY, State.COMMITTED)}
    assert set(TABLE) - used - by_kills - contents == set()


def switched(boots: int = 0) -> Unit:
    return Unit(State.PROBATION, B, A.bundle, boots=boots, running=True)


def test_the_third_start_that_fails_rolls_back() -> None:
    unit = switched()
    for _ in range(2):
        unit, effects = step(unit, Event(What.BOOTED))
        assert (unit.state, effects) == (State.PROBATION, (Effect.WATCH,))
    unit, effects = step(unit, Event(What.BOOTED))
    assert (unit.state, unit.revert, unit.evidence) == (State.ROLLED_BACK, True, {"boots": 3})
    assert effects[0] is Effect.REVERT and resume(unit) == (Effect.REVERT, Effect.TIDY)
    assert "3 times" in unit.cause


def test_a_switch_that_takes_the_device_with_it_is_given_up_the_third_time() -> None:
    unit = Unit(State.STAGED, B)
    for boots in (1, 2):
        unit, _ = step(unit, Event(What.TRYING))
        unit, effects = step(unit, Event(What.BOOTED))
        assert (unit.state, unit.boots, unit.running, effects) == (State.STAGED, boots, False, (Effect.SWITCH,))
        unit, _ = step(unit, Event(What.TRYING))
        unit, _ = step(unit, Event(What.STOPPED))  # it ended without changing anything, and so did the daemon
        assert not unit.running
    unit, _ = step(unit, Event(What.TRYING))
    unit, effects = step(unit, Event(What.BOOTED))
    assert (unit.state, unit.revert, effects) == (State.ROLLED_BACK, False, (Effect.DISCARD,))
    assert "3 times in the middle of its switch" in unit.cause


def test_a_clean_stop_is_no_failed_start() -> None:
    unit = switched()
    for _ in range(10):
        unit, _ = step(unit, Event(What.STOPPED))
        unit, _ = step(unit, Event(What.BOOTED))
    assert (unit.state, unit.boots) == (State.PROBATION, 0)


def test_a_bundle_that_the_pointer_left_is_rolled_back_with_its_cause() -> None:
    event = reconcile(switched(), A.bundle, B.bundle)
    assert event is not None and event.what is What.FAILED
    unit, _ = step(switched(), event)
    again = reconcile(unit, A.bundle, B.bundle)
    assert again is not None and step(unit, again)[0].revert is False


def test_a_committed_release_that_vanished_is_fetched_again() -> None:
    unit = Unit(State.COMMITTED, B)
    assert judge(unit, B, B.bundle) is None
    event = judge(unit, B, None)
    assert event is not None and event.what is What.WANT


def test_one_that_was_pushed_by_hand_stays_until_something_else_is_desired() -> None:
    unit = Unit(State.COMMITTED, B)
    assert judge(unit, B, "d" * 64) is None
    event = judge(unit, C, "d" * 64)
    assert event is not None and event.release == C


def test_the_same_bundle_in_a_new_rollout_is_tried_again() -> None:
    failed = Unit(State.ROLLED_BACK, B)
    assert judge(failed, B, A.bundle) is None
    event = judge(failed, dataclasses.replace(B, rollout="r-again"), A.bundle)
    assert event is not None and event.what is What.WANT


def test_what_cannot_happen_is_refused() -> None:
    with pytest.raises(StateError, match="can't happen"):
        step(Unit(), Event(What.PASSED))
    assert {state for state, what in TABLE if what is What.FAILED} == UNDER_WAY | {State.PROBATION}
    assert set(DUE) == UNDER_WAY | {State.PROBATION}


def test_a_unit_survives_json_and_nothing_else_is_read() -> None:
    unit = Unit(State.ROLLED_BACK, dataclasses.replace(B, when=("idle",)), A.bundle, 2, True, True, "why", {"p95": 3.5})
    assert unit_from(unit.plain()) == unit
    for wrong in (None, {}, {**unit.plain(), "state": "flying"}, {**unit.plain(), "release": {"rollout": 1}}):
        with pytest.raises(StateError):
            unit_from(wrong)
