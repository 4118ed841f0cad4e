from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_host.students.test_vision_heads import dataset_of
from trainer_host.cli import main
from trainer_host.commands.data import _asked
from trainer_host.data.contamination import contamination
from trainer_host.workspace import Workspace

EXAM = [
    "turn off the lights in every room but the nursery and the hall",
    "is it going to rain",
    "what would be a good birthday present for my nine year old niece who loves horses and the sea",
]


def test_clean_training_rows_have_no_hit() -> None:
    train = ["switch the fan on", "play some jazz in the kitchen", "is it going to snow", "a present for my nephew"]
    assert contamination(train, EXAM) == []


def test_the_same_a_near_duplicate_and_a_shared_run_are_named() -> None:
    train = [
        "Is it going to rain?",
        "turn off the lights in every room but the nursery and the kitchen",
        "something else",
        "so tell me: present for my nine year old niece who loves horses, any idea what she could like from the shop?",
    ]
    hits = contamination(train, EXAM)
    assert [(hit.train, hit.evaluation) for hit in hits] == [(0, 1), (1, 0), (3, 2)]
    assert hits[0].how == "the same" and hits[1].how == "near-duplicate"
    assert hits[2].how == "shares 'present for my nine year old niece who'"


def test_pictures_are_told_apart_by_what_is_in_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = Workspace(tmp_path / "home")
    one, other = dataset_of(workspace, "forms", 40), dataset_of(workspace, "stripes", 40)
    args = ["--home", str(workspace.home), "data", "check"]
    assert main([*args, "forms"]) == 0
    assert main([*args, "forms", "--against", "stripes"]) == 0
    assert main([*args, "forms", "--against", "forms"]) == 1
    assert capsys.readouterr().out.count("the same") == one.counts["train"]
    asked = [
        {"image": "abc.png", "question": "How many?"},
        {"image": "abc.png", "question": "Which?"},
        {"image": "abd.png"},
    ]
    assert len({_asked(dict(row)) for row in asked}) == 3 and other.counts["train"] == 30
