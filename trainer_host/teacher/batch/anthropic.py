"""Anthropic's message batches: one call holds all requests, one file all results (`/v1/messages/batches`).

A batch carries no mark of ours and tells no id of a request before it has ended. So one that a dead process sent is
looked for among those that are newer than the newest there was before it, by its size; what it answers then proves
it, or not.
"""

from __future__ import annotations

import json
import tempfile
from typing import BinaryIO, cast
from urllib.parse import quote

from trainer_host.teacher.batch.channel import Channel
from trainer_host.teacher.batch.common import BatchFailed, Item, Lost, Reason, Row, Seen
from trainer_host.teacher.protocol import Json, Key
from trainer_host.teacher.wires.common import json_bytes, member, text_at, tokens_at, without_trailing

_PAGES = 20  # of 100 batches
_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_NOT_TRIED: dict[str, Reason] = {"expired": "expired", "canceled": "cancelled"}
# Errors that another try would meet again; those of the server (api_error, overloaded_error ...) aren't among them.
_REFUSALS = frozenset(
    {
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
    }
)


class AnthropicBatches:
    """See `BatchApi`."""

    most_requests = 100_000
    most_bytes = 256_000_000

    def row(self, item: Item) -> bytes:
        """See `BatchApi`."""
        return b'{"custom_id":"' + item.id.encode() + b'","params":' + item.body + b"}"

    async def newest(self, channel: Channel, key: Key | None) -> str:
        """See `BatchApi`."""
        page = await channel.get(f"{_url(channel)}?limit=1", key)
        return text_at(page, "data", 0, "id")

    async def send(self, channel: Channel, key: Key | None, rows: BinaryIO, count: int, mark: str) -> str:
        """See `BatchApi`."""
        with tempfile.TemporaryFile() as body:
            rows.seek(0)
            for number, row in enumerate(rows):
                body.write((b"," if number else b'{"requests":[') + row.rstrip(b"\n"))
            body.write(b"]}")
            body.flush()
            made = await channel.upload(_url(channel), key, body, "application/json", once=True)
        if not (found := text_at(made, "id")):
            raise BatchFailed(f"{channel.endpoint.provider} answered without an id; is --base-url right?")
        return found

    async def lost(self, channel: Channel, key: Key | None, lost: Lost) -> list[str]:
        """See `BatchApi`."""
        found: list[str] = []
        after = ""
        for _ in range(_PAGES):
            url = f"{_url(channel)}?limit=100" + (f"&after_id={quote(after)}" if after else "")
            page = await channel.get(url, key)
            batches = page.get("data")
            if not isinstance(batches, list):
                break
            for batch in batches:
                if (name := text_at(batch, "id")) == lost.before:
                    return found[::-1]
                if name and name not in lost.known and _total(batch) == lost.size:
                    found.append(name)
            after = text_at(page, "last_id")
            if page.get("has_more") is not True or not after:
                break
        return found[::-1]  # the oldest first: it was sent right after `before`

    async def look(self, channel: Channel, key: Key | None, remote: str) -> Seen:
        """See `BatchApi`."""
        batch = await channel.get(f"{_url(channel)}/{remote}", key)
        status, total = text_at(batch, "processing_status"), _total(batch)
        done = total - tokens_at(batch, "request_counts", "processing")
        cancelled = bool(text_at(batch, "cancel_initiated_at"))
        if status in ("in_progress", "canceling"):
            return Seen("running", done, total, cancelled)
        if status != "ended":
            raise BatchFailed(f"{channel.endpoint.provider} tells of a batch in the unknown state '{status[:40]}'.")
        # Not its `results_url`: a key goes to the address that the person gave, and to no other.
        return Seen("ended", done, total, cancelled, (f"{_url(channel)}/{remote}/results",))

    def read(self, line: bytes) -> Row | None:
        """See `BatchApi`."""
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not (name := text_at(value, "custom_id")):
            return None
        kind, message = text_at(value, "result", "type"), member(value, "result", "message")
        if kind == "succeeded":
            if isinstance(message, dict):
                return Row(name, json_bytes(cast(Json, message)))
            return Row(name, None, "unreadable answer")
        if kind in _NOT_TRIED:
            return Row(name, None, _NOT_TRIED[kind])
        if text_at(value, "result", "error", "error", "type") in _REFUSALS:
            return Row(name, None, "refused", again=False)
        return Row(name, None)


def _total(batch: object) -> int:
    return sum(tokens_at(batch, "request_counts", name) for name in _COUNTS)


def _url(channel: Channel) -> str:
    return without_trailing(channel.endpoint.base_url, "/v1/messages", "/v1") + "/v1/messages/batches"
