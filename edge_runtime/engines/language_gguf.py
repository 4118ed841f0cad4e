"""Runs a .gguf file with llama.cpp, out of the package xllamacpp: for devices with memory to spare.

xllamacpp offers Python a server only. Its library exports llama.cpp's C interface too (llama.h), which has what a
language engine needs; it is called through ctypes here. Structures that are handed over whole are kept as opaque
bytes of ample size, and of their fields only those that stood at the same place since 2024 are touched, after their
defaults were found there: another layout is an error, not a crash. A damaged file that passes llama.cpp's own checks
can still end the process, as all native code can; a bundle's signature keeps such files away.
"""

from __future__ import annotations

import copy
import ctypes
import functools
import importlib.util
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_runtime.engines import XLLAMACPP
from edge_runtime.engines.language import refuse_unreadable
from edge_runtime.errors import EngineError
from edge_runtime.serving.memory import rss_bytes

_OPAQUE = 1024  # bytes; the structures have about 80 and 200
_DEFAULTS = (512, 2048, 512, 1)  # of n_ctx, n_batch, n_ubatch and n_seq_max, the first fields of llama_context_params
_CONTROL = 1 << 0 | 1 << 3  # of a token's attributes: it is the unknown one, or one that steers (llama.h)
_INFO, _ERROR = 2, 4  # of llama.cpp's levels of log lines (ggml.h, GGML_LOG_LEVEL_*)
# What keys and values are kept as (ggml.h, GGML_TYPE_*): 16 bits where nothing is said; int8 is Q8_0, which has a scale
# of 16 bits for each 32 numbers.
_CACHES = {"float": 1, "int8": 8}
# Both types stand behind a -1.0 and two empty pointers in llama_context_params; as long as they are 16 bits.
_TYPES = re.compile(rb"\x00\x00\x80\xbf(?:\x00{4})?\x00{16}(?=\x01\x00\x00\x00\x01\x00\x00\x00)")
_KEPT = re.compile(r"size =\s*([\d.]+) MiB .*K \((\w+)\).*V \((\w+)\)")  # its line about the cache
_COMPUTE = re.compile(rb"compute buffer size =\s*([\d.]+) MiB")

_UNKNOWN = re.compile(r"unknown (?:model )?(architecture|pre-tokenizer type|tokenizer)[^']*'([^']*)'")

_Token = ctypes.c_int32
_Pointer = ctypes.c_void_p
_OnLog = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class _Opaque(ctypes.Structure):
    """llama_model_params or llama_context_params."""

    _fields_ = [("raw", ctypes.c_uint8 * _OPAQUE)]


