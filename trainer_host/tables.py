"""Tables as plain text, for errors, logs and terminals that aren't."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; cells that are numbers stand right."""
    columns = [list(column) for column in zip(headers, *rows, strict=True)]
    widths = [max(len(cell) for cell in column) for column in columns]
    right = [bool(rows) and all(_numeric(cell) for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        made = (
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(cells, widths, right, strict=True)
        )
        return "  ".join(made).rstrip()

    return "\n".join([line(headers), "  ".join("-" * width for width in widths), *map(line, rows)])


def _numeric(cell: str) -> bool:
    return not cell or cell[:1].isdigit() or cell[:2] in ("-0", "+0", "+1") or cell[:1] in "-+<"
