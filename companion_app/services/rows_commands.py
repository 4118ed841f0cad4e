"""What a person can do with the rows of a dataset; each command returns at once and reports through the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from companion_app.i18n import tr
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.train_client import TrainClient
from companion_app.services.train_wire import edit_body, is_object, rows_from, whole_row_from
from companion_app.services.wire import as_number, as_text
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import rows_actions as ract
from companion_app.state.rows import PAGE, Change, Filter
from companion_app.state.store import Store

# What a person still types is not searched for: the host would read all rows for nothing.
TYPING_PAUSE = 0.4


class RowsCommands:
    """Owns the calls about rows: pages as they come into view, one row to edit, and the changes as a new version."""

    def __init__(self, store: Store, client: Callable[[], HostClient]) -> None:
        self._store = store
        self._client = client
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._fetching: dict[tuple[object, ...], asyncio.Task[None]] = {}
        self._typing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End what is under way."""
        await self._work.close()

    def open(self, dataset: str) -> None:
        """Look at a dataset's rows; changes of another one that weren't saved are kept until then."""
        rows = self._store.state.rows
        if rows.changes and dataset != rows.dataset:
            self._store.dispatch(ract.RowsFailed(tr("Save or drop the changes of {name} first.", name=rows.dataset)))
            return
        self._store.dispatch(ract.DatasetOpened(dataset))
        self.need(0)

    def pick_split(self, split: str) -> None:
        """Rows to train with ("train"), or held-out ones ("heldout")."""
        self._store.dispatch(ract.SplitPicked(split))
        self.need(0)

    def search(self, filter: Filter) -> None:
        """Show only rows that match, once nothing was typed for a moment."""
        if self._typing is not None:
            self._typing.cancel()
        self._typing = self._work.begin(self._search(filter))

    def need(self, place: int) -> None:
        """Rows around a place come into view; fetch their page unless it is there or on its way."""
        rows = self._store.state.rows
        start = place - place % PAGE
        key = (rows.dataset, rows.split, rows.filter, start)
        there = any(first == start for first, _ in rows.pages)
        if rows.dataset and not there and key not in self._fetching:
            task = self._fetching[key] = self._work.begin(self._fetch(start))
            task.add_done_callback(lambda _: self._fetching.pop(key, None))

    def edit(self, number: int) -> None:
        """Open a row of the shown split to be changed."""
        self._work.begin(self._edit(number))

    def change(self, input: str, output: str) -> None:
        """Take what was typed for the open row; nothing is sent yet."""
        opened = self._store.state.rows.opened
        if opened is None:
            return
        if not is_object(input) or not is_object(output):
            sentence = tr("Both texts must be JSON objects, as in {example}.", example='{"text": "..."}')
            self._store.dispatch(ract.RowsFailed(sentence))
        elif (input, output) == (opened.input, opened.output):
            self._store.dispatch(ract.RowOpened(None))
        else:
            self._store.dispatch(ract.RowChanged(Change(opened.split, opened.number, input, output)))

    def delete(self, number: int) -> None:
        """Mark a row of the shown split as one that goes."""
        self._store.dispatch(ract.RowChanged(Change(self._store.state.rows.split, number)))

    def keep(self, number: int) -> None:
        """Drop what was to become of a row."""
        self._store.dispatch(ract.ChangeDropped(self._store.state.rows.split, number))

    def close_row(self) -> None:
        """Leave the open row as it is."""
        self._store.dispatch(ract.RowOpened(None))

    def drop_all(self) -> None:
        """Drop all changes."""
        self._store.dispatch(ract.ChangeDropped())

    def mean_held_out(self, meant: bool) -> None:
        """Say that held-out rows are meant to change."""
        self._store.dispatch(ract.HeldOutMeant(meant))

    def save(self) -> None:
        """Have the host make a version of the changes."""
        rows = self._store.state.rows
        if rows.changes and not rows.saving:
            self._store.dispatch(ract.RowsSaving())
            self._work.begin(self._save())

    async def _search(self, filter: Filter) -> None:
        await asyncio.sleep(TYPING_PAUSE)
        self._store.dispatch(ract.FilterSet(filter))
        self.need(0)

    async def _fetch(self, start: int) -> None:
        rows = self._store.state.rows
        query: dict[str, str | int | float] = {"split": rows.split, "start": start, "count": PAGE}
        if rows.filter.text:
            query["text"] = rows.filter.text
        if rows.filter.label:
            query["label"] = rows.filter.label
        if rows.filter.least > 0:
            query["least"] = rows.filter.least
        try:
            answer = await TrainClient(self._client()).rows(rows.dataset, **query)
        except HostError as error:
            self._store.dispatch(ract.RowsFailed(str(error)))
            return
        self._store.dispatch(
            ract.PageTold(
                rows.dataset,
                rows.split,
                rows.filter,
                as_text(answer.get("content")),
                max(0, int(as_number(answer.get("total")))),
                start,
                rows_from(answer.get("rows")),
            )
        )

    async def _edit(self, number: int) -> None:
        rows = self._store.state.rows
        try:
            answer = await TrainClient(self._client()).rows(rows.dataset, split=rows.split, start=number, count=1)
        except HostError as error:
            self._store.dispatch(ract.RowsFailed(str(error)))
            return
        row = whole_row_from(rows.split, answer.get("rows"))
        if row is None:
            self._store.dispatch(
                ract.RowsFailed(tr("This row is too large to be changed here; change it on the host."))
            )
        else:
            self._store.dispatch(ract.RowOpened(row))

    async def _save(self) -> None:
        rows = self._store.state.rows
        try:
            body = edit_body(rows.content, rows.changes, rows.held_out)
            answer = await TrainClient(self._client()).edit(rows.dataset, body)
        except HostError as error:
            self._store.dispatch(ract.RowsFailed(str(error)))
            return
        self._store.dispatch(ract.RowsSaved(as_text(answer.get("name"))))
        self.need(0)
