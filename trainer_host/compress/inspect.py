"""Counts the bytes of weights by type in a model file: whether a file called int8 really is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from trainer_host.errors import ExportError

# Biases, norms, positions and a layer that a student keeps in float (`float_edges`) are few; weights are what counts.
LEAST_INT8_SHARE = 0.95
_ITEM_BYTES = {"int8": 1, "uint8": 1, "bool": 1, "int16": 2, "float16": 2, "int64": 8, "float64": 8}  # else 4


def weight_bytes(path: Path) -> dict[str, int]:
    """Bytes of constants by type name, as in {"int8": 530000, "float32": 3000}."""
    counts = {".onnx": _onnx_bytes, ".gguf": _gguf_bytes}.get(path.suffix, _tflite_bytes)(path)
    return dict(sorted(counts.items()))


def check_int8(path: Path, fp32: Path) -> dict[str, int]:
    """Raise `ExportError` unless nearly all weights, by number, are int8 and the file is less than half as long."""
    counts = weight_bytes(path)
    total = sum(count // _ITEM_BYTES.get(kind, 4) for kind, count in counts.items())
    share = counts.get("int8", 0) / total if total else 0.0
    size, before = path.stat().st_size, fp32.stat().st_size
    if share < LEAST_INT8_SHARE:
        raise ExportError(
            f"{path.name} is called int8, but only {share:.0%} of its weights are "
            f"({', '.join(f'{kind} {count:,} B' for kind, count in counts.items())}); "
            "change the layers that stay in float, or add them to trainer_host/compress/quantize.py."
        )
    if size > before / 2:
        raise ExportError(f"{path.name} has {size:,} bytes and its fp32 form {before:,}: too little was gained.")
    return counts


def _onnx_bytes(path: Path) -> Counter[str]:
    import onnx

    graph = onnx.load(path).graph
    # How int8 is read, a scale for each channel, is no weight; a TFLite file doesn't keep it as a tensor at all.
    reads = ("QuantizeLinear", "DequantizeLinear")
    steps = {name for node in graph.node if node.op_type in reads for name in node.input[1:]}
    counts: Counter[str] = Counter()
    for tensor in graph.initializer:
        if tensor.name in steps:
            continue
        array = onnx.numpy_helper.to_array(tensor)
        counts[str(array.dtype)] += array.nbytes
    return counts


def _gguf_bytes(path: Path) -> Counter[str]:
    from gguf import GGMLQuantizationType

    from trainer_host.students.language.gguf_values import read_values

    counts: Counter[str] = Counter()
    for blocks in read_values(path)[1].values():
        counts[GGMLQuantizationType(blocks.kind).name.lower()] += blocks.data.nbytes
    return counts


def _tflite_bytes(path: Path) -> Counter[str]:
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    counts: Counter[str] = Counter()
    seen: set[int] = set()
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            buffer = model.buffers[tensor.buffer]
            # The quantizer puts long buffers behind the flat buffer, at an offset in the file.
            size = len(buffer.data) if buffer.data is not None else buffer.size if buffer.offset > 1 else 0
            if size and tensor.buffer not in seen:
                seen.add(tensor.buffer)
                counts[names[tensor.type]] += size
    return counts
