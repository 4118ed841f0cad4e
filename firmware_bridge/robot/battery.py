"""How much is left in the battery, never more than is sure, and when that means to save or to go home.

The voltage without load tells the charge by a curve of the chemistry; the load is reckoned from what the robot does. A Kalman
filter of one state joins it with what was drawn since. What is told is two standard deviations below the estimate, so noise,
gaps and no voltage at all send the robot home earlier, not later.
"""

from __future__ import annotations

import math
from enum import Enum

from firmware_bridge.robot.config import Battery as Declared

# Volts of a cell without load at 0, 10, 20 ... 100 % of its charge. The usual curves of data sheets at room temperature.
CURVES = {
    "lithium-ion": (3.00, 3.45, 3.55, 3.61, 3.66, 3.72, 3.79, 3.87, 3.96, 4.06, 4.18),
    "lifepo4": (2.50, 3.00, 3.20, 3.22, 3.25, 3.26, 3.27, 3.30, 3.32, 3.35, 3.40),
    "lead": (1.75, 1.92, 1.96, 1.99, 2.01, 2.03, 2.05, 2.07, 2.09, 2.11, 2.13),
}
NOISE = 0.02  # volts of a cell: of the measurement, the curve and the temperature together
DRIFT = 0.3  # of the power that is reckoned with may be wrong
MISSING = 5.0  # seconds without a voltage until the worst is assumed


class Need(Enum):
    """What the battery asks for."""

    NOTHING = "nothing"
    SAVE = "save"
    HOME = "home"
    STAND = "stand"


class Battery:
    """One battery. charge: the estimate, 0 to 1; before the first voltage it counts as empty."""

    def __init__(self, declared: Declared) -> None:
        self.declared = declared
        self.charge, self._variance = 0.5, 0.25
        self.measured_at, self.volts = -math.inf, 0.0  # the latest voltage, under its load
        self._at: float | None = None
        self._power = declared.idle
        self._curve = CURVES[declared.chemistry]

    @property
    def sure(self) -> float:
        """The charge that is there for sure, 0 to 1."""
        return max(0.0, min(1.0, self.charge - 2 * math.sqrt(self._variance)))

    def step(self, now: float, driving: float) -> None:
        """Time went by. driving: how much of the motors' full power it used meanwhile, 0 to 1."""
        if self._at is not None and now > self._at:
            power = self.declared.idle + self.declared.driving * max(0.0, min(1.0, driving))
            if now - self.measured_at > MISSING:
                power = self.declared.idle + self.declared.driving
            used = power * (now - self._at) / 3600 / self.declared.capacity
            self.charge = max(0.0, self.charge - used)
            # What is wrong about the power stays wrong for long: it adds up as itself, not as noise does.
            self._variance = (math.sqrt(self._variance) + DRIFT * used / 2) ** 2
            self._power = power
        self._at = now

    def measure(self, now: float, volts: float) -> bool:
        """A voltage of the whole battery under its load; False where it can't be one of this battery."""
        cell = volts / self.declared.cells if math.isfinite(volts) else math.nan
        if not 0.5 * self._curve[0] <= cell <= 1.15 * self._curve[-1]:
            return False
        sag = self._power / volts * self.declared.resistance / self.declared.cells
        told, slope = self._charge_of(cell + sag)
        noise = (NOISE / max(slope, 0.02)) ** 2 if 0 < told < 1 else 0.01
        # Readings of a second say the same as one: their errors are the curve's, not the converter's.
        noise *= max(1.0, 30.0 / max(now - self.measured_at, 0.1)) if self.measured_at > -math.inf else 1.0
        gain = self._variance / (self._variance + noise)
        self.charge += gain * (told - self.charge)
        self._variance = max(self._variance * (1 - gain), 0.01**2)
        self.measured_at, self.volts = now, volts
        return True

    def needs(self, now: float, home: float | None, speed: float) -> Need:
        """home: metres to the dock on the way it would go, None where it can't get there; speed: m/s on the way."""
        watts = self.declared.idle + self.declared.driving
        if self.sure <= 0.02:
            return Need.STAND
        if home is not None:
            way = watts * home / max(speed, 0.01) / 3600 / self.declared.capacity
            if self.sure <= self.declared.reserve + 1.3 * way:  # detours
                return Need.HOME
        elif self.sure <= self.declared.reserve:
            return Need.STAND
        return Need.SAVE if self.sure <= self.declared.save else Need.NOTHING

    def _charge_of(self, volts: float) -> tuple[float, float]:
        """The charge at a cell's voltage without load, and the curve's slope there, volts for all of the charge."""
        curve = self._curve
        if volts <= curve[0]:
            return 0.0, (curve[1] - curve[0]) * 10
        for at in range(len(curve) - 1):
            if volts <= curve[at + 1]:
                rise = curve[at + 1] - curve[at]
                return (at + (volts - curve[at]) / rise) / 10, rise * 10
        return 1.0, (curve[-1] - curve[-2]) * 10
