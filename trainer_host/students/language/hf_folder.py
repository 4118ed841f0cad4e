"""A Hugging Face folder of `LlamaForCausalLM`, in and out: config.json, safetensors, tokenizer, chat template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.language.template import Template
from trainer_host.errors import DataError, ExportError
from trainer_host.students.language.chat_jinja import jinja_of, without_written_marks
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.gguf_in import Contents
from trainer_host.students.language.vocabulary import check_vocabulary, read_vocabulary
from trainer_host.workspace import making

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Json = dict[str, object]

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PRECISIONS = ("fp32", "bf16", "fp16")
_SHARD = 5 * 1000**3  # bytes; what the hub's pages and transformers use
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_PREFIX = "model."
_NO_WINDOW = "Hugging Face's Llama has no windows; export a model without a window."


def config_json(
    config: LanguageConfig, precision: str = "fp32", begin: int | None = None, end: int | None = None
) -> Json:
    """config.json of `LlamaForCausalLM`. Raises `ExportError` for a model with a window."""
    if config.window is not None:
        raise ExportError(_NO_WINDOW)
    made: Json = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "intermediate_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.norm_epsilon,
        "tie_word_embeddings": config.tied,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": begin,
        "eos_token_id": end,
        "dtype": _DTYPES[precision],
    }
    scaling: Json = {"rope_type": "default"}
    if config.rope is not None:
        scaling = {"rope_type": config.rope["type"], "factor": config.rope.get("factor", 1.0)}
        trained = config.rope.get("trained", config.context)
        if scaling["rope_type"] == "yarn":
            scaling["original_max_position_embeddings"] = trained
        elif scaling["rope_type"] == "dynamic":
            made["max_position_embeddings"] = trained  # the length from which on it scales, there
        made["rope_scaling"] = scaling
    # transformers 5 reads the first, 4 the second
    made["rope_parameters"] = {**scaling, "rope_theta": config.rope_base}
    made["rope_theta"] = config.rope_base
    return made


def config_from_json(raw: Mapping[str, object]) -> LanguageConfig:
    """The shape that a config.json says; raises `DataError` for what our decoder doesn't compute."""
    if raw.get("model_type") != "llama":
        raise DataError(f"The checkpoint is of the kind '{str(raw.get('model_type'))[:40]}'; it must be 'llama'.")
    for key, wanted in (("attention_bias", False), ("mlp_bias", False), ("hidden_act", "silu")):
        if raw.get(key, wanted) != wanted:
            raise DataError(f"The checkpoint has '{key}' {str(raw[key])[:40]}; it must be {str(wanted).lower()}.")

    def number(key: str, default: int | None = None) -> int:
        found = raw.get(key)
        found = default if found is None else found
        if type(found) is not int or found < 1:
            raise DataError(f"The checkpoint's config.json has no usable '{key}'; get the checkpoint again.")
        return found

    heads, width, context = number("num_attention_heads"), number("hidden_size"), number("max_position_embeddings")
    head = number("head_dim", width // heads)
    scaling = raw.get("rope_parameters") or raw.get("rope_scaling")
    scaling = scaling if isinstance(scaling, dict) else {}
    base = scaling.get("rope_theta", raw.get("rope_theta", 10_000.0))
    try:
        rope = _rope(scaling, context)
        return LanguageConfig(
            vocabulary=number("vocab_size"),
            width=width,
            layers=number("num_hidden_layers"),
            heads=heads,
            kv_heads=number("num_key_value_heads", heads),
            hidden=number("intermediate_size"),
            context=round(context * float(str(rope["factor"]))) if rope and rope["type"] == "dynamic" else context,
            head_size=None if head * heads == width else head,
            rope_base=float(base),
            norm_epsilon=float(str(raw.get("rms_norm_eps", 1e-6))),  # transformers' default
            tied=bool(raw.get("tie_word_embeddings", False)),
            rope=rope,
        )
    except (TypeError, ValueError):
        raise DataError("The checkpoint's config.json is damaged; get the checkpoint again.") from None


def read_folder(folder: Path) -> Contents:
    """Read a folder that `save_pretrained` or we wrote; raises `DataError`, also for weights that aren't safetensors."""
    config = config_from_json(_json(folder / "config.json"))
    tokenizer_file = folder / "tokenizer.json"
    if not tokenizer_file.is_file():
        raise DataError(f"{folder} has no tokenizer.json; put the checkpoint's own into it.")
    settings = _json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    template = settings.get("chat_template")
    if isinstance(template, list):  # several, by name
        by_name = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = by_name.get("default")
    if (folder / "chat_template.jinja").is_file():
        template = (folder / "chat_template.jinja").read_text("utf-8")
    return Contents(
        state=_weights(folder, config),
        config=config,
        tokenizer=tokenizer_file.read_text("utf-8"),
        chat_template=template if isinstance(template, str) else None,
        name=folder.name,
        licence=_licence(folder / "README.md"),
    )


def weights_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights, in their order."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise DataError(f"{folder} has no {WEIGHTS}; save the checkpoint as safetensors (other formats can run code).")
    parts = _json(folder / INDEX).get("weight_map")
    names = sorted(set(parts.values())) if isinstance(parts, dict) else []
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors", name):
            raise DataError(f"{INDEX} names the file '{str(name)[:60]}', which can't be one; get the checkpoint again.")
        if not (folder / name).is_file():
            raise DataError(f"{folder} lacks {name}; get the checkpoint again.")
    return [folder / name for name in names]


def write_folder(
    folder: Path,
    state: Mapping[str, Tensor],
    config: LanguageConfig,
    tokenizer: str,
    template: Template,
    *,
    precision: str = "fp32",
    name: str = "",
    licence: str = "",
    about: Sequence[str] = (),
    task: str | None = None,
    model_card: str = "",
    shard: int = _SHARD,
) -> None:
    """Write a folder for `AutoModelForCausalLM.from_pretrained`; it appears whole or not at all.

    state: as `LanguageModel.state_dict()`. precision: one of `PRECISIONS`. about: lines for the card, as of the
    lineage. task: for a model of several tasks, the one meant where a chat names none. model_card: Markdown that
    the folder's card ends with, its own first heading left out. shard: most bytes of a file.
    Raises `ExportError`, and `DataError` for a tokenizer of another checkpoint.
    """
    if precision not in PRECISIONS:
        raise ExportError(f"There is no precision '{precision[:40]}' here; there are {', '.join(PRECISIONS)}.")
    vocabulary = read_vocabulary(tokenizer)
    check_vocabulary(vocabulary, config)
    begin = vocabulary.id(template.begin) if template.begin else None
    end = vocabulary.id(template.end)
    if end is None:
        raise ExportError(f"The tokenizer has no special token {template.end}, which the template ends messages with.")
    described = config_json(config, precision, begin, end)
    settings: Json = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.context,
        "bos_token": template.begin or None,
        "eos_token": template.end,
        "pad_token": template.end,
        "clean_up_tokenization_spaces": False,
        "chat_template": jinja_of(template, task),
    }
    stops = [number for stop in template.stops if (number := vocabulary.id(stop)) is not None]
    generation: Json = {"bos_token_id": begin, "eos_token_id": stops or [end], "pad_token_id": end}
    with making(folder) as part:
        _write_weights(part, state, precision, shard)
        (part / "tokenizer.json").write_text(without_written_marks(tokenizer, template), "utf-8")
        for file, content in (
            ("config.json", described),
            ("tokenizer_config.json", settings),
            ("generation_config.json", generation),
        ):
            (part / file).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
        (part / "README.md").write_text(card(name or folder.name, licence, about, config, model_card), "utf-8")


