"""The network that makes pictures of captions: a few layers between numbers that stand for a picture, steered by its caption, and their picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from edge_runtime.tasks.image_flow import MOMENTS
from edge_runtime.tasks.text import Features

# How many parts a picture is a sum of, and the widths of the layers and of a word.
SIZES = {"nano": (96, 256, 96), "micro": (192, 512, 192), "tiny": (320, 768, 256)}
FEATURES = Features(length=64, buckets=4096)


@dataclass(frozen=True)
class Shape:
    """What a network's shape depends on. side: of the pictures, in pixels."""

    side: int = 64
    size: str = "micro"

    @property
    def parts(self) -> int:
        """How many parts a picture is a sum of."""
        return SIZES[self.size][0]


class FlowNet(nn.Module):
    """noisy float32 [batch, parts], moment float32 [batch, MOMENTS], words int32 [batch, length] -> the way from noisy to what
    it will be, float32 [batch, parts], and the picture that this stands for, float32 [batch, side * side * 3] of -1 to 1.
    """

    full_ranges = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        parts, wide, word = SIZES[shape.size]
        self.words = nn.Embedding(FEATURES.buckets + 1, word, padding_idx=0)
        with torch.no_grad():
            self.words.weight.mul_(0.5)
            self.words.weight[0] = 0
        self.steer = nn.Linear(word + MOMENTS, wide)
        self.begin = nn.Linear(parts, wide)
        self.layers = nn.ModuleList([nn.Linear(wide, wide), nn.Linear(wide, wide)])
        self.end, self.said = nn.Linear(wide, parts), nn.Linear(word, parts)
        nn.init.zeros_(self.end.weight)
        self.picture = nn.Linear(parts, shape.side**2 * 3)
        self.picture.requires_grad_(False)  # computed, see `image_flow_fit.parts_of`

    def forward(self, noisy: Tensor, moment: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        clean = self.clean(noisy, moment, words)
        return clean - noisy, self.picture(clean)

    def clean(self, noisy: Tensor, moment: Tensor, words: Tensor) -> Tensor:
        """What noisy will be, float32 [batch, parts]."""
        count = (words != 0).to(torch.float32).sum(1, keepdim=True)
        said = self.words(words).sum(1) * torch.rsqrt(count + 1)
        steer = self.steer(torch.cat([said, moment], 1))
        x = torch.relu(self.begin(noisy) + steer)
        for layer in self.layers:
            x = x + torch.relu(layer(x) + steer)
        return cast(Tensor, self.end(x) + self.said(said))
