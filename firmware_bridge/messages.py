"""Messages with types, and the dictionary that a board announces: what it means by each, in which unit, within which limits.

What this program means by a message stands in its class here; what the board means comes from the board. `agree` holds them
against each other when a board is connected, so that the two can't differ silently. A value on the line is an integer `raw`;
a person's value is raw * 10^exponent of the unit.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import IntEnum, IntFlag
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

from firmware_bridge.errors import BadValue, Incompatible
from firmware_bridge.frames import DATA_MAX

PROTOCOL = 1
TEXT_MAX = 16384  # of a dictionary; the reference firmware's has 1.3 kB
_RANGES = {
    "b": (-(2**7), 2**7),
    "h": (-(2**15), 2**15),
    "i": (-(2**31), 2**31),
    "B": (0, 2**8),
    "H": (0, 2**16),
    "I": (0, 2**32),
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class Field:
    """One number of a message: `low` and `high` are raw, a value is raw * 10^exponent `unit`."""

    name: str
    format: str
    exponent: int
    unit: str
    low: int
    high: int

    def raw(self, value: float) -> int:
        """The integer that is sent. Raises BadValue for what is no finite number or outside the board's limits."""
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise BadValue(f"{self.name} must be a number, not {value!r}")
        raw = round(max(-1e30, min(value, 1e30)) * 10.0**-self.exponent)  # infinity can't be rounded
        if not self.low <= raw <= self.high:
            low, high = self.value(self.low), self.value(self.high)
            raise BadValue(
                f"{self.name} must be from {low} to {high}{f' {self.unit}' if self.unit else ''}, not {value}"
            )
        return raw

    def value(self, raw: int) -> float:
        """The value in `unit`; an integer where the exponent is 0."""
        return raw / 10**-self.exponent if self.exponent < 0 else raw * 10**self.exponent


@dataclass(frozen=True)
class Layout:
    """One message as the board announces it; `kind` is c (from the host), r (an answer) or s (a stream)."""

    id: int
    kind: str
    name: str
    fields: tuple[Field, ...]

    @functools.cached_property
    def _packing(self) -> struct.Struct:
        return struct.Struct("<" + "".join(each.format for each in self.fields))

    @property
    def size(self) -> int:
        """Bytes of data."""
        return self._packing.size

    def pack(self, values: Mapping[str, float]) -> bytes:
        """The data of a frame. Raises BadValue."""
        return self._packing.pack(*(each.raw(values[each.name]) for each in self.fields))

    def unpack(self, data: bytes) -> dict[str, float]:
        """The values by name. Raises Incompatible where `data` is of another length."""
        if len(data) != self.size:
            raise Incompatible(
                f"The board sent {len(data)} bytes as {self.name}, which has {self.size}: flash it again."
            )
        return {each.name: each.value(raw) for each, raw in zip(self.fields, self._packing.unpack(data), strict=True)}


@dataclass(frozen=True)
class Dictionary:
    """All that a board can be told, and tells."""

    protocol: int
    board: str
    firmware: str
    layouts: tuple[Layout, ...]

    def layout(self, name_or_id: str | int) -> Layout:
        """Raises Incompatible where the board has no such message."""
        for each in self.layouts:
            if name_or_id in (each.name, each.id):
                return each
        raise Incompatible(
            f"This board has no message {name_or_id!r}; it has {', '.join(e.name for e in self.layouts)}."
        )


def parse(text: bytes) -> Dictionary:
    """Reads what a board announced; `firmware/core/messages.c` writes it. Raises Incompatible for anything else."""
    try:
        head, *lines = text.decode("ascii").splitlines()
        word, protocol, board, firmware = head.split(" ")
        if word != "enigma" or len(text) > TEXT_MAX:
            raise ValueError(head)
        layouts = tuple(_layout(line) for line in lines)
        if len({each.id for each in layouts}) < len(layouts) or len({each.name for each in layouts}) < len(layouts):
            raise ValueError("two messages with one name or number")
        return Dictionary(int(protocol), board, firmware, layouts)
    except ValueError as error:  # of decode and int too
        raise Incompatible(
            f"The board's dictionary can't be read ({str(error)[:80]}): flash the board again."
        ) from error


