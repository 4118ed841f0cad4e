"""The task's own code with a model that is told what to read: requests, encoding, decoding, doubt."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.home.lexicon import ACTIONS, KINDS, TAGS
from edge_runtime.home.match import FEATURES, Index
from edge_runtime.tasks.robot import HEADS, NGRAM_BUCKETS, NGRAMS, TOKENS, Robot, agrees, encode, ngrams_of

HOME: dict[str, object] = {
    "areas": [{"id": "kitchen", "name": "Kitchen", "floor": None}],
    "entities": [
        {"id": "light.kitchen", "name": "Kitchen Light", "area": "kitchen", "domain": "light", "device_class": None,
         "device": {"name": "Kitchen Light", "manufacturer": "IKEA", "model": "TRADFRI"}, "aliases": [], "state": "on",
         "attributes": {}},
        {"id": "light.table", "name": "Table Lamp", "area": "kitchen"},
    ],
}  # fmt: skip


class Told:
    """An engine that answers fixed labels: [(action, tag, kind)] per token, with a certainty."""

    runtime, version = "told", "1"

    def __init__(self, labels: list[tuple[str, str, str]], sure: float = 9.0) -> None:
        self._labels, self._sure = labels, sure
        self.inputs: Mapping[str, np.ndarray] = {}

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.inputs = inputs
        out = {head: np.zeros((1, TOKENS, classes), np.float32) for head, classes in HEADS.items()}
        for i, (action, tag, kind) in enumerate(self._labels):
            out["action"][0, i, ACTIONS.index(action)] = self._sure
            out["tag"][0, i, TAGS.index(tag)] = self._sure
            out["kind"][0, i, KINDS.index(kind)] = self._sure
            out["begin"][0, i, int(i == 0)] = out["excluded"][0, i, 0] = self._sure
        return out

    def close(self) -> None:
        """Nothing to free."""


OFF_KITCHEN_LIGHT = [("off", tag, "light") for tag in ("O", "O", "B-AREA", "B-KIND")]
VOCABULARY = {"": 0, "?": 1, "0": 2, "turn": 3, "off": 4}


def request(text: str, **more: object) -> dict[str, object]:
    return {"text": text, "inventory": HOME, **more}


def test_a_sentence_becomes_calls_on_the_home_of_the_request() -> None:
    answer = Robot(Told(OFF_KITCHEN_LIGHT), VOCABULARY, 0.1).run(request("turn off kitchen lights"))
    assert answer["calls"] == [
        {
            "name": "HassTurnOff",
            "arguments": {"domain": ["light"], "area": "Kitchen"},
            "targets": ["light.kitchen", "light.table"],
        }
    ]
    assert answer["unsure"] is False
    assert answer["question"] is None
    assert isinstance(answer["confidence"], float)
    assert answer["confidence"] > 0.9


def test_an_unsure_reading_does_nothing_and_asks() -> None:
    answer = Robot(Told(OFF_KITCHEN_LIGHT, sure=1.0), VOCABULARY, 0.5).run(request("turn off kitchen lights"))
    assert answer["calls"] == []
    assert answer["unsure"] is True
    assert answer["question"]


@pytest.mark.parametrize("text", ["", "   ", "'"])
def test_silence_is_asked_about(text: str) -> None:
    answer = Robot(Told([]), VOCABULARY, 0.1).run(request(text))
    assert answer["unsure"] is True
    assert answer["calls"] == []


def test_a_longer_sentence_than_the_window_is_never_cut_in_silence() -> None:
    answer = Robot(Told([]), VOCABULARY, 0.1).run(request("please " * (TOKENS + 1)))
    assert answer["calls"] == []
    assert "fewer" in str(answer["question"])


def test_an_empty_inventory_answers_with_a_question() -> None:
    robot = Robot(Told(OFF_KITCHEN_LIGHT), VOCABULARY, 0.1)
    for empty in ({}, {"areas": [], "entities": []}, {"entities": None}):
        answer = robot.run({"text": "turn off kitchen lights", "inventory": empty})
        assert answer["calls"] == []
        assert answer["unsure"] is True


@pytest.mark.parametrize(
    ("bad", "part"),
    [
        ({"text": 3, "inventory": HOME}, "text"),
        ({"text": "hi"}, "inventory"),
        ({"text": "hi", "inventory": []}, "inventory"),
        ({"text": "x" * 1001, "inventory": HOME}, "1000"),
        ({"text": "hi", "inventory": HOME, "context": "kitchen"}, "context"),
        ({"text": "hi", "inventory": HOME, "context": {"area": 3}}, "context.area"),
        ({"text": "hi", "inventory": {"entities": [{"id": "a.b"}]}}, "entities[0].name"),
        ({"text": "hi", "inventory": {"entities": [{"id": "a.b", "name": "x"}, {"id": "a.b", "name": "y"}]}}, "twice"),
        ({"text": "hi", "inventory": {"areas": [{"id": "a", "name": ""}]}}, "areas[0].name"),
        ({"text": "hi", "inventory": {"entities": [{"id": "a.b", "name": "x", "aliases": [1]}]}}, "aliases[0]"),
    ],
)
def test_a_bad_request_says_which_field_to_change(bad: dict[str, object], part: str) -> None:
    with pytest.raises(BadRequest, match=part.replace("[", r"\[")):
        Robot(Told([]), VOCABULARY, 0.1).run(bad)


def test_an_unknown_area_of_the_speaker_is_as_none() -> None:
    robot = Robot(Told(OFF_KITCHEN_LIGHT), VOCABULARY, 0.1)
    assert robot.run(request("turn off kitchen lights", context={"area": "nowhere"}))["calls"]


def test_encoding_has_the_models_shapes_and_types() -> None:
    encoded = encode(["turn", "off", "21", "zzz"], VOCABULARY, Index(), ())
    assert encoded.words.shape == (1, TOKENS)
    assert encoded.words.dtype == encoded.ngrams.dtype == np.int32
    assert encoded.words[0, :5].tolist() == [3, 4, 2, 1, 0]
    assert encoded.ngrams.shape == (1, TOKENS, NGRAMS)
    assert encoded.features.shape == (1, TOKENS, FEATURES)
    assert encoded.features.dtype == np.float32


def test_trigrams_are_stable_and_never_the_padding() -> None:
    assert ngrams_of("lamp") == ngrams_of("lamp")
    assert all(0 < gram < NGRAM_BUCKETS for word in ("a", "lamp", "Überwurf", "x" * 300) for gram in ngrams_of(word))
    assert len(ngrams_of("x" * 300)) == NGRAMS


def test_agrees_forgives_rounding_but_no_other_call() -> None:
    answer = {"calls": [{"name": "HassTurnOn", "arguments": {}, "targets": ["a"]}], "unsure": False, "question": None}
    assert agrees({**answer, "confidence": 0.9}, {**answer, "confidence": 0.85})
    assert not agrees({**answer, "confidence": 0.9}, {**answer, "confidence": 0.6})
    assert not agrees({**answer, "confidence": 0.9}, {**answer, "calls": [], "confidence": 0.9})
