"""Lines of a serial port, as texts or as JSON, by pyserial (the extra 'serial')."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.media import optional
from edge_runtime.pipelines.declare import Serial
from edge_runtime.pipelines.items import Captured, Item, SourceError

LONGEST_LINE = 4096  # bytes; what is longer is no line, but noise or another baud rate
_POLL_SECONDS = 0.2  # until a thread that waits for a line notices that it shall stop
_log = logging.getLogger(__name__)


def lines(declared: Serial, stopped: threading.Event) -> Iterator[Item]:
    """Each line, captured when its first byte came; raises `SourceError`, and `NotEquipped` without pyserial. Blocks.

    A line that is too long, isn't UTF-8 or, where it shall be, isn't a JSON object is left out: the sequence has a gap.
    """
    serial = optional("serial", "Serial ports")
    try:
        port = serial.Serial(declared.port, declared.baud, timeout=_POLL_SECONDS, exclusive=True)
    except (OSError, ValueError) as cause:
        raise SourceError(f"The serial port {declared.port} can't be opened ({_one_line(cause)}).") from None
    began, number, waiting, overlong = Captured.now(), 0, bytearray(), False
    first = began
    try:
        while not stopped.is_set():
            try:
                piece = port.read(max(1, min(port.in_waiting, LONGEST_LINE)))
            except (OSError, TypeError) as cause:  # pyserial reads from a port that another thread closed as TypeError
                raise SourceError(f"The serial port {declared.port} broke off ({_one_line(cause)}).") from None
            if piece and not waiting:
                first = Captured.now()
            waiting += piece
            while (end := waiting.find(b"\n")) >= 0:
                line = bytes(waiting[:end])
                del waiting[: end + 1]
                captured, first = first, Captured.now()
                number += 1
                value = None if overlong or len(line) > LONGEST_LINE else _value(line, declared)
                overlong = False
                if value is not None:
                    yield Item(value, captured, captured.monotonic - began.monotonic, number)
            if len(waiting) > LONGEST_LINE:
                waiting.clear()
                overlong = True
    finally:
        port.close()


def _value(line: bytes, declared: Serial) -> dict[str, object] | None:
    try:
        text = line.decode("utf-8").strip("\r\0 ")
        if not text:
            return None
        return strict_json.loads_object(line, "The line") if declared.json else {"text": text}
    except (UnicodeDecodeError, BadRequest) as cause:
        _log.warning("a line of %s is left out: %s", declared.port, cause)
        return None


def _one_line(cause: Exception) -> str:
    return " ".join(str(cause).split())[:160] or type(cause).__name__
