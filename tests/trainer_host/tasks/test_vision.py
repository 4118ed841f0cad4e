from __future__ import annotations

import io
import itertools
import logging
import math
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import fastjsonschema
import pytest
from PIL import Image

from tests.trainer_host.media.scenes import json_shape
from tests.trainer_host.media.strictness import (
    assert_draws_vary,
    assert_prompts_are_short,
    assert_strict,
    nested,
    quick_and_small,
    refusal,
)
from trainer_host.errors import DataError
from trainer_host.media.scatter import KINDS
from trainer_host.tasks import Example, Json, task_spec
from trainer_host.tasks.vision_pictures import picture_name

SPEC = task_spec("vision")
DRAWN: Json = {
    "light": "dim",
    "noise": "light",
    "seed": 7,
    "scene": {
        "width": 200,
        "height": 200,
        "background": "white",
        "shapes": [
            json_shape("circle", "red", 0.25, 0.25, 0.3),
            json_shape("circle", "blue", 0.75, 0.25, 0.2),
            json_shape("star", "green", 0.5, 0.75, 0.4),
        ],
    },
}


def seen(label: str, *box: float) -> Json:
    return {"label": label, "box": list(box)}


RED, BLUE, STAR = (
    seen("circle", 0.1, 0.1, 0.4, 0.4),
    seen("circle", 0.65, 0.15, 0.85, 0.35),
    seen("star", 0.3, 0.55, 0.7, 0.95),
)
RIGHT: Json = {"objects": [RED, BLUE, STAR]}
# What one of the two answers is, and why both must be refused; then what both are, and why.
ONE_WRONG: list[tuple[object, str]] = [
    ([RED, BLUE], "answers differ"),
    ([RED, BLUE, STAR, seen("circle", 0.0, 0.7, 0.2, 0.9)], "answers differ"),
    ([RED, BLUE, {**STAR, "label": "triangle"}], "answers differ"),
    ([RED, BLUE, seen("star", 0.5, 0.55, 0.9, 0.95)], "answers differ"),
    ([], "answers differ"),
]
BOTH_WRONG: list[tuple[object, str]] = [
    ([RED, BLUE], "missed objects"),
    ([], "missed objects"),
    ([RED, BLUE, STAR, seen("circle", 0.0, 0.7, 0.2, 0.9)], "not there"),
    ([RED, BLUE, {**STAR, "label": "triangle"}], "not there"),
    ([RED, BLUE, seen("star", 0.5, 0.55, 0.9, 0.95)], "not there"),
    ([RED, BLUE, seen("star", 0.0, 0.0, 1.0, 1.0)], "not there"),
    ([RED, RED, BLUE, STAR], "named twice"),
    ([RED, BLUE, {**STAR, "label": "flower"}], "unknown label"),
    ([RED, BLUE, {**STAR, "label": "Star"}], "unknown label"),
    ([RED, BLUE, seen("star", 60, 110, 140, 190)], "out of range"),
    ([RED, BLUE, seen("star", 0.7, 0.55, 0.3, 0.95)], "out of range"),
    ([RED, BLUE, seen("star", 0.3, 0.55, 0.3, 0.95)], "out of range"),
    ([RED, BLUE, seen("star", 0.3, 0.55, math.nan, 0.95)], "out of range"),
    ([RED, BLUE, seen("star", 0.3, 0.55, 0.7)], "wrong form"),
    ([RED, BLUE, {**STAR, "box": "0.3 0.55 0.7 0.95"}], "wrong form"),
    ([RED, BLUE, {**STAR, "sure": 0.9}], "wrong form"),
    ([RED] * 10**6, "too much"),
    (nested(10_000), "wrong form"),
    (None, "wrong form"),
]


def test_two_right_answers_pass_and_the_example_has_the_true_boxes() -> None:
    near = [seen(str(o["label"]), *(side + 0.02 for side in cast("list[float]", o["box"]))) for o in (STAR, RED, BLUE)]
    example = SPEC.verify(DRAWN, [RIGHT, {"objects": near}])
    SPEC.check(example)
    found = cast("list[Json]", example.output["objects"])
    for made, wanted in zip(found, (RED, BLUE, STAR), strict=True):
        assert made["label"] == wanted["label"]
        assert made["box"] == pytest.approx(wanted["box"], abs=0.04)
    [(name, content)] = example.files.items()
    assert example.input == {"image": name} and name.endswith(".png")
    assert content == SPEC.prompt(DRAWN).images[0]


@pytest.mark.parametrize(("objects", "reason"), ONE_WRONG)
def test_answers_that_differ_are_refused(objects: object, reason: str) -> None:
    answer = {"objects": objects}
    for answers in ([RIGHT, answer], [answer, RIGHT]):
        assert refusal(lambda answers=answers: SPEC.verify(DRAWN, answers)).reason == reason


@pytest.mark.parametrize(("objects", "reason"), BOTH_WRONG)
def test_answers_that_agree_on_what_is_not_there_are_refused(objects: object, reason: str) -> None:
    with quick_and_small():
        assert refusal(lambda: SPEC.verify(DRAWN, [{"objects": objects}] * 2)).reason == reason


