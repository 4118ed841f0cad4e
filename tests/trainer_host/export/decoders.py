"""Small decoders with weights that make their attention and norms matter."""

from __future__ import annotations

from dataclasses import replace

import torch

from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.model import LanguageModel

SHAPE = LanguageConfig(vocabulary=320, width=64, layers=3, heads=4, kv_heads=2, hidden=96, context=64)

SHAPES = {
    "plain": SHAPE,
    "one head for keys each": replace(SHAPE, kv_heads=4),
    "one head for all keys": replace(SHAPE, kv_heads=1),
    "own head": replace(SHAPE, tied=False),
    "head wider than the width allows": replace(SHAPE, head_size=32),
    "window in all but every second layer": replace(SHAPE, window=7, full_every=2),
    "window of one": replace(SHAPE, window=1, full_every=3),
    "linear positions": replace(SHAPE, rope={"type": "linear", "factor": 2.0}),
    "yarn positions": replace(SHAPE, rope={"type": "yarn", "factor": 4.0, "trained": 16}),
    "dynamic positions within the trained context": replace(SHAPE, rope={"type": "dynamic", "factor": 2.0}),
    "other norm and base": replace(SHAPE, norm_epsilon=0.1, rope_base=100.0),
}


def decoder(config: LanguageConfig, seed: int = 0) -> LanguageModel:
    """Random weights, larger than those that training starts from: those give nearly the same logits for any text."""
    generator = torch.Generator().manual_seed(seed)
    model = LanguageModel(config).eval().requires_grad_(False)
    for weight in model.parameters():
        drawn = torch.randn(weight.shape, generator=generator)
        weight.copy_(drawn * 0.08 if weight.dim() > 1 else 1 + drawn * 0.1)
    return model
