from __future__ import annotations

import io
import random
from collections import Counter
from pathlib import Path
from typing import cast

import fastjsonschema
import pytest
from PIL import Image

from edge_runtime.media.scene import Shape, read_scene
from tests.trainer_host.media.strictness import assert_prompts_are_short, assert_strict, refusal
from trainer_host.data.build import build_dataset
from trainer_host.data.dedup import NearDuplicates
from trainer_host.data.labelled import SpecRows
from trainer_host.errors import DataError
from trainer_host.media.picture_questions import (
    ASKS,
    KINDS,
    kept_for_examination,
    kind_of,
    questions,
    scene_of,
    unseen,
)
from trainer_host.tasks import HELD_OUT, Example, Json, task_spec
from trainer_host.tasks.phrases import Grouped
from trainer_host.tasks.vision_questions import UNSEEN, plain
from trainer_host.workspace import Workspace

SPEC = task_spec("vision", {"questions": True})
DRAWN = SPEC.draw(random.Random(3))


def png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(out, "PNG")
    return out.getvalue()


def test_answers_are_what_the_scene_shows() -> None:
    rng = random.Random(7)
    asked: Counter[str] = Counter()
    for number in range(150):
        scene = scene_of(rng, number % 2 == 0).scene
        for question in questions(rng, scene):
            asked[question.asks] += 1
            assert question.answer == _looked_up(question.text, scene.shapes, scene.background)
            assert all(place < len(scene.shapes) for which in question.about for place in which or ())
    assert set(asked) == set(ASKS) and min(asked.values()) >= 30


def _looked_up(text: str, shapes: tuple[Shape, ...], background: str) -> str:
    """The answer, read from the question's words once more, without what wrote them."""
    said = text.lower().strip("?.").replace("color", "colour").split()
    things = [word.removesuffix("s") for word in said]
    if "background" in said:
        return background
    biggest = max(shapes, key=lambda shape: shape.width)
    if "biggest" in said or "largest" in said:
        return biggest.colour if "colour" in said else kind_of(biggest)
    if said[0] in ("which", "what") and not set(things) & set(KINDS):
        return next(kind_of(shape) for shape in shapes if shape.colour in said)
    if "colour" in said:
        return next(shape.colour for shape in shapes if kind_of(shape) in said)
    half = next((at for at, word in enumerate(said) if word in ("than", "of", "above", "below")), len(said))
    one, other = (
        [
            shape
            for shape in shapes
            if all(word == shape.colour for word in part if word in _COLOURS)
            and all(word == kind_of(shape) for word in part if word in KINDS)
        ]
        for part in (things[:half], things[half:])
    )
    if said[0] in ("how", "count"):
        return str(len(one))
    if "more" in said:
        return _yes(len(one) > len(other))
    if "than" in said:
        return _yes(one[0].width > other[0].width)
    if "left" in said or "right" in said:
        return _yes((one[0].x < other[0].x) == ("left" in said))
    if "above" in said or "below" in said:
        return _yes((one[0].y < other[0].y) == ("above" in said))
    return _yes(bool(one))


_COLOURS = frozenset("red yellow green blue purple white".split())  # noqa: SIM905


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def test_no_picture_to_learn_from_shows_a_combination_that_is_examined(tmp_path: Path) -> None:
    reader = SpecRows(SPEC, Path())
    rows = []
    for number in range(160):
        example = SPEC.built_in(random.Random(number))
        assert isinstance(example, Grouped)
        row = reader.take(example)
        assert (UNSEEN in example.meta) <= (example.group == HELD_OUT)
        rows.append(row)
    made = build_dataset(
        Workspace(tmp_path), "d", "vision", rows, teacher="built-in", seed=1, held_out=0.1, params={}, figures={}, finish=reader.finish
    )  # fmt: skip
    held, train = list(made.rows("heldout")), list(made.rows("train"))
    examined = {row.row.input["image"] for row in rows if row.group == HELD_OUT}
    assert {row.input["image"] for row in held} >= examined and len(examined) >= 10
    assert not {row.input["image"] for row in train} & {row.input["image"] for row in held}
    assert len(list((made.folder / "files").iterdir())) < 160  # questions share pictures


def test_every_number_is_examined_in_combinations_that_were_not_learnt() -> None:
    kept = {
        count: sum(kept_for_examination(colour, kind, count) for colour in _COLOURS for kind in KINDS)
        for count in range(1, 6)
    }
    assert min(kept.values()) >= 3 and sum(kept.values()) <= 120 / 3
    rng = random.Random(2)
    assert not any(unseen(scene_of(rng, False).scene) for _ in range(50))
    assert all(unseen(scene_of(rng, True).scene) for _ in range(50))


