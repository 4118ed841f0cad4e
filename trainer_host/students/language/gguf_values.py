"""The content of a .gguf file as it lies there: its keys, and its tensors still in their blocks.

Format: GGUF versions 2 and 3, little-endian (github.com/ggml-org/ggml, docs/gguf.md). The package `gguf` reads it too,
with an array object for each of the 150,000 texts of a vocabulary: 4 seconds for SmolLM2, here 0.3.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import DataError

if TYPE_CHECKING:
    import numpy as np

Value = int | float | bool | str | list["Value"]

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_ALIGNMENT = 32  # of tensors, where "general.alignment" doesn't say


@dataclass(frozen=True)
class Blocks:
    """A tensor. shape: as numpy's, the rows first. kind: ggml's number of its type. data: its bytes."""

    shape: tuple[int, ...]
    kind: int
    data: np.ndarray

    def numbers(self) -> np.ndarray:
        """Its values in float32. Raises `NotImplementedError` for a type that the package `gguf` can't read."""
        from gguf import GGMLQuantizationType, dequantize

        rows = self.data.reshape(*self.shape[:-1], -1)
        return dequantize(rows, GGMLQuantizationType(self.kind)).reshape(self.shape)


def read_values(path: Path) -> tuple[dict[str, Value], Mapping[str, Blocks]]:
    """All keys, and all tensors by GGUF's names, which stay in the file; raises `DataError` for one that isn't whole."""
    try:
        with path.open("rb") as source:
            view = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        return _Reader(view).read()
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except (OSError, ValueError, KeyError, OverflowError, struct.error):
        raise DataError(f"{path} isn't a whole GGUF file; get it again.") from None


class _Reader:
    """Reads from the front to the end; every length is checked against what is there."""

    def __init__(self, view: mmap.mmap) -> None:
        self._view, self._at = view, 0

    def read(self) -> tuple[dict[str, Value], dict[str, Blocks]]:
        if self._bytes(4) != _MAGIC:
            raise ValueError("no GGUF")
        if self._number("I") not in _VERSIONS:
            raise ValueError("another version")
        tensors, keys = self._number("Q"), self._number("Q")
        values: dict[str, Value] = {}
        for _ in range(keys):
            key = self._text()
            values[key] = self._value(self._number("I"))
        places = [self._place() for _ in range(tensors)]
        alignment = values.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise ValueError("no alignment")
        start = -(-self._at // alignment) * alignment
        return values, {name: self._blocks(shape, kind, start + offset) for name, shape, kind, offset in places}

    def _place(self) -> tuple[str, tuple[int, ...], int, int]:
        name, dimensions = self._text(), self._number("I")
        if not 1 <= dimensions <= 4:  # GGML_MAX_DIMS
            raise ValueError("no shape")
        shape = tuple(self._number("Q") for _ in range(dimensions))
        return name, shape[::-1], self._number("I"), self._number("Q")

    def _blocks(self, shape: tuple[int, ...], kind: int, start: int) -> Blocks:
        import math

        import numpy as np
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        numbers, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        count = math.prod(shape)
        if not count or shape[-1] % numbers:
            raise ValueError("rows of half a block")
        return Blocks(shape, kind, np.frombuffer(self._view, np.uint8, count // numbers * size, start))

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._number(_SCALARS[kind])
        of, count = self._number("I"), self._number("Q")
        if of == _STRING:
            return [self._text() for _ in range(count)]
        if of == _ARRAY:
            return [self._value(of) for _ in range(count)]
        code = _SCALARS[of]
        return [item for (item,) in struct.iter_unpack(f"<{code}", self._bytes(count * struct.calcsize(code)))]

    def _text(self) -> str:
        return self._bytes(self._number("Q")).decode()

    def _number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self._view, self._at)
        self._at += struct.calcsize(code)
        made: int = value
        return made

    def _bytes(self, count: int) -> bytes:
        found = self._view[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("it ends too early")
        self._at += count
        return found
