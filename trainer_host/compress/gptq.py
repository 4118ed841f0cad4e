"""Rounds a decoder's matrices to 4 bits so that what they give for real texts changes least, rather than the weights.

GPTQ (Frantar et al., arXiv 2210.17323): columns are rounded one after the other, and the columns that follow make good
the error of each, as far as a matrix's real inputs go together. Layers are rounded in their order, each for what the
rounded ones before it give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from trainer_host.compress.blocks import Blocks, block_scales, pack
from trainer_host.compress.language import Text, pieces
from trainer_host.errors import DataError
from trainer_host.export.language_onnx import block_size, blocks_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainer_host.students.language.model import LanguageModel, Layer

MOST_TOKENS = 16_384  # that are read: some ten times the columns of a small model's widest matrix
_DAMPING = 0.01  # of the diagonal's mean, added to it, so that it can be inverted (the paper's section 3.3)
_NEAR = 0.6  # steps; half would be to round as if there were no base
_ROWS = 8192  # of a matrix, rounded at once, for the memory


def round_matrices(
    model: LanguageModel,
    texts: Sequence[Text],
    like: Path | None = None,
    on_step: Callable[[float], None] = lambda _: None,
) -> dict[str, Blocks]:
    """The matrices of all layers, and the one that gives the logits, in 4 bits, by the names of their weights.

    texts: what the model will read; at most `MOST_TOKENS` are. like: see `export_language_onnx`. The model's weights
    become what the blocks stand for. Raises `DataError` where there is no text, or the model gives no finite numbers.
    """
    import torch

    before = {} if like is None else blocks_of(like, model.config)
    made: dict[str, Blocks] = {}

    def rounded(modules: Mapping[str, nn.Linear | nn.Embedding], moments: Tensor) -> None:
        factor = error_factor(moments)
        for name, module in modules.items():
            size = block_size(moments.shape[0], 4)
            made[name] = blocks = round_matrix(module.weight.float(), factor, size, before.get(name))
            module.weight.copy_(torch.from_numpy(blocks.weight()))

    with torch.inference_mode():
        reading = [list(model.before_layers(torch.tensor([part]))) for part in _first(texts, model.config.context)]
        for at, layer in enumerate(cast("Iterable[Layer]", model.layers)):
            groups = list(_matrices(at, layer))
            for group, moments in zip(groups, _moments(layer, groups, reading), strict=True):
                rounded(group, moments)
            for each in reading:
                each[0] = layer(*each, None)
            on_step((at + 1) / len(model.layers))
        seen = torch.zeros(model.config.width, model.config.width)
        for x, *_ in reading:
            last = model.norm(x)[0].float()
            seen.addmm_(last.T, last)
        if model.lm_head is None:
            rounded({"embed_tokens.weight": model.embed_tokens}, seen)
        else:
            rounded({"lm_head.weight": model.lm_head}, seen)
    return made


def _first(texts: Sequence[Text], context: int) -> list[list[int]]:
    """Parts of texts, as many as are read."""
    found, tokens = [], 0
    for piece, _ in pieces(texts, context):
        found.append(piece[: MOST_TOKENS - tokens])
        tokens += len(found[-1])
        if tokens == MOST_TOKENS:
            break
    if not found:
        raise DataError("There are no texts to round the matrices for; give some that the model will meet.")
    return found


def error_factor(moments: Tensor) -> Tensor:
    """The upper Cholesky factor of the inverse of a matrix's moments: how later columns make good an earlier one's error.

    moments: the sum of x xᵀ over the inputs x [columns] that the matrix gets, float32 [columns, columns], as the result.
    Raises `DataError` where they aren't finite.
    """
    import torch

    if not moments.isfinite().all():
        raise DataError("The model gives numbers that aren't finite; its training went wrong, so train it again.")
    moments = moments.double()
    diagonal = moments.diagonal()
    diagonal += _DAMPING * diagonal.mean()
    diagonal += (diagonal == 0).float()  # inputs that are always zero
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)), upper=True).float()


def round_matrix(weight: Tensor, factor: Tensor, size: int, like: Blocks | None = None) -> Blocks:
    """A matrix [rows, columns], float32, in 4 bits and blocks of `size` columns.

    factor: see `error_factor`. like: what the matrix that this one began with was rounded to: a block keeps its scale
    where that fits, and a weight its integer where it is within `_NEAR` of it, or else the errors that are made good
    would change many integers behind one that changed.
    """
    import torch

    columns = weight.shape[1]
    if like is not None and (like.scales.shape != (len(weight), columns // size) or like.bits != 4):
        like = None  # of another vocabulary, for instance
    kept = None if like is None else torch.from_numpy(like.signed().astype(np.float32))
    codes = np.empty((len(weight), columns), np.int8)
    scales = np.empty((len(weight), columns // size), np.float32)
    for first in range(0, len(weight), _ROWS):
        rows = slice(first, first + _ROWS)
        left = weight[rows].clone()
        for block in range(columns // size):
            here = slice(block * size, (block + 1) * size)
            part, inner = left[:, here], factor[here, here]
            importance = (1 / inner.diagonal() ** 2).numpy()  # of what is left of a column's error
            before = None if like is None else like.scales[rows, block : block + 1]
            scales[rows, block] = block_scales(part.numpy()[:, None], 4, before, importance)[:, 0]
            scale = torch.from_numpy(scales[rows, block].copy())
            same = None if before is None else torch.from_numpy(scales[rows, block] == before[:, 0])
            inverse = torch.where(scale == 0, 0.0, 1 / scale)
            errors = torch.empty_like(part)
            for column in range(size):
                exact = part[:, column] * inverse
                code = exact.round().clamp_(-8, 7)
                if kept is not None and same is not None:
                    old = kept[rows, here.start + column]
                    code = torch.where(same & ((exact - old).abs() <= _NEAR), old, code)
                codes[rows, here.start + column] = code.numpy()
                errors[:, column] = (part[:, column] - code * scale) / inner[column, column]
                part[:, column + 1 :] -= errors[:, column, None] * inner[column, column + 1 :]
            left[:, here.stop :] -= errors @ factor[here, here.stop :]
    return Blocks(pack(codes, 4), scales, 4, size)


def _matrices(at: int, layer: Layer) -> Iterator[dict[str, nn.Linear]]:
    """A layer's linear layers by the names of their weights, those together that read the same."""
    attention, mlp, name = layer.self_attn, layer.mlp, f"layers.{at}"
    yield {f"{name}.self_attn.{part}_proj.weight": getattr(attention, f"{part}_proj") for part in "qkv"}
    yield {f"{name}.self_attn.o_proj.weight": attention.o_proj}
    yield {f"{name}.mlp.{part}_proj.weight": getattr(mlp, f"{part}_proj") for part in ("gate", "up")}
    yield {f"{name}.mlp.down_proj.weight": mlp.down_proj}


def _moments(layer: Layer, groups: Sequence[Mapping[str, nn.Linear]], reading: Sequence[list[object]]) -> list[Tensor]:
    """Sums of x xᵀ over what the linear layers of each group read, float32 [columns, columns]."""
    import torch

    firsts = [next(iter(group.values())) for group in groups]
    found = [torch.zeros(first.in_features, first.in_features) for first in firsts]

    def look(total: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].flatten(0, -2).float()
            total.addmm_(x.T, x)

        return add

    hooks = [first.register_forward_pre_hook(look(total)) for first, total in zip(firsts, found, strict=True)]
    try:
        for each in reading:
            layer(*each, None)
    finally:
        for hook in hooks:
            hook.remove()
    return found
