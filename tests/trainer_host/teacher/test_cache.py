"""The cache: every part of a request counts, replies survive a kill, and a bad file is one sentence."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from trainer_host.teacher.cache import CacheUnusable, Changes, ReplyCache, request_hash
from trainer_host.teacher.protocol import Image, Message, Request
from trainer_host.teacher.providers import PROVIDERS, Dialect, Endpoint
from trainer_host.teacher.wires import wire_of

OPENAI = PROVIDERS["openai"]
REQUEST = Request((Message("user", "Hi"),), "Be short.", {"type": "object"}, 50, 0.5)


def name_of(request: Request, endpoint: Endpoint = OPENAI) -> str:
    body = wire_of(endpoint).body(request, endpoint, endpoint.dialect)
    return request_hash(endpoint, body, request.sample)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "teacher" / "replies.sqlite"


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, system="Be very short."),
        replace(REQUEST, messages=(Message("user", "Ho"),)),
        replace(REQUEST, messages=(Message("assistant", "Hi"),)),
        replace(REQUEST, messages=(Message("user", "Hi", (Image("image/png", b"x"),)),)),
        replace(REQUEST, schema={"type": "object", "title": "x"}),
        replace(REQUEST, schema=None),
        replace(REQUEST, max_tokens=51),
        replace(REQUEST, temperature=0.6),
        replace(REQUEST, temperature=None),
        replace(REQUEST, sample=1),
    ],
)
def test_every_part_of_a_request_makes_another_name(other: Request) -> None:
    assert name_of(other) != name_of(REQUEST)
    assert name_of(replace(REQUEST)) == name_of(REQUEST)


@pytest.mark.parametrize(
    "other",
    [
        replace(OPENAI, base_url="https://gateway.example/v1"),
        replace(OPENAI, model="gpt-5"),
        replace(OPENAI, headers=(("x-team", "a"),)),
        replace(OPENAI, headers=(("x-team", "b"),)),
        replace(OPENAI, options=()),
        replace(OPENAI, dialect=Dialect()),
    ],
)
def test_every_part_of_an_endpoint_that_can_change_the_answer_makes_another_name(other: Endpoint) -> None:
    assert name_of(REQUEST, other) != name_of(REQUEST)


def test_the_audit_tag_and_the_providers_own_name_do_not_count() -> None:
    assert name_of(replace(REQUEST, task="chat")) == name_of(REQUEST)
    assert name_of(REQUEST, replace(OPENAI, provider="work")) == name_of(REQUEST)


def test_header_names_and_values_cannot_pass_for_each_other() -> None:
    pairs = [(("ab", "c"),), (("a", "bc"),), (("a", "b"), ("c", "d")), (("a", "b"), ("cd", ""))]
    assert len({name_of(REQUEST, replace(OPENAI, headers=headers)) for headers in pairs}) == len(pairs)


def test_a_reply_comes_back_as_it_came(path: Path) -> None:
    with ReplyCache(path) as cache:
        assert cache.find("a") is None
        cache.keep("a", b"\xff\x00raw", provider="openai", model="m", key="work", seconds=1.5)
        cache.priced("a", Decimal("0.000375"))
    with ReplyCache(path) as cache:
        found = cache.find("a")
        assert found is not None and cache.count() == 1
        assert (found.body, found.key, found.seconds, found.cost) == (b"\xff\x00raw", "work", 1.5, Decimal("0.000375"))


def test_the_file_is_its_owners_alone(path: Path) -> None:
    with ReplyCache(path) as cache:
        cache.keep("a", b"x", provider="p", model="m")
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {0o600} and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_learned_dialect_is_remembered_for_its_endpoint(path: Path) -> None:
    learned = Dialect("prompt", "max_tokens", temperature=False, options=False)
    with ReplyCache(path) as cache:
        cache.learned(OPENAI, learned)
    with ReplyCache(path) as cache:
        assert cache.dialect(OPENAI) == learned
        assert cache.dialect(replace(OPENAI, model="gpt-5")) == OPENAI.dialect


_WRITER = """
import os, signal, sys, threading
from pathlib import Path
from trainer_host.teacher.cache import Changes, ReplyCache
cache = ReplyCache(Path(sys.argv[1]))
number = 0
while True:
    name = f"{sys.argv[2]}-{number}"
    cache.write(Changes(sent=[(name, "{}")]))
    cache.keep(name, name.encode() * 50, provider="p", model="m")
    cache.write(Changes(over=[name]))
    print(name, flush=True)
    number += 1
