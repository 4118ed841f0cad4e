"""Datasets over the API: what there is, their rows a page at a time, and changes, which make a new version."""

from __future__ import annotations

import asyncio

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import BadRequest
from trainer_host.data.browse import Browser, Shown, Wanted
from trainer_host.data.dataset import Dataset
from trainer_host.data.edit import Change, edited
from trainer_host.errors import DataError
from trainer_host.server import fields
from trainer_host.server.access import Guard
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace

BODY_BYTES = 60 * 1024
MAX_COUNT = 200  # rows in an answer
MAX_TEXT = 400  # characters of a row in a list; one alone comes whole
MAX_WANTED = 200
MAX_CHANGES = 1000


class DatasetRoutes:
    """/v1/datasets."""

    def __init__(self, workspace: Workspace, guard: Guard) -> None:
        self._workspace = workspace
        self._guard = guard
        self._browser = Browser()
        self._turn = asyncio.Lock()

    async def all(self, request: web.Request) -> web.Response:
        """All of them."""
        async with self._turn:
            return reply({"datasets": await asyncio.to_thread(self._all)})

    async def rows(self, request: web.Request) -> web.Response:
        """Some rows; one alone with all that is known of it."""
        name = request.match_info["dataset"]
        query = request.query
        try:
            start, count = int(query.get("start", "0")), int(query.get("count", "100"))
            least = float(query.get("least", "0"))
        except ValueError:
            raise BadRequest('"start" and "count" must be whole numbers, "least" a number.') from None
        if start < 0 or not 1 <= count <= MAX_COUNT or not 0 <= least <= 1:
            raise BadRequest(f'"start" counts from 0, "count" is from 1 to {MAX_COUNT}, "least" from 0 to 1.')
        wanted = Wanted(query.get("text", "")[:MAX_WANTED].strip(), query.get("label", "")[:MAX_WANTED], least)
        split = query.get("split", "train")

        def page() -> tuple[Dataset, int, list[Shown]]:
            dataset = self._browser.open(self._workspace.dataset(name))
            return dataset, *self._browser.page(dataset, split, start, count, wanted)

        async with self._turn:
            dataset, total, shown = await asyncio.to_thread(page)
        rows = [_row(dataset, one, whole=count == 1) for one in shown]
        return reply({"name": name, "content": dataset.content, "split": split, "total": total, "rows": rows})

    async def edit(self, request: web.Request) -> web.Response:
        """Change or delete rows; answers the new version."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "content", "changes", "held_out")
        given = body.get("changes")
        if not isinstance(given, list) or not 0 < len(given) <= MAX_CHANGES:
            raise Unprocessable(f'Send "changes", a list of 1 to {MAX_CHANGES}.')
        changes = [_change(one) for one in given]
        content, held_out = fields.text(body, "content", 100), fields.flag(body, "held_out")
        by, name = self._guard.paired(request).name, request.match_info["dataset"]

        def make() -> Dataset:
            dataset = self._browser.open(self._workspace.dataset(name))
            if dataset.content != content:
                raise DataChanged
            return edited(self._workspace, dataset, changes, by, held_out=held_out)

        async with self._turn:
            try:
                return reply(_card(await asyncio.to_thread(make)), 201)
            except DataChanged:
                raise Conflict(f"'{name}' has other rows by now; look at them again.") from None

    def _all(self) -> list[Json]:
        folders = [self._workspace.data / name for name in self._workspace.names(self._workspace.data)]
        made = []
        for folder in folders:
            if (folder / "dataset.json").is_file():
                try:
                    made.append(_card(self._browser.open(folder)))
                except DataError as damaged:
                    made.append({"name": folder.name, "problem": str(damaged)})
        return made


class DataChanged(Exception):
    """The rows aren't those that the changes were made for."""


def _change(given: object) -> Change:
    if not isinstance(given, dict):
        raise Unprocessable('A change is {"split", "number", "delete": true}, or with "input" and "output".')
    fields.only(given, "split", "number", "delete", "input", "output")
    split, number = fields.text(given, "split", 16), fields.whole(given, "number", 0, 10**9)
    if fields.flag(given, "delete"):
        return Change(split, number)
    put, out = given.get("input"), given.get("output")
    if not isinstance(put, dict) or not isinstance(out, dict) or not put or not out:
        raise Unprocessable('A changed row needs "input" and "output", both objects.')
    return Change(split, number, put, out)


def _card(dataset: Dataset) -> Json:
    labels = dataset.figures.get("labels")
    return {
        "name": dataset.name,
        "task": dataset.task,
        "teacher": dataset.teacher,
        "train": dataset.counts["train"],
        "heldout": dataset.counts["heldout"],
        "content": dataset.content,
        "made_of": dataset.params.get("made_of", []),
        "edits": dataset.params.get("edits", []),
        "labels": sorted(map(str, labels))[:200] if isinstance(labels, dict) else [],
    }


def _row(dataset: Dataset, shown: Shown, *, whole: bool) -> Json:
    row, quality = shown.row, shown.quality
    made: Json = {
        "number": shown.number,
        "text": _short(_said(row.input)),
        "answer": _short(_said(row.output)),
        "source": str(row.meta.get("teacher") or row.meta.get("source") or dataset.teacher)[:100],
        "edited": "edited" in row.meta,
        "quality": None if quality is None else round(quality.score, 3),
        "why": quality.told() if quality is not None and quality.reasons else "",
    }
    return {**made, "input": row.input, "output": row.output, "meta": row.meta} if whole else made


def _said(value: object) -> str:
    """What a person reads of a row: its texts, without names of fields where there is one alone."""
    from trainer_host.data.pii import texts_of

    if isinstance(value, dict):
        shown = {
            key: inner for key, inner in value.items() if key not in ("inventory", "home") and inner not in (None, [])
        }
        texts = texts_of(shown)
        return " · ".join(texts) if texts else ", ".join(f"{key} {inner}" for key, inner in shown.items())
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
