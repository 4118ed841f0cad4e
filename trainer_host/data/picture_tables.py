"""Tables (.csv, UTF-8) that say something of pictures: which one is meant, and what it calls its columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from trainer_host.data.left_out import LeftOut
from trainer_host.data.separated import rows_of
from trainer_host.errors import DataError

Known = Mapping[str, tuple[str, ...]]  # a field -> what its column may be called


def table_in(place: Path, columns: Mapping[str, str], known: Known, needed: frozenset[str], what: str) -> Path | None:
    """The table with the needed columns that a folder holds, or that a file is; None where it is something else.

    columns: a field -> what the file calls it. Raises `DataError` where there are several tables of `what`.
    """
    tables = sorted(place.glob("*.csv")) if place.is_dir() else [place] if place.suffix.lower() == ".csv" else []
    found = [table for table in tables if columns_of(table, columns, known, needed) is not None]
    if len(found) > 1:
        raise DataError(f"{place} has {len(found)} tables of {what}; name one of them, as in {found[0]}.")
    return found[0] if found else None


def columns_of(table: Path, columns: Mapping[str, str], known: Known, needed: frozenset[str]) -> dict[str, str] | None:
    """A field -> the table's own name of it; None where it lacks a needed one, or can't be read."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as source:
            names = rows_of(source).fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    plain = {str(name).strip().lower(): str(name) for name in names}
    found = {
        field: columns.get(field) or next((plain[name] for name in may if name in plain), None)
        for field, may in known.items()
    }
    made = {field: name for field, name in found.items() if name is not None and name in names}
    return made if needed <= made.keys() else None


def lines_of(
    table: Path, columns: Mapping[str, str], known: Known, needed: frozenset[str], most: int
) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a table, with their numbers; raises `DataError` for a table without what is needed, or with more than `most`."""
    header = columns_of(table, columns, known, needed)
    if header is None:
        *others, last = (field for field in known if field in needed)
        raise DataError(f"{table.name} needs the columns {', '.join(others)} and {last} in its first line, in UTF-8.")
    try:
        with table.open(encoding="utf-8-sig", newline="") as source:
            reader = rows_of(source)
            for number, row in enumerate(reader, 1):
                if number > most:
                    raise DataError(f"{table.name} has more than {most} rows; import a part of them.")
                yield reader.line_num, {field: row.get(name) or "" for field, name in header.items()}
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{table.name} isn't a table in UTF-8; save it as 'CSV UTF-8'.") from None


def refuse_nothing(table: Path, left_out: LeftOut[int]) -> NoReturn:
    """Raises `DataError` that says why no line of a table was taken."""
    why = left_out.listed(", the first in line ")
    raise DataError(f"{table.name} has no row that can be learnt from{f': {why}' if why else ''}.")


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """A dataset's pictures, by the name that each is kept under."""
    (folder / "files").mkdir()
    for name, content in contents.items():
        (folder / "files" / name).write_bytes(content)
