"""The player's network: two towers of small convolutions, one for boards and one for worlds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_runtime.games.planes import BOARD_PLANES, WORLD_ACTIONS, WORLD_PLANES

_NOISE = 0.01  # on activations while it learns, about half of what rounding to int8 will add


@dataclass(frozen=True)
class Shape:
    """What the network's shape depends on. walk: how many times the worlds' layer is repeated, as far as it sees."""

    board_width: int = 48
    board_blocks: int = 4
    world_width: int = 16
    walk: int = 20


class BoardTower(nn.Module):
    """planes float32 [batch, planes, 8, 8] -> features float32 [batch, width, 8, 8], and of them scores [batch, 64]."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(len(BOARD_PLANES), width, 3, padding=1)
        self.near = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(blocks))
        self.mix = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(blocks))
        self.out = nn.Conv2d(width, 1, 1)

    def features(self, planes: Tensor) -> Tensor:
        """What the scores are read from; nothing outside the board."""
        inside = planes[:, :1]
        h = torch.relu(self.first(planes))
        for near, mix in zip(self.near, self.mix, strict=True):
            h = torch.relu(h + mix(torch.relu(near(h)))) * inside
            if self.training:
                h = h + torch.randn_like(h) * _NOISE
        return h

    def forward(self, planes: Tensor) -> Tensor:
        made: Tensor = self.out(self.features(planes)).flatten(1)
        return made


class WorldTower(nn.Module):
    """planes float32 [batch, planes, 8, 8] -> scores float32 [batch, actions, 64], of each action at each place.

    One layer over and over, so that what it knows of the target spreads a step further each time, as in value
    iteration networks (Tamar et al. 2016). Activations are held to 0 to 1: they then count, and round, well.
    """

    def __init__(self, width: int, walk: int) -> None:
        super().__init__()
        self.walk = walk
        self.first = nn.Conv2d(len(WORLD_PLANES), width, 3, padding=1)
        self.step = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, WORLD_ACTIONS, 1)
        with torch.no_grad():
            self.step.weight.mul_(0.5)  # repeated so often, larger ones saturate at once

    def forward(self, planes: Tensor) -> Tensor:
        seen = self.first(planes)
        h = torch.clamp(seen, 0, 1)
        for _ in range(self.walk):
            h = torch.clamp(seen + self.step(h), 0, 1)
            if self.training:
                h = h + torch.randn_like(h) * _NOISE
        made: Tensor = self.out(h).flatten(2)
        return made


class PlayerNet(nn.Module):
    """(board planes, world planes) -> (board scores [batch, 64], world scores [batch, actions, 64])."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.board = BoardTower(shape.board_width, shape.board_blocks)
        self.world = WorldTower(shape.world_width, shape.walk)

    def forward(self, board: Tensor, world: Tensor) -> tuple[Tensor, Tensor]:
        return self.board(board), self.world(world)
