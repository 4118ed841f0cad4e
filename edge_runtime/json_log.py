"""The log as lines of JSON, for programs that read it: one object for each, whatever stands in it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """`time` (RFC 3339, UTC), `level`, `logger` and `message`; of an event its fields as `event`, of an error its `trace`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, in ASCII."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        event = getattr(record, "event", None)
        if event is not None:
            line["event"] = event
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
