"""The decoder's cache in ai-edge-litert: any way of feeding a text gives the same, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the engine runs on it")
pytest.importorskip("torch", reason="the model files are made by the trainer's export")

from edge_runtime.engines import available_runtimes
from edge_runtime.engines.language import LanguageEngine, open_language_engine
from edge_runtime.engines.language_litert import LiteRtLanguageEngine
from edge_runtime.errors import EngineError
from edge_runtime.language.generate import Generator, Options
from edge_runtime.language.grammar import constraint_for
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.speculative import PromptLookup
from edge_runtime.language.tokenizer import Tokenizer
from tests.edge_runtime.tiny import write_tflite
from tests.trainer_host.export.decoders import SHAPE, decoder
from tests.trainer_host.learnt import TEXT as KNOWN
from tests.trainer_host.learnt import learnt
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.export.language_tflite import export_language_tflite

LONG = replace(SHAPE, context=700, window=40, full_every=2)
TEXT = np.random.default_rng(0).integers(0, SHAPE.vocabulary, 600).tolist()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decoder") / "model.tflite"
    state = decoder(LONG).state_dict()
    export_language_tflite(state, LONG, path)
    export_language_onnx(state, LONG, path.with_suffix(".onnx"))
    return path


@pytest.fixture
def engine(file: Path) -> Iterator[LiteRtLanguageEngine]:
    made = open_language_engine(file)
    assert isinstance(made, LiteRtLanguageEngine)
    yield made
    made.close()


def test_it_is_a_language_engine(engine: LiteRtLanguageEngine) -> None:
    seen: LanguageEngine = engine
    assert (seen.runtime, seen.context, seen.vocabulary, seen.length) == ("ai-edge-litert", 700, 320, 0)
    assert seen.version == available_runtimes()["ai-edge-litert"]


@pytest.mark.parametrize("wanted", [0, 1, 2, 31, 32, 33, 70])
def test_the_logits_that_are_wanted_are_given_across_pieces(engine: LiteRtLanguageEngine, wanted: int) -> None:
    whole = np.concatenate([engine.feed([token]) for token in TEXT[:70]])
    engine.rewind(0)
    got = engine.feed(TEXT[:70], wanted)
    assert got.shape == (wanted, 320) and got.dtype == np.float32
    np.testing.assert_allclose(got, whole[70 - wanted :], atol=1e-5)


def test_any_way_through_texts_gives_what_onnxruntime_gives(engine: LiteRtLanguageEngine, file: Path) -> None:
    """The cache grows to hold the longest of them, and shrinks again."""
    pytest.importorskip("onnxruntime")
    other = open_language_engine(file.with_suffix(".onnx"))
    draw, rooms, fed = np.random.default_rng(1), set(), list[int]()
    for turn in range(60):
        if engine.length > 480 or turn % 17 == 16:
            back = int(draw.integers(0, 30))
            fed = fed[:back]
            for each in (engine, other):
                each.rewind(back)  # it keeps a window's tokens alone, and may have forgotten those before
                if fed[each.length :]:
                    each.feed(fed[each.length :], 0)
        count = int(draw.choice([1, 1, 2, 6, 7, 40, 90]))
        tokens = draw.integers(0, 320, count).tolist()
        wanted = int(draw.integers(0, min(count, 9) + 1))
        np.testing.assert_allclose(engine.feed(tokens, wanted), other.feed(tokens, wanted), atol=1e-4)
        fed += tokens
        assert engine._graph is not None
        rooms.add(engine._graph.room)
    assert rooms >= {128, 256, 384, 512}


def test_layers_with_a_window_keep_a_cache_that_does_not_grow_with_the_text(engine: LiteRtLanguageEngine) -> None:
    assert engine._graph is not None
    engine.feed(TEXT, 0)
    places = {name: array.shape[1] for name, array in engine._graph._arrays.items() if name.startswith("keys.")}
    assert places == {"keys.0": 39 + 64 + 32, "keys.1": 700, "keys.2": 39 + 64 + 32}


def test_where_all_layers_have_a_window_no_cache_grows(tmp_path: Path) -> None:
    shape = replace(LONG, full_every=9)
    export_language_tflite(decoder(shape).state_dict(), shape, tmp_path / "near.tflite")
    engine = open_language_engine(tmp_path / "near.tflite")
    assert isinstance(engine, LiteRtLanguageEngine) and engine._graph is not None
    sizes = []
    for part in (TEXT[:150], TEXT[150:]):
        engine.feed(part, 0)
        sizes.append({engine._graph._arrays[name].shape for name in engine._graph._cache})
    assert engine.length == 600 and sizes == [{(2, 135, 16)}] * 2
    engine.close()


def test_guesses_are_taken_back_wherever_a_windows_cache_was_moved(engine: LiteRtLanguageEngine) -> None:
    whole = np.concatenate([engine.feed(TEXT[at : at + 7], min(7, 600 - at)) for at in range(0, 600, 7)])
    engine.rewind(0)
    at, draw = 0, np.random.default_rng(2)
    while at < 500:
        step = int(draw.integers(1, 40))
        got = engine.feed(TEXT[at : at + step], step)
        np.testing.assert_allclose(got, whole[at : at + step], atol=1e-4)
        at += step
        if at > 64:
            back = int(draw.integers(0, 64 - step if step < 60 else 1))
            engine.feed([3] * back or [3], 0)
            engine.rewind(at)
            assert engine.length == at


def test_a_file_that_does_not_tell_of_its_windows_keeps_all_it_reads(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those that were exported before it did."""
    from edge_runtime.engines import language_litert

    now = open_language_engine(file).feed(TEXT[:300], 3)
    monkeypatch.setattr(language_litert._Graph, "_windows", lambda self: {})
    engine = open_language_engine(file)
    np.testing.assert_allclose(engine.feed(TEXT[:300], 3), now, atol=1e-4)
    engine.rewind(20)
    assert engine.length == 20