def card(name: str, licence: str, about: Sequence[str], config: LanguageConfig, more: str = "") -> str:
    """README.md as the hub reads it: facts in its head, then what the model is and where it comes from."""
    head = {"license": licence.lower() or "other", "library_name": "transformers", "pipeline_tag": "text-generation"}
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in head.items()), "---", "", f"# {name}", ""]
    lines += [
        f"A language model of {config.parameters / 1e6:,.1f} million parameters in Llama's shape, with a context of "
        f"{config.context:,} tokens, trained by Enigma.",
        "",
    ]
    if about:
        lines += ["## Where it comes from", "", *(f"- {line}" for line in about), ""]
    if more:
        lines.append(more.partition("\n\n")[2])
    return "\n".join(lines)


def _rope(scaling: Mapping[str, object], context: int) -> Json | None:
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return None
    if kind not in ("linear", "dynamic", "yarn"):
        raise DataError(f"The checkpoint scales positions by '{str(kind)[:40]}'; we know linear, dynamic and yarn.")
    factor = float(str(scaling.get("factor", 1.0)))
    standard = {"beta_fast": 32, "beta_slow": 1, "truncate": True}
    odd = [key for key, value in standard.items() if scaling.get(key) not in (None, value)]
    odd += [key for key in ("attention_factor", "mscale", "mscale_all_dim") if scaling.get(key) is not None]
    if kind == "yarn" and odd:
        raise DataError(f"The checkpoint sets '{odd[0]}' of yarn, which we don't; choose another one.")
    trained = scaling.get("original_max_position_embeddings")
    if kind == "dynamic":
        trained = context
    elif trained is None:
        trained = round(context / factor)
    return {"type": kind, "factor": factor, "trained": int(str(trained))}


