"""A decoder's .tflite file in the runtime that is here, beside its formulas in numpy: needs neither torch nor ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the format's classes come with it, even where another runtime runs")

from edge_runtime.engines import LITERT, TFLITE, available_runtimes
from edge_runtime.engines.language import open_language_engine
from edge_runtime.errors import EngineError
from trainer_host.export import language_tflite
from trainer_host.students.language.config import LanguageConfig

CONFIG = LanguageConfig(vocabulary=50, width=16, layers=2, heads=4, kv_heads=2, hidden=24, context=150)
FREQUENCIES = CONFIG.rope_base ** -(np.arange(0, CONFIG.head, 2) / CONFIG.head)
TOKENS = np.random.default_rng(1).integers(0, CONFIG.vocabulary, 100).tolist()
HERE = next((name for name in (LITERT, TFLITE) if name in available_runtimes()), None)

pytestmark = pytest.mark.skipif(HERE is None, reason="no runtime for .tflite here")


def weights() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    queries, keys = CONFIG.heads * CONFIG.head, CONFIG.kv_heads * CONFIG.head
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (CONFIG.vocabulary, CONFIG.width)}
    shapes["norm.weight"] = (CONFIG.width,)
    for layer in range(CONFIG.layers):
        for part, rows in (("q", queries), ("k", keys), ("v", keys), ("o", CONFIG.width)):
            shapes[f"layers.{layer}.self_attn.{part}_proj.weight"] = (rows, queries if part == "o" else CONFIG.width)
        for part in ("gate", "up"):
            shapes[f"layers.{layer}.mlp.{part}_proj.weight"] = (CONFIG.hidden, CONFIG.width)
        shapes[f"layers.{layer}.mlp.down_proj.weight"] = (CONFIG.width, CONFIG.hidden)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"layers.{layer}.{norm}.weight"] = (CONFIG.width,)
    return {
        name: (draw.normal(size=shape) * 0.4 if len(shape) > 1 else 1 + draw.normal(size=shape) * 0.1).astype(
            np.float32
        )
        for name, shape in shapes.items()
    }


def by_formula(state: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Logits [tokens, vocabulary] in float64, without a cache: Llama's shape (arXiv 2302.13971)."""
    angles = np.arange(len(tokens))[:, None] * FREQUENCIES
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + CONFIG.norm_epsilon) * state[f"{name}.weight"]

    def heads(x: np.ndarray, turned: bool) -> np.ndarray:
        x = x.reshape(len(tokens), -1, CONFIG.head)
        left, right = np.split(x, 2, -1)
        return np.concatenate((left * cos - right * sin, right * cos + left * sin), -1) if turned else x

    x = state["embed_tokens.weight"][tokens].astype(np.float64)
    hidden = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)
    for layer in range(CONFIG.layers):
        at = f"layers.{layer}"
        normed = norm(x, f"{at}.input_layernorm")
        q, k, v = (
            heads(normed @ state[f"{at}.self_attn.{part}_proj.weight"].T, part != "v") for part in ("q", "k", "v")
        )
        k, v = (np.repeat(each, CONFIG.heads // CONFIG.kv_heads, 1) for each in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(CONFIG.head) + hidden
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        seen = np.einsum("hqk,khd->qhd", shares, v).reshape(len(tokens), -1)
        x = x + seen @ state[f"{at}.self_attn.o_proj.weight"].T
        normed = norm(x, f"{at}.post_attention_layernorm")
        gate = normed @ state[f"{at}.mlp.gate_proj.weight"].T
        up = normed @ state[f"{at}.mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ state[f"{at}.mlp.down_proj.weight"].T
    return norm(x, "norm") @ state["embed_tokens.weight"].T


@pytest.fixture
def rope_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer takes the frequencies from the student, which needs torch; these are of the same formula."""
    rope = np.append(FREQUENCIES, 1.0).astype(np.float32)
    monkeypatch.setattr(language_tflite, "rope_of", lambda config, context: rope)


def test_pieces_and_single_tokens_give_what_the_formulas_give(rope_without_torch: None, tmp_path: Path) -> None:
    state, path = weights(), tmp_path / "model.tflite"
    language_tflite.export_language_tflite(state, CONFIG, path)
    engine = open_language_engine(path)
    assert (engine.runtime, engine.context, engine.vocabulary) == (HERE, 150, 50)
    wanted = by_formula(state, TOKENS)
    assert np.abs(wanted).max() > 1
    np.testing.assert_allclose(engine.feed(TOKENS[:70], 70), wanted[:70], atol=1e-4)
    for at in range(70, 100):
        np.testing.assert_allclose(engine.feed([TOKENS[at]])[0], wanted[at], atol=1e-4)
    engine.rewind(40)
    np.testing.assert_allclose(engine.feed(TOKENS[40:60], 20), wanted[40:60], atol=1e-4)
    engine.close()


def test_int8_runs_only_where_its_scales_are_read(rope_without_torch: None, tmp_path: Path) -> None:
    state, path = weights(), tmp_path / "model.tflite"
    language_tflite.export_language_tflite(state, CONFIG, path, "int8")
    if HERE == TFLITE:
        with pytest.raises(EngineError, match="reads wrongly without an error; push the fp32 file"):
            open_language_engine(path)
    else:
        wanted = by_formula(state, TOKENS)
        got = open_language_engine(path).feed(TOKENS, len(TOKENS))
        assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.99
