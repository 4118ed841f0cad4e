"""Installs bundles: verify, unpack, admit, place, point, and only then swap; at start the same backwards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.bundle import Envelope, Manifest, payload_digest, read_envelope, verify_bundle
from edge_runtime.bundle.manifest import MANIFEST_NAME
from edge_runtime.bundle.unpack import check_payload
from edge_runtime.config import Config
from edge_runtime.errors import BundleError, EdgeError, UntrustedSigner
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update import deadline, disk
from edge_runtime.update.adapters import find_base, wanted_by
from edge_runtime.update.admit import Loaded, admit, admit_installed
from edge_runtime.update.slots import Pointer, Slots, cold_folder
from edge_runtime.update.source import refuse_push
from edge_runtime.update.trial import try_out

_log = logging.getLogger(__name__)
Tell = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True)
class Installed:
    """What an installation did. `loaded` is None where the bundle served already."""

    specialist: str
    version: str
    bundle: str
    loaded: Loaded | None

    @property
    def changed(self) -> bool:
        """Whether another bundle serves now than before."""
        return self.loaded is not None


@dataclass(frozen=True)
class Started:
    """What one specialist's start came to: what serves, and why not the active bundle, if so."""

    specialist: str
    loaded: Loaded | None
    rolled_back: str | None
    failure: str | None


