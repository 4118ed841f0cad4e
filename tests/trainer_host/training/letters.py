"""A tokenizer of bytes alone, with the special tokens of a chat."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from edge_runtime.language.tokenizer import Tokenizer

SPECIAL = ("<|bos|>", "<|im_start|>", "<|im_end|>")


def letter_tokenizer() -> Tokenizer:
    """One token for each byte."""
    import tokenizers

    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=256 + len(SPECIAL),
        special_tokens=list(SPECIAL),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([], trainer)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(json.dumps(json.loads(inner.to_str())))
        return Tokenizer.read(path)
