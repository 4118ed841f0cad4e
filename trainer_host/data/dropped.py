"""Files that a person drops on a window: unpacked with care, shown in a few lines, then put into a dataset.

Rows (.jsonl, .csv) teach a task, texts (.txt, .md, .pdf) a base model. A .zip holds any of them.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.dataset import Dataset, Row, open_dataset
from trainer_host.data.derive import with_more_rows
from trainer_host.data.labelled import reader_for
from trainer_host.data.text_corpus import FEWEST, gather, make_dataset
from trainer_host.data.text_files import Unreadable, decoded, read_bytes
from trainer_host.data.text_sources import Source
from trainer_host.data.transfer import import_rows, read_rows
from trainer_host.errors import DataError
from trainer_host.workspace import Workspace, checked_name

ROWS, TEXTS = (".jsonl", ".csv"), (".txt", ".md", ".pdf")
MAX_FILES = 2000  # of a .zip
MAX_UNPACKED = 512 * 2**20  # bytes, counted while they are unpacked: a header can say anything
SAMPLE, SAMPLE_CHARACTERS = 3, 200
# A whole book is no example: it is cut at empty lines into pieces that a small model can read.
PIECE = 4000
MAX_TEXT_BYTES = 64 * 2**20
_BLOCK = 2**20


@dataclass(frozen=True)
class Found:
    """A file that can be used. kind: "rows" or "texts". count: rows, or characters. sample: its beginning."""

    name: str
    kind: str
    count: int
    sample: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """What was dropped. refused: (file, why), a few words."""

    found: tuple[Found, ...]
    refused: tuple[tuple[str, str], ...]


def unpack(archive: Path, folder: Path) -> None:
    """A .zip into an empty folder. Raises `DataError` before anything of it is written outside, or is too much."""
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES:
                raise DataError(f"{archive.name} holds {len(entries):,} files; at most {MAX_FILES:,} are taken.")
            targets = [(entry, folder / _inside(archive.name, entry)) for entry in entries]
            left = MAX_UNPACKED
            for entry, target in targets:
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(entry) as source, target.open("xb") as out:
                    while block := source.read(_BLOCK):
                        left -= len(block)
                        if left < 0:
                            raise DataError(
                                f"{archive.name} unpacks to more than {MAX_UNPACKED // 2**20} MB; split it."
                            )
                        out.write(block)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as cause:
        # zipfile raises RuntimeError for one with a password, OSError for names that the disk refuses.
        raise DataError(f"{archive.name} can't be unpacked ({str(cause)[:80].lower()}); pack it again.") from None


def preview(folder: Path) -> Preview:
    """What of a folder's files can be used, and how it begins."""
    found: list[Found] = []
    refused: list[tuple[str, str]] = []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            found.append(_look(path, name))
        except DataError as cause:
            refused.append((name, str(cause)))
    return Preview(tuple(found), tuple(refused))


def add_rows(
    workspace: Workspace, folder: Path, *, task: str, name: str, held_out: float, seed: int = 0
) -> tuple[Dataset, int]:
    """The rows of a folder as a new dataset, or among the training rows of the one of that name; how many are new.

    Raises `DataError`, `ImportRefused` with the lines to correct; nothing is written then.
    """
    files = _usable(folder, "rows")
    if not files:
        raise DataError("There are no rows among these files; rows are .jsonl or .csv.")
    if not (workspace.data / checked_name(name) / "dataset.json").is_file():
        made = import_rows(workspace, files[0], task=task, name=name, seed=seed, held_out=held_out, more=files[1:])
        return made, made.counts["train"] + made.counts["heldout"]
    dataset = open_dataset(workspace.dataset(name))
    if dataset.task != task:
        raise DataError(f"The dataset '{name}' teaches {dataset.task}, not {task}; choose another name.")
    if task == "robot":
        raise DataError("Rows about homes can't be added to a dataset; choose a new name, and mix both on the host.")
    reader = reader_for(task, inventory=None, folder=folder)
    rows = [row for file in files for row in read_rows(file, reader)]
    return with_more_rows(workspace, name, dataset, [_of_person(row) for row in rows])


