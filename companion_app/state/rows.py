"""The rows of a dataset on the host: those that a person looks at, and what they change, which makes a new version."""

from __future__ import annotations

from dataclasses import dataclass, field

PAGE = 100  # rows that are fetched at once
MOST_PAGES = 12  # that are kept: more than a screen shows, far less than 100,000 rows


@dataclass(frozen=True)
class DataRow:
    """One row as a list shows it. quality: 0 to 1, None where it can't be told without executing the row."""

    number: int
    text: str
    answer: str
    source: str = ""
    quality: float | None = None
    why: str = ""
    edited: bool = False


@dataclass(frozen=True)
class WholeRow:
    """One row with all of it, as JSON that a person may change."""

    split: str
    number: int
    input: str
    output: str
    meta: str = ""


@dataclass(frozen=True)
class Change:
    """Of a row. input, output: JSON texts; both empty where the row goes."""

    split: str
    number: int
    input: str = ""
    output: str = ""

    @property
    def deletes(self) -> bool:
        """Whether the row goes."""
        return not self.input


@dataclass(frozen=True)
class Filter:
    """What a row must hold: a text, a label, a least quality from 0 to 1."""

    text: str = ""
    label: str = ""
    least: float = 0.0


@dataclass(frozen=True)
class Rows:
    """The place where rows are looked at.

    dataset: which one is open. content: the hash of its rows. total: how many match. pages: by the place of their first
    row. opened: the row that is being edited. changes: what isn't saved. made: the version that was made of them.
    """

    dataset: str = ""
    split: str = "train"
    filter: Filter = field(default_factory=Filter)
    content: str = ""
    total: int = 0
    known: bool = False
    pages: tuple[tuple[int, tuple[DataRow, ...]], ...] = ()
    opened: WholeRow | None = None
    changes: tuple[Change, ...] = ()
    held_out: bool = False
    saving: bool = False
    made: str = ""
    problem: str = ""

    def row(self, place: int) -> DataRow | None:
        """The row at a place among those that match; None where it isn't fetched."""
        start = place - place % PAGE
        page = next((rows for first, rows in self.pages if first == start), ())
        return page[place - start] if place - start < len(page) else None

    def change_of(self, number: int) -> Change | None:
        """What is to become of a row of the open split."""
        return next((one for one in self.changes if (one.split, one.number) == (self.split, number)), None)

    @property
    def changes_held_out(self) -> bool:
        """Whether rows that models are examined on would change."""
        return any(one.split == "heldout" for one in self.changes)
