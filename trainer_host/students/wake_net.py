"""The network of the task wake_word: causal convolutions over time, which a device runs step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.audio.frontend import BANDS
from edge_runtime.audio.wake import STRIDE

# What each layer remembers, in steps of 30 ms; together 1.9 s, longer than any phrase that is taken.
KERNELS = (5, 9, 13, 17, 21)
WIDTHS = {"nano": 32, "micro": 80, "tiny": 96}


THROATS = 3  # what one voice misses by chance, the same voice with another throat often does not


@dataclass(frozen=True)
class Shape:
    """width: channels of each layer. throats: an odd number of them, with each of which a device hears every sound."""

    width: int
    throats: int = 1

    @property
    def memory(self) -> int:
        """Steps that are kept between two, in all layers and for all throats together."""
        return self.throats * sum(kernel - 1 for kernel in KERNELS)


class WakeNet(nn.Module):
    """Features float32 [clips, frames, 40] -> logits [clips, steps], of the phrase's having just ended.

    As MixedNet and TC-ResNet (Choi et al. 2019): a depthwise convolution of growing length over time, a pointwise one,
    and a shortcut.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.enter = nn.Linear(BANDS * STRIDE, width, bias=False)
        self.enter_norm = nn.BatchNorm1d(width)
        self.over_time = nn.ModuleList(nn.Conv1d(width, width, kernel, groups=width, bias=False) for kernel in KERNELS)
        self.across = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in KERNELS)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in KERNELS)
        self.drop = nn.Dropout(0.1)
        self.leave = nn.Linear(width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        result: Tensor = self.leave(self.drop(self.inputs(features)[-1]))[..., 0]
        return result

    def by_all_throats(self, features: Tensor) -> Tensor:
        """As `forward`, but what a device makes of it: the mean of what the network says of each throat."""
        result: Tensor = (
            self(as_of_throats(features, self.shape.throats)).unflatten(0, (self.shape.throats, -1)).mean(0)
        )
        return result

    def inputs(self, features: Tensor) -> list[Tensor]:
        """What each layer is given, the last one too, float32 [clips, steps, width] each."""
        clips, frames, _ = features.shape
        now = self.enter(features.reshape(clips, frames // STRIDE, BANDS * STRIDE))
        now = functional.relu(_normed(self.enter_norm, now))
        made = [now]
        for over, across, norm in zip(self.over_time, self.across, self.norms, strict=True):
            assert isinstance(over, nn.Conv1d)
            # As a convolution of two dimensions whose channels lie last, which torch learns in half the time.
            before = functional.pad(now, (0, 0, over.kernel_size[0] - 1, 0)).transpose(1, 2)[:, :, None]
            after = functional.conv2d(before, over.weight[:, :, None], groups=over.groups)[:, :, 0]
            mixed = across(after.transpose(1, 2))
            now = now + functional.relu(_normed(norm, mixed))
            made.append(now)
        return made


class WakeStep(nn.Module):
    """One step of a trained `WakeNet`: frames float32 [1, 3, 40] and memory float32 [1, memory, width] -> logit, memory.

    Batch norms are folded into the weights. The memory is what each layer needs of the steps before, throat by throat, the
    first layer's first. The logit is the mean of all throats'.
    """

    full_ranges = True  # few steps are at a phrase's end, and what these reach mustn't be cut off

    def __init__(self, net: WakeNet) -> None:
        super().__init__()
        self.shape = net.shape
        width = net.shape.width
        self.enter = _folded(net.enter, net.enter_norm)
        self.across = nn.ModuleList()
        self.over_time = nn.ModuleList()
        for across, norm, conv, kernel in zip(net.across, net.norms, net.over_time, KERNELS, strict=True):
            assert isinstance(across, nn.Linear) and isinstance(norm, nn.BatchNorm1d) and isinstance(conv, nn.Conv1d)
            self.across.append(_folded(across, norm))
            made = nn.Conv2d(width, width, (kernel, 1), groups=width, bias=False)
            made.weight = nn.Parameter(conv.weight.detach()[..., None].clone())
            self.over_time.append(made)
        self.leave = net.leave

    def forward(self, frames: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        width, throats = self.shape.width, self.shape.throats
        memory = memory.reshape(throats, self.shape.memory // throats, width)
        now = functional.relu(self.enter(as_of_throats(frames, throats).reshape(throats, BANDS * STRIDE)))
        kept, place = [], 0
        for over, across, kernel in zip(self.over_time, self.across, KERNELS, strict=True):
            span = torch.cat([memory[:, place : place + kernel - 1], now.reshape(throats, 1, width)], 1)
            kept.append(span[:, 1:])
            place += kernel - 1
            mixed = over(span.permute(0, 2, 1).reshape(throats, width, kernel, 1)).reshape(throats, width)
            now = now + functional.relu(across(mixed))
        return self.leave(now).mean(0, keepdim=True), torch.cat(kept, 1).reshape(1, self.shape.memory, width)


def as_of_throats(features: Tensor, throats: int) -> Tensor:
    """[clips, frames, 40] -> [throats * clips, frames, 40]: as if each next throat were shorter, by a band of the scale of mel."""
    most = throats // 2
    wide = functional.pad(features, (most, most))
    return torch.cat([wide[..., place : place + BANDS] for place in range(throats)])


def memories(net: WakeNet, features: Tensor) -> Iterator[Tensor]:
    """The memory of a `WakeStep` before each step of one sound, [frames, 40]: float32 [1, memory, width] each."""
    inputs = [
        functional.pad(one, (0, 0, kernel - 1, 0))
        for one, kernel in zip(net.inputs(as_of_throats(features[None], net.shape.throats)), KERNELS, strict=False)
    ]
    for step in range(len(features) // STRIDE):
        some = [one[:, step : step + kernel - 1] for one, kernel in zip(inputs, KERNELS, strict=True)]
        yield torch.cat(some, 1).reshape(1, net.shape.memory, net.shape.width)


def _normed(norm: nn.BatchNorm1d | nn.Module, values: Tensor) -> Tensor:
    """Over the channels of [clips, steps, channels]."""
    result: Tensor = norm(values.reshape(-1, values.shape[-1])).reshape(values.shape)
    return result


def _folded(layer: nn.Linear, norm: nn.BatchNorm1d) -> nn.Linear:
    """A linear layer that does what both did, in eval mode."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    made = nn.Linear(layer.in_features, layer.out_features)
    made.weight = nn.Parameter((layer.weight * scale[:, None]).detach())
    made.bias = nn.Parameter((norm.bias - norm.running_mean * scale).detach())
    return made
