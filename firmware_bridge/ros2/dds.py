"""What is used of CycloneDDS, and its classes of the types of ROS 2; imported when the first graph over DDS opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cyclonedds.builtin import (
    BuiltinDataReader,
    BuiltinTopicDcpsParticipant,
    BuiltinTopicDcpsPublication,
    BuiltinTopicDcpsSubscription,
)
from cyclonedds.core import (
    DDSException,
    GuardCondition,
    InstanceState,
    Policy,
    Qos,
    ReadCondition,
    SampleState,
    ViewState,
    WaitSet,
)
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import make_idl_struct
from cyclonedds.idl import types as _idl_types
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

from firmware_bridge.ros2.definitions import ARRAY, BASE, NAME, Description
from firmware_bridge.ros2.names import dds_type
from firmware_bridge.ros2.types import Types

idl: Any = _idl_types  # its classes are made by indexing, which their types don't say
_made: dict[tuple[str, str], Any] = {}
_SERVICES = ("_SendGoal_", "_GetResult_")


class Taken:
    """A sample as it came."""

    __slots__ = ("data", "sample_info")

    def __init__(self, data: bytes) -> None:
        self.data = data


def idl_class(types: Types, type_: str) -> Any:
    """CycloneDDS' class of a type: it tells others the type, and takes and gives its bytes as they are.

    Its own coding of a message takes ten times as long as rosbags'. `raw(data)` makes a sample of bytes.
    """
    key = (types.distro.value, type_)
    if key not in _made:
        served = type_.split("/")[1] == "srv" or any(each in type_ for each in _SERVICES)
        before: dict[str, Any] = {"guid": idl.uint64, "seq": idl.int64} if served else {}
        kind: Any = make_idl_struct(_name(type_), dds_type(type_), before | _fields(types, type_))
        kind.raw = staticmethod(_raw(kind))
        kind.serialize = lambda self, *_, **__: self.data
        kind.deserialize = kind.deserialize_key = staticmethod(lambda data, *_, **__: Taken(data))
        _made[key] = kind
    return _made[key]


def _raw(kind: Any) -> Callable[[bytes], Any]:
    def make(data: bytes) -> Any:
        sample = object.__new__(kind)
        sample.data = data
        return sample

    return make


def _name(type_: str) -> str:
    return dds_type(type_).replace("::", "_")


def _fields(types: Types, type_: str) -> dict[str, Any]:
    return {name: _field(types, desc) for name, desc in types.described[type_][1]}


def _field(types: Types, desc: Description | Any) -> Any:
    node, inner = desc
    if node == BASE:
        kind, bound = inner
        if kind in ("string", "wstring"):
            return idl.bounded_str[bound] if bound else str
        return bool if kind == "bool" else getattr(idl, kind)
    if node == NAME:
        key = (types.distro.value, f"within {inner}")
        if key not in _made:
            _made[key] = make_idl_struct(_name(inner), dds_type(inner), _fields(types, inner))
        return _made[key]
    of, bound = inner
    element = _field(types, of)
    if node == ARRAY:
        return idl.array[element, bound]
    return idl.sequence[element, bound] if bound else idl.sequence[element]


__all__ = [
    "BuiltinDataReader",
    "BuiltinTopicDcpsParticipant",
    "BuiltinTopicDcpsPublication",
    "BuiltinTopicDcpsSubscription",
    "DDSException",
    "DataReader",
    "DataWriter",
    "Domain",
    "DomainParticipant",
    "GuardCondition",
    "InstanceState",
    "Policy",
    "Qos",
    "ReadCondition",
    "SampleState",
    "Topic",
    "ViewState",
    "WaitSet",
    "idl_class",
    "make_idl_struct",
]
