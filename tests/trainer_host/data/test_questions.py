"""The queue of unsure texts that wait for a person's label."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_host.samples import easy_dataset
from trainer_host.data.dataset import SPLITS, Row, open_dataset, seal, write_rows
from trainer_host.data.questions import (
    AnsweredOtherwise,
    Question,
    answer_question,
    ask_about,
    questions_for,
    queues,
    take_answers,
    take_back,
)
from trainer_host.errors import DataError, NotThere
from trainer_host.workspace import Workspace

TEXTS = ["is there hail outside", "the ferry to the island", "a chord for guitars"]


def asked(texts: list[str], doubt: list[float]) -> list[Question]:
    """Questions about texts, so doubtful each."""
    return [Question(text, how) for text, how in zip(texts, doubt, strict=True)]


def test_the_most_useful_texts_wait_first_and_survive_whoever_collected_them(
    workspace: Workspace, tmp_path: Path
) -> None:
    dataset = easy_dataset(workspace, tmp_path)
    known = str(next(iter(dataset.rows("train"))).input["text"])
    ask_about(workspace, "easy", asked([known, *TEXTS, "?!", "x" * 5000], [0.9, 0.4, 0.9, 0.5, 0.9, 0.9]), 10)
    # Another object on the same folder, as after a restart.
    again = Workspace(workspace.home)
    assert [one.text for one in questions_for(again, "easy").waiting] == [TEXTS[1], TEXTS[2], TEXTS[0]]
    ask_about(again, "easy", asked(["snow chains for the car"], [1.0]), 2)
    assert [one.text for one in questions_for(workspace, "easy").waiting] == ["snow chains for the car", TEXTS[1]]
    assert [(one.dataset, len(one.waiting)) for one in queues(workspace)] == [("easy", 2)]


def test_answers_become_training_rows_once_and_held_out_rows_never(workspace: Workspace, tmp_path: Path) -> None:
    dataset = easy_dataset(workspace, tmp_path)
    held = str(next(iter(dataset.rows("heldout"))).input["text"])
    ask_about(workspace, "easy", asked([*TEXTS, held], [0.9] * 4), 10)
    answer_question(workspace, "easy", TEXTS[1], "travel")
    answer_question(workspace, "easy", held, "music")
    left = answer_question(workspace, "easy", TEXTS[0], None)
    assert [one.text for one in left.waiting] == [TEXTS[2]]
    assert answer_question(workspace, "easy", TEXTS[1], "travel") == left, "twice is once"
    with pytest.raises(NotThere, match="doesn't wait"):
        answer_question(workspace, "easy", "nobody asked this", "travel")
    with pytest.raises(AnsweredOtherwise, match="'travel' already, and that stands"):
        answer_question(workspace, "easy", TEXTS[1], "music")
    with pytest.raises(AnsweredOtherwise, match="of no use already"):
        answer_question(workspace, "easy", TEXTS[0], "music")
    assert take_back(workspace, "easy", TEXTS[0]).waiting[0].text == TEXTS[0]
    answer_question(workspace, "easy", TEXTS[0], None)
    with pytest.raises(DataError, match="it has music, travel, weather"):
        answer_question(workspace, "easy", TEXTS[2], "sport")
    made, new = take_answers(workspace, "easy", "more")
    assert new == 1 and made.counts["train"] == dataset.counts["train"] + 1
    assert list(made.rows("heldout")) == list(dataset.rows("heldout"))
    last = list(open_dataset(workspace.dataset("more")).rows("train"))[-1]
    assert (last.input, last.output, last.meta) == ({"text": TEXTS[1]}, {"label": "travel"}, {"teacher": "person"})
    with pytest.raises(DataError, match="enigma data label easy"):
        take_answers(workspace, "easy", "more")
    assert len(questions_for(workspace, "easy").waiting) == 1


@pytest.mark.parametrize("content", ["", "[]", '{"waiting": [1], "answered": []}', '{"waiting": [{"text": "a"}]}'])
def test_a_damaged_queue_is_one_sentence(workspace: Workspace, tmp_path: Path, content: str) -> None:
    easy_dataset(workspace, tmp_path)
    ask_about(workspace, "easy", asked(TEXTS, [0.9] * 3), 10)
    (workspace.home / "questions" / "easy.json").write_text(content)
    with pytest.raises(DataError, match="is damaged; delete it"):
        questions_for(workspace, "easy")


def test_only_texts_with_labels_are_asked_about(workspace: Workspace) -> None:
    folder = workspace.data / "sums"
    folder.mkdir(parents=True)
    for split in SPLITS:
        write_rows(folder / f"{split}.jsonl", [Row({"question": "1 + 1"}, {"answer": "2"})])
    seal(folder, name="sums", task="math", teacher="person", seed=1, params={}, figures={})
    with pytest.raises(DataError, match="of the task math"):
        questions_for(workspace, "sums")
