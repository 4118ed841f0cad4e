"""Trainings and the history of runs over the API; whole trainings are in tests/companion_app/test_train_whole.py."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.server.conftest import Client, paired
from trainer_host.server.run import pairing_code
from trainer_host.training import checkpoints
from trainer_host.training.checkpoints import Policy
from trainer_host.training.runs import history_of
from trainer_host.workspace import Workspace


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is begun waits for ever."""
    monkeypatch.setattr("trainer_host.server.job_queue.JobQueue.start", lambda queue: None)


@pytest.mark.usefixtures("nothing_runs")
async def test_a_training_is_what_the_command_would_be(client: Client, workspace: Workspace, tmp_path: Path) -> None:
    dataset = easy_dataset(workspace, tmp_path)
    options = {
        "size": "nano",
        "epochs": 2.5,
        "seed": 7,
        "self_play": 3,
        "mirror": "all",
        "curriculum": True,
        "init": None,
    }
    begun = await client.call("POST", "/v1/trainings", {"data": dataset.name, "options": options})
    assert begun.status == 202
    words = f"--data={dataset.name} --task={dataset.task} --name={dataset.name} --size=nano --epochs=2.5 --seed=7"
    assert begun.json["commands"] == [f"enigma train {words} --self-play=3 --mirror=all --curriculum"]
    assert (begun.json["id"], begun.json["state"], begun.json["history"]) == ("train-1", "waiting", [])
    again = await client.call("POST", "/v1/trainings", {"data": dataset.name})
    assert again.json["run"] == f"{dataset.name}-2"  # the first name is taken by what waits
    named = await client.call("POST", "/v1/trainings", {"data": dataset.name, "name": dataset.name})
    assert named.status == 409 and '"replace": true' in named.message
    assert [one["id"] for one in (await client.get("/v1/trainings"))["trainings"]] == ["train-2", "train-1"]
    # A router is small, and pauses like the others.
    assert (await client.call("POST", "/v1/trainings/train-1/pause")).json["state"] == "paused"
    assert (await client.call("POST", "/v1/trainings/train-1/resume")).json["state"] == "waiting"
    assert (await client.call("POST", "/v1/trainings/train-1/cancel")).json["state"] == "cancelled"
    assert (await client.call("POST", "/v1/trainings/train-1/resume")).json["state"] == "waiting"
    whole = await client.get("/v1/trainings/train-1")
    assert whole["log"] == "" and whole["pausable"]
    assert (await client.get("/v1/trainings/train-1/curve"))["total"] == 0
    assert (await client.call("GET", "/v1/trainings/train-9")).status == 404
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.session.ws_connect(f"{client.url}/v1/events", headers=headers) as socket:
        told = await socket.receive_json(timeout=60)
    assert told["type"] == "training" and told["id"] == "train-2"


@pytest.mark.usefixtures("nothing_runs")
async def test_what_cannot_be_trained_is_refused_with_a_sentence(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    dataset = easy_dataset(workspace, tmp_path)
    for body, status, words in (
        ({}, 422, '"data"'),
        ({"data": "none"}, 404, "no dataset 'none'"),
        ({"data": "../x"}, 422, "can't be a name"),
        ({"data": dataset.name, "task": "chat"}, 422, f"teaches the task {dataset.task}"),
        ({"data": dataset.name, "name": "A"}, 422, "can't be a name"),
        ({"data": dataset.name, "size": "nano"}, 422, "nothing else"),
        ({"data": dataset.name, "options": []}, 422, '"options" may hold'),
        ({"data": dataset.name, "options": {"home": "/"}}, 422, '"options" may hold'),
        ({"data": dataset.name, "options": {"init": "/etc/passwd"}}, 422, "named on the host alone"),
        ({"data": dataset.name, "options": {"teacher": "../x"}}, 422, "named on the host alone"),
        ({"data": dataset.name, "options": {"size": "--home=/"}}, 422, "named on the host alone"),
        ({"data": dataset.name, "options": {"epochs": "2"}}, 422, '"epochs" must be a number'),
        ({"data": dataset.name, "options": {"epochs": True}}, 422, '"epochs" must be a number'),
        ({"data": dataset.name, "options": {"rows": 0}}, 422, '"rows" must be a whole number'),
        ({"data": dataset.name, "options": {"devices": 65}}, 422, "from 1 to 64"),
        ({"data": dataset.name, "options": {"seed": -1}}, 422, '"seed" must be'),
    ):
        answer = await client.call("POST", "/v1/trainings", body)
        assert answer.status == status and words in answer.message, body
    client.token = str((await paired(client, pairing_code(workspace, "viewer")))["token"])
    assert (await client.call("POST", "/v1/trainings", {"data": dataset.name})).status == 403
    assert (await client.call("GET", "/v1/trainings")).status == 200


async def test_the_history_its_curves_and_what_differs(client: Client, workspace: Workspace) -> None:
    assert await client.get("/v1/runs") == {"runs": [], "there": []}
    assert (await client.call("GET", "/v1/runs/1")).message == "Nothing was trained here yet."
    folder = workspace.training / "talk"
    for seed in (1, 2):
        with (
            history_of(workspace.home) as history,
            history.training(
                "talk", "chat", config={"seed": seed}, data="sha256:d", command="enigma train", folder=folder
            ) as recording,
        ):
            for step in range(1, 1001):
                recording.record(step, {"loss": math.nan if step == 500 else 1 / step + (9.0 if step == 321 else 0)})
            recording.figures({"loss": 0.001 * seed})
    for step in (50, 100):
        checkpoints.save(folder, step, {}, {"loss": 1 / step}, Policy())
    listed = await client.get("/v1/runs")
    assert [(run["id"], run["state"], run["figures"]) for run in listed["runs"]] == [
        (2, "done", {"loss": 0.002}),
        (1, "done", {"loss": 0.001}),
    ]
    whole = await client.get("/v1/runs/talk")
    assert (whole["id"], whole["command"], whole["curves"], whole["now"]) == (2, "enigma train", ["loss"], 100)
    assert whole["checkpoints"] == [{"step": 50, "loss": 0.02}, {"step": 100, "loss": 0.01}]
    curve = await client.get("/v1/runs/1/curve?figure=loss")
    with history_of(workspace.home) as history:
        kept = [(step, value) for step, value in history.points(1, "loss") if value == value]
    assert list(zip(curve["steps"], curve["values"], strict=True)) == kept and curve["total"] == 999
    few = await client.get("/v1/runs/1/curve?figure=loss&points=40")
    assert few["total"] == 999 and len(few["steps"]) <= 40 and 321 in few["steps"]
    assert (await client.get("/v1/runs/1/curve?after=990"))["steps"] == list(range(991, 1001))
    for query in ("points=3", "points=x", "points=20001"):
        assert (await client.call("GET", f"/v1/runs/1/curve?{query}")).status == 400
    found = await client.get("/v1/runs/1/diff/2")
    assert {"what": "config.seed", "one": "1", "other": "2"} in found["differences"]
    assert (await client.call("GET", "/v1/runs/none")).status == 404
