"""The player's network: towers of small convolutions, one for boards, one for worlds, and one for rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_runtime.games.planes import BOARD_PLANES, WORLD_ACTIONS, WORLD_PLANES
from edge_runtime.games.room_planes import ROOM_PLANES, ROOM_SCORES

_NOISE = 0.01  # on activations while it learns, about half of what rounding to int8 will add


@dataclass(frozen=True)
class Shape:
    """What the network's shape depends on. walk, room_walk: how many times the worlds' and the rooms' layer is repeated,
    as far as it sees."""

    board_width: int = 48
    board_blocks: int = 4
    world_width: int = 16
    walk: int = 20
    room_width: int = 32
    room_walk: int = 12


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


class RoomTower(nn.Module):
    """planes float32 [batch, planes, 8, 8] -> scores float32 [batch, actions x facings, 64], see `room_score`.

    What lies on a square and what the mission says are multiplied, so that the square that is meant stands out; from
    there it spreads as in `WorldTower`.
    """

    def __init__(self, width: int, walk: int) -> None:
        super().__init__()
        self.walk = walk
        self.said = nn.Conv2d(ROOM_PLANES, width, 1)
        self.shown = nn.Conv2d(ROOM_PLANES, width, 1)
        self.first = nn.Conv2d(ROOM_PLANES + width, width, 3, padding=1)
        self.step = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, ROOM_SCORES, 1)
        with torch.no_grad():
            self.step.weight.mul_(0.5)  # see `WorldTower`

    def forward(self, planes: Tensor) -> Tensor:
        meant = torch.clamp(self.said(planes), -1, 1) * torch.clamp(self.shown(planes), -1, 1)
        seen = self.first(torch.cat([planes, torch.relu(meant)], 1))
        h = torch.clamp(seen, 0, 1)
        for _ in range(self.walk):
            h = torch.clamp(seen + self.step(h), 0, 1)
            if self.training:
                h = h + torch.randn_like(h) * _NOISE
        made: Tensor = self.out(h).flatten(2)
        return made


class PlayerNet(nn.Module):
    """The planes of each of its towers -> the scores of each, in the same order: see `edge_runtime.tasks.game.TOWERS`."""

    full_ranges = True  # few positions have the largest numbers, and these mustn't be cut off

    def __init__(self, shape: Shape, towers: Sequence[str]) -> None:
        super().__init__()
        made = {
            "board": lambda: BoardTower(shape.board_width, shape.board_blocks),
            "world": lambda: WorldTower(shape.world_width, shape.walk),
            "room": lambda: RoomTower(shape.room_width, shape.room_walk),
        }
        self.towers = tuple(towers)
        for name in self.towers:
            self.add_module(name, made[name]())

    def forward(self, *planes: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.get_submodule(name)(shown) for name, shown in zip(self.towers, planes, strict=True))
