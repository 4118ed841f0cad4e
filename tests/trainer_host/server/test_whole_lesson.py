"""A lesson over the API with everything that it has on a person's computer: processes that verify, a provider, events."""

from __future__ import annotations

import json
import time

import pytest

from tests.trainer_host.server.conftest import Client, Json, add_fake
from tests.trainer_host.server.test_lessons import FIELDS, begin, order
from tests.trainer_host.teacher import faults
from tests.trainer_host.teacher.fake_api import FakeApi
from trainer_host.data.dataset import open_dataset
from trainer_host.server import standing
from trainer_host.workspace import Workspace


async def test_a_lesson_ends_with_datasets_and_its_progress_never_falls(
    client: Client, provider: FakeApi, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "PACE_FROM", 0.2)  # the lesson takes 1 to 5 s, as quick as the machine is
    await add_fake(client, provider)
    provider.latency = 0.05
    provider.script = faults.every(9, faults.status(422, "no such thing"))  # a request that fails for good
    headers = {"Authorization": f"Bearer {client.token}"}
    events: list[tuple[float, Json]] = []
    began = time.monotonic()
    async with client.session.ws_connect(f"{client.url}/v1/events", headers=headers) as socket:
        id_ = await begin(client, order(["router", "avatar"], 30, name="mine"))
        while not events or events[-1][1]["state"] in ("open", "running"):
            events.append((time.monotonic(), json.loads(await socket.receive_str(timeout=60))))
    last = events[-1][1]
    assert id_ == "mine" and all(event.keys() == FIELDS | {"type"} and event["type"] == "lesson" for _, event in events)
    progress = [float(str(event["progress"])) for _, event in events]
    assert progress == sorted(progress) and progress[-1] == 1.0 and max(progress[:-1]) < 1.0
    assert len(set(progress)) >= 5
    accepted = [event["accepted"] for _, event in events]
    assert accepted == sorted(accepted, key=int) and last["accepted"] == 60
    for number, (at, _) in enumerate(events):  # at most about five a second
        assert number <= 2 + 1.1 * (at - began) / 0.2
    assert any(event["rate_per_min"] > 0 and event["eta_s"] is not None for _, event in events)  # type: ignore[operator]
    assert last["state"] == "done" and last["message"] is None and last["eta_s"] is None
    assert last["rate_per_min"] == 0 and last["cost_usd"] is None
    assert isinstance(last["errors"], int) and last["errors"] > 0
    assert isinstance(last["rejected"], dict) and last["rejected"]["request refused"] == last["errors"]
    assert last["datasets"] == {"router": "mine-router", "avatar": "mine-avatar"}
    assert {key: value for key, value in last.items() if key != "type"} == await client.lesson(id_)
    for name in ("mine-router", "mine-avatar"):
        assert sum(open_dataset(workspace.dataset(name)).counts.values()) == 30
