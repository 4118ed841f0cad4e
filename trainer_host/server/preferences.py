"""What people thought of answers, over the API: which of two was better, and which ones were good or bad.

Both are kept in files that `enigma tune` reads, the former with --pairs, the latter with --thumbs.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from trainer_host.server import fields
from trainer_host.server.access import Guard
from trainer_host.server.errors import Unprocessable
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace, storage_errors, write_atomic

BODY_BYTES = 512 * 1024  # a conversation as long as a device takes it, and two answers
MAX_MESSAGES = 256
MAX_CHARS = 100_000  # of one message or answer
MAX_FILE_BYTES = 256 * 1024 * 1024
FILE = "votes.jsonl"
THUMBS = "thumbs.jsonl"
_ROLES = ("system", "user", "assistant")
_TOLD = ("id", "way", "blind", "chosen", "rejected")  # what a client says about how a preference came about


def votes_path(workspace: Workspace) -> Path:
    """Where preferences of people lie, in the form of 'enigma data prefer'."""
    return workspace.home / "preferences" / FILE


def thumbs_path(workspace: Workspace) -> Path:
    """Where answers lie that people found good or bad, in the form of TRL's unpaired datasets."""
    return workspace.home / "preferences" / THUMBS


class PreferenceRoutes:
    """/v1/preferences."""

    def __init__(self, workspace: Workspace, guard: Guard) -> None:
        self._path, self._thumbs = votes_path(workspace), thumbs_path(workspace)
        self._guard = guard
        self._turn = asyncio.Lock()

    async def all(self, request: web.Request) -> web.Response:
        """How many there are of both, and in which file those of two answers."""
        async with self._turn:
            counts = await asyncio.to_thread(self._counts)
        return reply({**counts, "file": str(self._path)})

    async def add(self, request: web.Request) -> web.Response:
        """Keep one; one of the same id takes the place of the former, so that it may be sent again and changed."""
        body = await read_json(request, BODY_BYTES)
        single = "completion" in body
        row = _checked_thumb(body) if single else _checked(body)
        row["source"] = {**_source(body), "by": self._guard.paired(request).name}
        async with self._turn:
            await asyncio.to_thread(_keep, self._thumbs if single else self._path, row)
            counts = await asyncio.to_thread(self._counts)
        return reply(counts)

    async def remove(self, request: web.Request) -> web.Response:
        """Take one back; nothing happens where there is none of this id."""
        async with self._turn:
            for path in (self._path, self._thumbs):
                await asyncio.to_thread(_drop, path, request.match_info["id"])
            counts = await asyncio.to_thread(self._counts)
        return reply(counts)

    def _counts(self) -> Json:
        return {"preferences": len(_ids(self._path)), "thumbs": len(_ids(self._thumbs))}


def _checked(body: Json) -> Json:
    fields.only(body, "prompt", "chosen", "rejected", "source")
    prompt = _messages(body, "prompt", MAX_MESSAGES)
    if prompt[-1]["role"] != "user":
        raise Unprocessable('The last message of "prompt" must be the user\'s.')
    chosen, rejected = _messages(body, "chosen", 1), _messages(body, "rejected", 1)
    if chosen[0]["role"] != "assistant" or rejected[0]["role"] != "assistant":
        raise Unprocessable('"chosen" and "rejected" must each be one message of the assistant.')
    if chosen[0]["content"] == rejected[0]["content"]:
        raise Unprocessable("Both answers are the same, so none is better.")
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _checked_thumb(body: Json) -> Json:
    fields.only(body, "prompt", "completion", "label", "source")
    prompt, completion = _messages(body, "prompt", MAX_MESSAGES), _messages(body, "completion", 1)
    if prompt[-1]["role"] != "user" or completion[0]["role"] != "assistant":
        raise Unprocessable('The last message of "prompt" must be the user\'s, "completion" one of the assistant.')
    return {"prompt": prompt, "completion": completion, "label": fields.flag(body, "label")}


def _messages(body: Json, name: str, most: int) -> list[dict[str, str]]:
    items = body.get(name)
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        raise Unprocessable(f'"{name}" must be a list of 1 to {most} messages.')
    made = []
    for item in items:
        content = item.get("content") if isinstance(item, dict) else None
        if (
            not isinstance(content, str)
            or not content.strip()
            or len(content) > MAX_CHARS
            or item.get("role") not in _ROLES
        ):
            raise Unprocessable(
                f'Each message of "{name}" must be {{"role", "content"}}: a role of {", ".join(_ROLES)} and a text of at '
                f"most {MAX_CHARS:,} characters."
            )
        made.append({"role": str(item["role"]), "content": content})
    return made


def _source(body: Json) -> Json:
    told = body.get("source")
    if not isinstance(told, dict) or not told.keys() <= set(_TOLD):
        raise Unprocessable(f'"source" must hold {", ".join(_TOLD)}, and nothing else.')
    fields.text(told, "id", 100)
    for name in ("way", "chosen", "rejected"):
        fields.text(told, name, 400, None)
    fields.flag(told, "blind")
    return told


def _keep(path: Path, row: Json) -> None:
    """Put a row at the end of the file, or in the place of the one of its id. Blocks."""
    source = row["source"]
    assert isinstance(source, dict)
    line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
    with storage_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = _ids(path)
        if source["id"] in known:
            lines = path.read_bytes().splitlines(keepends=True)
            lines[known.index(str(source["id"]))] = line
            write_atomic(path, b"".join(lines), 0o600)
            return
        if path.exists() and path.stat().st_size > MAX_FILE_BYTES:
            raise Unprocessable(f"{path.name} is full; move it elsewhere on the host, and a new one begins.")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as out:
            out.write(line)
            out.flush()
            os.fsync(out.fileno())


def _drop(path: Path, id_: str) -> None:
    """Take the row of an id out of the file. Blocks."""
    with storage_errors(path):
        known = _ids(path)
        if id_ in known:
            lines = path.read_bytes().splitlines(keepends=True)
            del lines[known.index(id_)]
            write_atomic(path, b"".join(lines), 0o600)


def _ids(path: Path) -> list[str]:
    """The id of each line; a line that a crash cut off is taken away first."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return [str(json.loads(line).get("source", {}).get("id", "")) for line in content[:whole].splitlines()]
