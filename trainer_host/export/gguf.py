"""Writes a language model as a .gguf file, for llama.cpp and all that are built on it.

Format: GGUF version 3 (github.com/ggml-org/ggml, docs/gguf.md), architecture "llama".
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.compress.blocks import Blocks
from trainer_host.errors import ExportError
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.vocabulary import Vocabulary, check_vocabulary, read_vocabulary
from trainer_host.workspace import storage_errors

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFWriter
    from torch import Tensor

PRECISIONS = ("f32", "f16", "q8_0", "q4_0")
BLOCK = 32  # numbers of a row that share a scale, in Q8_0 and in Q4_0

# Our names (Hugging Face's without "model.") and GGUF's, of a layer's weights.
LAYER_NAMES: Mapping[str, str] = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
NAMES: Mapping[str, str] = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}


def export_gguf(
    state: Mapping[str, Tensor],
    config: LanguageConfig,
    tokenizer: str,
    path: Path,
    precision: str = "f16",
    *,
    chat_template: str | None = None,
    end: str | None = None,
    name: str = "",
    licence: str = "",
    rounded: Mapping[str, Blocks] | None = None,
) -> None:
    """Write one .gguf file, atomically; its bytes depend on the arguments alone.

    state: as `LanguageModel.state_dict()`. tokenizer: the text of tokenizer.json. chat_template: Jinja. end: the
    special token that ends an answer. precision: one of `PRECISIONS`; norms stay float32, a matrix whose rows
    aren't a multiple of 32 becomes F16, and with q4_0 the tables of tokens are q8_0, as four bits hurt them most.
    rounded: weights in 4 bits that q4_0 takes as they are, by our names (see `trainer_host.compress.gptq`). Raises `ExportError` for what llama.cpp has no place for, `DataError` for a tokenizer of another checkpoint.
    """
    from gguf import GGUFWriter

    if precision not in PRECISIONS:
        raise ExportError(f"There is no precision '{precision[:40]}' in GGUF here; there are {', '.join(PRECISIONS)}.")
    if config.window is not None:
        raise ExportError("llama.cpp has no windows in this architecture; export a model without a window.")
    vocabulary = read_vocabulary(tokenizer)
    check_vocabulary(vocabulary, config)
    part = path.with_name(f".{path.name}.part")
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writer = GGUFWriter(part, "llama")
            _describe(writer, config, precision, name, licence)
            _add_vocabulary(writer, vocabulary, config, end)
            if chat_template is not None:
                writer.add_chat_template(chat_template)
            for tensor, values, kind in _tensors(state, config, precision, rounded or {}):
                writer.add_tensor(tensor, values, raw_dtype=kind)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query's or key's projection in llama.cpp's order: it rotates neighbours, we the halves of a head."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def halved(weight: np.ndarray, heads: int) -> np.ndarray:
    """What `interleaved` changed, changed back."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def gguf_name(ours: str) -> str:
    """GGUF's name of a weight: "layers.0.mlp.up_proj.weight" is "blk.0.ffn_up.weight"."""
    stem = ours.removesuffix(".weight")
    if stem.startswith("layers."):
        _, number, rest = stem.split(".", 2)
        return f"blk.{number}.{LAYER_NAMES[rest]}.weight"
    return f"{NAMES[stem]}.weight"


def _describe(writer: GGUFWriter, config: LanguageConfig, precision: str, name: str, licence: str) -> None:
    from gguf import LlamaFileType, RopeScalingType

    kinds = {
        "f32": LlamaFileType.ALL_F32,
        "f16": LlamaFileType.MOSTLY_F16,
        "q8_0": LlamaFileType.MOSTLY_Q8_0,
        "q4_0": LlamaFileType.MOSTLY_Q4_0,
    }
    writer.add_type("model")
    writer.add_name(name or "enigma")
    if licence:
        writer.add_license(licence)
    writer.add_file_type(kinds[precision])
    writer.add_quantization_version(2)  # of ggml's blocks, github.com/ggml-org/ggml, GGML_QNT_VERSION
    writer.add_vocab_size(config.vocabulary)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.hidden)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head)
    writer.add_value_length(config.head)
    writer.add_rope_dimension_count(config.head)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    if config.rope is None:
        return
    kind, factor = str(config.rope.get("type")), float(str(config.rope.get("factor", 1.0)))
    scalings = {"linear": RopeScalingType.LINEAR, "yarn": RopeScalingType.YARN}
    if kind not in scalings:
        raise ExportError(f"llama.cpp doesn't scale positions by '{kind[:40]}'; use linear or yarn for this export.")
    writer.add_rope_scaling_type(scalings[kind])
    writer.add_rope_scaling_factor(factor)
    writer.add_rope_scaling_orig_ctx_len(int(str(config.rope.get("trained", config.context))))


