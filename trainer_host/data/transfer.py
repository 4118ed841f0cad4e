"""Imports a person's labelled rows (.jsonl, .csv) as a dataset, and exports a dataset as rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.build import build_dataset
from trainer_host.data.check import homes_of
from trainer_host.data.dataset import GROUP, SPLITS, Dataset, Json, Row
from trainer_host.data.labelled import Labelled, Mistake, RowReader, reader_for
from trainer_host.data.pii import Scrubber
from trainer_host.data.separated import separator_of
from trainer_host.data.split import check_share, deduplicate
from trainer_host.errors import DataError, ImportRefused
from trainer_host.workspace import Workspace, checked_name

SHOWN = 5  # mistakes in the message; the count says how many more there are
MIN_GROUPS = 10  # a person with one home has nothing to hold out by home
MAX_FILE_BYTES = 1024 * 1024 * 1024  # rows are held in memory while they are split


def import_rows(
    workspace: Workspace,
    file: Path,
    *,
    task: str,
    name: str,
    seed: int,
    held_out: float,
    inventory: Path | None = None,
    group: str | None = None,
    columns: dict[str, str] | None = None,
    scrub: bool = False,
    more: Sequence[Path] = (),
) -> Dataset:
    """Make a dataset out of a file of labelled rows; replaces one of the same name.

    more: further files of the same rows; a row that contradicts another file's is named by its line there.
    group: a field whose equal values must not be torn between train and held-out (a customer, a document).
    columns: the task's field -> what the file calls it. scrub: replace what looks like personal data. Raises `ImportRefused` with the lines to correct;
    nothing is written then.
    """
    checked_name(name)
    check_share(held_out)
    reader = reader_for(task, inventory=inventory, folder=file.parent)
    ignored: list[str] = []
    lines, rows = _read_all(file, reader, group, columns or {}, ignored)
    for other in more:
        its_lines, its_rows = _read_all(other, reader, group, columns or {}, ignored)
        lines, rows = lines + its_lines, rows + its_rows
    found = deduplicate(_grouped(rows))
    if found.conflicts:
        raise _conflict(found.conflicts, lines, rows)
    figures: Json = {"read": len(rows), "duplicates": found.duplicates}
    if ignored:
        figures["ignored_columns"] = ignored
    if group is not None:
        found = replace(found, rows=_with_groups(found.rows))
    scrubber = Scrubber()
    if scrub:
        found = replace(found, rows=[replace(row, row=scrubber.row(row.row)) for row in found.rows])
        figures["scrubbed"] = dict(sorted(scrubber.replaced.items()))
    return build_dataset(
        workspace,
        name,
        task,
        found.rows,
        teacher="person",
        seed=seed,
        held_out=held_out,
        params={"held_out": held_out, "group": group},
        figures=figures,
        finish=reader.finish,
    )


def read_rows(file: Path, reader: RowReader) -> list[Row]:
    """The rows of a file alone. Raises `ImportRefused` with the lines to correct."""
    return [found.row for found in _read_all(file, reader, None, {}, [])[1]]


def export_rows(dataset: Dataset, file: Path) -> int:
    """Write all rows as .jsonl or .csv, in a form that `import_rows` reads; returns how many."""
    rows = [(split_name, row) for split_name in SPLITS for row in dataset.rows(split_name)]
    homes = homes_of(dataset)
    flat: list[Json] = []
    for _, row in rows:
        fields: Json = {**row.input, **row.output}
        context = fields.pop("context", None)
        if isinstance(context, dict) and context.get("area"):
            fields["area"] = context["area"]
        if "home" in fields:
            fields["inventory"] = homes[int(str(fields.pop("home")))]
        flat.append({key: value for key, value in fields.items() if value is not None})
    out = io.StringIO()
    if file.suffix.lower() == ".csv":
        names = list(dict.fromkeys(key for fields in flat for key in fields))
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        for fields in flat:
            writer.writerow({k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()})
    elif file.suffix.lower() == ".jsonl":
        for fields in flat:
            out.write(json.dumps(fields, ensure_ascii=False) + "\n")
    else:
        raise DataError(f"{file.name} must end in .jsonl or .csv.")
    try:
        file.write_text(out.getvalue(), encoding="utf-8", newline="")
    except OSError as cause:
        raise DataError(f"{file} can't be written: {cause.strerror}.") from None
    return len(flat)


def _with_groups(rows: list[Labelled]) -> list[Labelled]:
    """Each row with the number of its group; what the person calls it stays in the person's file."""
    numbers: dict[str, int] = {}
    return [
        replace(row, row=replace(row.row, meta={**row.row.meta, GROUP: numbers.setdefault(row.group, len(numbers))}))
        if row.group is not None
        else row
        for row in rows
    ]


