"""Tokenizers trained here by the package `tokenizers`, which is what ours is compared with."""

from __future__ import annotations

import functools
import json

from edge_runtime.language.tokenizer import Tokenizer

TEXT = (
    "The cat sat on the mat, and it's 12 o'clock; we'll see what they've got.\n\n    def f(x):\n        return x + 1\n"
    'Привет, мир! 你好，世界。 مرحبا بالعالم 🙂🙂 café naïve {"name": "light", "arguments": {"on": true}} 3.14 2024\n'
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|task:chat|>"]
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@functools.cache
def table(kind: str = "gpt2") -> str:
    """A tokenizer.json. kind: how words are split: gpt2, digits (as SmolLM2) or qwen (a pattern)."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = {
        "gpt2": words,
        "digits": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words]),
        "qwen": pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
    }[kind]
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=1,
        show_progress=False,
    )
    made.train_from_iterator([TEXT], trainer)
    made.add_tokens(["<tool_call>"])
    return str(made.to_str())


@functools.cache
def ours(kind: str = "gpt2") -> Tokenizer:
    return Tokenizer(json.loads(table(kind)))
