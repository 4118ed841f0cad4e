"""Gives every column of an embedding table the same range, so that one int8 scale serves the whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer_host.compress.frozen import INT8, kept_scales

if TYPE_CHECKING:
    import torch


def equalise_embeddings(module: torch.nn.Module, base: torch.nn.Module | None = None) -> torch.nn.Module:
    """Replace each `nn.Embedding` by a table divided by its columns' ranges, times these behind the lookup.

    base: the module that this one began with, as it was trained; a column keeps its range where that still fits.

    The module computes the same in float. It matters in int8: runtimes look rows up with one scale per table,
    and a table of columns from different sources (pretrained ones beside learned ones) loses bits by that.
    """
    import torch
    from torch import nn

    class Equalised(nn.Module):
        def __init__(self, table: nn.Embedding, base: nn.Module | None) -> None:
            super().__init__()
            with torch.no_grad():
                scale = _ranges(table)
                if isinstance(base, nn.Embedding) and base.weight.shape == table.weight.shape:
                    columns, ranges = table.weight.T.numpy(), _ranges(base).numpy()
                    scale = torch.from_numpy(kept_scales(columns, ranges / INT8, INT8) * INT8)
                table.weight.div_(scale)
            self.table = table
            self.register_buffer("scale", scale)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.table(rows) * self.scale
            return out

    if isinstance(module, nn.Embedding):
        return Equalised(module, base).eval()
    others = dict(base.named_children()) if base is not None else {}
    for name, child in list(module.named_children()):
        setattr(module, name, equalise_embeddings(child, others.get(name)))
    return module


def _ranges(table: torch.nn.Embedding) -> torch.Tensor:
    return table.weight.abs().amax(dim=0).clamp(min=1e-12)
