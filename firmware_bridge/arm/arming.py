"""A person's leave for a real arm to move: for some minutes, written down, and ended by whatever makes it doubtful.

Each command of `enigma-bridge arm` is a process of its own, so the leave is a file beside arm.toml that only its owner reads. It
counts by the machine's time since its start, which no clock that is set changes, and not after another start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.arm.config import load
from firmware_bridge.arm.urdf import ArmError
from firmware_bridge.robot.arming import LONGEST, USUAL, note
from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.tokens import write_private

__all__ = ["LONGEST", "USUAL", "ArmArming"]
LEAVE, LOG = "arm.armed.json", "arm.arming.log"
MOST_BYTES = 4096
MADE_OF = 1 << 20  # bytes of arm.toml and of its URDF that are looked at


class ArmArming:
    """Of the arm whose arm.toml is at `toml`."""

    def __init__(self, toml: Path) -> None:
        self._toml = toml.resolve()

    def arm(self, minutes: float, joints: Sequence[str]) -> None:
        """Gives leave. joints: that the controller tells of just now. Raises ArmError."""
        if not 0 < minutes <= LONGEST:
            raise ArmError(f"An arm is armed for up to {LONGEST:g} minutes.")
        arm = load(self._toml)
        missing = [joint.name for joint in arm.chain.joints if joint.name not in joints]
        if missing:
            raise ArmError(f"The controller doesn't tell of {', '.join(missing)}: it isn't this arm's.")
        made = {"until": _since_start() + 60 * minutes, "start": _start(), "of": self._fingerprint()}
        try:
            write_private(self._toml.with_name(LEAVE), json.dumps(made) + "\n")
        except RobotError as error:
            raise ArmError(str(error)) from None
        note(self._toml.with_name(LOG), "The arm", f"armed for {minutes:g} minutes")

    def disarm(self, why: str) -> None:
        """Takes it back."""
        path = self._toml.with_name(LEAVE)
        if path.exists():
            path.unlink(missing_ok=True)
            note(self._toml.with_name(LOG), "The arm", f"not armed any more: {why}")

    def left(self) -> float:
        """Seconds that are left; 0: it isn't armed. Ends the leave where its time is over, or something isn't as it was."""
        path = self._toml.with_name(LEAVE)
        made: object = None
        try:
            made = json.loads(path.read_bytes()[:MOST_BYTES])
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError, RecursionError):
            pass
        until = made.get("until") if isinstance(made, dict) else None
        if not isinstance(made, dict) or isinstance(until, bool) or not isinstance(until, int | float):
            self.disarm(f"{LEAVE} can't be read")
        elif made.get("start") != _start():
            self.disarm("the machine was started again")
        elif not 0 < until - _since_start() <= 60 * LONGEST:
            self.disarm("its time is over")
        elif made.get("of") != self._fingerprint():
            self.disarm(f"{self._toml.name} or its URDF was changed")
        else:
            return float(until) - _since_start()
        return 0.0

    def must(self) -> None:
        """Raises ArmError where it isn't armed."""
        if not self.left():
            raise ArmError("The arm isn't armed, and stands: enigma-bridge arm arm.")

    def _fingerprint(self) -> str:
        """Of arm.toml and the URDF that it names: another one is another arm."""
        import tomllib

        made = hashlib.sha256()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            text = self._toml.read_bytes()[:MADE_OF]
            made.update(text)
            urdf = tomllib.loads(text.decode("utf-8"))["arm"]["urdf"]
            made.update((self._toml.parent / urdf).read_bytes()[:MADE_OF])
        return made.hexdigest()


def _since_start() -> float:
    """Seconds since the machine started, sleep included where the system tells."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    made = time.clock_gettime(clock) if clock is not None else time.monotonic()
    return made if math.isfinite(made) else 0.0


def _start() -> str:
    """Which start of the machine this is; empty where the system doesn't tell."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
