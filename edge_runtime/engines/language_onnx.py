"""Runs decoders in onnxruntime: keys and values stay in place, in buffers that are both its past and its present.

A file that is open already is opened once: engines over it, with and without an adapter, share its weights.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.engines import ONNX
from edge_runtime.engines.language import refuse_unreadable
from edge_runtime.engines.language_rows import MOST, Rows
from edge_runtime.engines.language_together import NEAR, Together
from edge_runtime.engines.language_window import Window
from edge_runtime.engines.onnx import first_line, open_session
from edge_runtime.errors import EngineError

if TYPE_CHECKING:
    import onnxruntime as ort

    from edge_runtime.engines.language import LanguageEngine

# Tokens that are read at once: attention's table of scores is heads x tokens x cached tokens, so a long prompt in
# one piece would cost hundreds of MB for a moment.
_PIECE = 256
LARGEST_RANK = 4096  # of an adapter's matrices, several of which are packed into one

_Value = Callable[[np.ndarray], "ort.OrtValue"]


class OnnxLanguageEngine:
    """A decoder in an onnxruntime session on the CPU; see `LanguageEngine`.

    A step binds nothing and allocates nothing of the cache's size: numpy arrays that onnxruntime reads and writes in
    place are bound once, for one token and for the sizes of pieces that come again.
    """

    runtime = ONNX

    def __init__(
        self,
        path: Path,
        threads: int,
        version: str,
        context: int | None = None,
        adapter: Path | None = None,
        cold: Path | None = None,
    ) -> None:
        model = _open_model(path, threads, version, cold)
        import onnxruntime as ort  # only now: where it is missing, `open_session` says so

        self._failures = model.failures
        if context is not None and not 1 <= context <= model.context:
            raise EngineError(
                f"{path.name} was exported for up to {model.context} tokens; choose a context from 1 to {model.context}."
            )
        self.version = version
        self.context = context or model.context
        self.vocabulary = model.vocabulary
        self._value: _Value = ort.OrtValue.ortvalue_from_numpy  # no copy on the CPU
        self._adapter = {} if adapter is None else _read_adapter(adapter, path, model)
        self._model: _Model | None = model
        self._shelf: list[Together] = []  # of all engines that were made of this one
        self._begin(model)

    def _begin(self, model: _Model) -> None:
        """An empty cache of its own."""
        self.length = 0
        self._near = Window.of(model.window, self.context, _PIECE)
        shared, self._row = self._place(model)
        self._shared: Together | None = shared
        arrays = {name: array[self._row : self._row + 1] for name, array in shared.rows.arrays.items()}
        self._near.arrays = [arrays[name] for name in sorted(model.near)]
        self.text_bytes = shared.rows.row_bytes
        self._cache = {name: self._value(array) for name, array in arrays.items()}
        self._steps: dict[tuple[int, int], _Step] = {}

    def _place(self, model: _Model) -> tuple[Together, int]:
        for shared in self._shelf:
            if (row := shared.rows.take()) is not None:
                return shared, row
        shapes = {
            name: ((heads, self._near.places if name in model.near else self.context, head), dtype)
            for name, (heads, head, dtype) in model.cache.items()
        }
        near = None if model.window is None else model.near
        rows = Rows(shapes, MOST if model.batches else 1)
        shared = Together(model.session, rows, model.vocabulary, near, self._adapter, self._value)
        self._shelf.append(shared)
        row = shared.rows.take()
        assert row is not None
        return shared, row

    def feed(self, tokens: Sequence[int], wanted: int = 1) -> np.ndarray:
        """See `LanguageEngine.feed`; the result is the caller's own."""
        if self._model is None:
            raise EngineError("The model was closed.")
        count, before = len(tokens), self.length
        refuse_unreadable(tokens, wanted, before, self.context, self.vocabulary)
        found: list[np.ndarray] = []
        try:
            for start in range(0, count, _PIECE):
                piece = tokens[start : start + _PIECE]
                # of the last `wanted` tokens of all, those in this piece
                found.append(self._read(piece, len(piece) - min(max(count - wanted - start, 0), len(piece))))
        except self._failures as cause:
            self.length = self._near.back_to(before)
            raise EngineError(f"onnxruntime couldn't run the model: {first_line(cause)}") from None
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _read(self, piece: Sequence[int], wanted: int) -> np.ndarray:
        assert self._model is not None
        step = self._step(len(piece), wanted)
        total = self.length + len(piece)
        step.tokens[0] = piece
        step.total[...] = total
        step.last[0] = total - 1
        if self._model.window is not None:
            self._near.make_room(self.length, total)
            step.near_total[...] = total - self._near.first
            step.near_last[0] = total - self._near.first - 1
            step.near_first[0], step.near_end[0] = self._near.first, total
        self._model.session.run_with_iobinding(step.binding)
        self.length = total
        return step.logits[0].copy()

    def feed_together(self, texts: Sequence[tuple[LanguageEngine, int]]) -> list[np.ndarray | EngineError]:
        """See `FeedsTogether`: rows side by side are read in one run, where that gives the same as one by one."""
        found: dict[int, np.ndarray | EngineError] = {}
        ours = [(at, text, token) for at, (text, token) in enumerate(texts) if isinstance(text, OnnxLanguageEngine)]
        ours.sort(key=lambda each: (id(each[1]._shared), each[1]._row))
        while ours:
            count = 1
            while count < len(ours) and ours[count][1]._may_join(ours[count - 1][1]):
                count += 1
            beside, ours = ours[:count], ours[count:]
            rows = _feed_rows([text for _, text, _ in beside], [token for _, _, token in beside])
            found |= zip((at for at, _, _ in beside), rows, strict=True)
        return [found[at] for at in range(len(texts))]

    def _may_join(self, other: OnnxLanguageEngine) -> bool:
        """Whether this text's next token may be read together with that of the text before it."""
        beside = self._shared is not None and self._shared is other._shared and self._row == other._row + 1
        return beside and self._near.first == other._near.first and max(self.length, other.length) < self.context

    def _step(self, count: int, wanted: int) -> _Step:
        step = self._steps.get((count, wanted))
        if step is None:
            assert self._model is not None
            held = (self._cache, self._adapter)
            step = _Step(self._model, held, self._value, count, wanted)
            # Single tokens, and the few at a time of speculation, come again; a prompt's rest doesn't.
            if count <= 16 or count == _PIECE:
                self._steps[count, wanted] = step
        return step

    def rewind(self, length: int) -> None:
        """See `LanguageEngine.rewind`: what is behind is overwritten by the next tokens."""
        if not 0 <= length <= self.length:
            raise EngineError(f"The cache holds {self.length} tokens, so it can't go back to {length}.")
        self.length = self._near.back_to(length)

    @property
    def unfilled(self) -> int:
        """See `LanguageEngine.unfilled`: the system gives memory to what is written first."""
        return self.text_bytes * (self.context - self.length) // self.context

    def another(self) -> OnnxLanguageEngine:
        """See `LanguageEngine.another`: the session and the adapter are the same."""
        if self._model is None:
            raise EngineError("The model was closed.")
        made = copy.copy(self)
        try:
            made._begin(self._model)
        except MemoryError:
            raise EngineError("There is no memory for another text.") from None
        return made

    def close(self) -> None:
        """Free the cache, and the session where no other engine is over the same file."""
        self._steps, self._cache, self._near.arrays = {}, {}, []
        if self._shared is not None:
            self._shared.rows.give(self._row)
        self._model = self._shared = None
        self._adapter, self._shelf = {}, []


