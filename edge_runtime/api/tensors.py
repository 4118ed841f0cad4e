"""Tensors on the wire, as the Open Inference Protocol writes them: numbers in JSON, or their bytes behind it.

Source: Open Inference Protocol 2 (KServe), "Inference Request JSON Object", and the binary tensor data extension
(Triton): raw little-endian values in row-major order, their lengths in the JSON, and the JSON's own length in the
header `Inference-Header-Content-Length`.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from edge_runtime.engines import Tensor
from edge_runtime.errors import BadRequest, EngineError

Json = dict[str, object]
MOST_TENSORS = 64
_NAMES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
DTYPES = {name: np.dtype(kind) for name, kind in _NAMES.items()}
_DATATYPES = {dtype: name for name, dtype in DTYPES.items()}
_LITTLE = sys.byteorder == "little"


@dataclass(frozen=True)
class Given:
    """An input as a request's JSON has it: its numbers, or where its bytes stand behind the JSON (`values` is None)."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    values: np.ndarray | None
    at: int = 0
    size: int = 0


@functools.lru_cache(maxsize=64)  # asked for every tensor of every request
def datatype(dtype: np.dtype) -> str:
    """The protocol's name of a dtype; raises `EngineError` for one that it has no name for."""
    name = _DATATYPES.get(dtype.newbyteorder("="))
    if name is None:
        raise EngineError(f"The protocol has no name for {dtype}; ask with POST /v1/run instead.")
    return name


def metadata(tensor: Tensor) -> Json:
    """Name, datatype and shape, with -1 where any size goes."""
    shape = [-1 if size is None else size for size in tensor.shape]
    return {"name": tensor.name, "datatype": datatype(tensor.dtype), "shape": shape}


def read_inputs(request: Json, wanted: Sequence[Tensor]) -> list[Given]:
    """The inputs of a request, each of the dtype and shape that the model takes; raises `BadRequest`.

    Nothing is converted: a model that takes int8 gets no float.
    """
    raw = request.get("inputs")
    if not isinstance(raw, list) or not 1 <= len(raw) <= MOST_TENSORS:
        raise BadRequest(f"`inputs` must be a list of 1 to {MOST_TENSORS} tensors.")
    specs = {tensor.name: tensor for tensor in wanted}
    found: dict[str, Given] = {}
    at = 0
    for number, item in enumerate(raw):
        where = f"inputs[{number}]"
        if not isinstance(item, dict) or not isinstance(name := item.get("name"), str):
            raise BadRequest(f'{where} must be {{"name", "shape", "datatype", "data"}}.')
        spec = specs.get(name)
        if spec is None or name in found:
            what = "is given twice" if spec else f"isn't one of {', '.join(specs)}"
            raise BadRequest(f"{where}: the input '{name[:40]}' {what}.")
        shape = _shape(item.get("shape"), spec, where)
        if item.get("datatype") != datatype(spec.dtype):
            raise BadRequest(f"{where}: '{name}' takes {datatype(spec.dtype)}, not {str(item.get('datatype'))[:20]}.")
        size = _binary_size(item.get("parameters"), where)
        if size is None:
            found[name] = Given(name, spec.dtype, shape, _from_json(item.get("data"), spec, shape, where))
            continue
        expected = math.prod(shape) * spec.dtype.itemsize
        if "data" in item or size != expected:
            raise BadRequest(f"{where}: '{name}' has {expected:,} bytes behind the JSON; send exactly those.")
        found[name] = Given(name, spec.dtype.newbyteorder("<"), shape, None, at, size)
        at += size
    if missing := sorted(specs.keys() - found.keys()):
        raise BadRequest(f"The input '{missing[0]}' is missing; the model takes {', '.join(specs)}.")
    return list(found.values())


