"""Kinematics, ways and picking: against plain trigonometry of the same arm."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.arm import model
from firmware_bridge.arm.config import load
from firmware_bridge.arm.inverse import Inverse
from firmware_bridge.arm.kinematics import Kinematics
from firmware_bridge.arm.pick import DOWN, pick_and_place
from firmware_bridge.arm.plan import PARTS, SLACK, plan
from firmware_bridge.arm.space import Box
from firmware_bridge.arm.trajectory import Trajectory
from firmware_bridge.arm.urdf import ArmError, parse
from firmware_bridge.cli import main
from tests.firmware_bridge.arm.scenes import EXAMPLE, example, room, scene, tip

ARM = example()
URDF = EXAMPLE.with_suffix(".urdf").read_bytes()


def test_the_tip_is_where_trigonometry_has_it() -> None:
    kinematics, rng = Kinematics(ARM.chain), np.random.default_rng(3)
    for q in rng.uniform(ARM.chain.low, ARM.chain.high, (200, 4)):
        assert np.abs(kinematics.tip(q)[:3, 3] - tip(q)).max() < 1e-9


@pytest.mark.parametrize("tool", [False, True])
def test_every_point_that_it_can_reach_is_reached_within_a_millimetre(tool: bool) -> None:
    kinematics, rng = Kinematics(ARM.chain), np.random.default_rng(4)
    inverse = Inverse(kinematics)
    for wanted in rng.uniform(ARM.chain.low, ARM.chain.high, (100, 4)):
        at, along = tip(wanted), kinematics.tip(wanted)[:3, 2]
        for q in inverse.solve(at, rng, along if tool else None):
            assert np.linalg.norm(tip(q) - at) < 1e-3
            assert not tool or kinematics.tip(q)[:3, 2] @ along > np.cos(0.005)
            assert ((ARM.chain.low <= q) & (q <= ARM.chain.high)).all()


def test_what_it_cannot_reach_is_told_with_how_near_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    inverse, rng = Inverse(Kinematics(ARM.chain)), np.random.default_rng(4)
    for at in ((0.7, 0, 0.2), (0, 0, -0.6)):
        with pytest.raises(ArmError, match="doesn't reach"):
            inverse.solve(np.array(at), rng)
    with pytest.raises(ArmError, match="with the tool as asked"):
        inverse.solve(np.array([0.0, 0.0, 0.6]), rng, DOWN)
    # Stretched out level from the shoulder, which is 0.14 m over the base, the tip is 0.49 m away.
    assert main(["arm", "solve", "--arm", str(EXAMPLE), "0.52", "0", "0.14"]) == 1
    assert "doesn't reach 0.520, 0.000, 0.140 m. It comes within 50 mm of that" in capsys.readouterr().err


def test_where_it_goes_is_the_same_for_the_same_seed() -> None:
    def ways() -> list[np.ndarray]:
        rng = np.random.default_rng(1)
        arm, to = scene(ARM, rng)
        return [np.array(step.points) for step in pick_and_place(arm, arm.home, "cube", to, rng)]

    one, other = ways(), ways()
    assert len(one) == len(other) and all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("turned", [(0.0, 0.0, 0.0), (0.0, np.pi / 2, 0.0), (0.4, -np.pi / 2, 0.0), (2.8, 1.2, -2.0)])
def test_roboplan_has_the_arm_where_we_have_it(turned: tuple[float, float, float]) -> None:
    text = URDF.replace(
        b'<origin xyz="0 0 0.2"/><axis xyz="0 1 0"/>',
        f'<origin xyz="0.01 -0.02 0.2" rpy="{turned[0]} {turned[1]} {turned[2]}"/><axis xyz="0.6 0 0.8"/>'.encode(),
    )
    chain, rng = parse(text, "base_link", "tip"), np.random.default_rng(2)
    kinematics, made = Kinematics(chain), model.scene(chain)
    for q in rng.uniform(chain.low, chain.high, (20, 4)):
        assert np.abs(made.forwardKinematics(q, model.TIP) - kinematics.tip(q)).max() < 1e-9


def test_roboplan_finds_room_where_our_envelope_does() -> None:
    """What it lets through has room; what it doesn't is nearer than is asked for but for the corners of boxes."""
    rng = np.random.default_rng(6)
    space = scene(ARM, rng)[0].space()
    space.hold((0.03, 0.04, 0.05), 0.01)
    keep, q = space.margin + SLACK, rng.uniform(ARM.chain.low, ARM.chain.high, (2000, 4))
    rooms = space.clearance(q)
    tight, loose = (model.room(space, keep, part, SLACK) for part in PARTS)
    free, likely = (np.array([not made.hasCollisions(each) for each in q]) for made in (tight, loose))
    assert 200 < free.sum() < 1800
    assert (rooms[free] >= keep - 1e-9).all() and likely[rooms >= keep + 1e-9].all()
    assert (free == (rooms >= keep)).mean() > 0.98


