"""Reads the results of a batch that has ended, and reconciles them with what was sent, by the requests' hashes."""

from __future__ import annotations

import logging

from trainer_host.teacher.batch.books import BatchBooks
from trainer_host.teacher.batch.channel import Channel
from trainer_host.teacher.batch.common import BatchApi, Seen
from trainer_host.teacher.batch.store import OpenItem, Part

logger = logging.getLogger(__name__)

# What a file of results may hold: of each request an answer's frame and its tokens, escaped at the longest.
_FRAME_BYTES, _TOKEN_BYTES, _SPARE_BYTES = 16_384, 64, 2**20


async def collect(books: BatchBooks, api: BatchApi, channel: Channel, part: Part, seen: Seen) -> None:
    """Keep all results of a batch, and note what lacks; the batch is done then.

    Raises `TeacherStopped` where a file can't be read to its end: what was read is kept, and the next run reads on.
    """
    found = books.store.open_items(part.id)
    books.owe(part, found)
    if seen.state == "failed":
        _failed(books, part, found, seen)
        return
    reading = _Reading(books, api, part, found)
    most = _SPARE_BYTES + sum(_FRAME_BYTES + _TOKEN_BYTES * item.most_tokens for item in found)
    for url in seen.files:
        await channel.lines(url, books.key_of(part), reading.line, most)
    if reading.strangers and not reading.matched:
        # It was found by its size alone, and is another's; the search goes on, or it is sent.
        books.store.isnt(part.id, part.remote)
        for item in found:
            books.tried(item.id, "missing")
        return
    books.report.strangers += len(reading.strangers)
    for item in list(reading.open.values()):
        # Perhaps it was answered, and got lost there.
        books.unanswered(part, item, "missing", again=True, billed=True)
    books.store.finish(part.id)


class _Reading:
    """Of all files of one batch."""

    def __init__(self, books: BatchBooks, api: BatchApi, part: Part, items: list[OpenItem]) -> None:
        self.open = {item.id: item for item in items}
        self.strangers: set[str] = set()
        self.matched = False
        self._books = books
        self._api = api
        self._part = part
        self._all = books.store.item_ids(part.id)

    def line(self, line: bytes) -> None:
        if (row := self._api.read(line)) is None:
            if line.strip():
                logger.warning("a line of a batch's results can't be read; what it held is asked again")
            return
        if row.id not in self._all:
            self.strangers.add(row.id)
            return
        self.matched = True
        if (item := self.open.pop(row.id, None)) is None:
            return  # there twice, or read by an earlier run
        if row.body is None:
            self._books.unanswered(self._part, item, row.reason, again=row.again, billed=False)
        elif not self._books.answered(self._part, item, row.body):
            self._books.unanswered(self._part, item, "unreadable answer", again=True, billed=True)


def _failed(books: BatchBooks, part: Part, items: list[OpenItem], seen: Seen) -> None:
    words = books.scrub(seen.message)
    books.report.messages.append(words)
    logger.warning("%s: a batch of %d requests failed: %s", books.endpoint.provider, len(items), words)
    for item in items:
        books.unanswered(part, item, "batch failed", again=True, billed=False)
    books.store.finish(part.id)
