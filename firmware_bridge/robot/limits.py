"""How fast a speed may change: speeding up by acceleration and jerk, slowing down by the brake."""

from __future__ import annotations

import math

LONGEST_STEP = 0.1  # seconds of speeding up that one step may make good


def toward(
    value: float, growth: float, wanted: float, dt: float, acceleration: float, jerk: float, brake: float
) -> tuple[float, float]:
    """A speed after `dt` seconds on the way to `wanted`, and the acceleration that it has then (0 while slowing down).

    Speeding up sets in with `jerk` and eases off before `wanted`; slowing down takes all of `brake` at once. Zero isn't
    passed: who goes back first stands.
    """
    size = abs(value)
    if value * wanted < 0 or abs(wanted) <= size:
        least = abs(wanted) if value * wanted > 0 else 0.0
        return math.copysign(max(least, size - brake * dt), value), 0.0
    if dt <= 0:
        return value, growth
    dt = min(dt, LONGEST_STEP)
    gap = abs(wanted) - size
    growth = min(acceleration, growth + jerk * dt, math.sqrt(2 * jerk * gap), gap / dt)
    return math.copysign(size + growth * dt, wanted), growth


def braked(v: float, w: float, dt: float, brake: float, turn_brake: float) -> tuple[float, float]:
    """Both speeds after `dt` seconds of braking on the arc that they make."""
    seconds = max(abs(v) / brake, abs(w) / turn_brake)
    if seconds <= dt:
        return 0.0, 0.0
    part = 1 - dt / seconds
    return v * part, w * part


def speed_within(way: float, hold: float, brake: float) -> float:
    """The speed from which one stands after `way` metres, if it is kept for `hold` seconds and then braked."""
    return brake * (math.sqrt(hold * hold + 2 * way / brake) - hold) if way > 0 else 0.0
