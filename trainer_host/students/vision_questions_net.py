"""The network that answers questions about a picture: what a question names is looked up among the cells of the picture.

Each cell says whether the middle of something is there. The question steers four glimpses over all cells: two point at the things
that it names, which are averaged and counted (only a sum can count: arXiv 1802.05766), two look anywhere (attention).
What follows from that is decided by the kind of the question alone, one of a few, which also says what of it is read: how many
there are follows from a count and from nothing that was counted. So what a question names can't be answered from memory, as
"red circles" with "two", where pictures of three were never learnt from.

Cells don't depend on the question, so that one pass over a picture serves all of its questions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer_host.students.vision_net import Unit

# Widths of the stages, of what a question becomes, and of the layer before the answers.
SIZES = {"nano": (16, 32, 48, 64, 128), "micro": (24, 48, 64, 96, 192), "small": (48, 96, 160, 192, 384)}
STRIDE = 4  # pixels between cells
POINTING, FREE = 2, 2  # glimpses
GLIMPSES = POINTING + FREE
MANNERS = 24  # kinds of questions
READS = ("found", "count", "other count", "apart", "more")  # of what is seen, what a kind of question reads or doesn't
COUNTED = 10  # numbers of things that are told apart, from 0
_SEEN = 24  # numbers that a glimpse brings from where it looks
_SHARP = 4.0  # kinds of questions must differ from the first step on, or those with opposite answers stay mixed
_WORD = 32
OPEN, SHUT = 1.5, -0.5  # beyond 0 to 1, to which reading is cut: what isn't read leaves no trace at all
# A middle that two neighbouring cells share is one, and so is one that they are in doubt of: what stands in 3 x 3 of them counts
# as one, from this sum on.
_DOUBTED = 0.4


@dataclass(frozen=True)
class Shape:
    """What the network depends on. words: of the vocabulary, with padding and the unknown word; length: words that are read."""

    answers: int
    words: int
    length: int
    side: int
    size: str = "nano"


class Cells(nn.Module):
    """Pixels float32 [batch, 3, side, side] of -1 to 1 -> float32 [batch, wide, side / 4, side / 4]."""

    def __init__(self, size: str) -> None:
        super().__init__()
        stem, one, two, _, _ = SIZES[size]
        self.fine = nn.Sequential(Unit(3, stem, 3, 2), Unit(stem, one, 3, 2), Unit(one, one, around=True))
        self.coarse = nn.Sequential(Unit(one, two, 3, 2), Unit(two, two, around=True), Unit(two, two, around=True))
        self.back = nn.Conv2d(two, one, 1)
        self.out = nn.Sequential(Unit(one, two), Unit(two, two, 1))
        self.wide = two

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        coarse = functional.interpolate(self.back(self.coarse(fine)), scale_factor=2.0, mode="nearest")
        made: Tensor = self.out(fine + coarse)
        return made


class Wording(nn.Module):
    """Ids int64 [batch, length], 0 where there is no word -> float32 [batch, wide]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        wide = SIZES[shape.size][3]
        self.table = nn.Embedding(shape.words, _WORD)
        self.places = nn.Parameter(torch.randn(1, shape.length, _WORD) * 0.1)
        # Convolutions over a line of words, as those of two dimensions, which all int8 runtimes have.
        self.one = nn.Conv2d(_WORD, wide, (1, 3), padding=(0, 1))
        self.two = nn.Conv2d(wide, wide, (1, 3), padding=(0, 1))
        self.out = nn.Linear(2 * wide, wide)

    def forward(self, ids: Tensor) -> Tensor:
        there = (ids > 0).float()[:, None, None]  # [batch, 1, 1, length]
        line = (self.table(ids) + self.places).transpose(1, 2)[:, :, None] * there
        one = torch.relu(self.one(line)) * there
        two = (one + torch.relu(self.two(one))) * there
        mean = two.sum(3) / there.sum(3).clamp(min=1.0)
        made: Tensor = torch.relu(self.out(torch.cat([mean, two.amax(3)], 1).flatten(1)))
        return made


