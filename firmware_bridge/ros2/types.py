"""The types of ROS 2: messages as dataclasses, their bytes (CDR) by rosbags, their hashes, and messages as JSON.

A message is an object of rosbags' dataclass of its type; `Types.make` fills what isn't given with zeros.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firmware_bridge.errors import BadValue, RosError
from firmware_bridge.ros2.names import Distro, check_type

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

MAX_BYTES = 8 * 2**20  # of one message: a picture of 1920 x 1080 in colours has 6.2 MB
MAX_FILES = 2000  # of definitions in a folder
MAX_DEFINITION = 64 * 1024
# What moves something: here a number that is none is refused, wherever it comes from.
COMMANDS = frozenset(
    {"geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped", "geometry_msgs/msg/PoseStamped"}
)  # fmt: skip
_RANGES = {f"{sign}int{bits}": (sign, bits) for sign in ("", "u") for bits in (8, 16, 32, 64)} | {
    "byte": ("u", 8),
    "char": ("u", 8),
}
BASE, NAME, ARRAY, SEQUENCE = 1, 2, 3, 4  # rosbags.interfaces.Nodetype
_EMPTY = "structure_needs_at_least_one_member"  # what rosidl puts into a message without fields
_UINT8 = (BASE, ("uint8", 0))

Description = tuple[int, Any]  # of a field, as rosbags has it: (node type, its arguments)


class Types:
    """The types that a release of ROS 2 has, and those of a user's own packages."""

    def __init__(self, distro: Distro = Distro.JAZZY, folders: Iterable[Path] = ()) -> None:
        """folders: of packages with msg, srv and action in them. Raises RosError."""
        self.distro = distro
        self.store = _store(distro)
        self._hashes: dict[str, str] = {}
        self.load(Path(str(importlib.resources.files("firmware_bridge.ros2") / "interfaces")))
        for folder in folders:
            self.load(folder)

    def load(self, folder: Path) -> list[str]:
        """Reads every .msg, .srv and .action below a folder of packages; returns the types. Raises RosError."""
        if not folder.is_dir():
            raise RosError(f"{folder} is no folder of ROS packages.")
        files = [each for kind in ("msg", "srv", "action") for each in sorted(folder.rglob(f"{kind}/*.{kind}"))]
        if len(files) > MAX_FILES:
            raise RosError(f"{folder} holds more than {MAX_FILES} definitions; name the folder of one package.")
        return [self.add(f"{path.parent.parent.name}/{path.suffix[1:]}/{path.stem}", _text(path)) for path in files]

    def add(self, type_: str, text: str) -> str:
        """Adds a type by its definition, as in a .msg, .srv or .action file; one that is there must be the same."""
        full = check_type(type_)
        kind, parts = full.split("/")[1], _parts(text)
        if len(parts) != {"msg": 1, "srv": 2, "action": 3}[kind]:
            raise RosError(
                f"{full} must have {['one part', 'two parts', 'three parts'][('msg', 'srv', 'action').index(kind)]}."
            )
        if kind == "msg":
            self._register(full, _fields(full, parts[0]))
        elif kind == "srv":
            self._register(f"{full}_Request", _fields(full, parts[0]))
            self._register(f"{full}_Response", _fields(full, parts[1]))
            self._service(full)
        else:
            for suffix, part in zip(("Goal", "Result", "Feedback"), parts, strict=True):
                self._register(f"{full}_{suffix}", _fields(full, part))
            self._action(full)
        return full

    def check(self, type_: str) -> str:
        """The full name of a type that is known. Raises RosError."""
        full = check_type(type_)
        if full not in self.store.fielddefs:
            raise RosError(f"{full} isn't known here: name the folder of its package with --interfaces.")
        return full

    def hash(self, type_: str) -> str:
        """The hash of a message's or service's type, RIHS01_ and 64 digits (REP 2016)."""
        made = self._hashes.get(type_)
        if made is None:
            made = self._hashes[type_] = self.store.hash_rihs01(self.check(type_))
        return made

    def definition(self, type_: str) -> str:
        """The definition of a message's type with all that it needs, as recordings hold it."""
        return self.store.generate_msgdef(self.check(type_), ros_version=2)[0]

    def encode(self, message: object, type_: str) -> bytes:
        """A message in CDR, little-endian, with its header of 4 bytes. Raises BadValue."""
        try:
            if type_ in COMMANDS:
                _finite(message, type_)
            return bytes(self.store.serialize_cdr(message, type_, little_endian=True))
        except (AssertionError, AttributeError, TypeError, ValueError, struct.error) as error:
            raise BadValue(f"This is no {type_}: {error or 'a list has another length'}.") from error

    def decode(self, data: bytes, type_: str) -> Any:
        """A message from CDR, either endianness. Its arrays are views of `data`. Raises BadValue."""
        from rosbags.serde import SerdeError

        if len(data) > MAX_BYTES:
            raise BadValue(f"A {type_} of {len(data)} bytes came; more than {MAX_BYTES} aren't taken.")
        try:
            message = self.store.deserialize_cdr(data, type_)
        except (SerdeError, IndexError, UnicodeDecodeError, ValueError, struct.error, OverflowError) as error:
            raise BadValue(f"What came is no {type_}: {error}") from error
        if type_ in COMMANDS:
            _finite(message, type_)
        return message

    def make(self, type_: str, values: Mapping[str, object] | None = None, /, **more: object) -> Any:
        """A message from values by the names of its fields, zeros for the others; checks each. Raises BadValue."""
        return self._make(self.check(type_), {**(values or {}), **more}, type_)

    def plain(self, message: object) -> dict[str, Any]:
        """A message as JSON can hold it; numbers that are none (NaN, infinities) become None."""
        made: dict[str, Any] = {}
        for each in dataclasses.fields(message):  # type: ignore[arg-type]
            if each.name not in (_EMPTY, "__msgtype__"):
                made[each.name] = _plain(getattr(message, each.name))
        return made

    def _make(self, type_: str, values: Mapping[str, object], where: str) -> Any:
        fields = self.store.fielddefs[type_][1]
        if unknown := values.keys() - {name for name, _ in fields}:
            known = ", ".join(name for name, _ in fields if name != _EMPTY) or "no fields"
            raise BadValue(f"{where} has no {', '.join(sorted(map(str, unknown)))}; it has {known}.")
        if type_ == "geometry_msgs/msg/Quaternion":
            values = values or {"w": 1.0}  # no turn: the default of its definition
        made = {name: self._value(desc, values.get(name), f"{where}.{name}") for name, desc in fields}
        message = self.store.types[type_](**made)
        if type_ in COMMANDS:
            _finite(message, where)
        return message

    def _value(self, desc: Any, value: object, where: str) -> Any:
        node, inner = desc
        if node == NAME:
            if value is not None and not isinstance(value, Mapping):
                if getattr(value, "__msgtype__", None) == inner:
                    return value
                raise BadValue(f"{where} must be an object, as {inner} is.")
            return self._make(inner, value or {}, where)
        if node == BASE:
            return _single(inner[0], inner[1], value, where)
        (kind, of), bound = inner
        items = [] if value is None else value
        if isinstance(items, bytes | bytearray | memoryview) and kind == BASE and of[0] in ("uint8", "byte", "char"):
            items = np.frombuffer(items, np.uint8)
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
            raise BadValue(f"{where} must be a list.")
        if kind == BASE and of[0] != "string":
            return _numbers(of[0], items, node, bound, value is None, where)
        made = [self._value((kind, of), each, f"{where}[{i}]") for i, each in enumerate(items)]
        if node == ARRAY and value is None:
            made = [self._value((kind, of), None, where) for _ in range(bound)]
        _check_length(len(made), node, bound, where)
        return made

    def _register(self, name: str, fields: list[tuple[str, Description]]) -> None:
        from rosbags.typesys.base import TypesysError

        try:
            self.store.register({name: ([], _chars(fields) or [(_EMPTY, _UINT8)])})  # type: ignore[dict-item]
        except TypesysError as error:
            raise RosError(f"{name} is known with another definition: {error}") from error

    def _service(self, full: str) -> None:
        """The types of which a service's hash is made (rosidl_generator_type_description)."""
        request, response, event = f"{full}_Request", f"{full}_Response", f"{full}_Event"
        if "service_msgs/msg/ServiceEventInfo" not in self.store.fielddefs:
            return  # Humble: services have no hash
        one = [(name, (SEQUENCE, ((NAME, of), 1))) for name, of in (("request", request), ("response", response))]
        self._register(event, [("info", (NAME, "service_msgs/msg/ServiceEventInfo")), *one])
        parts = (("request_message", request), ("response_message", response), ("event_message", event))
        self._register(full, [(name, (NAME, of)) for name, of in parts])

    def _action(self, full: str) -> None:
        """The messages and services of which an action is made (design.ros2.org/articles/actions.html)."""
        goal_id = ("goal_id", (NAME, "unique_identifier_msgs/msg/UUID"))
        stamp = ("stamp", (NAME, "builtin_interfaces/msg/Time"))
        made: dict[str, list[tuple[str, Description]]] = {
            "SendGoal_Request": [goal_id, ("goal", (NAME, f"{full}_Goal"))],
            "SendGoal_Response": [("accepted", (BASE, ("bool", 0))), stamp],
            "GetResult_Request": [goal_id],
            "GetResult_Response": [("status", (BASE, ("int8", 0))), ("result", (NAME, f"{full}_Result"))],
            "FeedbackMessage": [goal_id, ("feedback", (NAME, f"{full}_Feedback"))],
        }
        for suffix, fields in made.items():
            self._register(f"{full}_{suffix}", fields)
        self._service(f"{full}_SendGoal")
        self._service(f"{full}_GetResult")


