"""The decoder's cache in onnxruntime: any way of feeding a text gives the same, and nothing is left behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model files are made by the trainer's export")

from edge_runtime.engines.language import LanguageEngine, open_language_engine
from edge_runtime.errors import EngineError
from tests.trainer_host.export.decoders import SHAPE, decoder
from trainer_host.export.language_onnx import export_language_onnx

TEXT = list(np.random.default_rng(0).integers(0, SHAPE.vocabulary, 40))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decoder") / "model.onnx"
    export_language_onnx(decoder(SHAPE).state_dict(), SHAPE, path)
    return path


@pytest.fixture
def engine(file: Path) -> LanguageEngine:
    return open_language_engine(file)


def test_pieces_of_any_size_give_the_logits_of_the_whole_text(engine: LanguageEngine) -> None:
    whole = engine.feed(TEXT, len(TEXT))
    assert whole.shape == (40, SHAPE.vocabulary) and whole.dtype == np.float32
    engine.rewind(0)
    parts = [engine.feed(TEXT[:17], 17), *(engine.feed([token]) for token in TEXT[17:25])]
    parts += [engine.feed(TEXT[25:30], 5), engine.feed(TEXT[30:], 10)]
    assert engine.length == 40
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_a_text_longer_than_a_piece_gives_the_logits_that_are_wanted_across_pieces(
    engine: LanguageEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = engine.feed(TEXT, 40)
    monkeypatch.setattr("edge_runtime.engines.language_onnx._PIECE", 16)
    for wanted in (0, 1, 7, 8, 9, 24, 25, 40):
        engine.rewind(0)
        np.testing.assert_allclose(engine.feed(TEXT, wanted), whole[40 - wanted :], atol=1e-5)


def test_after_going_back_another_text_reads_as_if_the_first_had_not_been(engine: LanguageEngine) -> None:
    other = [(token + 1) % SHAPE.vocabulary for token in TEXT]
    fresh = engine.feed(TEXT[:10] + other[10:30])
    engine.rewind(0)
    engine.feed(TEXT)
    engine.rewind(10)
    assert engine.length == 10
    np.testing.assert_allclose(engine.feed(other[10:30]), fresh, atol=1e-5)


def test_logits_of_an_earlier_step_stay_as_they_were(engine: LanguageEngine) -> None:
    first = engine.feed([1])
    kept = first.copy()
    engine.feed([2])
    np.testing.assert_array_equal(first, kept)


def test_the_cache_stays_where_it_is(engine: LanguageEngine) -> None:
    places = [value.data_ptr() for value in engine._cache.values()]  # type: ignore[attr-defined]
    engine.feed(TEXT[:20])
    for token in TEXT[20:]:
        engine.feed([token])
    assert [value.data_ptr() for value in engine._cache.values()] == places  # type: ignore[attr-defined]
    rows = engine._cache["keys.0"].numpy()  # type: ignore[attr-defined]
    assert np.abs(rows[0, :, :40]).min(-1).max() > 0 and not rows[0, :, 40:].any()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux's /proc")
def test_five_thousand_turns_leave_the_memory_as_it_was(engine: LanguageEngine) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    draw = np.random.default_rng(1)
    after = {}
    for turn in range(5000):
        if engine.length > 40:
            engine.rewind(int(draw.integers(0, 20)))
        engine.feed(draw.integers(0, SHAPE.vocabulary, draw.integers(1, 20)).tolist())
        engine.feed([1])
        if turn + 1 in (500, 5000):
            after[turn + 1] = resident()
    assert after[5000] <= after[500] * 1.05


WINDOW = replace(SHAPE, context=2048, window=32, full_every=2)  # of three layers the first and the last
LONG = np.random.default_rng(2).integers(0, SHAPE.vocabulary, 2000).tolist()


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("window") / "model.onnx"
    export_language_onnx(decoder(WINDOW).state_dict(), WINDOW, path)
    return path


@pytest.fixture(scope="module")
def long_logits() -> np.ndarray:
    """Of the PyTorch model, which keeps nothing: float32 [2000, vocabulary]."""
    import torch

    with torch.no_grad():
        logits: np.ndarray = decoder(WINDOW)(torch.tensor([LONG]))[0].numpy()
    return logits


def test_layers_with_a_window_answer_as_the_whole_text_does_however_it_is_fed(
    near: Path, long_logits: np.ndarray
) -> None:
    engine = open_language_engine(near)
    got = [engine.feed(LONG[:700], 700), *(engine.feed([token]) for token in LONG[700:1300])]
    draw = np.random.default_rng(3)
    while engine.length < len(LONG):
        piece = LONG[engine.length :][: int(draw.integers(1, 300))]
        got.append(engine.feed(piece, len(piece)))
    np.testing.assert_allclose(np.concatenate(got), long_logits, atol=1e-4)


def test_layers_with_a_window_keep_a_cache_that_doesnt_grow_with_the_context(near: Path) -> None:
    engine = open_language_engine(near)
    places = {name: value.shape()[2] for name, value in engine._cache.items()}  # type: ignore[attr-defined]
    assert [places[f"keys.{layer}"] for layer in range(3)] == [351, 2048, 351]
    short = open_language_engine(near, context=100)
    assert {value.shape()[2] for value in short._cache.values()} == {100}  # type: ignore[attr-defined]


def test_guesses_are_taken_back_wherever_a_windows_cache_was_moved(near: Path, long_logits: np.ndarray) -> None:
    engine = open_language_engine(near)
    engine.feed(LONG[:300])
    while engine.length < 1000:  # 9 at a time, of which one was right, as in speculation
        at = engine.length
        engine.feed([LONG[at], *(7 for _ in range(8))])
        engine.rewind(at + 1)
        assert engine.length == at + 1
    np.testing.assert_allclose(engine.feed(LONG[1000:1001])[0], long_logits[1000], atol=1e-4)


def test_going_back_further_than_a_window_is_kept_leaves_an_empty_cache(near: Path, long_logits: np.ndarray) -> None:
    engine = open_language_engine(near)
    engine.feed(LONG[:200])
    engine.rewind(20)
    assert engine.length == 20  # nothing was moved yet
    engine.feed(LONG[20:900])
    engine.rewind(20)
    assert engine.length == 0
    np.testing.assert_allclose(engine.feed(LONG[:50], 50), long_logits[:50], atol=1e-4)


def test_a_full_cache_refuses_and_keeps_what_it_has(file: Path) -> None:
    engine = open_language_engine(file, context=8)
    assert engine.context == 8
    engine.feed(TEXT[:8])
    with pytest.raises(EngineError, match="9 tokens, and the model reads 8 at most"):
        engine.feed([1])
    assert engine.length == 8
    with pytest.raises(EngineError, match="choose a context from 1 to 64"):
        open_language_engine(file, context=65)


@pytest.mark.parametrize("token", [-1, SHAPE.vocabulary])
def test_a_token_outside_the_vocabulary_is_refused(engine: LanguageEngine, token: int) -> None:
    with pytest.raises(EngineError, match="tokenizer doesn't belong"):
        engine.feed([1, token])
    assert engine.length == 0


def test_wrong_counts_are_refused(engine: LanguageEngine) -> None:
    for tokens, wanted in (([], 0), ([1], 2), ([1], -1)):
        with pytest.raises(EngineError, match="can't be given"):
            engine.feed(tokens, wanted)
    with pytest.raises(EngineError, match="can't go back to 1"):
        engine.rewind(1)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.feed([1])


def test_files_that_are_no_decoder_are_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    with pytest.raises(EngineError, match=r"none of \.onnx, \.tflite and \.gguf"):
        open_language_engine(tmp_path / "model.bin")
    with pytest.raises(EngineError, match="There is no model file"):
        open_language_engine(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EngineError, match=r"can't open model\.onnx"):
        open_language_engine(tmp_path / "model.onnx")
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    same = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", [value], [same])
    save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]), tmp_path / "model.onnx")
    with pytest.raises(EngineError, match="isn't a language model of ours"):
        open_language_engine(tmp_path / "model.onnx")


def test_another_text_over_the_same_weights_has_its_own_cache(engine: LanguageEngine) -> None:
    whole = engine.feed(TEXT)
    other = engine.another()
    assert (other.length, engine.length) == (0, 40) and other.text_bytes == engine.text_bytes > 0
    other.feed(TEXT[::-1])
    assert other._model is engine._model  # type: ignore[attr-defined]
    engine.rewind(20)
    np.testing.assert_allclose(engine.feed(TEXT[20:]), whole, atol=1e-5)
    engine.close()
    other.rewind(0)
    np.testing.assert_allclose(other.feed(TEXT), whole, atol=1e-5)
