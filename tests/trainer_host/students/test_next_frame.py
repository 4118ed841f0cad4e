"""A network learns from frames and actions what comes next, in worlds that are drawn of cells that recur."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge_runtime.media import Media
from edge_runtime.media.pictures import png_of
from edge_runtime.tasks import Specialist, task_module
from tests.trainer_host.conftest import nothing
from trainer_host.compress.gate import draft_manifest
from trainer_host.data.build import build_dataset
from trainer_host.data.check import checker_for
from trainer_host.data.dataset import Dataset, Row
from trainer_host.data.labelled import Labelled
from trainer_host.errors import DataError
from trainer_host.students import GraphStudent, student_for, student_of
from trainer_host.students import next_frame as frame_student
from trainer_host.students.next_frame import known_cells
from trainer_host.tasks import Example, Rejected, next_frames, task_spec
from trainer_host.tasks.next_frames import frame_of, key, leaving, right_cells
from trainer_host.tasks.vision_pictures import picture_name
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

from .torch_engine import TorchEngine

STUDENT = cast(GraphStudent, student_for("video_gen", "frames"))
SIDE = 4
STEPS = {"up": (-1, 0), "down": (1, 0), "west": (0, -1), "east": (0, 1)}


def drawn(place: tuple[int, int], wall: tuple[int, int]) -> bytes:
    """A red thing and a wall on a ground of SIDE by SIDE cells, as PNG."""
    pixels = np.full((SIDE, SIDE, 8, 8, 3), 30, np.uint8)
    pixels[wall] = 200
    pixels[place][2:6, 2:6] = (220, 0, 0)
    return png_of(pixels.transpose(0, 2, 1, 3, 4).reshape(SIDE * 8, SIDE * 8, 3))


def moved(place: tuple[int, int], wall: tuple[int, int], action: str) -> tuple[int, int]:
    ahead = place[0] + STEPS[action][0], place[1] + STEPS[action][1]
    return ahead if ahead != wall and all(0 <= at < SIDE for at in ahead) else place


def dataset_in(workspace: Workspace) -> Dataset:
    """All places, walls and actions of that world."""
    rows, files = [], {}
    squares = [(row, column) for row in range(SIDE) for column in range(SIDE)]
    for place in squares:
        for wall in squares:
            for action in STEPS if wall != place else ():
                pair = drawn(place, wall), drawn(moved(place, wall, action), wall)
                names = [picture_name(content) for content in pair]
                files |= dict(zip(names, pair, strict=True))
                row = Row({"image": names[0], "action": action}, {"frame": names[1]})
                rows.append(Labelled(row, f"{action} {names[0]}", names[1], action))

    def finish(folder: Path) -> None:
        (folder / "files").mkdir()
        for name, content in files.items():
            (folder / "files" / name).write_bytes(content)

    return build_dataset(
        workspace, "rooms", "video_gen", rows, teacher="built-in", seed=1, held_out=0.2,
        params={"options": {"frames": "minigrid"}}, figures={}, finish=finish,
    )  # fmt: skip


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dataset, Run]]:
    workspace = Workspace(tmp_path_factory.mktemp("frames") / "home")
    dataset = dataset_in(workspace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_student, "MAX_STEPS", 300)
        run, _ = train_run(workspace, dataset, "rooms", seed=1, seconds=60, on_progress=nothing)
        yield dataset, run


def specialist_of(run: Run, folder: Path) -> Specialist:
    for name, path in STUDENT.assets(run.folder).items():
        (folder / name).write_bytes(path.read_bytes())
    return task_module("video_gen").load(draft_manifest(run, STUDENT), folder, TorchEngine(run))  # type: ignore[arg-type]


def test_unseen_frames_are_right_where_the_frame_before_is_not(taught: tuple[Dataset, Run], tmp_path: Path) -> None:
    dataset, run = taught
    assert (dataset.kind, run.kind) == ("frames", "frames") and student_of(run) is STUDENT
    found = STUDENT.evaluate(run.folder, dataset.folder, specialist_of(run, tmp_path), None)
    assert found["accuracy"] >= 0.9 > 0.6 >= found["same"] and found["moved"] >= 0.9
    assert found["sure"] >= 0.8 and found["right_of_sure"] >= found["accuracy"]


def test_a_film_of_actions_follows_the_world(taught: tuple[Dataset, Run], tmp_path: Path) -> None:
    _, run = taught
    actions, place, wall = ["east", "east", "down", "west"], (1, 0), (3, 3)
    asked = {"image": Media("image/png", drawn(place, wall)), "actions": actions}
    answer = specialist_of(run, tmp_path).run(asked)
    for action in actions:
        place = moved(place, wall, action)
    last = specialist_of(run, tmp_path).run({**asked, "actions": actions[:-1]})
    assert answer["frames"] == 4 and cast("list[object]", answer["changes"])[:3] == last["changes"]
    whole = cast(Media, specialist_of(run, tmp_path).run({"image": Media("image/png", drawn((1, 2), wall)), "action": "down"})["film"])  # fmt: skip
    assert right_cells(drawn((2, 2), wall), whole.content).all()


def test_its_rows_are_checked(taught: tuple[Dataset, Run]) -> None:
    dataset, _ = taught
    check, row = checker_for(dataset), next(dataset.rows("train"))
    assert check(row) is None
    assert "isn't there" in str(check(Row(row.input, {"frame": "gone.png"})))
    assert "action" in str(check(Row({"image": row.input["image"]}, row.output)))


def test_calibration_and_golden_requests_are_of_the_rows(taught: tuple[Dataset, Run]) -> None:
    dataset, run = taught
    rows = list(STUDENT.calibration(run.folder, dataset.folder, 5))
    _, examples, names = STUDENT.module(run.folder)
    assert len(rows) == 5
    assert all(row[name].shape == tuple(one.shape) for row in rows for name, one in zip(names.inputs, examples, strict=True))  # fmt: skip
    assert len(STUDENT.golden(run.folder, dataset.folder, 3)) == 3


def test_pictures_without_recurring_cells_are_refused() -> None:
    noise = np.random.RandomState(1).randint(0, 256, (20, 64, 64, 3)).astype(np.uint8)
    with pytest.raises(DataError, match="cells that recur"):
        known_cells(list(noise))
    with pytest.raises(DataError, match="one size"):
        known_cells([noise[0], noise[0][:32]])
    with pytest.raises(DataError, match="multiples of 8"):
        known_cells([noise[0][:60]])


def test_minigrid_gives_the_rows_of_its_own_rooms() -> None:
    pytest.importorskip("minigrid")
    spec = task_spec("video_gen", {"frames": "minigrid"})
    made: list[Example] = []
    for seed in range(12):
        try:
            made.append(spec.built_in(random.Random(seed)))
        except Rejected as cause:
            assert cause.reason == "outside"
    for example in made:
        spec.check(example)
        frame = Media("image/png", example.files[str(example.output["frame"])])
        assert spec.score({"frame": frame}, {"film": frame}) == 1 and spec.stratum(example) in next_frames.ACTIONS
    assert len({key(example) for example in made}) == len(made) >= 10
    again = spec.built_in(random.Random(0))
    assert again.files == spec.built_in(random.Random(0)).files
    for options in ({"frames": "pong"}, {"frames": "minigrid", "more": 1}):
        with pytest.raises(DataError, match="minigrid"):
            task_spec("video_gen", options)
    with pytest.raises(DataError, match="no model"):
        spec.draw(random.Random(1))


def test_a_judge_reads_the_room_off_its_frame() -> None:
    pytest.importorskip("minigrid")
    from benchmarks.next_frames import agent, board_in, board_of
    from edge_runtime.media.pictures import read_picture

    rng = random.Random(3)
    for level in next_frames.LEVELS:
        env = next_frames.begun(level, 5)
        for _ in range(12):
            seen = board_in(np.asarray(read_picture(frame_of(env), 64)))
            assert seen == board_of(env) and agent(seen) is not None
            if leaving(env) or next_frames.stepped(env, next_frames.chosen(rng)):
                break
        env.close()
