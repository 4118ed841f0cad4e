"""What a training runs on, in which precision, and how much it handles at once there.

How much is at once changes sums by rounding alone, and depends on the device's whole memory and never on what is free, so
that a training that goes on gives the same bytes.
"""

from __future__ import annotations

import os

import torch

from trainer_host.students.language.config import LanguageConfig

CACHED_PLACES = 2048  # their activations stay in a processor's cache
_CACHED_NUMBERS = 1 << 20  # 4 MB, likewise
_MOST_PLACES = 1 << 16  # a GPU is busy with as many
_MEMORY = 4  # a training's activations get a quarter of a GPU's
_LOGITS = 256  # and the logits that are held, in float32, four of so many parts


def device_for(wanted: str) -> torch.device:
    """The device of this name; "auto" is the GPU of this process, where there is one."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")


def precision_for(wanted: str, device: torch.device) -> torch.dtype:
    """fp32, bf16 or fp16; "auto" is half of it where a GPU has it."""
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if wanted != "auto":
        return named[wanted]
    if device.type != "cuda":
        return torch.float32  # processors have bfloat16 that is no quicker, but for a few
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16


def places_at_once(config: LanguageConfig, device: torch.device) -> int:
    """Places of packed rows that are handled at once."""
    if device.type != "cuda":
        return CACHED_PLACES
    # What a layer keeps for its gradients, in bytes a place: halves, and float32 in the norms (measured, docs/log.md).
    kept = config.layers * (40 * config.width + 12 * config.hidden)
    return max(CACHED_PLACES, min(_MOST_PLACES, _memory(device) // _MEMORY // kept))


def numbers_at_once(device: torch.device) -> int:
    """Logits that are held at once."""
    return max(_CACHED_NUMBERS, _memory(device) // _LOGITS) if device.type == "cuda" else _CACHED_NUMBERS


def _memory(device: torch.device) -> int:
    return int(torch.cuda.get_device_properties(device).total_memory)
