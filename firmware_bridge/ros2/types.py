"""The types of ROS 2: messages as dataclasses, their bytes (CDR) by rosbags, their hashes, and messages as JSON.

A message is an object of rosbags' dataclass of its type; `Types.make` fills what isn't given with zeros.
"""

from __future__ import annotations

import importlib.resources
import math
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firmware_bridge.errors import BadValue, RosError
from firmware_bridge.ros2.definitions import (
    ARRAY,
    BASE,
    EMPTY,
    MAX_BYTES,
    NAME,
    SEQUENCE,
    UINT8,
    Description,
    bytes_as_numbers,
    coding,
    described,
    fields_of,
    parts,
    text_of,
    without_chars,
)
from firmware_bridge.ros2.names import Distro, check_type
from firmware_bridge.ros2.values import check_length, finite, numbers, single

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

MAX_FILES = 2000  # of definitions in a folder
# What moves something: here a number that is none is refused, wherever it comes from.
COMMANDS = frozenset(
    {
        "geometry_msgs/msg/Twist",
        "geometry_msgs/msg/TwistStamped",
        "geometry_msgs/msg/PoseStamped",
        "trajectory_msgs/msg/JointTrajectory",
    }
)
_PARTS = {"msg": 1, "srv": 2, "action": 3}


class Types:
    """The types that a release of ROS 2 has, and those of a user's own packages."""

    def __init__(self, distro: Distro = Distro.JAZZY, folders: Iterable[Path] = ()) -> None:
        """folders: of packages with msg, srv and action in them. Raises RosError."""
        self.distro = distro
        self.store = coding(distro)
        self.described = dict(described(distro))  # by name, for hashes and definitions: as the types are written
        self._hashes: dict[str, str] = {}
        self._whole: set[str] = set()  # types all whose parts are known
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
        return [self.add(f"{path.parent.parent.name}/{path.suffix[1:]}/{path.stem}", text_of(path)) for path in files]

    def add(self, type_: str, text: str) -> str:
        """Adds a type by its definition, as in a .msg, .srv or .action file; one that is there must be the same."""
        full = check_type(type_)
        kind, split = full.split("/")[1], parts(text)
        if len(split) != _PARTS[kind]:
            raise RosError(f"{full} must have {_PARTS[kind]} part(s), with --- between them.")
        if kind == "msg":
            self._register(full, fields_of(full, split[0]))
        elif kind == "srv":
            self._register(f"{full}_Request", fields_of(full, split[0]))
            self._register(f"{full}_Response", fields_of(full, split[1]))
            self._service(full)
        else:
            for suffix, part in zip(("Goal", "Result", "Feedback"), split, strict=True):
                self._register(f"{full}_{suffix}", fields_of(full, part))
            self._action(full)
        return full

    def check(self, type_: str) -> str:
        """The full name of a type that is known. Raises RosError."""
        full = check_type(type_)
        if full not in self._whole:
            self._check(full, ())
            self._whole.add(full)
        return full

    def _check(self, type_: str, above: tuple[str, ...]) -> None:
        if type_ in above:
            raise RosError(f"{type_} holds itself; that can't be.")
        if type_ not in self.store.fielddefs:
            needs = f", which {above[0]} needs," if above else ""
            raise RosError(f"{type_}{needs} isn't known here: name the folder of its package with --packages.")
        fields: Any = self.store.fielddefs[type_][1]
        for _, (node, inner) in fields:
            element = (node, inner) if node in (BASE, NAME) else inner[0]
            if element[0] == NAME and element[1] not in self._whole:
                self._check(element[1], (*above, type_))

    def hash(self, type_: str) -> str:
        """The hash of a message's or service's type, RIHS01_ and 64 digits (REP 2016)."""
        made = self._hashes.get(type_)
        if made is None:
            made = self._hashes[type_] = self._descriptions().hash_rihs01(self.check(type_))
        return made

    def definition(self, type_: str) -> str:
        """The definition of a message's type with all that it needs, as recordings hold it."""
        return self._descriptions().generate_msgdef(self.check(type_), ros_version=2)[0]

    def encode(self, message: object, type_: str) -> bytes:
        """A message in CDR, little-endian, with its header of 4 bytes. Raises BadValue."""
        try:
            if type_ in COMMANDS:
                finite(message, type_)
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
            finite(message, type_)
        return message

    def make(self, type_: str, values: Mapping[str, object] | None = None, /, **more: object) -> Any:
        """A message from values by the names of its fields, zeros for the others; checks each. Raises BadValue."""
        return self._make(self.check(type_), {**(values or {}), **more}, type_)

    def plain(self, message: object) -> dict[str, Any]:
        """A message as JSON can hold it; numbers that are none (NaN, infinities) become None."""
        fields = self.store.fielddefs[message.__msgtype__][1]  # type: ignore[attr-defined]
        return {name: self._plain(getattr(message, name)) for name, _ in fields if name != EMPTY}

    def _plain(self, value: Any) -> Any:
        if hasattr(value, "__msgtype__"):
            return self.plain(value)
        if isinstance(value, np.ndarray):
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                return [each if math.isfinite(each) else None for each in value.tolist()]
            return value.tolist()
        if isinstance(value, list):
            return [self._plain(each) for each in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    def _make(self, type_: str, values: Mapping[str, object], where: str) -> Any:
        fields = self.store.fielddefs[type_][1]
        if unknown := values.keys() - {name for name, _ in fields}:
            known = ", ".join(name for name, _ in fields if name != EMPTY) or "no fields"
            raise BadValue(f"{where} has no {', '.join(sorted(map(str, unknown)))}; it has {known}.")
        if type_ == "geometry_msgs/msg/Quaternion":
            values = values or {"w": 1.0}  # no turn: the default of its definition
        made = {name: self._value(desc, values.get(name), f"{where}.{name}") for name, desc in fields}
        message = self.store.types[type_](**made)
        if type_ in COMMANDS:
            finite(message, where)
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
            return single(inner[0], inner[1], value, where)
        (kind, of), bound = inner
        items = [] if value is None else value
        if isinstance(items, bytes | bytearray | memoryview) and kind == BASE and of[0] in ("uint8", "byte", "char"):
            items = np.frombuffer(items, np.uint8)
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
            raise BadValue(f"{where} must be a list.")
        if kind == BASE and of[0] != "string":
            return numbers(of[0], items, node, bound, value is None, where)
        made = [self._value((kind, of), each, f"{where}[{i}]") for i, each in enumerate(items)]
        if node == ARRAY and value is None:
            made = [self._value((kind, of), None, where) for _ in range(bound)]
        check_length(len(made), node, bound, where)
        return made

    def _register(self, name: str, fields: list[tuple[str, Description]]) -> None:
        from rosbags.typesys.base import TypesysError

        own = without_chars(fields) or [(EMPTY, UINT8)]
        try:
            self.store.register({name: ([], bytes_as_numbers(own))})  # type: ignore[dict-item]
        except TypesysError as error:
            raise RosError(f"{name} is known with another definition: {error}") from error
        self.described.setdefault(name, ([], own))

    def _descriptions(self) -> Typestore:
        from rosbags.typesys.store import Typestore

        made = Typestore()
        made.fielddefs = self.described
        return made

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
