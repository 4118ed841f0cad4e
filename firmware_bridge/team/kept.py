"""What a member of a team must not forget, in a file that is whole before anybody hears of it: its epoch and vote, what the team
has agreed on, where it is on its way and how far it was let (Ongaro, Ousterhout, 2014, 5.2 and 5.4: persistent state).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.tokens import write_private
from firmware_bridge.team.ledger import MOST_TASKS, NAME, Ledger, TeamError, read
from firmware_bridge.team.schedule import Cell, Floor

MOST_BYTES = 1 << 22


@dataclass(frozen=True)
class Promised:
    """epoch, vote: as in Raft. at, granted: numbers of cells of its way. numbers: messages up to this one may have gone out."""

    epoch: int = 0
    vote: str = ""
    ledger: Ledger = field(default_factory=Ledger)
    at: int = 0
    granted: int = 0
    start: Cell = (0, 0)
    done: frozenset[str] = frozenset()
    numbers: int = 0


class Kept:
    """The file of one member, for one team on one floor."""

    def __init__(self, path: Path, name: str, ids: Collection[str], floor: Floor) -> None:
        about = json.dumps([name, sorted(ids), floor.size, sorted(floor.cells)])
        self.path, self._of = path, hashlib.sha256(about.encode()).hexdigest()

    def read(self) -> Promised | None:
        """None where there is nothing yet. Raises TeamError for a file that can't be used."""
        begin = "Where all of the team are started anew, begin with --anew."
        try:
            with self.path.open("rb") as file:
                raw = json.loads(file.read(MOST_BYTES))
            if raw["of"] != self._of:
                raise TeamError(f"{self.path} is of another team, member or floor. {begin}")
            return _promised(raw)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise TeamError(f"{self.path} can't be read ({error}). {begin}") from None

    def write(self, promised: Promised) -> None:
        """Whole, and on the disk when this returns. Raises TeamError."""
        plain = {
            "of": self._of,
            "epoch": promised.epoch,
            "vote": promised.vote,
            "ledger": promised.ledger.plain(),
            "at": promised.at,
            "granted": promised.granted,
            "start": list(promised.start),
            "done": sorted(promised.done),
            "numbers": promised.numbers,
        }
        try:
            write_private(self.path, json.dumps(plain) + "\n")
        except RobotError as error:
            raise TeamError(f"{error} It says nothing to its team, and stands.") from None

    def forget(self) -> None:
        """Begins anew, which is right only where all of the team do."""
        self.path.unlink(missing_ok=True)


def _promised(raw: Mapping[str, object]) -> Promised:
    whole = {name: raw[name] for name in ("epoch", "at", "granted", "numbers")}
    vote, start, done = raw["vote"], raw["start"], raw["done"]
    if not all(type(each) is int and 0 <= each < 1 << 53 for each in whole.values()):
        raise ValueError("a number is none")
    if not isinstance(vote, str) or (vote and not NAME.fullmatch(vote)):
        raise ValueError("the vote is no name")
    if not isinstance(start, list) or len(start) != 2 or not all(type(each) is int for each in start):
        raise ValueError("the start is no cell")
    if not isinstance(done, list) or len(done) > MOST_TASKS * 20 or not all(isinstance(each, str) for each in done):
        raise ValueError("what is done is no list")
    made = Promised(vote=vote, ledger=read(raw["ledger"]), start=(start[0], start[1]), done=frozenset(done), **whole)  # type: ignore[arg-type]
    if made.at > made.granted:
        raise ValueError("it was let less far than it is")
    return made
