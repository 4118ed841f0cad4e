"""Killed at any moment, a job goes on without asking again for what was answered; two jobs may share a cache."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.teachers import audited
from trainer_host.teacher.audit import AuditLog
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.recover import recover

COUNT = 120
CONCURRENCY = 8


@dataclass(frozen=True)
class Served:
    """A fake provider in a process of its own."""

    url: str
    log: Path
    hold: Path  # the file that it waits for before it answers, where it does

    def billed(self) -> Counter[str]:
        """How often each body was billed."""
        return Counter(self.log.with_suffix(".billed").read_text().split())

    def read_all(self) -> None:
        """Wait until it has read what was sent to it before, also by who is gone: it takes connections in their order."""
        for _ in range(2):
            with urllib.request.urlopen(f"{self.url}/v1/models", timeout=60) as answer:
                answer.read()

    def bodies(self) -> Counter[str]:
        """How often each body came."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return Counter(json.loads(line)["body"] for line in lines)


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    """Its parameter: more options."""
    log = tmp_path / "requests.jsonl"
    command = [sys.executable, "-m", "tests.trainer_host.teacher.fake_api", "--log", str(log), "--latency", "0.02"]
    hold = tmp_path / "answer"
    command += [str(hold) if word == hold.name else word for word in getattr(request, "param", [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPO)
    assert process.stdout is not None
    try:
        yield Served(process.stdout.readline().strip(), log, hold)
    finally:
        process.kill()
        process.wait(60)


def job(served: Served, folder: Path) -> subprocess.Popen[str]:
    """A process that asks `COUNT` questions, and prints each one's number when its answer is there."""
    command = [sys.executable, "-m", "tests.trainer_host.teacher.test_api_crash", served.url, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPO)


def finished(process: subprocess.Popen[str]) -> list[str]:
    """What a process that ended well printed."""
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.split()


@pytest.mark.parametrize("after", [1, 60])
def test_after_kill_9_a_rerun_repeats_no_request_whose_reply_was_kept(
    served: Served, tmp_path: Path, after: int
) -> None:
    folder = tmp_path / "job"
    process = job(served, folder)
    assert process.stdout is not None
    answered = [process.stdout.readline().strip() for _ in range(after)]
    os.kill(process.pid, signal.SIGKILL)
    answered += process.stdout.read().split()
    process.wait(60)
    served.read_all()
    before = served.bodies()
    with ReplyCache(folder / "replies.sqlite") as cache:
        kept = cache.count()
        recover(cache, AuditLog(folder / "audit.jsonl"))
    outcomes = Counter(entry.call.outcome for entry in audited(folder))
    assert outcomes["answered"] == kept
    lost = outcomes["lost"]
    assert len(answered) <= kept <= sum(before.values()) <= kept + CONCURRENCY
    # All that was sent is accounted for: kept, or known to be lost (sent, but not written down by the provider yet).
    assert sum(before.values()) - kept <= lost <= CONCURRENCY

    assert sorted(map(int, finished(job(served, folder)))) == list(range(COUNT))
    after_rerun = served.bodies()
    assert len(after_rerun) == COUNT
    assert sum(after_rerun.values()) == COUNT + sum(before.values()) - kept

    finished(job(served, folder))
    assert served.bodies() == after_rerun  # a third run sends nothing


@pytest.mark.parametrize("served", [["--idempotent", "--hold", "answer"]], indirect=True)
def test_a_provider_that_honours_idempotency_keys_bills_what_was_under_way_at_a_kill_9_once(
    served: Served, tmp_path: Path
) -> None:
    folder = tmp_path / "job"
    process = job(served, folder)
    give_up = time.monotonic() + 60
    while sum(served.bodies().values()) < CONCURRENCY and time.monotonic() < give_up:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    served.read_all()
    before = served.bodies()
    with ReplyCache(folder / "replies.sqlite") as cache:
        assert cache.count() == 0 and sum(before.values()) == CONCURRENCY  # all were in the middle of an answer
    served.hold.touch()

    finished(job(served, folder))
    sent = served.bodies()
    assert len(sent) == COUNT and sum(sent.values()) > COUNT  # those had to be sent again
    assert served.billed() == Counter(dict.fromkeys(sent, 1))


def test_two_jobs_share_a_cache_without_losing_or_breaking_anything(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    both = [job(served, folder), job(served, folder)]
    for process in both:
        assert sorted(map(int, finished(process))) == list(range(COUNT))
    bodies = served.bodies()
    assert len(bodies) == COUNT and max(bodies.values()) <= 2
    with ReplyCache(folder / "replies.sqlite") as cache:
        assert cache.count() == COUNT and recover(cache, AuditLog(folder / "audit.jsonl")) == 0
    assert len(audited(folder)) == sum(bodies.values())


def test_the_teacher_imports_in_little_more_time_than_its_http_client_and_without_it() -> None:
    program = (
        "import sys, time; began = time.process_time(); import {}; print(time.process_time() - began);"
        "print(any(name in sys.modules for name in ('aiohttp', 'torch', 'numpy', 'nacl')))"
    )

    def imported(name: str) -> tuple[float, bool]:
        runs = [
            subprocess.run([sys.executable, "-c", program.format(name)], capture_output=True, text=True, cwd=REPO)
            for _ in range(3)
        ]
        best = min(runs, key=lambda run: float(run.stdout.split()[0])).stdout.split()
        return float(best[0]), best[1] == "True"

    seconds, heavy = imported("trainer_host.teacher.api")
    client, _ = imported("aiohttp")
    assert not heavy
    assert seconds < max(0.5, 1.2 * client)


async def _ask_all(url: str, folder: Path) -> None:
    from tests.trainer_host.teacher.teachers import question, teacher_for
    from trainer_host.teacher.providers import Endpoint

    folder.mkdir(exist_ok=True)
    endpoint = Endpoint("fake", "openai", f"{url}/v1", "fake-small")
    async with teacher_for(endpoint, folder, concurrency=CONCURRENCY) as teacher:

        async def one(number: int) -> None:
            await teacher.ask(question(number))
            print(number, flush=True)  # noqa: T201  # the parent process reads it

        await asyncio.gather(*(one(number) for number in range(COUNT)))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_ask_all(sys.argv[1], Path(sys.argv[2])))
