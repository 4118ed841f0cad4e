"""A cache of int8 in each engine: a quarter of the memory, the same next tokens, and nothing is left of what went back."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the model files are made by the trainer's export")
pytest.importorskip("onnxruntime", reason="it is what the others are compared with")

from edge_runtime.engines.language import LanguageEngine, open_language_engine
from edge_runtime.errors import EngineError
from edge_runtime.language.generate import Generator, Options
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.speculative import PromptLookup
from edge_runtime.language.tokenizer import Tokenizer
from tests.trainer_host.export.decoders import SHAPE, decoder
from tests.trainer_host.learnt import TEXT, learnt
from trainer_host.compress.language import Text, cache_scales, compare
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.export.language_tflite import export_language_tflite

needs_litert = pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="the engine runs on it")
needs_gguf = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("gguf")), reason="the engine runs on the one, the file is of the other"
)
KINDS = [
    pytest.param("onnx"),
    pytest.param("tflite", marks=needs_litert),
    pytest.param("gguf", marks=needs_gguf),
]


def known() -> list[int]:
    """What the model learnt by heart."""
    return learnt(head=32).encode(TEXT)[:200]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that knows a text by heart, its weights in int8."""
    made, folder = learnt(head=32), tmp_path_factory.mktemp("caches")
    scales = cache_scales(made.model, [Text(known())])
    for cache, kept in (("float", None), ("int8", scales)):
        export_language_onnx(made.state, made.config, folder / f"{cache}.onnx", "int8", cache=kept)
        if find_spec("ai_edge_litert"):
            export_language_tflite(made.state, made.config, folder / f"{cache}.tflite", "int8", cache=kept)
        if find_spec("gguf"):
            from trainer_host.export.gguf import export_gguf

            export_gguf(made.state, made.config, made.tokenizer, folder / f"{cache}.gguf", "q8_0")
    return folder


def opened(folder: Path, kind: str, cache: str = "int8") -> LanguageEngine:
    return open_language_engine(folder / f"{cache}.{kind}", cache=cache)


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_token_is_that_of_a_float_cache(kind: str, folder: Path) -> None:
    with closing(opened(folder, kind, "float")) as reference, closing(opened(folder, kind)) as other:
        found = compare(reference, other, [Text(known())])
    assert found.agreement >= 0.98 and found.tokens == 199
    assert 0 < found.largest < 0.3 and abs(found.ratio - 1) < 0.001


@pytest.mark.parametrize("kind", KINDS[:2])
def test_it_takes_a_quarter_of_the_memory(kind: str, folder: Path) -> None:
    sizes = {}
    for cache in ("float", "int8"):
        with closing(opened(folder, kind, cache)) as engine:
            empty = engine.unfilled
            engine.feed(known())
            sizes[cache] = sum(array.nbytes for array in held(engine)), empty, engine.unfilled
    assert [whole == 4 * part for whole, part in zip(sizes["float"], sizes["int8"], strict=True)] == [True] * 3
    assert sizes["int8"][1] > sizes["int8"][2]


@needs_gguf
def test_in_llama_cpp_it_takes_eight_and_a_half_bits_instead_of_sixteen(folder: Path) -> None:
    from edge_runtime.engines.language_gguf import GgufLanguageEngine

    with closing(GgufLanguageEngine(folder / "int8.gguf", cache="int8")) as engine, closing(engine.another()) as other:
        small = engine.cache_bytes
        assert other.cache_bytes == small
    with closing(GgufLanguageEngine(folder / "int8.gguf")) as engine:
        assert 0 < small < 0.6 * engine.cache_bytes  # llama.cpp tells it to a hundredth of a MiB


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_it_knows_goes_on_as_it_should(kind: str, folder: Path) -> None:
    made = learnt(head=32)
    with closing(opened(folder, kind)) as engine:
        written, logits = [], engine.feed(known()[:40])
        for _ in range(60):
            written.append(int(logits[0].argmax()))
            logits = engine.feed(written[-1:])
    assert written == made.greedy(known()[:40], 60)


