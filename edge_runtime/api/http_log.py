"""The logger for what isn't HTTP: aiohttp adds the bytes that it couldn't read, and a token or a key may be among them."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError

NAME = "edge_runtime.http"


def http_log() -> logging.Logger:
    """For `AppRunner(logger=...)`: says that a request wasn't HTTP, without repeating it."""
    log = logging.getLogger(NAME)
    if not log.filters:
        log.addFilter(_without_bytes)
    return log


def _without_bytes(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
    return True