def test_a_way_keeps_the_margin_in_50_scenes_where_the_straight_one_does_not() -> None:
    rng, looked, none = np.random.default_rng(21), 0, 0
    while looked < 50:
        arm, _ = scene(ARM, rng)
        space = arm.space()
        keep = space.margin + SLACK
        drawn = rng.uniform(arm.chain.low, arm.chain.high, (60, 4))
        start, *others = drawn[space.clearance(drawn) >= keep]
        between = start + np.linspace(0, 1, 12)[:, None, None] * (np.array(others[:6]) - start)
        blocked = space.clearance(between.reshape(-1, 4)).reshape(12, -1).min(0) < space.margin
        if not blocked.any():
            continue
        goal = others[int(blocked.argmax())]
        looked += 1
        try:
            points = plan(space, start, [goal], rng)
        except ArmError as error:
            assert "No way was found" in str(error)
            none += 1
            continue
        assert (points[0] == start).all() and (points[-1] == goal).all()
        assert len(points) > 2
        for a, b in itertools.pairwise(points):
            assert space.free(a, b, space.margin)
            for part in np.linspace(0, 1, 12):
                assert room(a + part * (b - a), space.boxes) > space.margin
    assert none <= 1


def test_a_way_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_bridge.arm.plan.NODES", 100)  # it is as sure as with more, and sooner
    fence = [
        Box(f"{side} {at:.2f}", (float(at), 0.0, 0.25), (0.1, 0.02, 0.5)) for side in "ab" for at in np.arange(-0.55, 0.6, 0.1)
        if (side == "a") == (at > 0) and abs(at) > 0.1
    ]  # fmt: skip
    space = replace(ARM, boxes=tuple(fence), objects=(), high=np.array([0.6, 0.6, 0.42])).space()
    start, goal = (np.array([turn, 0.6, 1.4, 0.6]) for turn in (1.5, -1.5))
    assert (space.clearance(np.array([start, goal])) > 0.013).all()
    with pytest.raises(ArmError, match="No way was found"):
        plan(space, start, [goal], np.random.default_rng(0))


def test_without_roboplan_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "roboplan.core", None)
    assert main(["arm", "check", "--arm", str(EXAMPLE)]) == 0
    for command in (["solve", "0.2", "0", "0.05"], ["pick", "red cube", "tray"]):
        assert main(["arm", command[0], "--arm", str(EXAMPLE), *command[1:]]) == 1
        assert "planned with roboplan: pip install 'enigma[arm]'" in capsys.readouterr().err


def test_balls_hold_the_arm() -> None:
    """What is said to be the room to a box is never more than the true one, and little less."""
    rng = np.random.default_rng(5)
    boxes = (Box("a", (0.2, 0.1, 0.3), (0.1, 0.2, 0.1)),)
    space = replace(ARM, boxes=boxes, objects=(), high=np.full(3, 9.0), low=np.full(3, -9.0)).space()
    space.margin = 9.0  # the arm itself doesn't count
    q = rng.uniform(ARM.chain.low, ARM.chain.high, (300, 4))
    true = np.array([room(each, boxes, table=False) for each in q])
    much = (true - space.clearance(q))[true > 0]
    assert len(much) > 150 and much.min() > 0 and np.median(much) < 0.03


def test_a_thing_is_picked_and_placed_round_boxes_and_nothing_is_touched() -> None:
    rng, done = np.random.default_rng(11), 0
    for _ in range(4):
        arm, to = scene(ARM, rng)
        try:
            steps = pick_and_place(arm, arm.home, "cube", to, rng)
        except ArmError:
            continue
        done += 1
        assert [step.says for step in steps if step.width is not None] == ["open the fingers", "take it", "let it go"]
        limits = [np.full(4, value) for value in (1.0, 3.0, 30.0)]
        for step in (each for each in steps if each.points):
            way = Trajectory(step.points, *limits)
            for seconds in np.linspace(0, way.seconds, 16):
                assert room(way.at(seconds), step.boxes) > arm.build.margin
        lifted, lowered = steps[2].points[-1], steps[6].points[-1]
        thing = arm.objects[0]
        assert np.allclose(tip(lifted)[:2], thing.at[:2], atol=5e-4) and np.allclose(
            tip(lowered)[:2], to[:2], atol=5e-4
        )
        assert tip(lifted)[2] - thing.at[2] == pytest.approx(tip(lowered)[2] - to[2] - thing.size[2] / 2, abs=2e-3)
    assert done >= 3


