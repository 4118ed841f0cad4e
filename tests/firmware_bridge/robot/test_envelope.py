"""What the safety envelope lets through: never too much, whoever asks for whatever; and never nothing for ever."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from firmware_bridge.robot.config import RobotError, parse
from firmware_bridge.robot.envelope import Envelope, Given, Why, sentences
from firmware_bridge.robot.zones import Ground, arc
from tests.firmware_bridge.robot.adversary import GROUND, RAW, ROBOT, Turn, World, leaves

_SPEEDS = st.one_of(
    st.floats(-2, 2), st.sampled_from([0.6, 1.0, -1.0, 0.0, math.nan, math.inf, -math.inf, 1e300, 1e-12])
)
_TURNS = st.builds(
    Turn,
    dt=st.one_of(st.floats(0.005, 0.06), st.sampled_from([0.02, 0.05, 0.05, 0.1, 0.24, 0.26, 0.6, 0.0, -1.0])),
    order=st.one_of(st.none(), st.tuples(_SPEEDS, _SPEEDS), st.just((0.6, 0.0)), st.just((0.6, 0.0))),
    late=st.floats(0, 0.05),
    age=st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.1, 0.2, 2.0]),
    off=st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)),
    near=st.sampled_from([9.0] * 12 + [math.inf, 0.6, 0.3, 0.1, 0.0, math.nan, -math.inf]),
    event=st.sampled_from(["nothing"] * 30 + ["stop", "tilt", "current", *["release"] * 3, *["clear"] * 3]),
)
STARTS = st.tuples(st.floats(0.3, 4.7), st.floats(0.3, 3.7), st.floats(-3.2, 3.2)).filter(
    lambda at: GROUND.clearance(at[0], at[1]) > 0.26
)
BOOLEANS = st.booleans()
TURNS = 50  # of one example


@st.composite
def attacks(draw: st.DrawFn) -> list[Turn]:
    """Turns that hold on to what they ask for, so that the robot gets up to speed, and rubbish between them."""
    made: list[Turn] = []
    while len(made) < TURNS:
        one = draw(_TURNS)
        made += [replace(one, event="nothing")] * draw(st.sampled_from([0, 0, 3, 10, 25])) + [one]
    return made[:TURNS]


def attack(start: tuple[float, float, float], turns: list[Turn], on_arc: bool) -> None:
    world = World(*start)
    for turn in turns:
        world.turn(turn, on_arc=on_arc)
    assert leaves(world), world.pose


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@drawn(STARTS, attacks(), BOOLEANS)
def test_no_order_ever_gets_it_into_a_zone_or_over_a_limit_or_stuck(
    start: tuple[float, float, float], turns: list[Turn], on_arc: bool
) -> None:
    attack(start, turns, on_arc)


def ready(
    now: float = 100.0, raw: dict[str, Any] | None = None, at: tuple[float, float, float] = (0.6, 0.6, 0.0)
) -> Envelope:
    """A standing robot that knows all it has to."""
    robot = parse({**RAW, **(raw or {})})
    envelope = Envelope(robot, Ground(robot) if robot.fence else None)
    sense(envelope, now, at)
    envelope.step(now)
    return envelope


def sense(envelope: Envelope, now: float, at: tuple[float, float, float] = (0.6, 0.6, 0.0)) -> None:
    envelope.pose(now, *at)
    envelope.scan(now, -math.pi, math.pi / 90, [9.0] * 180)
    envelope.tilt(now, 0.0, 0.0)


def drive(envelope: Envelope, seconds: float, order: tuple[float, float], begin: float = 100.0) -> list[Given]:
    """At 50 Hz; the robot is where the envelope's own speeds bring it."""
    made, (x, y, heading) = [], envelope.where(begin) or (0.6, 0.6, 0.0)
    for step in range(1, round(seconds * 50) + 1):
        now = begin + step / 50
        x, y, heading = arc(x, y, heading, envelope.v * 0.02, envelope.w / envelope.v if envelope.v else 0.0)
        sense(envelope, now, (x, y, heading + (0.0 if envelope.v else envelope.w * 0.02)))
        heading += 0.0 if envelope.v else envelope.w * 0.02
        envelope.ask(now, *order)
        made.append(envelope.step(now))
    return made


def test_it_speeds_up_by_acceleration_and_jerk_and_gets_what_it_asked_for() -> None:
    given = drive(ready(), 2.0, (0.4, 0.0))
    speeds = [0.0, *(each.v for each in given)]
    rises = [(b - a) * 50 for a, b in pairwise(speeds)]
    assert max(rises) <= 0.5 + 1e-9 and speeds[-1] == pytest.approx(0.4) and given[-1].why == 0
    jerks = [(b - a) * 50 for a, b in pairwise([0.0, *rises])]
    assert max(jerks) <= 2.0 + 1e-6 and min(jerks) > -6, min(jerks)  # easing off is gentle, too
    assert sentences(given[0].why) == ["it speeds up no faster"]


