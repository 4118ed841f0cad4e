"""Low-rank adapters (LoRA, arXiv 2106.09685; QLoRA, arXiv 2305.14314) in a language model, through PEFT (extra `llm`).

The files are PEFT's own: `PeftModel.from_pretrained` reads them over the same model in transformers.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.errors import DataError, TrainerError
from trainer_host.workspace import storage_errors, write_atomic

if TYPE_CHECKING:
    from trainer_host.students.language.model import LanguageModel

FILE, CARD = "adapter_model.safetensors", "adapter_config.json"
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_NAME = "default"  # PEFT's name for the only adapter of a model
_PREFIX = "base_model.model.model."  # of a weight of ours in PEFT's file for transformers' LlamaForCausalLM
_USE = "Write --lora as in r=8,alpha=16,targets=q_proj+v_proj,dropout=0.05,bits=4."


@dataclass(frozen=True)
class Lora:
    """rank: columns of each pair of matrices. alpha: their product is scaled by alpha / rank. targets: linear layers.

    bits: 4 keeps the base's weights of the targets in NF4 (QLoRA), 16 as they are.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] = TARGETS
    dropout: float = 0.0
    bits: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= 1024 or not self.alpha > 0 or not 0 <= self.dropout < 1 or self.bits not in (4, 16):
            raise DataError(f"The adapter's rank, alpha, dropout or bits can't be. {_USE}")
        if unknown := sorted(set(self.targets) - set(TARGETS)):
            raise DataError(f"There is no layer '{unknown[0][:40]}' for an adapter; there are {', '.join(TARGETS)}.")
        if not self.targets:
            raise DataError(f"The adapter has no layer. {_USE}")

    @classmethod
    def parse(cls, text: str) -> Lora:
        """What `--lora` says; all of it may be left out. Raises `DataError`."""
        fields: dict[str, Any] = {}
        kinds: dict[str, tuple[str, Any]] = {"r": ("rank", int), "alpha": ("alpha", float), "bits": ("bits", int)}
        kinds |= {"dropout": ("dropout", float), "targets": ("targets", lambda value: tuple(value.split("+")))}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            key, _, value = part.partition("=")
            if key not in kinds:
                raise DataError(f"'{key[:40]}' is nothing of an adapter. {_USE}")
            name, kind = kinds[key]
            try:
                fields[name] = kind(value)
            except ValueError:
                raise DataError(f"'{part[:40]}' can't be read. {_USE}") from None
        if fields.get("targets") == ("all",):
            del fields["targets"]
        return cls(**fields)


def add_lora(model: LanguageModel, lora: Lora) -> LanguageModel:
    """Put an adapter into the model, in place; from now on only the adapter trains. It begins as no change at all.

    Its first weights are drawn from torch's generator. Raises `TrainerError` where PEFT (or for 4 bits, bitsandbytes) isn't
    installed, `DataError` where the model has an adapter already.
    """
    peft = _peft()
    if has_adapter(model):
        raise DataError("The model has an adapter already; merge it into the base first.")
    if lora.bits == 4:
        quantize_base(model, lora.targets)
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, target_modules=list(lora.targets), lora_dropout=lora.dropout, bias="none"
    )
    with _without_warnings_of_kernels():
        peft.inject_adapter_in_model(config, model)
    for name, weight in model.named_parameters():  # said by PEFT too; here it doesn't depend on its version
        weight.requires_grad_("lora_" in name)
    return model


def has_adapter(model: nn.Module) -> bool:
    """Whether an adapter is in the model."""
    return any("lora_" in name for name, _ in model.named_parameters())


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """The adapter's weights by the names of PEFT's file."""
    return {
        _PREFIX + name.replace(f".{_NAME}.", "."): weight.detach().cpu().contiguous()
        for name, weight in model.named_parameters()
        if "lora_" in name
    }


def save_adapter(folder: Path, model: nn.Module, lora: Lora) -> None:
    """Write adapter_model.safetensors and adapter_config.json."""
    from safetensors.torch import save

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        state = adapter_state(model)
        write_atomic(folder / FILE, save({name: state[name] for name in sorted(state)}, metadata={"format": "pt"}))
        card = {
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": lora.rank, "lora_alpha": lora.alpha, "bias": "none",
            "target_modules": list(lora.targets), "lora_dropout": lora.dropout, "base_model_name_or_path": None,
        }  # fmt: skip
        write_atomic(folder / CARD, json.dumps(card, indent=1, sort_keys=True).encode() + b"\n")