def _layout(line: str) -> Layout:
    head, *parts = line.split("|")
    number, kind, name = head.split(" ")
    made = Layout(int(number, 16), kind, name, tuple(_field(part) for part in parts))
    names = {each.name for each in made.fields}
    if not 0 <= made.id <= 255 or kind not in ("c", "r", "s") or not _NAME.fullmatch(name) or len(names) < len(parts):
        raise ValueError(line)
    if made.size > DATA_MAX:
        raise ValueError(line)
    return made


def _field(part: str) -> Field:
    name, code, exponent, unit, low, high = part.split(" ")
    made = Field(name, code, int(exponent), "" if unit == "-" else unit, int(low), int(high))
    least, beyond = _RANGES.get(code, (0, 0))
    if not (_NAME.fullmatch(name) and -9 <= made.exponent <= 9 and least <= made.low <= made.high < beyond):
        raise ValueError(part)
    return made


class Status(IntEnum):
    """What an ack says."""

    OK = 0
    UNKNOWN = 1
    LENGTH = 2
    RANGE = 3
    LATE = 4
    HELLO = 5
    STOPPED = 6


class Flags(IntFlag):
    """`State.flags`."""

    SESSION = 1
    MOVING = 2
    DEADMAN = 4
    LATCHED = 8
    BUTTON = 16
    IMU = 32


@dataclass(frozen=True)
class Wire:
    """How a member of a message travels."""

    format: str
    exponent: int = 0
    unit: str = ""


Duty = Annotated[float, Wire("h", -3)]
Seconds = Annotated[float, Wire("H", -3, "s")]
Time = Annotated[float, Wire("I", -6, "s")]
Volt = Annotated[float, Wire("H", -3, "V")]
Byte = Annotated[int, Wire("B")]
Word = Annotated[int, Wire("H")]
Number = Annotated[int, Wire("I")]
Acceleration = Annotated[float, Wire("h", -2, "m/s2")]
Rate = Annotated[float, Wire("h", -3, "rad/s")]


@dataclass(frozen=True)
class Message:
    """Base of all messages with types."""

    ID: ClassVar[int]
    KIND: ClassVar[str]


@dataclass(frozen=True)
class Hello(Message):
    """The first message: nothing moves before both ends are of one version."""

    ID, KIND = 0x01, "c"
    version: Byte


@dataclass(frozen=True)
class Describe(Message):
    """Asks for the dictionary's text from `offset` on."""

    ID, KIND = 0x02, "c"
    offset: Word


@dataclass(frozen=True)
class Ping(Message):
    """Asks for the board's time."""

    ID, KIND = 0x03, "c"
    mark: Number


@dataclass(frozen=True)
class Drive(Message):
    """Parts of the motors' full power, from -1 to 1; refused after `until` on the board's clock (0: no such time)."""

    ID, KIND = 0x10, "c"
    left: Duty
    right: Duty
    until: Time


@dataclass(frozen=True)
class Stop(Message):
    """The motors stand; with `latch` 1 until a release."""

    ID, KIND = 0x11, "c"
    latch: Byte


@dataclass(frozen=True)
class Release(Message):
    """Ends an emergency stop whose button isn't pressed any more; `sure` is 1."""

    ID, KIND = 0x12, "c"
    sure: Byte


@dataclass(frozen=True)
class Stream(Message):
    """Tells the stream `id` every `period`; 0 ends it."""

    ID, KIND = 0x13, "c"
    id: Byte
    period: Seconds


@dataclass(frozen=True)
class Leds(Message):
    """Two lights, one bit each."""

    ID, KIND = 0x14, "c"
    on: Byte


@dataclass(frozen=True)
class Name(Message):
    """Gives the board a number of its own, which it keeps."""

    ID, KIND = 0x15, "c"
    board: Number


@dataclass(frozen=True)
class Ack(Message):
    """Answers what has no answer of its own."""

    ID, KIND = 0x80, "r"
    status: Byte