@dataclass(frozen=True, eq=False)
class _Model:
    """An open file. cache: heads, head and dtype by input. adapters: rows and columns of each low-rank matrix, 0 for
    the rank; empty where the graph takes no adapter. window: how far some layers look back, None for all; near: the
    inputs that are their cache. batches: whether the graph has an axis for texts. alike: whether so many texts, the longest
    with so many bits to its length, were read in one run as each is alone; known of those that were tried.
    """

    session: ort.InferenceSession
    failures: tuple[type[Exception], ...]
    context: int
    vocabulary: int
    cache: Mapping[str, tuple[int, int, type[np.generic]]]
    adapters: Mapping[str, tuple[int, int]]
    window: int | None
    near: frozenset[str]
    batches: bool
    alike: dict[tuple[int, int], bool] = field(default_factory=dict)


_open: weakref.WeakValueDictionary[tuple[int, ...], _Model] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def _open_model(path: Path, threads: int, version: str, cold: Path | None) -> _Model:
    """The file's session, the one that is open where there is one; raises `EngineError`."""
    try:
        about = path.stat()
    except OSError as cause:
        raise EngineError(f"{path.name} can't be read: {cause.strerror}.") from None
    # A bundle's folder is renamed when it is placed, so that a path doesn't tell which file it is.
    key = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, threads, cold is not None)
    with _opening:
        model = _open.get(key)
        if model is None:
            model = _open[key] = _opened(path, threads, version, cold)
    return model


def _opened(path: Path, threads: int, version: str, cold: Path | None) -> _Model:
    session, failures = open_session(path, threads, version, cold)
    facts = session.get_modelmeta().custom_metadata_map
    shapes = {i.name: (i.type, i.shape) for i in session.get_inputs()}
    if "context" not in facts or "keys.0" not in shapes:
        raise EngineError(f"{path.name} isn't a language model of ours; export it again.")
    low = {i.name: i.shape for i in session.get_overridable_initializers() if i.name.endswith((".down", ".up"))}
    return _Model(
        session,
        failures,
        int(facts["context"]),
        int(session.get_outputs()[0].shape[-1]),
        {
            name: (shape[1], shape[3], np.float32 if kind == "tensor(float)" else np.int8)
            for name, (kind, shape) in shapes.items()
            if name.startswith(("keys.", "values."))
        },
        {name: (shape[0], 0) if name.endswith(".down") else (0, shape[1]) for name, shape in low.items()},
        int(facts["window"]) if "near_first" in shapes else None,
        frozenset(name for name, (_, shape) in shapes.items() if len(shape) == 4 and shape[2] == "near_context"),
        not isinstance(shapes["tokens"][1][0], int),
    )


