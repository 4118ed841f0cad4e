"""Frames come back as they were sent, whatever is on the line between them, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.frames import DATA_MAX, ENCODED_MAX, Decoder, Frame, crc16, decode, encode

FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=DATA_MAX))


def test_the_checksum_is_the_standard_one() -> None:
    assert crc16(b"123456789") == 0x29B1


@settings(max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=100), FRAMES), max_size=8), st.integers(1, 7))
def test_every_frame_is_found_between_any_rubbish_and_in_any_pieces(
    parts: list[tuple[bytes, Frame]], piece: int
) -> None:
    line = b"".join(rubbish + encode(frame) for rubbish, frame in parts)
    decoder = Decoder()
    found = [frame for at in range(0, len(line), piece) for frame in decoder.feed(line[at : at + piece])]
    wanted = [frame for _, frame in parts]
    assert [frame for frame in found if frame in wanted] == wanted


@settings(max_examples=60)
@given(FRAMES)
def test_a_zero_stands_at_both_ends_of_a_frame_and_nowhere_else(frame: Frame) -> None:
    line = encode(frame)
    assert len(line) == len(frame.data) + 7
    assert [at for at, byte in enumerate(line) if byte == 0] == [0, len(line) - 1]


@settings(max_examples=60)
@given(FRAMES, st.data())
def test_one_wrong_bit_is_never_taken(frame: Frame, data: st.DataObject) -> None:
    line = bytearray(encode(frame))
    line[data.draw(st.integers(1, len(line) - 2))] ^= 1 << data.draw(st.integers(0, 7))
    assert Decoder().feed(bytes(line)) == []


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_what_is_no_frame_is_refused(encoded: bytes) -> None:
    frame = decode(encoded)
    assert frame is None or encode(frame) == b"\0" + encoded + b"\0"


def test_a_line_without_a_zero_takes_no_memory() -> None:
    decoder = Decoder()
    for _ in range(1000):
        assert decoder.feed(b"\xff" * 4096) == []
    assert len(decoder._kept) <= ENCODED_MAX + 1
    assert decoder.feed(b"\0") == [] and decoder.bad == 1
    assert decoder.feed(encode(Frame(1, 2, b"3"))) == [Frame(1, 2, b"3")]


def test_a_frame_holds_no_more_than_it_can() -> None:
    with pytest.raises(ValueError, match="56 bytes"):
        encode(Frame(0, 0, bytes(DATA_MAX + 1)))
