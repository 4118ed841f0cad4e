"""Releases and rollouts over the API, with a real repository and devices that tell how they fare."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_host.fleet.samples import Devices, published
from tests.trainer_host.server.conftest import Client, serving
from trainer_host.fleet.database import open_store
from trainer_host.release.repository import Repository
from trainer_host.workspace import Workspace


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is begun waits for ever."""
    monkeypatch.setattr("trainer_host.server.job_queue.JobQueue.start", lambda queue: None)
    monkeypatch.delenv("ENIGMA_FLEET_DATABASE", raising=False)


@pytest.mark.usefixtures("nothing_runs")
async def test_a_rollout_goes_by_stages_halts_goes_on_and_is_taken_back(tmp_path: Path) -> None:
    published(tmp_path, "1.0.0", "2.0.0")
    home = Workspace(tmp_path)
    tags = {f"d{number}": ("kitchen",) for number in range(4)} | {"d9": ("hall", "beta")}
    devices = Devices(tags, lambda device, version: False)

    def look() -> None:
        with open_store(home) as store:
            devices.look(Repository.of(home))
            devices.tell(store, 1e9)

    look()
    async with serving(home) as client:
        listed = await client.get("/v1/releases")
        assert len(listed["published"]) == 2 and listed["releases"] == []
        fleet = await client.get("/v1/fleet")
        assert fleet["devices"] == 5
        assert fleet["groups"] == [{"tags": ["kitchen"], "devices": 4}, {"tags": ["beta", "hall"], "devices": 1}]
        assert [one["id"] for one in fleet["members"]] == ["d0", "d1", "d2", "d3", "d9"]
        assert fleet["members"][4] == {
            "id": "d9", "name": "name-d9", "tags": ["hall", "beta"], "given": [], "there": True
        }  # fmt: skip
        body = {"specialist": "easy", "version": "1.0.0", "all": ["kitchen"], "stages": "1,100%", "soak": "0s"}
        begun = await client.call("POST", "/v1/rollouts", body)
        assert begun.status == 202, begun.text
        assert (begun.json["id"], begun.json["state"], begun.json["devices"]) == ("r-0001", "running", 1)
        assert [(one["stage"], one["devices"], one["done"]) for one in begun.json["stages"]] == [
            ("1 device", 1, 0),
            ("100%", 4, 0),
        ]
        assert [begun.json[name] for name in ("when", "most_failures", "least_done")] == [[], "2%", "90%"]
        assert begun.json["where"] == {"all": ["kitchen"], "any": [], "none": [], "devices": []}
        look()
        found = await client.get("/v1/rollouts/r-0001")
        assert found["done"] == 1 and len(found["members"]) == 1
        paused = await client.call("POST", "/v1/rollouts/r-0001/pause")
        assert (paused.json["state"], paused.json["cause"]) == ("paused", "paused in the companion")
        twice = await client.call("POST", "/v1/rollouts/r-0001/pause")
        assert twice.status == 422 and "only a rollout that runs" in twice.message
        assert (await client.call("POST", "/v1/rollouts/r-0001/resume")).json["state"] == "running"
        assert (await client.call("POST", "/v1/rollouts/r-0001/abort")).json["state"] == "aborted"
        assert [one["state"] for one in (await client.get("/v1/rollouts"))["rollouts"]] == ["aborted"]
        bounds = {"when": ["idle", "22:00-06:00"], "most_failures": "10%", "least_done": "50%"}
        other = await client.call("POST", "/v1/rollouts", {**body, **bounds, "none": ["hall"]})
        assert other.status == 202, other.text
        assert {name: other.json[name] for name in bounds} == bounds and other.json["where"]["none"] == ["hall"]
        # A tag that is given from here counts for the rollouts that are open.
        tagged = await client.call("POST", "/v1/fleet/tags", {"device": "name-d9", "add": ["kitchen", "attic"]})
        assert tagged.status == 200 and tagged.json["given"] == ["kitchen", "attic"], tagged.text
        assert (await client.get(f"/v1/rollouts/{other.json['id']}"))["stages"][1]["devices"] == 4, "none of hall"
        taken = await client.call("POST", "/v1/fleet/tags", {"device": "d9", "remove": ["attic"]})
        assert taken.json["given"] == ["kitchen"]
        groups = (await client.get("/v1/fleet"))["groups"]
        assert {"tags": ["beta", "hall", "kitchen"], "devices": 1} in groups
        for body, words in (
            ({"device": "d9"}, "which tags"),
            ({"device": "d9", "remove": ["hall"]}, "in its own configuration"),
            ({"device": "d9", "add": ["Küche"]}, "can't be a tag"),
            ({"device": "nobody", "add": ["x"]}, "No device"),
        ):
            refused = await client.call("POST", "/v1/fleet/tags", body)
            assert refused.status in (404, 422) and words in refused.message, refused.message
        body = {"specialist": "easy", "version": "1.0.0", "all": ["kitchen"], "stages": "1,100%", "soak": "0s"}
        for change, words in (
            ({"version": "9.0.0"}, "9.0.0"),
            ({"all": "kitchen"}, '"all" must be a list'),
            ({"stages": "many"}, "many"),
            ({"when": ["noon"]}, "noon"),
            ({"most_failures": "50%"}, "can't be more than 100%"),
            ({"specialist": "../x"}, "can't be a name"),
        ):
            refused = await client.call("POST", "/v1/rollouts", {**body, **change})
            assert refused.status in (404, 422) and words in refused.message, refused.message


@pytest.mark.usefixtures("nothing_runs")
async def test_a_release_is_the_commands_that_a_person_would_enter(client: Client, workspace: Workspace) -> None:
    (workspace.runs / "mails").mkdir(parents=True)
    (workspace.runs / "mails" / "run.json").write_text("{}")
    begun = await client.call("POST", "/v1/releases", {"run": "mails", "version": "1.2.3"})
    assert begun.status == 202 and begun.json["commands"] == [
        "enigma export mails",
        "enigma gate mails",
        "enigma bundle mails --name=mails --version=1.2.3",
        "enigma release publish mails",
    ]
    assert (await client.call("POST", "/v1/releases", {"run": "mails"})).status == 409  # it waits already
    assert (await client.call("POST", f"/v1/releases/{begun.json['id']}/cancel")).json["state"] == "cancelled"
    assert (await client.call("GET", f"/v1/trainings/{begun.json['id']}")).status == 404  # it is no training
    gguf = await client.call("POST", "/v1/releases", {"run": "mails", "steps": ["export"], "format": "gguf"})
    assert gguf.json["commands"] == ["enigma export mails --format=gguf"]
    assert (await client.call("POST", f"/v1/releases/{gguf.json['id']}/cancel")).status == 202
    for body, status in (
        ({"run": "mails", "format": "gguf"}, 422),
        ({"run": "mails", "steps": ["export"], "format": "hf"}, 422),
        ({"run": "none"}, 404),
        ({"run": "mails", "steps": []}, 422),
        ({"run": "mails", "steps": ["publish", "export"]}, 422),
        ({"run": "mails", "version": "--home=/"}, 422),
        ({"run": "mails", "licence": "a b"}, 422),
        ({"run": "mails", "name": "../x"}, 422),
    ):
        assert (await client.call("POST", "/v1/releases", body)).status == status, body
    assert (await client.get("/v1/rollouts"))["message"].startswith("There is no update repository")
    assert (await client.get("/v1/releases"))["published"] is None
