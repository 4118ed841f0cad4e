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
MEANT = 256  # numbers that captions are compared by
REMEMBERED = 4096  # captions, with their pictures, at most
SHARP = 0.02  # how much less alike a caption may be than the nearest, and still count a third
KEPT = 0.6  # of a picture at the start is what the nearest captions' pictures have; the rest is noise
UNHEARD = 0.5  # of the layers' values are left out in training: pictures are few


@dataclass(frozen=True)
class Shape:
    """What a network's shape depends on. side: of the pictures, in pixels. captions: how many are remembered."""

    side: int = 64
    size: str = "micro"
    captions: int = REMEMBERED

    @property
    def parts(self) -> int:
        """How many parts a picture is a sum of."""
        return SIZES[self.size][0]


class Memory(nn.Module):
    """words int32 [batch, length] -> what the pictures of the nearest learnt captions have, float32 [batch, parts].

    Nothing of it is trained: captions are compared by latent semantic analysis (Deerwester et al. 1990), see `image_flow_fit.remember`.
    """

    def __init__(self, captions: int, parts: int) -> None:
        super().__init__()
        self.features = nn.Embedding(FEATURES.buckets + 1, MEANT, padding_idx=0)
        self.captions = nn.Linear(MEANT, captions, bias=False)
        self.pictures = nn.Linear(captions, parts, bias=False)
        self.requires_grad_(False)

    def forward(self, words: Tensor) -> Tensor:
        return cast(Tensor, self.pictures(torch.softmax(self.alike(words) / SHARP, 1)))

    def alike(self, words: Tensor) -> Tensor:
        """How alike each remembered caption is, float32 [batch, captions], of -1 to 1."""
        said = self.features(words).sum(1)
        return cast(Tensor, self.captions(said * torch.rsqrt((said * said).sum(1, keepdim=True) + 1e-6)))


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
        self.memory = Memory(shape.captions, parts)
        self.steer = nn.Linear(word + MOMENTS + parts, wide)
        self.begin = nn.Linear(parts, wide)
        self.layers = nn.ModuleList([nn.Linear(wide, wide), nn.Linear(wide, wide)])
        self.end, self.said = nn.Linear(wide, parts), nn.Linear(word, parts)
        nn.init.zeros_(self.end.weight)
        self.near = nn.Parameter(torch.zeros(parts))
        self.unheard = nn.Dropout(UNHEARD)
        self.picture = nn.Linear(parts, shape.side**2 * 3)
        self.picture.requires_grad_(False)  # computed, see `image_flow_fit.parts_of`

    def forward(self, noisy: Tensor, moment: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        clean = self.clean(noisy, moment, words)
        return clean - noisy, self.picture(clean)

    def clean(self, noisy: Tensor, moment: Tensor, words: Tensor) -> Tensor:
        """What noisy will be, float32 [batch, parts]: beside the noise it gets what the nearest captions' pictures have (arXiv 2108.01073)."""
        near = self.memory(words)
        return self.guess(near * KEPT + noisy * (1 - KEPT), moment, words, near)

    def guess(self, noisy: Tensor, moment: Tensor, words: Tensor, near: Tensor) -> Tensor:
        """What a picture with noise is without, float32 [batch, parts]. near: of the nearest captions, as `Memory` gives it."""
        count = (words != 0).to(torch.float32).sum(1, keepdim=True)
        said = self.words(words).sum(1) * torch.rsqrt(count + 1)
        steer = self.steer(torch.cat([said, moment, near], 1))
        x = torch.relu(self.begin(noisy) + steer)
        for layer in self.layers:
            x = x + self.unheard(torch.relu(layer(x) + steer))
        return cast(Tensor, self.end(x) + self.said(said) + self.near * near)
