"""The networks of the task vision: residual stages of plain convolutions, which int8 runtimes are fastest at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 8  # pixels between a detector's cells
# Widths of the stages, and of the stem. Named as the sizes of language models are.
SIZES = {"nano": (8, 16, 32, 64), "micro": (8, 24, 48, 96), "tiny": (16, 32, 64, 128), "small": (24, 48, 96, 192)}
SMALL_PICTURE = 40  # pixels a side: up to here a classifier's stem keeps the resolution
# Of small pictures their first stage halves it: at the whole resolution it would be most of the work.
WIDE = ("tiny", "small")


@dataclass(frozen=True)
class Shape:
    """What a network's shape depends on. side: of the square that it reads, in pixels.

    early: whether the first stage halves the resolution of small pictures, not only the second.
    """

    labels: int
    side: int
    size: str = "micro"
    early: bool = False

    @property
    def cells(self) -> int:
        """How many cells a detector has."""
        return (self.side // STRIDE) ** 2


class Unit(nn.Module):
    """Convolution, batch norm, ReLU; with a way around them where `around`."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int = 3, stride: int = 1, around: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(wide_in, wide_out, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(wide_out)
        self.around = around

    def forward(self, x: Tensor) -> Tensor:
        made = torch.relu(self.norm(self.conv(x)))
        return made + x if self.around else made


class Trunk(nn.Module):
    """Pixels float32 [batch, 3, side, side] of -1 to 1 -> features at a quarter, an eighth and a sixteenth of it.

    Of small pictures: whole, half and quarter, or with `early` half, quarter and eighth.
    """

    def __init__(self, size: str, small: bool = False, early: bool = False) -> None:
        super().__init__()
        stem, one, two, three = SIZES[size]
        step = 1 if small else 2
        first = 2 if early else step
        self.one = nn.Sequential(Unit(3, stem, 3, step), Unit(stem, one, 3, first), Unit(one, one, around=True))
        self.two = nn.Sequential(Unit(one, two, 3, 2), Unit(two, two, around=True))
        self.three = nn.Sequential(
            Unit(two, three, 3, 2), Unit(three, three, around=True), Unit(three, three, around=True)
        )
        self.wide = one, two, three

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        one = self.one(x)
        two = self.two(one)
        return one, two, self.three(two)


def look_for_edges(trunk: Trunk) -> None:
    """Let the first layer begin with edges in pairs of both signs, blind to even colours, where forms have any colour.

    What it begins with else tells colours first, which say nothing there: nothing is learnt in the first thousand steps.
    """
    first = trunk.one[0]
    assert isinstance(first, Unit)
    with torch.no_grad():
        weight = first.conv.weight
        weight -= weight.mean((2, 3), keepdim=True)
        half = len(weight) // 2
        weight[half : 2 * half] = -weight[:half]


class ClassifierNet(nn.Module):
    """pixels uint8 [1, side, side, 3] -> probabilities float32 [1, labels], their logits divided by the temperature.

    looks: whether it also gives its look of the picture in two parts, float32 [1, numbers] each.
    """

    temperature: Tensor
    looks = False
    # Pictures of an import come label by label: means of ranges that run along with them end at the last label's.
    full_ranges = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.trunk = Trunk(shape.size, shape.side <= SMALL_PICTURE, shape.early)
        self.out = nn.Linear(self.trunk.wide[-1], shape.labels)
        self.register_buffer("temperature", torch.ones(1))

    def logits(self, x: Tensor) -> Tensor:
        """float32 [batch, labels] of float pixels."""
        made: Tensor = self.out(self.trunk(x)[-1].mean((2, 3)))
        return made

    def seen(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits float32 [batch, labels], and the look, which is the means of the last two stages: [batch, numbers] each."""
        _, two, three = self.trunk(x)
        last = three.mean((2, 3))
        # Computed anew: what LiteRT gives out it can't go on with.
        return self.out(last), two.mean((2, 3)), functional.adaptive_avg_pool2d(three, 1).flatten(1)

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        if not self.looks:
            return torch.softmax(self.logits(_floats(pixels)) / self.temperature, dim=-1)
        logits, middle, last = self.seen(_floats(pixels))
        return torch.softmax(logits / self.temperature, dim=-1), middle, last


class DetectorNet(nn.Module):
    """pixels uint8 [1, side, side, 3] -> scores float32 [1, cells, labels], boxes float32 [1, cells, 4].

    Without anchors: each cell says whether an object's middle is near, which one it is, and how far its four edges are
    (as FCOS, arXiv 1904.01355). A score is the product of the first two; boxes are in shares of the square.
    """

    places: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.trunk = Trunk(shape.size)
        _, two, three = self.trunk.wide
        self.side = shape.side
        self.lateral = nn.Conv2d(three, two, 1)
        self.neck = nn.Sequential(Unit(two, two), Unit(two, two, around=True))
        self.there = nn.Conv2d(two, 1, 1)
        self.label = nn.Conv2d(two, shape.labels, 1)
        self.edges = nn.Conv2d(two, 4, 1)
        with torch.no_grad():
            assert self.there.bias is not None
            self.there.bias.fill_(-4.0)  # few cells have an object: without this, the first steps only learn that
        self.register_buffer("places", cell_centres(shape.side), persistent=False)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-odds of an object [batch, cells], logits [batch, cells, labels], boxes [batch, cells, 4] in shares of x.

        In training, x may be a tile: float32 [batch, 3, any, any].
        """
        side = x.shape[-1]
        places = self.places if side == self.side else cell_centres(side)
        _, two, three = self.trunk(x)
        shared = self.neck(two + functional.interpolate(self.lateral(three), scale_factor=2.0, mode="nearest"))
        there = _by_cell(self.there(shared))[:, :, 0]
        reach = functional.softplus(_by_cell(self.edges(shared))) * (2 * STRIDE / side)
        boxes = torch.cat([places - reach[:, :, :2], places + reach[:, :, 2:]], 2)
        return there, _by_cell(self.label(shared)), boxes

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        there, label, boxes = self.parts(_floats(pixels))
        return torch.softmax(label, -1) * torch.sigmoid(there)[:, :, None], boxes


def cell_centres(side: int) -> Tensor:
    """x, y of each cell's middle, float32 [cells, 2], in shares of the square."""
    middles = (torch.arange(side // STRIDE, dtype=torch.float32) + 0.5) * (STRIDE / side)
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x.reshape(-1), y.reshape(-1)], 1)


def multiplications(net: nn.Module, side: int) -> float:
    """Of one picture, in millions, counted by a forward pass."""
    return multiplications_of(net, torch.zeros(1, side, side, 3, dtype=torch.uint8))


def multiplications_of(net: nn.Module, given: Tensor) -> float:
    """Of the convolutions for what is given to the network, in millions, counted by a forward pass."""
    total = 0

    def count(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += module.weight.numel() * made.shape[-1] * made.shape[-2]

    hooks = [module.register_forward_hook(count) for module in net.modules() if isinstance(module, nn.Conv2d)]
    training = net.training
    with torch.inference_mode():
        net.eval()(given)
    net.train(training)
    for hook in hooks:
        hook.remove()
    return total / 1e6


def fold_norms(module: nn.Module) -> nn.Module:
    """Put every batch norm's numbers into the convolution before it; the module computes the same in eval mode."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for child in module.modules():
        if isinstance(child, Unit) and isinstance(child.norm, nn.BatchNorm2d):
            child.conv, child.norm = fuse_conv_bn_eval(child.conv, child.norm), nn.Identity()
    return module


def _floats(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2).float() * (1 / 127.5) - 1


def _by_cell(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)
