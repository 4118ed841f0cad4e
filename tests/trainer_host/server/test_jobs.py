"""Jobs: one at a time, found again by a server that begins after them, ended with a sentence."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_runtime.errors import NotFound, Overloaded
from trainer_host.server.errors import Conflict
from trainer_host.server.job_queue import MAX_WAITING, JobQueue
from trainer_host.server.jobs import Job, read_jobs, write_job
from trainer_host.training.runs import history_of, sign_of_life
from trainer_host.workspace import Workspace

QUICK = (("data", "list"),)
# Reads standard input, which is empty, and fails with a sentence of the command's own.
FAILS = (("data", "list"), ("data", "show", "none"))


async def until(queue: JobQueue, id_: str, holds: Callable[[Job], bool]) -> Job:
    give_up = time.monotonic() + 60
    while not holds(job := queue.job(id_)):
        assert time.monotonic() < give_up, job
        await asyncio.sleep(0.02)
    return job


async def test_jobs_run_one_after_another_and_say_how_they_ended(workspace: Workspace) -> None:
    told: list[tuple[str, str]] = []  # a job may begin and end between two looks, but not between two words
    queue = JobQueue(workspace, lambda id_: told.append((id_, queue.job(id_).state)))
    good, bad = queue.add("release", "one", QUICK), queue.add("release", "two", FAILS)
    assert [job.state for job in queue.jobs()] == ["waiting", "waiting"]
    queue.start()
    done = await until(queue, good.id, lambda job: not job.open)
    assert (done.state, done.progress, done.message) == ("done", 1.0, None)
    failed = await until(queue, bad.id, lambda job: not job.open)
    assert failed.state == "failed" and "dataset" in str(failed.message)
    of_both = [(good.id, "waiting"), (bad.id, "waiting"), (good.id, "running"), (good.id, "done"), (bad.id, "running")]
    assert list(dict.fromkeys(told)) == [*of_both, (bad.id, "failed")]
    with pytest.raises(Conflict, match="done already"):
        queue.resume(good.id)
    with pytest.raises(Conflict, match="only what runs or waits"):
        queue.stop(bad.id, pause=False)
    await queue.close()
    assert [job.state for job in JobQueue(workspace, lambda id_: None).jobs()] == ["failed", "done"]


async def test_a_server_finds_what_runs_what_was_killed_and_what_waits(workspace: Workspace) -> None:
    folder = workspace.home / "server" / "jobs"
    follows = await asyncio.create_subprocess_exec("sleep", "60")
    base = Job("train-1", "train", "talk", QUICK, time.time(), "chat", "talk", "running", begun=time.time() - 1)
    write_job(folder, replace(base, pid=follows.pid, alive=sign_of_life(follows.pid)))
    write_job(folder, replace(base, id="train-2", run="other", pid=2**22 + 1, alive="1"))
    write_job(folder, replace(base, id="release-3", kind="release", run="last", state="waiting"))
    (folder / "train-9.json").write_text("{}")
    with (
        history_of(workspace.home) as history,
        history.training(
            "talk", "chat", config={}, data="d", command="c", folder=workspace.training / "talk"
        ) as recording,
    ):
        recording.record(12, {"loss": 0.5})
    queue = JobQueue(workspace, lambda id_: None)
    assert {job.id for job in queue.jobs()} == {"release-3", "train-2", "train-1"}
    queue.start()
    seen = await until(queue, "train-1", lambda job: job.step == 12)
    assert seen.state == "running" and dict(seen.figures) == {"loss": 0.5}
    assert queue.stop("train-1", pause=True).asked == "pause"
    await follows.wait()  # SIGTERM reached it, though this queue didn't start it
    paused = await until(queue, "train-1", lambda job: not job.open)
    assert (paused.state, paused.message) == ("paused", "It goes on from step 12.")
    stopped = await until(queue, "train-2", lambda job: not job.open)
    assert stopped.state == "stopped" and "resume it" in str(stopped.message)
    assert (await until(queue, "release-3", lambda job: not job.open)).state == "done"
    await queue.close()


async def test_a_queue_has_an_end_and_a_run_is_busy_once(workspace: Workspace) -> None:
    queue = JobQueue(workspace, lambda id_: None)
    for number in range(MAX_WAITING):
        queue.add("train", f"run-{number}", QUICK)
    with pytest.raises(Conflict, match="'run-0' is waiting already, as train-1"):
        queue.add("release", "run-0", QUICK)
    with pytest.raises(Overloaded, match="8 jobs are waiting"):
        queue.add("train", "more", QUICK)
    assert queue.stop("train-1", pause=False).state == "cancelled"
    assert queue.resume("train-1").state == "waiting"
    for wrong in ("train-99", "../x"):
        with pytest.raises(NotFound):
            queue.job(wrong)
    with pytest.raises(NotFound):
        queue.job("train-1", "release")
    assert len(read_jobs(workspace.home / "server" / "jobs")) == MAX_WAITING


async def test_a_process_that_does_not_end_is_killed_after_a_while(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer_host.server.job_queue.GRACE_SECONDS", 0.0)
    script = "trap '' TERM; echo ready; while true; do sleep 0.1; done"
    deaf = await asyncio.create_subprocess_exec(
        "sh", "-c", script, start_new_session=True, stdout=asyncio.subprocess.PIPE
    )
    assert deaf.stdout is not None and await deaf.stdout.readline()
    job = Job(
        "train-1", "train", "talk", QUICK, time.time(), state="running", pid=deaf.pid, alive=sign_of_life(deaf.pid)
    )
    write_job(workspace.home / "server" / "jobs", job)
    queue = JobQueue(workspace, lambda id_: None)
    queue.start()
    queue.stop("train-1", pause=False)
    assert await deaf.wait() == -signal.SIGKILL
    assert (await until(queue, "train-1", lambda job: not job.open)).state == "cancelled"
    await queue.close()
