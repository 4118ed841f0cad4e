"""Where a device's updates come from: the root metadata that it was given once, and the addresses or folders of repositories.

STATE/updates/ holds all of it: source.json, trust/ (TUF metadata, see `edge_runtime.update.tuf`), the journal, and what is
on its way in. A device that follows nothing has no such folder, and imports nothing of what is behind this module.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, Forbidden, StateError
from edge_runtime.update import disk

FILE_NAME = "source.json"
FORMAT = 1
MOST_PLACES = 8
MOST_ROOT_BYTES = 256 * 1024  # one with three keys has 2 kB
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Source:
    """What is followed. places: http(s) addresses and absolute folders, the preferred first.

    root: SHA-256 (hex) of the root metadata as they were given. direct_push: whether bundles are taken from paired hosts
    besides. since: seconds since 1970.
    """

    places: tuple[str, ...]
    root: str
    direct_push: bool = True
    since: float = 0.0

    def plain(self) -> dict[str, object]:
        """As JSON, for the file and for people."""
        return {
            "format": FORMAT,
            "from": list(self.places),
            "root": self.root,
            "direct_push": self.direct_push,
            "since": self.since,
        }


def updates_folder(state: Path) -> Path:
    """All that a device has of updates."""
    return state / "updates"


def trust_folder(state: Path) -> Path:
    """The metadata that it trusts."""
    return updates_folder(state) / "trust"


def source_of(state: Path) -> Source | None:
    """What a device follows, None where it follows nothing; raises `StateError` where the file is damaged."""
    path = updates_folder(state) / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise StateError(f"{path} can't be read: {cause.strerror}.") from None
    fields = strict_json.loads_object(content, str(path), StateError)
    places, root, direct, since = (fields.get(key) for key in ("from", "root", "direct_push", "since"))
    if (
        fields.get("format") != FORMAT
        or not isinstance(places, list)
        or not all(isinstance(place, str) for place in places)
        or not isinstance(root, str)
        or not _HASH.fullmatch(root)
        or not isinstance(direct, bool)
        or isinstance(since, bool)
        or not isinstance(since, int | float)
    ):
        raise StateError(f"{path} is damaged; run 'enigma-edge updates follow' again.")
    return Source(tuple(places), root, direct, float(since))


def follow(state: Path, root: bytes, places: Sequence[str], direct_push: bool = True) -> Source:
    """Follow a repository from now on; raises `BadRequest` where the root metadata or a place can't be used.

    With the same root metadata as before, what was learned since (newer roots too) stays; with other ones, trust begins
    anew. The clock's floor stays in any case.
    """
    checked = tuple(dict.fromkeys(checked_place(place) for place in places))
    if not 1 <= len(checked) <= MOST_PLACES:
        raise BadRequest(f"Say where the updates come from: 1 to {MOST_PLACES} addresses or folders.")
    if len(root) > MOST_ROOT_BYTES:
        raise BadRequest(f"The root metadata have {len(root):,} bytes; at most {MOST_ROOT_BYTES:,} are read.")
    _check_root(root)
    digest = hashlib.sha256(root).hexdigest()
    former = source_of(state)
    made = Source(checked, digest, direct_push, round(time.time(), 3))
    trust = trust_folder(state)
    with disk.storage_errors(state):
        disk.make_private(updates_folder(state))
        disk.make_private(trust)
        if former is None or former.root != digest or not (trust / "root.json").exists():
            # Without source.json nothing is followed, so a kill in between leaves no mix of two repositories.
            (updates_folder(state) / FILE_NAME).unlink(missing_ok=True)
            disk.sync_folder(updates_folder(state))
            _forget_trust(trust)
            disk.write_atomic(trust / "root.json", root)
        disk.write_atomic(updates_folder(state) / FILE_NAME, strict_json.dumps(made.plain()))
    return made


def forget(state: Path) -> bool:
    """Follow nothing any more; what serves goes on, and the journal stays. Whether anything was followed."""
    path = updates_folder(state) / FILE_NAME
    with disk.storage_errors(state):
        if not path.exists():
            return False
        path.unlink()
        disk.sync_folder(path.parent)
        _forget_trust(trust_folder(state))
        disk.remove(updates_folder(state) / "incoming")
    return True


def signed_only(state: Path) -> bool:
    """Whether this device takes releases from its repository alone; raises `StateError`."""
    source = source_of(state)
    return source is not None and not source.direct_push


def refuse_push(state: Path) -> None:
    """Raise `Forbidden` where this device takes releases from its repository alone."""
    if signed_only(state):
        raise Forbidden(
            "This device takes bundles only from the repository of updates that it follows; publish there, with "
            "'enigma release publish'."
        )


def checked_place(place: str) -> str:
    """An address without its last slash, or an absolute folder; raises `BadRequest` for anything else."""
    if len(place) <= 500 and place.isprintable():
        if place.startswith("/"):
            return place.rstrip("/") or "/"
        try:
            parts = urlsplit(place)
            fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fine = False
        if fine and not (parts.query or parts.fragment or parts.username or parts.password):
            return place.rstrip("/")
    raise BadRequest(
        f"'{place[:80]}' can't be followed; give an address as in https://updates.example/robots, or a whole path as in "
        "/media/stick."
    )


def _check_root(content: bytes) -> None:
    from edge_runtime.update.tuf.metadata import ROOT, MetadataError, Root, parse, verify

    try:
        signed = parse(content, Root)
        verify(signed, signed.content.keys, signed.content.roles[ROOT], ROOT)
    except (MetadataError, KeyError) as cause:
        raise BadRequest(f"That isn't the root metadata of a repository of updates: {cause}") from None


def _forget_trust(trust: Path) -> None:
    for path in trust.glob("*.json"):
        if path.name != "clock.json":
            path.unlink()
    if trust.is_dir():
        disk.sync_folder(trust)