"""


def write_until_killed(path: Path, who: str, lines: int) -> list[str]:
    """Start a process that keeps replies, kill -9 it after some; what it said that it had kept."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), who], stdout=subprocess.PIPE, text=True, cwd=REPO
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    os.kill(process.pid, signal.SIGKILL)
    said += process.stdout.readlines()
    process.wait(60)
    return [line.strip() for line in said if line.endswith("\n")]


def lost(cache: ReplyCache) -> int:
    """How many requests were under way in processes that ended."""
    with cache.left_over() as found:
        return len(found)


def test_what_was_kept_is_there_after_kill_9_of_two_writers(path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda who: write_until_killed(path, who, 150), ["a", "b"]))
    with ReplyCache(path) as cache:
        for name in [name for run in runs for name in run]:
            found = cache.find(name)
            assert found is not None and found.body == name.encode() * 50
        assert lost(cache) <= 2  # at most the one that each was at
        assert lost(cache) == 0


def test_requests_of_a_dead_process_are_counted_once_and_those_of_a_living_one_not(path: Path) -> None:
    with ReplyCache(path) as cache:
        cache.write(Changes(sent=[("mine", "{}")]))
        program = (
            "import os, sys; from pathlib import Path; from trainer_host.teacher.cache import Changes, ReplyCache\n"
            "c = ReplyCache(Path(sys.argv[1])); c.write(Changes(sent=[('lost', '{}'), ('refused', '{}')]))\n"
            "c.write(Changes(over=['refused'])); os._exit(1)"
        )
        subprocess.run([sys.executable, "-c", program, str(path)], cwd=REPO, check=False, timeout=60)
        assert lost(cache) == 1
        assert lost(cache) == 0
        cache.keep("mine", b"x", provider="p", model="m")


def test_many_processes_may_open_a_new_file_at_the_same_moment(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from trainer_host.teacher.cache import ReplyCache\n"
        "c = ReplyCache(Path(sys.argv[1])); c.keep(sys.argv[2], b'x', provider='p', model='m'); c.close()"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(i)], cwd=REPO, stderr=subprocess.PIPE)
        for i in range(6)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    with ReplyCache(path) as cache:
        assert cache.count() == 6


def test_a_damaged_file_is_one_sentence_that_says_what_to_do(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database, but long enough to be taken for one" * 100)
    with pytest.raises(
        CacheUnusable, match=r"^The cache \S+ is damaged \(.*\); move it away: then all is asked anew\.$"
    ):
        ReplyCache(path)


def test_damage_in_the_middle_is_said_when_it_is_met(path: Path) -> None:
    with ReplyCache(path) as cache:
        for number in range(500):
            cache.keep(f"{number:064x}", b"x" * 900, provider="p", model="m")
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xee" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(CacheUnusable, match="damaged"), ReplyCache(path) as cache:
        for number in range(500):
            cache.find(f"{number:064x}")


def test_a_file_of_the_former_format_is_read_on(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 1")
        db.execute("CREATE TABLE sent (request TEXT PRIMARY KEY, process INTEGER NOT NULL, at REAL NOT NULL)")
        db.execute("INSERT INTO sent VALUES ('a', 1, 2.0)")
        db.execute(
            "CREATE TABLE replies (request TEXT PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, "
            "task TEXT NOT NULL, key TEXT, body BLOB NOT NULL, seconds REAL NOT NULL, cost TEXT, at REAL NOT NULL)"
        )
        db.execute("INSERT INTO replies VALUES ('a', 'p', 'm', 'chat', NULL, 'x', 1.0, NULL, 2.0)")
    db.close()
    for _ in range(2):
        with ReplyCache(path) as cache:
            assert cache.count() == 1 and lost(cache) == 0


def test_a_file_of_another_format_is_left_alone(path: Path) -> None:
    ReplyCache(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(CacheUnusable, match="another version of Enigma"):
        ReplyCache(path)


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    for bad in (tmp_path, Path("/proc/enigma/replies.sqlite")):
        with pytest.raises(CacheUnusable) as refused:
            ReplyCache(bad)
        assert re.fullmatch(r"The cache \S+ can't be .*; check its folder's rights and the disk\.", str(refused.value))


def test_a_read_only_database_is_one_sentence(path: Path) -> None:
    with ReplyCache(path) as cache:
        cache._db.execute("PRAGMA query_only = 1")  # as root, whom the tests may run as, a mode stops nobody
        with pytest.raises(CacheUnusable, match=r"can't be written or read \(attempt to write a readonly database\)"):
            cache.write(Changes(over=["a"]))
