"""Runs decoders in onnxruntime: keys and values stay in place, in buffers that are both its past and its present."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.engines import ONNX
from edge_runtime.engines.onnx import first_line, open_session
from edge_runtime.errors import EngineError

if TYPE_CHECKING:
    import onnxruntime as ort

# Tokens that are read at once: attention's table of scores is heads x tokens x cached tokens, so a long prompt in
# one piece would cost hundreds of MB for a moment.
_PIECE = 256


class OnnxLanguageEngine:
    """A decoder in an onnxruntime session on the CPU; see `LanguageEngine`.

    A step binds nothing and allocates nothing of the cache's size: numpy arrays that onnxruntime reads and writes in
    place are bound once, for one token and for the sizes of pieces that come again.
    """

    runtime = ONNX

    def __init__(self, path: Path, threads: int, version: str, context: int | None = None) -> None:
        session, self._failures = open_session(path, threads, version)
        import onnxruntime as ort  # only now: where it is missing, `open_session` says so

        facts = session.get_modelmeta().custom_metadata_map
        shapes = {i.name: (i.type, i.shape) for i in session.get_inputs()}
        if "context" not in facts or "keys.0" not in shapes:
            raise EngineError(f"{path.name} isn't a language model of ours; export it again.")
        most = int(facts["context"])
        if context is not None and not 1 <= context <= most:
            raise EngineError(f"{path.name} was exported for up to {most} tokens; choose a context from 1 to {most}.")
        self.version = version
        self.context = context or most
        self.vocabulary = int(session.get_outputs()[0].shape[-1])
        self.length = 0
        self._value: Callable[[np.ndarray], ort.OrtValue] = ort.OrtValue.ortvalue_from_numpy  # no copy on the CPU
        self._session: ort.InferenceSession | None = session
        self._cache = {
            name: self._value(
                np.zeros((1, shape[1], self.context, shape[3]), np.float32 if kind == "tensor(float)" else np.int8)
            )
            for name, (kind, shape) in shapes.items()
            if name.startswith(("keys.", "values."))
        }
        self._steps: dict[tuple[int, int], _Step] = {}

    def feed(self, tokens: Sequence[int], wanted: int = 1) -> np.ndarray:
        """See `LanguageEngine.feed`; the result is the caller's own."""
        if self._session is None:
            raise EngineError("The model was closed.")
        count = len(tokens)
        if not 0 <= wanted <= count or not count:
            raise EngineError(f"Logits of {wanted} of {count} tokens can't be given.")
        if self.length + count > self.context:
            raise EngineError(
                f"The text has {self.length + count} tokens, and the model reads {self.context} at most; shorten it."
            )
        ids = np.asarray(tokens, np.int64)
        if int(ids.min()) < 0 or int(ids.max()) >= self.vocabulary:
            raise EngineError(
                f"Token {int(ids.max())} isn't in the model's vocabulary of {self.vocabulary}; "
                "the tokenizer doesn't belong to this model."
            )
        before = self.length
        found: list[np.ndarray] = []
        try:
            for start in range(0, count, _PIECE):
                piece = ids[start : start + _PIECE]
                # of the last `wanted` tokens of all, those in this piece
                found.append(self._read(piece, len(piece) - min(max(count - wanted - start, 0), len(piece))))
        except self._failures as cause:
            self.length = before
            raise EngineError(f"onnxruntime couldn't run the model: {first_line(cause)}") from None
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _read(self, piece: np.ndarray, wanted: int) -> np.ndarray:
        assert self._session is not None
        step = self._step(len(piece), wanted)
        total = self.length + len(piece)
        step.tokens[0] = piece
        step.total[...] = total
        step.last[0] = total - 1
        self._session.run_with_iobinding(step.binding)
        self.length = total
        return step.logits[0].copy()

    def _step(self, count: int, wanted: int) -> _Step:
        step = self._steps.get((count, wanted))
        if step is None:
            assert self._session is not None
            step = _Step(self._session, self._cache, self._value, count, wanted, self.vocabulary)
            # Single tokens, and the few at a time of speculation, come again; a prompt's rest doesn't.
            if count <= 16 or count == _PIECE:
                self._steps[count, wanted] = step
        return step

    def rewind(self, length: int) -> None:
        """See `LanguageEngine.rewind`: what is behind is overwritten by the next tokens."""
        if not 0 <= length <= self.length:
            raise EngineError(f"The cache holds {self.length} tokens, so it can't go back to {length}.")
        self.length = length

    def close(self) -> None:
        """Free the session and the cache."""
        self._session = None
        self._steps.clear()
        self._cache.clear()


class _Step:
    """What is bound to run so many tokens: arrays whose memory onnxruntime reads and writes."""

    def __init__(
        self,
        session: ort.InferenceSession,
        cache: Mapping[str, ort.OrtValue],
        value: Callable[[np.ndarray], ort.OrtValue],
        count: int,
        wanted: int,
        vocabulary: int,
    ) -> None:
        self.tokens = np.zeros((1, count), np.int64)
        self.last = np.zeros(1, np.int32)
        self.total = np.zeros((), np.int32)
        self.logits = np.zeros((1, wanted, vocabulary), np.float32)
        self.wanted = np.arange(count - wanted, count, dtype=np.int64)
        self.binding = session.io_binding()
        for name in ("tokens", "last", "total", "wanted"):
            self.binding.bind_ortvalue_input(name, value(getattr(self, name)))
        self.binding.bind_ortvalue_output("logits", value(self.logits))
        for name, buffer in cache.items():
            self.binding.bind_ortvalue_input(name, buffer)
            self.binding.bind_ortvalue_output(f"new_{name}", buffer)
