"""The robot student's network: word, character and inventory features to five labels per token."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from edge_runtime.home.match import FEATURES
from edge_runtime.tasks.robot import HOME, NGRAM_BUCKETS, PACKS


@dataclass(frozen=True)
class RobotConfig:
    """Sizes of the network; saved beside the weights."""

    vocabulary: int
    known: int  # the first rows of the vocabulary: words of the data, which have learned columns too
    frozen: int = 64  # columns of pretrained word vectors, not trained
    learned: int = 64  # columns of word vectors learned from the data
    ngrams: int = 48
    width: int = 128
    attention_layers: int = 2
    attention_heads: int = 4
    dropout: float = 0.1
    pack: str = HOME.name  # whose actions it labels

    def to_json(self) -> dict[str, object]:
        """Without the pack of a home, as runs were written before there were packs."""
        plain = asdict(self)
        if self.pack == HOME.name:
            del plain["pack"]
        return plain


class ConvBlock(nn.Module):
    """Residual convolution over three neighbouring words (pre-norm)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        hidden = self.norm(x) * mask
        if not self.training:
            return x + torch.relu(self.conv(hidden.transpose(1, 2))).transpose(1, 2)
        # The same as one matrix product, as the backward pass of torch's convolution takes four times as long.
        beside = pad(hidden, (0, 0, 1, 1))
        three = torch.cat([beside[:, :-2], hidden, beside[:, 2:]], dim=-1)
        weight = self.conv.weight.transpose(1, 2).flatten(1)
        return x + torch.relu(linear(three, weight, self.conv.bias))


class AttentionBlock(nn.Module):
    """Pre-norm self-attention and feed-forward (Vaswani et al. 2017, with ReLU)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, width * 3 // 2)
        self.down = nn.Linear(width * 3 // 2, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, length, width = x.shape
        size = width // self.heads
        q, k, v = self.qkv(self.norm(x)).view(batch, length, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-1, -2) * size**-0.5 + bias, dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + self.out(mixed)
        return x + self.down(torch.relu(self.up(self.norm2(x))))


class RobotNet(nn.Module):
    """Per-token logits of every head of its pack, in the order of `HEADS`.

    words int32 [B, T], ngrams int32 [B, T, G], features float32 [B, T, F] -> tuple of float32 [B, T, classes].
    """

    # Its first layer reads vectors and flags of unlike ranges, its last ones decide: in int8 they change twice as
    # many answers as all other layers together (docs/log.md, 2026-11-24), and they are a tenth of the layers' weights.
    float_edges = True

    def __init__(self, config: RobotConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.frozen)
        self.words.weight.requires_grad_(False)
        self.learned = nn.Embedding(config.known, config.learned)
        self.ngrams = nn.Embedding(NGRAM_BUCKETS, config.ngrams, padding_idx=0)
        width = config.width
        self.input = nn.Linear(config.frozen + config.learned + config.ngrams + FEATURES, width)
        self.conv1 = ConvBlock(width)
        self.attention = nn.ModuleList(
            AttentionBlock(width, config.attention_heads) for _ in range(config.attention_layers)
        )
        self.conv2 = ConvBlock(width)
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleList(nn.Linear(width, classes) for classes in PACKS[config.pack].heads.values())

    def forward(
        self, words: Tensor, ngrams: Tensor, features: Tensor, chance: torch.Generator | None = None
    ) -> tuple[Tensor, ...]:
        """Logits; with `chance`, dropout (Srivastava et al. 2014) of cells and words, as in training."""
        mask = (words > 0).to(features.dtype).unsqueeze(-1)
        count = (ngrams > 0).to(features.dtype).sum(-1, keepdim=True).clamp(min=1.0)
        characters = self.ngrams(ngrams).sum(2) / count
        learned = self.learned(torch.where(words < self.config.known, words, 1))
        if chance is not None:  # forget whole words now and then, so that pretrained meaning carries unseen ones
            learned = learned * _kept(words.shape, 0.1, chance).unsqueeze(-1)
            characters = characters * _kept(words.shape, 0.1, chance).unsqueeze(-1)
        x = self.input(torch.cat([self.words(words), learned, characters, features], dim=-1)) * mask
        x = self.conv1(self._drop(x, chance), mask)
        bias = (mask.squeeze(-1)[:, None, None, :] - 1.0) * 30.0
        for block in self.attention:
            x = block(x, bias)
        x = self.norm(self.conv2(self._drop(x, chance), mask))
        return tuple(head(x) for head in self.heads)

    def _drop(self, x: Tensor, chance: torch.Generator | None) -> Tensor:
        if chance is None:
            return x
        p = self.config.dropout
        return x * _kept(x.shape, p, chance) / (1 - p)


def _kept(shape: torch.Size, p: float, chance: torch.Generator) -> Tensor:
    """Ones, and zeros with probability p, from a generator of the caller's: threads must not share one."""
    return (torch.rand(shape, generator=chance) >= p).float()