def _read_adapter(path: Path, base: Path, model: _Model) -> dict[str, ort.OrtValue]:
    """An adapter's matrices by the names of the graph's inputs; raises `EngineError` where they don't belong to it."""
    import onnxruntime as ort

    if not model.adapters:
        raise EngineError(f"{base.name} takes no adapters; export the base with --adapters and push its bundle again.")
    if not hasattr(ort, "AdapterFormat"):
        raise EngineError(f"onnxruntime {ort.__version__} can't read adapters; install 1.20 or newer.")
    try:
        found: dict[str, ort.OrtValue] = ort.AdapterFormat.read_adapter(str(path)).get_parameters()
        shapes = {name: tuple(value.shape()) for name, value in found.items()}
        types = {value.data_type() for value in found.values()}
    except model.failures as cause:
        raise EngineError(f"{path.name} is no adapter that can be read: {first_line(cause)}") from None
    ranks = {name.rpartition(".")[0]: shape[-1] for name, shape in shapes.items() if name.endswith(".down")}
    wanted = {
        name: (rows or rank, columns or rank)
        for layer, rank in ranks.items()
        for name in (f"{layer}.down", f"{layer}.up")
        for rows, columns in [model.adapters.get(name, (0, 0))]
        if rows or columns
    }
    fits = shapes == wanted and types == {"tensor(float)"} and all(0 < r <= LARGEST_RANK for r in ranks.values())
    if not found or not fits:
        raise EngineError(f"{path.name} doesn't fit {base.name}; it is the adapter of another model.")
    return found


def _feed_rows(texts: Sequence[OnnxLanguageEngine], tokens: Sequence[int]) -> list[np.ndarray | EngineError]:
    """The logits behind a token more of each text, whose rows lie side by side; in one run where that is known to be
    the same to the last bit, and for the first steps of a kind both ways.
    """
    model, shared = texts[0]._model, texts[0]._shared
    lengths = [text.length for text in texts]
    kind = (len(texts), max(lengths).bit_length())
    if len(texts) == 1 or model is None or shared is None or model.alike.get(kind) is False:
        return [_feed_one(text, token) for text, token in zip(texts, tokens, strict=True)]
    for text in texts:
        text._near.make_room(text.length, text.length + 1)
    moved = texts[0]._near.first
    if any(text._near.first != moved for text in texts) or not all(0 <= token < model.vocabulary for token in tokens):
        return [_feed_one(text, token) for text, token in zip(texts, tokens, strict=True)]
    try:
        rows = shared.step(texts[0]._row, tokens, lengths, moved)
    except model.failures:  # of whichever text: alone, the others get theirs
        return [_feed_one(text, token) for text, token in zip(texts, tokens, strict=True)]
    if kind in model.alike:
        for text in texts:
            text.length += 1
        return list(rows)
    places = [(text._row, length, moved) for text, length in zip(texts, lengths, strict=True)]
    kept = [shared.written(*place) for place in places]
    alone = [_feed_one(text, token) for text, token in zip(texts, tokens, strict=True)]
    model.alike[kind] = all(
        not isinstance(one, EngineError)
        and np.array_equal(one, row)
        and all(map(np.array_equal, held, shared.written(*place)))
        for one, row, held, place in zip(alone, rows, kept, places, strict=True)
    )
    return alone


def _feed_one(text: OnnxLanguageEngine, token: int) -> np.ndarray | EngineError:
    try:
        return text.feed([token])[0]
    except EngineError as error:
        return error


class _Step:
    """What is bound to run so many tokens: arrays whose memory onnxruntime reads and writes."""

    def __init__(
        self,
        model: _Model,
        held: tuple[Mapping[str, ort.OrtValue], Mapping[str, ort.OrtValue]],
        value: _Value,
        count: int,
        wanted: int,
    ) -> None:
        self.tokens = np.zeros((1, count), np.int64)
        self.last = np.zeros(1, np.int32)
        self.total = np.zeros((), np.int32)
        self.near_last, self.near_total = self.last.copy(), self.total.copy()
        self.near_first, self.near_end = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.logits = np.zeros((1, wanted, model.vocabulary), np.float32)
        self.wanted = np.arange(count - wanted, count, dtype=np.int64)
        self.binding = model.session.io_binding()
        near = () if model.window is None else NEAR
        for name in ("tokens", "last", "total", "wanted", *near):
            self.binding.bind_ortvalue_input(name, value(getattr(self, name)))
        self.binding.bind_ortvalue_output("logits", value(self.logits))
        cache, adapter = held
        for name, matrix in adapter.items():  # without one the graph's own matrices count, which are empty
            self.binding.bind_ortvalue_input(name, matrix)
        for name, buffer in cache.items():
            self.binding.bind_ortvalue_input(name, buffer)
            self.binding.bind_ortvalue_output(f"new_{name}", buffer)
