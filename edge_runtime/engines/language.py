"""Language engines: a decoder with a cache of the tokens that it has read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from edge_runtime.engines import BY_SUFFIX, ONNX, advice, available_runtimes
from edge_runtime.errors import EngineError

if TYPE_CHECKING:
    import numpy as np


class LanguageEngine(Protocol):
    """A decoder opened in one runtime, for one text at a time and one thread at a time."""

    runtime: str
    version: str
    context: int  # most tokens that the cache holds
    vocabulary: int
    length: int  # tokens that the cache holds now
    text_bytes: int  # of memory that a text takes beside the weights, at most

    @property
    def unfilled(self) -> int:
        """Bytes of memory that the cache doesn't take yet, and will where a text fills it."""

    def feed(self, tokens: Sequence[int], wanted: int = 1) -> np.ndarray:
        """Append tokens; float32 [wanted, vocabulary] logits of what follows the last `wanted` of them.

        wanted: 0 to len(tokens). Raises `EngineError` for tokens that the vocabulary doesn't have, for none at all,
        or for more than the context has room for; the cache is then as it was. Where the runtime itself fails, the
        cache may be empty instead: see `length`.
        """

    def rewind(self, length: int) -> None:
        """Forget all tokens from `length` on, without a copy; raises `EngineError` for more than there are.

        A model whose layers look back a window of tokens alone keeps no more than these. Where it is told to go back
        further than they reach, it forgets all: `length` says what is left.
        """

    def another(self) -> LanguageEngine:
        """An engine for one text more over the same model, with a cache of its own, for any thread.

        It is closed by itself. Raises `EngineError` where there is no memory for it.
        """

    def close(self) -> None:
        """Free the cache, and the model with its last engine; `feed` must not be called afterwards."""


@runtime_checkable
class FeedsTogether(Protocol):
    """An engine that can read the next tokens of several texts in one run."""

    def feed_together(self, texts: Sequence[tuple[LanguageEngine, int]]) -> list[np.ndarray | EngineError]:
        """Append a token to each of some texts over one model: float32 [vocabulary] of what follows, or its error.

        texts: this engine's own and `another` of it, each once, in no other thread's hands. The logits and the caches
        are those of one text after the other: where the runtime computes others, or the model's file was exported
        before it could be asked so, that is how they are read.
        """


def refuse_unreadable(tokens: Sequence[int], wanted: int, held: int, context: int, vocabulary: int) -> None:
    """Raises `EngineError` for what `LanguageEngine.feed` doesn't take. held: tokens that the cache holds already."""
    count = len(tokens)
    if not 0 <= wanted <= count or not count:
        raise EngineError(f"Logits of {wanted} of {count} tokens can't be given.")
    if held + count > context:
        raise EngineError(f"The text has {held + count} tokens, and the model reads {context} at most; shorten it.")
    # Lists as they are: a step of one token is so short that making an array, and asking it, can be told.
    if min(tokens) < 0 or max(tokens) >= vocabulary:
        raise EngineError(
            f"Token {max(tokens)} isn't in the model's vocabulary of {vocabulary}; "
            "the tokenizer doesn't belong to this model."
        )


def open_language_engine(
    path: Path,
    threads: int = 1,
    context: int | None = None,
    adapter: Path | None = None,
    cache: str = "float",
    cold: Path | None = None,
) -> LanguageEngine:
    """Open a decoder that `trainer_host.export.language_onnx` or `language_tflite` wrote, or a .gguf file.

    Raises `EngineError` with what to do.

    context: most tokens in the cache, to spare memory; by default, and at most, what the model was exported for.
    adapter: an .onnx_adapter file of `trainer_host.export.language_adapter`, whose low-rank products are added to the
    layers' own. cache: what a .gguf file's keys and values are kept in, "float" or "int8"; our own files say it
    themselves. cold: see `open_engine`; nothing changes for weights in blocks (int8, int4). All engines
    over one .onnx file share its weights, with and without adapters, until the last is closed.
    """
    if path.suffix not in (".onnx", ".tflite", ".gguf"):
        raise EngineError(f"{path.name} is none of .onnx, .tflite and .gguf, so no language runtime here can open it.")
    if not path.is_file():
        raise EngineError(f"There is no model file {path.name}.")
    if path.suffix != ".onnx" and adapter is not None:
        raise EngineError(f"{path.name} takes no adapters; only models that were exported as ONNX do.")
    if path.suffix == ".gguf":
        from edge_runtime.engines.language_gguf import GgufLanguageEngine

        return GgufLanguageEngine(path, threads, context, cache)
    have = available_runtimes()
    fitting = BY_SUFFIX[path.suffix]
    runtime = next((name for name in fitting if name in have), fitting[0])
    if runtime not in have:
        raise EngineError(f"{path.name} needs {runtime}, which isn't usable here; {advice(runtime)}")
    if runtime != ONNX:
        from edge_runtime.engines.language_litert import LiteRtLanguageEngine

        return LiteRtLanguageEngine(path, threads, have[runtime], context, runtime)
    from edge_runtime.engines.language_onnx import OnnxLanguageEngine

    return OnnxLanguageEngine(path, threads, have[runtime], context, adapter, cold)
