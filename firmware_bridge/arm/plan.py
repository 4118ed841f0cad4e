"""A way of the joints round boxes, by roboplan's RRT-Connect. What it finds counts only if `Space` finds it free, too.

Kuffner, LaValle: RRT-Connect: An Efficient Approach to Single-Query Path Planning (2000).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firmware_bridge.arm import model
from firmware_bridge.arm.space import EVERY, Space
from firmware_bridge.arm.urdf import ArmError

if TYPE_CHECKING:
    from roboplan.core import Scene

SLACK = 0.003  # metres that a way keeps besides the margin, so that the envelope has nothing to say
LOOKS = 0.05  # rad or m between two looks along a way
LONGEST = 1.0  # rad or m of a new branch
NODES, TRIES = 300, 3  # random joints of one search, and searches, before there is no way
CUTS = 100  # tries to leave out what is roundabout
# Of the room that is added to boxes: all, and so much that their corners have no more than is asked for.
PARTS = (1.0, 3**-0.5)


def plan(space: Space, start: np.ndarray, goals: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Points [n] of the joints from `start` to one of `goals`, straight between each two. Raises ArmError: there is none."""
    keep = space.margin + SLACK
    if space.clearance(start[None])[0] < keep:
        raise ArmError(f"The arm begins too near to {space.why(start)}: move it away by hand.")
    open_ = [goal for goal in goals if space.clearance(goal[None])[0] >= keep]
    if not open_:
        raise ArmError(f"The arm can't be there without coming too near to {space.why(goals[0])}.")
    for goal in open_:
        if space.free(start, goal, keep):
            return [start, goal]
    for part in PARTS:
        scene = model.room(space, keep, part, SLACK)
        reached = [goal for goal in open_ if not scene.hasCollisions(goal)]
        if not reached or scene.hasCollisions(start):
            continue
        for at in range(TRIES):
            found = _search(space, scene, start, reached[at % len(reached)], int(rng.integers(1 << 31)))
            if found is not None:
                return found
    raise ArmError("No way was found: make room, or put things where the arm comes to them more freely.")


def _search(space: Space, scene: Scene, start: np.ndarray, goal: np.ndarray, seed: int) -> list[np.ndarray] | None:
    from roboplan.core import JointConfiguration, PathShortcutter, PathShortcuttingOptions
    from roboplan.rrt import RRT, RRTOptions

    names = model.names(space.kinematics.chain)
    search = RRT(
        scene,
        RRTOptions(
            group_name=model.GROUP,
            max_nodes=NODES,
            max_connection_distance=LONGEST,
            collision_check_step_size=LOOKS,
            rrt_connect=True,
        ),
    )
    search.setRngSeed(seed)
    try:
        found = search.plan(JointConfiguration(names, start), JointConfiguration(names, goal))
    except RuntimeError:  # how it says that there is none
        return None
    options = PathShortcuttingOptions(group_name=model.GROUP, max_step_size=LOOKS, max_iters=CUTS, seed=seed)
    for way in (PathShortcutter(scene, options).shortcut(found), found):
        points = [np.array(point) for point in way.positions]
        if all(space.free(a, b, space.margin + SLACK - EVERY / 2) for a, b in itertools.pairwise(points)):
            return points
    return None
