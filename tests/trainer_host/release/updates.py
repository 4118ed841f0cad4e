"""An update repository with a clock that tests set, and the reference client (python-tuf) that reads it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trainer_host.release.repository import Repository
from trainer_host.release.roles import RoleKeys
from trainer_host.release.trust import Plan, create
from trainer_host.teacher.vault.sealing import Limits

CHEAP = Limits(1, 8)  # argon2id as cheap as it gets
NAME = "models/router/easy-{}.enigma"


@dataclass
class Clock:
    """The time of a test. It starts now: the reference client reads the machine's clock."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.now

    def wait(self, **units: float) -> None:
        """So much later."""
        self.now += timedelta(**units)


def keys_in(folder: Path) -> RoleKeys:
    """Keys of a host that nobody sits at."""
    return RoleKeys(folder / "keys" / "release", lambda prompt: None, CHEAP)


def opened(folder: Path, clock: Clock) -> Repository:
    """The repository of a home folder."""
    return Repository(folder / "updates", keys_in(folder), clock)


def made(folder: Path, clock: Clock, plan: Plan | None = None) -> Repository:
    """A new repository, its keys unsealed."""
    repository = opened(folder, clock)
    create(repository, plan or Plan(), None)
    return repository


def give(repository: Repository, folder: Path, *versions: str, content: str = "") -> list[str]:
    """Publish files that say that they are bundles; their names."""
    files = {}
    for version in versions:
        path = folder / f"easy-{version}.enigma"
        path.write_bytes(f"bundle {version} {content}".encode() * 100)
        custom: dict[str, object] = {"kind": "bundle", "specialist": "easy", "task": "router", "version": version}
        files[NAME.format(version)] = (path, custom)
    repository.publish(files)
    return list(files)


class Reference:
    """python-tuf's client, over the folder itself; it starts from the first root and keeps what it trusts."""

    def __init__(self, public: Path, trust: Path) -> None:
        pytest.importorskip("tuf", reason="python-tuf, the reference client, isn't installed")
        self.public, self.trust = public, trust
        trust.mkdir(parents=True, exist_ok=True)
        self._first = (public / "metadata" / "1.root.json").read_bytes()

    def targets(self, *names: str) -> dict[str, bytes | None]:
        """Refresh, and fetch files; None for one that isn't there. Raises what the client raises."""
        from tuf.ngclient import Updater

        updater = Updater(
            str(self.trust),
            "folder://metadata/",
            str(self.trust),
            "folder://targets/",
            fetcher=fetcher(self.public),
            bootstrap=self._first,
        )
        updater.refresh()
        found: dict[str, bytes | None] = {}
        for name in names:
            info = updater.get_targetinfo(name)
            found[name] = None if info is None else Path(updater.download_target(info)).read_bytes()
        return found

    def forked(self, public: Path, trust: Path) -> Reference:
        """The same client, looking at another copy."""
        shutil.copytree(self.trust, trust)
        made = Reference.__new__(Reference)
        made.public, made.trust, made._first = public, trust, self._first
        return made


def fetcher(public: Path):
    """Files for python-tuf's client."""
    from tuf.api.exceptions import DownloadHTTPError
    from tuf.ngclient import FetcherInterface

    class Folder(FetcherInterface):
        def _fetch(self, url: str) -> Iterator[bytes]:
            path = public / url.removeprefix("folder://")
            if not path.is_file():
                raise DownloadHTTPError("not there", 404)
            return iter([path.read_bytes()])

    return Folder()
