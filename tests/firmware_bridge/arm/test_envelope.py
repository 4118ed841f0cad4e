"""No request moves an arm over a limit, into a box or out of its workspace: thousands of hostile ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.arm.config import Times, Tracking
from firmware_bridge.arm.envelope import ArmEnvelope
from firmware_bridge.arm.space import Box
from firmware_bridge.arm.trajectory import Trajectory
from tests.firmware_bridge.arm.scenes import example, room

ARM = example()
CHAIN = ARM.chain
TICK = 0.02
asked = st.one_of(
    st.lists(st.floats(-7, 7), min_size=4, max_size=4),
    st.lists(st.sampled_from([-1e9, -1.0, 0.0, 1.57, 1e9, math.nan, math.inf]), min_size=4, max_size=4),
)
orders = st.lists(
    st.tuples(asked, st.integers(1, 25), st.sampled_from([0.001, 0.02, 0.02, 0.09, 0.4])), min_size=2, max_size=6
)


def started(arm: object = ARM, q: np.ndarray = ARM.home) -> ArmEnvelope:
    envelope = ArmEnvelope(arm, arm.space())  # type: ignore[attr-defined, arg-type]
    envelope.report(0.0, q)
    envelope.step(0.0)
    return envelope


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(orders, st.integers(0, 2**31))
def test_no_order_moves_it_over_a_limit_or_near_to_anything(
    orders: list[tuple[list[float], int, float]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    boxes = (
        *ARM.boxes,
        Box("post", (0.2, -0.2, 0.2), (0.05, 0.05, 0.4)),
        Box("lamp", (-0.1, 0.1, 0.5), (0.1, 0.1, 0.1)),
    )
    arm = replace(ARM, boxes=boxes)
    envelope, now = started(arm), 0.0
    q, v = arm.home, np.zeros(4)
    for wanted, times, every in orders:
        if rng.random() < 0.3:  # somewhere that a person might want
            wanted = rng.uniform(CHAIN.low, CHAIN.high).tolist()
        for _ in range(times):
            now += every * float(rng.uniform(0.5, 1.0))
            envelope.report(now, q)
            along = rng.uniform(-3, 3, 4) * arm.speed if rng.random() < 0.5 else None
            envelope.ask(now, np.array(wanted), along)
            given = envelope.step(now)
            assert given is not None
            dt = min(0.1, every)
            assert (np.abs(given.v) <= arm.speed + 1e-9).all()
            assert (np.abs(given.v - v) <= arm.limits.acceleration * dt + 1e-9).all() or not given.v.any()
            assert (np.abs(given.q - q) <= arm.speed * dt + 1e-9).all()
            assert ((CHAIN.low - 1e-9 <= given.q) & (given.q <= CHAIN.high + 1e-9)).all()
            assert room(given.q, (*boxes, *arm.objects)) >= arm.build.margin - 0.002
            q, v = given.q, given.v
    for _ in range(60):  # and it can always come to stand, with nobody there
        now += TICK
        given = envelope.step(now)
        assert given is not None and room(given.q, boxes) >= arm.build.margin - 0.002
    assert not given.v.any()


def test_it_goes_where_it_is_asked_to_and_stands_for_each_reason() -> None:
    envelope, goal = started(), np.array([0.8, -0.5, 1.5, 1.2])

    def run(seconds: float, wanted: np.ndarray = goal, tell: bool = True) -> str:
        for _ in range(round(seconds / TICK)):
            run.now += TICK  # type: ignore[attr-defined]
            assert envelope.q is not None
            if tell:
                envelope.report(run.now, envelope.q)  # type: ignore[attr-defined]
            envelope.ask(run.now, wanted)  # type: ignore[attr-defined]
            envelope.step(run.now)  # type: ignore[attr-defined]
        return envelope.why

    run.now = 0.0  # type: ignore[attr-defined]
    assert run(3.0) == "" and envelope.q is not None and np.abs(envelope.q - goal).max() < 1e-6
    assert run(0.3, ARM.home) == "" and envelope.v.any()
    envelope.stop()
    assert "emergency stop" in run(1.0, ARM.home) and not envelope.v.any()
    envelope.release()
    assert run(0.3, ARM.home) == "" and envelope.v.any()
    assert "tell nothing new" in run(1.0, ARM.home, tell=False) and not envelope.v.any()
    assert "no number" in run(0.1, np.full(4, math.nan))
    assert "no number" in run(0.1, np.zeros(3))
    envelope.ask(run.now, goal, np.full(4, math.inf))  # type: ignore[attr-defined]
    envelope.step(run.now)  # type: ignore[attr-defined]
    assert "no number" in envelope.why
    assert run(0.1) == "" and "no order" in silence(envelope, run.now)  # type: ignore[attr-defined]
    envelope.step(-5.0)
    assert envelope.why == "the clock went back"
    assert "joint's limit" in run(4.0, np.array([0.8, -0.5, 1.5, 9.0]))


def silence(envelope: ArmEnvelope, now: float) -> str:
    for _ in range(30):
        now += TICK
        assert envelope.q is not None
        envelope.report(now, envelope.q)
        envelope.step(now)
    return envelope.why


def test_it_follows_a_way_closely_and_does_not_shake() -> None:
    envelope, ones = started(), np.ones(4)
    points = [ARM.home, np.array([0.8, -0.5, 1.5, 1.2]), np.array([-0.6, -0.1, 1.0, 0.4])]
    way = Trajectory(points, 0.9 * ARM.speed, 0.9 * ARM.limits.acceleration * ones, ARM.limits.jerk * ones)
    speeds = []
    for at in np.arange(TICK, way.seconds, TICK):
        assert envelope.q is not None
        envelope.report(at, envelope.q)
        envelope.ask(at, way.at(at), way.speed(at))
        given = envelope.step(at)
        assert given is not None and np.abs(given.q - way.at(at)).max() < 0.01
        speeds.append(float(np.abs(given.v).max()))
    assert max(speeds) > 0.8 * float((0.9 * ARM.speed).min())
    turns = np.diff(np.sign(np.diff(speeds)[np.abs(np.diff(speeds)) > 1e-3]))
    assert np.count_nonzero(turns) == 3  # faster, slower, and once more for the second leg


def test_joints_that_are_not_where_they_should_be_are_a_fault_until_it_is_cleared() -> None:
    arm = replace(ARM, tracking=Tracking(0.1, 0.2), times=Times())
    envelope = started(arm)
    blocked = arm.home + np.array([0.3, 0, 0, 0])
    for at in range(1, 30):
        envelope.report(at * TICK, blocked)
        envelope.ask(at * TICK, arm.home)
        envelope.step(at * TICK)
    assert "0.30 rad or m from where it should be" in envelope.fault and "fault" in envelope.why
    envelope.clear()
    envelope.report(1.0, blocked)
    assert envelope.q is not None and (envelope.q == blocked).all() and not envelope.fault


@pytest.mark.parametrize("drawn", [0.0, 0.004])
def test_a_box_that_is_put_too_near_lets_it_go_away_only(drawn: float) -> None:
    q = np.array([0.0, 0.4, 1.2, 1.2])
    tip_ = ARM.space().kinematics.tip(q)[:3, 3]
    wall = Box("wall", (float(tip_[0]) + 0.07 + drawn, 0.0, float(tip_[2])), (0.1, 0.3, 0.1))
    arm = replace(ARM, boxes=(wall,), objects=())
    envelope = started(arm, q)
    space = arm.space()
    before = float(space.clearance(q[None])[0])
    assert before < arm.build.margin

    def push(way: float) -> float:
        for at in range(1, 80):
            assert envelope.q is not None
            envelope.report(push.now + at * TICK, envelope.q)  # type: ignore[attr-defined]
            envelope.ask(push.now + at * TICK, envelope.q + np.array([0, way, 0, 0]))  # type: ignore[attr-defined]
            envelope.step(push.now + at * TICK)  # type: ignore[attr-defined]
        push.now += 80 * TICK  # type: ignore[attr-defined]
        assert envelope.q is not None
        return float(space.clearance(envelope.q[None])[0])

    push.now = 0.0  # type: ignore[attr-defined]
    assert push(0.3) >= before - 1e-6  # not towards it
    assert push(-0.3) > arm.build.margin