@dataclass(frozen=True)
class Welcome(Message):
    """Answers a hello: how long the dictionary is, how much may be unanswered, after how long the motors stop."""

    ID, KIND = 0x81, "r"
    version: Byte
    board: Number
    size: Annotated[int, Wire("H", 0, "byte")]
    crc: Word
    window: Annotated[int, Wire("B", 0, "byte")]
    deadman: Seconds
    time: Time


@dataclass(frozen=True)
class Pong(Message):
    """Answers a ping."""

    ID, KIND = 0x83, "r"
    mark: Number
    time: Time


@dataclass(frozen=True)
class State(Message):
    """What the motors get, and how the board is."""

    ID, KIND = 0x40, "s"
    time: Time
    left: Duty
    right: Duty
    battery: Volt
    flags: Byte
    bad: Annotated[int, Wire("H", 0, "frame")]
    skipped: Annotated[int, Wire("H", 0, "frame")]


@dataclass(frozen=True)
class Encoders(Message):
    """Edges counted since the board started."""

    ID, KIND = 0x41, "s"
    time: Time
    left: Annotated[int, Wire("i", 0, "count")]
    right: Annotated[int, Wire("i", 0, "count")]


@dataclass(frozen=True)
class Analogue(Message):
    """Three inputs."""

    ID, KIND = 0x42, "s"
    time: Time
    a1: Volt
    a2: Volt
    a3: Volt


@dataclass(frozen=True)
class Imu(Message):
    """Acceleration and turn rate along and about three axes; not told where there is no IMU."""

    ID, KIND = 0x43, "s"
    time: Time
    ax: Acceleration
    ay: Acceleration
    az: Acceleration
    gx: Rate
    gy: Rate
    gz: Rate
    temperature: Annotated[float, Wire("h", -2, "degC")]


PIECE = 0x82  # its data: the offset, and as much text as fits
KNOWN: tuple[type[Message], ...] = (
    *(Hello, Describe, Ping, Drive, Stop, Release, Stream, Leds, Name),
    *(Ack, Welcome, Pong, State, Encoders, Analogue, Imu),
)
M = TypeVar("M", bound=Message)


_OWN: dict[type[Message], Layout] = {}


def own_layout(kind: type[Message]) -> Layout:
    """What this program means by a message; its limits are those of the formats."""
    if kind in _OWN:
        return _OWN[kind]
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
    made = []
    for each in fields(kind):
        wire = hints[each.name].__metadata__[0]
        low, beyond = _RANGES[wire.format]
        made.append(Field(each.name, wire.format, wire.exponent, wire.unit, low, beyond - 1))
    _OWN[kind] = Layout(kind.ID, kind.KIND, kind.__name__.lower(), tuple(made))
    return _OWN[kind]


def agree(announced: Dictionary, known: Iterable[type[Message]] = KNOWN) -> None:
    """Raises Incompatible, naming the first message by which board and program mean different things."""
    by_id = {each.id: each for each in announced.layouts}
    for kind in known:
        ours, theirs = own_layout(kind), by_id.get(kind.ID)
        if theirs is None or _meaning(ours) != _meaning(theirs):
            raise Incompatible(
                f"The firmware {announced.firmware} means something else by the message {ours.name} than this program "
                f"({'it has none' if theirs is None else _difference(ours, theirs)}): run enigma-bridge flash."
            )


def _meaning(layout: Layout) -> tuple[object, ...]:
    return (layout.kind, layout.name, *((e.name, e.format, e.exponent, e.unit) for e in layout.fields))


def _difference(ours: Layout, theirs: Layout) -> str:
    def words(layout: Layout) -> list[str]:
        return [f"{e.name} {e.format}*10^{e.exponent} {e.unit}".strip() for e in layout.fields]

    return f"[{', '.join(words(theirs))}] there, [{', '.join(words(ours))}] here"


def pack(message: Message, dictionary: Dictionary | None = None) -> bytes:
    """The data of a frame, within the limits that the board announced. Raises BadValue."""
    layout = own_layout(type(message)) if dictionary is None else dictionary.layout(message.ID)
    return layout.pack(asdict(message))


def unpack(kind: type[M], data: bytes) -> M:
    """A message of `kind` from a frame's data. Raises Incompatible."""
    return kind(**own_layout(kind).unpack(data))
