"""Where a model comes from: a record for it and for each model before it, chained by hashes so that none can be lost.

A record's address is the SHA-256 of all that it says, the addresses of its parents included. So whoever changes or leaves
out an ancestor breaks a link. A model that has parents names them in the header of its weights file too (`birth`), which
is part of the weights' hash: without its lineage.json it is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.packs.card import LICENCES, Parent, parents_of
from trainer_host.errors import DataError
from trainer_host.training.weights import FILE as WEIGHTS
from trainer_host.workspace import storage_errors, write_atomic

if TYPE_CHECKING:
    from torch import Tensor

    from trainer_host.data.dataset import Dataset

FILE = "lineage.json"
FORMAT = 1
BIRTH = "enigma.lineage"  # the key in the header of a weights file
MAX_RECORDS = 1024
Json = dict[str, object]


@dataclass(frozen=True)
class Record:
    """One model. weights and dataset: `sha256:` and 64 hex digits. parents: addresses of records, in the recipe's order.

    method: "trained", "fork", or a merge's. shares: what each parent counted. packs: the data packs that its dataset
    came from, whose makers must be named.
    """

    name: str
    weights: str
    licence: str
    authors: tuple[str, ...]
    method: str = "trained"
    shares: tuple[float, ...] = ()
    parents: tuple[str, ...] = ()
    dataset: str | None = None
    packs: tuple[Parent, ...] = field(default=())

    @property
    def address(self) -> str:
        """What children name it by."""
        return f"sha256:{hashlib.sha256(_canonical(asdict(self))).hexdigest()}"

    def credit(self) -> str:
        """A line that names its makers."""
        return f"{self.name} by {', '.join(self.authors)} ({self.licence}, {self.method})"


@dataclass(frozen=True)
class Lineage:
    """A model's record, and those of all before it, nearest first."""

    own: Record
    ancestors: tuple[Record, ...] = ()

    def to_json(self) -> Json:
        """For lineage.json, and for a bundle's manifest, whose signature covers it."""
        return {
            "format": FORMAT,
            "own": json.loads(_canonical(asdict(self.own))),
            "ancestors": json.loads(_canonical([asdict(record) for record in self.ancestors])),
        }

    def attribution(self) -> list[str]:
        """One line for each model and data pack whose makers must be named, this model first."""
        records = (self.own, *self.ancestors)
        packs = dict.fromkeys(
            f"data {p.name} {p.version} by {', '.join(p.authors)} ({p.licence})" for r in records for p in r.packs
        )
        return [*(record.credit() for record in records), *packs]

    def tree(self) -> list[str]:
        """The family as indented lines; what appears a second time isn't followed again."""
        known = {record.address: record for record in self.ancestors}
        lines: list[str] = []
        shown: set[str] = set()

        def walk(record: Record, depth: int) -> None:
            again = record.address in shown
            lines.append("  " * depth + record.credit() + (" (see above)" if again and record.parents else ""))
            shown.add(record.address)
            for parent in () if again else record.parents:
                if parent in known:
                    walk(known[parent], depth + 1)

        walk(self.own, 0)
        return lines


def founder(name: str, weights: str, licence: str, authors: Sequence[str], dataset: Dataset | None = None) -> Lineage:
    """The lineage of a model that was trained from nothing, on a dataset and the packs that this came from."""
    packs = parents_of(dataset.params) if dataset is not None else ()
    content = dataset.content if dataset is not None else None
    return checked(Lineage(Record(name, weights, licence, _authors(authors), dataset=content, packs=packs)))


def child(record: Record, parents: Sequence[Lineage]) -> Lineage:
    """The lineage of a model with parents; `record.parents` is set here, and packs of theirs stay with them.

    Raises `DataError` where a parent's licence doesn't allow the child's.
    """
    own = replace(record, authors=_authors(record.authors), parents=tuple(parent.own.address for parent in parents))
    before: dict[str, Record] = {}
    for parent in parents:
        before |= {one.address: one for one in (parent.own, *parent.ancestors)}
    return checked(Lineage(own, tuple(before.values())))


def problems(lineage: Lineage, weights: str | None = None) -> list[str]:
    """What is wrong: broken links, records that nobody names, clashes of licences; each a sentence.

    weights: the hash of the weights file that the lineage lies beside.
    """
    found: list[str] = []
    if weights is not None and weights != lineage.own.weights:
        found.append(f"The lineage of '{lineage.own.name}' is that of other weights.")
    known = {record.address: record for record in lineage.ancestors}
    reached: set[str] = set()
    pending = [lineage.own]
    while pending:
        record = pending.pop()
        for address in record.parents:
            parent = known.get(address)
            if parent is None:
                found.append(f"A parent of '{record.name}' ({address[:19]}) is missing or was changed.")
            elif address not in reached:
                reached.add(address)
                pending.append(parent)
        licences = [known[address].licence for address in record.parents if address in known]
        clash = licence_clash(record.licence, [*licences, *(pack.licence for pack in record.packs)])
        if clash is not None:
            found.append(f"'{record.name}': {clash}")
    found += [f"'{record.name}' is nobody's parent here." for key, record in known.items() if key not in reached]
    return found