def filled(given: Sequence[Given], body: bytes, begins: int) -> dict[str, np.ndarray]:
    """The arrays of inputs, with their bytes out of a body behind its JSON, which `begins` bytes have; raises `BadRequest`."""
    made: dict[str, np.ndarray] = {}
    end = begins
    for each in given:
        if each.values is None:
            end = begins + each.at + each.size
            if end > len(body):
                raise BadRequest(f"'{each.name}' has {each.size:,} bytes behind the JSON; send exactly those.")
            array = np.frombuffer(body, each.dtype, each.size // each.dtype.itemsize, begins + each.at)
            made[each.name] = array.reshape(each.shape)
        else:
            made[each.name] = each.values
    if end != len(body):
        raise BadRequest(f"The body goes on for {len(body) - end:,} bytes that belong to no input.")
    return made


def write_tensors(request: Json, made: Mapping[str, np.ndarray]) -> tuple[list[Json], bytes]:
    """The outputs that a request asks for, all by default, and the bytes to stand behind the JSON.

    Raises `BadRequest` for an output that there isn't, `EngineError` for a number that JSON has no form of.
    """
    every = _flag(request.get("parameters"), "binary_data_output", "parameters")
    wanted: dict[str, bool] = dict.fromkeys(made, every)
    raw = request.get("outputs")
    if raw is not None:
        if not isinstance(raw, list) or not 1 <= len(raw) <= MOST_TENSORS:
            raise BadRequest(f"`outputs` must be a list of 1 to {MOST_TENSORS} names of tensors.")
        wanted = {}
        for number, item in enumerate(raw):
            where = f"outputs[{number}]"
            if not isinstance(item, dict) or not isinstance(name := item.get("name"), str) or name not in made:
                raise BadRequest(f'{where} must be {{"name"}} with one of {", ".join(made)}.')
            parameters = item.get("parameters")
            told = isinstance(parameters, dict) and "binary_data" in parameters
            wanted[name] = _flag(parameters, "binary_data", where) if told else every
    listed: list[Json] = []
    tail: list[bytes] = []
    for name, binary in wanted.items():
        value = made[name]
        item = {"name": name, "datatype": datatype(value.dtype), "shape": list(value.shape)}
        if binary:
            content = raw_bytes(value)
            tail.append(content)
            listed.append({**item, "parameters": {"binary_data_size": len(content)}})
        else:
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise EngineError(f"The output '{name}' holds a number that JSON can't write; ask for binary data.")
            listed.append({**item, "data": value.reshape(-1).tolist()})
    return listed, b"".join(tail)


def raw_bytes(value: np.ndarray) -> bytes:
    """An array's values as the protocol has them."""
    return value.tobytes() if _LITTLE else value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()


def _shape(raw: object, spec: Tensor, where: str) -> tuple[int, ...]:
    whole = isinstance(raw, list) and all(isinstance(size, int) and not isinstance(size, bool) for size in raw)
    shape = tuple(cast("list[int]", raw)) if whole else ()
    fits = len(shape) == len(spec.shape) and all(
        size >= 0 and fixed in (None, size) for size, fixed in zip(shape, spec.shape, strict=True)
    )
    if not whole or not fits:
        wanted = [-1 if size is None else size for size in spec.shape]
        raise BadRequest(f"{where}: '{spec.name}' takes the shape {wanted}, where -1 is any size.")
    return shape


def _from_json(data: object, spec: Tensor, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Numbers, flat or nested as the shape has it."""
    count = math.prod(shape)
    flat = _flat(data, len(shape))
    if flat is None or len(flat) != count:
        raise BadRequest(f"{where}: `data` of '{spec.name}' must have {count:,} numbers.")
    kind = spec.dtype.kind
    types: tuple[type, ...] = (bool,) if kind == "b" else (int,) if kind in "iu" else (int, float)
    if any(type(value) not in types for value in flat):
        expected = "true and false" if kind == "b" else "whole numbers" if kind in "iu" else "numbers"
        raise BadRequest(f"{where}: `data` of '{spec.name}' must hold {expected} alone.")
    beyond = BadRequest(f"{where}: `data` of '{spec.name}' has a number beyond {datatype(spec.dtype)}.")
    if kind in "iu" and flat:
        limits, whole = np.iinfo(spec.dtype), cast("list[int]", flat)
        if min(whole) < limits.min or max(whole) > limits.max:  # numpy 1 would wrap them
            raise beyond
    try:
        made = np.array(flat, np.float64 if kind == "f" else spec.dtype).reshape(shape)
    except OverflowError:
        raise beyond from None
    with np.errstate(over="ignore"):
        narrowed = made.astype(spec.dtype)
    if kind == "f" and not np.isfinite(narrowed).all():
        raise beyond
    return narrowed


def _flat(data: object, depth: int) -> list[object] | None:
    if not isinstance(data, list):
        return None
    level: list[object] = data
    for _ in range(depth - 1):
        if not level or not all(isinstance(item, list) for item in level):
            break
        level = [value for item in level for value in cast("list[object]", item)]
    return level


def _binary_size(parameters: object, where: str) -> int | None:
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise BadRequest(f"{where}: `parameters` must be an object.")
    size = parameters.get("binary_data_size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise BadRequest(f"{where}: `binary_data_size` must be a number of bytes.")
    return size


def _flag(parameters: object, name: str, where: str) -> bool:
    if parameters is None:
        return False
    value = parameters.get(name, False) if isinstance(parameters, dict) else None
    if not isinstance(value, bool):
        raise BadRequest(f"{where}: `{name}` must be true or false.")
    return value
