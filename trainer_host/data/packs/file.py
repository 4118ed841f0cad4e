"""The pack file: signed like a bundle, checked before anything in it is read, imported as a dataset."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.bundle import HEADER_BYTES, Envelope, list_members, read_envelope, write_payload
from edge_runtime.bundle.envelope import fingerprint, sign
from edge_runtime.bundle.unpack import check_payload
from edge_runtime.errors import BundleError, UntrustedSigner
from trainer_host.data.check import checker_for, spec_of
from trainer_host.data.dataset import CARD, SPLITS, Dataset, Json, open_dataset, seal
from trainer_host.data.packs.card import PackCard, Parent, checked_card, parents_json, parents_of, read_card
from trainer_host.data.pii import find, texts_of
from trainer_host.errors import DataError
from trainer_host.release.keys import SigningKey
from trainer_host.workspace import Workspace, checked_name, making, storage_errors, write_atomic

SUFFIX = ".enigma-pack"
MAX_PACK_BYTES = 1024 * 1024 * 1024  # as an imported file of rows
PACK_CARD = "pack.json"
PICTURES = "files.jsonl"  # a payload's names are flat: the dataset's files/ travel as lines of name and base64
SHOWN_PERSONAL = 3


@dataclass(frozen=True)
class Pack:
    """A pack file that passed every check. signer: the 32-byte public key of who made it."""

    path: Path
    card: PackCard
    signer: bytes
    address: str


def make_pack(
    dataset: Dataset,
    folder: Path,
    key: SigningKey,
    *,
    name: str,
    version: str,
    licence: str,
    authors: tuple[str, ...],
    description: str = "",
    allow_personal: bool = False,
) -> Pack:
    """Write FOLDER/NAME-VERSION.enigma-pack; the same dataset, card and key give the same bytes.

    Raises `DataError` where rows hold personal data (unless `allow_personal`), or a licence forbids the pack.
    """
    spec, options = spec_of(dataset), dataset.params.get("options")
    card = checked_card(
        PackCard(
            checked_name(name),
            version,
            dataset.task,
            licence,
            authors,
            description,
            dataset.counts,
            dataset.content,
            {
                "metric": spec.metric,
                "prompt_version": spec.prompt_version,
                "options": options if isinstance(options, dict) else {},
                "answer_schema": spec.answer_schema,
                "example_schema": spec.example_schema,
            },
            parents_of(dataset.params),
        )
    )
    if not allow_personal:
        _refuse_personal(dataset)
    files: dict[str, bytes | Path] = {
        path.name: path for path in dataset.folder.iterdir() if path.is_file() and not path.name.startswith(".")
    }
    if (pictures := dataset.folder / "files").is_dir():
        files[PICTURES] = _pictures(pictures)
    files[PACK_CARD] = card.to_json()
    path = folder / f"{name}-{version}{SUFFIX}"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        parts: list[bytes] = []
        length, digest = write_payload(files, parts.append)
        envelope = sign(length, digest, key.seed)
        write_atomic(path, b"".join([envelope.to_bytes(), *parts]))
    return Pack(path, card, envelope.signer, envelope.address)


def verify_pack(path: Path, trusted: Collection[bytes] | None) -> Pack:
    """Check signer, signature, length, hash and the dataset's own hash, in this order; raises `DataError`.

    trusted: public keys whose packs are taken; None takes any signer, to show who it is.
    """
    try:
        with path.open("rb") as source:
            envelope = read_envelope(source)
            if trusted is not None and envelope.signer not in trusted:
                raise DataError(
                    f"{path.name} is signed by {fingerprint(envelope.signer)}, which you don't trust. Compare the key with "
                    f"its maker, then run: enigma pack trust {envelope.signer.hex()} --name WHO"
                )
            envelope.check({envelope.signer}, MAX_PACK_BYTES)
            check_payload(source, envelope)
            members = {m.name: m for m in list_members(source, HEADER_BYTES, envelope.length)}
            if PACK_CARD not in members or CARD not in members or not {f"{s}.jsonl" for s in SPLITS} <= members.keys():
                raise DataError(f"{path.name} is signed, but isn't a pack of a dataset.")
            source.seek(members[PACK_CARD].offset)
            card = read_card(source.read(members[PACK_CARD].size))
    except OSError as cause:
        raise DataError(f"{path} can't be read: {cause.strerror}.") from None
    except UntrustedSigner:
        raise DataError(f"{path.name} was changed after it was signed; get it again.") from None
    except BundleError as cause:
        raise DataError(_in_words_of_packs(path, str(cause))) from None
    return Pack(path, card, envelope.signer, envelope.address)


def import_pack(workspace: Workspace, path: Path, trusted: Collection[bytes], name: str | None = None) -> Dataset:
    """A verified pack as dataset `name` (default: the pack's); its rows are those that were signed.

    Every row must pass this version's own verifier, since a signature says who made a row, not that it is right.
    """
    pack = verify_pack(path, trusted)
    chosen = checked_name(name or pack.card.name)
    with making(workspace.data / chosen) as folder:
        _unpack(pack, folder)
        found = open_dataset(folder)
        if found.content != pack.card.dataset or found.task != pack.card.task:
            raise DataError(f"{path.name} holds another dataset than its card says; ask its maker.")
        check_rows(found)
        origin = Parent(pack.address, pack.card.name, pack.card.version, pack.card.licence, pack.card.authors)
        parents = (origin, *pack.card.parents)
        params: Json = {**found.params, "parents": parents_json(parents)}
        seal(folder, name=chosen, task=found.task, teacher=found.teacher, seed=found.seed, params=params, figures=found.figures)  # fmt: skip
    return open_dataset(workspace.data / chosen)


def check_rows(dataset: Dataset) -> None:
    """Raises `DataError` where a row's form isn't that of its task, with the row's number."""
    check = checker_for(dataset)
    for split in SPLITS:
        for number, row in enumerate(dataset.rows(split), 1):
            if (wrong := check(row)) is not None:
                raise DataError(
                    f"Row {number} of {split} doesn't pass the task's verifier ({wrong}); nothing was imported."
                )


def _unpack(pack: Pack, folder: Path) -> None:
    with pack.path.open("rb") as source:
        envelope: Envelope = read_envelope(source)
        for member in list_members(source, HEADER_BYTES, envelope.length):
            source.seek(member.offset)
            content = source.read(member.size)
            if member.name == PICTURES:
                _unpack_pictures(content, folder / "files")
            elif member.name != PACK_CARD:
                (folder / member.name).write_bytes(content)


def _pictures(folder: Path) -> bytes:
    lines = []
    for path in sorted(folder.iterdir()):
        lines.append(strict_json.dumps({"name": path.name, "data": base64.b64encode(path.read_bytes()).decode()}))
    return b"".join(lines)


def _unpack_pictures(content: bytes, folder: Path) -> None:
    folder.mkdir()
    for line in content.splitlines():
        item = json.loads(line)
        data = base64.b64decode(item["data"], validate=True)
        name = str(item["name"])
        # A file's name is its hash, so nothing else can be a path out of the folder.
        if name.split(".")[0] != hashlib.sha256(data).hexdigest()[:32] or not name.replace(".", "").isalnum():
            raise DataError(f"The pack holds a file '{name[:40]}' whose name isn't its hash; ask its maker.")
        (folder / name).write_bytes(data)


def _refuse_personal(dataset: Dataset) -> None:
    found: list[str] = []
    count = 0
    for split in SPLITS:
        for number, row in enumerate(dataset.rows(split), 1):
            kinds = {item.kind for text in texts_of([row.input, row.output]) for item in find(text)}
            if kinds and dataset.task != "robot":
                count += 1
                if len(found) < SHOWN_PERSONAL:
                    found.append(f"row {number} of {split} ({', '.join(sorted(kinds)).lower()})")
    if count:
        raise DataError(
            f"{count} rows hold what looks like personal data: {'; '.join(found)}. Scrub them with "
            f"'enigma data scrub {dataset.name}', or say --allow-personal where nobody is meant."
        )


def _in_words_of_packs(path: Path, text: str) -> str:
    text = (
        text.replace("The bundle's", "The pack's")
        .replace("The bundle", "The pack")
        .replace(
            "This isn't an Enigma bundle; send a .enigma file made by 'enigma bundle'.",
            f"This isn't a pack; it should be a {SUFFIX} file.",
        )
    )
    return f"{path.name}: {text}"
