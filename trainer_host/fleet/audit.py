"""The fleet's log: each event once, in a file whose lines are bound to each other by hashes (see `teacher.audit`).

The database numbers its events without gaps, and a line holds the number, so the file itself says where it goes on: an end
of the process between the two loses and repeats nothing. Who can write to the database can change it unseen; the log shows
what was there before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from trainer_host.fleet.database import folder_of
from trainer_host.fleet.records import Event
from trainer_host.fleet.store import Store
from trainer_host.teacher.audit import AuditLog, files, lines_of, locked, parsed
from trainer_host.workspace import Workspace

_TAIL_BYTES = 2**20  # the last line lies within; a line has at most half of that


@dataclass(frozen=True)
class Line:
    """An event as it stands in the log. number: of the line, from 1; time: ISO 8601, UTC."""

    number: int
    time: str
    event: Event


def audit_path(workspace: Workspace) -> Path:
    """The log of a home folder."""
    return folder_of(workspace) / "audit.jsonl"


def follow(workspace: Workspace, store: Store) -> int:
    """Log the events that aren't logged yet; how many. Raises `TrainerError` where the log can't be written."""
    path = audit_path(workspace)
    log = AuditLog(path)
    written = 0
    with locked(path.with_name("audit-follow")):  # another process may do the same now
        with store.reading() as session:
            fleet = session.fleet()
        last = _last(path, fleet)
        while True:
            with store.reading() as session:
                found = session.events(after=last)
            if not found:
                return written
            log.record_texts([_text(fleet, event) for event in found])
            last, written = found[-1].number, written + len(found)


def lines(path: Path) -> Iterator[Line]:
    """All events that can be read, oldest first; what can't be is passed over (`audit_check` names it)."""
    for file in files(path):
        for line in lines_of(file):
            if (read := _line(parsed(line))) is not None:
                yield read


def _text(fleet: str, event: Event) -> str:
    fields = {
        "time": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
        "fleet": fleet,
        "event": event.number,
        "kind": event.kind,
        "by": event.by,
        "detail": event.detail,
    }
    return json.dumps(fields, separators=(",", ":"))


def _line(fields: dict[str, object] | None) -> Line | None:
    if fields is None:
        return None
    number, event, detail, time = fields.get("n"), fields.get("event"), fields.get("detail"), fields.get("time")
    if not isinstance(number, int) or not isinstance(event, int) or not isinstance(detail, dict):
        return None
    try:
        at = datetime.fromisoformat(str(time))
    except ValueError:
        return None
    return Line(number, str(time), Event(event, at.timestamp(), str(fields.get("kind")), str(fields.get("by")), detail))


def _last(path: Path, fleet: str) -> int:
    """The number of this fleet's last event in the log, 0 where it holds none."""
    for file in reversed(files(path)):
        size = file.stat().st_size
        for start in dict.fromkeys((max(0, size - _TAIL_BYTES), 0)):
            numbers = [
                event
                for line in lines_of(file, start)
                if (fields := parsed(line)) is not None
                and fields.get("fleet") == fleet
                and isinstance(event := fields.get("event"), int)
            ]
            if numbers:
                return max(numbers)
    return 0
