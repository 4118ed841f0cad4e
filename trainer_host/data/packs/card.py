"""A pack's card: what it holds, who made it, under which licence, and which packs it was made from."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.errors import DataError
from trainer_host.tasks import TASKS, Json

FORMAT = 1
MAX_TEXT = 2000
MAX_PARENTS = 64
VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")
# SPDX identifiers that fit data, and what each asks of whoever passes the data on.
LICENCES: dict[str, str] = {
    "CC0-1.0": "free",
    "PDDL-1.0": "free",
    "MIT": "credit",
    "BSD-3-Clause": "credit",
    "Apache-2.0": "credit",
    "CC-BY-4.0": "credit",
    "ODC-By-1.0": "credit",
    "CC-BY-SA-4.0": "same licence",
    "ODbL-1.0": "same licence",
    "CC-BY-NC-4.0": "no commerce",
    "CC-BY-NC-SA-4.0": "no commerce, same licence",
    "CC-BY-ND-4.0": "no changes",
}


@dataclass(frozen=True)
class Parent:
    """A pack that this one was made from. address: `sha256:` and 64 hex digits of its payload."""

    address: str
    name: str
    version: str
    licence: str
    authors: tuple[str, ...]


@dataclass(frozen=True)
class PackCard:
    """What pack.json says. dataset: the content hash of the dataset. spec: schemas, metric, prompt, options.

    parents: nearest first, and theirs behind them, so that nobody on the way to the data is lost.
    """

    name: str
    version: str
    task: str
    licence: str
    authors: tuple[str, ...]
    description: str
    rows: dict[str, int]
    dataset: str
    spec: Json
    parents: tuple[Parent, ...] = field(default=())

    def to_json(self) -> bytes:
        """The card's bytes, the same for the same card."""
        return strict_json.dumps({"format": FORMAT, **asdict(self)})

    def attribution(self) -> list[str]:
        """One line for each pack whose makers must be named, this one first."""
        own = f"{self.name} {self.version} by {', '.join(self.authors)} ({self.licence})"
        return [own, *(f"{p.name} {p.version} by {', '.join(p.authors)} ({p.licence})" for p in self.parents)]


def read_card(content: bytes) -> PackCard:
    """A card from the bytes of pack.json, already verified; raises `DataError`."""
    try:
        raw = strict_json.loads_object(content, "pack.json")
        if raw.pop("format") != FORMAT:
            raise DataError("The pack was made by another version of Enigma; update Enigma, or ask for a newer pack.")
        parents = tuple(
            Parent(**{**item, "authors": _texts(item["authors"])})  # type: ignore[arg-type]
            for item in _list(raw.pop("parents"))
        )
        authors, licence = _texts(raw.pop("authors")), raw.pop("licence")
        card = PackCard(authors=authors, licence=str(licence), parents=parents, **raw)  # type: ignore[arg-type]
    except BadRequest as cause:
        raise DataError(f"The pack's card can't be read: {cause}") from None
    except (KeyError, TypeError, AttributeError):
        raise DataError("The pack's card lacks fields; ask its maker for a new one.") from None
    return checked_card(card)


def checked_card(card: PackCard) -> PackCard:
    """The card itself; raises `DataError` for a field that can't be."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", card.name):
        raise DataError(f"'{card.name[:64]}' can't be a pack's name; use lower-case letters, digits and dashes.")
    if not VERSION.fullmatch(card.version):
        raise DataError(f"'{card.version[:32]}' can't be a pack's version; write it as in 1.0.0.")
    if card.task not in TASKS:
        raise DataError(f"The pack is for the task '{card.task[:40]}', which this version doesn't know; update Enigma.")
    if not card.authors or any(not author.strip() or len(author) > 200 for author in card.authors):
        raise DataError('Say who made the data, as in --author "Ada Lovelace".')
    if len(card.description) > MAX_TEXT or len(card.parents) > MAX_PARENTS:
        raise DataError(
            f"A pack's description has at most {MAX_TEXT} characters, and it has {MAX_PARENTS} parents at most."
        )
    check_licences(card.licence, [parent.licence for parent in card.parents])
    return card


def check_licences(licence: str, parents: list[str]) -> None:
    """Raises `DataError` where the licence isn't known, or a parent's licence doesn't allow it."""
    for one in (licence, *parents):
        if one not in LICENCES:
            raise DataError(f"'{one[:40]}' isn't a licence that packs know; use one of {', '.join(LICENCES)}.")
    for parent in parents:
        asked = LICENCES[parent]
        if "no changes" in asked:
            raise DataError(f"A parent is under {parent}, which allows no changed copies; leave its rows out.")
        if "same licence" in asked and licence != parent:
            raise DataError(f"A parent is under {parent}, so this pack must be too: --licence {parent}.")
        if "no commerce" in asked and "no commerce" not in LICENCES[licence]:
            raise DataError(f"A parent is under {parent}, so this pack can't be sold: --licence {parent}.")


def parents_of(params: Json) -> tuple[Parent, ...]:
    """The packs that a dataset came from, as its card's params name them."""
    found = params.get("parents")
    if not isinstance(found, list):
        return ()
    return tuple(Parent(**{**item, "authors": _texts(item["authors"])}) for item in found if isinstance(item, dict))


def parents_json(parents: tuple[Parent, ...]) -> list[Json]:
    """For a dataset's params: plain JSON, each pack once."""
    unique = dict.fromkeys(json.dumps(asdict(parent), sort_keys=True) for parent in parents)
    return [json.loads(text) for text in unique]


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise TypeError
    return tuple(value)


def _list(value: object) -> list[Json]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError
    return value
