"""What an answer is worth that a language model wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.bundle.manifest import Golden, Manifest, ModelFile
from edge_runtime.errors import BundleError
from edge_runtime.language.generate import Piece
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.tasks import math as math_task
from edge_runtime.tasks.dialogue import Json, TextTask, Writer
from edge_runtime.tasks.written_confidence import Doubt, checked_weights, read_doubt, signs

WEIGHTS = (1.5, 0.3, 2.0, 0.5)


def manifest(options: Json, thresholds: dict[str, float]) -> Manifest:
    return Manifest(
        name="sums",
        task="math",
        version="1.0.0",
        licence="",
        io={},
        models=(ModelFile("model", "fp32", ()),),
        golden=Golden("golden.json", 1),
        thresholds=thresholds,
        options=options,
    )


class Model:
    """Writes a text, each of whose tokens has the same probability."""

    def __init__(self, text: str, chance: float) -> None:
        self._text, self._logprob = text, math.log(chance)

    def stream(self, messages: list[Json], **rest: object) -> Iterator[Piece]:
        for character in self._text:
            yield Piece(character, logprob=self._logprob)
        yield Piece("", finish="stop")


def answer(text: str, chance: float, doubt: Doubt) -> Json:
    language = cast(LanguageSpecialist, Model(text, chance))
    return Writer(language, cast(TextTask, math_task), doubt).run({"question": "What is 2 + 3?"})


@given(st.floats(0, 1), st.integers(0, 500), st.booleans())
def test_it_is_a_chance_that_what_speaks_for_an_answer_never_lowers(mean: float, tokens: int, doubted: bool) -> None:
    doubt = Doubt(0.5, WEIGHTS)
    got = doubt.confidence(mean, tokens, doubted)
    assert 0 <= got <= 1
    assert doubt.confidence(min(1.0, mean + 0.01), tokens, doubted) >= got
    assert doubt.confidence(mean, tokens + 1, doubted) <= got
    assert doubt.confidence(mean, tokens, True) <= got


def test_it_is_what_the_formula_says() -> None:
    assert signs(0.9, 2, True) == pytest.approx((math.log(9), math.log(0.81 / 0.19), -1.0))
    odds = 1.5 * math.log(9) + 0.3 * math.log(0.81 / 0.19) - 2.0 + 0.5
    assert Doubt(0.5, WEIGHTS).confidence(0.9, 2, True) == pytest.approx(1 / (1 + math.exp(-odds)))
    assert signs(0.0, 0, False)[1] == pytest.approx(-9.9, abs=0.1) and signs(0.5, 400, False)[1] == -14.0


def test_an_answer_has_its_chance_as_its_confidence_and_is_unsure_below_the_least() -> None:
    written = "① ② +"
    sure = answer(written, 0.9, Doubt(0.8, WEIGHTS))
    assert sure["confidence"] == round(Doubt(0.8, WEIGHTS).confidence(0.9, len(written), False), 4)
    assert sure["unsure"] is False and sure["answer"] == "5"
    assert answer(written, 0.9, Doubt(0.999, WEIGHTS))["unsure"] is True
    wrong = answer("① ② -", 0.9, Doubt(0.0, WEIGHTS))
    assert wrong["unsure"] is True and cast(float, wrong["confidence"]) < cast(float, sure["confidence"])


def test_a_bundle_of_before_has_the_mean_as_its_confidence() -> None:
    before = read_doubt(manifest({}, {"unsure": 0.7}), "math")
    assert before == Doubt(0.7, None) and answer("① ② +", 0.9, before)["confidence"] == 0.9
    told = manifest({"worth": {"math": list(WEIGHTS)}}, {"unsure_math": 0.6})
    assert read_doubt(told, "math", "unsure_math") == Doubt(0.6, WEIGHTS)
    assert read_doubt(told, "chat", "unsure_chat") == Doubt(0.0, None)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        [1.0],
        [1.0, 0.0, 0.0],
        [1, 0, -1, 0],
        ["1", 0, 0, 0],
        [True, 0, 0, 0],
        [math.nan, 0, 0, 0],
        [10**400] * 4,
        {},
    ],
)
def test_a_bundle_whose_numbers_are_none_is_refused(value: object) -> None:
    with pytest.raises(BundleError, match="worth"):
        checked_weights(value)
