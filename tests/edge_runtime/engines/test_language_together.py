"""The next tokens of several texts in one run: to the last bit what each text gives alone, or one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model files are made by the trainer's export")

import onnx

from edge_runtime.engines.language import FeedsTogether, LanguageEngine, open_language_engine
from edge_runtime.engines.language_onnx import OnnxLanguageEngine
from edge_runtime.engines.language_together import Together
from edge_runtime.errors import EngineError
from edge_runtime.serving.memory import rss_bytes
from tests.trainer_host.export.decoders import SHAPE, decoder
from trainer_host.export.language_onnx import CacheScales, export_language_onnx

KINDS = {
    "fp32": (SHAPE, "fp32", False),
    "int8": (SHAPE, "int8", False),
    "int4": (SHAPE, "int4", False),
    "int8 cache": (SHAPE, "int8", True),
    "window": (replace(SHAPE, window=7, full_every=2), "int8", False),
}
LENGTHS = (3, 21, 8, 15)


def texts(file: Path, lengths: tuple[int, ...] = LENGTHS) -> list[OnnxLanguageEngine]:
    """Engines over one model, each with a text of its own."""
    first = open_language_engine(file)
    made = [first, *(first.another() for _ in lengths[1:])]
    for number, (engine, length) in enumerate(zip(made, lengths, strict=True)):
        engine.feed(text(number, length))
    return cast("list[OnnxLanguageEngine]", made)


def text(number: int, length: int) -> list[int]:
    drawn: list[int] = np.random.default_rng(number).integers(0, SHAPE.vocabulary, length).tolist()
    return drawn


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each shared run had."""
    counted: list[int] = []
    usual = Together.step

    def step(together: Together, first: int, tokens: list[int], *more: object) -> np.ndarray:
        counted.append(len(tokens))
        return usual(together, first, tokens, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Together, "step", step)
    return counted


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("together"), "int8")


def exported(folder: Path, kind: str) -> Path:
    config, precision, small = KINDS[kind]
    scales = np.full((config.layers, config.kv_heads, config.width // config.heads), 0.05, np.float32)
    cache = CacheScales(scales, scales) if small else None
    export_language_onnx(decoder(config).state_dict(), config, folder / "model.onnx", precision, cache=cache)
    return folder / "model.onnx"


def step(engines: list[OnnxLanguageEngine], tokens: list[int]) -> list[np.ndarray | EngineError]:
    return engines[0].feed_together(list(zip(cast("list[LanguageEngine]", engines), tokens, strict=True)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_gets_what_it_gets_alone_to_the_last_bit(kind: str, tmp_path: Path, runs: list[int]) -> None:
    file = exported(tmp_path, kind)
    together, alone = texts(file), texts(file)
    assert isinstance(together[0], FeedsTogether)
    for number in range(30):
        tokens = text(100 + number, len(LENGTHS))
        for got, engine, token in zip(step(together, tokens), alone, tokens, strict=True):
            assert isinstance(got, np.ndarray)
            np.testing.assert_array_equal(got, engine.feed([token])[0])
    assert runs == [4] * 30
    assert [engine.length for engine in together] == [length + 30 for length in LENGTHS]


def test_neighbours_alone_share_a_run_in_whatever_order_they_are_told(file: Path, runs: list[int]) -> None:
    engines = texts(file, (5, 9, 7, 30, 2))
    alone = texts(file, (5, 9, 7, 30, 2))
    chosen = [4, 0, 1, 3]  # the text between wants nothing now
    tokens = [11, 12, 13, 14]
    for got, at, token in zip(step([engines[at] for at in chosen], tokens), chosen, tokens, strict=True):
        np.testing.assert_array_equal(got, alone[at].feed([token])[0])
    assert sorted(runs) == [2, 2] and engines[2].length == 7


def test_a_runtime_that_mixes_the_texts_is_found_out_and_never_asked_so_again(
    file: Path, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Together.step

    def mixed(together: Together, *told: object) -> np.ndarray:
        rows = counting(together, *told)  # type: ignore[arg-type]
        rows[1, 5] = np.nextafter(rows[1, 5], np.float32(9))
        return rows

    monkeypatch.setattr(Together, "step", mixed)
    together, alone = texts(file, (40, 33, 50)), texts(file, (40, 33, 50))
    for tokens in ([1, 2, 3], [4, 5, 6], [7, 8, 9]):
        for got, engine, token in zip(step(together, tokens), alone, tokens, strict=True):
            np.testing.assert_array_equal(got, engine.feed([token])[0])
    assert runs == [3]


def test_a_full_text_gets_its_error_and_its_neighbours_their_logits(file: Path) -> None:
    engines, alone = texts(file, (4, 64, 6, 7)), texts(file, (4, 64, 6, 7))
    got = step(engines, [1, 2, 400, 4])
    assert isinstance(got[1], EngineError) and "64 at most" in str(got[1])
    assert isinstance(got[2], EngineError) and "vocabulary" in str(got[2])
    for at, token in ((0, 1), (3, 4)):
        np.testing.assert_array_equal(got[at], alone[at].feed([token])[0])
    assert [engine.length for engine in engines] == [5, 64, 6, 8]


def test_a_run_that_fails_is_repeated_one_by_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together, alone = texts(file), texts(file)
    model = together[0]._model
    assert model is not None

    def fails(*_: object) -> np.ndarray:
        raise model.failures[0]("no")

    monkeypatch.setattr(Together, "step", fails)
    for got, engine in zip(step(together, [1, 2, 3, 4]), alone, strict=True):
        np.testing.assert_array_equal(got, engine.feed([1 + alone.index(engine)])[0])


def test_a_file_from_before_is_read_one_by_one(file: Path, tmp_path: Path, runs: list[int]) -> None:
    model = onnx.load(file)
    for value in [*model.graph.input, *model.graph.output]:
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param == "batch":
                size.dim_value = 1
    onnx.save(model, tmp_path / "model.onnx")
    together, alone = texts(tmp_path / "model.onnx"), texts(file)
    for got, engine in zip(step(together, [5, 5, 5, 5]), alone, strict=True):
        np.testing.assert_array_equal(got, engine.feed([5])[0])
    assert not runs


def test_a_text_takes_memory_once_it_is_written_and_gives_it_back(tmp_path: Path) -> None:
    long = replace(SHAPE, context=16384)
    export_language_onnx(decoder(long).state_dict(), long, tmp_path / "model.onnx", "int8")
    first = open_language_engine(tmp_path / "model.onnx")
    first.feed([1])
    others = [first.another() for _ in range(9)]  # more than lie side by side
    before, whole = rss_bytes(), first.text_bytes
    assert whole > 12e6
    for other in others[:2]:
        for array in other._shared.rows.arrays.values():  # type: ignore[attr-defined]
            array[other._row] = 1  # type: ignore[attr-defined]
    filled = rss_bytes()
    assert 1.8 * whole < filled - before < 2.3 * whole
    others[0].close()
    assert filled - rss_bytes() > 0.8 * whole
    again = first.another()
    first.rewind(0)
    np.testing.assert_array_equal(again.feed([1, 2, 3]), first.feed([1, 2, 3]))