def _weights(folder: Path, config: LanguageConfig) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state: dict[str, Tensor] = {}
    for file in weights_files(folder):
        try:
            read = load_file(file)
        except (OSError, SafetensorError):
            raise DataError(f"{file} isn't a whole safetensors file; get it again.") from None
        for name, tensor in read.items():
            if not name.endswith("rotary_emb.inv_freq"):  # computed, though old checkpoints have it
                state[name.removeprefix(_PREFIX)] = tensor.float()
    if config.tied:
        head = state.pop("lm_head.weight", None)  # the same tensor by its other name
        if head is not None:
            state.setdefault("embed_tokens.weight", head)
    return state


def _write_weights(folder: Path, state: Mapping[str, Tensor], precision: str, shard: int) -> None:
    import torch
    from safetensors.torch import save_file

    dtype: torch.dtype = getattr(torch, _DTYPES[precision])
    shards: list[dict[str, Tensor]] = [{}]
    size = total = 0
    for name in sorted(state):
        tensor = state[name].detach().to("cpu", dtype).contiguous().clone()
        taken = tensor.numel() * tensor.element_size()
        if shards[-1] and size + taken > shard:
            shards.append({})
            size = 0
        shards[-1][name if name.startswith("lm_head") else _PREFIX + name] = tensor
        size, total = size + taken, total + taken
    if len(shards) == 1:
        save_file(shards[0], folder / WEIGHTS, {"format": "pt"})
        return
    places: dict[str, str] = {}
    for i, tensors in enumerate(shards, 1):
        file = f"model-{i:05}-of-{len(shards):05}.safetensors"
        save_file(tensors, folder / file, {"format": "pt"})
        places |= dict.fromkeys(tensors, file)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def _licence(readme: Path) -> str:
    """The licence in the head of a model card, "" where it doesn't say."""
    if not readme.is_file():
        return ""
    text = readme.read_text("utf-8", "replace")
    head = text.split("\n---", 1)[0] if text.startswith("---") else ""
    found = re.search(r"^license:[ \t]*[\"']?([\w.+-]+)", head, re.MULTILINE)
    return found[1] if found else ""


def _json(path: Path) -> Json:
    try:
        return strict_json.loads_object(path.read_bytes(), str(path))
    except OSError as cause:
        raise DataError(
            f"{path} can't be read ({cause.strerror}); name a folder that holds a whole checkpoint."
        ) from None
    except BadRequest:
        raise DataError(f"{path} is damaged; get the checkpoint again.") from None
