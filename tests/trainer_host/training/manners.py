"""A toy language for tests of tuning: `3 + 4 =` is answered with the last digit of the sum, a manner and an end."""

from __future__ import annotations

import random
from functools import cache

import torch
from torch.nn import functional as F

from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.model import LanguageModel

PLUS, EQUALS, POLITE, RUDE, END = 10, 11, 12, 13, 14
PROMPTS = [(a, PLUS, b, EQUALS) for a in range(10) for b in range(10)]
SHAPE = LanguageConfig(16, 48, 2, 4, 2, 96, 16)


def digit(prompt: tuple[int, ...]) -> int:
    """The right answer."""
    return (prompt[0] + prompt[2]) % 10


@cache
def learned(steps: int, rude: float = 0.5, seed: int = 0) -> LanguageModel:
    """A model that learned the sums for so many steps; `rude`: the share of answers that were so. Read only."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = LanguageModel(SHAPE)
    for weight in model.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.1)  # 0.02 is for widths of hundreds: here it takes ten times as long
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    for _ in range(steps):
        tokens = torch.tensor(
            [[*prompt, digit(prompt), RUDE if rng.random() < rude else POLITE, END] for prompt in PROMPTS]
        )
        logits = model(tokens[:, :-1])[:, 3:]
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 4:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def right(model: LanguageModel) -> float:
    """The share of sums that it gets right."""
    tokens = torch.tensor([list(prompt) for prompt in PROMPTS])
    with torch.no_grad():
        said = model(tokens)[:, -1].argmax(-1)
    return float((said == torch.tensor([digit(prompt) for prompt in PROMPTS])).float().mean())
