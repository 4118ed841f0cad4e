"""Writes a decoder as one .onnx file with a cache of keys and values, in fp32, int8 or int4.

The graph is built by hand from the weights, out of onnxruntime's own operators ("com.microsoft", documented in its
docs/ContribOperators.md): an exporter's graph would compute the same in several times as many nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainer_host.compress.blocks import Blocks, joined, quantize_blocks
from trainer_host.errors import ExportError

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

    from trainer_host.students.language.config import LanguageConfig

PRECISIONS = ("fp32", "int8", "int4")

_INT8 = 4  # MatMulNBits' accuracy_level that rounds the other factor to int8, in blocks
# Numbers of a row that share a scale, the first that divides the row. Scales are float32, so that a weight takes 8.5
# bits, and 5; four bits lose much more in larger blocks.
_SIZES: Mapping[int, tuple[int, ...]] = {8: (64, 32, 16), 4: (32, 16)}
_DOMAIN = "com.microsoft"
_TABLE, _HEAD = "embed_tokens.weight", "lm_head.weight"
# The products of a layer, and the weights of each; what reads the same is one.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attended": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp": ("mlp.down_proj",),
}
_PLAIN_PRODUCT = ".plain"  # behind the name of a product that an adapter's is added to
_ENDS = ("first", "end")  # of the cache that layers with a window have
_OPSET, _IR = 21, 10  # read by onnxruntime from 1.20 on
_LARGEST = 2**31 - 2**20  # bytes; a protobuf message ends at 2 GB


@dataclass(frozen=True)
class CacheScales:
    """What a step of int8 stands for in the cache: float32 [layers, kv_heads, head] each.

    Measured on texts, see `trainer_host.compress.language.cache_scales`.
    """

    keys: np.ndarray
    values: np.ndarray


def export_language_onnx(
    state: Mapping[str, Tensor | np.ndarray],
    config: LanguageConfig,
    path: Path,
    precision: str = "fp32",
    context: int | None = None,
    cache: CacheScales | None = None,
    adapters: bool = False,
    like: Path | None = None,
    rounded: Mapping[str, Blocks] | None = None,
) -> None:
    """Write a decoder; raises `ExportError` for weights that don't fit the config, or that the runtime can't run.

    state: weights by the names of `LanguageModel.state_dict()`. context: most tokens in the cache, default the
    config's. cache: keep keys and values as int8 with these scales, a quarter of the memory. adapters: give each linear
    layer of a block two low-rank matrices that can be set while the model is open (see `language_adapter`); they are
    inputs NAME.down [in, r] and NAME.up [r, out] with defaults of rank 0, which add nothing. like: a file of this
    precision of the model that this one began with, whose scales are kept where they fit. rounded: weights of this
    precision that were rounded before, by their names (see `trainer_host.compress.gptq`); others are rounded here.

    Inputs: tokens int64 [B, T], last int32 [B] (tokens in the cache then, less one), total int32 [] (tokens in the
    longest cache then), wanted int64 [K] (which of the T get logits), keys.N and values.N float32 or int8
    [B, kv_heads, C, head]. Outputs: logits float32 [B, K, vocabulary], new_keys.N and new_values.N, which must be
    bound to the memory of keys.N and values.N. More than one text are read with T = 1 alone. Layers with a window have a cache of their own length, which may begin
    anywhere in the text: near_last and near_total are its last and total, near_first and near_end int64 [1] the
    text's tokens that it begins and ends with (end excluded).
    """
    if precision not in PRECISIONS:
        raise ExportError(f"There is no precision '{precision[:40]}'; there are {', '.join(PRECISIONS)}.")
    at_most = context or config.context
    before = {} if like is None else blocks_of(like, config)
    decoder = _Decoder(state, config, precision, at_most, cache, adapters, before, rounded or {})
    model = decoder.model()
    if model.ByteSize() > _LARGEST:
        raise ExportError("The model has over 2 GB, which one ONNX file can't hold; export it as int8 or int4.")
    path.write_bytes(model.SerializeToString(deterministic=True))


class _Decoder:
    """The graph while it grows. Sums as in `trainer_host.students.language.model`."""

    def __init__(
        self,
        state: Mapping[str, Tensor | np.ndarray],
        config: LanguageConfig,
        precision: str,
        context: int,
        cache: CacheScales | None,
        adapters: bool,
        like: Mapping[str, Blocks],
        rounded: Mapping[str, Blocks],
    ) -> None:
        self.state, self.config, self.precision, self.context, self.cache = state, config, precision, context, cache
        self.bits = {"fp32": 32, "int8": 8, "int4": 4}[precision]
        self.adapters, self.like, self.rounded = adapters, like, rounded
        self.low: list[tuple[str, int, int]] = []  # layers with an adapter: name, numbers in and out
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        """The whole graph."""
        from onnx import TensorProto, helper

        config = self.config
        cos, sin = _rope(config, self.context)
        self.constant("cos", cos)
        self.constant("sin", sin)
        if config.window is not None:
            for name in ("cos", "sin"):
                self.node("Slice", [name, "near_first", "near_end"], f"near_{name}")
        x = self.embed("tokens")
        normed = self.node(
            "SimplifiedLayerNormalization",
            [x, self.norm_weight("layers.0.input_layernorm")],
            "first",
            axis=-1,
            epsilon=config.norm_epsilon,
        )
        for layer in range(config.layers):
            x, normed = self.layer(layer, x, normed)
        self.logits(normed)
        matrices: list[onnx.ValueInfoProto] = []
        for out, rows, columns in self.low:
            sides: dict[str, list[str | int | None]] = {
                "down": [rows, f"{out}.rank"],
                "up": [f"{out}.rank", columns],
            }
            matrices += [
                helper.make_tensor_value_info(f"{out}.{side}", TensorProto.FLOAT, sizes)
                for side, sizes in sides.items()
            ]
        kind = TensorProto.FLOAT if self.cache is None else TensorProto.INT8
        shapes: dict[str, list[str | int | None]] = {
            f"{part}.{layer}": ["batch", config.kv_heads, f"{_near(config, layer)}context", config.head]
            for layer in range(config.layers)
            for part in ("keys", "values")
        }
        near = () if config.window is None else ("near_",)
        inputs = [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", "length"]),
            *(helper.make_tensor_value_info(f"{of}last", TensorProto.INT32, ["batch"]) for of in ("", *near)),
            *(helper.make_tensor_value_info(f"{of}total", TensorProto.INT32, []) for of in ("", *near)),
            *(helper.make_tensor_value_info(f"{of}{at}", TensorProto.INT64, [1]) for of in near for at in _ENDS),
            helper.make_tensor_value_info("wanted", TensorProto.INT64, ["wanted_length"]),
            *(helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()),
            *matrices,
        ]
        outputs = [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "wanted_length", config.vocabulary]),
            *(helper.make_tensor_value_info(f"new_{name}", kind, shape) for name, shape in shapes.items()),
        ]
        graph = helper.make_graph(self.nodes, "decoder", inputs, outputs, self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_DOMAIN, 1)], ir_version=_IR
        )
        window = {} if config.window is None else {"window": str(config.window)}
        helper.set_model_props(model, {"context": str(self.context), "precision": self.precision} | window)
        return model

    def layer(self, layer: int, x: str, normed: str) -> tuple[str, str]:
        """The residual stream and its norm after a layer, given both before it."""
        config, name = self.config, f"layers.{layer}"
        window = config.looks_back(layer)
        packed = self.adapted(normed, _weights(layer, "qkv"), f"{name}.qkv")
        near = _near(config, layer)
        inputs = [packed, "", "", f"keys.{layer}", f"values.{layer}"]
        inputs += [f"{near}{part}" for part in ("last", "total", "cos", "sin")]
        attributes: dict[str, float | str] = {} if window is None else {"local_window_size": window}
        if self.cache is not None:
            self.constant(f"{name}.key_scales", self.cache.keys[layer].astype(np.float32)[:, None])
            self.constant(f"{name}.value_scales", self.cache.values[layer].astype(np.float32)[:, None])
            inputs += ["", "", "", f"{name}.key_scales", f"{name}.value_scales"]
            attributes |= {"k_quant_type": "PER_CHANNEL", "v_quant_type": "PER_CHANNEL", "kv_cache_bit_width": 8}
        seen = self.node(
            "GroupQueryAttention",
            inputs,
            f"{name}.seen",
            outputs=[f"new_keys.{layer}", f"new_values.{layer}"],
            num_heads=config.heads,
            kv_num_heads=config.kv_heads,
            do_rotary=1,
            **attributes,
        )
        if layer + 1 == config.layers:  # what follows is of interest only where logits are
            seen = self.node("Gather", [seen, "wanted"], f"{name}.seen_wanted", axis=1)
            x = self.node("Gather", [x, "wanted"], f"{name}.x_wanted", axis=1)
        out = self.adapted(seen, _weights(layer, "attended"), f"{name}.attended")
        x, normed = self.add_and_norm(x, out, f"{name}.post_attention_layernorm")
        both_out = self.adapted(normed, _weights(layer, "gate_up"), f"{name}.gate_up")
        gate = self.node("Split", [both_out], f"{name}.gate", outputs=[f"{name}.up"], axis=-1, num_outputs=2)
        # QuickGelu with alpha 1 is SiLU in one node; onnxruntime has no SwiGLU for the CPU.
        gate = self.node("QuickGelu", [gate], f"{name}.gate_silu", alpha=1.0)
        gated = self.node("Mul", [gate, f"{name}.up"], f"{name}.gated")
        out = self.adapted(gated, _weights(layer, "mlp"), f"{name}.mlp")
        after = "norm" if layer + 1 == config.layers else f"layers.{layer + 1}.input_layernorm"
        return self.add_and_norm(x, out, after)

    def add_and_norm(self, x: str, more: str, norm: str) -> tuple[str, str]:
        """The stream with what a block adds, and its norm."""
        normed = self.node(
            "SkipSimplifiedLayerNormalization",
            [x, more, self.norm_weight(norm)],
            f"{norm}.out",
            outputs=["", "", f"{norm}.stream"],
            epsilon=self.config.norm_epsilon,
        )
        return f"{norm}.stream", normed

    def embed(self, tokens: str) -> str:
        """The tokens' rows of the table."""
        if self.bits == 32:
            self.constant("table", self.weight(_TABLE))
            return self.node("Gather", ["table", tokens], "embedded")
        blocks = self.quantized(_TABLE)
        self.constant("table", blocks.codes)
        self.constant("table.scales", blocks.scales)
        return self.node(
            "GatherBlockQuantized",
            ["table", tokens, "table.scales"],
            "embedded",
            bits=blocks.bits,
            block_size=blocks.size,
            gather_axis=0,
            quantize_axis=1,
        )

    def logits(self, normed: str) -> None:
        """The products of the last norm with the table, or with a head of its own."""
        if not self.config.tied:
            self.linear(normed, [_HEAD], "logits")
        elif self.bits == 32:
            self.node("MatMul", [normed, self.node("Transpose", ["table"], "table.turned", perm=[1, 0])], "logits")
        else:  # the integers of the table once more, seen as blocks
            size = block_size(self.config.width, self.bits)
            shape = [self.config.vocabulary, self.config.width // size, size * self.bits // 8]
            self.constant("table.shape", np.array(shape, np.int64))
            blocks = self.node("Reshape", ["table", "table.shape"], "table.blocks")
            shape = [self.config.vocabulary, self.config.width]
            self.multiply([normed, blocks, "table.scales"], "logits", shape, size)

    def adapted(self, x: str, names: Sequence[str], out: str) -> str:
        """x times weights [out, in], and where the graph takes adapters, times two low-rank matrices as well."""
        if not self.adapters:
            return self.linear(x, names, out)
        columns, rows = sum(_shape(name, self.config)[0] for name in names), _shape(names[0], self.config)[1]
        self.low.append((out, rows, columns))
        self.constant(f"{out}.down", np.zeros((rows, 0), np.float32))
        self.constant(f"{out}.up", np.zeros((0, columns), np.float32))
        plain = self.linear(x, names, f"{out}{_PLAIN_PRODUCT}")
        low = self.node("MatMul", [x, f"{out}.down"], f"{out}.low")
        return self.node("Add", [plain, self.node("MatMul", [low, f"{out}.up"], f"{out}.more")], out)

    def linear(self, x: str, names: Sequence[str], out: str) -> str:
        """x times weights [out, in], one below the other."""
        if self.bits == 32:
            self.constant(f"{out}.weight", np.concatenate([self.weight(name) for name in names]).T)
            return self.node("MatMul", [x, f"{out}.weight"], out)
        blocks = joined([self.quantized(name) for name in names])
        rows, sizes = blocks.scales.shape
        self.constant(f"{out}.weight", blocks.codes.reshape(rows, sizes, -1))
        self.constant(f"{out}.scales", blocks.scales)
        inputs = [x, f"{out}.weight", f"{out}.scales"]
        return self.multiply(inputs, out, [rows, sizes * blocks.size], blocks.size)

    def multiply(self, inputs: Sequence[str], out: str, shape: Sequence[int], size: int) -> str:
        """x times quantized blocks. Its rows are rounded to int8 too: sums of integers are what makes it fast."""
        n, k = shape
        return self.node("MatMulNBits", inputs, out, bits=self.bits, block_size=size, N=n, K=k, accuracy_level=_INT8)

    def quantized(self, name: str) -> Blocks:
        """A weight in blocks."""
        if name in self.rounded:
            return self.rounded[name]
        weight, before = self.weight(name), self.like.get(name)
        size = block_size(weight.shape[1], self.bits)
        return quantize_blocks(weight, self.bits, size, None if before is None else before.scales)

    def norm_weight(self, name: str) -> str:
        """The constant of a norm's weight."""
        self.constant(f"{name}.weight", self.weight(f"{name}.weight"))
        return f"{name}.weight"

    def weight(self, name: str) -> np.ndarray:
        """See `weight_of`."""
        return weight_of(self.state, self.config, name)

    def node(
        self,
        kind: str,
        inputs: Sequence[str],
        out: str,
        *,
        outputs: Sequence[str] = (),
        **attributes: float | str | list[int],
    ) -> str:
        """Add a node; gives its first output's name."""
        from onnx import helper

        domain = "" if kind in _PLAIN else _DOMAIN
        node = helper.make_node(kind, inputs, [out, *outputs], name=out, domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self.nodes.append(node)
        return out

    def constant(self, name: str, value: np.ndarray) -> None:
        """Add a constant."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))


def block_size(columns: int, bits: int) -> int:
    """Numbers that share a scale; raises `ExportError` where none of the runtime's sizes divides a row."""
    size = next((size for size in _SIZES[bits] if columns % size == 0), None)
    if size is None:
        raise ExportError(f"Rows of {columns} numbers aren't a multiple of 16, so they stay fp32; export as fp32.")
    return size


def blocks_of(path: Path, config: LanguageConfig) -> dict[str, Blocks]:
    """The weights of a file in int8 or int4 that was written here, by their names, where they have the config's shape."""
    import onnx
    from onnx import numpy_helper

    constants = {each.name: each for each in onnx.load(path).graph.initializer}
    products = {"table": [_TABLE], "logits": [_HEAD]}
    products |= {f"layers.{at}.{part}": _weights(at, part) for at in range(config.layers) for part in _PARTS}
    found: dict[str, Blocks] = {}
    for product, names in products.items():
        stem = f"{product}{_PLAIN_PRODUCT}" if f"{product}{_PLAIN_PRODUCT}.scales" in constants else product
        if f"{stem}.scales" not in constants:
            continue
        scales = numpy_helper.to_array(constants[f"{stem}.scales"])
        codes = numpy_helper.to_array(constants[stem if product == "table" else f"{stem}.weight"])
        shapes = [_shape(name, config) for name in names]
        rows, columns = sum(shape[0] for shape in shapes), shapes[0][1]
        bits = codes.size * 8 // (rows * columns)
        if len(scales) != rows or codes.size * 8 != rows * columns * bits or columns % scales.shape[1]:
            continue  # of another vocabulary, for instance
        codes, start = codes.reshape(rows, -1), 0
        for name, (height, _) in zip(names, shapes, strict=True):
            part = slice(start, start + height)
            found[name] = Blocks(codes[part], scales[part], bits, columns // scales.shape[1])
            start += height
    return found


# Operators of ONNX itself, and one of onnxruntime's that it keeps there.
_PLAIN = {"Add", "Gather", "MatMul", "Mul", "Reshape", "SimplifiedLayerNormalization", "Slice", "Split", "Transpose"}


def _weights(layer: int, product: str) -> list[str]:
    """The names of the weights whose product the graph calls so, one below the other."""
    return [f"layers.{layer}.{name}.weight" for name in _PARTS[product]]


def _near(config: LanguageConfig, layer: int) -> str:
    """What the names of a layer's inputs begin with: those with a window have others."""
    return "" if config.looks_back(layer) is None else "near_"


def weight_of(state: Mapping[str, Tensor | np.ndarray], config: LanguageConfig, name: str) -> np.ndarray:
    """A weight of the state, float32; raises `ExportError` where it is missing or of another shape."""
    found = state.get(name)
    if found is None:
        raise ExportError(f"The weights lack '{name}'; they don't belong to this config.")
    array = found if isinstance(found, np.ndarray) else found.detach().to("cpu").float().numpy()
    want = _shape(name, config)
    if array.shape != want:
        raise ExportError(f"'{name}' has the shape {list(array.shape)}, and the config wants {list(want)}.")
    return np.asarray(array, np.float32)


def _shape(name: str, config: LanguageConfig) -> tuple[int, ...]:
    """The shape that a weight must have."""
    queries, keys = config.heads * config.head, config.kv_heads * config.head
    shapes: dict[str, tuple[int, ...]] = {
        "embed_tokens": (config.vocabulary, config.width),
        "lm_head": (config.vocabulary, config.width),
        "q_proj": (queries, config.width),
        "k_proj": (keys, config.width),
        "v_proj": (keys, config.width),
        "o_proj": (config.width, queries),
        "gate_proj": (config.hidden, config.width),
        "up_proj": (config.hidden, config.width),
        "down_proj": (config.width, config.hidden),
    }
    return shapes.get(name.split(".")[-2], (config.width,))


def rope_of(config: LanguageConfig, context: int) -> np.ndarray:
    """What a position is turned by, float32 [head / 2 + 1]: the frequencies, and the factor of cosines and sines.

    Raises `ExportError` for a scaling that a cache can't have.
    """
    from trainer_host.students.language.model import rope_frequencies

    if config.rope is not None and config.rope.get("type") == "dynamic":
        trained = int(str(config.rope.get("trained", config.context)))
        if context > trained:
            raise ExportError(
                "Dynamic scaling turns every key anew when a text grows, and a cache keeps them as they were; "
                f"export for at most {trained} tokens, or train with 'yarn' or 'linear'."
            )
    frequencies, factor = rope_frequencies(config, context)
    return np.append(frequencies.numpy(), np.float32(factor)).astype(np.float32)


def _rope(config: LanguageConfig, context: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of every position, float32 [context, head / 2] each."""
    import torch

    rope = torch.from_numpy(rope_of(config, context))
    angles = torch.arange(context, dtype=torch.float32)[:, None] * rope[:-1]
    return (angles.cos() * rope[-1]).numpy(), (angles.sin() * rope[-1]).numpy()
