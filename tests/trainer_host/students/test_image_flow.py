"""A network learns from captioned pictures to make pictures of new captions; a table of them is imported whole or told of."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from edge_runtime.media import Media
from edge_runtime.tasks import image_flow, image_gen
from tests.trainer_host.conftest import nothing
from trainer_host.cli import main
from trainer_host.compress.gate import draft_manifest, limits_of
from trainer_host.data.captioned import caption_table, import_captions
from trainer_host.data.dataset import Dataset
from trainer_host.errors import DataError
from trainer_host.evaluation import answers
from trainer_host.evaluation.show import show
from trainer_host.students import GraphStudent, image_flow_fit, image_flow_net, student_for
from trainer_host.students import image_flow as flow_student
from trainer_host.students.image_flow import caption_of, ids_of, load_config, pixels_in
from trainer_host.students.image_flow_fit import fit, parts_of, remember
from trainer_host.students.image_flow_net import FlowNet, Shape
from trainer_host.training.run import Run, train_run
from trainer_host.training.steps import Steps
from trainer_host.workspace import Workspace

from .torch_engine import TorchEngine

COLOURS = ("red", "green", "blue", "orange", "purple", "black", "gray", "cyan", "brown", "yellow")
FORMS = ("disc", "square", "bar", "ring", "corner", "pole")
STUDENT = cast(GraphStudent, student_for("image_gen", "captions"))


def written(folder: Path) -> Path:
    """A folder of pictures of all colours and forms, with a table of captions and some lines that can't be read."""
    folder.mkdir()
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as table:
        lines = csv.writer(table)
        lines.writerow(["Picture", "Caption", "Group"])
        for number, (colour, form) in enumerate(itertools.product(COLOURS, FORMS)):
            picture = Image.new("RGB", (48, 48), "white")
            pen = ImageDraw.Draw(picture)
            match form:
                case "disc":
                    pen.ellipse((6, 6, 42, 42), fill=colour)
                case "square":
                    pen.rectangle((8, 8, 40, 40), fill=colour)
                case "bar":
                    pen.rectangle((2, 18, 46, 30), fill=colour)
                case "ring":
                    pen.ellipse((4, 4, 44, 44), outline=colour, width=8)
                case "corner":
                    pen.rectangle((0, 0, 22, 22), fill=colour)
                case _:
                    pen.rectangle((18, 2, 30, 46), fill=colour)
            picture.save(folder / f"{number}.png")
            lines.writerow([f"{number}.png", f"a {colour} {form}", form])
        lines.writerow(["nowhere.png", "a lost thing", ""])
        lines.writerow(["0.png", "...", ""])
        lines.writerow(["0.png", "a red disc", "disc"])
        (folder / "torn.png").write_bytes((folder / "0.png").read_bytes()[:60])
        lines.writerow(["torn.png", "a torn one", ""])
    return folder


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dataset, Run]]:
    folder = tmp_path_factory.mktemp("flow")
    workspace = Workspace(folder / "home")
    table = caption_table(written(folder / "pictures"), {})
    assert table is not None
    made = import_captions(workspace, table, name="shapes", held_out=0.25)
    settings: dict[str, object] = {"size": "nano", "side": 32}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(image_flow_net.SIZES, "nano", (24, 64, 32))  # seconds of learning in place of a minute
        patch.setattr(flow_student, "MAX_STEPS", 400)
        run, _ = train_run(
            workspace, made.dataset, "shapes", seed=1, seconds=60, on_progress=nothing, settings=settings
        )
        yield made.dataset, run


