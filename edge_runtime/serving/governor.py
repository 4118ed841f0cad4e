"""What the device's heat, supply and battery allow, read from sysfs: everything, sparing use, or only what is urgent.

Paths are the kernel's: Documentation/ABI/testing/sysfs-class-thermal, sysfs-class-power; and the Raspberry Pi
firmware's get_throttled, whose bits are named in its documentation of `vcgencmd get_throttled`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import Overloaded
from edge_runtime.serving.turns import NORMAL, PRIORITIES, Urgency

_THROTTLED = Path("devices/platform/soc/soc:firmware/get_throttled")
_UNDER_VOLTAGE, _CAPPED, _THROTTLED_NOW, _SOFT_LIMIT = 0x1, 0x2, 0x4, 0x8
COOLER = 5.0  # degrees Celsius below a limit before it is over, or the state would flutter
RETRY_SECONDS = 30.0


class State(enum.IntEnum):
    """How much the device may do."""

    FREE = 0
    SPARING = 1  # one model at a time, smaller ones where the plan names them, nothing of low priority
    URGENT = 2  # only what has high priority


@dataclass(frozen=True)
class Reading:
    """What sysfs tells; None where it doesn't. celsius: of the hottest zone; battery: percent, where it discharges."""

    celsius: float | None = None
    under_voltage: bool = False
    throttled: bool = False
    battery: float | None = None


@dataclass(frozen=True)
class Limits:
    """From where on the device spares itself, and from where on it does only what is urgent."""

    warm: float
    hot: float
    low: float
    empty: float


class Governor:
    """Keeps the state; `look` is called every few seconds."""

    def __init__(self, sysfs: Path, limits: Limits) -> None:
        self._sysfs = sysfs
        self._limits = limits
        self.state = State.FREE
        self.reasons: list[str] = []
        self.reading = Reading()

    def look(self) -> bool:
        """Read sysfs and judge; whether the state changed."""
        self.reading = read(self._sysfs)
        before = self.state
        self.state, self.reasons = judge(self.reading, self._limits, before)
        return self.state is not before

    def check(self, urgency: Urgency) -> None:
        """Raise `Overloaded` where a request is less urgent than the state asks for."""
        if self.state is State.FREE:
            return
        if urgency.priority > (PRIORITIES["high"] if self.state is State.URGENT else NORMAL):
            wanted = "of high priority" if self.state is State.URGENT else "of normal or high priority"
            raise Overloaded(
                f"The device spares itself ({'; '.join(self.reasons)}) and answers only requests {wanted}.",
                RETRY_SECONDS,
            )


def judge(reading: Reading, limits: Limits, now: State) -> tuple[State, list[str]]:
    """The state that a reading asks for, and why."""
    found: list[tuple[State, str]] = []
    if reading.celsius is not None:
        told = f"{reading.celsius:.0f} degrees Celsius"
        if reading.celsius >= limits.hot - (COOLER if now >= State.URGENT else 0):
            found.append((State.URGENT, told))
        elif reading.celsius >= limits.warm - (COOLER if now >= State.SPARING else 0):
            found.append((State.SPARING, told))
    if reading.under_voltage:
        found.append((State.SPARING, "the supply's voltage is too low"))
    if reading.throttled:
        found.append((State.SPARING, "the firmware throttles the processor"))
    if reading.battery is not None and reading.battery <= limits.low:
        state = State.URGENT if reading.battery <= limits.empty else State.SPARING
        found.append((state, f"{reading.battery:.0f} % of battery"))
    return max((state for state, _ in found), default=State.FREE), [why for _, why in found]


def read(sysfs: Path) -> Reading:
    """What the files below /sys say; what isn't there, or isn't a number, is nothing known."""
    zones = (_number(zone / "temp") for zone in sorted((sysfs / "class/thermal").glob("thermal_zone*")))
    # Some zones of phones' chips report nonsense, as -40 or 200 degrees, where no sensor is.
    celsius = [value / 1000 for value in zones if value is not None and -30_000 < value < 150_000]
    bits = throttled(sysfs) or 0
    charges: list[float] = []
    for supply in _supplies(sysfs):
        if _text(supply / "type") == "Battery" and _text(supply / "status") == "Discharging":
            share = _number(supply / "capacity")
            if share is not None and 0 <= share <= 100:
                charges.append(share)
    return Reading(
        max(celsius, default=None),
        bool(bits & _UNDER_VOLTAGE),
        bool(bits & (_CAPPED | _THROTTLED_NOW | _SOFT_LIMIT)),
        min(charges, default=None),
    )


def charging(sysfs: Path) -> bool | None:
    """Whether every battery gets power or is full; True without a battery, None where one doesn't say."""
    found: list[bool | None] = []
    for supply in _supplies(sysfs):
        if _text(supply / "type") == "Battery":
            status = _text(supply / "status")
            # "Not charging": it is supplied, and kept below its limit, or has a fault.
            known = {"Charging": True, "Full": True, "Discharging": False, "Not charging": _plugged(sysfs)}
            found.append(known.get(status))
    return False if False in found else None if None in found else True


def _plugged(sysfs: Path) -> bool:
    """Whether something other than a battery supplies the device."""
    supplies = _supplies(sysfs)
    return any(_text(supply / "type") != "Battery" and _text(supply / "online") == "1" for supply in supplies)


def _supplies(sysfs: Path) -> list[Path]:
    """The device's own supplies; those of the scope "Device" are of what is connected to it, as a mouse's battery."""
    found = sorted((sysfs / "class/power_supply").glob("*"))
    return [supply for supply in found if _text(supply / "scope") != "Device"]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as source:
            return source.read(64).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if text.lstrip("-").isdecimal() and text.isascii() else None


def throttled(sysfs: Path) -> int | None:
    """The firmware's bits: the low ones are true now, those from 16 on were since the start; None where it has none."""
    try:
        return int(_text(sysfs / _THROTTLED), 16)
    except ValueError:
        return None
