"""The table of peers: what is absent is said so, and peers answer the rows that the student answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.peers_known import Peer, lookup, nearest_caption, nearest_pictures, pixel_regression, same_frame
from edge_runtime.media import Media
from edge_runtime.media.pictures import png_of
from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.students.test_image_flow import written
from tests.trainer_host.students.test_vision_heads import dataset_of
from trainer_host.data.captioned import caption_table, import_captions
from trainer_host.data.dataset import Dataset
from trainer_host.data.quality import files_of
from trainer_host.errors import GateRefused
from trainer_host.evaluation.answers import FRAMES, Answered
from trainer_host.training.run import Run
from trainer_host.workspace import Workspace


def answers_of(dataset: Dataset) -> list[Answered]:
    return [
        Answered(dataset.task, row.input, row.output, row.output, 1.0, files_of(dataset, row))
        for row in dataset.rows("heldout")
    ]


def test_an_empty_home_gives_a_table_that_says_what_is_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "table.md"
    peers.main(["--home", str(tmp_path / "home"), "--only", "avatar", "--only", "3d_gen", "--write", str(page)])
    lines = page.read_text().splitlines()
    assert lines[0] == "# Students and their peers"
    assert lines[-1].startswith("Measured on ")
    assert [line.split(" | ")[0] for line in lines[-4:-2]] == ["| avatar", "| 3d_gen"]
    assert all(line.count(peers.ABSENT) == 2 and "no home has a trained one" in line for line in lines[-4:-2])
    assert capsys.readouterr().out.count("\n") == 4


def test_a_row_has_sizes_times_and_scores_of_both() -> None:
    line = peers.Line("robot", "exact", Peer("ours", 12_400, 1.234, 0.9), Peer("theirs", None, 0.5), "note")
    assert peers.markdown([line]).splitlines()[-1] == (
        "| robot | exact | ours | 12 | 1.23 | 90.0 | theirs |  | 0.50 |  | note |"
    )


def test_the_same_frame_again_is_right_where_nothing_changed() -> None:
    frames = [png_of(np.full((64, 64, 3), grey, np.uint8)) for grey in (0, 200)]
    answers = [
        Answered(
            "video_gen",
            {"image": "a.png", "action": "go"},
            {"frame": Media("image/png", after)},
            {},
            0.0,
            {"a.png": frames[0]},
        )
        for after in (frames[0], frames[1])
    ]
    assert same_frame(answers).score == 0.5


@pytest.mark.parametrize("kind", FRAMES)
def test_beside_next_frames_stands_the_frame_before(tmp_path: Path, kind: str) -> None:
    run = Run(
        tmp_path / "home/runs/mine", "mine", "video_gen", "easy", "sha256:0", "person", 3, 20.0, "sha256:1", kind=kind
    )
    found = peers.Found(run, easy_dataset(Workspace(tmp_path / "home"), tmp_path), "")
    frame = Media("image/png", png_of(np.zeros((64, 64, 3), np.uint8)))
    answers = [Answered("video_gen", {"image": "a.png"}, {"frame": frame}, {}, 0.0, {"a.png": frame.content})]
    assert [peer.name for peer in peers.peers_of(found, answers)] == ["the same frame again"]


def test_the_nearest_captions_picture_is_compared_as_the_students_are(tmp_path: Path) -> None:
    table = caption_table(written(tmp_path / "pictures"), {})
    assert table is not None
    captions = import_captions(Workspace(tmp_path / "home"), table, name="shapes", held_out=0.25).dataset
    answers = []
    for row in captions.rows("heldout"):
        own = Media("image/png", (captions.folder / "files" / str(row.output["picture"])).read_bytes())
        answers.append(Answered("image_gen", row.input, {**row.output, "picture": own}, {}, 0.0, {}))
    score = nearest_caption(captions, answers).score
    assert score is not None and 0.5 < score < 1


def test_peers_learn_from_the_same_rows_and_are_scored_by_the_tasks_own_metric(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    pictures = dataset_of(workspace, "stripes", 80)
    answers = answers_of(pictures)
    by_chance = 0.5
    found = [nearest_pictures(pictures, answers), pixel_regression(pictures, answers)]
    assert all(peer.score is not None and peer.ms is not None and peer.bytes for peer in found)
    assert max(peer.score or 0 for peer in found) > by_chance
    texts = easy_dataset(workspace, tmp_path)
    near = lookup(texts, answers_of(texts))
    assert near.score is not None and near.score > by_chance


def test_what_is_trained_longer_has_a_name_of_its_own_and_counts_only_where_the_gate_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "home/runs/mine", "mine", "router", "easy", "sha256:0", "person", 3, 20.0, "sha256:1")
    found = peers.Found(run, easy_dataset(Workspace(tmp_path / "home"), tmp_path), "")
    asked: list[object] = []

    def train(workspace: Workspace, dataset: Dataset, name: str, **given: object) -> tuple[Run, None]:
        asked.append((workspace.home, name, given["seed"], given["seconds"]))
        return replace(run, name=name), None

    def refuse(*given: object) -> None:
        raise GateRefused("outside its limits")

    monkeypatch.setattr(peers, "train_run", train)
    monkeypatch.setattr(peers, "export_run", lambda *given: None)
    monkeypatch.setattr(peers, "gate_run", lambda *given: None)
    assert peers.longer(found, 90.0).run.name == "mine-longer"
    assert asked == [(tmp_path / "home", "mine-longer", 3, 90.0)]
    monkeypatch.setattr(peers, "gate_run", refuse)
    assert peers.longer(found, 90.0) is found