def test_logits_of_an_earlier_step_stay_as_they_were(engine: LiteRtLanguageEngine) -> None:
    first = engine.feed([1])
    kept = first.copy()
    engine.feed([2])
    engine.close()
    np.testing.assert_array_equal(first, kept)


def test_the_cache_stays_where_it_is(engine: LiteRtLanguageEngine) -> None:
    assert engine._graph is not None
    places = {name: array.ctypes.data for name, array in engine._graph._arrays.items()}
    for token in TEXT[:100]:
        engine.feed([token])
    view = engine._graph._interpreter.tensor(engine._graph._places["keys.0"])
    assert {name: array.ctypes.data for name, array in engine._graph._arrays.items()} == places
    assert view().ctypes.data == places["keys.0"]
    rows = engine._graph._arrays["keys.0"]
    assert np.abs(rows[:, :100]).min(-1).max() > 0 and not rows[:, 100:].any()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux's /proc")
def test_five_hundred_turns_leave_the_memory_as_it_was(engine: LiteRtLanguageEngine) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    draw = np.random.default_rng(1)
    after = {}
    for turn in range(500):
        if engine.length > 200:
            engine.rewind(int(draw.integers(0, 20)))
        engine.feed(draw.integers(0, 320, draw.integers(1, 20)).tolist())
        engine.feed([1])
        if turn + 1 in (100, 500):
            after[turn + 1] = resident()
    assert after[500] <= after[100] * 1.05


def test_a_full_cache_refuses_and_keeps_what_it_has(file: Path) -> None:
    engine = open_language_engine(file, context=8)
    assert engine.context == 8
    engine.feed(TEXT[:8])
    with pytest.raises(EngineError, match="9 tokens, and the model reads 8 at most"):
        engine.feed([1])
    assert engine.length == 8
    with pytest.raises(EngineError, match="choose a context from 1 to 700"):
        open_language_engine(file, context=701)


