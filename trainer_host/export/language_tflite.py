"""Writes a decoder as one .tflite file that takes a cache of keys and values, in fp32 or with weights of int8.

The graph is built by hand from the weights, as in `language_onnx`. It gives the new tokens' keys and values alone, and
whoever runs it writes them into the cache, in place. The number of tokens and the room of the cache can be resized.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.engines.language_litert import SIGNATURE
from trainer_host.errors import ExportError
from trainer_host.export.language_onnx import CacheScales, rope_of, weight_of
from trainer_host.export.tflite_graph import FlatGraph

if TYPE_CHECKING:
    from torch import Tensor

    from trainer_host.students.language.config import LanguageConfig

PRECISIONS = ("fp32", "int8")


def export_language_tflite(
    state: Mapping[str, Tensor | np.ndarray],
    config: LanguageConfig,
    path: Path,
    precision: str = "fp32",
    context: int | None = None,
    cache: CacheScales | None = None,
) -> None:
    """Write a decoder; raises `ExportError` for weights that don't fit the config.

    state, context: as for `export_language_onnx`. precision: int8 has one scale for each row of a matrix, and the
    runtime rounds the other factor to int8 as well, row by row ("dynamic range"). cache: keep keys and values as int8
    with these scales, a quarter of the memory. Inputs for T tokens, of which K get
    logits, with a cache of C places: tokens int32 [T], cos and sin float32 [T, 1, head] (of their positions; the first
    half of sin is negative), wanted int32 [K], bias float32 [1, T * group, C + T] (added to the scores of a token's
    heads: 0 for what it sees, else very negative; group is heads / kv_heads), where layers have windows also bias.W
    for each window W, and keys.N and values.N float32 [kv_heads, C, head]. Outputs: logits float32 [K, vocabulary],
    new_keys.N and new_values.N float32 [kv_heads, T, head]. The constant "rope" holds the frequencies, float32
    [head / 2], and behind them the factor of cosines and sines; where layers have windows, "windows" holds them, int32
    [layers], 0 for a layer without one. The caches of those layers, and their bias, may have fewer places than C.
    """
    check_precision(precision)
    _Decoder(state, config, precision == "int8", context or config.context, cache).write(path)


def check_precision(precision: str) -> None:
    """Raise `ExportError` for one that there is none of."""
    if precision not in PRECISIONS:
        raise ExportError(f"There is no precision '{precision[:40]}' in TFLite; there are {', '.join(PRECISIONS)}.")


class _Decoder:
    """The graph while it grows. Sums as in `trainer_host.students.language.model`."""

    def __init__(
        self,
        state: Mapping[str, Tensor | np.ndarray],
        config: LanguageConfig,
        small: bool,
        context: int,
        cache: CacheScales | None,
    ) -> None:
        self.state, self.config, self.small, self.context = state, config, small, context
        self.graph = FlatGraph()
        self.scales = None if cache is None else {"keys": cache.keys, "values": cache.values}

    def write(self, path: Path) -> None:
        """Build and write."""
        config, graph, context = self.config, self.graph, self.context
        windows = {config.looks_back(layer) for layer in range(config.layers)}
        rows = config.heads // config.kv_heads
        inputs = [
            graph.input("tokens", np.int32, [1]),
            graph.input("cos", np.float32, [1, 1, config.head]),
            graph.input("sin", np.float32, [1, 1, config.head]),
            graph.input("wanted", np.int32, [1]),
            *(
                graph.input(_bias(window), np.float32, [1, rows, context + 1])
                for window in sorted(windows, key=lambda window: window or 0)
            ),
        ]
        place = [config.kv_heads, context, config.head]
        for layer in range(config.layers):
            for part in ("keys", "values"):
                inputs.append(graph.input(f"{part}.{layer}", np.float32 if self.scales is None else np.int8, place))
        graph.constant("rope", rope_of(config, context))
        if config.window is not None:
            looks_back = [config.looks_back(layer) or 0 for layer in range(config.layers)]
            graph.constant("windows", np.array(looks_back, np.int32))
        graph.constant("epsilon", np.array(config.norm_epsilon, np.float32))
        graph.constant("last axis", np.array([-1], np.int32))
        self.constants()
        table = self.matrix("embed_tokens.weight")
        x = graph.node("EMBEDDING_LOOKUP", ["tokens", table], "embedded", [-1, config.width])
        outputs = {"logits": "logits"}
        for layer in range(config.layers):
            x = self.layer(layer, x)
            outputs |= {f"new_{part}.{layer}": f"new_{part}.{layer}" for part in ("keys", "values")}
        x = graph.node("GATHER", [x, "wanted"], "x wanted", [-1, config.width], axis=0)
        head = table if config.tied else self.matrix("lm_head.weight")
        self.linear(self.norm(x, "norm"), head, "logits", config.vocabulary)
        graph.write(path, inputs, outputs, SIGNATURE)

    def constants(self) -> None:
        """Shapes, and places to cut at."""
        config = self.config
        heads, half, both = config.heads, config.head // 2, config.heads + config.kv_heads
        for name, value in {
            "by head": [-1, both + config.kv_heads, config.head],
            "by group": [-1, config.kv_heads, heads // config.kv_heads * config.head],
            "rows of heads": [config.kv_heads, -1, config.head],
            "rows of groups": [config.kv_heads, -1, heads // config.kv_heads * config.head],
            "by token": [-1, heads * config.head],
            "heads first": [1, 0, 2],
            "steps": [1, 1, 1],
            "start": [0, 0, 0],
            "half a head": [0, both, half],
            "from half": [0, 0, half],
            "end of queries": [0, heads, config.head],
            "from keys": [0, heads, 0],
            "end of keys": [0, both, config.head],
            "from values": [0, both, 0],
            "end": [0, both + config.kv_heads, config.head],
        }.items():
            self.graph.constant(name, np.array(value, np.int32))

    def layer(self, layer: int, x: str) -> str:
        """The residual stream after a layer."""
        config, graph, name = self.config, self.graph, f"layers.{layer}"
        seen = self.attention(layer, self.norm(x, f"{name}.input_layernorm"))
        out = self.linear(seen, self.matrix(f"{name}.self_attn.o_proj.weight"), f"{name}.attended", config.width)
        x = graph.node("ADD", [x, out], f"{name}.x", [-1, config.width], fusedActivationFunction=0)
        normed = self.norm(x, f"{name}.post_attention_layernorm")
        wide = [-1, config.hidden]
        gate, up = (
            self.linear(normed, self.matrix(f"{name}.mlp.{part}_proj.weight"), f"{name}.{part}", config.hidden)
            for part in ("gate", "up")
        )
        open_ = graph.node("LOGISTIC", [gate], f"{name}.open", wide)
        silu = self.multiply([gate, open_], f"{name}.silu", wide)
        out = self.linear(
            self.multiply([silu, up], f"{name}.gated", wide),
            self.matrix(f"{name}.mlp.down_proj.weight"),
            f"{name}.mlp",
            config.width,
        )
        return graph.node("ADD", [x, out], f"{name}.out", [-1, config.width], fusedActivationFunction=0)

    def attention(self, layer: int, normed: str) -> str:
        """What the heads of a layer saw, [T, heads * head]."""
        config, graph, name = self.config, self.graph, f"layers.{layer}"
        kv, head, group = config.kv_heads, config.head, config.heads // config.kv_heads
        both = config.heads + kv
        weights = [self.weight(f"{name}.self_attn.{part}_proj.weight") for part in "qkv"]
        weights[0] = weights[0] * np.float32(head**-0.5)
        packed = self.linear(
            normed, self.packed(np.concatenate(weights), f"{name}.qkv.weight"), f"{name}.qkv", (both + kv) * head
        )
        split = graph.node("RESHAPE", [packed, "by head"], f"{name}.heads", [-1, both + kv, head])
        turned = self.rotated(self.cut(split, "start", "end of keys", f"{name}.qk", [-1, both, head]), name)
        queries = self.cut(turned, "start", "end of queries", f"{name}.q", [-1, config.heads, head])
        keys = self.cut(turned, "from keys", "end of keys", f"{name}.k", [-1, kv, head])
        values = self.cut(split, "from values", "end", f"{name}.v", [-1, kv, head])
        # The heads that share keys become rows beside each other, so that one product serves them all.
        queries = graph.node("RESHAPE", [queries, "by group"], f"{name}.q by group", [-1, kv, group * head])
        queries = graph.node("TRANSPOSE", [queries, "heads first"], f"{name}.q by kv", [kv, -1, group * head])
        queries = graph.node("RESHAPE", [queries, "rows of heads"], f"{name}.q rows", [kv, -1, head])
        seen = self.seen(layer, queries, keys, values)
        seen = graph.node("RESHAPE", [seen, "rows of groups"], f"{name}.seen by kv", [kv, -1, group * head])
        seen = graph.node("TRANSPOSE", [seen, "heads first"], f"{name}.seen by token", [-1, kv, group * head])
        return graph.node("RESHAPE", [seen, "by token"], f"{name}.seen rows", [-1, config.heads * head])

    def seen(self, layer: int, queries: str, keys: str, values: str) -> str:
        """What queries see, both [kv, T * group, head]; gives out the new keys and values, [T, kv, head] here."""
        graph, name, kv, head = self.graph, f"layers.{layer}", self.config.kv_heads, self.config.head
        if self.scales is None:
            keys = graph.node("TRANSPOSE", [keys, "heads first"], f"new_keys.{layer}", [kv, -1, head])
            values = graph.node("TRANSPOSE", [values, "heads first"], f"new_values.{layer}", [kv, -1, head])
            parts = [self.scores(queries, each, f"{name}.scores {i}") for i, each in enumerate((f"keys.{layer}", keys))]
            scores = self.join(parts, f"{name}.scores", [kv, -1, -1], 2)
            every = self.join([f"values.{layer}", values], f"{name}.values", [kv, -1, head], 1)
        else:
            keys, values = self.steps(layer, "keys", keys), self.steps(layer, "values", values)
            queries = self.multiply([queries, f"{name}.keys.scale"], f"{name}.q scaled", [kv, -1, head])
            scores, every = self.scores(queries, keys, f"{name}.scores"), values
        bias = _bias(self.config.looks_back(layer))
        biased = graph.node("ADD", [scores, bias], f"{name}.biased", [kv, -1, -1], fusedActivationFunction=0)
        shares = graph.node("SOFTMAX", [biased], f"{name}.shares", [kv, -1, -1], beta=1.0)
        seen = graph.node("BATCH_MATMUL", [shares, every], f"{name}.seen", [kv, -1, head], adjY=False)
        if self.scales is None:
            return seen
        return self.multiply([seen, f"{name}.values.scale"], f"{name}.seen scaled", [kv, -1, head])

    def scores(self, queries: str, keys: str, out: str) -> str:
        """How much each query asks for each key."""
        return self.graph.node("BATCH_MATMUL", [queries, keys], out, [self.config.kv_heads, -1, -1], adjY=True)

    def steps(self, layer: int, part: str, new: str) -> str:
        """All keys or values, cached and new, in steps of their scales: whole numbers in float32 [kv, C + T, head].

        new: [T, kv, head]; the new ones are given out in int8. Old and new are joined before they become floats, so
        that a layer's floats are made when its turn comes: else those of all layers would lie in memory together. Only
        CAST does: BATCH_MATMUL of float by int8, and DEQUANTIZE once it is resized, are wrong in LiteRT 2.3.
        """
        assert self.scales is not None
        graph, name, shape = self.graph, f"layers.{layer}.{part}", [self.config.kv_heads, -1, self.config.head]
        scales = self.scales[part][layer][:, None].astype(np.float32)
        graph.constant(f"{name}.scale", scales)
        graph.constant(f"{name}.per step", 1 / scales)
        new = graph.node("TRANSPOSE", [new, "heads first"], f"{name}.new", shape)
        new = self.multiply([new, f"{name}.per step"], f"{name}.new steps", shape)
        new = graph.node("QUANTIZE", [new], f"new_{part}.{layer}", shape, dtype=np.int8)
        every = self.join([f"{part}.{layer}", new], f"{name}.every", shape, 1, np.int8)
        return graph.node("CAST", [every], f"{name}.steps", shape)

    def rotated(self, x: str, name: str) -> str:
        """Rotary positions, see `rotate` in the model: the halves change places, and the sines bring the sign."""
        heads, head = self.config.heads + self.config.kv_heads, self.config.head
        half, whole = [-1, heads, head // 2], [-1, heads, head]
        left = self.cut(x, "start", "half a head", f"{name}.left", half)
        right = self.cut(x, "from half", "end of keys", f"{name}.right", half)
        turned = self.join([right, left], f"{name}.turned", whole, 2)
        straight = self.multiply([x, "cos"], f"{name}.straight", whole)
        across = self.multiply([turned, "sin"], f"{name}.across", whole)
        return self.graph.node("ADD", [straight, across], f"{name}.rotated", whole, fusedActivationFunction=0)

    def norm(self, x: str, name: str) -> str:
        """Root mean square norm."""
        graph, wide, one = self.graph, [-1, self.config.width], [-1, 1]
        graph.constant(f"{name}.weight", self.weight(f"{name}.weight"))
        squared = self.multiply([x, x], f"{name}.squared", wide)
        mean = graph.node("MEAN", [squared, "last axis"], f"{name}.mean", one, keepDims=True)
        more = graph.node("ADD", [mean, "epsilon"], f"{name}.more", one, fusedActivationFunction=0)
        root = graph.node("RSQRT", [more], f"{name}.root", one)
        even = self.multiply([x, root], f"{name}.even", wide)
        return self.multiply([even, f"{name}.weight"], f"{name}.out", wide)

    def linear(self, x: str, weight: str, out: str, columns: int) -> str:
        """x times a constant [out, in]."""
        return self.graph.node("FULLY_CONNECTED", [x, weight], out, [-1, columns], fusedActivationFunction=0)

    def multiply(self, inputs: list[str], out: str, shape: list[int]) -> str:
        """Number by number."""
        return self.graph.node("MUL", inputs, out, shape, fusedActivationFunction=0)

    def cut(self, x: str, begin: str, end: str, out: str, shape: list[int]) -> str:
        """From a place on to another, of all tokens; begin and end are constants."""
        # SLICE can't be resized: its kernel holds the output to the shape that the file says.
        return self.graph.node("STRIDED_SLICE", [x, begin, end, "steps"], out, shape, endMask=1)

    def join(self, parts: list[str], out: str, shape: list[int], axis: int, dtype: type = np.float32) -> str:
        """One behind the other."""
        return self.graph.node("CONCATENATION", parts, out, shape, dtype, axis=axis, fusedActivationFunction=0)

    def matrix(self, name: str) -> str:
        """The constant of a weight [out, in]."""
        return self.packed(self.weight(name), name)

    def packed(self, weight: np.ndarray, name: str) -> str:
        """The constant of a matrix, in int8 with a scale for each row where the file is small."""
        if not self.small:
            return self.graph.constant(name, weight)
        scales = np.maximum(np.abs(weight).max(1), 1e-12) / np.float32(127)
        codes = np.clip(np.rint(weight / scales[:, None]), -127, 127).astype(np.int8)
        return self.graph.constant(name, codes, scales)

    def weight(self, name: str) -> np.ndarray:
        """See `weight_of`."""
        return weight_of(self.state, self.config, name)


def _bias(window: int | None) -> str:
    return "bias" if window is None else f"bias.{window}"