class Installer:
    """Disk and admission; knows nothing of HTTP or of who is being served. Blocks: call it in a thread."""

    def __init__(self, slots: Slots, trust: TrustStore, config: Config) -> None:
        self.slots = slots
        self._trust = trust
        self._config = config
        self._rows: dict[str, int] = {}  # what was measured of a bundle when it was admitted, see `Loaded.rows`

    @property
    def max_bundle_bytes(self) -> int:
        """The longest payload that is taken."""
        return self._config.update.max_bundle_mb * 2**20

    def check_head(self, envelope: Envelope) -> None:
        """Refuse a bundle by its head, before its payload is taken: `BundleError` or `StorageFull`.

        Twice its size is needed for a moment: the upload and what is unpacked from it; and once more for what is laid
        out of cold models. Raises `Forbidden` where the device takes bundles from its repository of updates alone.
        """
        refuse_push(self.slots.state)
        envelope.check(self._trusted(), self.max_bundle_bytes)
        keep = self._config.update.keep_free_mb * 2**20
        with disk.storage_errors(self.slots.state):
            disk.need_space(self.slots.incoming, (3 if self._config.models.cold else 2) * envelope.length, keep)

    def install(self, bundle: Path, tell: Tell, serving: Mapping[str, str] | None = None) -> Installed:
        """Install a bundle file that lies in the incoming folder; on any error nothing has changed.

        tell: called with the stage ("verified", "unpacked", "admitted", "placed", "activated") and its figures; what it raises
        ends the installation.
        serving: specialist -> the hash of the bundle that serves; None where no daemon runs.
        """
        with disk.storage_errors(self.slots.state):
            return self._install(bundle, tell, serving)

    def stage(self, bundle: Path, specialist: str, digest: str) -> Path:
        """Unpack a bundle beside it, that the signers of the repository of updates named, and not the store of trusted keys.

        The folder, which `switch` takes; what lay there is replaced. Raises `BundleError` where the file isn't that bundle.
        """
        with disk.storage_errors(self.slots.state):
            with bundle.open("rb") as source:
                envelope = read_envelope(source)
                if envelope.digest != digest or envelope.length > self.max_bundle_bytes:
                    raise BundleError("The file isn't the bundle that its signed target names; publish it again.")
                check_payload(source, envelope)
            disk.remove(self.slots.staged_beside(bundle))
            staged, manifest = self.slots.unpack(bundle, envelope)
            if manifest.name != specialist:
                disk.remove(staged)
                raise BundleError(f"The bundle is '{manifest.name}' and was published as '{specialist}'.")
            return staged

    def try_out(self, staged: Path) -> None:
        """Load a staged bundle in a process of its own first; raises what `switch` would, and where it hangs or crashes."""
        if self._config.update.trial:
            most = deadline.LOAD_SECONDS + deadline.more_for(self.max_bundle_bytes)
            try_out(self.slots.state, staged, self._config.models, most)

    def still_staged(self, staged: Path, digest: str) -> bool:
        """Whether a folder that `stage` gave is whole: its files, and the head, which is written after them."""
        try:
            return self.slots.head_of(staged) == digest == payload_digest(self.slots.files_in(staged))
        except (OSError, BundleError):
            return False

    def switch(self, staged: Path, digest: str, tell: Tell, serving: Mapping[str, str] | None = None) -> Installed:
        """Admit a staged bundle and point at it; on any error nothing has changed, and it stays staged. See `install`.

        `try_out` comes first.
        """
        with disk.storage_errors(self.slots.state):
            manifest = Manifest.from_json((self.slots.files_in(staged) / MANIFEST_NAME).read_bytes())
            return self._switch(staged, manifest, digest, tell, serving)

    def _install(self, bundle: Path, tell: Tell, serving: Mapping[str, str] | None) -> Installed:
        envelope = verify_bundle(bundle, self._trusted(), self.max_bundle_bytes)
        tell("verified", {"bundle": envelope.address, "bytes": envelope.length})
        staged, manifest = self.slots.unpack(bundle, envelope)
        try:
            who = {"specialist": manifest.name, "version": manifest.version}
            tell("unpacked", {"bundle": envelope.address, **who})
            if not self._serves_already(manifest.name, envelope.digest, serving):
                self.try_out(staged)
            return self._switch(staged, manifest, envelope.digest, tell, serving)
        finally:
            disk.remove(staged)

    def _switch(
        self, staged: Path, manifest: Manifest, digest: str, tell: Tell, serving: Mapping[str, str] | None
    ) -> Installed:
        address = f"sha256:{digest}"
        who: dict[str, object] = {"bundle": address, "specialist": manifest.name, "version": manifest.version}
        if self._serves_already(manifest.name, digest, serving):
            return Installed(manifest.name, manifest.version, address, None)
        wanted = wanted_by(manifest)
        base = None if wanted is None else find_base(self.slots, wanted)
        if base is not None:
            self.slots.keep_base(staged, base.digest)
        models = self._config.models
        files = self.slots.files_in(staged)
        loaded = admit(manifest, digest, files, models.threads, models.runtimes, base, **models.ways)
        self._rows[loaded.digest] = loaded.rows
        try:
            runtime = f"{loaded.engine.runtime} {loaded.engine.version}"
            tell("admitted", {**who, "runtime": runtime, "memory_bytes": loaded.memory})
            self.slots.place(staged, digest)
            tell("placed", who)
            former = self.slots.activate(manifest.name, digest)
            try:
                tell("activated", who)
            except EdgeError:  # it came too late, and whoever waited for it was told that it failed
                self.slots.put_back(manifest.name, former)
                raise
        except BaseException:
            loaded.engine.close()
            raise
        self.slots.sweep_unused()
        return Installed(manifest.name, manifest.version, address, loaded)

    def start(self, name: str, pointer: Pointer | None, still: Callable[[], None] = lambda: None) -> Started:
        """Load what a pointer names; where that fails, roll back to the previous bundle.

        still: called once it is loaded, before anything changes; raises where nobody waits for it any more.
        """
        if pointer is None:
            return Started(name, None, None, f"the pointer of '{name}' is damaged; push its bundle again")
        try:
            return Started(name, self._loaded(pointer.active, still), None, None)
        except EdgeError as error:
            cause = str(error)
        if pointer.previous is None:
            return Started(name, None, None, cause)
        try:
            loaded = self._loaded(pointer.previous, still)
            with disk.storage_errors(self.slots.state):
                self.slots.roll_back(name)
        except EdgeError as error:
            return Started(name, None, None, f"{cause} The previous bundle fails too: {error}")
        return Started(name, loaded, cause, None)

    def roll_back(self, name: str, check: Callable[[Loaded], None] = lambda loaded: None) -> Loaded:
        """Load the previous bundle and point at it; raises `NotFound` where there is none.

        check: raises where it may not serve; then nothing has changed.
        """
        loaded = self._load(self.slots.previous(name))
        try:
            check(loaded)
            with disk.storage_errors(self.slots.state):
                self.slots.roll_back(name)
        except EdgeError:
            loaded.engine.close()
            raise
        return loaded

    def reload(self, digest: str) -> Loaded:
        """Load a bundle again that was admitted before in this process and gave its memory back."""
        models = self._config.models
        with disk.storage_errors(self.slots.state):
            again = self._rows.get(digest)
            return admit_installed(self.slots, digest, models.threads, models.runtimes, again=again, **models.ways)

    def remove(self, name: str) -> None:
        """Forget a specialist and its bundles; raises `NotFound`."""
        with disk.storage_errors(self.slots.state):
            self.slots.forget(name)

    def _loaded(self, digest: str, still: Callable[[], None]) -> Loaded:
        loaded = self._load(digest)
        try:
            still()
        except EdgeError:
            loaded.engine.close()
            raise
        return loaded

    def _load(self, digest: str) -> Loaded:
        models = self._config.models
        with disk.storage_errors(self.slots.state):
            if not models.cold:  # it was before
                disk.remove(cold_folder(self.slots.folder(digest)))
            loaded = admit_installed(self.slots, digest, models.threads, models.runtimes, **models.ways)
        self._rows[digest] = loaded.rows
        return loaded

    def _trusted(self) -> frozenset[bytes]:
        trusted = self._trust.keys()
        if not trusted:
            raise UntrustedSigner(
                "This device trusts no signer yet; pair a host, or add its key with 'enigma-edge trust add'."
            )
        return trusted

    def _serves_already(self, name: str, digest: str, serving: Mapping[str, str] | None) -> bool:
        pointer = self.slots.pointers().get(name)
        if pointer is None or pointer.active != digest:
            return False
        if serving is not None and serving.get(name) != digest:
            return False  # its admission failed at start; what hindered it may be gone
        try:
            self.slots.check(digest)
        except EdgeError:
            return False
        return True