@lru_cache(maxsize=1)
def _rosbags() -> Any:
    try:
        from rosbags import typesys
    except ImportError as error:
        raise RosError("ROS 2's types need rosbags: pip install 'enigma[ros2]'.") from error
    return typesys


def _store(distro: Distro) -> Typestore:
    typesys = _rosbags()
    store: Typestore = typesys.get_typestore(typesys.Stores(f"ros2_{distro.value}"))
    store.max_sequence_length = MAX_BYTES
    for name, (constants, fields) in list(store.fielddefs.items()):
        store.fielddefs[name] = (constants, _chars(fields))  # type: ignore[assignment]
    return store


def _chars(fields: Iterable[tuple[str, Any]]) -> list[tuple[str, Description]]:
    """A char of ROS 2 is an uint8 (rosidl_adapter); with rosbags' own the hashes of types that have one are wrong."""

    def mended(desc: Any) -> Any:
        node, inner = desc
        if node == BASE:
            return _UINT8 if inner[0] == "char" else desc
        return desc if node == NAME else (node, (mended(inner[0]), inner[1]))

    return [(name, mended(desc)) for name, desc in fields]


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_DEFINITION:
        raise RosError(f"{path} is too long for a definition.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RosError(f"{path} is no text.") from error


def _parts(text: str) -> list[str]:
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip() == "---":
            parts.append([])
        else:
            parts[-1].append(line)
    return ["\n".join(part) + "\n" for part in parts]


def _fields(full: str, text: str) -> list[tuple[str, Description]]:
    """The fields of a definition. Raises RosError."""
    package = full.split("/", 1)[0]
    if not any(line.split("#", 1)[0].strip() for line in text.splitlines()):
        return []
    try:
        parsed = _rosbags().get_types_from_msg(text, f"{package}/msg/Parsed")
    except _rosbags().TypesysError as error:
        raise RosError(f"The definition of {full} can't be read: {error}") from error
    return list(parsed[f"{package}/msg/Parsed"][1])


def _single(kind: str, bound: int, value: object, where: str) -> Any:
    if kind in ("string", "wstring"):
        text = "" if value is None else value
        if not isinstance(text, str) or (bound and len(text.encode()) > bound):
            raise BadValue(f"{where} must be a text" + (f" of up to {bound} bytes." if bound else "."))
        return text
    if kind == "bool":
        if not isinstance(value, bool | None):
            raise BadValue(f"{where} must be true or false.")
        return bool(value)
    if kind in _RANGES:
        low, high = _limits(kind)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high
        ):
            raise BadValue(f"{where} must be a whole number from {low} to {high}.")
        return int(value or 0)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float | np.number)):
        raise BadValue(f"{where} must be a number.")
    return float(value or 0.0)


