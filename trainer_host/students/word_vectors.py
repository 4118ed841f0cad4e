"""Pretrained static word vectors: what makes a word that training never showed mean something.

They are the token embeddings that the `wordllama` package carries (MIT; distilled from a large language model,
256 columns); a word's vector is the mean of its pieces, reduced by PCA to the student's width.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from edge_runtime.documents.meaning import TOKENIZER, WEIGHTS, from_package
from trainer_host.errors import TrainerError


def _package_file(name: str) -> Path:
    try:
        found = metadata.distribution("wordllama").locate_file(name)
    except metadata.PackageNotFoundError as error:
        raise TrainerError('Word vectors are missing; run `pip install "enigma[trainer]"`.') from error
    path = Path(str(found))
    if not path.is_file():
        raise TrainerError(f"The wordllama package has no {name}; install the version that constraints.txt names.")
    return path


def common_words() -> list[str]:
    """Whole lower-case English-looking words of the pretrained vocabulary, in its order (frequent first)."""
    from tokenizers import Tokenizer

    vocabulary = Tokenizer.from_file(str(_package_file(TOKENIZER))).get_vocab()
    rows = sorted((row, token) for token, row in vocabulary.items())
    return [
        token[1:] for _, token in rows
        if token.startswith("\u2581") and len(token) > 2 and token[1:].isascii() and token[1:].isalpha() and token[1:].islower()
    ]  # fmt: skip


def vectors(words: list[str], width: int) -> np.ndarray:
    """float32 [len(words), width], each row of unit length on average; the same bytes for the same words."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_package_file(TOKENIZER)))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    table = next(iter(load_file(str(_package_file(WEIGHTS))).values())).astype(np.float32)
    raw = np.zeros((len(words), table.shape[1]), np.float32)
    for i, encoding in enumerate(tokenizer.encode_batch(words, add_special_tokens=False)):
        if encoding.ids:
            raw[i] = table[encoding.ids].mean(axis=0)
    raw -= raw.mean(axis=0)
    _, basis = np.linalg.eigh(raw.T.astype(np.float64) @ raw.astype(np.float64))
    basis = basis[:, ::-1][:, :width]
    basis *= np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
    reduced = raw @ basis.astype(np.float32)
    return np.asarray(reduced / np.sqrt((reduced**2).sum(axis=1).mean()), np.float32)


SOURCE = {
    "name": "wordllama l2_supercat_256",
    "licence": "MIT",
    "copyright": "Copyright (c) 2024 Lee Miller",
    "from": "token embeddings of Llama 2 and other language models of its vocabulary",
}


@cache
def piece_vectors() -> tuple[np.ndarray, np.ndarray]:
    """(uint32 [pieces], float32 [pieces + 1, 256]): the vocabulary's lower-case words and parts of words as
    `edge_runtime.tasks.pieces` knows them, and their vectors in its order behind a row of zeros, centred, of length 1 on average.

    Raises `TrainerError` where the package lacks.
    """
    found = from_package()
    if found is None:
        raise TrainerError('Word vectors are missing; run `pip install "enigma[trainer]"`.')
    return found
