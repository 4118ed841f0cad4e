from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import strict_json
from edge_runtime.games import RULES
from edge_runtime.games.room_planes import room_planes
from edge_runtime.games.rooms import Stand
from tests.trainer_host.conftest import nothing
from trainer_host.compress.files import export_run
from trainer_host.compress.gate import Limits, gate_run, loaded
from trainer_host.data.dataset import Dataset
from trainer_host.errors import DataError
from trainer_host.students import game
from trainer_host.students.game import STUDENT
from trainer_host.students.game_data import read_rows
from trainer_host.students.game_missions import Chooser, any_action, asking, missions
from trainer_host.students.game_model import Shape
from trainer_host.students.game_rooms import other_rooms, ways_through
from trainer_host.tasks import Json
from trainer_host.tasks.game import GAMES, USUAL
from trainer_host.tasks.game_rooms import distances
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

HAS_ROOMS = importlib.util.find_spec("minigrid") is not None
GAMES_TAUGHT = [*USUAL, "babyai"] if HAS_ROOMS else list(USUAL)
LEVEL, UNSEEN = "BabyAI-GoToLocal-v0", range(1 << 31, (1 << 31) + 25)


@pytest.fixture(scope="module", autouse=True)
def _known() -> object:
    """Small networks that practise little, as the real ones take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        small = {"walk": 8, "room_width": 20, "room_walk": 6}
        patch.setattr(game, "Shape", lambda **fields: Shape(**{**small, **fields}))
        patch.setattr("trainer_host.students.game_data.WORLDS", 60)
        patch.setattr("trainer_host.students.game_data.POSITIONS", 300)
        patch.setattr("trainer_host.students.game_rooms.ROOMS", 600)
        patch.setitem(game.MORE_STEPS, "room", 14)
        patch.setitem(game.BATCH, "babyai", 16)
        patch.setitem(game.RATES, "room", 8e-3)
        patch.setattr(game, "PLAYED", 4)
        yield


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Dataset]:
    workspace = Workspace(tmp_path_factory.mktemp("game") / "home")
    options: dict[str, Json] = {"game": {"games": GAMES_TAUGHT}}
    lesson = Lesson("g", ("game",), 240, "built-in", options=options)
    return workspace, give(workspace, lesson, None).taught[0].dataset


@pytest.fixture(scope="module")
def trained(taught: tuple[Workspace, Dataset]) -> tuple[Workspace, Dataset, Run, dict[str, float]]:
    workspace, dataset = taught
    run, report = train_run(workspace, dataset, "g", seed=1, seconds=5.0, on_progress=nothing)
    export_run(run, dataset, nothing)
    return workspace, dataset, run, dict(report.figures)


def test_short_training_beats_the_most_frequent_and_any_legal_action_by_far(
    trained: tuple[Workspace, Dataset, Run, dict[str, float]],
) -> None:
    _, dataset, run, figures = trained
    report = gate_run(run, dataset, limits=Limits(lost_points=5.0))  # a single one of the 48 held-out rows is 2 points
    assert {score.runtime for score in report.scores} >= {"onnxruntime", "ai-edge-litert"}
    for score in report.scores:
        assert score.accuracy >= max(figures["majority_baseline"], figures["legal_random_baseline"]) + 0.25
        assert score.bytes < 300_000 or score.precision == "fp32"
        assert 0 <= score.figures["connect_four_points"] <= 1


def nearest(rows: list[game.Asked]) -> Chooser:
    """The action of the row whose room, mission and pose look most like the state."""

    def seen(stand: Stand) -> np.ndarray:
        pose = np.zeros(16, np.float32)
        pose[[stand.pose.row, 6 + stand.pose.column]] = pose[12 + stand.pose.facing] = 1
        return np.concatenate([room_planes(stand.room).ravel(), 8 * pose])

    known = np.stack([seen(row.position) for row in rows if isinstance(row.position, Stand)])
    best = [row.best[0] for row in rows if isinstance(row.position, Stand)]

    def choose(state: Json) -> str:
        stand = GAMES["babyai"].read(state)
        action = best[int(np.abs(known - seen(stand)).sum(1).argmin())]
        legal = RULES["babyai"].legal(stand)
        return action if action in legal else legal[0]

    return choose


@pytest.mark.skipif(not HAS_ROOMS, reason="the extra babyai isn't installed")
def test_missions_of_unseen_rooms_are_done_more_often_than_by_chance_and_by_the_nearest_row(
    trained: tuple[Workspace, Dataset, Run, dict[str, float]],
) -> None:
    from trainer_host.compress.files import exported

    _, dataset, run, _ = trained
    rows = read_rows(dataset.folder, "train")
    item = next(item for item in exported(run) if item.file == "model.int8.onnx")
    with loaded(run, STUDENT, item, "onnxruntime") as specialist:
        own = missions(LEVEL, UNSEEN, asking(specialist)).done
    assert own >= missions(LEVEL, UNSEEN, any_action(random.Random(1))).done + 0.15
    assert own >= missions(LEVEL, UNSEEN, nearest(rows)).done + 0.15


@pytest.mark.skipif(not HAS_ROOMS, reason="the extra babyai isn't installed")
def test_a_mission_ends_by_what_it_asks_for(trained: tuple[Workspace, Dataset, Run, dict[str, float]]) -> None:
    from trainer_host.compress.files import exported

    _, _, run, _ = trained
    right: dict[bool, list[bool]] = {True: [], False: []}
    item = next(item for item in exported(run) if item.file == "model.int8.onnx")
    with loaded(run, STUDENT, item, "onnxruntime") as specialist:
        for room in other_rooms(60, random.Random(5)):
            pose = next(pose for pose, steps in distances(room).items() if steps == 1)
            answer = specialist.run({"text": RULES["babyai"].text(Stand(room, pose))})
            right[room.mission.fetch].append(answer["action"] == ("pickup" if room.mission.fetch else "done"))
    assert all(sum(ends) >= 0.8 * len(ends) >= 16 for ends in right.values())


@pytest.mark.skipif(not HAS_ROOMS, reason="the extra babyai isn't installed")
def test_ways_pass_each_distance_once() -> None:
    room = next(other_rooms(1, random.Random(3)))
    far, ways = distances(room), ways_through(room)
    assert sum(ways.values()) == pytest.approx(sum(far.values()))  # a way from each pose, through one at each distance
    ends = [ways[pose] for pose, steps in far.items() if steps == 1]
    assert sum(ends) == pytest.approx(len(far)) and min(ends) == max(ends) == max(ways.values())


def test_a_golden_request_is_a_state_or_a_text_and_is_answered(
    trained: tuple[Workspace, Dataset, Run, dict[str, float]],
) -> None:
    from trainer_host.compress.files import exported

    _, dataset, run, _ = trained
    requests = STUDENT.golden(run.folder, dataset.folder, 20)
    assert requests == STUDENT.golden(run.folder, dataset.folder, 20) and len(requests) == 20
    assert {frozenset(request) for request in requests} == {frozenset({"game", "state"}), frozenset({"text"})}
    item = next(item for item in exported(run) if item.file == "model.int8.onnx")
    with loaded(run, STUDENT, item, "onnxruntime") as specialist:
        assert all(specialist.run(request)["action"] for request in requests)


def test_the_same_seed_gives_the_same_bytes_and_self_play_others(
    trained: tuple[Workspace, Dataset, Run, dict[str, float]],
) -> None:
    workspace, dataset, _, _ = trained

    def weights(name: str, games: int) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("trainer_host.students.game_rooms.ROOMS", 30)
            patch.setattr("trainer_host.students.game_self_play.AT_ONCE", 4)
            patch.setattr("trainer_host.students.game_self_play.MATCH", 1)
            patch.setattr("trainer_host.students.game_self_play.points", lambda *players: 0.5)
            patch.setattr("trainer_host.students.game_self_play.STEPS", {"tic_tac_toe": 2, "connect_four": 2})
            patch.setattr("trainer_host.students.game_self_play.EXAMINED", {"tic_tac_toe": 60, "connect_four": 60})
            patch.setattr(game, "MIN_STEPS", 3)
            settings = {"self_play": games} if games else None
            run, _ = train_run(workspace, dataset, name, seed=2, seconds=0.5, on_progress=nothing, settings=settings)
        return run.weights

    played = weights("a", 8)
    assert weights("b", 8) == played != weights("c", 0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"self_play": -1}, "from 0 to 50,000"),
        ({"self_play": 10**9}, "from 0 to 50,000"),
        ({"self_play": True}, "from 0 to 50,000"),
        ({"self_play": "many"}, "from 0 to 50,000"),
        ({"size": "tiny"}, "leave out --size"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    taught: tuple[Workspace, Dataset], settings: dict[str, object], sentence: str
) -> None:
    workspace, dataset = taught
    with pytest.raises(DataError, match=sentence):
        train_run(workspace, dataset, "e", seed=1, seconds=None, on_progress=nothing, settings=settings)


def test_too_few_rows_too_few_seconds_and_a_curriculum_are_refused(
    taught: tuple[Workspace, Dataset], tmp_path: Path
) -> None:
    workspace, dataset = taught
    with pytest.raises(DataError, match="allow at least"):
        train_run(workspace, dataset, "e", seed=1, seconds=1.0, on_progress=nothing)
    with pytest.raises(DataError, match="leave out --curriculum"):
        train_run(workspace, dataset, "e", seed=1, seconds=None, on_progress=nothing, curriculum=True)
    other = Workspace(tmp_path / "home")
    few = give(other, Lesson("f", ("game",), 30, "built-in"), None).taught[0].dataset
    with pytest.raises(DataError, match="at least 60"):
        train_run(other, few, "f", seed=1, seconds=None, on_progress=nothing)


def test_a_damaged_config_is_one_sentence(tmp_path: Path) -> None:
    for text in (b"{", strict_json.dumps({"unsure": 0.5})):
        (tmp_path / "config.json").write_bytes(text)
        with pytest.raises(DataError, match="damaged; train again"):
            game.load_config(tmp_path)
