"""The safety envelope of an arm: plain rules between what asks for motion and the joints. Nothing gets round it.

    envelope = ArmEnvelope(arm, arm.space())
    envelope.report(now, q)          # what the joints tell
    envelope.ask(now, wanted, along) # joints that a way wants now, and how fast it goes there
    given = envelope.step(now)       # joints that the controller gets

Before each step it is known where the joints come to stand if they brake: that way keeps the margin from boxes, the workspace's
walls and the arm itself, and the joints' limits, or the step isn't given; then it brakes on the way that was found free before.
A controller that hears nothing more holds the last joints that it got, so the arm never runs on.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import NamedTuple

import numpy as np

from firmware_bridge.arm.config import Arm
from firmware_bridge.arm.space import EVERY, Space

log = logging.getLogger(__name__)

LONGEST = 0.1  # seconds that one step may make good
SLOW = 1e-4  # rad/s and rad (or m) that count as standing where it should be
KEPT = 100  # changes that are shown
RISE = 0.03  # of the way that it goes, the room that it gains at least where it is too near to something


class Given(NamedTuple):
    """q: float64 [n], the joints to be at; v: their speeds; why: what changed the order, empty where nothing did."""

    q: np.ndarray
    v: np.ndarray
    why: str


class ArmEnvelope:
    """Rules of one arm. q, v: float64 [n], what the joints were given last; None before the first report."""

    def __init__(self, arm: Arm, space: Space) -> None:
        self.arm, self.space = arm, space
        self.q: np.ndarray | None = None
        self.v = np.zeros(len(arm.chain.joints))
        self.stopped, self.fault, self.why = False, "", ""
        self.changes: deque[tuple[float, str]] = deque(maxlen=KEPT)
        self._wanted: np.ndarray | None = None
        self._along = self.v
        self._asked_at = self._told_at = self._at = -math.inf
        self._bad = False
        self._off_since = math.inf

    def report(self, now: float, q: np.ndarray) -> None:
        """Where the joints are. The first report is where the arm begins; one that is no number is none."""
        q = np.asarray(q, float)
        if q.shape != self.v.shape or not np.isfinite(q).all() or not math.isfinite(now):
            return
        self._told_at = now
        if self.q is None:
            self.q = q.copy()
        off = float(np.abs(q - self.q).max())
        if off <= self.arm.tracking.most:
            self._off_since = math.inf
            return
        self._off_since = min(self._off_since, now)
        if now - self._off_since >= self.arm.tracking.seconds:
            self.trip(f"A joint is {off:.2f} rad or m from where it should be: see what blocks it.")

    def ask(self, now: float, wanted: np.ndarray, along: np.ndarray | None = None) -> None:
        """Joints [n] to be at; it counts until `deadman` seconds later. along: how fast that point moves [n]; None: it stands.

        A point that stands is come to braking; one that moves would be lost behind by the way to brake.
        """
        wanted = np.asarray(wanted, float)
        along = np.zeros_like(self.v) if along is None else np.asarray(along, float)
        self._bad = any(each.shape != self.v.shape or not np.isfinite(each).all() for each in (wanted, along))
        self._wanted, self._along, self._asked_at = (None if self._bad else wanted), along, now

    def stop(self) -> None:
        """The emergency stop: brakes as hard as it may, until `release`."""
        self.stopped = True

    def release(self) -> None:
        """Ends it; what was asked for before doesn't count any more."""
        self.stopped, self._asked_at = False, -math.inf

    def trip(self, fault: str) -> None:
        """A fault that is kept until `clear`; the first one is shown."""
        if not self.fault:
            log.warning("Fault: %s", fault)
        self.fault = self.fault or fault

    def clear(self) -> None:
        """Ends a fault. The arm begins anew where it is."""
        self.fault, self._off_since, self._asked_at = "", math.inf, -math.inf
        self.q, self.v = None, np.zeros_like(self.v)

    def step(self, now: float) -> Given | None:
        """What the controller gets now; None before anything is known of the joints."""
        if self.q is None:
            return None
        dt = now - self._at
        first, went_back = self._at == -math.inf, not dt >= 0 or not math.isfinite(now)
        self._at = now if math.isfinite(now) else self._at
        dt = 0.0 if first or went_back else min(dt, LONGEST)
        why = self._gates(now, went_back)
        if why:
            self._brake(dt)
        elif dt > 0:
            why = self._move(dt)
        if why != self.why:
            self.why = why
            self.changes.append((now, why))
            log.info("The arm: %s.", why or "nothing in the way")
        return Given(self.q.copy(), self.v.copy(), why)

    def _gates(self, now: float, went_back: bool) -> str:
        times = self.arm.times
        if self.stopped:
            return "the emergency stop is on: release it"
        if self.fault:
            return "a fault is kept: clear it"
        if went_back:
            return "the clock went back"
        if self._bad:
            return "the order is no number"
        if not 0 <= now - self._told_at <= times.state:
            return "the joints tell nothing new"
        if not 0 <= now - self._asked_at <= times.deadman:
            return "no order came in time"
        return ""

    def _move(self, dt: float) -> str:
        assert self.q is not None and self._wanted is not None
        chain, most = self.arm.chain, self.arm.limits.acceleration
        speed, why = self.arm.speed, ""
        left = np.clip(self._wanted, chain.low, chain.high) - self.q
        if (left != self._wanted - self.q).any():
            why = "a joint's limit is in the way"
        # With the point that moves, and to it as fast as it may and such that it can still brake before it is there.
        along = np.clip(self._along, -speed, speed)
        off = left - along * dt
        fastest = np.minimum(np.sqrt(2 * most * np.abs(off)), np.abs(off) / dt)
        wanted = np.clip(along + np.sign(off) * fastest, -speed, speed)
        v = self.v + np.clip(wanted - self.v, -most * dt, most * dt)
        v = np.clip(v, -speed, speed)
        v[(np.abs(v) < SLOW) & (np.abs(left) < SLOW)] = 0.0
        q = self.q + (self.v + v) / 2 * dt
        if (np.abs(q - self.q) * (1 - 1e-9) <= speed * dt).all() and self._free(q, v):
            self.q, self.v = q, v
            return why
        self._brake(dt)
        return (
            f"{self.space.why(self.q)} is within its braking distance" if self._within() else "a joint's limit is near"
        )

    def _free(self, q: np.ndarray, v: np.ndarray) -> bool:
        """Whether the way to q, and from there on until it stands, is one that it may go."""
        assert self.q is not None
        chain = self.arm.chain
        ends = q + v * self._seconds(v) / 2
        for point in (q, ends):
            low, high = np.minimum(chain.low, self.q), np.maximum(chain.high, self.q)
            if (point < low - 1e-9).any() or (point > high + 1e-9).any():
                return False
        here = float(self.space.clearance(self.q[None])[0])
        if here >= self.arm.build.margin + EVERY / 2:
            return self.space.free(self.q, q, self.arm.build.margin) and self.space.free(q, ends, self.arm.build.margin)
        # Too near to something already, as after a box was put there: only away from it.
        moves = self.space.kinematics.moves
        looks = [self.q + part * (point - self.q) for point in (q, ends) for part in (0.5, 1.0)]
        rooms = self.space.clearance(np.array(looks))
        need = [min(self.arm.build.margin + EVERY, here + RISE * moves(self.q, look)) for look in looks]
        return bool((rooms >= need).all())

    def _within(self) -> bool:
        assert self.q is not None
        seconds = self._seconds(self.v) + 2 * LONGEST
        ahead = self.q + self.v * seconds
        return bool(self.space.clearance(np.array([self.q, ahead])).min() < self.arm.build.margin + 0.05)

    def _seconds(self, v: np.ndarray) -> float:
        """Until it stands, braking all joints together on a straight way."""
        return float(np.abs(v).max()) / self.arm.limits.acceleration

    def _brake(self, dt: float) -> None:
        """On the way that was found free: straight on, until it stands."""
        assert self.q is not None
        seconds = self._seconds(self.v)
        if dt >= seconds:
            self.q, self.v = self.q + self.v * seconds / 2, np.zeros_like(self.v)
        else:
            part = 1 - dt / seconds
            self.q, self.v = self.q + self.v * dt * (1 + part) / 2, self.v * part
