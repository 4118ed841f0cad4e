"""The task's own code with a model that is told what to read: requests, encoding, decoding, doubt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest
from edge_runtime.home.lexicon import ACTIONS, KINDS, TAGS
from edge_runtime.home.match import FEATURES, Index
from edge_runtime.home.spelling import Spelling
from edge_runtime.kept_json import Reader
from edge_runtime.tasks.robot import (
    HEADS,
    NGRAM_BUCKETS,
    NGRAMS,
    TOKENS,
    Robot,
    Vocabulary,
    agrees,
    encode,
    ngrams_of,
    read_vocabulary,
)

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


def test_a_slip_is_read_as_the_word_it_was_unless_the_home_has_it() -> None:
    vocabulary = {**VOCABULARY, "tablet": 5}
    engine = Told(OFF_KITCHEN_LIGHT)
    robot = Robot(engine, vocabulary, 0.1, Spelling("".join(f"{word}\n" for word in vocabulary).encode()))
    robot.run(request("turnn off table lamp"))
    assert engine.inputs["words"][0, :5].tolist() == [3, 4, 1, 1, 0]  # a lamp here is called "Table", and no "tablet"


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


def lamps(**states: object) -> dict[str, object]:
    """A home of six lamps; `states` replace fields of the second."""
    entities = [
        {"id": f"light.{n}", "name": f"Lamp {n}", "area": "kitchen", "state": "on", "attributes": {"brightness": 128}}
        for n in range(6)
    ]
    entities[1].update(states)
    floors = [{"id": "kitchen", "name": "Kitchen", "floor": None}, {"id": "den", "name": "Den", "floor": "Upstairs"}]
    return {"areas": floors, "entities": entities, "note": "x" * 1000}


@pytest.mark.parametrize(
    ("changed", "calls"),
    [
        ({}, [("HassLightSet", {"brightness": 70}, "light.1")]),
        ({"attributes": {"brightness": 255}}, [("HassLightSet", {"brightness": 100}, "light.1")]),
        ({"state": "off"}, [("HassTurnOn", {}, "light.1")]),
        ({"id": "light.one"}, [("HassLightSet", {"brightness": 70}, "light.one")]),
        ({"name": "Lamp 9"}, []),
    ],
)
def test_a_home_that_changed_is_answered_as_it_is_now(
    changed: dict[str, object], calls: list[tuple[str, dict[str, object], str]]
) -> None:
    """Through one robot and one reader, from the unchanged home and back to it."""
    robot = Robot(Told([("up", tag, "light") for tag in ("O", "B-NAME", "I-NAME", "O")]), VOCABULARY, 0.1)
    reader = Reader()

    def ask(home: object) -> list[tuple[str, dict[str, object], str]]:
        sent = {"text": "brighten lamp 1 now", "inventory": home}
        answers = [robot.run(json.loads(json.dumps(sent))), robot.run(reader.loads_object(json.dumps(sent).encode()))]
        assert answers[0] == answers[1]
        made: list[dict] = answers[0]["calls"]  # type: ignore[assignment]
        return [(c["name"], {k: v for k, v in c["arguments"].items() if k != "name"}, *c["targets"]) for c in made]

    usual = [("HassLightSet", {"brightness": 70}, "light.1")]
    for home, expected in ((lamps(), usual), (lamps(**changed), calls), (lamps(), usual), (lamps(**changed), calls)):
        assert ask(home) == expected


WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Zl", "Zp", "Cc", "Zs"))), unique=True)


@given(WORDS, WORDS)
def test_a_vocabulary_finds_what_a_dict_finds(words: list[str], others: list[str]) -> None:
    table = {word: row for row, word in enumerate(words)}
    vocabulary = Vocabulary("".join(f"{word}\n" for word in words).encode())
    for word in [*words, *others, *words, "\0", "a\n", ""]:
        assert vocabulary.get(word, 1) == table.get(word, 1)


def test_words_of_one_hash_keep_their_rows() -> None:
    vocabulary = Vocabulary(b"plumless\nx\nbuckeroo\n")  # CRC-32 of both is 4DDB0C25
    assert [vocabulary.get(word, 9) for word in ("plumless", "buckeroo", "x", "y")] == [0, 2, 1, 9]


def test_a_vocabulary_file_may_end_without_a_newline(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n\u2047\n0\nlämp", encoding="utf-8")
    vocabulary = read_vocabulary(tmp_path / "vocab.txt")
    assert [vocabulary.get(word, 1) for word in ("", "\u2047", "0", "lämp", "lamp")] == [0, 1, 2, 3, 1]
