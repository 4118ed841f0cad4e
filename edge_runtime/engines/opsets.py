"""Which graphs this device's onnxruntime can open, by the version of the operators that they are written in."""

from __future__ import annotations

import functools
import os

_OPSETS = (7, 64)  # the oldest that onnxruntime reads (its docs, "Compatibility"), and more than any will have soon


@functools.cache
def highest_opset() -> int:
    """The highest ONNX opset that onnxruntime opens here, found by opening graphs of one node; 0 where it lacks.

    Its version alone doesn't say: the table in its documentation ends before the newest release.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError:
        return 0
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an opset that isn't read is what is looked for

    def opens(opset: int) -> bool:
        try:
            onnxruntime.InferenceSession(_identity(opset), options, providers=["CPUExecutionProvider"])
        except Exception:  # onnxruntime's errors have no base of their own
            return False
        return True

    low, high = _OPSETS[0] - 1, _OPSETS[1]  # low opens, or nothing does; high doesn't
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if opens(middle) else (low, middle)
    return low if low >= _OPSETS[0] else 0


def _identity(opset: int) -> bytes:
    """A model of one node, y = Identity(x), in protobuf's wire format by the field numbers of onnx.proto3."""

    def field(number: int, content: bytes | int) -> bytes:
        if isinstance(content, int):
            return bytes([number << 3, content])
        return bytes([number << 3 | 2, len(content)]) + content

    kind = field(1, field(1, 1) + field(2, field(1, field(1, 1))))  # a tensor of float with the shape [1]
    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity")
    graph = field(1, node) + field(2, b"g")
    graph += field(11, field(1, b"x") + field(2, kind)) + field(12, field(1, b"y") + field(2, kind))
    return field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, opset))
