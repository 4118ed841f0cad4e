from __future__ import annotations

import io
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from trainer_host.data.check import checker_for
from trainer_host.data.dataset import SPLITS
from trainer_host.data.pictures import import_pictures
from trainer_host.errors import DataError
from trainer_host.students.vision_data import is_whole, labels_of, seen_rows
from trainer_host.workspace import Workspace


def drawing(seed: int, kind: str) -> Image.Image:
    """A disc or a bar of any size and colour, anywhere on a ground that gets brighter to one side."""
    rng = random.Random(f"{kind}{seed}")
    ramp = np.linspace(rng.randrange(60), rng.randrange(80, 160), 64)
    picture = Image.fromarray(np.tile(ramp[None, :, None], (64, 1, 3)).astype(np.uint8))
    colour = tuple(rng.randrange(170, 256) for _ in range(3))
    x, y, size = rng.randrange(8, 30), rng.randrange(8, 30), rng.randrange(14, 26)
    pen = ImageDraw.Draw(picture)
    if kind == "disc":
        pen.ellipse((x, y, x + size, y + size), fill=colour)
    else:
        pen.rectangle((x, y, x + size, y + size // 4), fill=colour)
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """24 discs and 24 bars."""
    made = tmp_path / "mine"
    for kind in ("disc", "bar"):
        (made / kind).mkdir(parents=True)
        for seed in range(24):
            drawing(seed, kind).save(made / kind / f"{seed:02}.png")
    return made


def test_folders_become_labels_of_whole_pictures_on_both_sides(folder: Path, workspace: Workspace) -> None:
    found = import_pictures(workspace, folder, name="mine")
    assert found.counts == {"bar": 24, "disc": 24} and not found.refused
    assert found.dataset.counts["train"] + found.dataset.counts["heldout"] == 48
    for split in SPLITS:
        rows = seen_rows(found.dataset.folder, split)
        assert is_whole(rows) and labels_of(rows) == ("bar", "disc")
    check = checker_for(found.dataset)
    assert [check(row) for row in found.dataset.rows("train")] == [None] * found.dataset.counts["train"]


def test_what_cannot_be_read_is_counted_by_its_reason(folder: Path, workspace: Workspace) -> None:
    (folder / "disc" / "torn.png").write_bytes((folder / "disc" / "01.png").read_bytes()[:80])
    (folder / "disc" / "empty.jpg").write_bytes(b"")
    (folder / "disc" / "notes.txt").write_text("buy milk")
    (folder / "disc" / "film.gif").write_bytes(b"GIF89a")
    Image.new("RGB", (1, 1)).save(folder / "bar" / "dot.png")
    Image.new("L", (9000, 9000)).save(folder / "bar" / "map.png")
    drawing(99, "bar").save(folder / "lost.png")
    (folder / "bar" / "inner").mkdir()
    drawing(98, "bar").save(folder / "bar" / "inner" / "deep.png")
    found = import_pictures(workspace, folder, name="mine")
    assert found.refused == {
        "damaged, or not a picture": 2,
        "neither a picture nor a film": 2,
        "not in a label's folder": 1,
        "too many pixels": 1,
        "too small": 1,
    }
    assert found.counts == {"bar": 25, "disc": 24}
    assert found.first["neither a picture nor a film"] == "disc/film.gif"
    assert found.first["too small"] == "bar/dot.png"


def test_of_the_same_picture_saved_again_one_is_kept(folder: Path, workspace: Workspace) -> None:
    first = Image.open(folder / "disc" / "03.png")
    first.save(folder / "disc" / "x-again.png", compress_level=1)
    first.save(folder / "disc" / "x-photo.jpg", quality=80)
    first.resize((180, 180), Image.Resampling.BICUBIC).save(folder / "disc" / "x-large.png")
    found = import_pictures(workspace, folder, name="mine")
    assert found.duplicates == 3 and found.counts == {"bar": 24, "disc": 24}


def test_one_picture_under_two_labels_is_pointed_out_and_left_out(folder: Path, workspace: Workspace) -> None:
    Image.open(folder / "disc" / "05.png").save(folder / "bar" / "z.png", compress_level=1)
    found = import_pictures(workspace, folder, name="mine")
    [doubt] = found.doubts
    assert (doubt.file, doubt.label, doubt.like) == ("disc/05.png", "disc", "bar")
    assert doubt.why == "the same as bar/z.png; neither was taken"
    assert found.counts == {"bar": 24, "disc": 23}
    (folder / "oval").mkdir()
    Image.open(folder / "disc" / "06.png").save(folder / "oval" / "only.png")
    with pytest.raises(DataError, match=r"too few have 'oval' \(0\) \(left out: 4 in two labels' folders\)"):
        import_pictures(workspace, folder, name="mine")


def test_pipes_and_links_that_lead_nowhere_or_back_hold_nothing_up(folder: Path, workspace: Workspace) -> None:
    os.mkfifo(folder / "disc" / "pipe.png")
    os.mkfifo(folder / "disc" / "pipe.mp4")
    (folder / "disc" / "gone.png").symlink_to("nowhere.png")
    (folder / "again").symlink_to(folder)
    (folder / "above").symlink_to("..")
    found = import_pictures(workspace, folder, name="mine")
    assert found.counts == {"bar": 24, "disc": 24} and found.refused == {"file can't be opened": 3}


def test_a_picture_among_the_wrong_ones_is_pointed_out_and_kept(tmp_path: Path, workspace: Workspace) -> None:
    rng = np.random.default_rng(1)
    for label, low in (("dark left", 0), ("dark right", 1)):
        (tmp_path / "mine" / label).mkdir(parents=True)
        for number in range(25):
            ramp = np.linspace(20, 220, 32)[:: 1 - 2 * low]
            if label == "dark left" and number == 7:
                ramp = ramp[::-1]
            noisy = np.clip(np.tile(ramp, (32, 1)) + rng.normal(0, 25, (32, 32)), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / "mine" / label / f"{number:02}.png")
    found = import_pictures(workspace, tmp_path / "mine", name="mine", sheet=tmp_path / "sheet.png")
    assert [(doubt.file, doubt.like) for doubt in found.doubts] == [("dark left/07.png", "dark right")]
    assert sum(found.counts.values()) == 50
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert (sheet == (255, 0, 0)).all(2).any()  # framed in red


def test_wrong_labels_beside_each_other_are_pointed_out_and_labels_that_look_alike_are_not(
    tmp_path: Path, workspace: Workspace
) -> None:
    rng = np.random.default_rng(2)

    def write(label: str, name: str, down: float, across: float) -> None:
        (tmp_path / "mine" / label).mkdir(parents=True, exist_ok=True)
        ramp = np.linspace(-1, 1, 32)
        shade = 120 + 70 * (down * ramp[:, None] + across * ramp[None]) + rng.normal(0, 6, (32, 32))
        Image.fromarray(np.clip(shade, 0, 255).astype(np.uint8)).save(tmp_path / "mine" / label / f"{name}.png")

    for number in range(12):
        write("down", f"{number:02}", 1, 0)
        write("across", f"{number:02}", 0, 1)
        write("up", f"{number:02}", -1, 0)
    write("across", "wrong", 1, 0.08)
    write("up", "wrong", 1, 0.08)  # each is the other's nearest
    for number in range(5):
        write("rare", f"{number:02}", -1, 0.01 * number)  # looks like "up", all of it
    found = import_pictures(workspace, tmp_path / "mine", name="mine")
    assert {(doubt.file, doubt.like) for doubt in found.doubts} == {
        ("across/wrong.png", "down"),
        ("up/wrong.png", "down"),
    }


def test_photos_lose_what_the_camera_wrote_into_them(folder: Path, workspace: Workspace) -> None:
    exif = Image.Exif()
    exif[0x010E] = "home of Ann"
    drawing(77, "bar").resize((600, 400)).save(folder / "bar" / "photo.jpg", exif=exif, quality=95)
    found = import_pictures(workspace, folder, name="mine")
    files = {row.meta["file"]: str(row.input["image"]) for split in SPLITS for row in found.dataset.rows(split)}
    content = (found.dataset.folder / "files" / files["bar/photo.jpg"]).read_bytes()
    assert b"home of Ann" not in content
    assert Image.open(io.BytesIO(content)).size == (256, 171)


@pytest.mark.parametrize("case", ["missing", "flat", "one label", "few", "too long"])
def test_a_folder_that_teaches_nothing_is_one_sentence(case: str, folder: Path, workspace: Workspace) -> None:
    wanted = {
        "missing": "can't be read",
        "flat": "one folder for each label",
        "one label": "two folders or more",
        "few": "Each label needs 5",
        "too long": "can't be a label",
    }[case]
    given = folder
    if case == "missing":
        given = folder / "nowhere"
    elif case == "flat":
        given = folder / "disc"
    elif case == "one label":
        (folder / "bar").rename(folder.parent / "bar")
    elif case == "few":
        (folder / "oval").mkdir()
        drawing(55, "disc").save(folder / "oval" / "1.png")
    else:
        (folder / "bar").rename(folder / ("b" * 41))
    with pytest.raises(DataError, match=wanted):
        import_pictures(workspace, given, name="mine")
    assert not (workspace.data / "mine").exists()


def test_the_same_folder_gives_the_same_dataset(folder: Path, tmp_path: Path) -> None:
    one, two = (import_pictures(Workspace(tmp_path / name), folder, name="mine") for name in ("a", "b"))
    assert one.dataset.content == two.dataset.content


def test_one_short_film_of_a_label_is_enough(tmp_path: Path, workspace: Workspace) -> None:
    cv2 = pytest.importorskip("cv2")
    for kind in ("disc", "bar"):
        (tmp_path / kind).mkdir()
        film = cv2.VideoWriter(str(tmp_path / kind / "turn.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 4.0, (64, 64))
        for seed in range(36 if kind == "bar" else 200):
            film.write(np.asarray(drawing(seed, kind))[:, :, ::-1].copy())
        film.release()
    found = import_pictures(workspace, tmp_path, name="mine", held_out=0.25)
    seconds = {
        split: {float(at.split(", ")[1].split()[0]) for row in found.dataset.rows(split) if (at := str(row.meta["file"])).startswith("bar")}
        for split in SPLITS
    }  # fmt: skip
    held = seconds["heldout"]
    assert held and seconds["train"] and max(held) - min(held) < 2, "a stretch of a fifth of the nine seconds"


def test_films_give_pictures_whose_neighbours_examine_nothing(tmp_path: Path, workspace: Workspace) -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    for kind in ("disc", "bar"):
        (tmp_path / kind).mkdir()
        film = cv2.VideoWriter(str(tmp_path / kind / "turn.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 4.0, (64, 64))
        for seed in range(200):  # 50 seconds, of which every other picture is taken
            film.write(np.asarray(drawing(seed, kind))[:, :, ::-1] // 2 + rng.integers(0, 9, (64, 64, 3), np.uint8))
        film.release()
    (tmp_path / "bar" / "torn.mp4").write_bytes(b"no film")
    found = import_pictures(workspace, tmp_path, name="mine", held_out=0.25)
    assert all(80 < count <= 100 for count in found.counts.values()), "each half second, but for pictures that repeat"
    assert found.refused == {"damaged, or not a film": 1}
    for kind in ("disc", "bar"):
        sides = {
            split: {
                float(str(row.meta["file"]).split(", ")[1].split()[0]) // 10
                for row in found.dataset.rows(split)
                if str(row.meta["file"]).startswith(f"{kind}/turn.avi")
            }
            for split in SPLITS
        }
        assert sides["train"] | sides["heldout"] == {0, 1, 2, 3, 4}
        assert sides["heldout"] and not sides["train"] & sides["heldout"], "ten seconds stand on one side"
