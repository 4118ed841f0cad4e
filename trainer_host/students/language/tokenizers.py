"""Tokenizers of language students: byte-level BPE (arXiv 1508.07909 over GPT-2's bytes), trained from the texts.

Every text comes back as it went in, for each byte is a token; and a text that spells a special token gives ordinary ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from trainer_host.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Rust

TASKS = (
    "3d_gen", "audio_gen", "avatar", "chat", "code", "game",
    "image_gen", "math", "robot", "router", "video_gen", "vision",
)  # fmt: skip
PAD = "<|pad|>"
# The order is that of their ids, 0 on; a model trained with one order can't be read with another.
SPECIALS = (
    PAD,
    "<|bos|>",
    "<|im_start|>",
    "<|im_end|>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    *(f"<|task:{task}|>" for task in TASKS),
)
# These are part of an answer's text, so they are tokens wherever they are spelled, and come back as text.
PLAIN = frozenset({"<think>", "</think>", "<tool_call>", "</tool_call>"})
SMALLEST = len(SPECIALS) + 256  # the special tokens and the bytes
_PIECE = 1 << 20  # characters handed to the trainer at once: it holds what it is given twice


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> str:
    """The text of a Hugging Face tokenizer.json with at most `vocabulary` tokens; the same texts give the same bytes.

    It has fewer where no pair of tokens comes twice any more: take the model's vocabulary from the tokenizer.

    Digits are tokens of their own, so that a number is read the same way wherever it stands (arXiv 2304.02015).
    Raises `DataError` for a vocabulary smaller than the bytes need, and where there is no text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    if vocabulary < SMALLEST:
        raise DataError(f"A vocabulary of {vocabulary} is too small; the bytes alone need {SMALLEST}.")
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    counted = _Counted(texts)
    made.train_from_iterator(counted, trainer=trainer)
    if not counted.characters:
        raise DataError("There is no text to train a tokenizer on; add rows to the dataset.")
    table = json.loads(made.to_str())
    for token in table["added_tokens"]:
        token["special"] = token["content"] not in PLAIN
    return json.dumps(table, ensure_ascii=False, separators=(",", ":"))


class _Counted:
    """Texts in pieces, and how many characters they have together."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts, self.characters = texts, 0

    def __iter__(self) -> Iterator[str]:
        for text in self.texts:
            self.characters += len(text)
            for start in range(0, len(text), _PIECE):
                yield text[start : start + _PIECE]


class FastTokenizer:
    """The device's tokenizer by the `tokenizers` package: the same ids, many times as fast; for whole datasets."""

    def __init__(self, text: str) -> None:
        """text: of tokenizer.json; raises `DataError` where it can't be read."""
        from tokenizers import Tokenizer

        try:
            self._made: Rust = Tokenizer.from_str(text)
        except Exception as cause:  # the package raises a bare Exception
            raise DataError(f"The tokenizer can't be read ({str(cause)[:120]}); train it again.") from None
        self._made.encode_special_tokens = True
        added = self._made.get_added_tokens_decoder()
        self.special = {token.content: number for number, token in sorted(added.items()) if token.special}
        self.size = self._made.get_vocab_size(with_added_tokens=True)

    def special_id(self, text: str) -> int:
        """The id of a special token; raises `DataError` where the tokenizer has none such."""
        if text not in self.special:
            raise DataError(f"The tokenizer has no special token {text}; train it again.")
        return self.special[text]

    def encode(self, text: str) -> list[int]:
        """Ids of a text; never those of special tokens."""
        return list(self._made.encode(text, add_special_tokens=False).ids)

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each, on all cores."""
        return [list(made.ids) for made in self._made.encode_batch(list(texts), add_special_tokens=False)]

    def sizes(self, ids: Sequence[int]) -> list[int]:
        """Bytes that each token stands for: in a table over GPT-2's bytes each of them is one character."""
        return [len(self._made.id_to_token(number) or "") for number in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens spelled out."""
        return str(self._made.decode(list(ids), skip_special_tokens=False))
