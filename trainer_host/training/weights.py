"""Weights on disk: one safetensors file, written atomically, its bytes a function of the tensors alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import DataError
from trainer_host.workspace import write_atomic

if TYPE_CHECKING:
    import torch

FILE = "weights.safetensors"


def save_weights(run: Path, module: torch.nn.Module) -> None:
    """Write a module's state as RUN/weights.safetensors."""
    from safetensors.torch import save

    state = module.state_dict()
    tensors = {name: state[name].detach().cpu().contiguous() for name in sorted(state)}
    write_atomic(run / FILE, save(tensors))


def load_weights(run: Path, module: torch.nn.Module) -> None:
    """Read RUN/weights.safetensors into a module of the same shape; raises `DataError` where they differ."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        module.load_state_dict(load_file(run / FILE))
    except (OSError, SafetensorError, RuntimeError) as cause:
        first = str(cause).strip().splitlines()[0]
        raise DataError(f"The weights of run '{run.name}' can't be used ({first[:160]}); train again.") from None
