"""The network of the task image_flow: convolutions over patches at three resolutions, which a caption steers in each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.tasks.image_flow import MOMENTS, PATCH
from edge_runtime.tasks.text import Features

# Widths at a quarter, an eighth and a sixteenth of the picture's side, of what steers them, and of a word.
SIZES = {"nano": (32, 64, 96, 128, 64), "micro": (48, 96, 160, 192, 96), "tiny": (64, 128, 224, 256, 128)}
FEATURES = Features(length=64, buckets=4096)


@dataclass(frozen=True)
class Shape:
    """What a network's shape depends on. side: of the pictures, in pixels."""

    side: int = 64
    size: str = "micro"


class Block(nn.Module):
    """Two convolutions with a way around them; the caption and the moment scale and shift what is between them."""

    def __init__(self, wide: int, steering: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(wide, wide, 3, 1, 1), nn.Conv2d(wide, wide, 3, 1, 1)
        self.scale, self.shift = nn.Linear(steering, wide), nn.Linear(steering, wide)
        for layer in (self.second, self.scale, self.shift):
            nn.init.zeros_(layer.weight)  # at first a block changes nothing
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, steer: Tensor) -> Tensor:
        made = self.first(torch.relu(x)) * (1 + self.scale(steer)[:, :, None, None])
        made = self.second(torch.relu(made + self.shift(steer)[:, :, None, None]))
        return x + made


class FlowNet(nn.Module):
    """noisy float32 [batch, side / PATCH, side / PATCH, PATCH * PATCH * 3], moment float32 [batch, MOMENTS], words int32
    [batch, length] -> the picture that it will be, as `noisy`.
    """

    float_edges = True  # noise of any size comes in, and colours go out
    full_ranges = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        fine, middle, coarse, steering, word = SIZES[shape.size]
        values = PATCH * PATCH * 3
        self.least = shape.side // PATCH // 4
        self.words = nn.Embedding(FEATURES.buckets + 1, word, padding_idx=0)
        with torch.no_grad():
            self.words.weight.mul_(0.3)
            self.words.weight[0] = 0
        self.text = nn.Sequential(nn.Linear(word, steering), nn.ReLU(), nn.Linear(steering, steering))
        self.time = nn.Sequential(nn.Linear(MOMENTS, steering), nn.ReLU(), nn.Linear(steering, steering))
        self.both = nn.Linear(steering, steering)
        self.begin = nn.Conv2d(values, fine, 1)
        self.down = nn.ModuleList([nn.Conv2d(fine, middle, 3, 2, 1), nn.Conv2d(middle, coarse, 3, 2, 1)])
        self.up = nn.ModuleList([nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)])
        self.plan = nn.Linear(steering, coarse * self.least**2)
        self.descent = nn.ModuleList([Block(fine, steering), Block(middle, steering)])
        self.bottom = nn.ModuleList([Block(coarse, steering), Block(coarse, steering)])
        self.ascent = nn.ModuleList(Block(wide, steering) for wide in (middle, middle, fine, fine))
        self.end = nn.Conv2d(fine, values, 1)

    def forward(self, noisy: Tensor, moment: Tensor, words: Tensor) -> Tensor:
        count = (words != 0).to(torch.float32).sum(1, keepdim=True)
        said = self.words(words).sum(1) * torch.rsqrt(count + 1)
        steer = torch.relu(self.both(torch.relu(self.text(said) + self.time(moment))))
        fine = self.descent[0](self.begin(noisy.permute(0, 3, 1, 2)), steer)
        middle = self.descent[1](self.down[0](fine), steer)
        x = self.down[1](middle) + self.plan(steer).reshape(-1, self.down[1].out_channels, self.least, self.least)
        for block in self.bottom:
            x = block(x, steer)
        x = self.up[0](functional.interpolate(x, scale_factor=2.0, mode="nearest")) + middle
        x = self.ascent[1](self.ascent[0](x, steer), steer)
        x = self.up[1](functional.interpolate(x, scale_factor=2.0, mode="nearest")) + fine
        x = self.ascent[3](self.ascent[2](x, steer), steer)
        made: Tensor = self.end(torch.relu(x)).permute(0, 2, 3, 1)
        return made
