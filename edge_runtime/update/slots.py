"""Slots on disk: one folder per bundle, named by its hash, and one pointer file per specialist."""

from __future__ import annotations

import logging
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.bundle import Envelope, Manifest, payload_digest, read_envelope, unpack_bundle
from edge_runtime.bundle.manifest import MANIFEST_NAME
from edge_runtime.errors import BundleError, EdgeError, NotFound, StateError
from edge_runtime.unchanged import State, settled, state_of
from edge_runtime.update import disk

_log = logging.getLogger(__name__)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ENVELOPE = "envelope"
_FILES = "files"
_COLD = "cold"
_BASE = "base"  # of an adapter: the hash of the bundle whose model it runs over


@dataclass(frozen=True)
class Pointer:
    """Which bundle of a specialist serves, and which one served before (hex content addresses)."""

    active: str
    previous: str | None = None


class Slots:
    """The bundles of a state folder.

    bundles/HASH/{envelope,files/}, with `base` where it is an adapter, is written once and never changed (what `cold/`
    beside them holds is compared with them whenever it is used);
    specialists/NAME.json is the pointer, replaced atomically; incoming/ holds what isn't finished, and is emptied at
    start. So after a crash at any instant every pointer names a bundle that was complete and admitted.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.incoming = state / "incoming"
        self._bundles = state / "bundles"
        self._pointers = state / "specialists"
        self._sound: dict[str, State] = {}  # bundles that were compared, as their files were then
        with disk.storage_errors(state):
            disk.make_state(state)
            for folder in (self.incoming, self._bundles, self._pointers):
                disk.make_private(folder)
            disk.sync_folder(state)
            disk.sync_folder(self._pointers)  # a pointer that a killed process moved is relied on from here on

    def sweep(self) -> int:
        """At start: remove unfinished uploads and unused bundles; returns how many things went."""
        gone = [*self.incoming.iterdir(), *self._pointers.glob(".*.part")]
        for path in gone:
            disk.remove(path)
        return len(gone) + self.sweep_unused()

    def sweep_unused(self) -> int:
        """Remove the bundles that no pointer names, and no adapter that one names; returns how many."""
        pointers = self._read_pointers()
        if None in pointers.values():
            _log.warning("a pointer in %s is damaged; no bundle is removed", self._pointers)
            return 0
        used = {digest for p in pointers.values() if p for digest in (p.active, p.previous) if digest}
        used |= {base for digest in used if (base := self.base_of(digest)) is not None}
        gone = [path for path in self._bundles.iterdir() if path.name not in used]
        for path in gone:
            self._sound.pop(path.name, None)
            disk.remove(path)
        return len(gone)

    def pointers(self) -> dict[str, Pointer | None]:
        """Specialist -> pointer, None where its file is damaged."""
        return self._read_pointers()

    def new_upload(self) -> Path:
        """A path for a bundle on its way in."""
        return self.incoming / f"{secrets.token_hex(8)}.enigma"

    def unpack(self, bundle: Path, envelope: Envelope) -> tuple[Path, Manifest]:
        """Unpack a verified bundle beside it; returns the slot-to-be and its manifest."""
        staged = self.staged_beside(bundle)
        files = staged / _FILES
        try:
            disk.make_private(files)
            manifest = unpack_bundle(bundle, envelope, files, disk.write_stream)
            disk.write_atomic(staged / _ENVELOPE, envelope.to_bytes())
            disk.sync_folder(files)
            disk.sync_folder(staged)
        except BaseException:
            disk.remove(staged)
            raise
        return staged, manifest

    @staticmethod
    def staged_beside(bundle: Path) -> Path:
        """Where `unpack` unpacks a bundle file to."""
        return bundle.with_suffix(".slot")

    @staticmethod
    def head_of(staged: Path) -> str:
        """The content address that a slot's envelope gives; raises `OSError` and `BundleError`."""
        with (staged / _ENVELOPE).open("rb") as head:
            return read_envelope(head).digest

    @staticmethod
    def files_in(staged: Path) -> Path:
        """The folder of a slot's files."""
        return staged / _FILES

    def folder(self, digest: str) -> Path:
        """The folder of an installed bundle's files."""
        return self._bundles / digest / _FILES

    def keep_base(self, staged: Path, digest: str) -> None:
        """Note in an adapter's slot-to-be which bundle it runs over, which then stays as long as it does."""
        disk.write_atomic(staged / _BASE, digest.encode("ascii"))

    def base_of(self, digest: str) -> str | None:
        """The bundle that an installed adapter runs over, None for a bundle that is whole."""
        try:
            found = (self._bundles / digest / _BASE).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return found if _DIGEST.fullmatch(found) else None

    def manifest(self, digest: str) -> Manifest:
        """An installed bundle's manifest, unchecked; raises `BundleError`."""
        try:
            return Manifest.from_json((self.folder(digest) / MANIFEST_NAME).read_bytes())
        except OSError as cause:
            raise BundleError(f"The bundle {digest[:12]} on disk can't be read: {cause.strerror}.") from None

    def check(self, digest: str, again: bool = False) -> Manifest:
        """Compare an installed bundle with its content address; raises `BundleError` where it decayed.

        again: where this process did so before and the disk says of no file that it changed, that counts.
        """
        folder = self.folder(digest)
        state = self._state(folder)
        if again and self._sound.get(digest) == state:
            return self.manifest(digest)
        try:
            head = self.head_of(folder.parent)
            actual = payload_digest(folder)
            manifest = (folder / MANIFEST_NAME).read_bytes()
        except OSError as cause:
            raise BundleError(f"The bundle {digest[:12]} on disk can't be read: {cause.strerror}.") from None
        if not actual == head == digest:
            raise BundleError(f"The bundle {digest[:12]} on disk is damaged; push it again.")
        if settled(state):
            self._sound[digest] = state
        return Manifest.from_json(manifest)

    @staticmethod
    def _state(folder: Path) -> State:
        try:
            return state_of(folder.parent / _ENVELOPE, folder, *sorted(folder.iterdir()))
        except OSError:
            return ()

    def place(self, staged: Path, digest: str) -> None:
        """Move an admitted slot to its place; a sound one that is there already stays."""
        # Whoever unpacked it may have been killed since: that its files have names is made sure of here.
        for left in staged.glob(".*.part"):
            disk.remove(left)
        disk.sync_folder(staged / _FILES)
        disk.sync_folder(staged)
        target = self._bundles / digest
        if target.exists():
            try:
                self.check(digest)
            except BundleError:
                disk.move(target, self.incoming / f"{secrets.token_hex(8)}.damaged")
            else:
                return
        disk.move(staged, target)

    def activate(self, name: str, digest: str) -> Pointer | None:
        """Point a specialist at an admitted bundle and keep the one that served before; what its pointer was."""
        former = self._read_pointers().get(name)
        if former is None:
            previous = None
        else:
            previous = former.active if former.active != digest else former.previous
        self._write(name, Pointer(digest, previous))
        return former

    def put_back(self, name: str, former: Pointer | None) -> None:
        """Undo `activate`; former: what it gave."""
        if former is None:
            self.forget(name)
        else:
            self._write(name, former)

    def previous(self, name: str) -> str:
        """The bundle that served before; raises `NotFound` where there is none."""
        former = self._read_pointers().get(name)
        if former is None or former.previous is None:
            raise NotFound(f"'{name[:64]}' has no previous bundle to go back to.")
        return former.previous

    def roll_back(self, name: str) -> Pointer:
        """Swap active and previous; raises `NotFound` where there is no previous bundle."""
        previous = self.previous(name)
        former = self._read_pointers()[name]
        return self._write(name, Pointer(previous, former.active if former else None))

    def forget(self, name: str) -> None:
        """Remove a specialist's pointer, and the bundles that nothing needs any more; raises `NotFound`."""
        if name not in self._read_pointers():
            raise NotFound(f"There is no specialist '{name[:64]}' on this device.")
        disk.remove(self._pointers / f"{name}.json")
        disk.sync_folder(self._pointers)
        self.sweep_unused()

    def _write(self, name: str, pointer: Pointer) -> Pointer:
        fields = {"format": 1, "active": pointer.active, "previous": pointer.previous}
        disk.write_atomic(self._pointers / f"{name}.json", strict_json.dumps(fields))
        return pointer

    def _read_pointers(self) -> dict[str, Pointer | None]:
        found: dict[str, Pointer | None] = {}
        for path in sorted(self._pointers.glob("[!.]*.json")):
            try:
                found[path.stem] = _parse(path.read_bytes())
            except (OSError, EdgeError) as cause:
                _log.warning("%s is damaged: %s", path, cause)
                found[path.stem] = None
        return found


def _parse(content: bytes) -> Pointer:
    fields = strict_json.loads_object(content, "The pointer", StateError)
    active, previous = fields.get("active"), fields.get("previous")
    if not isinstance(active, str) or not _DIGEST.fullmatch(active):
        raise StateError("The pointer names no bundle.")
    if previous is not None and not (isinstance(previous, str) and _DIGEST.fullmatch(previous)):
        raise StateError("The pointer's previous bundle isn't one.")
    return Pointer(active, previous)


def cold_folder(files: Path) -> Path:
    """Beside the folder of a bundle's files: where their weights are laid out to be mapped."""
    return files.with_name(_COLD)


def lock(state: Path) -> int | None:
    """Take the state folder for this process; None where a daemon (or an installation) has it.

    The lock ends with the process, however it ends. Returns a handle to keep.
    """
    import fcntl

    with disk.storage_errors(state):
        disk.make_state(state)
        handle = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
    return handle
