"""Questions to a person over the host's API."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.server.conftest import Client
from trainer_host.data.questions import ask_about, questions_for
from trainer_host.server.access import scope_of
from trainer_host.workspace import Workspace

TEXTS = ["is there hail outside", "the ferry to the island", "a chord for guitars"]


async def test_a_program_sees_what_waits_and_gives_labels_that_outlast_the_server(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    assert await client.get("/v1/questions") == {"questions": []}
    easy_dataset(workspace, tmp_path)
    ask_about(workspace, "easy", TEXTS, [0.2, 0.9, 0.5], 10)
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
    assert kept.answered == ((TEXTS[1], "travel"),) and [one.text for one in kept.waiting] == [TEXTS[2]]


async def test_wrong_answers_are_one_sentence(client: Client, workspace: Workspace, tmp_path: Path) -> None:
    easy_dataset(workspace, tmp_path)
    ask_about(workspace, "easy", TEXTS, [0.9] * 3, 10)
    for body, status, words in (
        ({"text": TEXTS[0], "label": "sport"}, 422, "has no label 'sport'"),
        ({"text": "nobody asked this", "label": "music"}, 404, "doesn't wait"),
        ({"label": "music"}, 422, '"text"'),
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
