"""Adapters: bundles of low-rank matrices that need the model of another bundle, which they name by its hash."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.bundle import Manifest, Tokenizer
from edge_runtime.errors import BundleError, EdgeError, MissingBase
from edge_runtime.update.slots import Slots

OPTION = "adapter"  # in the manifest's options: {"base": its specialist, "model": and "tokenizer": SHA-256 in hex}
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Wanted:
    """What an adapter is for. model, tokenizer: SHA-256 of the base's files; base: the specialist that had them."""

    base: str
    model: str
    tokenizer: str


@dataclass(frozen=True)
class Base:
    """A bundle on disk that has the model for an adapter."""

    digest: str
    folder: Path
    manifest: Manifest
    file: str

    @property
    def model(self) -> Path:
        """The model file."""
        return self.folder / self.file

    def lend(self, manifest: Manifest) -> Manifest:
        """The adapter's manifest with the base's tokenizer, by its whole path: an adapter's bundle has none."""
        kept = self.manifest.tokenizer
        assert kept is not None and kept.file is not None  # `find_base` looked
        return dataclasses.replace(
            manifest, tokenizer=Tokenizer(kept.scheme, str(self.folder / kept.file), kept.sha256)
        )


def wanted_by(manifest: Manifest) -> Wanted | None:
    """What a bundle needs beside itself, None where it is whole; raises `BundleError`."""
    raw = manifest.options.get(OPTION)
    if raw is None:
        return None
    fields = raw if isinstance(raw, dict) else {}
    base, model, tokenizer = (fields.get(key) for key in ("base", "model", "tokenizer"))
    if not (isinstance(base, str) and isinstance(model, str) and isinstance(tokenizer, str)) or not (
        _HASH.fullmatch(model) and _HASH.fullmatch(tokenizer)
    ):
        raise BundleError("The manifest doesn't say which model its adapter is for; build the bundle again.")
    return Wanted(base, model, tokenizer)


def find_base(slots: Slots, wanted: Wanted) -> Base:
    """The installed bundle that has an adapter's model, the named specialist's first; raises `MissingBase`.

    A bundle that served before is as good as one that serves: its model is what counts.
    """
    pointers = {name: pointer for name, pointer in slots.pointers().items() if pointer is not None}
    named = [pointers[name] for name in sorted(pointers, key=lambda name: (name != wanted.base, name))]
    for digest in [pointer.active for pointer in named] + [pointer.previous for pointer in named if pointer.previous]:
        try:
            if file_of(slots.manifest(digest), wanted) is not None:
                return base_in(slots, digest, wanted)
        except EdgeError:
            continue  # a damaged bundle of another specialist is told when that one starts
    raise MissingBase(
        f"This adapter is for the model {wanted.model[:12]} of '{wanted.base[:64]}', which isn't on this device; push "
        f"the bundle of '{wanted.base[:64]}' that it was made for first."
    )


def base_in(slots: Slots, digest: str, wanted: Wanted) -> Base:
    """The base in an installed bundle, checked against its hash; raises `BundleError`."""
    manifest = slots.check(digest)
    file = file_of(manifest, wanted)
    if file is None:
        raise MissingBase(f"The bundle {digest[:12]} doesn't have the model that an adapter is for; push both again.")
    return Base(digest, slots.folder(digest), manifest, file)


def file_of(manifest: Manifest, wanted: Wanted) -> str | None:
    """The model file of a whole bundle that an adapter is for, None where it has another model or tokenizer."""
    kept = manifest.tokenizer
    if OPTION in manifest.options or kept is None or kept.file is None or kept.sha256 != wanted.tokenizer:
        return None
    return next((model.file for model in manifest.models if manifest.files[model.file].sha256 == wanted.model), None)