class _Batch(ctypes.Structure):
    """llama_batch."""

    _fields_ = [
        ("count", ctypes.c_int32),
        ("token", ctypes.POINTER(_Token)),
        ("embedding", ctypes.POINTER(ctypes.c_float)),
        ("position", ctypes.POINTER(ctypes.c_int32)),
        ("sequences", ctypes.POINTER(ctypes.c_int32)),
        ("sequence", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


class _Sharing:
    """How many engines are over one model."""

    def __init__(self) -> None:
        self._count = 1
        self._lock = threading.Lock()

    def join(self) -> None:
        with self._lock:
            self._count += 1

    def leave(self) -> bool:
        """Whether that was the last one."""
        with self._lock:
            self._count -= 1
            return not self._count


class GgufLanguageEngine:
    """A decoder in llama.cpp on the CPU; see `LanguageEngine`."""

    runtime = XLLAMACPP
    unfilled = 0  # a cache is taken whole at the start

    def __init__(self, path: Path, threads: int = 1, context: int | None = None, cache: str = "float") -> None:
        """context: most tokens in the cache; by default, and at most, what the model was trained on.

        cache: "float" keeps keys and values in 16 bits, "int8" in eight and a half. Raises `EngineError` where llama.cpp
        can't: for int8 it needs heads of a multiple of 32 numbers, and attention in one piece ("flash attention").
        """
        self._model = self._context = None
        self._batch: _Batch | None = None
        self._sharing: _Sharing | None = None
        if not path.is_file():
            raise EngineError(f"There is no model file {path.name}.")
        self._library = library = _library()
        _context_params(1, cache)  # refuses what can't be, before anything is loaded
        _said.clear()
        self._model = library.llama_model_load_from_file(os.fsencode(path), library.llama_model_default_params())
        if not self._model:
            raise EngineError(_unopened(path.name))
        self._refuse_other_kinds(path.name)
        most = library.llama_model_n_ctx_train(self._model)
        if context is not None and not 1 <= context <= most:
            self.close()
            raise EngineError(f"{path.name} was made for up to {most} tokens; choose a context from 1 to {most}.")
        self.version = version_here() or "unknown"
        self.context = context or most
        self._words = library.llama_model_get_vocab(self._model)
        self.vocabulary: int = library.llama_vocab_n_tokens(self._words)
        self._threads, self._sharing = threads, _Sharing()
        self._name, self._kind = path.name, cache
        self._begin()

    def another(self) -> GgufLanguageEngine:
        """See `LanguageEngine.another`: a context of its own over the same weights."""
        if self._batch is None:
            raise EngineError("The model was closed.")
        made = copy.copy(self)
        assert self._sharing is not None
        self._sharing.join()
        made._context, made._batch = None, None
        made._begin()
        return made

    def _begin(self) -> None:
        """An empty cache of its own."""
        library, held = self._library, rss_bytes()
        self.length = 0
        params = _context_params(self.context, self._kind)
        _kept.clear()
        _computing.clear()
        self._context = library.llama_init_from_model(self._model, params)
        kinds = {kind for _, *pair in _kept for kind in pair}
        if self._kind == "int8" and (not self._context or kinds != {"q8_0"}):
            self.close()
            raise EngineError(
                f"llama.cpp can't keep the cache of {self._name} in int8{_why()}; keep it in float, or choose a smaller "
                "context."
            )
        if not self._context:
            self.close()
            raise EngineError(f"llama.cpp can't keep {self.context} tokens{_why()}; choose a smaller context.")
        self.cache_bytes: int = round(sum(size for size, *_ in _kept) * 2**20)
        library.llama_set_n_threads(self._context, self._threads, self._threads)
        self._most: int = min(library.llama_n_batch(self._context), self.context)
        self._batch = library.llama_batch_init(self._most, 0, 1)
        # A cache that isn't kept by token has no such line; what computing takes is touched later.
        self.text_bytes = max(self.cache_bytes, rss_bytes() - held) + round(sum(_computing) * 2**20)

    def feed(self, tokens: Sequence[int], wanted: int = 1) -> np.ndarray:
        """See `LanguageEngine.feed`; the result is the caller's own."""
        if self._batch is None:
            raise EngineError("The model was closed.")
        count, before = len(tokens), self.length
        refuse_unreadable(tokens, wanted, before, self.context, self.vocabulary)
        made, first = np.empty((wanted, self.vocabulary), np.float32), count - wanted
        for start in range(0, count, self._most):
            part = tokens[start : start + self._most]
            if code := self._decode(part, first - start):
                self._forget(before)
                raise EngineError(f"llama.cpp stopped with code {code}{_why()}; choose a smaller context.")
            for i in range(max(0, first - start), len(part)):
                logits = self._library.llama_get_logits_ith(self._context, i)
                made[start + i - first] = np.ctypeslib.as_array(logits, (self.vocabulary,))
        return made

    def rewind(self, length: int) -> None:
        """See `LanguageEngine.rewind`; a model whose memory isn't kept by token (Mamba, RWKV) forgets all."""
        if self._batch is None:
            raise EngineError("The model was closed.")
        if not 0 <= length <= self.length:
            raise EngineError(f"The cache holds {self.length} tokens, so it can't go back to {length}.")
        if length < self.length:
            self._forget(length)

    def close(self) -> None:
        """Free the cache, and the model with its last engine; nothing else may be called afterwards."""
        if self._batch is not None:
            self._library.llama_batch_free(self._batch)
            self._batch = None
        if self._context:
            self._library.llama_free(self._context)
            self._context = None
        if self._model:
            if self._sharing is None or self._sharing.leave():
                self._library.llama_model_free(self._model)
            self._model = None

    def tokenize(self, text: str, marks: bool = False) -> list[int]:
        """The tokens of a text by llama.cpp's own tokenizer, without one for its beginning.

        marks: what spells a special token becomes it; otherwise it stays text.
        """
        data = text.encode()
        words, room = self._vocabulary(), len(data) + 8
        while True:
            ids = (_Token * room)()
            count = self._library.llama_tokenize(words, data, len(data), ids, room, False, marks)
            if count >= 0:
                return list(ids[:count])
            if count < -64 * (len(data) + 8):  # INT32_MIN where it can't
                raise EngineError("llama.cpp can't split this text into tokens; use another model.")
            room = -count

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; none for a special token."""
        words, room = self._vocabulary(), 64
        while True:
            data = ctypes.create_string_buffer(room)
            count = self._library.llama_token_to_piece(words, token, data, room, 0, False)
            if count >= 0:
                return data.raw[:count]
            room = -count

    def name(self, token: int) -> str:
        """How a token is called in the file."""
        found: bytes = self._library.llama_vocab_get_text(self._vocabulary(), token)
        return found.decode("utf-8", "replace")

    def special_tokens(self) -> list[int]:
        """The tokens that steer and are no text."""
        words, attributes = self._vocabulary(), self._library.llama_vocab_get_attr
        return [token for token in range(self.vocabulary) if attributes(words, token) & _CONTROL]

    def ends(self) -> frozenset[int]:
        """The tokens that end an answer."""
        words, ends = self._vocabulary(), self._library.llama_vocab_is_eog
        return frozenset(token for token in range(self.vocabulary) if ends(words, token))

    def edges(self) -> tuple[int | None, int | None, bool]:
        """The tokens for a text's beginning and end, None where there are none, and whether it begins with the first."""
        words, library = self._vocabulary(), self._library
        first, last = (
            None if token < 0 else token for token in (library.llama_vocab_bos(words), library.llama_vocab_eos(words))
        )
        return first, last, bool(library.llama_vocab_get_add_bos(words)) and first is not None

    def chat_template(self) -> str | None:
        """The Jinja text of the file's chat template, None where it has none."""
        self._vocabulary()
        found = self._library.llama_model_chat_template(self._model, None)
        return None if found is None else found.decode("utf-8", "replace")

    def _vocabulary(self) -> int:
        """llama.cpp's pointer, which is gone with the model."""
        if not self._model:
            raise EngineError("The model was closed.")
        words: int = self._words
        return words

    def _refuse_other_kinds(self, name: str) -> None:
        library, model = self._library, self._model
        if library.llama_model_has_encoder(model) or not library.llama_model_has_decoder(model):
            wrong = "reads a text whole before it writes, or doesn't write"
        elif library.llama_model_is_diffusion(model):
            wrong = "writes all words at once"
        else:
            return
        self.close()
        raise EngineError(f"{name} holds a model that {wrong}; use one that writes a text word by word.")

    def _decode(self, tokens: Sequence[int], first_wanted: int) -> int:
        batch = self._batch
        assert batch is not None
        for i, token in enumerate(tokens):
            batch.token[i], batch.position[i] = token, self.length + i
            batch.sequences[i], batch.sequence[i][0] = 1, 0
            batch.logits[i] = i >= first_wanted
        batch.count = len(tokens)
        _said.clear()
        code: int = self._library.llama_decode(self._context, batch)
        if not code:
            self.length += len(tokens)
        return code

    def _forget(self, length: int) -> None:
        """All from a length on; all there is, where the model can't go back so far."""
        memory = self._library.llama_get_memory(self._context)
        if not self._library.llama_memory_seq_rm(memory, 0, length, -1):
            self._library.llama_memory_clear(memory, True)
            length = 0
        self.length = length


def version_here() -> str | None:
    """The version of xllamacpp that is installed; None where there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(XLLAMACPP)
    except PackageNotFoundError:
        return None


# llama.cpp's last errors, and its last caches: MiB, and what keys and values are kept as. It keeps one log for the
# whole process, and so do we.
_said: list[str] = []
_kept: list[tuple[float, str, str]] = []
_computing: list[float] = []  # MiB that computing takes beside the cache


@_OnLog
def _listen(level: int, text: bytes | None, _: int | None) -> None:
    if level == _ERROR and text and len(_said) < 8:
        _said.append(text.decode("utf-8", "replace").strip())
    elif level == _INFO and text and (found := _KEPT.search(text.decode("utf-8", "replace"))):
        _kept.append((float(found[1]), found[2], found[3]))
    elif level == _INFO and text and (computed := _COMPUTE.search(text)):
        _computing.append(float(computed[1]))


def _why() -> str:
    return f" ({_said[0][:160].rstrip('.')})" if _said else ""


def _context_params(context: int, cache: str) -> _Opaque:
    """llama_context_params for so many tokens; raises `EngineError` where the cache's type isn't found in it."""
    params: _Opaque = _library().llama_context_default_params()
    ctypes.c_uint32.from_buffer(params).value = context
    if cache not in _CACHES:
        raise EngineError(f"There is no cache of '{cache[:20]}'; there are float and int8.")
    if cache != "float":
        found = list(_TYPES.finditer(bytes(params.raw)))
        if len(found) != 1:
            raise EngineError("This version of xllamacpp isn't known for a cache of int8; keep it in float.")
        for place in (found[0].end(), found[0].end() + 4):
            ctypes.c_int32.from_buffer(params, place).value = _CACHES[cache]
    return params


def _unopened(name: str) -> str:
    said = _said[0] if _said else ""
    if found := _UNKNOWN.search(said):
        what = f"the {found[1]} '{found[2][:40]}'"
        return (
            f"{name} has {what}, which this version of llama.cpp (xllamacpp {version_here()}) doesn't know; install a "
            "newer one, or use another file."
        )
    return f"llama.cpp can't open {name}{_why()}; make it again, or get it again."


@functools.cache
def _library() -> ctypes.CDLL:
    """llama.cpp, with the types of what is called; raises `EngineError` where it can't be had or has another layout."""
    spec = importlib.util.find_spec(XLLAMACPP)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    files = [path for folder in folders for path in Path(folder).glob(f"{XLLAMACPP}*.so")]  # Linux and macOS
    if not files:
        raise EngineError("A .gguf model needs xllamacpp, which isn't installed here; install Enigma's extra 'gguf'.")
    try:
        library = ctypes.CDLL(str(files[0]))
        _declare(library)
    except (OSError, AttributeError):
        raise EngineError("This version of xllamacpp can't be used; install Enigma's extra 'gguf' again.") from None
    library.llama_log_set(_listen, None)
    library.llama_backend_init()
    params = library.llama_context_default_params()
    if tuple(ctypes.c_uint32.from_buffer(params, 4 * i).value for i in range(4)) != _DEFAULTS:
        raise EngineError("This version of xllamacpp isn't known; install Enigma's extra 'gguf' again.")
    return library


def _declare(library: ctypes.CDLL) -> None:
    """Argument and result types, after llama.h."""
    integer, truth, text = ctypes.c_int32, ctypes.c_bool, ctypes.c_char_p
    for name, result, arguments in (
        ("llama_backend_init", None, []),
        ("llama_log_set", None, [_OnLog, _Pointer]),
        ("llama_model_default_params", _Opaque, []),
        ("llama_context_default_params", _Opaque, []),
        ("llama_model_load_from_file", _Pointer, [text, _Opaque]),
        ("llama_model_free", None, [_Pointer]),
        ("llama_init_from_model", _Pointer, [_Pointer, _Opaque]),
        ("llama_free", None, [_Pointer]),
        ("llama_set_n_threads", None, [_Pointer, integer, integer]),
        ("llama_n_batch", ctypes.c_uint32, [_Pointer]),
        ("llama_model_n_ctx_train", integer, [_Pointer]),
        ("llama_model_get_vocab", _Pointer, [_Pointer]),
        ("llama_model_chat_template", text, [_Pointer, text]),
        ("llama_vocab_n_tokens", integer, [_Pointer]),
        ("llama_tokenize", integer, [_Pointer, text, integer, ctypes.POINTER(_Token), integer, truth, truth]),
        ("llama_token_to_piece", integer, [_Pointer, _Token, text, integer, integer, truth]),
        ("llama_vocab_get_text", text, [_Pointer, _Token]),
        ("llama_vocab_get_attr", ctypes.c_int, [_Pointer, _Token]),
        ("llama_vocab_is_eog", truth, [_Pointer, _Token]),
        ("llama_vocab_bos", _Token, [_Pointer]),
        ("llama_vocab_eos", _Token, [_Pointer]),
        ("llama_vocab_get_add_bos", truth, [_Pointer]),
        ("llama_model_has_encoder", truth, [_Pointer]),
        ("llama_model_has_decoder", truth, [_Pointer]),
        ("llama_model_is_diffusion", truth, [_Pointer]),
        ("llama_memory_clear", None, [_Pointer, truth]),
        ("llama_batch_init", _Batch, [integer, integer, integer]),
        ("llama_batch_free", None, [_Batch]),
        ("llama_decode", integer, [_Pointer, _Batch]),
        ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), [_Pointer, integer]),
        ("llama_get_memory", _Pointer, [_Pointer]),
        ("llama_memory_seq_rm", truth, [_Pointer, integer, integer, integer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
