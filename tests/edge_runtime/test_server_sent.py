"""Server-sent events: what is cut into lines anywhere comes out whole, and nothing waits or grows without end."""

from __future__ import annotations

import asyncio

import pytest

from edge_runtime.server_sent import MAX_DATA_BYTES, event_data


async def _data(content: bytes, seconds: float = 5.0, *, ends: bool = True) -> list[str]:
    reader = asyncio.StreamReader(limit=2 * MAX_DATA_BYTES)
    reader.feed_data(content)
    if ends:
        reader.feed_eof()
    return [data async for data in event_data(reader, seconds)]


async def test_events_are_their_data() -> None:
    assert await _data(b"data: one\n\n: a comment\n\ndata:two\r\ndata: lines\r\n\r\nevent: x\nid: 4\n\n") == [
        "one",
        "two\nlines",
    ]


async def test_an_event_that_is_cut_off_is_none() -> None:
    assert await _data(b"data: one\n\ndata: half") == ["one"]


async def test_silence_ends_in_time() -> None:
    with pytest.raises(TimeoutError):
        await _data(b"data: one\n\n", 0.01, ends=False)


async def test_an_event_has_a_bound() -> None:
    with pytest.raises(ValueError, match="without end"):
        await _data((b"data: " + b"x" * 1000 + b"\n") * 300)