def _grouped(rows: list[Labelled]) -> list[Labelled]:
    """Keep the groups that a task proposes only where there are enough of them to split by."""
    if len({row.group for row in rows}) >= MIN_GROUPS:
        return rows
    return [replace(row, group=None) if row.group and row.group.startswith("home-") else row for row in rows]


def _read_all(
    file: Path, reader: RowReader, group: str | None, columns: dict[str, str], ignored: list[str]
) -> tuple[list[int], list[Labelled]]:
    problems: list[tuple[int, str]] = []
    lines: list[int] = []
    rows: list[Labelled] = []
    called = {theirs: ours for ours, theirs in columns.items()}
    for line, raw in _lines(file, reader, group, columns, problems, ignored):
        named = {called.get(key, key): value for key, value in raw.items()}
        try:
            wanted = None
            if group is not None:
                wanted = named.pop(group, None)
                if wanted in (None, ""):
                    raise Mistake(f"the field '{group}' of its group is missing or empty")
            row = reader.read(named)
        except Mistake as cause:
            problems.append((line, str(cause)))
            continue
        lines.append(line)
        rows.append(row if wanted is None else replace(row, group=f"group {wanted}"))
    if problems:
        problems.sort()
        listed = "".join(f"\n  line {line}: {what}" for line, what in problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        count = _rows(len(problems))
        raise ImportRefused(f"{file.name} has {count} to correct; nothing was imported:{listed}{more}", problems)
    return lines, rows


def _lines(
    file: Path,
    reader: RowReader,
    group: str | None,
    columns: dict[str, str],
    problems: list[tuple[int, str]],
    ignored: list[str],
) -> Iterator[tuple[int, Json]]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{file.name} is larger than 1 GB; split it into several datasets.")
        content = file.read_bytes()
    except OSError as cause:
        raise DataError(f"{file} can't be read: {cause.strerror}.") from None
    if file.suffix.lower() == ".jsonl":
        yield from _json_lines(content, problems)
    elif file.suffix.lower() == ".csv":
        renamed = {columns.get(name, name) for name in reader.fields}
        for number, row in _table(file, content, reader, columns, problems):
            if not ignored:
                ignored += [name for name in row if name not in renamed and name != group]
            yield number, {key: value for key, value in row.items() if key not in ignored}
    else:
        raise DataError(f"{file.name} must end in .jsonl or .csv.")


def _json_lines(content: bytes, problems: list[tuple[int, str]]) -> Iterator[tuple[int, Json]]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield number, strict_json.loads_object(line, "the row")
        except BadRequest as cause:
            problems.append((number, str(cause).rstrip(".")))


def _table(
    file: Path, content: bytes, reader: RowReader, columns: dict[str, str], problems: list[tuple[int, str]]
) -> Iterator[tuple[int, Json]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = content[: cause.start].count(b"\n") + 1
        raise DataError(f"{file.name} isn't UTF-8 (line {line}); save it as 'CSV UTF-8'.") from None
    first = io.StringIO(text, newline="").readline()
    table = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator_of(first))
    try:
        header = [cell.strip() for cell in next(table, [])]
        wanted = [columns.get(column, column) for column in reader.columns]
        if missing := [column for column in wanted if column not in header]:
            raise DataError(
                f"{file.name} has no column '{missing[0]}' in its first line "
                f"(it has {', '.join(header) or 'none'}); add a header, or name the columns with --column."
            )
        end = table.line_num
        for cells in table:
            start, end = end + 1, table.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                what = f"it has {len(cells)} cells and the header has {len(header)}"
                problems.append((start, f"{what}; put text with commas in quotes"))
                continue
            yield start, dict(zip(header, cells, strict=True))
    except csv.Error as cause:
        raise DataError(f"{file.name} isn't a table at line {table.line_num} ({cause}); save it as CSV.") from None


def _conflict(pairs: list[tuple[int, int]], lines: list[int], rows: list[Labelled]) -> ImportRefused:
    def sentence(first: int, second: int) -> str:
        wants = f"'{rows[second].answer[:60]}'", f"'{rows[first].answer[:60]}'"
        return f"the same text as line {lines[first]}, with {wants[0]} instead of {wants[1]}"

    problems = [(lines[second], sentence(first, second)) for first, second in pairs]
    listed = "".join(f"\n  line {line}: {what}" for line, what in problems[:SHOWN])
    more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    verb = "contradicts an earlier one" if len(problems) == 1 else "contradict earlier ones"
    return ImportRefused(f"{_rows(len(problems))} {verb}; nothing was imported:{listed}{more}", problems)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