def test_what_cannot_be_picked_or_placed_is_told_before_anything_moves() -> None:
    rng, thing = np.random.default_rng(0), ARM.objects[0]

    def why(arm: object, to: tuple[float, float, float] = (0.15, 0.25, 0.0), name: str = "red cube") -> str:
        with pytest.raises(ArmError) as told:
            pick_and_place(arm, ARM.home, name, to, rng)  # type: ignore[arg-type]
        return str(told.value)

    assert "no 'blue ball'" in why(ARM, name="blue ball")
    assert "doesn't reach" in why(replace(ARM, objects=(replace(thing, at=(0.55, 0.0, 0.02)),)))
    assert "mm across" in why(replace(ARM, objects=(replace(thing, size=(0.08, 0.08, 0.04)),)))
    assert "stands already" in why(ARM, (0.28, 0.12, 0.0))
    assert "can't be put there" in why(ARM, (0.0, 0.55, 0.0))
    assert "Too near to the box 'lid'" in why(replace(ARM, boxes=(Box("lid", (0.25, -0.1, 0.09), (0.2, 0.2, 0.02)),)))
    assert "no gripper" in why(replace(ARM, gripper=None))


def test_a_way_keeps_speed_acceleration_and_jerk_and_stands_at_its_ends() -> None:
    points = [np.array(point) for point in ([0.0, 0, 0], [1, -0.2, 0.1], [1, 0.4, 2], [0.9, 0.4, 2])]
    most = [np.array([1.0, 0.5, 2.0]), np.array([2.0, 3.0, 3.0]), np.array([20.0, 30.0, 40.0])]
    way, step = Trajectory(points, *most), 1e-3
    q = np.array([way.at(at) for at in np.arange(0, way.seconds + step, step)])
    assert (q[0] == points[0]).all() and (q[-1] == points[-1]).all()
    halfway = np.array([way.speed(at + step / 2) for at in np.arange(0, way.seconds, step)])
    assert np.abs(np.diff(q, axis=0)[: len(halfway)] / step - halfway).max() < 0.01
    for limit in most:
        q = np.diff(q, axis=0) / step
        inner = np.abs(q) <= limit * 1.01
        assert inner.mean() > 0.999 and (limit is most[2] or inner.all())  # jerk jumps at the ends of legs


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'lower="-2.9"', b'lower="3"', "lower must be below upper"),
        (b'velocity="2"', b'velocity="nan"', "velocity must be 1 numbers"),
        (b"<cylinder radius", b"<mesh radius", "must be a box, a cylinder or a sphere"),
        (b'<axis xyz="0 0 1"/>', b'<axis xyz="0 0 0"/>', "needs an axis"),
        (b'type="revolute"', b'type="planar"', "must be revolute"),
        (b'<link name="tip"/>', b"", "must join two links"),
        (b'name="left_finger" type="prismatic"', b'name="left_finger" type="revolute"', "branches off"),
        (b"<?xml", b"<!DOCTYPE a><?xml", "without a DOCTYPE"),
        (b"<robot", b"<arm", "isn't XML"),
    ],
)
def test_a_urdf_that_cannot_be_used_is_refused_with_what_is_wrong(old: bytes, new: bytes, why: str) -> None:
    assert old in URDF
    with pytest.raises(ArmError, match=why):
        parse(URDF.replace(old, new), "base_link", "tip")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("home = [0.0,", "home = [9.0,", "home must be 4 numbers|home is outside"),
        ("margin = 0.01", "margin = 1.0", "margin in .arm. must be a number from"),
        ("low = [-0.6, -0.6, 0.0]", "low = [-0.6, -0.6, 0.9]", "low in .workspace. must be below high"),
        ("low = [-0.6, -0.6, 0.0]", "low = [-0.6, -0.6, 0.3]", "At home the arm is too near to the workspace's edge"),
        ("size = [0.1, 0.04, 0.2]", "size = [0.1, 0.04, -0.2]", "a size is over 0"),
        ('tip = "tip"', 'tip = "claw"', "no link 'claw'"),
        ('name = "tray"', 'label = "tray"', "spots.0. must hold name, at"),
        ("[gripper]", "[grip]", "grip isn't a key"),
        ("open = 0.05", "open = 0.05\nforce = 3", "has no key force"),
    ],
)
def test_an_arm_toml_with_a_mistake_is_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    text = EXAMPLE.read_text()
    assert old in text
    (tmp_path / "arm.urdf").write_bytes(URDF)
    (tmp_path / "arm.toml").write_text(text.replace(old, new))
    with pytest.raises(ArmError, match=why):
        load(tmp_path / "arm.toml")


def test_the_commands_plan_without_an_arm(capsys: pytest.CaptureFixture[str]) -> None:
    arm = ["--arm", str(EXAMPLE)]
    assert main(["arm", "check", *arm]) == 0
    assert "shoulder: -1.9 to 1.9 rad, up to 1 rad/s" in capsys.readouterr().out
    assert main(["arm", "solve", *arm, "--down", "0.2", "0", "0.05"]) == 0
    assert "turn 0" in capsys.readouterr().out
    assert main(["arm", "pick", *arm, "red cube", "tray"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:4] == ["open the fingers", "go above it", "go down to it", "take it"] and said[-2:] == [
        "go home",
        "Nothing moved: --live carries it out.",
    ]
    assert main(["arm", "pick", *arm, "red cube", "attic"]) == 1
    assert "no spot 'attic'" in capsys.readouterr().err
    assert len(list(itertools.islice(said, 20))) == 11
