"""A device's journal, from all that it keeps: its log, the latest requests, and what happened to updates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime

from companion_app.i18n import tr
from companion_app.i18n.figures import number
from companion_app.services.wire import as_list, as_number, as_text
from companion_app.state.fleet import Log, LogLine
from edge_runtime.client import DeviceClient, Forbidden, NotFound, Overloaded, Unauthorized

JOURNAL_DEADLINE = 20.0
MAX_LINES = 400


async def read_journal(client: DeviceClient, address: str) -> Log:
    """All parts that may be read, together, the newest first. Raises EdgeError, TimeoutError where the device is away."""
    lines: list[LogLine] = []
    lacks: list[str] = []
    async with asyncio.timeout(JOURNAL_DEADLINE):
        for call, key, read, what in (
            (client.log(), "log", log_line, tr("its log")),
            (client.requests(), "requests", request_line, tr("its requests")),
            (client.update_journal(), "journal", update_line, tr("its updates")),
        ):
            listed, why = await _listed(call, key)
            if why:
                lacks.append(tr("Not shown: {what}. {why}", what=what, why=why))
            lines += [read(one) for one in listed if isinstance(one, dict)]
    lines.sort(key=lambda line: -line.at)
    return Log(address, False, tuple(lines[:MAX_LINES]), tuple(lacks))


def log_line(one: Mapping[str, object]) -> LogLine:
    """A line of the daemon's log."""
    return LogLine(
        as_number(one.get("at")), "log", as_text(one.get("text")), one.get("level") in ("warning", "error", "critical")
    )


def request_line(one: Mapping[str, object]) -> LogLine:
    """A request that was answered."""
    status = int(as_number(one.get("status")))
    text = f"{as_text(one.get('method'))} {as_text(one.get('path'))}  {status}  {number(as_number(one.get('ms')), '.1f')} ms"
    return LogLine(as_number(one.get("at")), "request", text, status >= 400)


def update_line(one: Mapping[str, object]) -> LogLine:
    """What happened to a release."""
    said = (one.get("what"), one.get("specialist"), one.get("version"), one.get("cause"))
    text = "  ".join(part for part in map(as_text, said) if part)
    return LogLine(
        _moment(one.get("at", one.get("time"))), "update", text, one.get("what") in ("refused", "rolled_back", "failed")
    )


async def _listed(call: Awaitable[Mapping[str, object]], key: str) -> tuple[list[object], str]:
    """A list, or why it can't be had."""
    try:
        return as_list((await call).get(key)), ""
    except NotFound:
        return [], tr("The device is older than this app.")
    except (Forbidden, Unauthorized, Overloaded) as error:
        return [], str(error)


def _moment(value: object) -> float:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return 0.0
    return as_number(value)
