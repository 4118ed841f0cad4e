"""Which recordings of one speaker a table lists, and what is said in each: LJSpeech's metadata.csv, or a CSV of file and text."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.audio.files import MAX_BYTES
from trainer_host.errors import DataError

TABLE = "metadata.csv"  # is taken before other tables of a folder
FILE, TEXT, SPEAKER, LABEL = "file", "text", "speaker", "label"
MAX_CLIPS = 20_000
_BAR = "|"
_PARTS = (_BAR, "\t", ";", ",")  # that columns are parted by
_FOLDERS = ("", "wavs", "wav")  # where LJSpeech's table, which names files without ending, means them


@dataclass(frozen=True)
class Listed:
    """A file and what is said in it."""

    path: Path
    text: str


def voice_table(place: Path, columns: Mapping[str, str] | None = None) -> Path | None:
    """The table of recordings and their texts that a folder holds, or that `place` is; None where there is none.

    columns: a field -> what the table calls it. Raises `DataError` where a folder has two.
    """
    if place.is_dir():
        tables = [place / TABLE] if (place / TABLE).is_file() else sorted(place.glob("*.csv"))
    else:
        tables = [place] if place.suffix.lower() in (".csv", ".tsv", ".txt") and place.is_file() else []
    found = [table for table in tables if _names_sounds(table, columns)]
    if len(found) > 1:
        raise DataError(f"{place} has {len(found)} tables of recordings; name one of them, as in {found[0]}.")
    return found[0] if found else None


def transcripts(table: Path, columns: Mapping[str, str] | None = None, speaker: str | None = None) -> list[Listed]:
    """The recordings of a table in its order, those of one speaker; raises `DataError`."""
    _, rows = _read(table, columns)
    people = sorted({row[SPEAKER] for _, row in rows if row.get(SPEAKER)})
    if speaker is not None and speaker not in people:
        raise DataError(f"{table} names no speaker '{speaker[:40]}'" + (f"; it has {_few(people)}." if people else "."))
    if speaker is None and len(people) > 1:
        raise DataError(
            f"{table} has {len(people)} speakers, and a voice is one's; choose with --speaker: {_few(people)}."
        )
    inside, made = table.parent.resolve(), []
    for line, row in rows:
        if speaker is not None and row.get(SPEAKER) != speaker:
            continue
        file, text = row[FILE], row[TEXT]
        if not file or not text:
            raise DataError(
                f"{table}, line {line}: needs a file and what is said in it, as in 1.wav{_BAR}Good morning."
            )
        if "\0" in file or not (table.parent / file).resolve().is_relative_to(inside):
            raise DataError(f"{table}, line {line}: {file[:80]!r} lies outside {table.parent}.")
        made.append(Listed(_where(table.parent, file), text))
        if len(made) > MAX_CLIPS:
            raise DataError(f"{table} lists more than {MAX_CLIPS:,} recordings; give a part of them.")
    if not made:
        raise DataError(f"{table} lists no recordings; it needs lines as 1.wav{_BAR}Good morning.")
    return made


def _where(folder: Path, file: str) -> Path:
    for below in _FOLDERS:
        for ending in ("", ".wav", ".WAV"):
            path = folder / below / f"{file}{ending}"
            if path.is_file():
                return path
    return folder / file


def _names_sounds(table: Path, columns: Mapping[str, str] | None) -> bool:
    """Whether a table has the columns, or LJSpeech's form, and its first file is a WAV."""
    try:
        headed, rows = _read(table, columns)
    except (DataError, OSError):
        return False
    if not rows or not rows[0][1].get(FILE) or not rows[0][1].get(TEXT) or LABEL in rows[0][1]:
        return False  # labelled recordings are a wake word's
    file = rows[0][1][FILE]
    return file.lower().endswith(".wav") or (not headed and _where(table.parent, file).suffix.lower() == ".wav")


def _read(table: Path, columns: Mapping[str, str] | None) -> tuple[bool, list[tuple[int, dict[str, str]]]]:
    """(whether a header names the columns, each line's number and fields); raises `DataError`."""
    try:
        if table.stat().st_size > MAX_BYTES:
            raise DataError(f"{table} is too large for a list of recordings.")
        lines = table.read_text("utf-8-sig").splitlines()
    except OSError as cause:
        raise DataError(f"{table} can't be read: {cause.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{table} isn't a table in UTF-8; save it as one.") from None
    wanted = {field: (columns or {}).get(field, field) for field in (FILE, TEXT, SPEAKER, LABEL)}
    for part in _PARTS:
        header = _header(table, lines, part)
        if {wanted[FILE], wanted[TEXT]} <= {name.strip() for name in header}:
            places = {
                field: [name.strip() for name in header].index(name) for field, name in wanted.items() if name in header
            }
            return True, _fields(table, lines[1:], part, places, 2)
    if lines and _BAR in lines[0]:
        return False, _fields(table, lines, _BAR, {FILE: 0, TEXT: 1}, 1)
    raise DataError(
        f"{table} has no columns {wanted[FILE]!r} and {wanted[TEXT]!r}; it needs a header of file and text, or lines as "
        f"1{_BAR}Good morning. If yours are called otherwise, say so, as in --column text=sentence."
    )


def _header(table: Path, lines: list[str], part: str) -> list[str]:
    try:
        return next(csv.reader(lines[:1], delimiter=part), [])
    except csv.Error as cause:  # a line of more than 131,072 letters
        raise DataError(f"{table} isn't a table ({cause}); save it as CSV.") from None


def _fields(
    table: Path, lines: list[str], part: str, places: Mapping[str, int], first: int
) -> list[tuple[int, dict[str, str]]]:
    made = []
    # LJSpeech's texts hold quotation marks that aren't closed.
    rows = csv.reader(lines, delimiter=part, quoting=csv.QUOTE_NONE if part == _BAR else csv.QUOTE_MINIMAL)
    try:
        for number, row in enumerate(rows, first):
            if not any(cell.strip() for cell in row):
                continue
            fields = {field: row[at].strip() if at < len(row) else "" for field, at in places.items()}
            # LJSpeech's third column is its second with numbers and abbreviations as words.
            if part == _BAR and SPEAKER not in places and len(row) == 3 and row[2].strip():
                fields[TEXT] = row[2].strip()
            made.append((number, fields))
    except csv.Error as cause:
        raise DataError(f"{table} isn't a table ({cause}); save it as CSV.") from None
    return made


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
