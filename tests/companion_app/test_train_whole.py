"""A training from begin to undo through the companion's services, with a real host that is killed in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

from companion_app.services.train_client import TrainClient
from companion_app.start import Options, Services
from companion_app.state import actions as act
from companion_app.state.model import Screen
from companion_app.state.phase import Phase
from companion_app.state.training import Job, JobState, Training
from tests.trainer_host.training.small_talk import small_talk
from trainer_host.server.run import pairing_code
from trainer_host.training.run import open_run
from trainer_host.training.runs import history_of
from trainer_host.workspace import Workspace

OPTIONS = {"epochs": 5, "rows": 4, "context": 32, "rate": 1e-3}
SECONDS = 120.0  # a machine that does other work meanwhile is slow
# What every Python of a host runs first: the first training stops itself behind its second step, however quick it is.
HOLD = """
import os, signal
from pathlib import Path
from trainer_host.training import runs

def record(self, step, values, usual=runs.Recording.record):
    usual(self, step, values)
    held = Path(__file__).with_name("held")
    if step == 2 and not held.exists():
        held.touch()
        os.kill(os.getpid(), signal.SIGSTOP)

runs.Recording.record = record
"""


async def host(home: Path, port: int = 0) -> tuple[Process, str]:
    """`enigma serve`, and its address."""
    first = home.with_name("first")
    first.mkdir(exist_ok=True)
    (first / "sitecustomize.py").write_text(HOLD)
    command = [sys.executable, "-m", "trainer_host.cli", "--home", str(home), "serve", "--listen", f"127.0.0.1:{port}"]
    quiet = {"PYTHONUNBUFFERED": "1", "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "OMP_NUM_THREADS": "1"}
    quiet["PYTHONPATH"] = os.pathsep.join([str(first), os.environ.get("PYTHONPATH", "")])
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **quiet}, stdout=PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        while b"http://" not in (line := await process.stdout.readline()):
            assert line, "enigma serve ended"
    return process, line.split()[-1].decode()


class Watched:
    """The app without its window, and all figures that it was ever told of the loss."""

    def __init__(self, config: Path) -> None:
        self.services = Services(Options(config))
        self.steps: list[int] = []
        self.services.store.listen(lambda state: self._note(state.training))
        self.services.start()

    @property
    def training(self) -> Training:
        return self.services.store.state.training

    def _note(self, training: Training) -> None:
        if training.job is not None and training.job.step and training.job.step not in self.steps[-1:]:
            self.steps.append(training.job.step)

    async def until(self, holds: Callable[[Training], object]) -> Training:
        async with asyncio.timeout(SECONDS):
            while not holds(self.training):
                assert not self.training.problem, self.training.problem
                await asyncio.sleep(0.02)
        return self.training

    async def job(self, holds: Callable[[Job], object]) -> Job:
        found = (await self.until(lambda training: training.job is not None and holds(training.job))).job
        assert found is not None
        return found


async def held_behind_two_steps(home: Path) -> int:
    """Until the training's process has stopped itself; its number."""
    [job] = (home / "server" / "jobs").glob("train-*.json")
    pid = int(json.loads(job.read_bytes())["pid"])
    async with asyncio.timeout(SECONDS):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return pid


async def test_a_training_is_watched_paused_resumed_and_undone_though_its_host_is_killed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    small_talk(workspace, tmp_path)
    process, url = await host(workspace.home)
    app = Watched(tmp_path / "config")
    training = app.services.training
    try:
        app.services.hosting.pair(url, pairing_code(workspace))
        async with asyncio.timeout(SECONDS):
            while app.services.store.state.host is None or app.services.store.state.host.phase is not Phase.ONLINE:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        app.services.store.dispatch(act.Opened(Screen.TRAIN))
        assert [card.name for card in (await app.until(lambda now: now.known)).datasets] == ["talk"]
        await TrainClient(app.services.hosting.client()).train({"data": "talk", "options": OPTIONS})
        await app.job(lambda job: job.state is JobState.RUNNING)

        process.kill()  # SIGKILL: the host can tidy up nothing
        await process.wait()
        pid = await held_behind_two_steps(workspace.home)
        process, _ = await host(workspace.home, int(url.rpartition(":")[2]))
        seen = await app.job(lambda job: job.state is JobState.RUNNING and job.step == 2)
        assert seen.pausable and dict(seen.figures)["loss"] > 0
        training.pause(seen.id)
        await app.job(lambda job: job.asked == "pause")
        os.kill(pid, signal.SIGCONT)
        paused = await app.job(lambda job: job.state is JobState.PAUSED)
        assert 2 <= paused.step < 38 and paused.message == f"It goes on from step {paused.step}."
        training.resume(seen.id)
        done = await app.job(lambda job: not job.open and job.state is not JobState.PAUSED)
        assert done.state is JobState.DONE and len(done.history) == 2, done.message
        assert app.steps == sorted(app.steps) and {paused.step, done.step} <= set(app.steps)

        # The curve here is what the history's file holds, over both processes.
        curve = (await app.until(lambda now: now.curve is not None and now.curve.last == done.step)).curve
        with history_of(workspace.home) as history:
            first, second = (history.points(number, "loss") for number in done.history)
        assert curve is not None and list(zip(curve.steps, curve.values, strict=True)) == [*first, *second]
        assert [step for step, _ in first] == list(range(1, paused.step + 1))

        trained = open_run(workspace.run("talk")).weights
        training.open_run(done.history[1])
        details = (await app.until(lambda now: now.looked_at is not None)).looked_at
        assert details is not None and [step for step, _ in details.checkpoints] == [paused.step, done.step]
        training.undo()
        moved = (await app.until(lambda now: now.looked_at is not None and now.looked_at.said)).looked_at
        assert moved is not None and moved.now == paused.step and f"step {paused.step}" in moved.said[0]
        assert open_run(workspace.run("talk")).weights != trained

        # What a person thought of answers in the chat becomes a run of its own.
        for number in range(9):
            thumb = {"completion": [{"role": "assistant", "content": "yes"}], "label": number % 2 == 0}
            asked = {"prompt": [{"role": "user", "content": f"is it {number}?"}], **thumb}
            await app.services.hosting.client().prefer({**asked, "source": {"id": str(number), "way": "thumb"}})
        training.pick_part("compare")
        await app.until(lambda now: now.tuning.opinions == (("chat", 9),))
        app.services.judging.tune("talk", "liked")
        await app.until(lambda now: any(job.kind == "tune" and not job.open for job in now.jobs))
        [job] = [job for job in app.training.jobs if job.kind == "tune"]
        assert job.state is JobState.DONE, job.message
        assert open_run(workspace.run("liked")).weights != open_run(workspace.run("talk")).weights
    finally:
        await app.services.close()
        process.kill()
        await process.wait()