def test_100_built_in_examples_pass_and_look_different() -> None:
    validate = fastjsonschema.compile(SPEC.example_schema)
    keys = []
    for seed in range(100):
        example = SPEC.built_in(random.Random(seed))
        SPEC.check(example)
        validate({"input": example.input, "output": example.output})
        keys.append(SPEC.key(example))
    assert len(set(keys)) == 100


def test_keys_of_like_pictures_share_most_words() -> None:
    examples = [SPEC.built_in(random.Random(seed)) for seed in range(21)]

    def shared(one: str, two: str) -> float:
        a, b = set(one.split()), set(two.split())
        return len(a & b) / len(a | b)

    near, far = [], []
    for example, other in itertools.pairwise(examples):
        [content] = example.files.values()
        picture = Image.open(io.BytesIO(content))
        out = io.BytesIO()
        picture.resize((picture.width * 2, picture.height * 2)).save(out, "JPEG", quality=60)
        alike = Example({"image": "photo.jpg"}, example.output, {"photo.jpg": out.getvalue()})
        near.append(shared(SPEC.key(example), SPEC.key(alike)))
        far.append(shared(SPEC.key(example), SPEC.key(other)))
    assert min(near) > max(far)
    assert sum(near) / 20 > 0.7 and sum(far) / 20 < 0.3


def folder_of(path: Path) -> Path:
    """A person's pictures: a photo, a drawing, a note and a broken file."""
    folder = path / "pictures"
    folder.mkdir()
    Image.new("RGB", (1600, 1200), "navy").save(folder / "holiday.JPG", "JPEG")
    Image.new("RGBA", (100, 50), (255, 0, 0, 128)).save(folder / "drawing.png")
    (folder / "notes.txt").write_text("not a picture")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    return folder


def test_a_persons_own_pictures_are_sent_small_and_answers_are_averaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = folder_of(tmp_path)
    spec = task_spec("vision", {"images": str(folder), "labels": ["boat", "tree"]})
    with caplog.at_level(logging.WARNING):
        drawn = [spec.draw(random.Random(seed)) for seed in range(30)]
    assert {d["picture"] for d in drawn} == {"holiday.JPG", "drawing.png"}
    assert "broken.png is left out" in caplog.text
    photo = next(d for d in drawn if d["picture"] == "holiday.JPG")
    assert set(photo) == {"picture", "sha256"}
    prompt = spec.prompt(photo)
    assert Image.open(io.BytesIO(prompt.images[0])).size == (768, 576)
    assert "boat, tree" in prompt.system
    one, two = {"objects": [seen("boat", 0.1, 0.1, 0.5, 0.5)]}, {"objects": [seen("boat", 0.1, 0.2, 0.5, 0.5)]}
    example = spec.verify(photo, [one, two])
    spec.check(example)
    assert example.output == {"objects": [seen("boat", 0.1, 0.15, 0.5, 0.5)]}
    assert refusal(lambda: spec.verify(photo, [RIGHT, RIGHT])).reason == "unknown label"
    assert spec.verify(photo, [{"objects": []}] * 2).output == {"objects": []}
    with pytest.raises(DataError, match="leave out the option images"):
        spec.built_in(random.Random(1))


def test_without_labels_a_teacher_names_what_it_sees(tmp_path: Path) -> None:
    spec = task_spec("vision", {"images": str(folder_of(tmp_path))})
    drawn = spec.draw(random.Random(1))
    answer = {"objects": [seen("sailing boat", 0.1, 0.1, 0.5, 0.5)]}
    assert spec.verify(drawn, [answer, answer]).output == answer
    assert_strict(spec.answer_schema)


def test_a_picture_that_changed_since_it_was_drawn_is_noticed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    spec = task_spec("vision", {"images": str(folder)})
    drawn = spec.draw(random.Random(1))
    path = folder / str(drawn["picture"])
    path.write_bytes(b"other")
    assert refusal(lambda: spec.verify(drawn, [RIGHT, RIGHT])).reason == "picture changed"
    path.unlink()
    assert refusal(lambda: spec.verify(drawn, [RIGHT, RIGHT])).reason == "unreadable picture"
    with pytest.raises(DataError, match="leave the folder as it is"):
        spec.prompt(drawn)


def test_a_folder_without_pictures_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no PNG or JPEG picture"):
        task_spec("vision", {"images": str(tmp_path)}).draw(random.Random(1))


def test_a_persons_example_is_checked() -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "green").save(out, "JPEG")
    good = Example({"image": "lawn.jpg"}, {"objects": [seen("lawn", 0, 0, 1, 1)]}, {"lawn.jpg": out.getvalue()})
    SPEC.check(good)
    strict = task_spec("vision", {"labels": ["circle"]})
    assert refusal(lambda: strict.check(good)).reason == "unknown label"
    for files, output, reason in [
        ({}, good.output, "no picture"),
        ({"lawn.jpg": b"GIF89a"}, good.output, "unreadable picture"),
        (good.files, {"objects": [seen("lawn", 0, 0, 64, 64)]}, "out of range"),
        (good.files, {}, "wrong form"),
        (good.files, {"objects": [], "note": ""}, "wrong form"),
    ]:
        wrong = Example(good.input, output, files)
        assert refusal(lambda wrong=wrong: SPEC.check(wrong)).reason == reason