def _add_vocabulary(writer: GGUFWriter, vocabulary: Vocabulary, config: LanguageConfig, end: str | None) -> None:
    from gguf import TokenType

    texts, kinds = [], []
    for number in range(config.vocabulary):
        text = vocabulary.tokens.get(number)
        if text is None:
            kinds.append(TokenType.UNUSED)
        elif number in vocabulary.special:
            kinds.append(TokenType.CONTROL)
        else:
            kinds.append(TokenType.USER_DEFINED if number in vocabulary.added else TokenType.NORMAL)
        texts.append(f"[PAD{number}]" if text is None else text)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{left} {right}" for left, right in vocabulary.merges])
    # The template writes all marks itself; a second beginning would be one that the model never saw.
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    last = vocabulary.id(end) if end is not None else None
    if end is not None and last is None:
        raise ExportError(f"The tokenizer has no special token {end[:40]}, which the template ends answers with.")
    final = min(vocabulary.special, default=0) if last is None else last
    firsts = (vocabulary.id(text) for text in ("<|bos|>", "<|im_start|>"))
    writer.add_bos_token_id(next((number for number in firsts if number is not None), final))
    writer.add_eos_token_id(final)
    writer.add_pad_token_id(final)


def _tensors(
    state: Mapping[str, Tensor], config: LanguageConfig, precision: str, rounded: Mapping[str, Blocks]
) -> Iterator[tuple[str, np.ndarray, GGMLQuantizationType | None]]:
    """GGUF's name, the numbers or blocks, and the kind of the blocks; in the order of a model's layers."""
    import numpy as np
    from gguf import GGMLQuantizationType, quantize

    kinds = {
        "f32": GGMLQuantizationType.F32,
        "f16": GGMLQuantizationType.F16,
        "q8_0": GGMLQuantizationType.Q8_0,
        "q4_0": GGMLQuantizationType.Q4_0,
    }
    turned = {"q_proj.weight": config.heads, "k_proj.weight": config.kv_heads}
    for ours, tensor in state.items():
        values = tensor.detach().cpu().float().numpy()
        name = gguf_name(ours)
        if values.ndim == 1:
            yield name, np.ascontiguousarray(values, np.float32), None
            continue
        heads = next((heads for end, heads in turned.items() if ours.endswith(end)), None)
        kind = kinds[precision]
        if kind == GGMLQuantizationType.Q4_0 and ours.startswith(("embed_tokens", "lm_head")):
            kind = GGMLQuantizationType.Q8_0
        if precision.startswith("q") and values.shape[-1] % BLOCK:
            kind = GGMLQuantizationType.F16
        blocks = rounded.get(ours) if kind == GGMLQuantizationType.Q4_0 else None
        if blocks is not None and blocks.size == BLOCK:
            yield name, _q4_0(blocks, heads), kind
            continue
        if heads is not None:
            values = interleaved(values, heads)
        yield name, quantize(np.ascontiguousarray(values, np.float32), kind), kind


def _q4_0(blocks: Blocks, heads: int | None) -> np.ndarray:
    """The blocks as ggml's Q4_0, uint8 [rows, columns / 32 * 18]: a float16 scale, then two codes to a byte.

    A byte's lower half is of a block's first 16 numbers, its upper half of the last. heads: see `interleaved`.
    """
    import numpy as np

    codes, scales = blocks.signed() + 8, blocks.scales.astype("<f2")
    if heads is not None:
        codes, scales = interleaved(codes, heads), interleaved(scales, heads)
    parts = codes.astype(np.uint8).reshape(len(codes), -1, 2, BLOCK // 2)
    both = parts[:, :, 0] | parts[:, :, 1] << 4
    return np.concatenate((np.ascontiguousarray(scales)[..., None].view(np.uint8), both), -1).reshape(len(codes), -1)
