"""Everything that can happen to the rows that a person looks at, as data."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.rows import Change, DataRow, Filter, WholeRow


class DatasetOpened(NamedTuple):
    """A person looks at this dataset."""

    name: str


class SplitPicked(NamedTuple):
    """Rows to train with, or held-out ones."""

    split: str


class FilterSet(NamedTuple):
    """Only some rows."""

    filter: Filter


class PageTold(NamedTuple):
    """Rows from place `start` on, for what was asked; total: how many match."""

    dataset: str
    split: str
    filter: Filter
    content: str
    total: int
    start: int
    rows: tuple[DataRow, ...]


class RowOpened(NamedTuple):
    """All of a row; None closes it."""

    row: WholeRow | None


class RowChanged(NamedTuple):
    """A person changes or deletes a row; nothing is sent yet."""

    change: Change


class ChangeDropped(NamedTuple):
    """They don't after all; without a number all changes are dropped."""

    split: str = ""
    number: int = -1


class HeldOutMeant(NamedTuple):
    """Whether they mean to change held-out rows."""

    meant: bool


class RowsSaving(NamedTuple):
    """The host is asked to make a version of the changes."""


class RowsSaved(NamedTuple):
    """It has."""

    name: str


class RowsFailed(NamedTuple):
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
