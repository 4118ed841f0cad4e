"""Whether a message wants anything done, by the words around those of the tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import BundleError
from edge_runtime.language.tool_marks import READY, TALK, Reading
from edge_runtime.language.wishes import BUCKETS, Wishes, features
from tests.edge_runtime.language.test_tool_marks import OWN


def reading(text: str, wanted: bool | None = None) -> Reading:
    return Reading([{"role": "user", "content": text}], OWN, wanted)


def test_tools_and_values_count_only_as_such_and_the_words_around_them_as_they_are() -> None:
    said = features(reading("Please set the lamp in the hall to 33"))
    assert (said == features(reading("please set the lamp in the living room to 70"))).all()
    for other in ("Did you set the lamp in the hall to 33?", "Please don't set the lamp in the hall to 33"):
        assert len(set(said) ^ set(features(reading(other)))) > 10
    assert len(features(reading("")))


def test_what_is_said_beside_it_is_another_sentence() -> None:
    alone, beside = (
        set(features(reading(text))) for text in ("Set the light to 33.", "It is late. Set the light to 33.")
    )
    assert len(alone & beside) > 0.7 * len(alone)


def test_a_sum_of_weights_is_a_probability(tmp_path: Path) -> None:
    weights = np.zeros(BUCKETS + 1, np.float32)
    weights[features(reading("Did you do it?"))] = -100
    np.save(tmp_path / "wishes.npy", weights)
    read = Wishes.read(tmp_path / "wishes.npy")
    assert 0 < read.chance(reading("Did you do it?")) < 1e-9 and Wishes(weights * 0).chance(reading("Do it")) == 0.5


@pytest.mark.parametrize("wrong", [b"", b"no numbers", None])
def test_weights_of_another_kind_are_one_sentence(tmp_path: Path, wrong: bytes | None) -> None:
    path = tmp_path / "wishes.npy"
    if wrong is None:
        np.save(path, np.full(BUCKETS + 1, np.nan, np.float32))
    else:
        path.write_bytes(wrong)
    with pytest.raises(BundleError, match="build it again"):
        Wishes.read(path)


def test_the_model_is_told_what_was_judged() -> None:
    text = "lamp in the hall to 33"
    for wanted, mark in ((None, f"{READY} A"), (True, f"{READY} A"), (False, TALK)):
        assert str(reading(text, wanted).messages()[-1]["content"]).endswith(f" {mark}")
    assert str(reading("good morning", True).messages()[-1]["content"]).endswith(READY)
    assert READY not in str(reading("good morning").messages()[-1]["content"])
