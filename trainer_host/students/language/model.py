"""The decoder in PyTorch: RMSNorm, rotary positions, grouped-query attention, SwiGLU; Llama's (arXiv 2302.13971).

Names and layouts of the weights are those of Hugging Face's `LlamaForCausalLM` without its "model." prefix, and so are
its sums: with the same weights both give the same logits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from trainer_host.errors import DataError
from trainer_host.students.language.config import LanguageConfig

_STD = 0.02  # of the first weights; those that write into the residual stream get it over sqrt(2 * layers) (GPT-2)


class Cache:
    """Keys and values of the tokens that were read, each float [batch, kv_heads, length, head], for generating here."""

    def __init__(self, layers: int) -> None:
        self.keys: list[Tensor | None] = [None] * layers
        self.values: list[Tensor | None] = [None] * layers

    @property
    def length(self) -> int:
        """Tokens that it holds."""
        first = self.keys[0]
        return 0 if first is None else first.shape[2]

    def add(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values of a layer, with those of the new tokens behind."""
        before, earlier = self.keys[layer], self.values[layer]
        if before is not None and earlier is not None:
            key, value = torch.cat((before, key), 2), torch.cat((earlier, value), 2)
        self.keys[layer], self.values[layer] = key, value
        return key, value

    def rewind(self, length: int) -> None:
        """Forget all tokens from `length` on."""
        self.keys = [None if k is None else k[:, :, :length] for k in self.keys]
        self.values = [None if v is None else v[:, :, :length] for v in self.values]


class RMSNorm(nn.Module):
    """Root mean square norm (arXiv 1910.07467), its mean in float32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), (x.shape[-1],), None, self.epsilon).to(x.dtype) * self.weight


class Attention(nn.Module):
    """Grouped-query attention (arXiv 2305.13245) with rotary positions."""

    def __init__(self, config: LanguageConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.window = layer, config.looks_back(layer)
        self.heads, self.kv_heads, self.head = config.heads, config.kv_heads, config.head
        self.q_proj = nn.Linear(config.width, config.heads * config.head, bias=False)
        self.k_proj = nn.Linear(config.width, config.kv_heads * config.head, bias=False)
        self.v_proj = nn.Linear(config.width, config.kv_heads * config.head, bias=False)
        self.o_proj = nn.Linear(config.heads * config.head, config.width, bias=False)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor], masks: Mapping[int | None, Tensor | None], cache: Cache | None
    ) -> Tensor:
        batch, length, _ = x.shape
        query = self.q_proj(x).view(batch, length, self.heads, self.head).transpose(1, 2)
        key = self.k_proj(x).view(batch, length, self.kv_heads, self.head).transpose(1, 2)
        value = self.v_proj(x).view(batch, length, self.kv_heads, self.head).transpose(1, 2)
        query, key = rotate(query, *rope), rotate(key, *rope)
        if cache is not None:
            key, value = cache.add(self.layer, key, value)
        mask = masks[self.window]
        if mask is not None and x.is_cuda and self.heads != self.kv_heads:
            # No quick kernel of a GPU takes both a mask and fewer keys than queries.
            key, value = (t.repeat_interleave(self.heads // self.kv_heads, 1) for t in (key, value))
        out = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=key.shape[1] != self.heads
        )
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, self.heads * self.head))


class MLP(nn.Module):
    """SwiGLU (arXiv 2002.05202)."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.hidden, bias=False)
        self.up_proj = nn.Linear(config.width, config.hidden, bias=False)
        self.down_proj = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention, then the MLP, each added to what came in."""

    def __init__(self, config: LanguageConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.width, config.norm_epsilon)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_epsilon)
        self.mlp = MLP(config)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor], masks: Mapping[int | None, Tensor | None], cache: Cache | None
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, masks, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class LanguageModel(nn.Module):
    """A decoder. `checkpointing` trades a third more time for the memory of the layers' activations."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.checkpointing = False
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Layer(config, layer) for layer in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        self.lm_head = None if config.tied else nn.Linear(config.width, config.vocabulary, bias=False)
        self.apply(self._begin)
        for name, weight in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(weight, std=_STD / math.sqrt(2 * config.layers))

    @staticmethod
    def _begin(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=_STD)

    def forward(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Logits, float32 [batch, length, vocabulary], of what follows each token.

        tokens: int64 [batch, length]. positions: int64 [batch, length], default: from the cache's length on.
        segments: int64 [batch, length], which of the packed texts a token is of; it sees none of the others.
        cache: what was read before; the new tokens are added to it. Not with segments.
        """
        return self.logits(self.hidden(tokens, positions=positions, segments=segments, cache=cache))

    def hidden(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """The last layer's output, normed: [batch, length, width]; arguments as for `forward`."""
        x, rope, masks = self.before_layers(tokens, positions=positions, segments=segments, cache=cache)
        for layer in self.layers:
            if self.checkpointing and self.training and cache is None:
                x = checkpoint(layer, x, rope, masks, None, use_reentrant=False)
            else:
                x = layer(x, rope, masks, cache)
        return self.norm(x)

    def before_layers(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: Cache | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor], dict[int | None, Tensor | None]]:
        """What the first layer gets, without the cache: the tokens' rows, rotary positions, and masks by window."""
        past = 0 if cache is None else cache.length
        length = tokens.shape[1]
        if positions is None:
            positions = torch.arange(past, past + length, device=tokens.device)[None]
        x = self.embed_tokens(tokens)
        longest = max(past + length, self.config.context if self.config.rope is None else past + length)
        rope = self._rope(positions, longest, x)
        windows: set[int | None] = {self.config.looks_back(layer) for layer in range(self.config.layers)}
        return x, rope, {window: _mask(past, length, window, segments, tokens.device) for window in windows}

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits, float32, of normed outputs."""
        table = self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight
        return F.linear(hidden, table).float()

    def _rope(self, positions: Tensor, longest: int, x: Tensor) -> tuple[Tensor, Tensor]:
        frequencies, scale = rope_frequencies(self.config, longest)
        angles = positions[..., None].float() * frequencies.to(positions.device)
        angles = torch.cat((angles, angles), -1)[:, None]
        return (angles.cos() * scale).to(x.dtype), (angles.sin() * scale).to(x.dtype)

    def trained_matrices(self) -> Iterator[tuple[str, nn.Linear]]:
        """The linear layers, with their names: what adapters and quantizers work on."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                yield name, module


