"""Questions to a person over the host's API."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.server.conftest import Client
from trainer_host.data.dataset import open_dataset
from trainer_host.data.questions import Question, ask_about, questions_for
from trainer_host.server.access import scope_of
from trainer_host.workspace import Workspace

TEXTS = ["is there hail outside", "the ferry to the island", "a chord for guitars"]


def asked(*doubt: float) -> list[Question]:
    """Questions about the texts, so doubtful each."""
    return [Question(text, how) for text, how in zip(TEXTS, doubt, strict=True)]


async def test_a_program_sees_what_waits_and_gives_labels_that_outlast_the_server(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    assert await client.get("/v1/questions") == {"questions": []}
    easy_dataset(workspace, tmp_path)
    ask_about(workspace, "easy", asked(0.2, 0.9, 0.5), 10)
    assert (await client.get("/v1/questions"))["questions"] == [{"dataset": "easy", "waiting": 3, "answered": 0}]
    found = await client.get("/v1/questions/easy")
    assert found["labels"] == ["music", "travel", "weather"] and found["waiting"] == 3
    assert [one["text"] for one in found["questions"]] == [TEXTS[1], TEXTS[2], TEXTS[0]]  # type: ignore[index,attr-defined]
    # Two at once: neither undoes the other.
    answers = await asyncio.gather(
        client.call("POST", "/v1/questions/easy", {"text": TEXTS[1], "label": "travel"}),
        client.call("POST", "/v1/questions/easy", {"text": TEXTS[0], "label": None}),
    )
    assert [one.status for one in answers] == [200, 200]
    kept = questions_for(Workspace(workspace.home), "easy")
    assert [(one.question.text, one.label, one.by) for one in kept.answered] == [(TEXTS[1], "travel", "test")]
    assert [one.text for one in kept.waiting] == [TEXTS[2]]


async def test_an_answer_that_is_sent_twice_counts_once_and_of_two_the_first_stands(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    easy_dataset(workspace, tmp_path)
    guessed = Question.of(TEXTS[0], 0.4, {"weather": 0.41, "travel": 0.4, "music": 0.1, "x": True}, "kitchen")
    ask_about(workspace, "easy", [guessed, *asked(0.5, 0.5, 0.5)[1:]], 10)
    shown = (await client.get("/v1/questions/easy"))["questions"][0]  # type: ignore[index]
    assert shown["guesses"][0] == {"label": "weather", "score": 0.41} and len(shown["guesses"]) == 3
    assert shown["why"] == "kitchen hesitated between 'weather' (41 %) and 'travel' (40 %)." and shown["doubt"] == 0.99
    body = {"text": TEXTS[0], "label": "weather"}
    twice = await asyncio.gather(*(client.call("POST", "/v1/questions/easy", body) for _ in range(2)))
    assert [one.status for one in twice] == [200, 200] and twice[0].json == twice[1].json
    both = [{"text": TEXTS[1], "label": "music"}, {"text": TEXTS[1], "label": None, "reason": "none"}]
    two = await asyncio.gather(*(client.call("POST", "/v1/questions/easy", body) for body in both))
    assert sorted(one.status for one in two) == [200, 409]
    assert "already, and that stands" in next(one.message for one in two if one.status == 409)
    # Taken back it waits again, before all others, and may get another answer; twice is once here too.
    for _ in range(2):
        answer = await client.call("POST", "/v1/questions/easy/undo", {"text": TEXTS[1]})
        assert answer.status == 200 and answer.json["questions"][0]["text"] == TEXTS[1]  # type: ignore[index]
    assert (await client.call("POST", "/v1/questions/easy", both[0])).status == 200
    assert (await client.call("POST", "/v1/questions/easy/undo", {"text": "nobody asked this"})).status == 404


async def test_answers_go_into_a_dataset_and_say_who_gave_them(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    before = easy_dataset(workspace, tmp_path).counts["train"]
    ask_about(workspace, "easy", asked(0.9, 0.8, 0.7), 10)
    assert (await client.call("POST", "/v1/questions/easy/take", {})).status == 422
    for text, label in ((TEXTS[0], "weather"), (TEXTS[1], None)):
        assert (await client.call("POST", "/v1/questions/easy", {"text": text, "label": label})).status == 200
    taken = await client.call("POST", "/v1/questions/easy/take", {})
    assert taken.json.items() >= {"to": "easy", "new": 1, "rows": before + 1, "answered": 0, "waiting": 1}.items()
    last = list(open_dataset(workspace.dataset("easy")).rows("train"))[-1]
    assert (last.output["label"], last.meta) == ("weather", {"teacher": "person", "by": "test"})
    # What a companion sends again counts no more, and what is in a dataset isn't taken back.
    again = await client.call("POST", "/v1/questions/easy", {"text": TEXTS[0], "label": "weather"})
    assert again.status == 200 and again.json["answered"] == 0
    back = await client.call("POST", "/v1/questions/easy/undo", {"text": TEXTS[0]})
    assert back.status == 409 and "in a dataset already" in back.message
    # Neither is asked again, however often a device is unsure of it.
    assert [one.text for one in ask_about(workspace, "easy", asked(0.9, 0.9, 0.9), 10).waiting] == [TEXTS[2]]


async def test_wrong_answers_are_one_sentence(client: Client, workspace: Workspace, tmp_path: Path) -> None:
    easy_dataset(workspace, tmp_path)
    ask_about(workspace, "easy", asked(0.9, 0.9, 0.9), 10)
    for body, status, words in (
        ({"text": TEXTS[0], "label": "sport"}, 422, "has no label 'sport'"),
        ({"text": "nobody asked this", "label": "music"}, 404, "doesn't wait"),
        ({"label": "music"}, 422, '"text"'),
        ({"text": TEXTS[0], "label": None, "reason": "bored"}, 422, '"reason"'),
        ({"text": TEXTS[0], "label": 1}, 422, '"label"'),
        ({"text": TEXTS[0], "label": "music", "sure": True}, 422, "nothing else"),
    ):
        answer = await client.call("POST", "/v1/questions/easy", body)
        assert answer.status == status and words in answer.message
    assert (await client.call("GET", "/v1/questions/nothing")).status == 404
    assert (await client.call("GET", "/v1/questions/..%2Fkeys")).status in (404, 422)
    assert len(questions_for(workspace, "easy").waiting) == 3


def test_who_only_looks_does_not_read_what_people_asked() -> None:
    assert scope_of("GET", "/v1/questions/easy") == scope_of("POST", "/v1/questions/easy") == "operator"
