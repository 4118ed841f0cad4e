"""Picks one thing and puts it somewhere: which ways the arm goes, when its fingers move, and what it carries meanwhile.

All of it is planned before anything moves. The tool points down. While it goes down to a thing and up with it, that thing isn't
among what it keeps away from; on the way between it is a part of the arm.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from firmware_bridge.arm.config import Arm, Gripper
from firmware_bridge.arm.inverse import Inverse
from firmware_bridge.arm.plan import SLACK, plan
from firmware_bridge.arm.space import Box, Space
from firmware_bridge.arm.urdf import ArmError

DOWN = np.array([0.0, 0.0, -1.0])
ABOVE = 0.06  # metres over a thing, from where the tool goes straight down
PIECE = 0.03  # metres of that between two points; between them the tip is off the line by half a millimetre
HIGHER = 0.004  # metres between two heights at which it may take a thing
ROOM = 0.003  # metres between each finger and a thing, at least, before they close
DROP = 0.001  # metres over the ground at which it lets go


Held = tuple[tuple[float, float, float], float]  # the size of what is carried, and how far beyond the tip its middle is


@dataclass(frozen=True)
class Step:
    """What comes next: points [n] of the joints to go along, or fingers to be `width` metres apart.

    boxes: what stands there meanwhile. held: what is carried.
    """

    says: str
    boxes: tuple[Box, ...]
    points: tuple[np.ndarray, ...] = ()
    width: float | None = None
    held: Held | None = None


def reach(arm: Arm, start: np.ndarray, at: np.ndarray, rng: np.random.Generator, down: bool = False) -> list[Step]:
    """The tip to `at` [3], with the tool down if asked for. Raises ArmError."""
    space = arm.space()
    goals = Inverse(space.kinematics).solve(at, rng, DOWN if down else None, start)
    return [Step("go there", space.boxes, tuple(plan(space, start, goals, rng)))]


def home(arm: Arm, start: np.ndarray, rng: np.random.Generator, held: Held | None = None) -> list[Step]:
    """Where it rests, with what it holds. Raises ArmError."""
    space = arm.space()
    space.hold(*held or (None,))
    return [Step("go home", space.boxes, tuple(plan(space, start, [arm.home], rng)), held=held)]


def pick(arm: Arm, start: np.ndarray, name: str, rng: np.random.Generator) -> tuple[list[Step], Held]:
    """The thing called `name`, then home with it. Raises ArmError where that can't be."""
    gripper, thing = _gripper(arm), arm.object(name)
    space = arm.space()
    everything = space.boxes
    without = tuple(box for box in everything if box is not thing)
    down, held = _down_to(arm, space, thing, without, start, rng)
    steps = [Step("open the fingers", everything, width=gripper.gap + gripper.open)]
    space.use(everything)
    steps.append(Step("go above it", everything, tuple(plan(space, start, [down[0]], rng))))
    steps += [Step("go down to it", without, tuple(down)), Step("take it", without, width=_closed(arm, thing))]
    steps.append(Step("lift it", without, tuple(reversed(down))))
    return [*steps, *home(replace(arm, objects=()), down[0], rng, held)], held


def put(
    arm: Arm, start: np.ndarray, held: Held, to: tuple[float, float, float], rng: np.random.Generator
) -> list[Step]:
    """What is held onto the point `to`, then home. Raises ArmError where that can't be."""
    gripper, (size, beyond) = _gripper(arm), held
    space = arm.space()
    moved = Box("what it put down", (to[0], to[1], to[2] + size[2] / 2), size)
    if any(_overlap(moved, box) for box in space.boxes):
        raise ArmError("Something stands already where it is to go.")
    without, onto = space.boxes, np.array(to) - (size[2] / 2 + beyond + DROP) * DOWN
    down = _straight_down(space, onto, start, rng, ABOVE + size[2])
    space.hold(*held)
    steps = [Step("carry it", without, tuple(plan(space, start, [down[0]], rng)), held=held)]
    steps += [
        Step("put it down", without, tuple(down)),
        Step("let it go", without, width=gripper.gap + gripper.open),
        Step("go up", without, tuple(reversed(down))),
    ]
    space.hold(None)
    space.use((*without, moved))
    return [*steps, Step("go home", space.boxes, tuple(plan(space, down[0], [arm.home], rng)))]


