"""Reads the next token of several texts in one run of onnxruntime: their caches are rows of the same arrays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.engines.language_rows import Rows

if TYPE_CHECKING:
    import onnxruntime as ort

NEAR = ("near_last", "near_total", "near_first", "near_end")  # inputs of a graph whose layers have a window


class Together:
    """The rows of one model's texts and what is bound to step over neighbours among them; for any thread, as long as
    no two step over the same row.

    near: the arrays that hold a window's tokens alone, None where no layer has one. adapter: bound as well.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        rows: Rows,
        vocabulary: int,
        near: frozenset[str] | None,
        adapter: Mapping[str, ort.OrtValue],
        value: Callable[[np.ndarray], ort.OrtValue],
    ) -> None:
        self.rows = rows
        self._session, self._vocabulary = session, vocabulary
        self._near, self._adapter, self._value = near, adapter, value
        self._lock = threading.Lock()
        self._bound: dict[tuple[int, int], tuple[dict[str, np.ndarray], ort.IOBinding]] = {}

    def step(self, first: int, tokens: Sequence[int], lengths: Sequence[int], moved: int = 0) -> np.ndarray:
        """Append a token to each row from `first` on; float32 [rows, vocabulary] of what follows.

        lengths: of the texts before it. moved: which token the caches of layers with a window begin with, of all rows.
        """
        fed, binding = self._binding(first, len(tokens))
        last = np.array(lengths, np.int32)
        total = int(last.max()) + 1
        fed["tokens"][:, 0] = tokens
        fed["last"][:] = last
        fed["total"][...] = total
        if self._near is not None:
            fed["near_last"][:] = last - moved
            fed["near_total"][...] = total - moved
            fed["near_first"][0], fed["near_end"][0] = moved, total
        self._session.run_with_iobinding(binding)
        return fed["logits"][:, 0].copy()

    def written(self, row: int, length: int, moved: int = 0) -> list[np.ndarray]:
        """What the caches of a row hold of the token behind `length` others."""
        near = self._near or frozenset()
        return [
            array[row, :, length - (moved if name in near else 0)].copy() for name, array in self.rows.arrays.items()
        ]

    def _binding(self, first: int, count: int) -> tuple[dict[str, np.ndarray], ort.IOBinding]:
        with self._lock:
            if (first, count) not in self._bound:
                self._bound[first, count] = self._bind(first, count)
            return self._bound[first, count]

    def _bind(self, first: int, count: int) -> tuple[dict[str, np.ndarray], ort.IOBinding]:
        fed: dict[str, np.ndarray] = {
            "tokens": np.zeros((count, 1), np.int64),
            "last": np.zeros(count, np.int32),
            "total": np.zeros((), np.int32),
            "wanted": np.zeros(1, np.int64),
        }
        if self._near is not None:
            fed |= {"near_last": np.zeros(count, np.int32), "near_total": np.zeros((), np.int32)}
            fed |= {"near_first": np.zeros(1, np.int64), "near_end": np.zeros(1, np.int64)}
        binding = self._session.io_binding()
        for name, array in fed.items():
            binding.bind_ortvalue_input(name, self._value(array))
        fed["logits"] = np.zeros((count, 1, self._vocabulary), np.float32)
        binding.bind_ortvalue_output("logits", self._value(fed["logits"]))
        for name, matrix in self._adapter.items():
            binding.bind_ortvalue_input(name, matrix)
        for name, array in self.rows.arrays.items():
            buffer = self._value(array[first : first + count])
            binding.bind_ortvalue_input(name, buffer)
            binding.bind_ortvalue_output(f"new_{name}", buffer)
        return fed, binding
