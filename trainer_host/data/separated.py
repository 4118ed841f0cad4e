"""What parts the cells of a table: a comma, or what spreadsheets write where the comma stands in numbers."""

from __future__ import annotations

import csv
import re
from typing import TextIO

MOST_OF_A_LINE = 65536  # letters of the first line that are looked at


def separator_of(first: str) -> str:
    """A comma, unless the first line of a table has none outside quotes, and a semicolon or a tab."""
    bare = re.sub(r'"[^"]*"', "", first)
    return "," if "," in bare else next((mark for mark in ";\t" if mark in bare), ",")


def rows_of(source: TextIO) -> csv.DictReader[str]:
    """A reader of an open table (`newline=""`), from its first line on."""
    first = source.readline(MOST_OF_A_LINE)
    source.seek(0)
    return csv.DictReader(source, delimiter=separator_of(first))
