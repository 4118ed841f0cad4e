"""Newer versions of this app, from the signed repository that devices follow: found, fetched, verified, never installed.

CONFIG/updates/ holds what is trusted, as on a device (`edge_runtime.update.source`), and what was fetched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from companion_app.i18n import tr
from edge_runtime import __version__
from edge_runtime.client import EdgeError
from edge_runtime.update.reach import Reach
from edge_runtime.update.source import follow, source_of, trust_folder

if TYPE_CHECKING:
    from edge_runtime.update.tuf.documents import TargetFile

ROLE = "models/apps"
MAX_BYTES = 512 * 2**20
MAX_ROOT_BYTES = 256 * 1024
_VERSION = re.compile(r"\d{1,4}(\.\d{1,6}){1,3}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SelfUpdateError(EdgeError):
    """No newer version can be had; the message is one sentence for the person."""


@dataclass(frozen=True)
class Newest:
    """The version that the repository has for this platform, and its file."""

    version: str
    target: TargetFile

    @property
    def newer(self) -> bool:
        """Whether it is newer than this app."""
        return _number(self.version) > _number(__version__)


def own_version() -> str:
    """The version of this app."""
    return __version__


def platform_name() -> str:
    """How packages of this app for this machine are called, as in linux-x86_64."""
    if hasattr(sys, "getandroidapilevel"):
        return "android"
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    return f"{system}-{'x86_64' if machine == 'amd64' else machine}"


def followed(config: Path) -> str:
    """Where updates come from, empty where nothing is followed. Raises EdgeError."""
    source = source_of(config)
    return source.places[0] if source else ""


def follow_repository(config: Path, place: str, root: Path) -> None:
    """Follow a repository from now on. root: a file of its root metadata, brought here by a person. Raises EdgeError."""
    try:
        content = root.expanduser().read_bytes() if root.stat().st_size <= MAX_ROOT_BYTES else b""
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SelfUpdateError(tr("{path} can't be read ({why}); choose another file.", path=root, why=why)) from None
    follow(config, content, [place])


async def find(config: Path) -> Newest | None:
    """What the repository has for this platform, None where it has nothing. Raises EdgeError."""
    async with _reached(config) as reach:
        return await _newest(reach)


async def fetch(config: Path) -> Path:
    """Download the newest version and verify it against what was signed; where it lies. Raises EdgeError."""
    async with _reached(config) as reach:
        found = await _newest(reach)
        if found is None or not found.newer:
            raise SelfUpdateError(tr("There is no newer version to fetch."))
        client, _ = await reach.refreshed(_places(config))
        content = await client.read(found.target, MAX_BYTES)  # checks length and hash before a byte is written
    return await asyncio.to_thread(_write, config, found, content)


@contextlib.asynccontextmanager
async def _reached(config: Path) -> AsyncIterator[Reach]:
    reach = Reach(trust_folder(config))
    try:
        await reach.refreshed(_places(config))
        yield reach
    finally:
        await reach.close()


async def _newest(reach: Reach) -> Newest | None:
    target = await reach.target(f"{ROLE}/companion-{platform_name()}", ROLE)
    if target is None:
        return None
    version = target.custom.get("version")
    if target.custom.get("kind") != "app" or not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise EdgeError(tr("The repository says nothing of this app's version that can be read."))
    return Newest(version, target)


def _places(config: Path) -> tuple[str, ...]:
    source = source_of(config)
    if source is None:
        raise SelfUpdateError(
            tr("This app follows no repository of updates yet; say where it is, and give its root metadata.")
        )
    return source.places


def _write(config: Path, found: Newest, content: bytes) -> Path:
    folder = config / "updates" / "app"
    name = str(found.target.custom.get("file"))
    file = folder / (name if _FILE.fullmatch(name) else f"companion-{found.version}")
    new = file.with_name(f".{file.name}.new")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SelfUpdateError(tr("The new version can't be kept here ({why}); make room.", why=why)) from None
    return file


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")) if _VERSION.fullmatch(version) else ()
