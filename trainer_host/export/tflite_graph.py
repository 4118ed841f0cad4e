"""Builds a .tflite file operator by operator: a flat buffer with one subgraph, one signature, and its weights behind it.

Format: schema.fbs of LiteRT, whose Python form comes with ai-edge-litert. A buffer may lie outside the flat buffer, at
an offset in the file: so the weights are aligned, aren't copied through a builder, and may have more than 2 GB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from trainer_host.errors import ExportError

if TYPE_CHECKING:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as fbs

_ALIGNMENT = 64  # bytes: a line of a processor's cache, and more than any kernel's vectors need
_UNKNOWN = 2  # an offset before the real one is known: 0 and 1 would mean that there is none


class FlatGraph:
    """A graph while it grows; tensors are known by their names."""

    def __init__(self) -> None:
        self._schema = schema()
        self._graph: fbs.SubGraphT = self._schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._names: dict[str, int] = {}
        self._codes: dict[int, int] = {}
        self._data: list[np.ndarray] = []

    def input(self, name: str, dtype: np.dtype | type, shape: Sequence[int]) -> str:
        """A tensor that the caller fills. shape: before anybody resizes it.

        Nothing is said about which axes may be resized: any may, and kernels that read of an open axis would give
        their tensors memory anew at every call.
        """
        self._tensor(name, dtype).shape = list(shape)
        return name

    def constant(self, name: str, value: np.ndarray, scales: np.ndarray | None = None) -> str:
        """A tensor that lies in the file. scales: of an int8 matrix [rows, columns], float32 [rows]."""
        made = self._tensor(name, value.dtype)
        made.shape = list(value.shape)
        self._data.append(np.ascontiguousarray(value))
        made.buffer = len(self._data)  # the buffer 0 is the empty one
        if scales is not None:
            self._scale(made, scales)
        return name

    def node(
        self,
        kind: str,
        inputs: Sequence[str],
        out: str,
        shape: Sequence[int],
        dtype: type = np.float32,
        **options: object,
    ) -> str:
        """An operator of one output; gives its name. options: fields of the schema's table of options."""
        made = self._schema.OperatorT()
        code = int(getattr(self._schema.BuiltinOperator, kind))
        made.opcodeIndex = self._codes.setdefault(code, len(self._codes))
        made.inputs = [self._names[name] for name in inputs]
        tensor = self._tensor(out, dtype)
        # The runtime finds the true sizes when it opens the file; what stands here has only to be as many.
        tensor.shape = [max(1, size) for size in shape]
        made.outputs = [self._names[out]]
        if options:
            table = "".join(part.capitalize() for part in _TABLES.get(kind, kind).split("_")) + "Options"
            made.builtinOptionsType = int(getattr(self._schema.BuiltinOptions, table))
            made.builtinOptions = getattr(self._schema, f"{table}T")()
            for key, value in options.items():
                setattr(made.builtinOptions, key, value)
        self._graph.operators.append(made)
        return out

    def write(self, path: Path, inputs: Sequence[str], outputs: Mapping[str, str], signature: str) -> None:
        """Write the file; its bytes depend on what was added alone. outputs: name in the signature -> tensor."""
        model = self._model(inputs, outputs, signature)
        places = [_UNKNOWN] * len(self._data)
        head = packed(model)
        at = len(head)
        for number, data in enumerate(self._data):
            at += -at % _ALIGNMENT
            places[number] = at
            at += data.nbytes
        for buffer, place in zip(model.buffers[1:], places, strict=True):
            buffer.offset = place
        head = packed(model)  # as long as before: offsets have a fixed size
        with path.open("wb") as sink:
            sink.write(head)
            for data, place in zip(self._data, places, strict=True):
                _fill(sink, place)
                sink.write(data.data)

    def _model(self, inputs: Sequence[str], outputs: Mapping[str, str], signature: str) -> fbs.ModelT:
        made = self._schema.ModelT()
        made.version = 3
        made.description = "enigma"
        made.operatorCodes = []
        for code in self._codes:
            operator = self._schema.OperatorCodeT()
            operator.builtinCode = code
            operator.deprecatedBuiltinCode = min(code, 127)  # a byte, for readers of before 2020
            made.operatorCodes.append(operator)
        self._graph.inputs = [self._names[name] for name in inputs]
        self._graph.outputs = [self._names[name] for name in outputs.values()]
        made.subgraphs = [self._graph]
        described = self._schema.SignatureDefT()
        described.signatureKey = signature
        described.inputs = [self._mapped(name, name) for name in inputs]
        described.outputs = [self._mapped(name, tensor) for name, tensor in outputs.items()]
        made.signatureDefs = [described]
        made.buffers = [self._schema.BufferT()]
        for data in self._data:
            buffer = self._schema.BufferT()
            buffer.offset, buffer.size = _UNKNOWN, data.nbytes
            made.buffers.append(buffer)
        return made

    def _scale(self, tensor: fbs.TensorT, scales: np.ndarray) -> None:
        tensor.quantization = self._schema.QuantizationParametersT()
        tensor.quantization.scale = scales.astype(np.float32)
        tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)

    def _mapped(self, name: str, tensor: str) -> fbs.TensorMapT:
        made = self._schema.TensorMapT()
        made.name, made.tensorIndex = name, self._names[tensor]
        return made

    def _tensor(self, name: str, dtype: np.dtype | type) -> fbs.TensorT:
        if name in self._names:
            raise ValueError(f"the graph has a tensor {name} already")
        kinds = {"float32": "FLOAT32", "int32": "INT32", "int8": "INT8"}
        made = self._schema.TensorT()
        made.name, made.type = name, int(getattr(self._schema.TensorType, kinds[np.dtype(dtype).name]))
        if made.type == self._schema.TensorType.INT8:
            self._scale(
                made, np.ones(1)
            )  # integers that mean themselves; kernels read a scale whether there is one or not
        self._names[name] = len(self._graph.tensors)
        self._graph.tensors.append(made)
        return made


# Whose table of options is called otherwise than the operator.
_TABLES = {"BATCH_MATMUL": "BATCH_MAT_MUL", "MEAN": "REDUCER", "REDUCE_MAX": "REDUCER", "SUM": "REDUCER"}


def schema() -> ModuleType:
    """The format's classes; raises `ExportError` where they aren't installed."""
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        raise ExportError(
            "Writing .tflite files needs ai-edge-litert; install Enigma with the extra 'litert'."
        ) from None
    made: ModuleType = schema_py_generated
    return made


def packed(model: fbs.ModelT, builder: flatbuffers.Builder | None = None) -> bytes:
    """The flat buffer of a model. builder: one of its own kind."""
    import flatbuffers

    builder = builder or flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _fill(sink: BinaryIO, place: int) -> None:
    sink.write(bytes(place - sink.tell()))
