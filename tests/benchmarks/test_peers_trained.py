"""Students of the table of peers are trained from nothing, and the small model beside those that write is read fairly."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import peers_trained
from benchmarks.peers_language import WRITES, small_model
from benchmarks.peers_trained import DIGITS, RECIPES, train_missing
from tests.trainer_host.samples import easy_dataset
from trainer_host.cli import build_parser
from trainer_host.errors import TrainerError
from trainer_host.evaluation.answers import Answered
from trainer_host.tasks import TASKS, task_spec
from trainer_host.workspace import Workspace


def test_every_task_has_a_recipe_of_commands_that_exist() -> None:
    made = {words[words.index("--task") + 1] for recipe in RECIPES if "--task" in (words := recipe.data)}
    assert made == set(TASKS)
    for recipe in RECIPES:
        for words in (recipe.data, ("train", "--data", recipe.dataset, "--name", recipe.run, *recipe.train)):
            if words:
                build_parser().parse_args(words)
    assert len({recipe.run for recipe in RECIPES}) == len(RECIPES)


def test_what_is_there_is_not_made_again_and_what_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "home")
    asked: list[tuple[str, ...]] = []

    def enigma(home: Workspace, *words: str) -> bool:
        asked.append(words)
        if words[:2] == ("teach", "--task"):
            easy_dataset(home, tmp_path)
        return words != ("gate", "solid")

    monkeypatch.setattr(peers_trained, "_enigma", enigma)
    monkeypatch.setattr(peers_trained, "_passed", lambda home, name: name == "avatar")
    monkeypatch.setattr(peers_trained, "digits", lambda home, folder: None)
    failed = train_missing(workspace, ("avatar", "solid", DIGITS, "route"))
    assert failed == [
        f"{DIGITS}: its rows couldn't be made.",
        "solid: it couldn't be trained, or the gate refused it.",
    ]
    assert [words[0] for words in asked] == ["teach", "train", "export", "gate"] * 2
    assert asked[0][2] == "3d_gen" and asked[4][2] == "router"


def test_code_is_taken_out_of_its_fence_and_gets_its_first_line() -> None:
    _, read = WRITES["code"]
    given = {"prompt": "Add one.", "signature": "def more(n: int) -> int:"}
    whole = "def more(n: int) -> int:\n    return n + 1\n"
    assert read(given, f"Sure:\n```python\n{whole}```\nIt adds one.") == {"code": whole}
    assert read(given, whole) == {"code": whole}
    assert read(given, "return n + 1") == {"code": "def more(n: int) -> int:\n    return n + 1"}


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [("60 of 63, so it rose by 5 %.", "5%"), ("The total is $1,210.", "$1210"), ("It is 1/2 cup", "1/2"), ("-7", "-7")],
)
def test_the_last_number_of_a_reply_is_its_answer(reply: str, wanted: str) -> None:
    _, read = WRITES["math"]
    assert task_spec("math").score({"answer": wanted}, read({}, reply)) == 1


def test_without_the_weights_the_peer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(workspace: Workspace) -> None:
        raise TrainerError("The weights aren't here.")

    monkeypatch.setattr("benchmarks.peers_language.weights_for", absent)
    answers = [Answered("chat", {"messages": []}, {"reply": "hi"}, {}, 0.0, {})]
    peer = small_model(Workspace(tmp_path), answers)
    assert peer.score is None and peer.name.endswith("The weights aren't here.")