def test_it_stops_before_a_zone_by_itself_and_turns_away_from_it() -> None:
    envelope = ready(at=(0.6, 1.6, 0.0))  # the stairs are ahead
    given = drive(envelope, 8.0, (0.6, 0.0))
    x, y, _ = envelope.where(108.0) or (9.0, 9.0, 0.0)
    assert given[-1].v == 0 and given[-1].why & Why.ZONE and 1.5 < x < 2.0 and GROUND.smooth(x, y) > 0.23
    assert GROUND.forbidden(x, y) == "the zone 'stairs'"
    assert drive(envelope, 0.5, (0.6, 1.0), 108.0)[-1].w > 0.5  # it stands, and turns
    shown = [sentences(change.why) for change in envelope.changes]
    assert ["a zone or the fence is within its braking distance"] in shown


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e9, "fast"])
def test_what_is_no_number_makes_it_brake_and_it_says_so(bad: Any) -> None:
    envelope = ready()
    drive(envelope, 1.0, (0.4, 0.0))
    for order in ((bad, 0.0), (0.1, bad)):
        envelope.ask(101.02, *order)
        sense(envelope, 101.02)
        given = envelope.step(101.02)
        assert 0 < given.v < 0.4 and given.why == Why.BAD


def test_silence_the_emergency_stop_and_a_clock_that_jumps_stop_it() -> None:
    envelope = ready()
    drive(envelope, 1.0, (0.4, 0.0))
    sense(envelope, 101.2)
    assert envelope.step(101.2).v > 0  # the order still counts
    sense(envelope, 101.3)
    assert envelope.step(101.3).why == Why.SILENT
    envelope.stop()
    assert envelope.step(101.32)[:2] == (0, 0)
    envelope.ask(101.34, 0.4, 0.0)
    assert envelope.step(101.34).why == Why.STOPPED
    envelope.release()
    assert envelope.step(101.36).why & Why.SILENT  # what was asked for before doesn't count
    drive(envelope, 0.5, (0.4, 0.0), 102.0)
    assert envelope.step(50.0)[:2] == (0, 0) and envelope.why & Why.CLOCK
    assert envelope.step(math.nan)[:2] == (0, 0)


@pytest.mark.parametrize(
    ("sensor", "why"), [("pose", Why.NO_POSE), ("scan", Why.NO_SCAN), ("tilt", Why.NO_IMU), ("nan", Why.NO_POSE)]
)
def test_without_a_fresh_pose_scan_or_tilt_it_stands_and_says_which(sensor: str, why: Why) -> None:
    envelope = ready()
    for step in range(100):
        now = 100 + step / 50
        if sensor != "pose":
            envelope.pose(now, math.nan if sensor == "nan" else 0.6, 0.6, 0.0)
        if sensor != "scan":
            envelope.scan(now, -math.pi, math.pi / 90, [9.0] * 180)
        if sensor != "tilt":
            envelope.tilt(now, 0.0, 0.0)
        envelope.ask(now, 0.1, 0.0)
        given = envelope.step(now)
    assert given == (0, 0, why)


def test_somebody_near_slows_it_down_and_nearer_stops_it_but_it_may_back_away() -> None:
    envelope, speeds = ready(), []
    for near in (9.0, 1.0, 0.7, 0.3, 0.0):
        for _ in range(100):
            now = envelope._at + 0.02
            sense(envelope, now)
            envelope.scan(now, -math.pi, math.pi / 90, [near if 80 <= ray < 100 else 9.0 for ray in range(180)])
            envelope.ask(now, 0.6, 0.0)
            given = envelope.step(now)
        speeds.append(given.v)
    assert speeds == sorted(speeds, reverse=True) and speeds[0] == 0.6 and 0 < speeds[2] < 0.4 and speeds[4] == 0
    assert given.why & Why.NEAR
    envelope.ask(now + 0.02, -0.2, 0.0)
    assert envelope.step(now + 0.02).v < 0
    half = [9.0] * 180  # a scanner that looks ahead only
    envelope.scan(now + 0.04, -math.pi / 2, math.pi / 180, half)
    assert envelope.near.sees_ahead and not envelope.near.sees_behind


def test_tilt_and_current_are_faults_that_are_kept_until_their_cause_is_gone() -> None:
    envelope = ready()
    envelope.tilt(100.0, 0.2, 0.0)
    assert drive(envelope, 0, (0, 0)) == [] and not envelope.fault
    envelope.tilt(100.0, 0.2, 0.25)
    with pytest.raises(RobotError, match="still tilted"):
        envelope.clear()
    sense(envelope, 100.1)
    envelope.ask(100.1, 0.1, 0.0)
    assert envelope.step(100.1).why == Why.FAULT and "tilted by 18 degrees" in envelope.fault
    envelope.clear()
    for now, amperes in ((101.0, 7.0), (101.1, 1.0), (101.2, 7.0), (101.3, math.nan)):
        envelope.current(now, amperes)
    assert not envelope.fault
    envelope.current(101.5, 8.0)
    assert "draw 8.0 A" in envelope.fault


def test_a_robot_that_finds_itself_in_a_zone_may_only_creep_out() -> None:
    inside = (2.35, 1.6, 0.0)  # as after a jump of the estimate
    into = drive(ready(at=inside), 1.0, (0.6, 0.0))[-1]
    out = drive(ready(at=(2.42, 1.6, 0.2)), 1.0, (0.6, 0.0))[-1]
    assert out.v == pytest.approx(0.05) and out.why & Why.LEAVING
    assert into.v in (0.0, pytest.approx(0.05))
    back = drive(ready(at=(2.5, 1.7, math.pi)), 1.0, (0.6, 0.0))[-1]
    assert back.v == 0 and back.why & Why.LEAVING


def test_zones_that_cannot_be_used_let_nothing_move() -> None:
    envelope = Envelope(ROBOT, None, grounded=False)
    sense(envelope, 1.0)
    envelope.ask(1.0, 0.1, 0.1)
    assert envelope.step(1.0) == (0, 0, Why.NO_GROUND)