def pick_and_place(
    arm: Arm, start: np.ndarray, name: str, to: tuple[float, float, float], rng: np.random.Generator
) -> list[Step]:
    """The thing called `name` onto the point `to`, then home. Raises ArmError where that can't be."""
    gripper, thing = _gripper(arm), arm.object(name)
    space = arm.space()
    everything = space.boxes
    without = tuple(box for box in everything if box is not thing)
    wide, height = gripper.gap + gripper.open, thing.size[2]
    # The way down first, as what can't be taken needn't be gone to.
    down, held = _down_to(arm, space, thing, without, start, rng)
    moved = replace(thing, at=(to[0], to[1], to[2] + height / 2))
    if any(_overlap(moved, box) for box in without):
        raise ArmError(f"Something stands already where {thing.name!r} is to go.")
    onto = np.array(to) - (height / 2 + held[1] + DROP) * DOWN
    try:
        down_again = _straight_down(space, onto, down[0], rng, ABOVE + height)
    except ArmError as error:
        raise ArmError(f"{thing.name!r} can't be put there: {error}") from None

    steps = [Step("open the fingers", everything, width=wide)]
    space.use(everything)
    steps.append(Step("go above it", everything, tuple(plan(space, start, [down[0]], rng))))
    steps += [Step("go down to it", without, tuple(down)), Step("take it", without, width=_closed(arm, thing))]
    steps.append(Step("lift it", without, tuple(reversed(down))))
    space.use(without)
    space.hold(*held)
    steps.append(Step("carry it", without, tuple(plan(space, down[0], [down_again[0]], rng)), held=held))
    space.hold(None)
    steps += [Step("put it down", without, tuple(down_again)), Step("let it go", without, width=wide)]
    steps.append(Step("go up", without, tuple(reversed(down_again))))
    after = (*without, moved)
    space.use(after)
    steps.append(Step("go home", after, tuple(plan(space, down_again[0], [arm.home], rng))))
    return steps


def _gripper(arm: Arm) -> Gripper:
    if arm.gripper is None:
        raise ArmError("This arm has no gripper: arm.toml needs [gripper].")
    return arm.gripper


def _closed(arm: Arm, thing: Box) -> float:
    """Metres that the fingers are told to be apart when they hold a thing."""
    return min(thing.size[:2]) - _gripper(arm).squeeze


def _down_to(
    arm: Arm, space: Space, thing: Box, without: tuple[Box, ...], start: np.ndarray, rng: np.random.Generator
) -> tuple[list[np.ndarray], Held]:
    """The way straight down to a thing, and how it is held then. Raises ArmError."""
    gripper = _gripper(arm)
    space.use(without)
    down, beyond = way_down(space, thing, start, rng)
    across, wide = _across(space, down[-1], thing), gripper.gap + gripper.open
    if across + 2 * ROOM > wide:
        raise ArmError(f"{thing.name!r} is {1000 * across:.0f} mm across, and the fingers open to {1000 * wide:.0f}.")
    return down, (thing.size, beyond)


def way_down(space: Space, thing: Box, start: np.ndarray, rng: np.random.Generator) -> tuple[list[np.ndarray], float]:
    """Points straight down to a thing, as low as it can be taken, and how far beyond the tip its middle is. Raises ArmError."""
    height = thing.size[2]
    for depth in _depths(height, _fingers(space)):
        try:
            tip = np.array(thing.at) - (height / 2 - depth) * DOWN
            return _straight_down(space, tip, start, rng, ABOVE + height), height / 2 - depth
        except ArmError as error:
            why = error
    raise ArmError(f"{thing.name!r} can't be taken: {why}")


def _fingers(space: Space) -> float:
    """Metres from where the fingers begin, at the palm, to the tip; endless where there are none, or they begin beyond it."""
    chain = space.kinematics.chain
    long = [float(-(np.linalg.inv(chain.tip) @ finger.origin)[2, 3]) for finger in chain.fingers]
    return min((each for each in long if each > ROOM), default=np.inf)


def _depths(height: float, fingers: float) -> list[float]:
    """How far below a thing's top the tip may take it, the deepest first: a palm that leans on it presses it out of the fingers."""
    deepest = min(height / 2, fingers - ROOM)
    return [deepest - HIGHER * step for step in range(int(deepest / HIGHER))] or [deepest]


def _straight_down(
    space: Space, tip: np.ndarray, near: np.ndarray, rng: np.random.Generator, lift: float
) -> list[np.ndarray]:
    """Points from `lift` metres above `tip` straight down to it. Raises ArmError."""
    keep, inverse = space.margin + SLACK, Inverse(space.kinematics)
    why = ""
    for low in inverse.solve(tip, rng, DOWN, near):
        points = [low]
        try:
            for up in np.linspace(0, lift, max(2, round(lift / PIECE) + 1))[1:]:
                made = inverse.follow(points[-1], tip - up * DOWN, DOWN)
                if space.kinematics.moves(points[-1], made) > 10 * PIECE:
                    raise ArmError("The joints would have to turn over on the way.")
                points.append(made)
            for a, b in itertools.pairwise(points):
                if not space.free(a, b, keep):
                    raise ArmError(f"Too near to {space.why(b if space.clearance(b[None])[0] < keep else a)}.")
        except ArmError as error:
            why = str(error)
            continue
        return points[::-1]
    raise ArmError(why)


def _across(space: Space, q: np.ndarray, thing: Box) -> float:
    """Metres of a thing between the fingers, as they stand at q [n]."""
    chain = space.kinematics.chain
    finger = chain.fingers[0]
    axis = np.abs(space.kinematics.frames(q[None])[0, -1, :3, :3] @ finger.origin[:3, :3] @ finger.axis)
    return float(axis @ np.array(thing.size))


def _overlap(a: Box, b: Box) -> bool:
    return all(abs(p - q) < (m + n) / 2 for p, q, m, n in zip(a.at, b.at, a.size, b.size, strict=True))
