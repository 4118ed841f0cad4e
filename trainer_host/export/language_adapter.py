"""Writes a trained low-rank adapter (LoRA, arXiv 2106.09685) as onnxruntime's .onnx_adapter file, for a graph that takes it.

The graph is one of `language_onnx` with `adapters`. It has one product for queries, keys and values, and one for gate and
up, so their matrices are packed: A side by side, B along a diagonal of blocks, which gives the sums of the single ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainer_host.errors import DataError, ExportError

if TYPE_CHECKING:
    from torch import Tensor

    from trainer_host.students.language.config import LanguageConfig
    from trainer_host.training.adapters import Lora

FILE = "adapter.onnx_adapter"


def write_adapter(state: Mapping[str, Tensor], lora: Lora, config: LanguageConfig, path: Path) -> int:
    """Write an adapter; gives how many numbers were trained. Raises `ExportError` where it isn't of this shape.

    state: by the names of PEFT's file, as `trainer_host.training.adapters.adapter_state` gives it.
    """
    import onnxruntime as ort

    named = {name.partition("layers.")[2]: value.detach().to("cpu").float().numpy() for name, value in state.items()}
    left, made = set(named), {}
    for layer in range(config.layers):
        for out, parts in _packs(config).items():
            pairs: list[tuple[np.ndarray, np.ndarray] | None] = []
            for part in parts:
                names = [f"{layer}.{part}.lora_{side}.weight" for side in "AB"]
                pairs.append((named[names[0]], named[names[1]]) if set(names) <= left else None)
                left -= set(names)
            if any(pair is not None for pair in pairs):
                down, up = _packed(pairs, list(parts.values()), lora.alpha / lora.rank, f"layers.{layer}.{out}")
                made[f"layers.{layer}.{out}.down"], made[f"layers.{layer}.{out}.up"] = down, up
    if left or not made:
        raise ExportError(
            f"The adapter has weights of no layer of this model ({', '.join(sorted(left)[:1]) or 'none'})."
        )
    file = ort.AdapterFormat()
    file.set_adapter_version(1)
    file.set_model_version(1)
    file.set_parameters({name: ort.OrtValue.ortvalue_from_numpy(made[name]) for name in sorted(made)})
    path.unlink(missing_ok=True)
    file.export_adapter(str(path))
    return sum(value.size for value in named.values())


def read_trained(run: Path) -> tuple[dict[str, Tensor], Lora]:
    """The adapter that a training with `--lora` left in its run's folder; raises `DataError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from trainer_host.training.adapters import FILE as TRAINED
    from trainer_host.training.adapters import adapter_card

    if not (run / TRAINED).is_file():
        raise DataError(
            f"The run '{run.name}' has no adapter of its own; train one with --init BASE --lora r=8, BASE being a run."
        )
    try:
        return load_file(run / TRAINED), adapter_card(run)
    except (OSError, SafetensorError) as cause:
        raise DataError(f"The adapter of run '{run.name}' can't be read ({str(cause)[:120]}); train again.") from None


def _packs(config: LanguageConfig) -> Mapping[str, Mapping[str, int]]:
    """The graph's products: name -> the layers that it has packed, and what each gives out."""
    queries, keys = config.heads * config.head, config.kv_heads * config.head
    return {
        "qkv": {"self_attn.q_proj": queries, "self_attn.k_proj": keys, "self_attn.v_proj": keys},
        "attended": {"self_attn.o_proj": config.width},
        "gate_up": {"mlp.gate_proj": config.hidden, "mlp.up_proj": config.hidden},
        "mlp": {"mlp.down_proj": config.width},
    }


def _packed(
    pairs: list[tuple[np.ndarray, np.ndarray] | None], sizes: list[int], scale: float, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """One pair for several layers that read the same: float32 [in, ranks] and [ranks, all out]."""
    present = [pair for pair in pairs if pair is not None]
    down = np.ascontiguousarray(np.concatenate([a for a, _ in present]).T, np.float32)
    up = np.zeros((down.shape[1], sum(sizes)), np.float32)
    row = column = 0
    for pair, size in zip(pairs, sizes, strict=True):
        if pair is not None:
            a, b = pair
            if b.shape != (size, len(a)):
                raise ExportError(
                    f"The adapter of {name} has the shape {list(b.shape)}, and the model wants {size} rows."
                )
            up[row : row + len(a), column : column + size] = b.T * np.float32(scale)
            row += len(a)
        column += size
    return down, up
