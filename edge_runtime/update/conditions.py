"""When a staged update may begin to serve: idle, docked, charging, within hours. Judged from readings; reads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge_runtime.errors import BadRequest

WORDS = ("idle", "docked", "charging", "window")
HELD = "held"  # of a paused rollout; never met, and for nobody to ask for
QUIET_SECONDS = 30.0  # a home or a robot that is in use is asked more often than that
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Readings:
    """What the device knows of itself. None: it doesn't know.

    busy: requests that run or wait; quiet: seconds since the last one; minute: of the local day, 0 to 1439.
    charging: whether the battery gets power, or is full; True for a device without one. docked: whether it stands where
    it is supplied. window: the hours that the device's owner allows, "22:00-06:00", "" for all.
    """

    busy: int
    quiet: float
    minute: int
    charging: bool | None = None
    docked: bool | None = None
    window: str = ""


def check_condition(word: str) -> str:
    """The condition itself; raises `BadRequest` for what isn't one."""
    if word not in WORDS and not _WINDOW.fullmatch(word):
        raise BadRequest(f"'{word[:40]}' is no condition; use {', '.join(WORDS)}, or hours as in 22:00-06:00.")
    return word


def unmet(when: Iterable[str], readings: Readings) -> list[str]:
    """What a staged update waits for, a sentence for each condition that isn't met; empty where it may begin.

    The owner's window holds whether `when` names it or not. A condition that this version doesn't know, or whose
    reading lacks, isn't met.
    """
    waits = (_unmet(word, readings) for word in dict.fromkeys((*when, "window")))
    return [why for why in waits if why]


def _unmet(word: str, readings: Readings) -> str:
    if word == "idle":
        if readings.busy:
            return f"It waits until the device is idle; {readings.busy} requests are in work."
        left = QUIET_SECONDS - readings.quiet
        return f"It waits until nothing was asked for {QUIET_SECONDS:.0f} seconds." if left > 0 else ""
    if word == "charging":
        if readings.charging is None:
            return "It waits until the device charges, and nothing says whether it does; add a hook 'is-charging'."
        return "" if readings.charging else "It waits until the device charges."
    if word == "docked":
        if readings.docked is None:
            return "It waits until the device is docked, and nothing says whether it is; add a hook 'is-docked'."
        return "" if readings.docked else "It waits until the device is docked."
    if word == HELD:
        return "It waits, since its rollout is paused."
    hours = readings.window if word == "window" else word
    if not hours:
        return ""
    within = within_hours(hours, readings.minute)
    if within is None:
        return f"It waits for '{hours[:40]}', which this version doesn't know; update Enigma on the device."
    return "" if within else f"It waits for the hours {hours}."


def within_hours(window: str, minute: int) -> bool | None:
    """Whether a minute of the day lies in "22:00-06:00", its end not; None where that isn't a window.

    Where both ends are the same it is the whole day.
    """
    read = _WINDOW.fullmatch(window)
    if read is None:
        return None
    first, last = int(read[1]) * 60 + int(read[2]), int(read[3]) * 60 + int(read[4])
    return (minute - first) % 1440 < ((last - first) % 1440 or 1440)