class QuestionNet(nn.Module):
    """pixels uint8 [1, side, side, 3], words int32 [1, length] -> probabilities float32 [1, answers]."""

    full_ranges = True  # few pictures show many things, and their counts mustn't be cut off

    temperature: Tensor
    places: Tensor
    numbers: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        *_, asked, hidden = SIZES[shape.size]
        self.cells = Cells(shape.size)
        self.wording = Wording(shape)
        wide = self.cells.wide
        self.there = nn.Conv2d(wide, 1, 1)
        self.seen = nn.Conv2d(wide, _SEEN, 1)
        self.keys = nn.Linear(asked, GLIMPSES * wide)
        self.levels = nn.Linear(asked, GLIMPSES)
        self.manner = nn.Linear(asked, MANNERS)
        self.reads = nn.Linear(MANNERS, len(READS))
        self.gather = nn.Linear(GLIMPSES * (_SEEN + 2) + POINTING * (1 + COUNTED) + 3 + MANNERS, hidden)
        self.steer = nn.Linear(MANNERS, hidden)
        self.judge = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, shape.answers)
        with torch.no_grad():
            assert self.there.bias is not None
            self.there.bias.fill_(-3.0)  # few cells have a middle; else sums begin far above what can be counted
            nn.init.zeros_(self.reads.weight)
            self.reads.bias.fill_(OPEN)  # until something else is told, all is read
        self.register_buffer("temperature", torch.ones(1))
        self.register_buffer("places", _places(shape.side // STRIDE), persistent=False)
        self.register_buffer("numbers", torch.arange(float(COUNTED))[None, None], persistent=False)

    def looked(self, cells: Tensor, ids: Tensor, each: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits float32 [batch * each, answers]; where its glimpses point: log-odds [batch * each, GLIMPSES, cells]; what kind
        of question each is, logits [batch * each, MANNERS]; and what it reads, [batch * each, READS], `SHUT` to `OPEN`.

        cells: of `batch` pictures. ids: int64 [batch * each, length], `each` questions about a picture, one after the other.
        """
        asked = self.wording(ids)
        batch, wide = cells.shape[:2]
        flat = cells.flatten(2).transpose(1, 2)  # [batch, cells, wide]
        keys = self.keys(asked).reshape(batch, each * GLIMPSES, wide)
        points = torch.matmul(keys, flat.transpose(1, 2)) * wide**-0.5
        points = points.reshape(batch * each, GLIMPSES, -1) + self.levels(asked)[:, :, None]
        there = self.middles(cells).flatten(2)  # [batch, 1, cells]
        if each > 1:
            there = there.repeat_interleave(each, 0)
        gates = torch.sigmoid(points[:, :POINTING]) * there
        counted = gates.sum(2)
        weights = torch.cat([gates / (counted[:, :, None] + 0.1), torch.softmax(points[:, POINTING:], 2)], 1)
        values = torch.cat([self.seen(cells).flatten(2).transpose(1, 2), self.places.expand(batch, -1, -1)], 2)
        found = torch.matmul(weights.reshape(batch, each * GLIMPSES, -1), values).reshape(batch * each, GLIMPSES, -1)
        one, other = found[:, 0, _SEEN:], found[:, 1, _SEEN:]
        number = torch.relu(1 - (counted[:, :, None] - self.numbers).abs())  # how near each number is
        apart = torch.tanh(8 * (one - other))  # left or right, above or below
        more = torch.tanh(2 * (counted[:, :1] - counted[:, 1:] - 0.5))
        manners = _SHARP * self.manner(asked)
        manner = torch.softmax(manners, 1)
        reads = self.reads(manner)
        read = torch.clamp(reads, 0.0, 1.0)
        ours, theirs = (torch.cat([0.2 * counted[:, k : k + 1], number[:, k]], 1) for k in range(POINTING))
        seen = [part * read[:, k : k + 1] for k, part in enumerate((found.flatten(1), ours, theirs, apart, more))]
        told = torch.cat([*seen, manner], 1)
        first = torch.relu(self.gather(told)) * self.steer(manner)
        made: Tensor = self.out(torch.relu(self.judge(first)))
        return made, points, manners, reads

    def middles(self, cells: Tensor) -> Tensor:
        """How surely each cell has the middle of something, float32 [batch, 1, side, side], 0 to 1."""
        there = torch.sigmoid(self.there(cells))
        around = 9 * functional.avg_pool2d(there, 3, 1, 1)
        return there / around.clamp(min=_DOUBTED)

    def forward(self, pixels: Tensor, words: Tensor) -> Tensor:
        x = pixels.permute(0, 3, 1, 2).float() * (1 / 127.5) - 1
        logits, *_ = self.looked(self.cells(x), words.long())
        return torch.softmax(logits / self.temperature, dim=-1)


def _places(side: int) -> Tensor:
    """x, y of each cell's middle, float32 [1, cells, 2], -1 to 1."""
    middles = (torch.arange(side, dtype=torch.float32) + 0.5) * (2 / side) - 1
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x.reshape(-1), y.reshape(-1)], 1)[None]