def _limits(kind: str) -> tuple[int, int]:
    sign, bits = _RANGES[kind]
    return (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _numbers(kind: str, items: Iterable[Any], node: int, bound: int, none: bool, where: str) -> np.ndarray:
    dtype = np.dtype({"byte": "uint8", "char": "uint8"}.get(kind, kind))
    if none and node == ARRAY:
        return np.zeros(bound, dtype)
    given = items if isinstance(items, np.ndarray) else list(items)
    try:
        wide = np.asarray(given) if len(given) else np.zeros(0, dtype)
    except ValueError as error:
        raise BadValue(f"{where} must be a list of numbers.") from error
    right = wide.ndim == 1 and (wide.dtype.kind in "iu" or (wide.dtype.kind == "f" and dtype.kind == "f"))
    if dtype.kind == "b":
        right = wide.ndim == 1 and wide.dtype.kind == "b"
    if not right and len(given):
        raise BadValue(f"{where} must be a list of {'truths' if dtype.kind == 'b' else 'numbers'} that fit {kind}.")
    if (
        dtype.kind in "iu"
        and len(given)
        and not (np.iinfo(dtype).min <= wide.min() and wide.max() <= np.iinfo(dtype).max)
    ):
        raise BadValue(f"{where} holds a number that doesn't fit {kind}.")
    _check_length(len(given), node, bound, where)
    return wide.astype(dtype)


def _check_length(length: int, node: int, bound: int, where: str) -> None:
    if node == ARRAY and length != bound:
        raise BadValue(f"{where} must have {bound} values, not {length}.")
    if node == SEQUENCE and bound and length > bound:
        raise BadValue(f"{where} may have up to {bound} values, not {length}.")


def _finite(message: Any, where: str) -> None:
    for each in dataclasses.fields(message):
        if each.name == "__msgtype__":
            continue
        value = getattr(message, each.name)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise BadValue(f"{where}.{each.name} is {value}, which is no number that can be obeyed.")
        elif dataclasses.is_dataclass(value):
            _finite(value, f"{where}.{each.name}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            each.name: _plain(getattr(value, each.name))
            for each in dataclasses.fields(value)
            if each.name not in (_EMPTY, "__msgtype__")
        }
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return [float(each) if math.isfinite(each) else None for each in value.tolist()]
        return value.tolist()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