def test_two_answers_must_agree_and_be_right_where_the_picture_was_drawn() -> None:
    right = str(DRAWN["answer"])
    made = SPEC.verify(DRAWN, [{"answer": right.title()}, {"answer": f"{right}."}])
    assert made.output == {"answer": right} and made.input["question"] == DRAWN["question"]
    SPEC.check(made)
    assert isinstance(made, Grouped) == unseen(read_scene(DRAWN["scene"], film=False))
    assert SPEC.group(made) == (HELD_OUT if isinstance(made, Grouped) else made.input["image"])
    assert refusal(lambda: SPEC.verify(DRAWN, [{"answer": right}, {"answer": "seven"}])).reason == "answers differ"
    wrong: Json = {"answer": "a dog"}
    assert refusal(lambda: SPEC.verify(DRAWN, [wrong, wrong])).reason == "wrong answer"
    assert SPEC.samples == 2 and SPEC.prompt(DRAWN).images[0] == made.files[str(made.input["image"])]


def test_a_teacher_is_asked_a_persons_questions_about_a_persons_pictures(tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        (tmp_path / f"{colour}.png").write_bytes(png(colour))
    asked = ["Is the door open?", "How many cups are there?"]
    spec = task_spec("vision", {"questions": asked, "images": str(tmp_path)})
    drawn = [spec.draw(random.Random(number)) for number in range(20)]
    assert {one["question"] for one in drawn} == set(asked) and len({one["picture"] for one in drawn}) == 2
    made = spec.verify(drawn[0], [{"answer": "Two"}, {"answer": "2"}])
    assert made.output == {"answer": "2"} and spec.score(made.output, {"answer": "two."}) == 1
    assert spec.group(made) == made.input["image"]
    with pytest.raises(DataError, match="leave out the option images"):
        spec.built_in(random.Random(1))
    (tmp_path / str(drawn[0]["picture"])).write_bytes(png("green"))
    with pytest.raises(DataError, match="leave the folder as it is"):
        spec.prompt(drawn[0])
    general = task_spec("vision", {"questions": True, "images": str(tmp_path)})
    assert len({general.draw(random.Random(number))["question"] for number in range(40)}) >= 5


def test_schemas_are_strict_and_prompts_short() -> None:
    assert_strict(SPEC.answer_schema)
    assert_prompts_are_short(SPEC)
    example = SPEC.built_in(random.Random(1))
    fastjsonschema.compile(SPEC.example_schema)({"input": example.input, "output": example.output})


def test_other_questions_about_a_picture_are_no_repetition() -> None:
    def key(question: str) -> str:
        return SPEC.key(Example({"image": "a.png", "question": question}, {"answer": "yes"}))

    index = NearDuplicates()
    assert index.add(key("Is there a red circle to the left of the blue square in it?"))
    assert index.add(key("Is there a red circle to the left of the blue star in it?"))
    assert not index.add(key("is there a red circle to the left of the blue star in it"))


def test_rows_of_questions_are_checked_and_scored_by_the_plain_task_too() -> None:
    spec, example = task_spec("vision"), SPEC.built_in(random.Random(4))
    spec.check(example)
    assert spec.key(example) == SPEC.key(example) and spec.render(example) == {} and spec.stratum(example) is None
    assert spec.score({"answer": "3"}, {"answer": "three"}) == 1 and spec.score({"answer": "3"}, {}) == 0
    for changes, reason in (
        ({"question": " "}, "wrong form"),
        ({"question": "?!"}, "question"),
        ({"question": "why " * 30}, "question"),
        ({"image": "b.png"}, "no picture"),
    ):
        bad = Example({**example.input, **changes}, example.output, example.files)
        assert refusal(lambda bad=bad: spec.check(bad)).reason == reason  # type: ignore[misc]
    assert refusal(lambda: spec.check(Example(example.input, {"answer": "x" * 61}, example.files)))


def test_answers_are_compared_as_they_are_meant() -> None:
    for written, meant in (("A Red Circle.", "red circle"), ("three", "3"), ("the", "the"), ("Yes!", "yes"), ("two of them", "two of them")):  # fmt: skip
        assert plain(written) == meant


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"questions": True, "labels": ["circle"]}, "no labels"),
        ({"questions": True, "whole": True}, "no labels"),
        ({"questions": "how many?"}, "true, or a list"),
        ({"questions": []}, "true, or a list"),
        ({"questions": ["How many?"]}, "name a folder"),
        ({"questions": ["?"], "images": "."}, "is empty"),
    ],
)
def test_bad_options_are_one_sentence(options: Json, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        task_spec("vision", cast(Json, options))
