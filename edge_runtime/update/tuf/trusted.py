"""What may be trusted next, given what is: a TUF client's rules, without I/O (specification 1.0.31, section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from edge_runtime.update.tuf.metadata import (
    ED25519,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Key,
    MetaFile,
    NotTrusted,
    Role,
    Root,
    Signed,
    Snapshot,
    Targets,
    Timestamp,
    Verifier,
    check_bytes,
    file_name,
    parse,
    time_of,
    time_text,
    verify,
)

K = TypeVar("K", bound=Root | Timestamp | Snapshot | Targets)


class Expired(NotTrusted):
    """Metadata are older than whoever signed them meant them to be used: nothing new is installed, what runs goes on."""

    code = "expired"


class Trusted:
    """The metadata that are trusted, each checked against those that say so. now: aware, in UTC.

    Every `update_*` takes a file as it was read or fetched and raises `MetadataError` where it can't be trusted. Expired
    ones, and a snapshot that isn't the newest, are kept to compare newer ones with, but nothing below them is taken.
    """

    def __init__(self, root: bytes, now: datetime, verifiers: Mapping[tuple[str, str], Verifier] = ED25519) -> None:
        self._verifiers = verifiers
        self.now = now
        self.timestamp: Timestamp | None = None
        self.snapshot: Snapshot | None = None
        self._targets: dict[tuple[str, str], Targets] = {}
        first = parse(root, Root)
        self._verify(first, ROOT, first.content.keys, first.content.roles[ROOT])
        self.root = first.content

    def update_root(self, raw: bytes) -> None:
        """The next root: signed as the one before says, and as it says itself. It may have expired, the last one not."""
        signed = parse(raw, Root)
        for root in (self.root, signed.content):
            self._verify(signed, ROOT, root.keys, root.roles[ROOT])
        _expect(ROOT, signed.content.version, self.root.version + 1)
        self.root = signed.content

    def update_timestamp(self, raw: bytes) -> bool:
        """The newest timestamp; whether it is newer than the trusted one. Takes the time it says it was signed at."""
        self._check_time(ROOT, self.root)
        signed = parse(raw, Timestamp)
        self._verify(signed, TIMESTAMP, self.root.keys, self.root.roles[TIMESTAMP])
        new, old = signed.content, self.timestamp
        if old is not None:
            _never_back(TIMESTAMP, new.version, old.version)
            if new.version == old.version:
                self._check_time(TIMESTAMP, old)
                return False
            _never_back(SNAPSHOT, new.snapshot.version, old.snapshot.version)
        self.timestamp = new
        self.now = max(self.now, issued(new) or self.now)
        self._check_time(TIMESTAMP, new)
        return True

    def update_snapshot(self, raw: bytes, stored: bool = False) -> None:
        """The snapshot that the timestamp names. stored: it was verified before, and may be an older one."""
        timestamp = self._timestamp()
        if not stored:
            check_bytes(raw, timestamp.snapshot.length, timestamp.snapshot.hashes, "snapshot.json")
        signed = parse(raw, Snapshot)
        self._verify(signed, SNAPSHOT, self.root.keys, self.root.roles[SNAPSHOT])
        for name, old in self.snapshot.meta.items() if self.snapshot else ():
            new = signed.content.meta.get(name)
            _never_back(name.removesuffix(".json"), new.version if new else 0, old.version)
        self.snapshot = signed.content
        self._snapshot()

    def update_targets(
        self, raw: bytes, role: str = TARGETS, delegator: str = ROOT, above: Targets | None = None
    ) -> Targets:
        """A role's targets, of the version that the snapshot names. above: the delegator's, none for the root's own."""
        about = self.about(role)
        check_bytes(raw, about.length, about.hashes, file_name(role))
        signed = parse(raw, Targets, role)
        if above is None:
            self._verify(signed, role, self.root.keys, self.root.roles[role])
        else:
            below = next(each for each in above.delegations if each.name == role)
            self._verify(signed, role, above.keys, below.role)
        _expect(role, signed.content.version, about.version)
        self._check_time(role, signed.content)
        self._targets[delegator, role] = signed.content
        return signed.content

    def targets(self, role: str = TARGETS, delegator: str = ROOT) -> Targets:
        """A role's targets as that delegator trusts them; raises `NotTrusted` before they were checked."""
        if not self.has_targets(role, delegator):
            raise NotTrusted(f"The targets of '{role}' weren't checked yet.")
        return self._targets[delegator, role]

    def has_targets(self, role: str, delegator: str) -> bool:
        """Whether they were checked."""
        return (delegator, role) in self._targets

    def about(self, role: str) -> MetaFile:
        """What the snapshot says of a role's metadata; raises `NotTrusted` where it doesn't name them."""
        found = self._snapshot().meta.get(f"{role}.json")
        if found is None:
            raise NotTrusted(
                f"The update repository's snapshot doesn't name the metadata of '{role}'; nothing was taken."
            )
        return found

    def _timestamp(self) -> Timestamp:
        if self.timestamp is None:
            raise NotTrusted("There is no trusted timestamp of the update repository yet.")
        self._check_time(TIMESTAMP, self.timestamp)
        return self.timestamp

    def _snapshot(self) -> Snapshot:
        timestamp = self._timestamp()
        if self.snapshot is None:
            raise NotTrusted("There is no trusted snapshot of the update repository yet.")
        self._check_time(SNAPSHOT, self.snapshot)
        _expect(SNAPSHOT, self.snapshot.version, timestamp.snapshot.version)
        return self.snapshot

    def _verify(self, signed: Signed[K], what: str, keys: Mapping[str, Key], role: Role) -> None:
        verify(signed, keys, role, what, self._verifiers)

    def _check_time(self, what: str, content: Root | Timestamp | Snapshot | Targets) -> None:
        if self.now >= content.expires:
            raise Expired(
                f"The update repository's {what} metadata expired at {time_text(content.expires)}, and it is "
                f"{time_text(self.now)} now: nothing new is installed, what runs goes on. Run 'enigma release refresh' where "
                "the repository is, or set this device's clock right."
            )


def issued(timestamp: Timestamp) -> datetime | None:
    """When it was signed, which our repositories tell: it is never earlier than that. None where it doesn't say."""
    try:
        return time_of(timestamp.extra.get("issued"))
    except ValueError:
        return None


def _never_back(what: str, new: int, old: int) -> None:
    if new < old:
        raise NotTrusted(
            f"The update repository offers version {new} of its {what} metadata, and {old} was seen before; nothing of it "
            "was taken: an old state is being played back, or the repository was restored from a copy."
        )


def _expect(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise NotTrusted(
            f"The update repository's {what} metadata are version {found}, and {wanted} was to come; nothing was taken."
        )
