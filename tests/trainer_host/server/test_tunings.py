"""Votes of people become a file of preferences, and a job that tunes a run by it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.trainer_host.server.conftest import Client
from trainer_host.cli import build_parser
from trainer_host.server.comparisons import preferences_file
from trainer_host.server.fields import Json
from trainer_host.server.preferences import thumbs_path, votes_path
from trainer_host.server.tunings import opinions, preferences
from trainer_host.students.language.preferences_data import read_opinions, read_preferences
from trainer_host.workspace import Workspace


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is begun waits for ever."""
    monkeypatch.setattr("trainer_host.server.job_queue.JobQueue.start", lambda queue: None)


def prefer(file: Path, question: str, better: str, worse: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    row: Json = {"prompt": [{"role": "user", "content": question}]}
    row |= {name: [{"role": "assistant", "content": text}] for name, text in (("chosen", better), ("rejected", worse))}
    with file.open("a") as out:
        out.write(json.dumps(row) + "\n")


def a_run(workspace: Workspace, name: str, task: str) -> None:
    card = {"format": 1, "name": name, "task": task, "dataset": "d", "content": "sha256:0", "teacher": "built-in"}
    (workspace.runs / name).mkdir(parents=True)
    (workspace.runs / name / "run.json").write_text(
        json.dumps({**card, "seed": 1, "seconds": None, "weights": "sha256:1", "curriculum": False})
    )


async def test_what_people_preferred_becomes_a_job_that_tunes(client: Client, workspace: Workspace) -> None:
    chat, math = (preferences_file(workspace, task) for task in ("chat", "math"))
    prefer(chat, "who?", "we", "they")
    prefer(chat, "who?", "they", "we")  # a later vote on the same
    for number in range(8):
        prefer(votes_path(workspace), f"when {number}?", "now", "later")
    prefer(math, "1 + 1?", "2", "3")
    with chat.open("a") as out:
        out.write('{"prompt": [')  # cut off
    for name, task in (("talk", "chat"), ("sums", "math"), ("all", "combo"), ("easy", "router")):
        a_run(workspace, name, task)
    told = await client.get("/v1/tunings")
    assert told == {"tunings": [], "preferences": {"chat": 9, "math": 1}, "opinions": {"chat": 18, "math": 2}}
    begun = await client.call("POST", "/v1/tunings", {"run": "talk", "name": "liked", "epochs": 3})
    assert begun.status == 202, begun.text
    assert (begun.json["kind"], begun.json["run"], begun.json["data"]) == ("tune", "liked", "9 votes")
    words = shlex.split(str(begun.json["commands"][0]))[1:]
    args = build_parser().parse_args(words)
    assert (args.run, args.to, args.author, args.epochs) == ("talk", "liked", "test", 3)
    kept = list(read_preferences(Path(args.pairs)))
    assert [(one.chosen, one.rejected) for one in kept] == [("they", "we"), *[("now", "later")] * 8]
    assert len(preferences(workspace, "combo")) == 10
    job = (await client.get("/v1/tunings"))["tunings"][0]
    assert job["state"] == "waiting"
    assert (await client.call("POST", f"/v1/tunings/{job['id']}/cancel")).json["state"] == "cancelled"
    assert (await client.call("POST", f"/v1/tunings/{job['id']}/resume")).json["state"] == "waiting"
    assert not (await client.get("/v1/trainings"))["trainings"]
    for body, status, said in (
        ({"run": "talk", "name": "liked"}, 409, "another name"),
        ({"run": "sums"}, 422, "There are 2 votes and thumbs"),
        ({"run": "talk", "by": "ear"}, 422, "pairs or thumbs"),
        ({"run": "easy"}, 422, "writes no text"),
        ({"run": "none"}, 404, "none"),
        ({"run": "talk", "epochs": 0}, 422, "epochs"),
    ):
        refused = await client.call("POST", "/v1/tunings", body)
        assert refused.status == status and said in refused.message, (body, refused.text)


def judge(workspace: Workspace, question: str, answer: str, good: bool) -> None:
    file = thumbs_path(workspace)
    file.parent.mkdir(parents=True, exist_ok=True)
    row: Json = {"prompt": [{"role": "user", "content": question}], "label": good}
    with file.open("a") as out:
        out.write(json.dumps({**row, "completion": [{"role": "assistant", "content": answer}]}) + "\n")


async def test_thumbs_make_pairs_where_both_kinds_are_there_and_teach_alone_where_not(
    client: Client, workspace: Workspace
) -> None:
    a_run(workspace, "talk", "chat")
    for number in range(8):
        judge(workspace, f"when {number}?", "later", False)
    prefer(votes_path(workspace), "who?", "we", "they")
    judge(workspace, "who?", "they", True)  # a vote says that another is better; it can be good all the same
    judge(workspace, "when 0?", "now", True)  # asked again
    pairs = preferences(workspace, "chat")
    assert [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in pairs] == [  # type: ignore[index]
        ("now", "later"), ("we", "they"),
    ]  # fmt: skip
    begun = await client.call("POST", "/v1/tunings", {"run": "talk", "name": "liked"})
    assert begun.status == 202 and begun.json["data"] == "11 thumbs", begun.text
    args = build_parser().parse_args(shlex.split(str(begun.json["commands"][0]))[1:])
    found = {one.answer: one.good for one in read_opinions(Path(args.thumbs))}
    assert found == {"later": False, "now": True, "we": True, "they": True} and args.pairs is None
    assert len(opinions(workspace, "combo")) == 11 and not opinions(workspace, "math")
    refused = await client.call("POST", "/v1/tunings", {"run": "talk", "name": "x", "by": "pairs"})
    assert refused.status == 422 and "There are 2 votes" in refused.message
    thumbs_path(workspace).unlink()
    votes_path(workspace).unlink()
    for number in range(9):
        judge(workspace, f"when {number}?", "later", False)
    refused = await client.call("POST", "/v1/tunings", {"run": "talk", "name": "x"})
    assert refused.status == 422 and "All thumbs are down" in refused.message
