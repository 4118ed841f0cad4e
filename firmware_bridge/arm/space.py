"""How much room an arm has: metres from its balls to boxes, to the walls of its workspace and to itself, many poses at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firmware_bridge.arm.kinematics import Kinematics

EVERY = 0.005  # metres: where two looks along a way are so near to each other, there is none between them


@dataclass(frozen=True)
class Box:
    """Something that stands there, in the base's frame. at: its middle, size: its sides, metres."""

    name: str
    at: tuple[float, float, float]
    size: tuple[float, float, float]


class Space:
    """The room round one arm. low, high: float64 [3], the workspace's corners. near: pairs of links (0: the base) that needn't
    keep clear of each other, besides neighbours. centres, radii, links: as a `Chain` has them, with what is held.
    """

    def __init__(
        self,
        kinematics: Kinematics,
        boxes: Sequence[Box],
        low: np.ndarray,
        high: np.ndarray,
        margin: float,
        near: frozenset[tuple[int, int]] = frozenset(),
    ) -> None:
        self.kinematics, self.low, self.high, self.margin = kinematics, low, high, margin
        self.boxes: tuple[Box, ...] = ()
        self.near = near
        self.use(boxes)
        self.hold(None)

    def use(self, boxes: Sequence[Box]) -> None:
        """Other boxes stand there now."""
        self.boxes = tuple(boxes)
        middles = np.array([box.at for box in self.boxes]).reshape(-1, 3)
        halves = np.array([box.size for box in self.boxes]).reshape(-1, 3) / 2
        self._low, self._high = middles - halves, middles + halves

    def hold(self, size: tuple[float, float, float] | None, beyond: float = 0.0) -> None:
        """A box of `size` moves with the tip now, its middle `beyond` metres farther along the tool; None: nothing does."""
        chain = self.kinematics.chain
        centres, radii, links = chain.centres, chain.radii, chain.links
        if size is not None:
            # The tool may be turned about its axis by anything: discs that hold all of it, one below the other.
            across = float(np.hypot(size[0], size[1])) / 2
            count = max(1, round(size[2] / across))
            local = np.zeros((count, 3))
            local[:, 2] = (np.arange(count) + 0.5) * size[2] / count - size[2] / 2 + beyond
            radius = float(np.hypot(across, size[2] / count / 2))
            at = local @ chain.tip[:3, :3].T + chain.tip[:3, 3]
            centres = np.concatenate([centres, at])
            radii = np.concatenate([radii, np.full(len(at), radius)])
            links = np.concatenate([links, np.full(len(at), len(chain.joints))])
        self.centres, self.radii, self.links = centres, radii, links
        self._moving = links > 0
        apart = np.abs(links[:, None] - links[None]) > 1
        for a, b in self.near:
            apart &= ~(((links[:, None] == a) & (links[None] == b)) | ((links[:, None] == b) & (links[None] == a)))
        self._pairs = np.nonzero(np.triu(apart))

    def clearance(self, q: np.ndarray) -> np.ndarray:
        """float64 [k]: metres of room at each of q [k, n], negative where it overlaps something. The arm's own links count
        as `margin` farther apart than they are: they only mustn't touch."""
        return np.min(self._parts(q), axis=0)

    def why(self, q: np.ndarray) -> str:
        """What is nearest at q [n]: a box's name, the workspace, or the arm itself."""
        boxes, _, itself = (float(part[0]) for part in self._parts(q[None]))
        names = [*(f"the box {box.name!r}" for box in self.boxes)]
        least = min(boxes, float(self._parts(q[None])[1][0]), itself)
        if least == itself:
            return "the arm itself"
        if least == boxes and names:
            points = self._points(q[None])[0][self._moving]
            rooms = [self._boxes(points[None], at)[0] for at in range(len(names))]
            return names[int(np.argmin(rooms))]
        return "the workspace's edge"

    def free(self, a: np.ndarray, b: np.ndarray, keep: float) -> bool:
        """Whether the joints' straight way from a [n] to b [n] keeps `keep` metres of room all along."""
        length = self.kinematics.moves(a, b)
        lows, highs = np.zeros(1), np.ones(1)
        at_low, at_high = self.clearance(a[None]), self.clearance(b[None])
        while True:
            if (at_low < keep).any() or (at_high < keep).any():
                return False
            # Room changes by no more than the arm moves, so two looks tell the least between them.
            open_ = at_low + at_high - (highs - lows) * length < 2 * keep
            if not open_.any():
                return True
            lows, highs, at_low, at_high = lows[open_], highs[open_], at_low[open_], at_high[open_]
            if (highs - lows)[0] * length <= EVERY:
                return False
            middles = (lows + highs) / 2
            rooms = self.clearance(a + middles[:, None] * (b - a))
            lows, highs = np.concatenate([lows, middles]), np.concatenate([middles, highs])
            at_low, at_high = np.concatenate([at_low, rooms]), np.concatenate([rooms, at_high])

    def _points(self, q: np.ndarray) -> np.ndarray:
        frames = self.kinematics.frames(q)[:, self.links]
        return np.einsum("kmij,mj->kmi", frames[..., :3, :3], self.centres) + frames[..., :3, 3]

    def _parts(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Room to boxes, to the workspace's walls and to itself, each float64 [k]."""
        points = self._points(q)
        moving, radii = points[:, self._moving], self.radii[self._moving]
        walls = np.minimum(moving - self.low, self.high - moving).min(-1) - radii
        far = np.full(len(q), np.inf)
        boxes = np.min([far, *(self._boxes(moving, at) for at in range(len(self.boxes)))], axis=0)
        one, other = self._pairs
        itself = far
        if len(one):
            away = np.linalg.norm(points[:, one] - points[:, other], axis=-1) - self.radii[one] - self.radii[other]
            itself = away.min(-1) + self.margin
        return boxes, walls.min(-1), itself

    def _boxes(self, moving: np.ndarray, at: int) -> np.ndarray:
        out = np.maximum(self._low[at] - moving, moving - self._high[at])
        away = np.linalg.norm(np.maximum(out, 0), axis=-1) + np.minimum(out.max(-1), 0)
        room: np.ndarray = (away - self.radii[self._moving]).min(-1)
        return room