def rope_frequencies(config: LanguageConfig, longest: int) -> tuple[Tensor, float]:
    """The frequencies of rotary positions, float32 [head / 2], and the factor of cosines and sines.

    linear: positions are divided (arXiv 2306.15595). dynamic: the base grows with a text longer than the trained
    context ("NTK-aware" scaling). yarn: by parts (arXiv 2309.00071); as in Hugging Face's `modeling_rope_utils`.
    """
    half = torch.arange(0, config.head, 2, dtype=torch.float32) / config.head
    plain = 1.0 / (config.rope_base**half)
    if config.rope is None:
        return plain, 1.0
    kind, factor = str(config.rope.get("type")), float(str(config.rope.get("factor", 1.0)))
    trained = int(str(config.rope.get("trained", config.context)))
    if factor < 1:
        raise DataError(f"A factor of {factor:g} makes the context shorter; give one above 1.")
    if kind == "linear":
        return plain / factor, 1.0
    if kind == "dynamic":
        length = max(longest, trained)
        base = config.rope_base * ((factor * length / trained) - (factor - 1)) ** (config.head / (config.head - 2))
        return 1.0 / (base**half), 1.0
    if kind == "yarn":
        low, high = (_turns(config, trained, turns) for turns in (32.0, 1.0))
        low, high = max(math.floor(low), 0), min(math.ceil(high), config.head - 1)
        ramp = ((torch.arange(config.head // 2) - low) / max(high - low, 0.001)).clamp(0, 1)
        scale = 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0
        return plain / factor * ramp + plain * (1 - ramp), scale
    raise DataError(f"There is no scaling '{kind[:40]}' of positions; there are linear, dynamic and yarn.")


def _turns(config: LanguageConfig, trained: int, turns: float) -> float:
    """The dimension that makes so many turns over the trained context."""
    return config.head * math.log(trained / (turns * 2 * math.pi)) / (2 * math.log(config.rope_base))


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotary positions (arXiv 2104.09864), the halves of a head as pairs: x is [batch, heads, length, head]."""
    left, right = x.chunk(2, -1)
    return x * cosines + torch.cat((-right, left), -1) * sines


def _mask(past: int, length: int, window: int | None, segments: Tensor | None, device: torch.device) -> Tensor | None:
    """What each new token sees, bool [batch or 1, 1, length, past + length]; None for all before it, and nothing cached."""
    if window is None and segments is None and (past == 0 or length == 1):
        return None if length > 1 or past == 0 else torch.ones(1, 1, 1, past + 1, dtype=torch.bool, device=device)
    here = torch.arange(past, past + length, device=device)[:, None]
    there = torch.arange(past + length, device=device)[None]
    sees = there <= here
    if window is not None:
        sees = sees & (there > here - window)
    if segments is None:
        return sees[None, None]
    return (sees[None] & (segments[:, :, None] == segments[:, None, :]))[:, None]
