"""Reads .onnx files as far as loading needs: where their weights lie, and laying these out to be mapped from the disk.

A device has no package that reads ONNX, and needs a few fields alone (numbers from onnx.proto, wire format of protobuf).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from edge_runtime.errors import EngineError
from edge_runtime.unchanged import State, settled, state_of

LEAST = 4096  # bytes of a weight that is moved: smaller ones would take a page each
_PAGE = 4096  # a mapping begins on a page
_PIECE = 1 << 16  # bytes that are looked at at once: they stay in a processor's cache
_SEARCHED = 4 << 20  # bytes up to which a file is searched for a word rather than read by its structure
_compared: set[State] = set()  # files and their copies that were alike
_MOST = 1024  # of these that are remembered
_DEPTH = 32  # of graphs within graphs
# Where graphs, nodes and tensors lie in each other: message -> field -> message.
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION, _TRAINING = range(8)
_INSIDE = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 9, 13, 14
_EXTERNAL = 1
_KEY, _VALUE = 1, 2  # of an entry of external_data


@dataclass(frozen=True)
class _Field:
    """A field of a message: from its key to its end, and its value, in bytes of the file."""

    number: int
    wire: int
    start: int
    at: int
    end: int


@dataclass(frozen=True)
class _Weight:
    """Bytes of the file that move to an offset of the file of weights."""

    start: int
    end: int
    offset: int


def check_outside(path: Path) -> bool:
    """Whether a model has weights in other files; raises `EngineError` unless these are files beside it.

    Every file of a bundle is flat and covered by its hash, so that a name without a folder leads nowhere else.
    """
    # Each such weight says its place under this name.
    if path.stat().st_size <= _SEARCHED and not _mentions(path, b"location"):
        return False
    if path.stat().st_size == 0:
        return False  # the runtime says what is wrong
    with _mapped(path) as data:
        names = set(_outside(data, _MODEL, 0, len(data), 0))
    for name in sorted(names):
        beside = path.parent / name
        if "/" in name or "\\" in name or name in ("", ".", "..") or beside.is_symlink() or not beside.is_file():
            raise EngineError(f"{path.name} wants weights from '{name[:64]}', which isn't a file of its bundle.")
    return bool(names)


def lay_out(path: Path, folder: Path) -> Path:
    """A file in `folder` of the same model, whose larger weights lie beside it, each from a page on.

    What lies there already is compared with `path`, and written anew where it differs: so who has checked `path`
    knows what is loaded. (Once in a process, while the disk says of neither that it changed.) Gives `path` itself where nothing can be moved. Raises `EngineError`; `OSError` where the
    disk is full.
    """
    beside = folder / f"{path.stem}.weights"
    with _mapped(path) as data:
        head, weights = _parted(data, beside.name)
        if not weights:
            return path
        folder.mkdir(mode=0o700, exist_ok=True)
        both = state_of(path, beside)
        if both not in _compared:
            if not _same(beside, data, weights):
                _replace(beside, lambda sink: _write(sink, data, weights))
            elif settled(both):
                if len(_compared) >= _MOST:
                    _compared.clear()
                _compared.add(both)
    graph = folder / path.name
    if not graph.is_file() or graph.read_bytes() != head:
        _replace(graph, lambda sink: sink.write(head))
    return graph


def without_weights(path: Path) -> bytes | None:
    """The model without its larger weights, each of which says where it lies in `path`; None where there are none.

    A runtime that maps them from there and packs them one after the other never holds them twice.
    """
    with _mapped(path) as data:
        head, weights = _parted(data, path.name, in_place=True)
    return head if weights else None


def _parted(data: memoryview, name: str, in_place: bool = False) -> tuple[bytes, list[_Weight]]:
    """The model without its larger weights, and these. in_place: they stay where they are, else each gets its pages."""
    weights: list[_Weight] = []
    out = bytearray()
    for field in _fields(data, 0, len(data)):
        if field.number != _MODEL_GRAPH:
            out += data[field.start : field.end]
            continue
        graph = bytearray()
        for inner in _fields(data, field.at, field.end):
            if inner.number == _GRAPH_INITIALIZER and (weight := _movable(data, inner, weights)) is not None:
                weight = replace(weight, offset=weight.start) if in_place else weight
                weights.append(weight)
                graph += _message(_GRAPH_INITIALIZER, _pointing(data, inner, weight, name))
            else:
                graph += data[inner.start : inner.end]
        out += _message(_MODEL_GRAPH, bytes(graph))
    return bytes(out), weights


def _movable(data: memoryview, tensor: _Field, before: list[_Weight]) -> _Weight | None:
    """Where the bytes of a weight go, None where it stays."""
    fields = list(_fields(data, tensor.at, tensor.end))
    raw = [field for field in fields if field.number == _RAW_DATA]
    elsewhere = any(field.number in (_EXTERNAL_DATA, _DATA_LOCATION) for field in fields)
    if elsewhere or len(raw) != 1 or raw[0].end - raw[0].at < LEAST:
        return None
    behind = before[-1].offset + before[-1].end - before[-1].start if before else 0
    return _Weight(raw[0].at, raw[0].end, behind + -behind % _PAGE)


def _pointing(data: memoryview, tensor: _Field, weight: _Weight, name: str) -> bytes:
    kept = [data[f.start : f.end] for f in _fields(data, tensor.at, tensor.end) if f.number != _RAW_DATA]
    entries = {"location": name, "offset": str(weight.offset), "length": str(weight.end - weight.start)}
    told = [
        _message(_EXTERNAL_DATA, _message(_KEY, key.encode()) + _message(_VALUE, value.encode()))
        for key, value in entries.items()
    ]
    return b"".join([*kept, *told, _varint(_DATA_LOCATION << 3), _varint(_EXTERNAL)])


def _same(beside: Path, data: memoryview, weights: list[_Weight]) -> bool:
    """Whether a file holds these weights at their offsets, and ends behind the last."""
    last = weights[-1]
    try:
        with beside.open("rb") as source:
            if os.fstat(source.fileno()).st_size != last.offset + last.end - last.start:
                return False
            for weight in weights:
                source.seek(weight.offset)
                for at in range(weight.start, weight.end, _PIECE):
                    piece = bytes(data[at : min(at + _PIECE, weight.end)])
                    if source.read(len(piece)) != piece:
                        return False
    except FileNotFoundError:
        return False
    return True


def _write(sink: BinaryIO, data: memoryview, weights: list[_Weight]) -> None:
    for weight in weights:
        sink.seek(weight.offset)
        sink.write(data[weight.start : weight.end])


def _outside(data: memoryview, message: int, start: int, end: int, depth: int) -> Iterator[str]:
    """The files that tensors name, wherever they lie in a model."""
    if depth > _DEPTH * 3:  # a graph lies in an attribute of a node of a graph
        raise EngineError("The model has graphs within graphs without end; build the bundle again.")
    for field in _fields(data, start, end):
        if message == _TENSOR:
            if field.number == _EXTERNAL_DATA:
                entry = {f.number: bytes(data[f.at : f.end]) for f in _fields(data, field.at, field.end)}
                if entry.get(_KEY) == b"location":
                    yield entry.get(_VALUE, b"").decode("utf-8", "replace")
        elif field.number in _INSIDE[message] and field.wire == 2:
            yield from _outside(data, _INSIDE[message][field.number], field.at, field.end, depth + 1)


def _fields(data: memoryview, start: int, end: int) -> Iterator[_Field]:
    """The fields of a message; raises `EngineError` where it is cut."""
    at = start
    while at < end:
        begin = at
        key, at = _read_varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == 0:
            _, stop = _read_varint(data, at, end)
        elif wire == 2:
            length, at = _read_varint(data, at, end)
            stop = at + length
        else:
            stop = at + {1: 8, 5: 4}.get(wire, end)  # other kinds don't exist in ONNX
        if stop > end:
            raise _damaged()
        yield _Field(number, wire, begin, at, stop)
        at = stop


def _read_varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise _damaged()
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _damaged()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _damaged() -> EngineError:
    return EngineError("The model isn't an ONNX file; build the bundle again.")


def _mentions(path: Path, word: bytes) -> bool:
    """Whether a file holds some bytes."""
    tail = b""
    with path.open("rb", buffering=0) as source:
        while piece := source.read(_PIECE):
            if word in piece or word in tail + piece[: len(word)]:
                return True
            tail = piece[-len(word) :]
    return False


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    with path.open("rb") as source:
        if os.fstat(source.fileno()).st_size == 0:
            raise _damaged()
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as held, memoryview(held) as view:
            yield view


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file in one step; who has the old one mapped keeps it."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as sink:
            write(sink)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
