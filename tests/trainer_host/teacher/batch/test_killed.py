"""Processes that are killed between any two steps of a batch, against a provider in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from trainer_host.teacher.audit import entries
from trainer_host.teacher.audit_check import verify
from trainer_host.teacher.cache import ReplyCache

COUNT = 500
FEWER = 120  # where a test starts a process many times
FAULTY = "012"  # first digits of the ids that the first batch loses, fails or lets expire


@contextlib.contextmanager
def provider(folder: Path, **arguments: object) -> Iterator[tuple[str, Path]]:
    """The fake provider's address, and the file with what it was sent."""
    folder.mkdir(exist_ok=True)
    log = folder / "sent.jsonl"
    environment = {**os.environ, "FAKE_BATCHES": json.dumps(arguments), "FAKE_BATCHES_LOG": str(log)}
    command = [sys.executable, "-m", "tests.trainer_host.teacher.fake_api"]
    command += ["--routes", "tests.trainer_host.teacher.fake_batches:from_environment"]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), log
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


def runner(url: str, wire: str, home: Path, count: int = FEWER) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.trainer_host.teacher.batch.runner", url, wire, str(home), str(count)]
    made = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert made.stdout is not None and made.stdout.readline() == "ready\n"
    return made


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


def to_the_end(url: str, wire: str, home: Path, count: int = FEWER) -> dict[str, object]:
    said, errors = runner(url, wire, home, count).communicate(timeout=120)
    assert said, errors
    found: dict[str, object] = json.loads(said)
    return found


def wait_for(log: Path, lines: int) -> None:
    give_up = time.monotonic() + 60
    while not log.exists() or len(log.read_text().splitlines()) < lines:
        assert time.monotonic() < give_up
        time.sleep(0.005)


def check_once(log: Path, home: Path, size: int = FEWER) -> None:
    """Every request is answered, kept, paid and logged once, and was in a second batch only where the first failed."""
    rows = Counter(name for line in log.read_text().splitlines() for name in json.loads(line)["rows"])
    assert len(rows) == size
    assert rows == {name: 2 if name[0] in FAULTY else 1 for name in rows}
    with ReplyCache(home / "replies.sqlite") as cache:
        assert cache.count() == size
        stored = [cache.find(name) for name in rows]
    logged = [entry.call for entry in entries(home / "audit.jsonl") if entry.call.outcome == "batch answered"]
    assert Counter(call.request for call in logged) == dict.fromkeys(rows, 1)
    assert {call.request: call.cost for call in logged} == {
        name: one.cost for name, one in zip(rows, stored, strict=True) if one is not None
    }
    assert verify(home / "audit.jsonl").ok


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_process_killed_between_sending_and_fetching_sends_nothing_twice(wire: str, tmp_path: Path) -> None:
    ready, looks = tmp_path / "ready", tmp_path / "looks"
    with provider(tmp_path, ready=str(ready), looks=str(looks)) as (url, log):
        first = runner(url, wire, tmp_path / "home", COUNT)
        wait_for(looks, 3)
        kill(first)
        ready.touch()
        found = to_the_end(url, wire, tmp_path / "home", COUNT)
        assert found["cached"] == COUNT and found["resumed"] == COUNT
        check_once(log, tmp_path / "home", COUNT)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_process_killed_before_it_knows_that_its_batch_was_taken_finds_it(wire: str, tmp_path: Path) -> None:
    with provider(tmp_path, hold_reply=1.5) as (url, log):
        first = runner(url, wire, tmp_path / "home")
        wait_for(log, 1)  # taken, and the answer held back
        kill(first)
        found = to_the_end(url, wire, tmp_path / "home")
        assert found["cached"] == FEWER
        check_once(log, tmp_path / "home")


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_processes_killed_at_any_moment_collect_everything_once(wire: str, tmp_path: Path) -> None:
    rng = random.Random(wire)
    with provider(tmp_path, polls=2) as (url, log):
        for _ in range(4):
            process = runner(url, wire, tmp_path / "home")
            time.sleep(rng.uniform(0.0, 0.5))
            kill(process)
        found = to_the_end(url, wire, tmp_path / "home")
        assert found["cached"] == FEWER
        check_once(log, tmp_path / "home")
