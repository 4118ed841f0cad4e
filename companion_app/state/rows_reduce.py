"""`reduce_rows(action, state)`: the part of the state that is about a dataset's rows."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from companion_app.state import rows_actions as ract
from companion_app.state.model import AppState
from companion_app.state.rows import MOST_PAGES, Rows


def reduce_rows(action: ract.RowsAction, state: AppState) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    rows = _reduce(action, state.rows)
    return state if rows is state.rows else replace(state, rows=rows)


@singledispatch
def _reduce(action: object, rows: Rows) -> Rows:
    raise TypeError(f"{type(action).__name__} is not an action about rows")


@_reduce.register
def _(action: ract.DatasetOpened, rows: Rows) -> Rows:
    return rows if action.name == rows.dataset else Rows(action.name)


@_reduce.register
def _(action: ract.SplitPicked, rows: Rows) -> Rows:
    return rows if action.split == rows.split else _empty(replace(rows, split=action.split, opened=None))


@_reduce.register
def _(action: ract.FilterSet, rows: Rows) -> Rows:
    return rows if action.filter == rows.filter else _empty(replace(rows, filter=action.filter))


@_reduce.register
def _(action: ract.PageTold, rows: Rows) -> Rows:
    if (action.dataset, action.split, action.filter) != (rows.dataset, rows.split, rows.filter):
        return rows  # a person looks for something else by now
    pages = rows.pages if action.content == rows.content else ()
    kept = (*(page for page in pages if page[0] != action.start), (action.start, action.rows))
    return replace(rows, known=True, content=action.content, total=action.total, pages=kept[-MOST_PAGES:], problem="")


@_reduce.register
def _(action: ract.RowOpened, rows: Rows) -> Rows:
    return replace(rows, opened=action.row, problem="")


@_reduce.register
def _(action: ract.RowChanged, rows: Rows) -> Rows:
    key = action.change.split, action.change.number
    others = tuple(one for one in rows.changes if (one.split, one.number) != key)
    return replace(rows, changes=(*others, action.change), opened=None, made="", problem="")


@_reduce.register
def _(action: ract.ChangeDropped, rows: Rows) -> Rows:
    if action.number < 0:
        return replace(rows, changes=(), held_out=False, problem="")
    left = tuple(one for one in rows.changes if (one.split, one.number) != (action.split, action.number))
    return replace(
        rows, changes=left, held_out=rows.held_out and any(one.split == "heldout" for one in left), problem=""
    )


@_reduce.register
def _(action: ract.HeldOutMeant, rows: Rows) -> Rows:
    return replace(rows, held_out=action.meant)


@_reduce.register
def _(action: ract.RowsSaving, rows: Rows) -> Rows:
    return replace(rows, saving=True, problem="")


@_reduce.register
def _(action: ract.RowsSaved, rows: Rows) -> Rows:
    # What was made is looked at next: there the changes are.
    return replace(Rows(action.name, rows.split, rows.filter), made=action.name)


@_reduce.register
def _(action: ract.RowsFailed, rows: Rows) -> Rows:
    return replace(rows, saving=False, problem=action.sentence)


def _empty(rows: Rows) -> Rows:
    return replace(rows, known=False, total=0, pages=(), problem="")
