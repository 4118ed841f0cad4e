"""Task `router`: answers, the unsure threshold, and what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.bundle import Tokenizer
from edge_runtime.errors import BadRequest, BundleError, EngineError, UnknownTask
from edge_runtime.tasks import router, task_module, task_names
from edge_runtime.tasks.familiar import BITS, FILE, OPTION, Usual, checked_usual, places
from edge_runtime.tasks.pieces import FILE as PIECES
from edge_runtime.tasks.pieces import LENGTH, file_of, hashes_of
from edge_runtime.tasks.pieces import SCHEME as WITH_PIECES
from edge_runtime.tasks.text import Features

from .. import tiny


class FixedEngine:
    """Answers the same scores whatever it is asked."""

    runtime, version = "fixed", "1"

    def __init__(self, scores: list[float], energy: float | None = None, pieces: int = 0) -> None:
        self.scores, self.energy, self.pieces = np.array([scores], dtype=np.float32), energy, pieces

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert inputs["tokens"].shape == (1, tiny.FEATURES.length + self.pieces)
        energy = {} if self.energy is None else {"energy": np.array([[self.energy]], np.float32)}
        return {"probabilities": self.scores} | energy

    def close(self) -> None:
        return


def load(scores: list[float], **changes: object) -> router.Router:
    return router.load(dataclasses.replace(tiny.manifest(), **changes), Path(), FixedEngine(scores))  # type: ignore[arg-type]


def test_the_best_label_wins_with_its_confidence() -> None:
    assert load([0.1, 0.7, 0.2]).run({"text": "play"}) == {
        "label": "music",
        "confidence": 0.7,
        "unsure": False,
        "scores": {"lights": 0.1, "music": 0.7, "weather": 0.2},
    }


def test_below_the_threshold_it_is_unsure() -> None:
    assert load([0.4, 0.35, 0.25]).run({"text": "hm"})["unsure"] is True
    assert load([0.5, 0.3, 0.2]).run({"text": "hm"})["unsure"] is False
    assert load([0.9, 0.05, 0.05]).run({"text": "?!"})["unsure"] is True  # nothing that could be read


@pytest.mark.parametrize(
    ("scores", "likely"),
    [([0.1, 0.7, 0.2], ["music"]), ([0.4, 0.45, 0.15], ["music", "lights"]), ([0.34, 0.33, 0.33], [])],
)
def test_a_bundle_that_knows_what_is_likely_names_those_labels(scores: list[float], likely: list[str]) -> None:
    assert load(scores, thresholds={"unsure": 0.5, "likely": 0.35}).run({"text": "play"})["likely"] == likely


def test_a_text_too_long_for_the_features_says_so() -> None:
    assert load([1, 0, 0]).run({"text": "several words " * 60})["truncated"] is True


@pytest.mark.parametrize("scores", [[0.5, 0.5], [0.2, 0.2, 0.2, 0.4], [float("nan"), 0.5, 0.5]])
def test_scores_that_do_not_fit_the_labels_are_an_error(scores: list[float]) -> None:
    with pytest.raises(EngineError):
        load(scores).run({"text": "hello"})


@pytest.mark.parametrize("request_", [{}, {"text": None}, {"text": ""}, {"text": "a", "b": 1}, {"text": "x" * 4001}])
def test_bad_requests_are_refused(request_: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        load([1, 0, 0]).run(request_)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ("one",)},
        {"thresholds": {}},
        {"tokenizer": None},
        {"options": {"features": {"length": 0}}},
        {"options": {"features": {"length": "64"}}},
        {"options": {"features": {"wide": 1}}},
        {"options": {"features": [1]}},
    ],
)
def test_a_bundle_that_does_not_fit_the_task_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BundleError):
        load([1, 0, 0], **changes)


def test_features_default_to_those_of_the_scheme() -> None:
    assert router.features_of({}) == Features()


def test_answers_agree_within_the_tolerance_only() -> None:
    answer = load([0.1, 0.7, 0.2]).run({"text": "play"})
    assert router.agrees(answer, load([0.13, 0.66, 0.21]).run({"text": "play"}))
    assert not router.agrees(answer, load([0.3, 0.5, 0.2]).run({"text": "play"}))  # too far
    assert not router.agrees(answer, load([0.7, 0.1, 0.2]).run({"text": "play"}))  # another label
    assert not router.agrees(answer, answer | {"unsure": True})
    assert not router.agrees(answer, answer | {"scores": {"lights": 0.1}})
    assert not router.agrees(answer, {"label": "music", "unsure": False})


def test_tasks_are_found_by_name_and_strangers_are_refused() -> None:
    assert "router" in task_names() and not {"text", "familiar", "pieces", "tries"} & {*task_names()}
    assert task_module("router").NAME == "router"
    for name in ("text", "os", "../router", "router.text", "", "Router", "nothing"):
        with pytest.raises(UnknownTask, match="knows"):
            task_module(name)


def test_a_text_whose_words_no_example_of_its_label_had_is_unsure(tmp_path: Path) -> None:
    known = np.zeros(BITS, np.uint8)
    for label, text in (("music", "play the next song please"), ("lights", "the lights please")):
        known[places(text, (label,))] = 1
    (tmp_path / FILE).write_bytes(np.packbits(known, bitorder="little").tobytes())
    manifest = dataclasses.replace(tiny.manifest(), thresholds={"unsure": 0.5, "familiar": 0.5})
    made = router.load(manifest, tmp_path, FixedEngine([0.1, 0.8, 0.1]))
    sure, foreign, common = (
        made.run({"text": text})
        for text in ("play the next song", "vote for the parliament please", "turn on the lights please")
    )
    assert (sure["unsure"], sure["familiar"]) == (False, 1.0)
    assert foreign["unsure"] is True and foreign["confidence"] == 0.8
    assert common["unsure"] is True  # another label's words
    assert made.run({"text": "!"})["familiar"] == 0


@pytest.mark.parametrize("content", [None, b"", b"x" * 100])
def test_a_bundle_without_its_familiar_words_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    manifest = dataclasses.replace(tiny.manifest(), thresholds={"unsure": 0.5, "familiar": 0.5})
    with pytest.raises(BundleError, match=FILE):
        router.load(manifest, tmp_path, FixedEngine([1, 0, 0]))


USUAL = {"words": [0.2, 0.4, 0.6, 1.0], "energy": [-1.0, 2.0, 3.0, 4.0], "least": 0.25}


def test_a_bundle_that_knows_the_usual_energy_counts_it(tmp_path: Path) -> None:
    known = np.zeros(BITS, np.uint8)
    known[places("play the next song", ("music",))] = 1
    (tmp_path / FILE).write_bytes(np.packbits(known, bitorder="little").tobytes())
    (tmp_path / PIECES).write_bytes(file_of(hashes_of(["\u2581play", "s"])))
    manifest = dataclasses.replace(
        tiny.manifest(),
        thresholds={"unsure": 0.5, "familiar": 0.05},
        options={**tiny.manifest().options, OPTION: USUAL},
        tokenizer=Tokenizer(WITH_PIECES, PIECES, "0" * 64),
    )

    def answer(text: str, energy: float | None) -> dict[str, object]:
        return router.load(manifest, tmp_path, FixedEngine([0.1, 0.8, 0.1], energy, LENGTH)).run({"text": text})

    assert answer("play the next song", 4.0)["familiar"] == 1 and answer("play the next song", 4.0)["unsure"] is False
    silent, strange = answer("play the next song", -1.5), answer("vote in parliament", 4.0)
    assert (silent["unsure"], strange["unsure"]) == (True, True) and silent["confidence"] == 0.8
    # A seventh of the words and pairs isn't enough, though the network says that it knows such texts.
    few = answer("song in no parliament", 4.0)
    assert few["unsure"] is True and float(str(few["familiar"])) > 0.05
    for energy in (None, float("nan")):
        with pytest.raises(EngineError, match="energy"):
            answer("play", energy)


def test_likeness_is_spread_evenly_and_grows_with_both() -> None:
    rng = np.random.default_rng(1)
    words, energy = rng.beta(3, 2, 2000), rng.normal(size=2000)
    grid = np.linspace(0, 1, 41)
    usual = Usual(tuple(np.quantile(words, grid)), tuple(np.quantile(energy, grid)), 0.1)
    made = np.array([usual.likeness(a, b) for a, b in zip(words, energy, strict=True)])
    assert all(abs(np.mean(made < share) - share) < 0.04 for share in (0.05, 0.2, 0.5, 0.8))
    assert usual.likeness(0.5, 0.0) < usual.likeness(0.6, 0.0) < usual.likeness(0.6, 0.5)
    assert usual.likeness(1.0, -9.0) == 0.0 and usual.likeness(1.0, 9.0) == 1.0
    alike = Usual((1.0, 1.0), usual.energy, 0.1)  # examples that are all alike make no strangers of half known texts
    assert alike.likeness(0.5, 0.0) > 0.05


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"words": [0, 1]},
        USUAL | {"more": [0, 1]},
        USUAL | {"words": [1]},
        USUAL | {"words": [0.5, 0.2]},
        USUAL | {"energy": [0, float("inf")]},
        USUAL | {"energy": [True, 2]},
        USUAL | {"least": -0.1},
        USUAL | {"least": True},
        USUAL | {"energy": "12"},
        USUAL | {"energy": [0.0] * 1001},
    ],
)
def test_quantiles_that_are_none_are_refused(value: object) -> None:
    with pytest.raises(BundleError, match="ascending"):
        checked_usual(value)
