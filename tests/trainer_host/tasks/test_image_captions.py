from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer_host.media.strictness import assert_strict, refusal
from trainer_host.data.dedup import NearDuplicates
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, TaskSpec, task_spec
from trainer_host.tasks.image_captions import read_caption


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    Image.new("RGB", (1600, 1200), "navy").save(made / "sea.JPG", "JPEG")
    Image.new("RGBA", (100, 50), (255, 0, 0, 255)).save(made / "flag.png")
    (made / "notes.txt").write_text("not a picture")
    return made


@pytest.fixture
def spec(folder: Path) -> TaskSpec:
    return task_spec("image_gen", {"images": str(folder)})


def drawn(spec: TaskSpec, name: str) -> Json:
    return next(d for d in map(spec.draw, map(random.Random, range(40))) if d["picture"] == name)


def test_a_teacher_sees_a_persons_picture_small_and_its_caption_becomes_a_row(spec: TaskSpec) -> None:
    sea = drawn(spec, "sea.JPG")
    prompt = spec.prompt(sea)
    assert Image.open(io.BytesIO(prompt.images[0])).size == (768, 576)
    made = spec.verify(sea, [{"caption": " A picture of the  dark blue sea. "}])
    [(name, content)] = made.files.items()
    assert made.input == {"prompt": "the dark blue sea"} and made.output == {"picture": name} and name.endswith(".jpg")
    assert Image.open(io.BytesIO(content)).size == (256, 192)
    spec.check(made)
    task_spec("image_gen").check(made)  # as a dataset's rows are checked where the folder is gone
    assert spec.group(made) == "the dark blue sea" and spec.render(made) == made.files
    flag = spec.verify(drawn(spec, "flag.png"), [{"caption": "a red flag"}])
    assert str(flag.output["picture"]).endswith(".png")
    assert_strict(spec.answer_schema)


def test_a_judge_sees_the_picture_and_its_caption(spec: TaskSpec) -> None:
    asked = spec.judge(spec.verify(drawn(spec, "flag.png"), [{"caption": "a red flag"}]))
    assert asked is not None and asked.user == "Caption: a red flag"
    assert Image.open(io.BytesIO(asked.images[0])).convert("RGB").getpixel((5, 5)) == (255, 0, 0)


def test_each_picture_is_drawn_once_and_two_that_look_otherwise_may_have_one_caption(
    spec: TaskSpec, folder: Path
) -> None:
    for number in range(9):
        picture = Image.frombytes("L", (64, 64), random.Random(number).randbytes(64 * 64)).resize((256, 256))
        picture.convert("RGB").save(folder / f"{number}.png")
    assert spec.different() == 11
    drawn = [spec.draw_at(5, number) for number in range(12)]
    assert len({str(one["picture"]) for one in drawn}) == 11 and drawn[11] == drawn[0]
    assert drawn != [spec.draw_at(6, number) for number in range(12)]
    known = NearDuplicates()
    noise = [one for one in drawn if str(one["picture"])[0].isdigit()][:2]
    keys = [spec.key(spec.verify(one, [{"caption": "white noise"}])) for one in (*noise, noise[0])]
    assert [known.add(key) for key in keys] == [True, True, False]


@pytest.mark.parametrize(
    ("said", "caption"),
    [
        ("a red car.", "a red car"),
        ('"A photo of a small dog on grass"', "a small dog on grass"),
        ("This image shows two cups", "two cups"),
        ("an illustration of a green tree", "a green tree"),
        ("Caption: a clock", "a clock"),
        ("picture frame made of wood", "picture frame made of wood"),
        ("un coche rojo", "un coche rojo"),
    ],
)
def test_captions_are_kept_without_what_says_that_they_are_captions(said: str, caption: str) -> None:
    assert read_caption(said) == caption


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("...", "no caption"),
        ("An image.", "no caption"),
        ("unknown", "no caption"),
        ("I'm sorry, but I can't help with that", "declined"),
        ("I\u2019m unable to identify people", "declined"),
        ("no image was provided", "declined"),
        (" ".join(["very"] * 15), "too long"),
    ],
)
def test_what_is_no_caption_is_refused(said: str, reason: str) -> None:
    assert refusal(lambda: read_caption(said)).reason == reason


def test_options_and_rows_that_cannot_be_used_are_sentences(spec: TaskSpec) -> None:
    wrong: tuple[tuple[Json, str], ...] = (
        ({"images": "/nowhere/at/all"}, "must be a folder of pictures"),
        ({"images": 7}, "must be a folder"),
        ({"style": "oil"}, "no option 'style'; it has images"),
    )
    for options, said in wrong:
        with pytest.raises(DataError, match=said):
            task_spec("image_gen", options)
    with pytest.raises(DataError, match="name a --provider"):
        spec.built_in(random.Random(1))
    assert refusal(lambda: spec.check(Example({"prompt": "a"}, {"picture": "b.png"}))).reason == "no picture"
    assert refusal(lambda: spec.check(Example({"prompt": "!"}, {"picture": "b.png"}))).reason == "no caption"
