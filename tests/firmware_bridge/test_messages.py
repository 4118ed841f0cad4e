"""What a board announces is read strictly, held against what this program means, and bounds what is sent."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import BadValue, Incompatible
from firmware_bridge.messages import (
    KNOWN,
    Dictionary,
    Drive,
    Encoders,
    Field,
    Imu,
    Layout,
    agree,
    own_layout,
    pack,
    parse,
    unpack,
)

OURS = Dictionary(1, "rover", "0.1.0", tuple(own_layout(kind) for kind in KNOWN))


def text_of(dictionary: Dictionary) -> bytes:
    """As firmware/core/messages.c writes it."""
    lines = [f"enigma {dictionary.protocol} {dictionary.board} {dictionary.firmware}"]
    for each in dictionary.layouts:
        parts = [f"{f.name} {f.format} {f.exponent} {f.unit or '-'} {f.low} {f.high}" for f in each.fields]
        lines.append("|".join((f"0x{each.id:02x} {each.kind} {each.name}", *parts)))
    return ("\n".join(lines) + "\n").encode()


def changed(**fields: object) -> Dictionary:
    """OURS, with another first field of drive."""
    layouts = list(OURS.layouts)
    at = KNOWN.index(Drive)
    first, *others = layouts[at].fields
    layouts[at] = Layout(Drive.ID, "c", "drive", (replace(first, **fields), *others))  # type: ignore[arg-type]
    return replace(OURS, layouts=tuple(layouts))


def test_a_dictionary_is_read_as_it_was_written() -> None:
    assert parse(text_of(OURS)) == OURS
    agree(OURS)


@pytest.mark.parametrize("change", [{"format": "i"}, {"exponent": -2}, {"unit": "V"}, {"name": "right_wheel"}])
def test_a_board_that_means_something_else_is_refused_and_the_message_named(change: dict[str, object]) -> None:
    with pytest.raises(Incompatible, match=r"message drive .*enigma-bridge flash"):
        agree(changed(**change))


def test_a_board_without_a_message_is_refused_and_other_limits_and_more_messages_are_not() -> None:
    with pytest.raises(Incompatible, match=r"message hello .*it has none"):
        agree(replace(OURS, layouts=OURS.layouts[1:]))
    gripper = Layout(0x20, "c", "gripper", (Field("width", "H", -3, "m", 0, 85),))
    agree(replace(changed(low=-100, high=100), layouts=(*changed(low=-100, high=100).layouts, gripper)))


@settings(max_examples=60)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_rubbish_is_never_a_dictionary(text: bytes) -> None:
    with pytest.raises(Incompatible, match="flash the board again"):
        parse(b"enigma 1 a b\n" + text + b"\n!")


@pytest.mark.parametrize(
    "line",
    [
        "0x10 c drive|left h -3 - -40000 0",
        "0x10 c drive|left h -3 - 5 4",
        "0x10 c drive|left d -3 - 0 1",
        "0x10 c drive|left h -99 - 0 1",
        "0x10 c drive|left h 0 - 0 1|left h 0 - 0 1",
        "0x100 c drive",
        "0x10 c drive\n0x10 c other",
        "0x10 c drive\n0x11 c drive",
        "0x10 x drive",
        "0x10 c " + "|".join(["drive", *(f"a{at} I 0 - 0 1" for at in range(15))]),
    ],
)
def test_a_dictionary_that_contradicts_itself_is_refused(line: str) -> None:
    with pytest.raises(Incompatible):
        parse(f"enigma 1 rover 0.1.0\n{line}\n".encode())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.001, -1.001, True, "1", None, 1e308, -(10**400)])
def test_what_is_no_number_within_the_boards_limits_is_never_sent(value: float) -> None:
    with pytest.raises(BadValue, match="left must be"):
        pack(Drive(value, 0, 0), changed(low=-1000, high=1000))


def test_values_at_the_limits_are_sent() -> None:
    for value in (-1.0004, -1, 0.0, 1, 1.0004):
        assert unpack(Drive, pack(Drive(value, 0, 0), changed(low=-1000, high=1000))).left == round(value, 3)


def test_values_come_back_in_their_units() -> None:
    assert unpack(Drive, pack(Drive(-0.5, 0.123, 4.25))) == Drive(-0.5, 0.123, 4.25)
    assert unpack(Encoders, pack(Encoders(1.5, -(2**31), 2**31 - 1))) == Encoders(1.5, -(2**31), 2**31 - 1)
    with pytest.raises(Incompatible, match="15 bytes as imu"):
        unpack(Imu, bytes(15))
