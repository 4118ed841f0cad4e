"""Who may ask a robot for what: tokens with scopes, of which a file keeps the hashes."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from firmware_bridge.robot.config import RobotError

SCOPES = {
    "read": "see its state",
    "sense": "hand over scans",
    "act": "give orders: go_to, dock, move, turn",
    "drive": "drive it by hand, and hold the deadman",
    "manage": "modes, arm, release, clear, locate, reload",
}


class Tokens:
    """The tokens in a file that only its owner may read. Whoever has none may stop the robot, and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, name: str, scopes: Iterable[str]) -> str:
        """A new token of that name, which is shown once; an older one of the name ends. Raises RobotError."""
        wanted = sorted(set(scopes))
        for scope in wanted:
            if scope not in SCOPES:
                raise RobotError(f"There is no scope {scope!r}: {', '.join(SCOPES)} are.")
        if not wanted or not name.isprintable() or not 0 < len(name) <= 64:
            raise RobotError("A token needs a name of up to 64 characters, and a scope.")
        token = secrets.token_urlsafe(32)
        kept = self.read()
        kept[name] = {"sha256": _hash(token), "scopes": wanted}
        self._write(kept)
        return token

    def remove(self, name: str) -> None:
        """Ends it at once, also for a running server. Raises RobotError."""
        kept = self.read()
        if kept.pop(name, None) is None:
            raise RobotError(f"There is no token {name!r}; {', '.join(kept) or 'none'} are.")
        self._write(kept)

    def read(self) -> dict[str, dict[str, Any]]:
        """Names with hash and scopes. Raises RobotError where others could have written the file."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_mode & 0o077 or status.st_uid != os.geteuid():
                    raise RobotError(f"{self.path} may be read by others: chmod 600 it, as its owner.")
                kept = json.loads(file.read(1 << 20))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RobotError(f"{self.path} can't be used: {error}.") from None
        if not isinstance(kept, dict) or not all(
            isinstance(each, dict) and isinstance(each.get("sha256"), str) and isinstance(each.get("scopes"), list)
            for each in kept.values()
        ):
            raise RobotError(f"{self.path} isn't a file of tokens: remove it, and make new ones.")
        return kept

    def scopes(self, token: object) -> frozenset[str]:
        """What a token is good for; nothing where there is no such one."""
        return self._find(token)[1]

    def name(self, token: object) -> str:
        """Whose it is; empty where there is no such one."""
        return self._find(token)[0]

    def _find(self, token: object) -> tuple[str, frozenset[str]]:
        if not isinstance(token, str) or not 0 < len(token) <= 200:
            return "", frozenset()
        asked, found = _hash(token), ("", frozenset[str]())
        for name, each in self.read().items():  # all of them, whichever it is
            if hmac.compare_digest(asked, str(each["sha256"])):
                found = name, frozenset(each["scopes"])
        return found

    def _write(self, kept: dict[str, dict[str, Any]]) -> None:
        write_private(self.path, json.dumps(kept, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """A file that only its owner may read, whole or not at all. Raises RobotError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RobotError(f"{path} can't be written: {error.strerror}.") from None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
