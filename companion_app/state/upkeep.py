"""What keeps the app itself in order: accounts, files dropped for the host, backups, and its own version."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import singledispatch

from companion_app.state.accounts import Account, AccountsTold


class DropStage(StrEnum):
    """How far a dropped file is."""

    READING = "reading"
    SENDING = "sending"
    SEEN = "seen"
    ADDING = "adding"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Dropped:
    """A file or folder that was dropped for the host.

    files: (name, "rows" or "texts", count, first line) each; refused: (name, why). id: the host's, once it was sent.
    share: of its bytes, 0 to 1. said: a sentence of what came of it, or went wrong.
    """

    path: str
    stage: DropStage = DropStage.READING
    share: float = 0.0
    id: str = ""
    files: tuple[tuple[str, str, int, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    rows: int = 0
    texts: int = 0
    said: str = ""


@dataclass(frozen=True)
class Backup:
    """A backup that is made or brought back. way: "save" or "restore" where a form is open; holds: what an opened one has.

    with_chats: conversations shall go into it too.
    """

    way: str = ""
    with_chats: bool = False
    busy: bool = False
    path: str = ""
    holds: tuple[str, ...] = ()
    said: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Version:
    """This app's version, and what the repository that it follows has.

    place: where that is, empty without one. newest: its version, empty where it wasn't asked. file: the newer one, once
    it is here and verified. said: a sentence.
    """

    own: str = ""
    place: str = ""
    newest: str = ""
    size: int = 0
    busy: bool = False
    file: str = ""
    said: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Upkeep:
    """All of it."""

    accounts: tuple[Account, ...] = ()
    dropped: Dropped | None = None
    backup: Backup = Backup()
    version: Version = Version()


@dataclass(frozen=True)
class DropTold:
    """How a dropped file stands; None: it is done with."""

    dropped: Dropped | None


@dataclass(frozen=True)
class BackupTold:
    """How a backup stands."""

    backup: Backup


@dataclass(frozen=True)
class BackupPicked:
    """A person opens one of the two forms, or closes it: ""."""

    way: str
    with_chats: bool = False


@dataclass(frozen=True)
class VersionTold:
    """How the app's own version stands."""

    version: Version


UpkeepAction = AccountsTold | DropTold | BackupPicked | BackupTold | VersionTold


@singledispatch
def reduce_upkeep(action: object, upkeep: Upkeep) -> Upkeep:
    """What is known after an action."""
    raise TypeError(f"{type(action).__name__} is not an action about upkeep")


@reduce_upkeep.register
def _(action: AccountsTold, upkeep: Upkeep) -> Upkeep:
    return replace(upkeep, accounts=action.accounts)


@reduce_upkeep.register
def _(action: DropTold, upkeep: Upkeep) -> Upkeep:
    return replace(upkeep, dropped=action.dropped)


@reduce_upkeep.register
def _(action: BackupTold, upkeep: Upkeep) -> Upkeep:
    return replace(upkeep, backup=replace(action.backup, way=upkeep.backup.way, with_chats=upkeep.backup.with_chats))


@reduce_upkeep.register
def _(action: BackupPicked, upkeep: Upkeep) -> Upkeep:
    return replace(upkeep, backup=replace(upkeep.backup, way=action.way, with_chats=action.with_chats))


@reduce_upkeep.register
def _(action: VersionTold, upkeep: Upkeep) -> Upkeep:
    return replace(upkeep, version=action.version)
