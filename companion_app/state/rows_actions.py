"""Everything that can happen to the rows that a person looks at, as data."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.rows import Change, DataRow, Filter, WholeRow


@dataclass(frozen=True)
class DatasetOpened:
    """A person looks at this dataset."""

    name: str


@dataclass(frozen=True)
class SplitPicked:
    """Rows to train with, or held-out ones."""

    split: str


@dataclass(frozen=True)
class FilterSet:
    """Only some rows."""

    filter: Filter


@dataclass(frozen=True)
class PageTold:
    """Rows from place `start` on, for what was asked; total: how many match."""

    dataset: str
    split: str
    filter: Filter
    content: str
    total: int
    start: int
    rows: tuple[DataRow, ...]


@dataclass(frozen=True)
class RowOpened:
    """All of a row; None closes it."""

    row: WholeRow | None


@dataclass(frozen=True)
class RowChanged:
    """A person changes or deletes a row; nothing is sent yet."""

    change: Change


@dataclass(frozen=True)
class ChangeDropped:
    """They don't after all; without a number all changes are dropped."""

    split: str = ""
    number: int = -1


@dataclass(frozen=True)
class HeldOutMeant:
    """Whether they mean to change held-out rows."""

    meant: bool


@dataclass(frozen=True)
class RowsSaving:
    """The host is asked to make a version of the changes."""


@dataclass(frozen=True)
class RowsSaved:
    """It has."""

    name: str


@dataclass(frozen=True)
class RowsFailed:
    """The host didn't answer, or wouldn't, with one sentence; the changes are kept."""

    sentence: str


RowsAction = (
    DatasetOpened
    | SplitPicked
    | FilterSet
    | PageTold
    | RowOpened
    | RowChanged
    | ChangeDropped
    | HeldOutMeant
    | RowsSaving
    | RowsSaved
    | RowsFailed
)
