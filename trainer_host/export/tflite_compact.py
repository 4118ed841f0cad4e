"""Writes a .tflite file anew without what no runtime needs: long names, and the same zeros many times.

The converter calls each tensor by the whole path of its module, and the quantizer gives each weight and each bias as many
zero points of 64 bits as it has channels. In the file of a network of 50,000 weights that is a quarter.
"""

from __future__ import annotations

import flatbuffers
import numpy as np

from trainer_host.export.tflite_graph import packed, schema

_ALIGNMENT = 16  # bytes of a buffer's content, as schema.fbs wants it


def compact(content: bytes, *, short_names: bool = False) -> bytes:
    """The same graph, which gives the same numbers.

    short_names: of all tensors but inputs and outputs, "Linear_enter:7" for "package.Class/torch.nn.modules.linear.Linear_enter;":
    two files of the same layout have the same ones.
    """
    fbs = schema()
    model = fbs.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # it lies behind the flat buffer
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs if short_names else ():
        kept = {*graph.inputs, *graph.outputs}
        for place, tensor in enumerate(graph.tensors):
            if place not in kept:
                tensor.name = _short(tensor.name, place)
    return packed(model, _Builder(len(content)))


def _short(name: bytes, place: int) -> bytes:
    """The last part of a path, and the tensor's number, as parts of several tensors are called the same."""
    return b"%s:%d" % (name.split(b";")[0].rsplit(b".", 1)[-1], place)


class _Builder(flatbuffers.Builder):
    """Writes equal vectors of int64, as zero points are, once: tables of a flat buffer may share what they point to."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[bytes, int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        """See `flatbuffers.Builder`."""
        if x.dtype != np.int64:
            return int(super().CreateNumpyVector(x))
        key = x.tobytes()
        if key not in self._written:
            self._written[key] = int(super().CreateNumpyVector(x))
        return self._written[key]

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
        """See `flatbuffers.Builder`."""
        return int(super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment))