def licence_clash(licence: str, parents: Sequence[str]) -> str | None:
    """Why a model made from such parents can't be under this licence, None where it can."""
    for one in (licence, *parents):
        if one not in LICENCES:
            return f"'{one[:40]}' isn't a licence that Enigma knows; use one of {', '.join(LICENCES)}."
    for parent in parents:
        asked = LICENCES[parent]
        if "no changes" in asked:
            return f"a parent is under {parent}, which allows nothing made from it; leave it out."
        if "same licence" in asked and licence != parent:
            return f"a parent is under {parent}, so this model must be too: --licence {parent}."
        if "no commerce" in asked and "no commerce" not in LICENCES[licence]:
            return f"a parent is under {parent}, so this model can't be sold: --licence {parent}."
    return None


def checked(lineage: Lineage, weights: str | None = None) -> Lineage:
    """The lineage itself; raises `DataError` with all that is wrong."""
    if found := problems(lineage, weights):
        raise DataError(" ".join(found))
    return lineage


def birth(parents: Sequence[Lineage]) -> dict[str, str]:
    """What a weights file's header says of the parents; empty without any."""
    if not parents:
        return {}
    return {BIRTH: _canonical([parent.own.address for parent in parents]).decode()}


def save_born(folder: Path, state: Mapping[str, Tensor], parents: Sequence[Lineage]) -> str:
    """Write weights.safetensors with its parents in the header; returns its hash."""
    from safetensors.torch import save

    content = save({name: state[name].contiguous() for name in sorted(state)}, metadata=birth(parents) or None)
    write_atomic(folder / WEIGHTS, content)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def write_lineage(folder: Path, lineage: Lineage) -> None:
    """Write lineage.json."""
    text = json.dumps(lineage.to_json(), indent=1, sort_keys=True, ensure_ascii=False)
    write_atomic(folder / FILE, text.encode("utf-8") + b"\n")


def read_lineage(folder: Path) -> Lineage | None:
    """The lineage of a run folder; None for a model without parents that has no record.

    Raises `DataError` where the record was taken away from a model with parents, or is damaged, or isn't that of the
    weights beside it, or breaks a link or a licence.
    """
    with storage_errors(folder):
        born = _born(folder / WEIGHTS)
        if not (folder / FILE).is_file():
            if born:
                raise DataError(
                    f"The model '{folder.name}' was made from others, but {FILE}, which names them, is gone; "
                    "get the whole folder again."
                )
            return None
        lineage = parse_lineage((folder / FILE).read_bytes(), str(folder / FILE))
        with (folder / WEIGHTS).open("rb") as source:
            weights = f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
    if born and list(lineage.own.parents) != born:
        raise DataError(
            f"{folder / FILE} names other parents than the weights of '{folder.name}' do; get the folder again."
        )
    return checked(lineage, weights)


def parse_lineage(content: bytes, where: str) -> Lineage:
    """What `to_json` gave, as bytes; links and licences aren't checked. Raises `DataError` for anything else."""
    try:
        raw = strict_json.loads_object(content, where)
        if raw.pop("format") != FORMAT:
            raise DataError(f"{where} was written by another version of Enigma; update Enigma.")
        own, ancestors = raw.pop("own"), raw.pop("ancestors")
        if raw or not isinstance(ancestors, list) or len(ancestors) > MAX_RECORDS:
            raise TypeError
        return Lineage(_record(own), tuple(_record(item) for item in ancestors))
    except BadRequest as cause:
        raise DataError(f"{cause}; get the model again.") from None
    except (KeyError, TypeError, AttributeError):
        raise DataError(f"{where} isn't the lineage of a model; get the model again.") from None


def _record(raw: object) -> Record:
    if not isinstance(raw, dict):
        raise TypeError
    fields = dict(raw)
    packs = tuple(Parent(**{**item, "authors": tuple(item["authors"])}) for item in fields.pop("packs"))
    authors, shares, parents = (tuple(fields.pop(key)) for key in ("authors", "shares", "parents"))
    return Record(authors=authors, shares=shares, parents=parents, packs=packs, **fields)


def _born(weights: Path) -> list[str]:
    """The parents that a weights file names."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, "pt") as opened:
            text = (opened.metadata() or {}).get(BIRTH)
    except (SafetensorError, FileNotFoundError):
        raise DataError(f"{weights} can't be read as weights; get the model again.") from None
    try:
        named = json.loads(text) if text is not None else []
    except ValueError:
        named = None
    if not isinstance(named, list) or not all(isinstance(item, str) for item in named):
        raise DataError(f"The header of {weights} is damaged; get the model again.")
    return named


def _authors(authors: Sequence[str]) -> tuple[str, ...]:
    if not authors or any(not author.strip() or len(author) > 200 for author in authors):
        raise DataError('Say who made the model, as in --author "Ada Lovelace".')
    return tuple(authors)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
