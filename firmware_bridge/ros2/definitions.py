"""Definitions of types: what rosbags knows of each release, and what .msg, .srv and .action files say."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware_bridge.errors import RosError
from firmware_bridge.ros2.names import Distro

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

MAX_BYTES = 8 * 2**20  # of one message: a picture of 1920 x 1080 in colours has 6.2 MB
MAX_DEFINITION = 64 * 1024
BASE, NAME, ARRAY, SEQUENCE = 1, 2, 3, 4  # rosbags.interfaces.Nodetype
EMPTY = "structure_needs_at_least_one_member"  # what rosidl puts into a message without fields
UINT8 = (BASE, ("uint8", 0))

Description = tuple[int, Any]  # of a field, as rosbags has it: (node type, its arguments)
Fields = list[tuple[str, Description]]


@lru_cache(maxsize=1)
def rosbags() -> Any:
    """rosbags' module of types. Raises RosError."""
    try:
        from rosbags import typesys
    except ImportError as error:
        raise RosError("ROS 2's types need rosbags: pip install 'enigma[ros2]'.") from error
    return typesys


def coding(distro: Distro) -> Typestore:
    """The types of a release, for coding: here a byte is a number from 0 to 255, as in ROS; rosbags takes -128 to 127."""
    store: Typestore = rosbags().get_typestore(rosbags().Stores(f"ros2_{distro.value}"))
    store.max_sequence_length = MAX_BYTES
    for name, (constants, fields) in list(store.fielddefs.items()):
        store.fielddefs[name] = (constants, bytes_as_numbers(without_chars(fields)))  # type: ignore[assignment]
    return store


@lru_cache(maxsize=2)
def described(distro: Distro) -> dict[str, Any]:
    """The types of a release as they are written, for hashes and definitions."""
    store = rosbags().get_typestore(rosbags().Stores(f"ros2_{distro.value}"))
    return {name: (constants, without_chars(fields)) for name, (constants, fields) in store.fielddefs.items()}


def without_chars(fields: Iterable[tuple[str, Any]]) -> Fields:
    """A char of ROS 2 is an uint8 (rosidl_adapter); with rosbags' own the hashes of types that have one are wrong."""
    return [(name, _other(desc, "char")) for name, desc in fields]


def bytes_as_numbers(fields: Iterable[tuple[str, Any]]) -> Fields:
    """A byte as an uint8, which has the same byte on the wire."""
    return [(name, _other(desc, "byte")) for name, desc in fields]


def _other(desc: Any, kind: str) -> Any:
    node, inner = desc
    if node == BASE:
        return UINT8 if inner[0] == kind else desc
    return desc if node == NAME else (node, (_other(inner[0], kind), inner[1]))


def text_of(path: Path) -> str:
    """A definition's text. Raises RosError."""
    if path.stat().st_size > MAX_DEFINITION:
        raise RosError(f"{path} is too long for a definition.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RosError(f"{path} is no text.") from error


def parts(text: str) -> list[str]:
    """What stands between the lines of three dashes."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip() == "---":
            parts.append([])
        else:
            parts[-1].append(line)
    return ["\n".join(part) + "\n" for part in parts]


def fields_of(full: str, text: str) -> Fields:
    """The fields of a definition. Raises RosError."""
    package = full.split("/", 1)[0]
    if not any(line.split("#", 1)[0].strip() for line in text.splitlines()):
        return []
    try:
        parsed = rosbags().get_types_from_msg(text, f"{package}/msg/Parsed")
    except rosbags().TypesysError as error:
        raise RosError(f"The definition of {full} can't be read: {error}") from error
    fields: Fields = list(parsed[f"{package}/msg/Parsed"][1])
    if "msg/wstring" in str(fields):
        raise RosError(f"{full} has a wstring, which can't be used here.")
    return fields
