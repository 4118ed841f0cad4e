"""The network of the task voice: letters to sounds, sounds to how long and what they are, that to frames of a voice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.media.script import ALPHABET, INNER, MARKED, STEP
from edge_runtime.media.vocoder import WIDTH

# Widths of letters' layers, of sounds' and of frames', and of what is told of a sound.
SIZES = {"nano": (64, 80, 96, 48), "micro": (96, 128, 160, 64), "tiny": (128, 192, 256, 96)}
_LETTERS, _SOUNDS, _FRAMES = (1, 1, 1, 1), (1, 2, 1, 2), (1, 2, 4, 2, 1)  # how far apart a layer's inputs lie


@dataclass(frozen=True)
class Shape:
    """What a network's shape depends on. sounds: how many it knows; spellings: what a letter may stand for."""

    size: str
    sounds: int
    spellings: int

    @property
    def told(self) -> int:
        """Values that are told of a sound."""
        return SIZES[self.size][3]


class Along(nn.Module):
    """A convolution over three places, as a linear layer over them side by side: [rows, places, width] -> the same."""

    def __init__(self, width: int, apart: int, reach: int = 1) -> None:
        super().__init__()
        self.apart, self.reach = apart, reach
        self.layer = nn.Linear((2 * reach + 1) * width, width)

    def forward(self, values: Tensor) -> Tensor:
        """With a shortcut."""
        count, far = values.shape[1], self.apart * self.reach
        padded = functional.pad(values, (0, 0, far, far))
        beside = [padded[:, at * self.apart : at * self.apart + count] for at in range(2 * self.reach + 1)]
        return values + functional.relu(self.layer(torch.cat(beside, 2)))


class Letters(nn.Module):
    """int32 [rows, places] -> logits of spellings [rows, places, spellings]; each letter sees eight on each side."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = SIZES[shape.size][0]
        self.table = nn.Embedding(len(ALPHABET) + 1, width, padding_idx=0)
        self.layers = nn.ModuleList(Along(width, apart, 2) for apart in _LETTERS)
        self.end = nn.Linear(width, shape.spellings)

    def forward(self, letters: Tensor) -> Tensor:
        """See the class."""
        there = (letters != 0).to(torch.float32)[:, :, None]
        now = self.table(letters)
        for layer in self.layers:
            now = layer(now) * there  # so that no word sees its neighbour
        out: Tensor = self.end(now)
        return out


class Sounds(nn.Module):
    """Sounds int32 [rows, places] and marks [rows, places, MARKED] -> log steps [rows, places], told [rows, places, told]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = SIZES[shape.size][1]
        self.table = nn.Embedding(shape.sounds + 1, width, padding_idx=0)
        self.marks = nn.Linear(MARKED, width)
        self.layers = nn.ModuleList(Along(width, apart) for apart in _SOUNDS)
        self.lasting = nn.Linear(width, 1)
        self.told = nn.Linear(width, shape.told)

    def forward(self, sounds: Tensor, marks: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        there = (sounds != 0).to(torch.float32)[:, :, None]
        now = (self.table(sounds) + self.marks(marks)) * there
        for layer in self.layers:
            now = layer(now) * there
        return self.lasting(now)[:, :, 0] + 2.0, self.told(now)


class Frames(nn.Module):
    """Placed [rows, steps, told + INNER] -> frames of the vocoder [rows, steps, STEP * WIDTH], in its own units."""

    mean: Tensor
    spread: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = SIZES[shape.size][2]
        self.begin = nn.Linear(shape.told + INNER, width)
        self.layers = nn.ModuleList(Along(width, apart) for apart in _FRAMES)
        self.end = nn.Linear(width, STEP * WIDTH)
        self.register_buffer("mean", torch.zeros(STEP * WIDTH))
        self.register_buffer("spread", torch.ones(STEP * WIDTH))

    def forward(self, placed: Tensor) -> Tensor:
        """See the class."""
        return self.plain(placed) * self.spread + self.mean

    def plain(self, placed: Tensor) -> Tensor:
        """Each value with mean 0 and spread 1 over the training."""
        now = torch.relu(self.begin(placed))
        for layer in self.layers:
            now = layer(now)
        out: Tensor = self.end(now)
        return out


class VoiceNet(nn.Module):
    """All three, each of which a device asks in turn, in one graph."""

    full_ranges = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.letters, self.sounds, self.frames = Letters(shape), Sounds(shape), Frames(shape)

    def forward(
        self, spelling: Tensor, script: Tensor, marks: Tensor, placed: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `edge_runtime.tasks.voice`."""
        lasting, told = self.sounds(script, marks)
        return self.letters(spelling), lasting, told, self.frames(placed)