def add_texts(workspace: Workspace, folder: Path, *, name: str, seed: int = 0) -> tuple[Dataset, int]:
    """The texts of a folder as a new dataset of the task base, cut into pieces; how many there are.

    Raises `DataError` where there are too few, or a dataset has that name.
    """
    if (workspace.data / checked_name(name) / "dataset.json").is_file():
        raise DataError(f"There is a dataset '{name}'; texts make one of their own, so choose another name.")
    sources = [
        Source(
            f"{path.relative_to(folder).as_posix()} {number}", "dropped", "dropped", "", functools.partial(str, piece)
        )
        for path in _usable(folder, "texts")
        for number, piece in enumerate(_pieces(_text(path)), 1)
    ]
    if not sources:
        raise DataError("There is no text among these files; texts are .txt, .md or .pdf.")
    if len(sources) < FEWEST:
        raise DataError(f"There are {len(sources)} pieces of text, and {FEWEST} are needed; drop more texts at once.")
    corpus = gather(sources, MAX_TEXT_BYTES, seed)
    made = make_dataset(workspace, name, corpus, seed=seed, params={"dropped": True})
    return made, made.counts["train"] + made.counts["heldout"]


def _usable(folder: Path, kind: str) -> list[Path]:
    """The files of a kind that the preview didn't refuse."""
    return [folder / one.name for one in preview(folder).found if one.kind == kind]


def _inside(archive: str, entry: zipfile.ZipInfo) -> Path:
    """Where an entry goes below the folder; raises `DataError` for one that would leave it, or is a link."""
    name = entry.filename
    parts = PurePosixPath(name).parts
    link = (entry.external_attr >> 16) & 0o170000 == 0o120000
    if not parts or name.startswith("/") or "\\" in name or ":" in name or ".." in parts or "\0" in name or link:
        raise DataError(f"{archive} has a file that would be put outside of its folder; nothing of it was taken.")
    return Path(*parts)


def _files(folder: Path) -> list[Path]:
    """Plain files in the order of their names, without hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    )


def _look(path: Path, name: str) -> Found:
    kind = path.suffix.lower()
    if kind in ROWS:
        count, sample = _rows(path)
        return Found(name, "rows", count, sample)
    if kind in TEXTS:
        text = _text(path)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return Found(name, "texts", len(text), tuple(line[:SAMPLE_CHARACTERS] for line in lines[:SAMPLE]))
    raise DataError("isn't .txt, .md, .pdf, .jsonl or .csv")


def _rows(path: Path) -> tuple[int, tuple[str, ...]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("isn't UTF-8; save it as UTF-8") from None
    except OSError as cause:
        raise DataError(f"can't be read: {cause.strerror}") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if path.suffix.lower() == ".jsonl":
        for number, line in enumerate(islice(lines, SAMPLE), 1):
            try:
                strict_json.loads_object(line.encode(), "the row")
            except BadRequest as cause:
                raise DataError(f"line {number}: {str(cause).rstrip('.')}") from None
    count = len(lines) - (path.suffix.lower() == ".csv")
    if count < 1:
        raise DataError("has no rows")
    return count, tuple(line[:SAMPLE_CHARACTERS] for line in lines[:SAMPLE])


def _text(path: Path) -> str:
    """A file's text; raises `DataError` with a few words."""
    text: str | Unreadable
    if path.suffix.lower() == ".pdf":
        text = _of_pdf(path)
    else:
        content = read_bytes(path)
        text = content if isinstance(content, Unreadable) else decoded(content)
    if isinstance(text, Unreadable):
        raise DataError(text.why)
    if not text.strip():
        raise DataError("has no text")
    return text


def _of_pdf(path: Path) -> str | Unreadable:
    from edge_runtime.documents.reading import UnreadablePdf, pdf_text

    try:
        return decoded(pdf_text(path).encode("utf-8", "replace"))
    except UnreadablePdf as cause:
        return Unreadable(str(cause))


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces of about `PIECE` characters that end at empty lines, where there are some."""
    piece = ""
    for paragraph in text.split("\n\n"):
        if piece and len(piece) + len(paragraph) > PIECE:
            yield piece
            piece = ""
        piece += paragraph + "\n\n"
        while len(piece) > 2 * PIECE:
            yield piece[:PIECE]
            piece = piece[PIECE:]
    if piece.strip():
        yield piece


def _of_person(row: Row) -> Row:
    return Row(row.input, row.output, {**row.meta, "teacher": "person"})