def test_a_table_of_captions_is_imported_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    folder = written(tmp_path / "pictures")
    made = import_captions(Workspace(tmp_path / "home"), folder / "captions.csv", name="shapes")
    assert (made.dataset.task, made.dataset.kind) == ("image_gen", "captions")
    assert sum(made.dataset.counts.values()) == 60 and made.pictures == 60
    told = {"picture not found": (1, 62), "no caption": (1, 63), "picture damaged, too small or too large": (1, 65)}
    assert made.refused == told and made.duplicates == 1
    rows = [row for split in ("train", "heldout") for row in made.dataset.rows(split)]
    assert {row.output["group"] for row in rows} == set(FORMS)
    assert pixels_in(made.dataset.folder, rows[:2], 32).shape == (2, 32, 32, 3)


def test_the_command_imports_a_folder_of_captions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "pictures")
    home = ["--home", str(tmp_path / "home")]
    assert main([*home, "data", "import", str(folder)]) == 0
    said = capsys.readouterr()
    assert (
        "48 captions to train, 12 held out, of 60 pictures" in said.out and "enigma train --data pictures" in said.out
    )
    assert "1 row was left out: picture not found (the first in line 62)" in said.out + said.err
    assert main([*home, "data", "import", str(tmp_path), "--task", "image_gen"]) != 0
    assert "columns picture and caption" in capsys.readouterr().err
    assert main([*home, "data", "import", str(folder), "--scrub"]) != 0


def test_what_is_no_table_of_captions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("picture,question,answer\n")
    assert caption_table(tmp_path, {}) is None
    with pytest.raises(DataError, match="columns picture and caption"):
        import_captions(Workspace(tmp_path / "home"), tmp_path / "a.csv", name="a")
    (tmp_path / "b.csv").write_text("picture,caption\nx.png,a red disc\n")
    with pytest.raises(DataError, match="1 picture not found, the first in line 2"):
        import_captions(Workspace(tmp_path / "home"), tmp_path / "b.csv", name="b")
    (tmp_path / "c.csv").write_text("file,prompt\n")
    (tmp_path / "other.csv").write_text("photo,what\n")
    assert caption_table(tmp_path / "other.csv", {}) is None
    assert caption_table(tmp_path / "other.csv", {"picture": "photo", "caption": "what"}) == tmp_path / "other.csv"
    with pytest.raises(DataError, match="2 tables of captions"):
        caption_table(tmp_path, {})


def test_pictures_of_new_captions_are_nearer_to_their_own_than_to_others(
    taught: tuple[Dataset, Run], tmp_path: Path
) -> None:
    dataset, run = taught
    for name, path in STUDENT.assets(run.folder).items():
        (tmp_path / name).write_bytes(path.read_bytes())
    painter = image_gen.load(draft_manifest(run, STUDENT), tmp_path, TorchEngine(run))  # type: ignore[arg-type]
    found = STUDENT.evaluate(run.folder, dataset.folder, painter, None)
    assert found["accuracy"] >= 0.7 and found["rows"] == dataset.counts["heldout"]  # 0.5 by chance
    golden = STUDENT.golden(run.folder, dataset.folder, 3)
    assert golden == [{"prompt": caption_of(row)} for row in list(dataset.rows("heldout"))[:3]]
    first, second = (painter.run(golden[0]) for _ in range(2))
    assert cast(Media, first["picture"]).content == cast(Media, second["picture"]).content
    assert painter.run({"prompt": "ein roter Kreis"})["unsure"] is True


