"""A small decoder with weights that make its attention and norms matter."""

from __future__ import annotations

import torch

from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.model import LanguageModel

SHAPE = LanguageConfig(vocabulary=320, width=64, layers=3, heads=4, kv_heads=2, hidden=96, context=64)


def decoder(config: LanguageConfig, seed: int = 0) -> LanguageModel:
    """Random weights, larger than those that training starts from: those give nearly the same logits for any text."""
    generator = torch.Generator().manual_seed(seed)
    model = LanguageModel(config).eval().requires_grad_(False)
    for weight in model.parameters():
        drawn = torch.randn(weight.shape, generator=generator)
        weight.copy_(drawn * 0.08 if weight.dim() > 1 else 1 + drawn * 0.1)
    return model
