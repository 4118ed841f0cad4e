"""A small model that knows a text by heart: its best next token never ties with another."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer

TEXT = (
    "A lamp in the kitchen was left on for 12 hours, said the clock at 7:35. Nobody had seen who did it; the cat, a "
    "grey one called Žofie, slept on the warm shelf beneath it. “Ça va?” asked the neighbour — and turned it off. 🐈\n"
) * 2
SHAPE = LanguageConfig(0, 64, 2, 4, 2, 160, context=256)


@dataclass(frozen=True)
class Learnt:
    """A trained model, its shape, and the text of its tokenizer.json."""

    model: LanguageModel
    config: LanguageConfig
    tokenizer: str

    @property
    def state(self) -> dict[str, Tensor]:
        """Its weights by their names."""
        return self.model.state_dict()

    def encode(self, text: str) -> list[int]:
        """Tokens of a text."""
        return FastTokenizer(self.tokenizer).encode(text)

    def greedy(self, ids: list[int], count: int) -> list[int]:
        """The next tokens, each the likeliest."""
        made = list(ids)
        with torch.inference_mode():
            for _ in range(count):
                made.append(int(self.model(torch.tensor([made]))[0, -1].argmax()))
        return made[len(ids) :]


@functools.cache
def tokenizer() -> str:
    """Trained on the text."""
    return train_tokenizer([TEXT], 340)


@functools.cache
def learnt(tied: bool = True, rope: str | None = None, head: int | None = None) -> Learnt:
    """Trained until it knows the text. rope: a kind of scaling, by 4 over 64 positions; the text is three times as long.

    head: numbers of a head, 16 where nothing is said.
    """
    text = tokenizer()
    encoder = FastTokenizer(text)
    config = replace(SHAPE, vocabulary=encoder.size, tied=tied, head_size=head)
    if rope is not None:
        config = replace(config, rope={"type": rope, "factor": 4.0, "trained": 64})
    torch.manual_seed(7)
    model = LanguageModel(config)
    ids = torch.tensor([encoder.encode(TEXT)[:200]])
    optimiser = torch.optim.AdamW(model.parameters(), 4e-3)
    for _ in range(300):
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[0, 1:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.1:
            break
    assert loss.item() < 0.1
    return Learnt(model.eval(), config, text)