def test_the_score_is_f1() -> None:
    assert SPEC.score(RIGHT, RIGHT) == 1
    told = [{**box, "confidence": 0.9} for box in RIGHT["objects"]]  # as a device answers
    assert SPEC.score(RIGHT, {"objects": told, "unsure": False}) == 1
    assert SPEC.score(RIGHT, {"objects": [RED, STAR]}) == pytest.approx(0.8)
    assert SPEC.score(RIGHT, {"objects": [RED, BLUE, {**STAR, "label": "circle"}]}) == pytest.approx(2 / 3)
    for nothing in ({}, {"objects": None}, {"objects": [{**RED, "box": [9, 9, 9, 9]}]}, {"objects": nested(5000)}):
        assert SPEC.score(RIGHT, nothing) == 0


def test_draws_vary_and_prompts_are_short_and_strict() -> None:
    assert SPEC.samples == 2
    assert_draws_vary(SPEC)
    assert_prompts_are_short(SPEC)
    assert_strict(SPEC.answer_schema)
    drawn = [SPEC.draw(random.Random(seed)) for seed in range(100)]
    for attribute in ("light", "noise"):
        assert len({str(d[attribute]) for d in drawn}) == 3
    labels = {str(o["label"]) for seed in range(60) for o in _objects(SPEC.built_in(random.Random(seed)))}
    assert labels == set(KINDS)


def _objects(example: Example) -> list[Json]:
    return cast("list[Json]", example.output["objects"])


def test_labels_of_drawn_pictures_choose_what_is_drawn() -> None:
    spec = task_spec("vision", {"labels": ["star", "square"]})
    labels = {str(o["label"]) for seed in range(20) for o in _objects(spec.built_in(random.Random(seed)))}
    assert labels == {"star", "square"}


def test_the_rendered_file_is_the_picture_with_its_boxes() -> None:
    example = SPEC.built_in(random.Random(5))
    [(name, content)] = SPEC.render(example).items()
    [plain] = example.files.values()
    assert name.endswith(".png")
    marked, bare = Image.open(io.BytesIO(content)).convert("RGB"), Image.open(io.BytesIO(plain)).convert("RGB")
    assert marked.size == bare.size and marked.tobytes() != bare.tobytes()
    assert SPEC.render(Example(example.input, example.output)) == {}


def test_verifying_runs_in_another_process() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        example = pool.submit(SPEC.verify, DRAWN, [RIGHT, RIGHT]).result(120)
    assert example == pickle.loads(pickle.dumps(SPEC)).verify(DRAWN, [RIGHT, RIGHT])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 3}, "no option 'size'"),
        ({"images": "/nowhere/at/all"}, "must be a folder"),
        ({"images": 7}, "must be a folder"),
        ({"labels": []}, "list of 1 to 100"),
        ({"labels": "cat"}, "list of 1 to 100"),
        ({"labels": ["x"] * 101}, "list of 1 to 100"),
        ({"labels": [""]}, "1 to 40 characters"),
        ({"labels": ["a\nb"]}, "1 to 40 characters"),
        ({"labels": ["star", "star "]}, "twice"),
        ({"labels": ["cat"]}, "Drawn pictures have no 'cat'"),
    ],
)
def test_options_that_cannot_be_are_a_sentence(options: Json, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        task_spec("vision", options)


def test_whole_pictures_have_one_label_and_their_share_of_both_sides() -> None:
    spec = task_spec("vision", {"whole": True, "labels": ["star", "circle", "oval"]})
    for seed in range(30):
        example = spec.built_in(random.Random(seed))
        spec.check(example)
        [item] = cast("list[Json]", example.output["objects"])
        assert item["box"] == [0, 0, 1, 1] and spec.stratum(example) == item["label"]
    drawn = spec.draw(random.Random(5))
    label = cast("list[Json]", spec.built_in(random.Random(5)).output["objects"])[0]["label"]
    right = {"objects": [seen(str(label), 0, 0, 1, 1)]}
    assert spec.verify(drawn, [right, right]).output == right
    part = {"objects": [seen(str(label), 0.2, 0.2, 0.9, 0.9)]}
    assert refusal(lambda: spec.verify(drawn, [part, part])).reason == "not one label"
    assert "0, 0, 1, 1" in spec.prompt(drawn).system
    with pytest.raises(DataError, match="true or false"):
        task_spec("vision", {"whole": "yes"})


def test_names_of_pictures_look_like_no_number_that_a_scrubber_replaces() -> None:
    from trainer_host.data.dataset import Row
    from trainer_host.data.pii import Scrubber

    scrub = Scrubber()
    for number in range(1200):
        row = Row({"image": picture_name(str(number).encode())}, {"objects": []})
        assert scrub.row(row) == row
