"""Frames on the line: 0x00, COBS(sequence, id, data, CRC-16), 0x00; the same as firmware/core/frames.h.

A frame has a zero at both ends, so that what a line makes up between two frames costs neither of them.

Sources: COBS, Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999; CRC-16/IBM-3740, whose check value of
"123456789" is 0x29b1.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

DATA_MAX = 56  # as in frames.h: what an ATmega keeps two of beside all else
BODY_MAX = DATA_MAX + 4
ENCODED_MAX = BODY_MAX + 1


@dataclass(frozen=True)
class Frame:
    """One message on the line: both numbers are bytes, `data` has at most DATA_MAX."""

    sequence: int
    id: int
    data: bytes


def crc16(data: bytes) -> int:
    """CRC-16/IBM-3740."""
    return binascii.crc_hqx(data, 0xFFFF)


def encode(frame: Frame) -> bytes:
    """The bytes on the line, at most DATA_MAX + 7. Raises ValueError for what no frame can hold."""
    if len(frame.data) > DATA_MAX:
        raise ValueError(f"a frame holds {DATA_MAX} bytes, not {len(frame.data)}")
    body = bytes((frame.sequence, frame.id)) + frame.data
    body += crc16(body).to_bytes(2, "little")
    return b"\0" + b"".join(bytes((len(run) + 1,)) + run for run in body.split(b"\0")) + b"\0"


def decode(encoded: bytes) -> Frame | None:
    """What stands between two zeros; None where it is no frame."""
    if not 5 <= len(encoded) <= ENCODED_MAX:
        return None
    body, at = bytearray(), 0
    while at < len(encoded):
        code = encoded[at]
        if code == 0 or at + code > len(encoded):
            return None
        body += encoded[at + 1 : at + code]
        at += code
        if at < len(encoded):
            body.append(0)
    if crc16(bytes(body[:-2])) != int.from_bytes(body[-2:], "little"):
        return None
    return Frame(body[0], body[1], bytes(body[2:-2]))


class Decoder:
    """Finds frames in what a line brings, whatever else it brings; keeps at most one frame's bytes."""

    def __init__(self) -> None:
        self.bad = 0
        self._kept = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that end in `chunk`; `bad` counts what stood between zeros and was none."""
        found = []
        *ended, rest = (self._kept + chunk).split(b"\0")
        for encoded in filter(None, ended):
            frame = decode(encoded)
            if frame is None:
                self.bad += 1
            else:
                found.append(frame)
        self._kept = rest[: ENCODED_MAX + 1]  # one byte more than any frame has: it stays too long
        return found
