"""Runs decoders in ai-edge-litert: for devices that have no other runtime, or run their other models in it.

In tflite-runtime, where there is no other (32-bit ARM), the same in fp32: its kernels for int8 ignore scales by row.

A file gives the keys and values of new tokens alone. They are written into the cache here, which lies in the
interpreter's own memory, so that a step copies nothing but what is new.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.engines import LITERT, TFLITE
from edge_runtime.engines.language import refuse_unreadable
from edge_runtime.engines.language_window import Window
from edge_runtime.engines.litert import allocate, open_interpreter
from edge_runtime.errors import EngineError

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

SIGNATURE = "decoder"
_PIECE = 32  # tokens of a prompt that are read at once, however few of them there are
# From so many tokens on a piece is quicker than one after the other: where the graph has the shape for pieces already,
# and where it must take that shape, which costs as much as some tokens.
_WORTH, _WORTH_A_CHANGE = 7, 12
_LEAST = 128  # places of the cache; it grows with the text, as every token looks at all of them
_HIDDEN = np.float32(-1e9)  # added to the scores of what isn't seen: no share is left of it


class LiteRtLanguageEngine:
    """A decoder in an interpreter, whose shape is changed between prompts and single tokens; see `LanguageEngine`."""

    def __init__(
        self, path: Path, threads: int, version: str, context: int | None = None, runtime: str = LITERT
    ) -> None:
        graph = _Graph(path, threads, runtime, version)
        self._threads = threads
        self._file = path.open("rb")  # for `another`: a bundle's folder is renamed when it is placed
        if context is not None and not 1 <= context <= graph.context:
            raise EngineError(
                f"{path.name} was exported for up to {graph.context} tokens; "
                f"choose a context from 1 to {graph.context}."
            )
        self.runtime, self.version = runtime, version
        self.context = context or graph.context
        self.vocabulary = graph.vocabulary
        self.length = 0
        graph.near = Window.of(graph.window, self.context, _PIECE)
        self._near = graph.near
        self._most = self.context if graph.far else self._near.places  # places of the largest cache
        graph.shape(1, 1, self._room(1))
        self._turns = graph.turns(self.context)
        self._graph: _Graph | None = graph
        # An interpreter packs the weights for itself; a cache that grows lies there twice for a moment.
        self.text_bytes = os.fstat(self._file.fileno()).st_size + 2 * graph.cache_bytes(self.context)

    @property
    def unfilled(self) -> int:
        """See `LanguageEngine.unfilled`."""
        graph = self._graph
        return 0 if graph is None else graph.cache_bytes(self._most) - graph.cache_bytes(graph.room)

    def another(self) -> LiteRtLanguageEngine:
        """See `LanguageEngine.another`: an interpreter of its own over the same file."""
        if self._graph is None:
            raise EngineError("The model was closed.")
        path = Path(f"/proc/self/fd/{self._file.fileno()}")
        return LiteRtLanguageEngine(path, self._threads, self.version, self.context, self.runtime)

    def feed(self, tokens: Sequence[int], wanted: int = 1) -> np.ndarray:
        """See `LanguageEngine.feed`; the result is the caller's own."""
        if self._graph is None:
            raise EngineError("The model was closed.")
        count, before = len(tokens), self.length
        refuse_unreadable(tokens, wanted, before, self.context, self.vocabulary)
        ids = np.asarray(tokens, np.int64)
        made = np.empty((wanted, self.vocabulary), np.float32)
        first, at = count - wanted, 0  # the first token whose logits are wanted, and the next one to be read
        try:
            while at < count:
                worth = _WORTH if self._graph.tokens > 1 else _WORTH_A_CHANGE
                end = min(count, at + (_PIECE if count - at >= worth else 1))
                self._read(ids[at:end], made[max(0, at - first) : max(0, end - first)], before + count)
                at = end
        except EngineError:  # no memory for a larger cache, and the smaller one is gone
            self.close()
            raise
        except (RuntimeError, ValueError) as cause:
            self.length = self._near.back_to(before)
            raise EngineError(f"{self.runtime} couldn't run the model: {str(cause)[:200]}") from None
        return made

    def rewind(self, length: int) -> None:
        """See `LanguageEngine.rewind`: what is behind is overwritten by the next tokens."""
        if not 0 <= length <= self.length:
            raise EngineError(f"The cache holds {self.length} tokens, so it can't go back to {length}.")
        self.length = self._near.back_to(length)

    def close(self) -> None:
        """Free the interpreter, and the cache with it."""
        self._graph = None
        self._near.arrays = []
        self._file.close()

    def _read(self, piece: np.ndarray, logits: np.ndarray, places: int) -> None:
        """Append tokens; fills logits, float32 [K, vocabulary], of the last K of them. places: that will be needed."""
        graph = self._graph
        assert graph is not None
        several = len(piece) > 1
        shape = (_PIECE if several else 1, _PIECE if several and len(logits) > 1 else 1, self._room(places))
        if (graph.tokens, graph.wanted) != shape[:2] or not graph.room // 4 < shape[2] <= graph.room:
            kept = graph.kept(self.length)
            graph.shape(*shape)
            graph.put(kept)
        self._near.make_room(self.length, self.length + len(piece))
        graph.run(piece, self.length, self._turns)
        if len(logits):
            logits[:] = graph.logits[0] if graph.wanted == 1 else graph.logits[len(piece) - len(logits) : len(piece)]
        self.length += len(piece)

    def _room(self, places: int) -> int:
        """Of the cache, for so many tokens: at most half as many more, in steps that don't come too often."""
        step = max(_LEAST, 1 << (places - 1).bit_length() >> 2)
        return min(-(-places // step) * step, self._most)


class _Graph:
    """The interpreter, with arrays over its memory.

    tokens: how many are read at once; wanted: how many of them get logits; room: places of the cache.
    """

    def __init__(self, path: Path, threads: int, runtime: str, version: str) -> None:
        self._name, self._runtime, self._version = path.name, runtime, version
        self._interpreter: Interpreter = open_interpreter(path, threads, runtime, version)
        inputs = {detail["name"]: detail for detail in self._interpreter.get_input_details()}
        outputs = {detail["name"]: detail for detail in self._interpreter.get_output_details()}
        self._biases = {name: _window(name) for name in inputs if name.startswith("bias")}
        ours = SIGNATURE in self._interpreter.get_signature_list()
        if not ours or not self._biases or not {"tokens", "cos", "sin", "wanted", "keys.0"} <= inputs.keys():
            raise EngineError(f"{path.name} isn't a language model of ours; export it again.")
        if runtime == TFLITE and self._has_scales_by_row():
            raise EngineError(
                f"{path.name} has int8 weights, which {TFLITE} {version} reads wrongly without an error; "
                "push the fp32 file, or install ai-edge-litert."
            )
        self._shapes = {name: [int(size) for size in detail["shape"]] for name, detail in inputs.items()}
        self._places = {name: int(detail["index"]) for name, detail in inputs.items()}
        self._results = {name: int(detail["index"]) for name, detail in outputs.items()}
        self.context = self._shapes["keys.0"][1]
        self.vocabulary = int(outputs["logits"]["shape"][-1])
        near = self._windows()
        self.window = max(near.values(), default=None)  # of the layers that keep no more than theirs
        self.near = Window.of(self.window, self.context, _PIECE)
        self._near_cache = [f"{part}.{layer}" for layer in near for part in ("keys", "values")]
        self.far = any(name.startswith("keys.") and name not in self._near_cache for name in inputs)
        self._group = next(self._shapes[name][1] for name in self._biases)
        self.tokens = self.wanted = self.room = 0
        self.logits = np.zeros((0, 0), np.float32)

    def _has_scales_by_row(self) -> bool:
        return any(
            detail["dtype"] is np.int8 and len(detail["quantization_parameters"]["scales"]) > 1
            for detail in self._interpreter.get_tensor_details()
        )

    def _windows(self) -> dict[int, int]:
        """How far each layer looks back that has a window; none in files that don't tell, which keep all they read."""
        place = next(
            (item["index"] for item in self._interpreter.get_tensor_details() if item["name"] == "windows"), None
        )
        values = () if place is None else self._interpreter.get_tensor(place)
        return {layer: int(window) for layer, window in enumerate(values) if window}

    def cache_bytes(self, places: int) -> int:
        """Of a cache of so many places in all layers, or of their windows."""
        details = {detail["name"]: detail for detail in self._interpreter.get_input_details()}
        return sum(
            math.prod(shape)
            // self.context
            * (min(places, self.near.places) if name in self._near_cache else places)
            * np.dtype(details[name]["dtype"]).itemsize
            for name, shape in self._shapes.items()
            if name.startswith(("keys.", "values."))
        )

    def turns(self, context: int) -> tuple[np.ndarray, np.ndarray]:
        """Cosines and sines of so many positions, float32 [context, 1, head] each; the sines' first half is negative."""
        details = self._interpreter.get_tensor_details()
        rope = self._interpreter.get_tensor(next(item["index"] for item in details if item["name"] == "rope"))
        angles = (np.arange(context, dtype=np.float32)[:, None] * rope[:-1]).astype(np.float64)
        cos, sin = np.cos(angles) * rope[-1], np.sin(angles) * rope[-1]
        parts = np.concatenate((cos, cos), -1), np.concatenate((-sin, sin), -1)
        return parts[0][:, None].astype(np.float32), parts[1][:, None].astype(np.float32)

    def shape(self, tokens: int, wanted: int, room: int) -> None:
        """Take so many tokens and a cache of so many places, which is empty then, and give so many tokens' logits."""
        sizes: dict[str, list[int]] = {}
        near = min(room, self.near.places)
        for name, shape in self._shapes.items():
            if name in self._biases:
                sizes[name] = [1, tokens * self._group, self._room_of(name, room, near) + tokens]
            elif name.startswith(("keys.", "values.")):
                sizes[name] = [shape[0], near if name in self._near_cache else room, shape[2]]
            else:
                sizes[name] = [wanted if name == "wanted" else tokens, *shape[1:]]
        self._arrays: Mapping[str, np.ndarray] = {}
        self.near.arrays = []
        for name, size in sizes.items():
            self._interpreter.resize_tensor_input(self._places[name], size)
        allocate(self._interpreter, self._name, self._runtime, self._version)
        self.tokens, self.wanted, self.room = tokens, wanted, room
        self._arrays = {name: self._array(place) for name, place in self._places.items()}
        self.logits = self._array(self._results["logits"])
        self._cache = [name for name in self._arrays if name.startswith(("keys.", "values."))]
        self.near.arrays = [self._arrays[name] for name in self._near_cache]
        self._new = {name: self._array(self._results[f"new_{name}"]) for name in self._cache}
        # Also what stands where a piece ends early must be a number: nothing sees it, but nothing times infinity is none.
        for array in self._arrays.values():
            array.fill(0)
        self._arrays["wanted"][:] = np.arange(wanted)
        behind = np.arange(tokens)[:, None] - np.arange(tokens)
        for name, window in self._biases.items():
            seen = (behind >= 0) & (behind < (window or tokens))
            self._arrays[name][0, :, -tokens:] = np.repeat(np.where(seen, np.float32(0), _HIDDEN), self._group, 0)

    def run(self, piece: np.ndarray, start: int, turns: tuple[np.ndarray, np.ndarray]) -> None:
        """Read tokens that come behind `start` others, and keep their keys and values."""
        arrays, count = self._arrays, len(piece)
        arrays["tokens"][:count] = piece
        arrays["cos"][:count] = turns[0][start : start + count]
        arrays["sin"][:count] = turns[1][start : start + count]
        if self.wanted == 1:
            arrays["wanted"][0] = count - 1
        for name, window in self._biases.items():
            old = arrays[name][0, :, : -self.tokens]
            old.fill(_HIDDEN)
            if window is None:
                old[:, :start] = 0
            else:
                first = self.near.first if self._near_cache else 0
                for token in range(count):
                    rows = slice(token * self._group, (token + 1) * self._group)
                    old[rows, max(0, start + token - window + 1 - first) : start - first] = 0
        self._interpreter.invoke()
        for name in self._cache:
            at = start - self._first(name)
            arrays[name][:, at : at + count] = self._new[name][:, :count]

    def kept(self, count: int) -> dict[str, np.ndarray]:
        """A copy of what the cache holds of so many tokens."""
        return {name: self._arrays[name][:, : count - self._first(name)].copy() for name in self._cache}

    def put(self, kept: Mapping[str, np.ndarray]) -> None:
        """What `kept` gave."""
        for name, value in kept.items():
            self._arrays[name][:, : value.shape[1]] = value

    def _first(self, name: str) -> int:
        """The token at the first place of a cache."""
        return self.near.first if name in self._near_cache else 0

    def _room_of(self, bias: str, room: int, near: int) -> int:
        return near if self._biases[bias] is not None and self._near_cache else room

    def _array(self, place: int) -> np.ndarray:
        """A tensor's memory as an array that may be held: it stays where it is until the next `shape`.

        The interpreter refuses to run while somebody holds one of its own views, so this one is made from the address.
        """
        view = self._interpreter.tensor(place)()
        address, shape, dtype = int(view.ctypes.data), view.shape, view.dtype
        del view
        memory = (ctypes.c_uint8 * (int(np.prod(shape)) * dtype.itemsize)).from_address(address)
        return np.frombuffer(memory, dtype).reshape(shape)


def _window(name: str) -> int | None:
    return None if name == "bias" else int(name.removeprefix("bias."))
