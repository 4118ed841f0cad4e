from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.avatar.gestures import joints_of
from edge_runtime.avatar.vocabulary import eyes_of, face_of, strength
from tests.edge_runtime.avatar.rigs import RIGS, KnownRig
from tests.trainer_host.conftest import nothing
from trainer_host.compress.files import exported
from trainer_host.compress.gate import gate_run, loaded
from trainer_host.data.dataset import Dataset
from trainer_host.errors import DataError
from trainer_host.students import student_for
from trainer_host.students.avatar import STUDENT
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace


def taught(workspace: Workspace, examples: int) -> Dataset:
    return give(workspace, Lesson("a", ("avatar",), examples, "built-in"), None).taught[0].dataset


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Dataset, Run, dict[str, float]]:
    from trainer_host.compress.files import export_run

    workspace = Workspace(tmp_path_factory.mktemp("avatar") / "home")
    dataset = taught(workspace, 2000)
    run, report = train_run(workspace, dataset, "avatar", seed=1, seconds=None, on_progress=nothing)
    export_run(run, dataset, nothing)
    return workspace, dataset, run, dict(report.figures)


def test_commands_in_frames_never_heard_are_understood(
    trained: tuple[Workspace, Dataset, Run, dict[str, float]],
) -> None:
    _, dataset, run, figures = trained
    item = next(item for item in exported(run) if item.file == "model.int8.onnx")
    with loaded(run, student_for("avatar"), item, "onnxruntime") as specialist:
        found = STUDENT.evaluate(run.folder, dataset.folder, specialist, None)
        answer = specialist.run({"text": "please look up and clap your hands slowly"})
    assert found["accuracy"] >= 0.9 > figures["naive_bayes_baseline"] > figures["majority_baseline"]
    assert (answer["gesture"], answer["gaze"], answer["timing"]) == ("clap", "up", "slow")


def test_200_commands_are_done_on_three_rigs_with_unlike_names(
    trained: tuple[Workspace, Dataset, Run, dict[str, float]],
) -> None:
    """Row S057: the right bones and expressions of each rig, known here by hand, and no joint beyond its limits."""
    _, dataset, run, _ = trained
    rows = dataset.rows("heldout")
    wanted = [(str(row.input["text"]), row.output) for row in rows][:200]
    assert len(wanted) == 200
    item = next(item for item in exported(run) if item.file == "model.int8.onnx")
    with loaded(run, student_for("avatar"), item, "onnxruntime") as specialist:
        for make in RIGS.values():
            known = make()
            request = known.request()
            right = 0
            for text, output in wanted:
                answer = specialist.run({"text": text, "rig": request})
                within_limits(answer, request)
                right += all(answer[head] == output[head] for head in ("emotion", "gesture", "gaze")) and obeyed(
                    known, answer, output
                )
            assert right / len(wanted) >= 0.9


def within_limits(answer: dict[str, object], request: dict[str, object]) -> None:
    limits = {bone["name"]: bone["limits"] for bone in request["bones"] if isinstance(bone, dict)}  # type: ignore[attr-defined]
    for frame in answer["motion"]:  # type: ignore[attr-defined]
        for name, turn in frame["bones"].items():
            for axis, (low, high) in limits[name].items():
                assert low <= turn[axis] <= high


def obeyed(known: KnownRig, answer: dict[str, object], output: dict[str, object]) -> bool:
    """The bones that move, and the expressions with their weights, by the tables that were written by hand."""
    joints = set(joints_of(str(output["gesture"]), str(output["gaze"])))
    moved = {name for frame in answer["motion"] for name in frame["bones"]}  # type: ignore[attr-defined]
    emotion, intensity = str(output["emotion"]), str(answer["intensity"])
    face = {} if emotion in known.faces else face_of(emotion, intensity)
    done = {
        **face,
        **{shape: max(value, face.get(shape, 0.0)) for shape, value in eyes_of(str(output["gaze"])).items()},
    }
    expected = {name: max(done.get(shape, 0.0) for shape in shapes) for name, shapes in known.movements.items()}
    if emotion in known.faces:
        expected[known.faces[emotion]] = strength(intensity)
    bones = {name for name, joint in known.bones.items() if joint in joints}
    return moved == bones and answer["expressions"] == {name: value for name, value in expected.items() if value}


def test_the_gate_takes_it_in_both_runtimes(trained: tuple[Workspace, Dataset, Run, dict[str, float]]) -> None:
    _, dataset, run, _ = trained
    report = gate_run(run, dataset, rows=None, on_step=nothing)
    assert {score.runtime for score in report.scores} >= {"onnxruntime", "ai-edge-litert"}


def test_the_same_seed_gives_the_same_bytes_with_and_without_a_curriculum(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    dataset = taught(workspace, 200)

    def weights(name: str, curriculum: bool) -> str:
        seconds = 3.3 if curriculum else 1.1  # the least of each
        run, _ = train_run(
            workspace, dataset, name, seed=2, seconds=seconds, on_progress=nothing, curriculum=curriculum
        )
        return run.weights

    plain, eased = weights("a", False), weights("b", True)
    assert plain != eased
    assert (weights("c", False), weights("d", True)) == (plain, eased)


def test_too_few_rows_are_refused_with_their_number(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    with pytest.raises(DataError, match="an avatar needs at least 40"):
        train_run(workspace, taught(workspace, 30), "few", seed=1, seconds=None, on_progress=nothing)
