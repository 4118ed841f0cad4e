"""A caption steers noise to a picture in as many steps as the bundle says; what the captions didn't have is doubted."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from edge_runtime.bundle import Golden, Manifest, ModelFile
from edge_runtime.bundle.manifest import Tokenizer
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import Media
from edge_runtime.tasks import task_module, task_names
from edge_runtime.tasks.familiar import BITS, FILE, places
from edge_runtime.tasks.image_flow import (
    MOMENT,
    NAME,
    NOISY,
    NOTHING,
    PICTURE,
    WAY,
    WORDS,
    agrees,
    load,
    moment,
)
from edge_runtime.tasks.text import SCHEME

KNOWN = "a red apple"
MANIFEST = Manifest(
    "painter",
    NAME,
    "1.0.0",
    "",
    {},
    (ModelFile("model", "int8", ()),),
    Golden("golden.json", 1),
    (),
    {"familiar": 0.8},
    {"side": 32, "parts": 500, "steps": 4, "length": 16, "buckets": 64},
    Tokenizer(SCHEME),
)


class Seeing:
    """An engine that says what the picture will be, and keeps what it was given."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.clean = np.full((1, 500), 3, np.float32)
        self.picture = pixels.reshape(1, -1).astype(np.float32) / np.float32(127.5) - 1
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.given.append(inputs)
        return {WAY: self.clean - inputs[NOISY], PICTURE: self.picture}


def pixels() -> np.ndarray:
    return np.random.RandomState(1).randint(0, 256, (32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bundle")
    bits = np.zeros(BITS, np.uint8)
    bits[places(KNOWN, NOTHING)] = 1
    (made / FILE).write_bytes(np.packbits(bits, bitorder="little").tobytes())
    return made


def test_four_steps_lead_from_noise_to_what_the_network_says(folder: Path) -> None:
    engine = Seeing(pixels())
    answer = load(MANIFEST, folder, engine).run({"prompt": KNOWN})  # type: ignore[arg-type]
    assert NAME in task_names() and task_module(NAME).NAME == NAME
    assert len(engine.given) == 4
    for step, given in enumerate(engine.given):
        assert np.array_equal(given[MOMENT], moment(step / 4)) and given[WORDS].shape == (1, 16)
    noise = engine.given[0][NOISY]
    assert abs(noise.mean()) < 0.1 and abs(noise.std() - 1) < 0.1 and noise.shape == (1, 500)
    half = (noise + engine.clean) / 2
    assert np.allclose(engine.given[2][NOISY], half, atol=1e-5)  # half of the steps are half of the way
    picture = cast(Media, answer["picture"])
    shown = np.asarray(Image.open(io.BytesIO(picture.content)))
    assert picture.content_type == "image/png" and np.array_equal(shown, pixels())
    assert answer["unsure"] is False and answer["problem"] is None and answer["familiar"] == 1


def test_the_same_seed_gives_the_same_noise_and_another_one_another(folder: Path) -> None:
    engine = Seeing(pixels())
    painter = load(MANIFEST, folder, engine)  # type: ignore[arg-type]
    starts = []
    for request in ({"prompt": KNOWN}, {"prompt": KNOWN, "seed": 0}, {"text": KNOWN, "seed": 7}):
        painter.run(cast("dict[str, object]", request))
        starts.append(engine.given[-4][NOISY])
    assert np.array_equal(starts[0], starts[1]) and not np.array_equal(starts[0], starts[2])


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [("a red zeppelin", ["zeppelin"]), ("ein roter Apfel", ["ein", "roter", "apfel"]), ("赤いりんご", ["赤いりんご"])],
)
def test_words_that_no_caption_had_make_a_picture_unsure(folder: Path, prompt: str, unknown: list[str]) -> None:
    answer = load(MANIFEST, folder, Seeing(pixels())).run({"prompt": prompt})  # type: ignore[arg-type]
    assert answer["unsure"] is True and answer["unknown"] == unknown and unknown[0] in str(answer["problem"])
    assert isinstance(answer["picture"], Media)


def test_known_words_that_were_never_said_together_are_unsure(folder: Path) -> None:
    answer = load(MANIFEST, folder, Seeing(pixels())).run({"prompt": "apple red apple a"})  # type: ignore[arg-type]
    assert answer["unknown"] == [] and answer["unsure"] is True and "other things" in str(answer["problem"])


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, '"prompt"'),
        ({"prompt": " ... "}, '"prompt"'),
        ({"prompt": 3}, '"prompt"'),
        ({"prompt": "a" * 601}, "601"),
        ({"prompt": KNOWN, "seed": -1}, '"seed"'),
        ({"prompt": KNOWN, "seed": True}, '"seed"'),
        ({"prompt": KNOWN, "steps": 3}, '"steps"'),
    ],
)
def test_a_bad_request_is_told(folder: Path, request_: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        load(MANIFEST, folder, Seeing(pixels())).run(request_)  # type: ignore[arg-type]


def test_what_isnt_a_picture_is_refused(folder: Path) -> None:
    engine = Seeing(pixels())
    engine.picture = engine.picture * np.nan
    with pytest.raises(EngineError, match="usable 'picture'"):
        load(MANIFEST, folder, engine).run({"prompt": KNOWN})  # type: ignore[arg-type]
    engine.clean = engine.clean * np.nan
    with pytest.raises(EngineError, match="usable 'way'"):
        load(MANIFEST, folder, engine).run({"prompt": KNOWN})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"options": {**MANIFEST.options, "side": 1000}}, "side"),
        ({"options": {**MANIFEST.options, "steps": 0}}, "steps"),
        ({"options": {**MANIFEST.options, "parts": 10**6}}, "parts"),
        ({"options": {**MANIFEST.options, "buckets": "many"}}, "buckets"),
        ({"thresholds": {}}, "familiar"),
        ({"tokenizer": None}, "scheme"),
    ],
)
def test_a_bundle_that_lacks_something_is_refused(folder: Path, changed: dict[str, object], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        load(dataclasses.replace(MANIFEST, **changed), folder, Seeing(pixels()))  # type: ignore[arg-type]


def test_pictures_agree_by_their_colours(folder: Path) -> None:
    answers = []
    for picture in (pixels(), np.clip(pixels().astype(int) + 9, 0, 255).astype(np.uint8), pixels() // 3):
        answers.append(load(MANIFEST, folder, Seeing(picture)).run({"prompt": KNOWN}))  # type: ignore[arg-type]
    assert agrees(answers[0], answers[1]) and not agrees(answers[0], answers[2])
    assert not agrees(answers[0], {**answers[1], "unsure": True}) and not agrees(answers[0], {"sketch": "red"})