def load_adapter(folder: Path, model: LanguageModel, bits: int = 16) -> Lora:
    """Put a saved adapter into a model of the shape it was trained in; raises `DataError` for any other."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    lora = adapter_card(folder, bits)
    try:
        state = load_file(folder / FILE)
    except OSError as cause:
        raise DataError(f"{cause.filename} can't be read ({cause.strerror}); name a folder with an adapter.") from None
    except SafetensorError:
        raise DataError(f"{folder} holds no LoRA adapter that can be used here; train one with --lora.") from None
    add_lora(model, lora)
    wanted = {_PREFIX + n.replace(f".{_NAME}.", "."): w for n, w in model.named_parameters() if "lora_" in n}
    if {n: w.shape for n, w in wanted.items()} != {n: w.shape for n, w in state.items()}:
        raise DataError(
            f"The adapter in {folder} belongs to a model of another size; name the base that it was trained on."
        )
    with torch.no_grad():
        for name, weight in wanted.items():
            weight.copy_(state[name])
    return lora


def adapter_card(folder: Path, bits: int = 16) -> Lora:
    """What adapter_config.json says of an adapter; raises `DataError`."""
    try:
        card = strict_json.loads_object((folder / CARD).read_bytes(), str(folder / CARD))
        targets = tuple(sorted(map(str, card["target_modules"]), key=TARGETS.index))  # type: ignore[call-overload]
        rank, alpha, dropout = (float(str(card[key])) for key in ("r", "lora_alpha", "lora_dropout"))
        return Lora(int(rank), alpha, targets, dropout, bits)
    except OSError as cause:
        raise DataError(f"{cause.filename} can't be read ({cause.strerror}); name a folder with an adapter.") from None
    except (BadRequest, KeyError, TypeError, ValueError):
        raise DataError(f"{folder} holds no LoRA adapter that can be used here; train one with --lora.") from None


@torch.no_grad()
def merge_lora(model: LanguageModel) -> LanguageModel:
    """Add the adapter to the base's weights, in place: a plain model with the same logits, all of it trainable.

    A base in 4 bits becomes floats again, those that the 4 bits stood for: the adapter was trained on them.
    """
    if not has_adapter(model):
        raise DataError("The model has no adapter to merge; train one with --lora.")
    for name, module in list(model.named_modules()):
        if not hasattr(module, "lora_A"):
            continue
        base = module.get_base_layer()
        weight = _dequantized(base) + module.get_delta_weight(_NAME).to(torch.float32)
        made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=weight.device)
        made.weight = nn.Parameter(weight.to(torch.float32))
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, made)
    model.requires_grad_(True)
    return model


def quantize_base(model: LanguageModel, targets: tuple[str, ...]) -> None:
    """Keep the weights of the targets in 4 bits (NF4, double quantized), in place; sums stay in the model's dtype."""
    try:
        with _without_warnings_of_kernels():
            import bitsandbytes as bnb
    except ImportError:
        raise TrainerError(
            "bits=4 needs the package bitsandbytes; install Enigma with the extra 'llm', or leave bits out."
        ) from None
    for name, module in list(model.trained_matrices()):
        if name.rpartition(".")[2] not in targets:
            continue
        made = bnb.nn.Linear4bit(
            module.in_features, module.out_features, bias=False, compute_dtype=module.weight.dtype,
            compress_statistics=True, quant_type="nf4",
        )  # fmt: skip
        made.weight = bnb.nn.Params4bit(
            module.weight.detach().clone(), requires_grad=False, compress_statistics=True, quant_type="nf4"
        )
        # Else processors with AVX-512 BF16 pack the weights when they are first examined: only rows in blocks of 32,
        # and in a form that nothing reads back when the adapter is merged.
        made.support_avx512bf16_for_cpu = False
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, made.to(module.weight.device))


def _dequantized(layer: Any) -> Tensor:
    state = getattr(layer.weight, "quant_state", None)
    if state is None:
        weight: Tensor = layer.weight.detach().to(torch.float32)
        return weight
    from bitsandbytes.functional import dequantize_4bit

    made: Tensor = dequantize_4bit(layer.weight.data, state).to(torch.float32)
    return made


@contextlib.contextmanager
def _without_warnings_of_kernels() -> Iterator[None]:
    """PEFT loads torchao and bitsandbytes where they are installed, which warn of kernels that they lack; no adapter of
    ours needs them."""
    noisy = [logging.getLogger(name) for name in ("torchao", "torch.utils._pytree", "bitsandbytes")]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)


def _peft() -> Any:
    try:
        with _without_warnings_of_kernels():
            import peft
    except ImportError:
        raise TrainerError("Adapters need the package peft; install Enigma with the extra 'llm'.") from None
    return peft
