"""Turns fp32 model files into int8 ones, with ranges measured on calibration inputs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import ExportError
from trainer_host.export.onnx import quiet, strip
from trainer_host.export.tflite import SIGNATURE, SilentDescriptors

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Inputs = dict[str, np.ndarray]

# The operators that hold nearly all weights and nearly all work. The rest (norms, softmax, sums) stays in
# float: it is a few percent of the time, and in int8 it is what loses the accuracy.
ONNX_OPERATORS = ["MatMul", "Gemm", "Conv"]
TFLITE_OPERATORS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")


def quantize_onnx(source: Path, target: Path, calibration: Iterable[Inputs], *, float_edges: bool = False) -> None:
    """Static QDQ int8, weights per channel; raises `ExportError`. Names of the inputs are those of the graph.

    float_edges: leave the first layer and those before the outputs in float. Never dynamic: that makes
    convolutions several times slower than fp32. Products of two activations (attention) stay in float too.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._rows = iter(calibration)

        def get_next(self) -> Inputs | None:
            return next(self._rows, None)

    model = onnx.load(source)
    try:
        with quiet():
            quantize_static(
                str(source),
                str(target),
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=ONNX_OPERATORS,
                nodes_to_exclude=_edges(model) if float_edges else [],
                # Two products of 8 bits overflow 16 where a processor has no VNNI; a convolution's sums are long enough
                # to show it. Weights of 7 bits can't.
                reduce_range=any(node.op_type == "Conv" for node in model.graph.node),
                extra_options={"MatMulConstBOnly": True},
            )
    except (RuntimeError, ValueError) as cause:
        raise ExportError(f"{source.name} can't be quantized: {str(cause)[:300]}") from None
    model = onnx.load(target)
    _quantize_tables(model)
    strip(model)
    # Nothing asks for nodes by name, nor for shapes that the runtime finds itself; in a small file they are a tenth.
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, target)


def _edges(model: onnx.ModelProto) -> list[str]:
    """Names of the first layer with weights, and of the layers that nothing with weights follows."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    layers = [n for n in graph.node if n.op_type in ONNX_OPERATORS and any(i in constants for i in n.input)]
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)

    def is_last(node: onnx.NodeProto) -> bool:
        after = [user for name in node.output for user in users.get(name, [])]
        return all(user not in layers and is_last(user) for user in after)

    return [node.name for i, node in enumerate(layers) if i == 0 or is_last(node)]


def _quantize_tables(model: onnx.ModelProto) -> None:
    """Make embedding tables int8, one scale each (see equalise.py), dequantized behind the lookup.

    The quantizer puts the dequantization before it, where the runtime turns the whole table into float at
    every call.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    uses = [name for node in graph.node for name in node.input]
    for node in list(graph.node):
        table = constants.get(node.input[0]) if node.op_type == "Gather" else None
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        if table is None or len(table.dims) != 2 or axis != 0 or uses.count(table.name) != 1:
            continue
        values = numpy_helper.to_array(table)
        if values.dtype != np.float32:
            continue
        scale = np.float32(max(float(np.abs(values).max()), 1e-12) / 127)
        rounded = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
        stem, result = table.name, node.output[0]
        graph.initializer.remove(table)
        graph.initializer.extend(
            [
                numpy_helper.from_array(rounded, f"{stem}_int8"),
                numpy_helper.from_array(np.array(scale, np.float32), f"{stem}_scale"),
                numpy_helper.from_array(np.array(0, np.int8), f"{stem}_zero"),
            ]
        )
        node.input[0] = f"{stem}_int8"
        node.output[0] = f"{result}_int8"
        back = helper.make_node(
            "DequantizeLinear",
            [f"{result}_int8", f"{stem}_scale", f"{stem}_zero"],
            [result],
            name=f"{node.name}_dequantize",
        )
        graph.node.insert(list(graph.node).index(node) + 1, back)


def quantize_tflite(
    source: Path, target: Path, calibration: Iterable[Inputs], *, float_edges: bool = False, full_ranges: bool = False
) -> None:
    """Static int8 (static_wi8_ai8) for layers, int8 tables for embeddings; raises `ExportError`.

    float_edges: leave the first layer and those that give the outputs in float. full_ranges: a layer's range is the
    widest of all rows, as in ONNX, not a running mean of theirs, which cuts off what few rows reach. Names of the inputs
    are the signature's. Inputs and outputs keep their types. Two choices are for tflite-runtime 2.14, whose hybrid
    kernels ignore scales per channel without any error: layers are static instead of dynamic, and embedding tables have
    one scale.
    """
    with quiet(), SilentDescriptors():
        from ai_edge_quantizer import algorithm_manager, calibrator, qtyping, quantizer, recipe_manager
        from ai_edge_quantizer.utils import qsv_utils

        from trainer_host.export.tflite_compact import compact

        operation = qtyping.TFLOperationName
        made = quantizer.Quantizer(str(source))
        for name in TFLITE_OPERATORS:
            made.add_static_config(".*", operation(name), activation_num_bits=8, weight_num_bits=8)
        for scope in _tflite_edges(source) if float_edges else ():
            made.update_quantization_recipe(
                scope, operation.FULLY_CONNECTED, algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE
            )
        made.add_dynamic_config(
            ".*",
            operation.EMBEDDING_LOOKUP,
            num_bits=8,
            granularity=qtyping.QuantGranularity.TENSORWISE,
        )
        try:
            data = {SIGNATURE: list(calibration)}
            if full_ranges:
                recipe = recipe_manager.RecipeManager()
                recipe.load_quantization_recipe(made.get_quantization_recipe())
                measured = calibrator.Calibrator(str(source), num_threads=1, qsv_update_func=qsv_utils.min_max_update)
                measured.calibrate(data, recipe)
                ranges = measured.get_model_qsvs()
            else:
                ranges = made.calibrate(data, num_threads=1)
            result = made.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
        except (RuntimeError, ValueError) as cause:
            raise ExportError(f"{source.name} can't be quantized: {str(cause)[:300]}") from None
    content = result.quantized_model
    if content is None:
        raise ExportError(f"{source.name} can't be quantized: it has no layer that int8 is made for.")
    target.write_bytes(compact(bytes(content)))


def _tflite_edges(source: Path) -> list[str]:
    """Patterns for the scopes of the first fully connected layer and of those that give the graph's outputs."""
    from ai_edge_litert.interpreter import Interpreter

    reader = Interpreter(model_path=str(source))
    names = {tensor["index"]: tensor["name"] for tensor in reader.get_tensor_details()}
    operators = reader._get_ops_details()  # the only list of operators that the runtime's package gives
    first = next(op for op in operators if op["op_name"] == "FULLY_CONNECTED")
    outputs = {tensor["index"] for tensor in reader.get_output_details()}
    last = [op for op in operators if op["op_name"] == "FULLY_CONNECTED" and set(op["outputs"]) & outputs]
    return [f"(^|;){re.escape(names[op['outputs'][0]])}(;|$)" for op in (first, *last)]
