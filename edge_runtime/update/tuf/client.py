"""A TUF client: what a repository offers now, as far as its signatures reach. The rules are in `trusted`.

Its folder holds the trusted metadata under their roles' names (root.json, ..., models%2Frouter.json), each written whole.
Whoever first trusts a repository puts its root.json there; nothing else has to be. The time is that of the system's
clock, but never before the time at which the trusted timestamp says it was signed, plus what passed since: so a clock that
was set back, or that doesn't run while the device is off, can't make old metadata young again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from edge_runtime.errors import EdgeError, StateError
from edge_runtime.update import disk
from edge_runtime.update.disk_threads import on_disk
from edge_runtime.update.places import Refused, Unreachable
from edge_runtime.update.tuf.metadata import (
    ED25519,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    MetadataError,
    MetaFile,
    NotTrusted,
    Root,
    TargetFile,
    Targets,
    Verifier,
    check_bytes,
    file_name,
)
from edge_runtime.update.tuf.transport import METADATA, Transport
from edge_runtime.update.tuf.transport import TARGETS as TARGET_FILES
from edge_runtime.update.tuf.trusted import Trusted, issued

T = TypeVar("T")
# What is read of a file before anything of it can be verified, in bytes; read as JSON it takes some 10 times that.
MOST_TIMESTAMP_BYTES = 16 * 1024
MOST_BYTES = 512 * 1024
MOST_ROOTS = 256  # in one refresh; a device that was off for longer goes on at the next one
MOST_ROLES = 32  # delegated ones that are looked into for one target


class NotReached(EdgeError):
    """The update repository, or a file that it names, can't be had now."""

    status = 502
    code = "not_reached"


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


