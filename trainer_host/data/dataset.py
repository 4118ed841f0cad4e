"""A dataset folder: train.jsonl, heldout.jsonl, whatever the task adds (homes.jsonl, files/), and dataset.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.errors import DataError
from trainer_host.workspace import write_atomic

FORMAT = 1
CARD = "dataset.json"
SPLITS = ("train", "heldout")
GROUP = "group"  # in a row's meta: those of one group are alike, so none of them examines another

Json = dict[str, object]
# Tasks whose rows are of several kinds, each with a student of its own: what rows of a kind have, and its name; the first counts.
KINDS = {
    "image_gen": (("picture", "captions"),),
    "audio_gen": (("sounds", "voice"),),
    "video_gen": (("before", "recording"), ("frame", "frames")),
}


@dataclass(frozen=True)
class Row:
    """One example: a request of the task, the answer wanted, and where it comes from."""

    input: Json
    output: Json
    meta: Json = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of a .jsonl file, without its newline."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class Dataset:
    """What dataset.json says; `content` is `sha256:` and 64 hex digits over all other files of the folder."""

    folder: Path
    name: str
    task: str
    teacher: str
    seed: int
    counts: dict[str, int]
    content: str
    params: Json
    figures: Json

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of `train` or `heldout`, in their order."""
        return read_rows(self.folder / f"{split}.jsonl")

    @property
    def kind(self) -> str | None:
        """Which of a task's students learns these rows, see `KINDS`; None for the usual one."""
        if self.task not in KINDS:
            return None
        first = next(self.rows("train"), None)
        fields = {*first.input, *first.output} if first is not None else set()
        return next((kind for field, kind in KINDS[self.task] if field in fields), None)

    def card(self) -> Json:
        """What dataset.json holds; no time and no path, so the same rows give the same bytes."""
        fields = {key: value for key, value in asdict(self).items() if key != "folder"}
        return {"format": FORMAT, **fields}


def seal(folder: Path, *, name: str, task: str, teacher: str, seed: int, params: Json, figures: Json) -> Dataset:
    """Count and hash the rows that lie in `folder`, and write its dataset.json."""
    counts = {split: _count_lines(folder / f"{split}.jsonl") for split in SPLITS}
    made = Dataset(folder, name, task, teacher, seed, counts, content_hash(folder), params, figures)
    text = json.dumps(made.card(), sort_keys=True, indent=1, ensure_ascii=False)
    write_atomic(folder / CARD, text.encode("utf-8") + b"\n")
    return made


def open_dataset(folder: Path) -> Dataset:
    """Read a dataset's card and check that its rows are those that were sealed; raises `DataError`."""
    try:
        raw = strict_json.loads_object((folder / CARD).read_bytes(), f"{folder / CARD}")
    except OSError as cause:
        raise DataError(f"{folder} can't be read as a dataset: {cause.strerror}.") from None
    except BadRequest as cause:
        raise DataError(f"{cause}; import the rows again.") from None
    try:
        if raw.pop("format") != FORMAT:
            raise DataError(f"{folder.name} was made by another version of Enigma; import its rows again.")
        made = Dataset(folder=folder, **raw)  # type: ignore[arg-type]
    except (KeyError, TypeError):
        raise DataError(f"{folder / CARD} lacks fields; import the rows again.") from None
    if content_hash(folder) != made.content:
        raise DataError(
            f"The rows of dataset '{made.name}' were changed after it was made; export them, "
            "change the export, and import that."
        )
    return made


def content_hash(folder: Path) -> str:
    """SHA-256 over names and contents of all files but the card, in the order of their names."""
    digest = hashlib.sha256()
    named = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name, path in sorted(named.items()):
        if name == CARD or any(part.startswith(".") for part in name.split("/")):
            continue
        with path.open("rb") as source:
            inner = hashlib.file_digest(source, "sha256")
        digest.update(f"{name}\0{inner.hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSON lines; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for row in rows:
            out.write(row.to_json() + "\n")
            count += 1
    return count


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl file that `write_rows` wrote."""
    with path.open(encoding="utf-8") as source:
        for line in source:
            raw = json.loads(line)
            yield Row(raw["input"], raw["output"], raw.get("meta", {}))


def _count_lines(path: Path) -> int:
    try:
        with path.open("rb") as source:
            return sum(1 for _ in source)
    except FileNotFoundError:
        raise DataError(f"The dataset lacks {path.name}; make it again.") from None
