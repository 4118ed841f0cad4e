"""A provider of OpenAI's wire for `teacher.py` that costs next to nothing: each answer comes LATENCY seconds after its
request, and for each request a byte goes into LOG. `python teacher_server.py LATENCY LOG` prints its URL.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CONTENT = json.dumps({"text": "Could someone bring two more towels to room 214, please?"})
_BODY = json.dumps({
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "fake-small",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": _CONTENT}}],
    "usage": {"prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140},
}).encode()  # fmt: skip
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class Answering(asyncio.Protocol):
    """One connection; requests come one after the other, each with its length."""

    def __init__(self, latency: float, log: int) -> None:
        self._latency = latency
        self._log = log
        self._read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._read += data
        while (head := self._read.find(b"\r\n\r\n")) >= 0:
            stated = _LENGTH.search(self._read, 0, head)
            end = head + 4 + (int(stated[1]) if stated else 0)
            if len(self._read) < end:
                return
            del self._read[:end]
            os.write(self._log, b".")
            asyncio.get_running_loop().call_later(self._latency, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)


async def main() -> None:
    """Serve until it is ended."""
    latency, log = float(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = await asyncio.get_running_loop().create_server(lambda: Answering(latency, log), "127.0.0.1", backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
