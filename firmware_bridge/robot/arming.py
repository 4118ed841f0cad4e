"""Leave for the motors of a real robot to turn: a person gives it for some minutes, it is written down, and it ends by itself.

A robot that isn't armed stands: the envelope gives nothing. A restart ends it, another firmware ends it, and zones that can't be
read, a robot.toml that changed, a board that isn't there or means something else by its messages keep it from being given. What
the board announced when the robot was armed last lies in `robot.board.json`; who armed it, when and for how long in
`robot.arming.log`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.board import Condition
from firmware_bridge.robot import drawn
from firmware_bridge.robot.config import Robot, RobotError
from firmware_bridge.robot.tokens import write_private
from firmware_bridge.robot.zones import Ground

if TYPE_CHECKING:
    from firmware_bridge.board import Board

log = logging.getLogger(__name__)
USUAL, LONGEST = 15.0, 480.0  # minutes
BOARD, LOG = "robot.board.json", "robot.arming.log"
MOST_LOG = 1 << 20  # bytes; then the older half goes


class Arming:
    """Of the robot whose robot.toml is at `toml`, on `board`. It begins unarmed."""

    def __init__(self, toml: Path, board: Board) -> None:
        self._toml, self._board = toml.resolve(), board
        self._until, self._who = -math.inf, ""
        self._armed_with = ""
        self._said: tuple[object, int, str] = (None, -1, "")  # what was announced last, and its fingerprint

    def left(self, now: float) -> float:
        """Seconds that are left; 0: it isn't armed."""
        return max(0.0, self._until - now)

    def arm(self, now: float, minutes: float, who: str, served: Robot, accept: bool = False) -> None:
        """Gives leave. accept: also to a board that announces something else than last time. Raises RobotError.

        served: the robot.toml, with what was drawn, that the envelope goes by.
        """
        if not 0 < minutes <= LONGEST:
            raise RobotError(f"A robot is armed for up to {LONGEST:g} minutes.")
        robot = drawn.load(self._toml)
        if robot.fence:
            Ground(robot)
        if robot != served:
            raise RobotError(f"{self._toml.name} or its zones were changed: enigma-bridge robot reload, then arm.")
        announced = self._announced()
        before = self._read()
        if before and before != announced and not accept:
            raise RobotError(
                "The board isn't the one, or has another firmware, than when this robot was armed last: look at"
                " enigma-bridge info, then arm it with --new-board."
            )
        if before != announced:
            write_private(self._toml.with_name(BOARD), json.dumps({"board": announced}) + "\n")
        self._until, self._who, self._armed_with = now + 60 * minutes, who, announced
        self._write(
            f"armed for {minutes:g} minutes by {who}"
            + (", another board than before" if before and before != announced else "")
        )

    def disarm(self, why: str) -> None:
        """Takes it back."""
        if self._until > -math.inf:
            self._until = -math.inf
            self._write(f"not armed any more: {why}")

    def look(self, now: float) -> bool:
        """Whether it is armed; ends it where its time is over or the board isn't the same any more."""
        if self._until == -math.inf:
            return False
        if now >= self._until:
            self.disarm("its time is over")
        elif self._board.condition is Condition.CONNECTED and self._fingerprint() != self._armed_with:
            self.disarm("another board or firmware came")
        return self._until > -math.inf

    def _announced(self) -> str:
        if self._board.condition is not Condition.CONNECTED:
            raise RobotError(f"The board isn't connected: {self._board.why or 'look at the cable'}")
        return self._fingerprint()

    def _fingerprint(self) -> str:
        """Of all that the board can be told and tells, and of its number."""
        said = self._board.dictionary, self._board.welcome.board
        if said[0] is not self._said[0] or said[1] != self._said[1]:
            self._said = (*said, hashlib.sha256(repr(said).encode()).hexdigest())
        return self._said[2]

    def _read(self) -> str:
        path = self._toml.with_name(BOARD)
        try:
            kept = json.loads(path.read_bytes()[:4096])["board"]
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RobotError(f"{path} can't be read ({error}): remove it, and arm with --new-board.") from None
        return str(kept)

    def _write(self, text: str) -> None:
        note(self._toml.with_name(LOG), "The robot", text)


def note(path: Path, what: str, text: str) -> None:
    """A line of an arming's log, also where the disk is full: then in the process's own alone."""
    log.warning("%s is %s.", what, text)
    line = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n"
    try:
        if path.exists() and path.stat().st_size > MOST_LOG:
            write_private(path, path.read_text(encoding="utf-8")[-MOST_LOG // 2 :].partition("\n")[2])
        path.touch(0o600)
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    except (OSError, RobotError) as error:
        log.error("%s can't be written: %s", path, error)