class UpdateClient:
    """Follows one repository; its folder belongs to one client at a time."""

    def __init__(
        self,
        folder: Path,
        transport: Transport,
        clock: Callable[[], datetime] = utc_now,
        verifiers: Mapping[tuple[str, str], Verifier] = ED25519,
    ) -> None:
        self._folder = folder
        self._transport = transport
        self._clock = clock
        self._verifiers = verifiers
        self._trusted: Trusted | None = None
        self._kept: dict[str, bytes] = {}  # what lies in the folder, by its name
        self._floor: tuple[datetime, float] | None = (
            None  # a signed time, and how long the machine ran when it was read
        )

    @property
    def trusted(self) -> Trusted:
        """What the last `refresh` came to; raises `StateError` before one."""
        if self._trusted is None:
            raise StateError("The update repository wasn't asked yet; refresh first.")
        return self._trusted

    def now(self) -> datetime:
        """The time, as far as this device knows it: the clock's, but not before what was signed and what passed since."""
        now = self._clock()
        return now if self._floor is None else max(now, self._now_by_floor(self._floor))

    @property
    def root(self) -> bytes:
        """The root that is kept, empty before it was read."""
        return self._kept.get(file_name(ROOT), b"")

    async def refresh(self) -> bool:
        """Ask for what is newest; whether anything is new. Raises `MetadataError`, `NotReached` and `StateError`.

        After an error nothing is trusted to be installed (`trusted` raises); what was verified before it is kept.
        """
        self._trusted = None
        self._kept = await self._on_disk(_read, self._folder)
        trusted = self._first_trusted()
        changes = [
            await self._newest_roots(trusted),
            await self._newest_timestamp(trusted),
            await self._newest_snapshot(trusted),
            await self._newest_targets(trusted, TARGETS, ROOT, None),
        ]
        self._trusted = trusted
        return any(changes)

    async def target(self, name: str, role: str | None = None) -> tuple[TargetFile, str] | None:
        """A target, and the role that signed for it; None where there is none. Fetches the metadata that say so.

        Roles are asked in the order of their delegations, depth first (section 5.6.7). role: where another one than this
        is the first to sign for that name, it counts as not there. Raises as `refresh`.
        """
        trusted = self.trusted
        trusted.now = max(trusted.now, self.now())
        asked: set[str] = set()
        waiting: list[tuple[str, str, Targets | None]] = [(TARGETS, ROOT, None)]
        while waiting and len(asked) <= MOST_ROLES:
            here, delegator, above = waiting.pop()
            if here in asked:
                continue
            asked.add(here)
            await self._newest_targets(trusted, here, delegator, above)
            targets = trusted.targets(here, delegator)
            if found := targets.targets.get(name):
                return (found, here) if role in (None, here) else None
            below: list[tuple[str, str, Targets | None]] = []
            for each in targets.delegations:
                if each.covers(name):
                    below.append((each.name, here, targets))
                    if each.terminating:
                        waiting.clear()
                        break
            waiting.extend(reversed(below))
        return None

    async def read(self, target: TargetFile, most: int) -> bytes:
        """The bytes of a small target; raises `NotTrusted` for more than `most` bytes, or others than were signed."""
        if target.length > most:
            raise NotTrusted(f"The target '{target.name[:100]}' has {target.length:,} bytes, and may have {most:,}.")
        raw = await self._fetch(f"{TARGET_FILES}/{target.path(self.trusted.root.consistent_snapshot)}", target.length)
        check_bytes(raw, target.length, target.hashes, f"The target '{target.name[:100]}'")
        return raw

    def _first_trusted(self) -> Trusted:
        raw = self._stored(ROOT)
        if raw is None:
            raise StateError(f"No update repository is trusted yet: there is no root.json in {self._folder}.")
        try:
            return Trusted(raw, self.now(), self._verifiers)
        except MetadataError as cause:
            raise StateError(
                f"{self._folder / 'root.json'} can't be used; set the source of updates anew. {cause}"
            ) from None

    async def _newest_roots(self, trusted: Trusted) -> bool:
        first = trusted.root.version
        for _ in range(MOST_ROOTS):
            try:
                raw = await self._ask(f"{METADATA}/{file_name(ROOT, trusted.root.version + 1)}", MOST_BYTES)
            except Refused:
                break  # there is no newer one
            before = trusted.root
            trusted.update_root(raw)
            if _took_keys_back(before, trusted.root):
                # Section 5.3.11: whoever had those keys may have used up the versions (fast forward).
                for role in (TIMESTAMP, SNAPSHOT):
                    await self._on_disk(disk.remove, self._folder / file_name(role))
                    self._kept.pop(file_name(role), None)
                self._floor = None  # and the time
                trusted.now = self.now()
            await self._keep(ROOT, raw)
        return trusted.root.version > first

    async def _newest_timestamp(self, trusted: Trusted) -> bool:
        if (stored := self._stored(TIMESTAMP)) is not None:
            with contextlib.suppress(MetadataError):  # expired, or its key was taken back
                trusted.update_timestamp(stored)
            self._learn(trusted)
        raw = await self._fetch(f"{METADATA}/{file_name(TIMESTAMP)}", MOST_TIMESTAMP_BYTES)
        if not trusted.update_timestamp(raw):
            return False
        self._learn(trusted)
        await self._keep(TIMESTAMP, raw)
        return True

    async def _newest_snapshot(self, trusted: Trusted) -> bool:
        assert trusted.timestamp is not None
        return await self._newest(SNAPSHOT, trusted, trusted.timestamp.snapshot, trusted.update_snapshot)

    async def _newest_targets(self, trusted: Trusted, role: str, delegator: str, above: Targets | None) -> bool:
        if trusted.has_targets(role, delegator):
            return False

        def take(raw: bytes, stored: bool) -> None:
            trusted.update_targets(raw, role, delegator, above)

        return await self._newest(role, trusted, trusted.about(role), take)

    async def _newest(self, role: str, trusted: Trusted, about: MetaFile, take: Callable[[bytes, bool], None]) -> bool:
        """Take what is kept of a role where it is the newest still, what the repository has otherwise; whether that."""
        if (stored := self._stored(role)) is not None:
            with contextlib.suppress(MetadataError):
                take(stored, True)
                return False
        name = file_name(role, about.version if trusted.root.consistent_snapshot else None)
        raw = await self._fetch(f"{METADATA}/{name}", min(MOST_BYTES, about.length or MOST_BYTES))
        take(raw, False)
        await self._keep(role, raw)
        return True

    async def _fetch(self, path: str, most: int) -> bytes:
        try:
            return await self._ask(path, most)
        except Refused as cause:
            raise NotReached(f"The update repository hasn't got its file {path[:100]}: {cause}.") from None

    async def _ask(self, path: str, most: int) -> bytes:
        try:
            return await self._transport.fetch(path, most)
        except Unreachable as cause:
            raise NotReached(f"The update repository can't be reached ({cause}); it is asked again later.") from None

    def _stored(self, role: str) -> bytes | None:
        return self._kept.get(file_name(role))

    async def _keep(self, role: str, raw: bytes) -> None:
        await self._on_disk(disk.write_atomic, self._folder / file_name(role), raw)
        self._kept[file_name(role)] = raw

    async def _on_disk(self, work: Callable[..., T], *arguments: object) -> T:
        with disk.storage_errors(self._folder):
            return await on_disk(self._folder, work, *arguments)

    def _learn(self, trusted: Trusted) -> None:
        """Take the time at which the trusted timestamp says it was signed, where it is later than what was known."""
        signed = issued(trusted.timestamp) if trusted.timestamp else None
        if signed is not None and (self._floor is None or signed > self._now_by_floor(self._floor)):
            self._floor = signed, _running()

    @staticmethod
    def _now_by_floor(floor: tuple[datetime, float]) -> datetime:
        signed, then = floor
        return signed + timedelta(seconds=_running() - then)


def _read(folder: Path) -> dict[str, bytes]:
    """What was kept, without what is longer than it can be."""
    found = {}
    for path in folder.glob("*.json"):
        with path.open("rb") as opened:
            found[path.name] = opened.read(MOST_BYTES + 1)
    return {name: raw for name, raw in found.items() if len(raw) <= MOST_BYTES}


def _running() -> float:
    """Seconds that this machine has run, asleep or not, whatever its clock says."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _took_keys_back(old: Root, new: Root) -> bool:
    return any(set(old.roles[role].keyids) - set(new.roles[role].keyids) for role in (TIMESTAMP, SNAPSHOT))
