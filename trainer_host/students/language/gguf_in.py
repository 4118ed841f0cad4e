"""Reads a .gguf file of Llama's architecture: weights by our names in float32, the shape, tokenizer.json, the template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import DataError
from trainer_host.export.gguf import LAYER_NAMES, NAMES, halved
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.gguf_values import Blocks, Value, read_values
from trainer_host.students.language.vocabulary import GPT2, LLAMA3, QWEN2, SMOLLM, Vocabulary, write_vocabulary

if TYPE_CHECKING:
    from torch import Tensor

Json = dict[str, object]

# llama.cpp's names of the ways to split words, as ours: those on a line have the same regular expressions there.
_PRE = {
    **dict.fromkeys((GPT2, "phi-2", "olmo"), GPT2),
    **dict.fromkeys((SMOLLM, "starcoder", "refact", "codeshell"), SMOLLM),
    **dict.fromkeys((LLAMA3, "llama3", "llama-v3"), LLAMA3),
    QWEN2: QWEN2,
}
_OURS = {gguf: ours for ours, gguf in {**LAYER_NAMES, **NAMES}.items()}


@dataclass(frozen=True)
class Contents:
    """What a .gguf file holds. state: float32, as `LanguageModel.state_dict()`. tokenizer: tokenizer.json.

    chat_template: Jinja, None where there is none. licence: "" where the file doesn't say.
    """

    state: dict[str, Tensor]
    config: LanguageConfig
    tokenizer: str
    chat_template: str | None
    name: str
    licence: str


def read_gguf(path: Path) -> Contents:
    """Read and dequantize a whole file; raises `DataError` where it is damaged or of another architecture."""

    values, tensors = read_values(path)
    architecture = values.get("general.architecture")
    if architecture != "llama":
        raise DataError(
            f"{path.name} holds a model of the architecture '{str(architecture)[:40]}'; to start from, it must be 'llama'."
        )
    vocabulary = vocabulary_of(values)
    template = values.get("tokenizer.chat_template")
    try:
        config = _config(values, tensors)
        state = dict(_weights(tensors, config))
    except (ValueError, KeyError, TypeError, NotImplementedError) as cause:
        raise DataError(f"The weights in {path.name} can't be read ({str(cause)[:120]}); get another file.") from None
    return Contents(
        state=state,
        config=config,
        tokenizer=write_vocabulary(vocabulary),
        chat_template=template if isinstance(template, str) else None,
        name=str(values.get("general.name") or path.stem),
        licence=str(values.get("general.license") or ""),
    )


def _config(values: Mapping[str, Value], tensors: Mapping[str, Blocks]) -> LanguageConfig:
    def number(key: str, default: int | None = None) -> int:
        found = values.get(f"llama.{key}", default)
        if not isinstance(found, int):
            raise KeyError(f"llama.{key}")
        return found

    def fraction(key: str, default: float) -> float:
        return float(str(values.get(f"llama.{key}", default)))

    if "rope_freqs.weight" in tensors or number("expert_count", 0) or any(name.endswith(".bias") for name in tensors):
        raise ValueError("it has experts, biases, or its own frequencies of positions")
    heads, width = number("attention.head_count"), number("embedding_length")
    head = number("attention.key_length", number("rope.dimension_count", width // heads))
    if number("rope.dimension_count", head) != head or number("attention.value_length", head) != head:
        raise ValueError("it rotates a part of each head, or its heads differ")
    context = number("context_length")
    return LanguageConfig(
        vocabulary=tensors["token_embd.weight"].shape[0],
        width=width,
        layers=number("block_count"),
        heads=heads,
        kv_heads=number("attention.head_count_kv", heads),
        hidden=number("feed_forward_length"),
        context=context,
        head_size=None if head * heads == width else head,
        rope_base=fraction("rope.freq_base", 10_000.0),
        norm_epsilon=float(f"{fraction('attention.layer_norm_rms_epsilon', 1e-5):.6g}"),  # kept there as float32
        tied="output.weight" not in tensors,
        rope=_rope(values, context),
    )


def _rope(values: Mapping[str, Value], context: int) -> Json | None:
    kind = values.get("llama.rope.scaling.type", "none")
    if kind == "none":
        return None
    if kind not in ("linear", "yarn"):
        raise ValueError(f"it scales positions by '{str(kind)[:40]}'")
    factor = float(str(values.get("llama.rope.scaling.factor", 1.0)))
    return {
        "type": kind,
        "factor": factor,
        "trained": values.get("llama.rope.scaling.original_context_length", context),
    }


def _weights(tensors: Mapping[str, Blocks], config: LanguageConfig) -> Iterator[tuple[str, Tensor]]:
    import numpy as np
    import torch

    for gguf_name, blocks in tensors.items():
        parts = gguf_name.split(".")
        if parts[-1] != "weight" or parts[-2] not in _OURS:
            raise ValueError(f"no place for {gguf_name[:60]}")
        ours = _OURS[parts[-2]]
        name = f"layers.{int(parts[1])}.{ours}.weight" if parts[0] == "blk" else f"{ours}.weight"
        values = blocks.numbers()
        if ours == "self_attn.q_proj":
            values = halved(values, config.heads)
        elif ours == "self_attn.k_proj":
            values = halved(values, config.kv_heads)
        yield name, torch.from_numpy(np.array(values, np.float32))  # its own memory, not the file's


def vocabulary_of(values: Mapping[str, Value]) -> Vocabulary:
    """The tokenizer of a file's keys; raises `DataError` for one that devices can't follow."""
    from gguf import TokenType

    model, pre = values.get("tokenizer.ggml.model"), str(values.get("tokenizer.ggml.pre", "default"))
    if model != "gpt2":
        raise DataError(f"Its tokenizer is '{str(model)[:40]}', not byte-level BPE; start from another checkpoint.")
    if pre not in _PRE:
        raise DataError(
            f"Its tokenizer splits words as '{pre[:40]}', which devices don't; they know {', '.join(sorted(set(_PRE.values())))}."
        )
    texts, kinds, merges = (values.get(f"tokenizer.ggml.{key}") for key in ("tokens", "token_type", "merges"))
    if not isinstance(texts, list) or not isinstance(merges, list):
        raise DataError("The file holds no tokenizer; get another one.")
    kinds = kinds if isinstance(kinds, list) else [TokenType.NORMAL] * len(texts)
    tokens: dict[int, str] = {}
    special: set[int] = set()
    added: set[int] = set()
    for number, (text, kind) in enumerate(zip(texts, kinds, strict=True)):
        if kind == TokenType.UNUSED:
            continue
        tokens[number] = str(text)
        if kind == TokenType.CONTROL:
            special.add(number)
        elif kind == TokenType.USER_DEFINED:
            added.add(number)
    pairs = [str(merge).split(" ") for merge in merges]
    return Vocabulary(tokens, [(left, right) for left, right in pairs], frozenset(special), frozenset(added), _PRE[pre])
