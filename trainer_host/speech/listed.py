"""Which sounds a folder holds, and what each of them is called: by its folders, or by a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.audio.files import MAX_BYTES
from trainer_host.data.separated import rows_of
from trainer_host.errors import DataError

TABLE = "recordings.csv"  # is taken before other tables of a folder
FILE, LABEL, SPEAKER, START, END = "file", "label", "speaker", "start", "end"
MAX_FILES = 20_000
_PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Named:
    """A file and its label. speaker: "" where it isn't known. span: seconds of the file that are meant, None for all."""

    path: Path
    label: str
    speaker: str = ""
    span: tuple[float, float] | None = None


def table_of(place: Path, columns: Mapping[str, str] | None = None) -> Path | None:
    """The .csv with the columns file and label that a folder holds, or that `place` is; None where there is none.

    columns: a field -> what the table calls it. Raises `DataError` where there are two.
    """
    if place.is_dir() and (place / TABLE).is_file():
        return place / TABLE
    tables = sorted(place.glob("*.csv")) if place.is_dir() else [place] if place.suffix.lower() == ".csv" else []
    wanted = {_called(field, columns) for field in (FILE, LABEL)}
    found = [table for table in tables if wanted <= set(_header(table))]
    if len(found) > 1:
        raise DataError(f"{place} has {len(found)} tables of recordings; name one of them, as in {found[0]}.")
    return found[0] if found else None


def has_sounds(place: Path, columns: Mapping[str, str] | None = None) -> bool:
    """Whether WAVs lie in folders named by their labels, without pictures there, or a table names some."""
    if place.is_dir() and (place / TABLE).is_file():
        return True
    if place.is_dir() and (any(place.glob("*.wav")) or any(_wavs(place))):
        return not any(path.suffix.lower() in _PICTURES for path in place.glob("*/**/*"))
    table = table_of(place, columns)
    if table is None:
        return False
    with table.open(encoding="utf-8-sig", newline="") as source:
        first = next(rows_of(source), {})
    return str(first.get(_called(FILE, columns)) or "").strip().lower().endswith(".wav")


def listed(place: Path, columns: Mapping[str, str] | None = None) -> tuple[Path, list[Named]]:
    """(folder, its sounds in order): those that a table names, else FOLDER/LABEL/*.wav and FOLDER/LABEL/SPEAKER/*.wav.

    place: a folder, or a table. Raises `DataError` for what can't be read, or a table that leads out of its folder.
    """
    folder = place if place.suffix.lower() != ".csv" or place.is_dir() else place.parent
    try:
        table = table_of(place, columns)
        if table is None and (folder != place or (any(place.glob("*.csv")) and not any(_wavs(place)))):
            table = place if folder != place else next(iter(sorted(place.glob("*.csv"))))
        found = _tabled(folder, table, columns) if table is not None else _below(folder)
        made: list[Named] = []
        for one in found:
            if len(made) == MAX_FILES:
                raise DataError(f"{place} lists more than {MAX_FILES:,} files; give a part of them.")
            made.append(one)
    except OSError as cause:
        raise DataError(f"{cause.filename or place} can't be read: {cause.strerror}.") from None
    if not made:
        raise DataError(
            f"{place} has no sounds in folders named by their labels, as in said/hey-robot/1.wav, and no .csv of file and label "
            "that lists some."
        )
    return folder, made


def unread_tables(place: Path, columns: Mapping[str, str] | None = None) -> list[Path]:
    """Those of a folder whose labels aren't read, as they lack the columns, or another is."""
    return (
        [table for table in sorted(place.glob("*.csv")) if table != table_of(place, columns)] if place.is_dir() else []
    )


def _wavs(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*/**/*") if path.suffix.lower() == ".wav")


def _below(folder: Path) -> Iterator[Named]:
    """In the order of their names."""
    for label in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for path in sorted(label.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                below = path.relative_to(label).parts
                yield Named(path, label.name, below[0] if len(below) > 1 else "")


def _tabled(folder: Path, table: Path, columns: Mapping[str, str] | None) -> Iterator[Named]:
    if table.stat().st_size > MAX_BYTES:
        raise DataError(f"{table} is too large for a list of files.")
    try:
        with table.open(encoding="utf-8-sig", newline="") as source:
            rows = list(rows_of(source))
    except (UnicodeDecodeError, csv.Error) as cause:
        raise DataError(f"{table} isn't a table of UTF-8 ({cause}); save it as CSV.") from None
    lacking = {_called(field, columns) for field in (FILE, LABEL)} - set(_header(table))
    if lacking:
        raise DataError(
            f"{table} has no column {min(lacking)!r}; it needs file and label, as in said/1.wav,hey-robot. If yours are called "
            "otherwise, say so, as in --column file=Path."
        )
    inside = folder.resolve()
    for number, row in enumerate(rows, 2):
        file, label, speaker, start, end = (
            (row.get(_called(field, columns)) or "").strip() for field in (FILE, LABEL, SPEAKER, START, END)
        )
        if not file or not label:
            raise DataError(f"{table}, line {number}: needs a file and a label, as in said/1.wav,hey-robot.")
        path = folder / file
        if "\0" in file or not path.resolve().is_relative_to(inside):
            raise DataError(f"{table}, line {number}: {file[:80]!r} lies outside {folder}.")
        yield Named(path, label, speaker, _span(start, end, f"{table}, line {number}"))


def _span(start: str, end: str, where: str) -> tuple[float, float] | None:
    if not start and not end:
        return None
    try:
        first, last = float(start or 0), float(end or math.inf)
    except ValueError:
        first = last = math.nan
    if not 0 <= first < last:
        raise DataError(
            f"{where}: start and end are seconds of the file, as in 1.5 and 2.8, not {start[:20]!r} and {end[:20]!r}."
        )
    return first, last


def _called(field: str, columns: Mapping[str, str] | None) -> str:
    return (columns or {}).get(field, field)


def _header(table: Path) -> list[str]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as source:
            return list(rows_of(source).fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
