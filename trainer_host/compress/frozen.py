"""Rounds a fine-tune's weights with the scales of the model that it began with, into the very layout of its files.

Weights that were trained on a little then mostly round to the integers that they rounded to before, so that the new
bundle is sent as a small difference from the old one (see `trainer_host.release.delta`). Ranges of activations are the
base's too. Whether that keeps the accuracy is the gate's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx
    from ai_edge_litert import schema_py_generated as schema

# By how much the squared error of a row in 8 bits may grow with its base's scale, or it gets its own in the same place:
# a bit's worth, since the eighth is seldom needed.
MOST_ERROR = 4.0
INT8 = 127  # the largest integer of weights
_INT32, _INT8 = "int32", "int8"


def kept_scales(rows: np.ndarray, base: np.ndarray, bound: int) -> np.ndarray:
    """The base's scale of each row where it still fits, else its own; float32 [rows, n] and [rows] -> [rows].

    bound: the largest integer, 127 of int8.
    """
    own = (np.abs(rows).max(1) / np.float32(bound)).astype(np.float32)
    own, base = np.where(own > 0, own, base), np.where(base > 0, base, own)
    if not (own > 0).all():  # a row of zeros takes any scale
        own, base = (np.where(own > 0, scales, np.float32(1)) for scales in (own, base))
    fits = _errors(rows, base, bound) <= MOST_ERROR * _errors(rows, own, bound)
    return np.where(fits, base, own).astype(np.float32)


def _errors(rows: np.ndarray, scales: np.ndarray, bound: int) -> np.ndarray:
    rounded = np.clip(np.rint(rows / scales[:, None]), -bound, bound)
    return ((rounded * scales[:, None] - rows) ** 2).sum(1)


def requantize_onnx(source: Path, target: Path, base: Path, base_int8: Path) -> bool:
    """Write `source`, float32, as the file `base_int8` was made of `base`; False, and nothing, where the graphs differ.

    base_int8: of `quantize_onnx`, whose names of constants this relies on.
    """
    import onnx
    from onnx import numpy_helper

    new, old, made = (onnx.load(path) for path in (source, base, base_int8))
    if not _same_graph(new, old):
        return False
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in new.graph.initializer}
    held = {tensor.name: tensor for tensor in made.graph.initializer}
    grown: dict[str, np.ndarray] = {}  # by how much a weight's scales changed
    for stem, tensor, kind in _integers(held, values):
        if kind != _INT8:
            continue
        codes = numpy_helper.to_array(tensor)
        scale = held[f"{stem}_scale"]
        before = numpy_helper.to_array(scale)
        axis = _axis(made, tensor.name) if before.ndim else None
        if axis is None:
            rows = values[stem].reshape(1, -1)
        else:
            rows = np.moveaxis(values[stem], axis, 0).reshape(before.size, -1)
        bound = max(1, int(np.abs(codes.astype(np.int16)).max()))
        after = kept_scales(rows, before.reshape(-1), bound)
        grown[stem] = after / before.reshape(-1)
        spread = after.reshape([-1 if at == axis else 1 for at in range(codes.ndim)]) if axis is not None else after[0]
        _put(tensor, np.clip(np.rint(values[stem] / spread), -bound, bound).astype(np.int8))
        _put(scale, after.reshape(before.shape))
    for stem, tensor, kind in _integers(held, values):
        if kind != _INT32:
            continue
        scale = held[f"{stem}_quantized_scale"]
        weight = _weight_beside(made, stem)
        steps = numpy_helper.to_array(scale) * grown.get(weight, np.float32(1))
        _put(scale, steps.astype(np.float32))
        _put(tensor, np.rint(values[stem] / steps).clip(-(2**31), 2**31 - 1).astype(np.int32))
    for name, tensor in held.items():
        if name in values and tensor.data_type == onnx.TensorProto.FLOAT:
            _put(tensor, values[name])
    onnx.save(made, target)
    return True


def _same_graph(one: onnx.ModelProto, other: onnx.ModelProto) -> bool:
    """Whether two models are the same but for the values of their constants of float32."""
    import onnx

    bare = []
    for model in (one, other):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        for tensor in copy.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                tensor.ClearField("raw_data")
                tensor.ClearField("float_data")
        bare.append(copy.SerializeToString(deterministic=True))
    return bare[0] == bare[1]


def _integers(
    held: dict[str, onnx.TensorProto], values: dict[str, np.ndarray]
) -> Iterator[tuple[str, onnx.TensorProto, str]]:
    """What was rounded: its name in float, its constant, and int8 or int32 (of a bias)."""
    import onnx

    kinds: dict[int, str] = {onnx.TensorProto.INT8: _INT8, onnx.TensorProto.INT32: _INT32}
    for name, tensor in held.items():
        for ending in ("_quantized", "_int8"):  # of onnxruntime's quantizer, and of `_quantize_tables`
            stem = name.removesuffix(ending)
            if stem != name and stem in values and tensor.data_type in kinds:
                yield stem, tensor, kinds[tensor.data_type]


def _axis(model: onnx.ModelProto, constant: str) -> int:
    """Along which axis a constant has its scales."""
    node = next(node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] == constant)
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)


def _weight_beside(model: onnx.ModelProto, bias: str) -> str:
    """The name of the weight that a bias belongs to: a bias is rounded in the steps of its products."""
    user = next(node for node in model.graph.node if len(node.input) > 2 and node.input[2] == bias)
    giver = next(node for node in model.graph.node if user.input[1] in node.output)
    return giver.input[0].removesuffix("_quantized")


def _put(tensor: onnx.TensorProto, value: np.ndarray) -> None:
    """Other numbers in the same field, so that the file keeps its layout."""
    assert list(value.shape) == list(tensor.dims)
    if tensor.HasField("raw_data"):
        tensor.raw_data = value.tobytes()
    else:
        field = tensor.float_data if value.dtype == np.float32 else tensor.int32_data
        field[:] = value.reshape(-1).tolist()


def requantize_tflite(source: Path, target: Path, base: Path, base_int8: Path) -> bool:
    """As `requantize_onnx`, for TFLite files."""
    from ai_edge_litert import schema_py_generated as schema

    new, old = _Flat(source.read_bytes()), _Flat(base.read_bytes())
    made = _Flat(bytearray(base_int8.read_bytes()))
    if new.layout() != old.layout():
        return False
    kinds = schema.TensorType
    grown: dict[int, np.ndarray] = {}
    written: dict[int, bytes] = {}
    constants = [(at, new.tensors[tensor.Name()]) for at, tensor in enumerate(made.listed) if made.size(tensor)]
    constants = [(at, found) for at, found in constants if new.size(found) and found.Type() == kinds.FLOAT32]
    # A bias is rounded in the steps of its weight's products, so weights come first.
    for at, found in sorted(constants, key=lambda each: made.listed[each[0]].Type() == kinds.INT32):
        tensor = made.listed[at]
        value = new.bytes_of(found).view(np.float32).reshape(_shape(found))
        if tensor.Type() == kinds.INT8:
            codes = made.bytes_of(tensor).view(np.int8)
            scales = _scales(tensor)
            axis = tensor.Quantization().QuantizedDimension()
            rows = value.reshape(1, -1) if scales.size == 1 else np.moveaxis(value, axis, 0).reshape(scales.size, -1)
            bound = max(1, int(np.abs(codes.astype(np.int16)).max()))
            after = kept_scales(rows, scales, bound)
            grown[at] = after / scales
            spread = after.reshape([-1 if i == axis else 1 for i in range(value.ndim)]) if scales.size > 1 else after
            content = np.clip(np.rint(value / spread), -bound, bound).astype(np.int8).tobytes()
            scales[:] = after
        elif tensor.Type() == kinds.INT32:
            scales = _scales(tensor)
            scales *= grown.get(made.weight_beside(at), np.float32(1))
            content = np.rint(value.reshape(-1) / scales).clip(-(2**31), 2**31 - 1).astype(np.int32).tobytes()
        elif tensor.Type() == kinds.FLOAT32:
            content = value.tobytes()
        else:
            return False
        if written.setdefault(tensor.Buffer(), content) != content:  # tensors that were equal, and aren't now
            return False
        made.bytes_of(tensor)[:] = np.frombuffer(content, np.uint8)
    target.write_bytes(made.raw)
    return True


def _shape(tensor: schema.Tensor) -> tuple[int, ...]:
    return tuple(tensor.Shape(i) for i in range(tensor.ShapeLength()))


def _scales(tensor: schema.Tensor) -> np.ndarray:
    """The scales where they stand in the file."""
    found: np.ndarray = tensor.Quantization().ScaleAsNumpy()
    return found


class _Flat:
    """A TFLite file of one graph, whose constants can be changed in their places where `raw` can."""

    def __init__(self, raw: bytes | bytearray) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.raw = raw
        self._model = schema.Model.GetRootAs(raw, 0)
        self._graph = self._model.Subgraphs(0)
        self.listed = [self._graph.Tensors(i) for i in range(self._graph.TensorsLength())]
        self.tensors = {tensor.Name(): tensor for tensor in self.listed}

    def size(self, tensor: schema.Tensor) -> int:
        """Bytes of a constant, 0 of what isn't one."""
        buffer = self._model.Buffers(tensor.Buffer())
        return int(buffer.Size() if buffer.Offset() > 1 else buffer.DataLength())

    def bytes_of(self, tensor: schema.Tensor) -> np.ndarray:
        """The bytes of a constant where they stand, uint8."""
        buffer = self._model.Buffers(tensor.Buffer())
        if buffer.Offset() > 1:  # the quantizer puts long buffers behind the flat buffer
            return np.frombuffer(self.raw, np.uint8, buffer.Size(), buffer.Offset())
        found: np.ndarray = buffer.DataAsNumpy()
        return found

    def layout(self) -> list[object]:
        """All but the values of float32: two files of the same layout compute the same with other weights."""
        from ai_edge_litert import schema_py_generated as schema

        made: list[object] = []
        for tensor in self.listed:
            content = (
                b""
                if tensor.Type() == schema.TensorType.FLOAT32
                else self.bytes_of(tensor).tobytes()
                if self.size(tensor)
                else b""
            )
            made.append((tensor.Name(), tensor.Type(), _shape(tensor), tensor.Buffer(), self.size(tensor), content))
        for i in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(i)
            made.append(
                (operator.OpcodeIndex(), *operator.InputsAsNumpy().tolist(), *operator.OutputsAsNumpy().tolist())
            )
        return made

    def weight_beside(self, bias: int) -> int:
        """The tensor that is the weight of a bias."""
        for i in range(self._graph.OperatorsLength()):
            inputs = self._graph.Operators(i).InputsAsNumpy()
            if len(inputs) > 2 and inputs[2] == bias:
                return int(inputs[1])
        return -1
