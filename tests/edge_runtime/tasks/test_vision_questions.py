from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from edge_runtime.bundle import Golden, Manifest, ModelFile
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import Media
from edge_runtime.tasks.familiar import BITS, FILE, places
from edge_runtime.tasks.vision import NO_LABEL, Answerer, agrees, load
from edge_runtime.vision.questions import FIRST, LENGTH, UNKNOWN, WORDS_FILE, Vocabulary, write_vocabulary

KNOWN = ("are", "circles", "how", "is", "many", "red", "square", "the", "there", "what")
MANIFEST = Manifest(
    "see",
    "vision",
    "1.0.0",
    "",
    {},
    (ModelFile("model", "int8", ()),),
    Golden("golden.json", 1),
    ("0", "1", "red"),
    {"unsure": 0.6, "familiar": 0.5, "likely": 0.3},
    {"kind": "questions", "side": 32, "platt": [1.0, 0.0]},
)
ASKED = "How many red circles are there?"


class Seeing:
    """An engine that gives what it was told, and keeps what it was given."""

    def __init__(self, chances: list[float]) -> None:
        self.chances = np.array([chances], np.float32)
        self.given: dict[str, np.ndarray] = {}

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.given = inputs
        return {"probabilities": self.chances}


def picture(width: int = 64, height: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a bundle's files are, with one question learnt."""
    made = tmp_path_factory.mktemp("bundle")
    bits = np.zeros(BITS, np.uint8)
    bits[places(ASKED, NO_LABEL)] = 1
    (made / FILE).write_bytes(np.packbits(bits, bitorder="little").tobytes())
    (made / WORDS_FILE).write_bytes(write_vocabulary(KNOWN))
    return made


def seeing(folder: Path, *chances: float) -> tuple[Answerer, Seeing]:
    engine = Seeing(list(chances))
    return cast(Answerer, load(MANIFEST, folder, engine)), engine  # type: ignore[arg-type]


def test_a_question_is_answered_with_the_likeliest_of_the_answers_that_were_learnt(folder: Path) -> None:
    answerer, engine = seeing(folder, 0.05, 0.75, 0.2)
    answer = answerer.run({"image": Media("image/png", picture(128, 64)), "question": ASKED})
    assert (answer["answer"], answer["confidence"], answer["unsure"]) == ("1", 0.75, False)
    assert [item["answer"] for item in cast("list[dict[str, str]]", answer["answers"])] == ["1", "red", "0"]
    assert answer["likely"] == ["1"] and answer["familiar"] == 1 and "unknown" not in answer
    assert engine.given["pixels"].shape == (1, 32, 32, 3) and engine.given["words"].shape == (1, LENGTH)
    assert engine.given["words"].dtype == np.int32 and engine.given["words"][0, :2].tolist() == [FIRST + 2, FIRST + 4]


def test_doubt_has_three_reasons(folder: Path) -> None:
    hesitant, _ = seeing(folder, 0.4, 0.5, 0.1)
    image = Media("image/png", picture())
    assert hesitant.run({"image": image, "question": ASKED})["unsure"] is True
    sure, _ = seeing(folder, 0.0, 0.99, 0.01)
    strange = sure.run({"image": image, "question": "How many red unicorns are there?"})
    assert strange["unsure"] is True and strange["unknown"] == ["unicorns"]
    foreign = sure.run({"image": image, "question": "Wie viele rote Kreise gibt es?"})
    assert foreign["unsure"] is True and cast(float, foreign["familiar"]) < 0.1
    shuffled = sure.run({"image": image, "question": "Is the square there red what?"})
    assert shuffled["unsure"] is True and "unknown" not in shuffled


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"image": Media("image/png", picture())}, 'needs a "question"'),
        ({"image": Media("image/png", picture()), "question": 5}, 'needs a "question"'),
        ({"image": Media("image/png", picture()), "question": " ?! "}, "is empty"),
        ({"image": Media("image/png", picture()), "question": "red " * 25}, "longer than 24 words"),
        ({"image": Media("image/png", picture()), "question": "r" * 501}, "longer than 24 words"),
        ({"image": Media("image/png", picture()), "question": ASKED, "boxes": 1}, 'leave out "boxes"'),
        ({"question": ASKED}, 'needs an "image"'),
        ({"image": Media("image/png", picture()[:50]), "question": ASKED}, "isn't a PNG or JPEG"),
        ({"image": Media("image/png", picture(1, 1)), "question": ASKED}, "smaller than 8 pixels"),
    ],
)
def test_a_bad_request_is_one_sentence(request_: dict[str, object], sentence: str, folder: Path) -> None:
    with pytest.raises(BadRequest, match=sentence):
        seeing(folder, 0.1, 0.8, 0.1)[0].run(request_)


def test_what_names_pictures_takes_no_question(folder: Path) -> None:
    manifest = dataclasses.replace(MANIFEST, options={"kind": "classifier", "side": 32})
    with pytest.raises(BadRequest, match='leave out "question"'):
        load(manifest, folder, Seeing([0.1, 0.8, 0.1])).run({"image": Media("image/png", picture()), "question": ASKED})  # type: ignore[arg-type]


def test_answers_agree_within_what_int8_changes(folder: Path) -> None:
    request: dict[str, object] = {"image": Media("image/png", picture()), "question": ASKED}
    one, near, far, other = (
        seeing(folder, *chances)[0].run(request)
        for chances in ((0.1, 0.8, 0.1), (0.1, 0.75, 0.15), (0.0, 0.95, 0.05), (0.1, 0.1, 0.8))
    )
    assert agrees(one, near) and not agrees(one, far) and not agrees(one, other) and not agrees(one, {"unsure": False})


def test_a_bundle_of_another_make_is_refused(folder: Path, tmp_path: Path) -> None:
    for changes, sentence in (({"thresholds": {"unsure": 0.5}}, "familiar"), ({"labels": ()}, "labels")):
        with pytest.raises(BundleError, match=sentence):
            load(dataclasses.replace(MANIFEST, **changes), folder, Seeing([]))  # type: ignore[arg-type]
    (tmp_path / FILE).write_bytes((folder / FILE).read_bytes())
    for content in (None, b"{", b'{"words": 5}', b'{"words": []}', b'{"words": [3]}'):
        if content is not None:
            (tmp_path / WORDS_FILE).write_bytes(content)
        with pytest.raises(BundleError, match=r"uild (the bundle|it) again"):
            load(MANIFEST, tmp_path, Seeing([]))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="probabilities"):
        seeing(folder, np.nan, 0.5, 0.5)[0].run({"image": Media("image/png", picture()), "question": ASKED})


def test_words_become_ids_and_unknown_ones_are_named_once() -> None:
    read = Vocabulary(("a", "star")).read("A star, a MOON; a moon?")
    assert read.ids[0, :6].tolist() == [FIRST, FIRST + 1, FIRST, UNKNOWN, FIRST, UNKNOWN]
    assert read.unknown == ("moon",) and not read.ids[0, 6:].any()