def test_its_page_shows_made_pictures_beside_those_of_the_captions(
    taught: tuple[Dataset, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, run = taught
    for name, path in STUDENT.assets(run.folder).items():
        (tmp_path / name).write_bytes(path.read_bytes())
    painter = image_gen.load(draft_manifest(run, STUDENT), tmp_path, TorchEngine(run))  # type: ignore[arg-type]
    monkeypatch.setattr(answers, "exported", lambda run: [])
    monkeypatch.setattr(answers, "smallest", lambda items: SimpleNamespace(file="int8", runtimes=["torch"], bytes=1))
    monkeypatch.setattr(answers, "loaded", lambda *given: nullcontext(painter))
    examined = answers.examine(run, dataset, 6, nothing)
    assert np.mean([item.score for item in examined.answers]) > 0.5  # by chance
    page = show(run, examined)
    asked = [caption_of(row) for row in dataset.rows("heldout")]
    assert sum(caption in page for caption in asked) == 6
    assert page.count("data:image/png;base64,") == 2 * page.count("<tr><td><b>image_gen</b>") >= 12


def test_calibration_covers_all_moments_that_a_device_asks_for(taught: tuple[Dataset, Run]) -> None:
    dataset, run = taught
    rows = list(STUDENT.calibration(run.folder, dataset.folder, 8))
    assert len(rows) == 8 and len({row[image_flow.MOMENT].tobytes() for row in rows}) == 4
    _, examples, names = STUDENT.module(run.folder)
    assert names.inputs == [image_flow.NOISY, image_flow.MOMENT, image_flow.WORDS]
    for row in rows:
        assert [row[name].shape for name in names.inputs] == [tuple(example.shape) for example in examples]
    assert limits_of(STUDENT).p50_ms == 2000


def test_the_same_seed_learns_the_same() -> None:
    pictures = np.random.RandomState(1).uniform(-1, 1, (8, 32 * 32 * 3)).astype(np.float32)
    ids = ids_of([f"a {colour} disc" for colour in COLOURS[:8]])
    shape = Shape(32, "nano")
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(
            fit(FlowNet(shape), parts_of(pictures, shape.parts), ids, 2, 3, lambda step, loss: None, Steps(None))
        )
    assert all(torch.equal(a, b) for a, b in zip(made[0].parameters(), made[1].parameters(), strict=True))


def test_a_caption_is_given_the_pictures_of_those_like_it_and_never_its_own() -> None:
    captions = [f"{size} {colour} disc" for colour in COLOURS for size in ("small", "large")]
    ids, net = ids_of(captions), FlowNet(Shape(32, "nano", len(captions)))
    shares = torch.eye(len(captions), net.begin.in_features)
    near = remember(net, ids, shares)
    assert not near.diagonal()[: len(captions)].any()
    assert near[0].argmax() == 1 and near[1].argmax() == 0  # the other one of its colour, which is the rarer word
    asked = net.memory(ids_of(["a red disc"]))[0]
    assert set(asked.topk(2).indices.tolist()) == {0, 1} and float(asked.sum()) == pytest.approx(1, abs=1e-3)


def test_pictures_are_sums_of_their_parts() -> None:
    pictures = np.random.RandomState(2).uniform(-1, 1, (9, 48)).astype(np.float32)
    found = parts_of(pictures, 12)
    assert np.allclose(found.shares @ found.parts + found.mean, pictures, atol=1e-4)
    assert np.allclose(found.shares[:, :8].var(0), 1, atol=1e-4) and not found.shares[:, 8:].any()
    assert found.counts.sum() == pytest.approx(12) and not found.counts[8:].any()


def test_many_pictures_are_sums_of_the_parts_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.RandomState(2)
    pictures = (draw.standard_normal((500, 6)) @ draw.uniform(-1, 1, (6, 48))).astype(np.float32)
    monkeypatch.setattr(image_flow_fit, "_MOST_COMPARED", 100)
    found = parts_of(pictures, 12)
    assert np.allclose(found.shares @ found.parts + found.mean, pictures, atol=1e-3)
    assert np.allclose(found.shares[:, :6].var(0), 1, atol=0.5) and not found.shares[:, 7:].any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"size": "huge"}, "no size 'huge'"), ({"side": 40}, "32, 64, 96"), ({"context": 3}, "no --context")],
)
def test_settings_that_it_hasnt_are_told(
    taught: tuple[Dataset, Run], tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    dataset, run = taught
    with pytest.raises(DataError, match=said):
        STUDENT.train(dataset.folder, tmp_path, seed=1, seconds=1, on_progress=nothing, settings=settings)
    assert load_config(run.folder).side == 32
    with pytest.raises(DataError, match="damaged"):
        load_config(tmp_path)
