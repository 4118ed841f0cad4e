"""`enigma teach --task image_gen --images`: a seeing provider captions a person's pictures, and compares them again."""

from __future__ import annotations

import base64
import colorsys
import io
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from PIL import Image, ImageDraw

from tests.trainer_host.teacher.fake_api import Asked, FakeApi
from tests.trainer_host.teacher.served import Served
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset
from trainer_host.teacher.protocol import Json
from trainer_host.workspace import Workspace

SHAPES = ("disc", "box")
HUES = ("red", "orange", "lime", "teal", "blue", "purple")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(48):
        picture = Image.new("RGB", (64, 64), "white")
        pen = ImageDraw.Draw(picture)
        place = (8 + number % 5, 8 + number % 7, 48 + number % 11, 48 + number % 13)
        hue = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(number % 6 / 6, 1, 1))
        (pen.ellipse if number % 2 else pen.rectangle)(place, fill=hue)
        picture.save(folder / f"{number:02d}.png")
    (folder / "torn.png").write_bytes((folder / "00.png").read_bytes()[:90])
    return folder


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    api = FakeApi(answer=seen)
    served = Served(api)
    monkeypatch.setenv("ENIGMA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_BASE_URL", f"{api.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdefghijklmnop")
    try:
        yield api
    finally:
        served.stop()


def caption_of(asked: Asked) -> str:
    """What the picture in a request shows."""
    messages = cast("list[Json]", asked.body["messages"])
    parts = next(cast("list[Json]", message["content"]) for message in messages if message["role"] == "user")
    url = next(str(cast(Json, part["image_url"])["url"]) for part in parts if part["type"] == "image_url")
    picture = Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGB")
    red, green, blue = (value / 255 for value in cast("tuple[int, int, int]", picture.getpixel((30, 30))))
    hue = round(colorsys.rgb_to_hsv(red, green, blue)[0] * 6) % 6
    corner = cast("tuple[int, int, int]", picture.getpixel((14, 16)))
    return f"a {HUES[hue]} {SHAPES[min(corner) < 128]} on white"


def seen(asked: Asked) -> Json | str:
    """A provider that is wrong about purple things, declines about teal ones, and is strict as a judge."""
    right = caption_of(asked)
    if "level" in cast(Json, (asked.schema or {}).get("properties")):
        return {"reason": "compared", "level": 5 if f"Caption: {right}" in asked.text else 2}
    if "teal" in right:
        return {"caption": "I'm sorry, I can't describe that"}
    return {"caption": right.replace("purple", "brown")}


def test_captions_of_a_persons_pictures_that_a_second_look_confirms_become_rows(
    provider: FakeApi, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["teach", "--task", "image_gen", "--images", str(pictures), "--examples", "48", "--provider", "openai", "--price", "1,4"]  # fmt: skip
    assert main([*order, "--estimate", "--sample", "4"]) == 0
    estimated = len(provider.asked)
    assert estimated >= 8 and "requests for 48 examples" in capsys.readouterr().out
    assert main([*order, "--estimate", "--sample", "0"]) == 0
    assert len(provider.asked) == estimated
    assert "96 requests for 48 examples" in capsys.readouterr().out  # captions, and a look at each
    assert main([*order, "--estimate", "--sample", "0", "--no-judge"]) == 0
    assert "48 requests for 48 examples" in capsys.readouterr().out
    assert main([*order, "--budget", "0.02", "--concurrency", "2"]) == 1
    assert "enigma teach --resume" in capsys.readouterr().err
    assert main(["teach", "--resume", "--budget", "5", "--price", "1,4"]) == 0
    said = capsys.readouterr().out
    assert "declined" in said and "judged poor" in said and "enigma train --task image_gen" in said
    again = sum(count - 1 for count in provider.by_body.values())
    assert again <= 2  # those that the end of the budget caught on their way
    assert "49 draws gave" in said and "all that the pictures give" in said

    made = open_dataset(Workspace(tmp_path / "home").data / "openai-image-gen")
    rows = [*made.rows("train"), *made.rows("heldout")]
    assert len(rows) >= 24 and {row.meta["judge"] for row in rows} == {5}
    assert {str(row.input["prompt"]) for row in rows} <= {
        f"a {hue} {shape} on white" for hue in HUES for shape in SHAPES
    }
    assert not any(word in str(row.input["prompt"]) for row in rows for word in ("teal", "purple", "brown"))
    assert {row.input["prompt"] for row in made.rows("train")}.isdisjoint(
        row.input["prompt"] for row in made.rows("heldout")
    )
    for picture in pictures.iterdir():
        picture.unlink()
    pictures.rmdir()
    assert main(["data", "check", "openai-image-gen", "--against", "openai-image-gen"]) in (0, 1)
    assert main(["data", "filter", "openai-image-gen", "--to", "good", "--least", "0.3"]) == 0
