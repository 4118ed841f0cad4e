"""Weights as small integers, a scale for each block of a row: the layout of onnxruntime's MatMulNBits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer_host.compress.frozen import MOST_ERROR

# Factors of the plain scale that are tried for 4 bits; beyond them the error only grows.
_FACTORS = np.linspace(0.6, 1.2, 13, dtype=np.float32)
_MOST_ERROR = 1.2  # as `MOST_ERROR`, of 4 bits, which have none to lose
_ROWS = 4096  # rows that are worked on at once, for the memory


@dataclass(frozen=True)
class Blocks:
    """A weight [rows, columns]: (codes - 2 ** (bits - 1)) * scales.

    codes: uint8 [rows, columns * bits / 8], two to a byte for 4 bits, the first in the lower half.
    scales: float32 [rows, columns / size].
    """

    codes: np.ndarray
    scales: np.ndarray
    bits: int
    size: int

    @property
    def nbytes(self) -> int:
        """Bytes that it takes on disk."""
        return self.codes.nbytes + self.scales.nbytes

    def signed(self) -> np.ndarray:
        """The integers, int16 [rows, columns], from -(2 ** (bits - 1)) on."""
        codes = self.codes
        if self.bits == 4:
            codes = np.stack((codes & 15, codes >> 4), -1).reshape(len(codes), -1)
        return codes.astype(np.int16) - 2 ** (self.bits - 1)

    def weight(self) -> np.ndarray:
        """What the integers stand for, float32 [rows, columns]."""
        blocks = self.signed().astype(np.float32).reshape(*self.scales.shape, self.size) * self.scales[..., None]
        return blocks.reshape(len(self.codes), -1)


def joined(parts: Sequence[Blocks]) -> Blocks:
    """Weights of as many columns, one below the other."""
    codes, scales = (np.concatenate([getattr(part, of) for part in parts]) for of in ("codes", "scales"))
    return Blocks(codes, scales, parts[0].bits, parts[0].size)


def quantize_blocks(weight: np.ndarray, bits: int, size: int, like: np.ndarray | None = None) -> Blocks:
    """Round a weight, float32 [rows, columns], to 8 or 4 bits; `size` must divide the columns.

    8 bits: the largest magnitude of a block becomes 127. 4 bits: the largest becomes about -8 with its own sign, so
    that all 16 values are of use (llama.cpp's Q4_0); of a few scales, each fitted to its codes by least squares, the
    one with the least error is taken, weighted by the squared weight (as llama.cpp's `make_qx_quants`): the plain
    squared error cuts off the large weights, which matter most.

    like: scales of the model that this one began with; a block keeps its scale where that loses little more.
    """
    rows, columns = weight.shape
    assert bits in (4, 8) and columns % size == 0
    codes = np.empty((rows, columns * bits // 8), np.uint8)
    scales = np.empty((rows, columns // size), np.float32)
    for start in range(0, rows, _ROWS):
        part = slice(start, start + _ROWS)
        blocks = np.asarray(weight[part], np.float32).reshape(-1, columns // size, size)
        before = None if like is None or like.shape != scales.shape else like[part]
        scales[part] = block_scales(blocks, bits, before)
        codes[part] = pack(_signed(blocks, scales[part], 2 ** (bits - 1)).reshape(-1, columns), bits)
    return Blocks(codes, scales, bits, size)


def block_scales(
    blocks: np.ndarray, bits: int, like: np.ndarray | None = None, importance: np.ndarray | None = None
) -> np.ndarray:
    """The scale of each block, float32 [rows, blocks], of weights [rows, blocks, size]; see `quantize_blocks`.

    importance: of a weight's squared error in 4 bits, of a shape that broadcasts; default: the squared weight.
    """
    own = np.abs(blocks).max(-1) / 127 if bits == 8 else _four(blocks, importance)
    return np.asarray(own if like is None else _kept(blocks, own, like, bits, importance), np.float32)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Signed integers [rows, columns] as `Blocks` keeps them."""
    found = (codes + 2 ** (bits - 1)).astype(np.uint8)
    return found if bits == 8 else found[:, ::2] | found[:, 1::2] << 4


def _four(blocks: np.ndarray, importance: np.ndarray | None) -> np.ndarray:
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
    plain = largest / -8
    importance = blocks**2 if importance is None else importance
    best, least = plain, np.full(plain.shape, np.inf, np.float32)
    for factor in _FACTORS:
        codes = _signed(blocks, plain * factor, 8)
        weighted = importance * codes
        weight = (weighted * codes).sum(-1)
        scales = np.divide((weighted * blocks).sum(-1), weight, out=np.zeros_like(plain), where=weight > 0)
        error = (importance * (codes * scales[..., None] - blocks) ** 2).sum(-1)
        best = np.where(error < least, scales, best)
        least = np.minimum(error, least)
    return best


def _kept(
    blocks: np.ndarray, own: np.ndarray, like: np.ndarray, bits: int, importance: np.ndarray | None
) -> np.ndarray:
    """The scales of before where their error is little more than that of the own ones; both as these were fitted."""
    weights = 1 if bits == 8 else blocks**2 if importance is None else importance

    def error(scales: np.ndarray) -> np.ndarray:
        rounded = _signed(blocks, scales, 2 ** (bits - 1)) * scales[..., None]
        found: np.ndarray = (weights * (rounded - blocks) ** 2).sum(-1)
        return found

    return np.where(error(like) <= (MOST_ERROR if bits == 8 else _MOST_ERROR) * error(own), like, own)


def _signed(blocks: np.ndarray, scales: np.ndarray, half: int) -> np.ndarray:
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)
    return np.clip(np.rint(blocks * inverse[..., None]), -half, half - 1)
