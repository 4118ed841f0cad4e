"""One line of JSON to the safety envelope that listens on a UNIX socket of this machine, and the line that it answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.pipelines.items import Json, SinkError

LINE_BYTES = 64 * 1024


async def ask(path: Path | None, request: Json, seconds: float) -> Json:
    """A connection of its own, so that no answer is another's. Raises `SinkError` where there is none within `seconds`."""
    line = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
    if len(line) > LINE_BYTES:
        raise SinkError(f"The action has {len(line):,} bytes; the safety envelope takes up to {LINE_BYTES:,}.")
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES)
            writer.write(line)
            await writer.drain()
            said = await reader.readline()
    except TimeoutError:
        raise SinkError(f"The safety envelope at {path} didn't answer in time.") from None
    except (OSError, ValueError) as cause:
        why = getattr(cause, "strerror", None) or cause
        raise SinkError(f"The safety envelope at {path} can't be asked ({why}); nothing moves.") from None
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(seconds):
                    await writer.wait_closed()
    return strict_json.loads_object(said, f"The answer of the safety envelope at {path}", SinkError)
