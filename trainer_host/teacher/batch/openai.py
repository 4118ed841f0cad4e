"""OpenAI's batches: a file is uploaded, a batch made of it, and its answers and errors are two more files.

(openai-openapi: `/files`, `/batches`; the rows as in the guide "Batch API".) A batch carries metadata, so one that a
dead process sent is found by its mark.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from typing import BinaryIO, cast

from trainer_host.teacher.batch.channel import Channel
from trainer_host.teacher.batch.common import BatchFailed, Item, Lost, Reason, Row, Seen
from trainer_host.teacher.protocol import Json, Key
from trainer_host.teacher.wires.common import json_bytes, member, text_at, tokens_at, without_trailing
from trainer_host.teacher.wires.refusals import Verdict, read_refusal

MARK = "enigma"  # the member of a batch's metadata that holds our mark
_ENDPOINT = "/v1/chat/completions"
_PAGES = 20  # of 100 batches
_RUNNING = ("validating", "in_progress", "finalizing", "cancelling")
_AGAIN: dict[str, Reason] = {"batch_expired": "expired", "batch_cancelled": "cancelled"}


class OpenAiBatches:
    """See `BatchApi`."""

    most_requests = 50_000
    most_bytes = 200_000_000

    def row(self, item: Item) -> bytes:
        """See `BatchApi`."""
        head = json.dumps({"custom_id": item.id, "method": "POST", "url": _ENDPOINT}, separators=(",", ":"))
        return head[:-1].encode() + b',"body":' + item.body + b"}"

    async def newest(self, channel: Channel, key: Key | None) -> str:
        """See `BatchApi`; a mark is enough here."""
        return ""

    async def send(self, channel: Channel, key: Key | None, rows: BinaryIO, count: int, mark: str) -> str:
        """See `BatchApi`."""
        base = _base(channel)
        with tempfile.TemporaryFile() as form:
            media_type = _write_form(form, rows, mark)
            # A file that is uploaded twice is billed not at all.
            uploaded = await channel.upload(f"{base}/files", key, form, media_type, once=False)
        made = await channel.post(
            f"{base}/batches",
            key,
            json_bytes(
                {
                    "input_file_id": _id(uploaded, channel),
                    "endpoint": _ENDPOINT,
                    "completion_window": "24h",
                    "metadata": {MARK: mark},
                }
            ),
        )
        return _id(made, channel)

    async def lost(self, channel: Channel, key: Key | None, lost: Lost) -> list[str]:
        """See `BatchApi`."""
        after = ""
        for _ in range(_PAGES):
            url = f"{_base(channel)}/batches?limit=100" + (f"&after={after}" if after else "")
            page = await channel.get(url, key)
            batches = page.get("data")
            if not isinstance(batches, list) or not batches:
                return []
            for batch in batches:
                if text_at(batch, "metadata", MARK) == lost.mark:
                    return [text_at(batch, "id")]
            after = text_at(batches[-1], "id")
            if page.get("has_more") is not True or not after:
                return []
        return []

    async def look(self, channel: Channel, key: Key | None, remote: str) -> Seen:
        """See `BatchApi`."""
        base = _base(channel)
        batch = await channel.get(f"{base}/batches/{remote}", key)
        status = text_at(batch, "status")
        done = tokens_at(batch, "request_counts", "completed") + tokens_at(batch, "request_counts", "failed")
        total = tokens_at(batch, "request_counts", "total")
        if status in _RUNNING:
            return Seen("running", done, total, cancelled=status == "cancelling")
        if status == "failed":
            return Seen("failed", message=_why(batch))
        if status not in ("completed", "expired", "cancelled"):
            raise BatchFailed(f"{channel.endpoint.provider} tells of a batch in the unknown state '{status[:40]}'.")
        named = (text_at(batch, "output_file_id"), text_at(batch, "error_file_id"))
        files = tuple(f"{base}/files/{name}/content" for name in named if name)
        return Seen("ended", done, total, status == "cancelled", files)

    def read(self, line: bytes) -> Row | None:
        """See `BatchApi`."""
        value = _line(line)
        if not (name := text_at(value, "custom_id")):
            return None
        response = member(value, "response")
        body = member(response, "body")
        if isinstance(response, dict):
            status = tokens_at(response, "status_code")
            if status == 200:
                return Row(name, json_bytes(cast(Json, body))) if isinstance(body, dict) else _unreadable(name)
            verdict = read_refusal(status, {}, json.dumps(body).encode()).verdict
            if verdict in (Verdict.TRY_AGAIN, Verdict.THROTTLED):
                return Row(name, None)
            return Row(name, None, "refused", again=False)
        return Row(name, None, _AGAIN.get(text_at(value, "error", "code"), "server error"))


def _unreadable(name: str) -> Row:
    return Row(name, None, "unreadable answer")


def _line(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _write_form(form: BinaryIO, rows: BinaryIO, mark: str) -> str:
    """Write multipart/form-data (RFC 7578) around a file; returns its media type."""
    boundary = secrets.token_hex(16)
    purpose = f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    file = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="enigma-{mark}.jsonl"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    form.write(f"{purpose}{file}".encode())
    rows.seek(0)
    shutil.copyfileobj(rows, form)
    form.write(f"\r\n--{boundary}--\r\n".encode())
    form.flush()
    return f"multipart/form-data; boundary={boundary}"


def _why(batch: Json) -> str:
    errors = member(batch, "errors", "data")
    said = [text_at(error, "message") or text_at(error, "code") for error in errors] if isinstance(errors, list) else []
    return "; ".join(said[:3])


def _id(made: Json, channel: Channel) -> str:
    if not (found := text_at(made, "id")):
        raise BatchFailed(f"{channel.endpoint.provider} answered without an id; is --base-url right?")
    return found


def _base(channel: Channel) -> str:
    return without_trailing(channel.endpoint.base_url, "/chat/completions")