@pytest.mark.parametrize("token", [-1, 320])
def test_a_token_outside_the_vocabulary_is_refused(engine: LiteRtLanguageEngine, token: int) -> None:
    with pytest.raises(EngineError, match="tokenizer doesn't belong"):
        engine.feed([1, token])
    assert engine.length == 0


def test_wrong_counts_are_refused(engine: LiteRtLanguageEngine) -> None:
    for tokens, wanted in (([], 0), ([1], 2), ([1], -1)):
        with pytest.raises(EngineError, match="can't be given"):
            engine.feed(tokens, wanted)
    with pytest.raises(EngineError, match="can't go back to 1"):
        engine.rewind(1)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.feed([1])


def test_files_that_are_no_decoder_are_refused(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "model.tflite"
    with pytest.raises(EngineError, match="There is no model file"):
        open_language_engine(other)
    for content in (b"", b"no model", file.read_bytes()[:3000]):
        other.write_bytes(content)
        with pytest.raises(EngineError, match=r"can't open model\.tflite"):
            open_language_engine(other)
    write_tflite(other, 1)
    with pytest.raises(EngineError, match="isn't a language model of ours"):
        open_language_engine(other)
    with pytest.raises(EngineError, match="takes no adapters"):
        open_language_engine(file, adapter=other)
    monkeypatch.setattr("edge_runtime.engines.language.available_runtimes", dict)
    with pytest.raises(EngineError, match=r"needs ai-edge-litert, .* the extra 'litert'"):
        open_language_engine(file)


def test_a_generator_streams_is_stopped_guesses_and_keeps_to_json_over_it(tmp_path: Path) -> None:
    """As over any engine, token for token what onnxruntime gives."""
    pytest.importorskip("onnxruntime")
    import json

    made = learnt()
    export_language_tflite(made.state, made.config, tmp_path / "model.tflite")
    export_language_onnx(made.state, made.config, tmp_path / "model.onnx")
    tokenizer = Tokenizer(json.loads(made.tokenizer))
    prompt = made.encode(KNOWN)[:30]
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 99}}, "required": ["n"]}
    found = []
    for name in ("model.tflite", "model.onnx"):
        generator = Generator(open_language_engine(tmp_path / name), tokenizer)
        plain = list(generator.generate(prompt, Sampling(), Options(max_tokens=40)))
        again = list(generator.generate(prompt, Sampling(), Options(max_tokens=40, draft=PromptLookup())))
        held = list(
            generator.generate(prompt, Sampling(), Options(max_tokens=30, constraint=constraint_for(schema, tokenizer)))
        )
        wanted = iter([False, False, False, True])
        cut = list(generator.generate(prompt, Sampling(), Options(cancelled=lambda w=wanted: next(w))))  # type: ignore[misc]
        assert [piece.token for piece in again] == [piece.token for piece in plain]
        assert again[-1].usage is not None and again[-1].usage.cached == len(prompt) - 1
        assert cut[-1].finish == "cancelled" and len(cut) == 4
        found.append([[(piece.text, piece.token) for piece in run] for run in (plain, again, held, cut)])
    assert found[0] == found[1]


def test_another_text_is_over_the_same_file_wherever_that_went(file: Path, tmp_path: Path) -> None:
    here, moved = tmp_path / "a.tflite", tmp_path / "b.tflite"
    here.write_bytes(file.read_bytes())
    engine = open_language_engine(here)
    whole = engine.feed(TEXT[:20])
    here.rename(moved)
    other = engine.another()
    assert other.length == 0 and other.text_bytes > moved.stat().st_size
    other.feed(TEXT[20:40])
    engine.rewind(10)
    np.testing.assert_allclose(engine.feed(TEXT[10:20]), whole, atol=1e-4)
    engine.close()
    other.rewind(0)
    np.testing.assert_allclose(other.feed(TEXT[:20]), whole, atol=1e-4)
    with pytest.raises(EngineError, match="was closed"):
        engine.another()
    other.close()
