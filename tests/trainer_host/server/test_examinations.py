"""Exams of runs over the API, by the companion's own code: with a real process, its progress, its end and its refusals."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from companion_app.services.host_client import HostClient
from companion_app.services.judging_commands import JudgingCommands
from companion_app.state.model import AppState
from companion_app.state.store import Store
from companion_app.state.training import Exam
from tests.companion_app import samples
from tests.trainer_host.conftest import Trained
from tests.trainer_host.server.conftest import serving
from trainer_host.server.examinations import ExaminationRoutes
from trainer_host.workspace import Workspace


async def until(store: Store, holds: Callable[[Exam], object]) -> Exam:
    async with asyncio.timeout(60):
        while not holds(store.state.training.exam):  # noqa: ASYNC110 - a state has no event to wait for
            await asyncio.sleep(0.02)
    return store.state.training.exam


async def test_an_exam_tells_how_far_it_is_and_can_be_ended(
    exported: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("companion_app.services.judging_commands.LOOK_SECONDS", 0.05)
    runs = exported.workspace.runs
    shutil.copytree(runs / "easy", runs / "same")
    card = json.loads((runs / "same" / "run.json").read_text())
    (runs / "same" / "run.json").write_text(json.dumps({**card, "name": "same"}))
    store, told, keep = Store(AppState(samples.home())), [], ExaminationRoutes._keep
    # What the host knows at any moment: a small exam is over between two looks of the app.
    monkeypatch.setattr(ExaminationRoutes, "_keep", lambda self, one: told.append(one.progress) or keep(self, one))
    async with serving(exported.workspace) as client:
        assert client.token is not None
        host = HostClient(client.url, client.token)
        judging = JudgingCommands(store, lambda: host)
        judging.examine("easy", "same")
        exam = await until(store, lambda exam: exam.id)
        done = await until(store, lambda exam: not exam.busy)
        assert not done.problem and [model.run for model in done.models] == ["easy", "same"] and done.worse == ()
        one, other = done.models
        assert one.accuracy == other.accuracy and 0 < one.margin < 0.2 and 0 < one.rows <= 200 and done.progress == 1.0
        assert one.bytes > 1000 and one.p50_ms > 0 and one.tokens is None
        assert told == sorted(told) and any(0 < share < 1 for share in told), told
        assert (await client.get(f"/v1/examinations/{exam.id}"))["state"] == "done"

        again = await client.call("POST", "/v1/examinations", {"runs": ["easy", "same"]})  # at once: the last is over
        assert again.status == 202, again.message
        await client.call("POST", f"/v1/examinations/{again.json['id']}/cancel")

        slow = tmp_path / "slow"  # a model that thinks for long
        slow.write_text("#!/bin/sh\nexec sleep 600\n")
        slow.chmod(0o755)
        monkeypatch.setattr("trainer_host.server.examinations.sys.executable", str(slow))
        judging.examine("easy", "same")
        await until(store, lambda exam: exam.id and exam.busy)
        busy = await client.call("POST", "/v1/examinations", {"runs": ["same", "easy"]})
        assert busy.status == 409 and "easy and same are being examined" in busy.message
        judging.end_exam()
        ended = await until(store, lambda exam: not exam.busy)
        assert (ended.models, ended.problem) == ((), "")
        await judging.close()
        await host.close()


async def test_what_cannot_be_examined_is_refused(workspace: Workspace) -> None:
    async with serving(workspace) as client:
        for body in ({"runs": ["plain"]}, {"runs": ["plain", "plain"]}, {}, {"runs": ["../x", "y"]}):
            assert (await client.call("POST", "/v1/examinations", body)).status == 422, body
        assert (await client.call("POST", "/v1/examinations", {"runs": ["one", "other"]})).status == 404
        assert (await client.call("GET", "/v1/examinations/none")).status == 404