@pytest.mark.parametrize("kind", KINDS)
def test_any_way_of_feeding_a_text_gives_the_same(kind: str, folder: Path) -> None:
    with closing(opened(folder, kind)) as engine:
        whole = engine.feed(known()[:60], 60)
        engine.rewind(20)
        engine.feed(known()[100:120])  # a guess that was wrong
        engine.rewind(20)
        steps = [engine.feed([token]) for token in known()[20:40]]
        rest = engine.feed(known()[40:60], 20)
        # Weights and sums are rounded too, in another order where tokens come together.
        np.testing.assert_allclose(np.concatenate([*steps, rest]), whole[20:], atol=0.3)
        engine.rewind(40)
        np.testing.assert_array_equal(engine.feed(known()[40:60], 20), rest)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kept_prefix_guesses_and_a_cut_answer_change_no_token(kind: str, folder: Path) -> None:
    tokenizer, prompt = Tokenizer(json.loads(learnt(head=32).tokenizer)), known()[:30]
    with closing(opened(folder, kind)) as engine:
        generator = Generator(engine, tokenizer)
        plain = list(generator.generate(prompt, Sampling(), Options(max_tokens=40)))
        wanted = iter([False, False, False, True])
        cut = list(generator.generate(prompt, Sampling(), Options(cancelled=lambda: next(wanted))))
        again = list(generator.generate(prompt, Sampling(), Options(max_tokens=40, draft=PromptLookup())))
    assert cut[-1].finish == "cancelled" and len(cut) == 4
    assert [piece.token for piece in again] == [piece.token for piece in plain]
    assert again[-1].usage is not None and again[-1].usage.cached == len(prompt) - 1


@needs_litert
def test_tflite_keeps_the_integers_that_onnx_keeps(tmp_path: Path) -> None:
    """Also where layers look back a window alone, and the cache grew with the text."""
    shape = replace(SHAPE, context=400, window=40, full_every=2)
    text = np.random.default_rng(0).integers(0, SHAPE.vocabulary, 300).tolist()
    model = decoder(shape)
    scales = cache_scales(model, [Text(text)])
    export_language_onnx(model.state_dict(), shape, tmp_path / "int8.onnx", cache=scales)
    export_language_tflite(model.state_dict(), shape, tmp_path / "int8.tflite", cache=scales)
    with closing(opened(tmp_path, "onnx")) as reference, closing(opened(tmp_path, "tflite")) as other:
        wanted, got = reference.feed(text, 300), other.feed(text, 300)
        np.testing.assert_allclose(got, wanted, atol=0.02)
        for kept, ours in zip(held(reference), held(other), strict=True):
            assert kept.dtype == ours.dtype == np.int8
        assert (got.argmax(-1) == wanted.argmax(-1)).mean() >= 0.99


@needs_gguf
def test_heads_that_llama_cpp_cannot_keep_so_are_refused(folder: Path, tmp_path: Path) -> None:
    from trainer_host.export.gguf import export_gguf

    shape = replace(learnt(head=32).config, head_size=16)
    export_gguf(decoder(shape).state_dict(), shape, learnt(head=32).tokenizer, tmp_path / "int8.gguf", "q8_0")
    with pytest.raises(EngineError, match=r"int8\.gguf in int8 \(.*n_embd_head_k=16\); keep it in float"):
        opened(tmp_path, "gguf")
    with pytest.raises(EngineError, match="no cache of 'int4'; there are float and int8"):
        open_language_engine(folder / "int8.gguf", cache="int4")


def held(engine: LanguageEngine) -> list[np.ndarray]:
    """The arrays of a cache."""
    graph = getattr(engine, "_graph", None)
    if graph is None:
        return [value.numpy() for value in engine._cache.values()]  # type: ignore[attr-defined]
    return [array for name, array in graph._arrays.items() if name.startswith(("keys.", "values."))]
