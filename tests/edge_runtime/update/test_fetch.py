"""Fetching from real servers that break off, lie, drip, forbid and move: every byte that counts is the signed one."""

from __future__ import annotations

import asyncio
import dataclasses
import email.utils
import errno
import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import StateError, StorageFull
from edge_runtime.update import chunks, disk, places
from edge_runtime.update import fetch as module
from edge_runtime.update.chunks import FetchError, NotOffered, Plan
from edge_runtime.update.disk_threads import hangs
from edge_runtime.update.fetch import Budget, Limits, OverBudget, TokenBucket, fetch
from edge_runtime.update.places import FolderPlace, HttpPlace, Place

from .servers import FileServer, answer, changed, cut, dripping, endless, serve, silent, with_headers

CHUNK = 4096  # the tests' chunks; a MiB each would only take longer
CONTENT = random.Random(7).randbytes(10 * CHUNK + 123)
PATH = f"targets/models/router/{hashlib.sha256(CONTENT).hexdigest()}.home-en-1.4.0.enigma"
FILES = {PATH: CONTENT}
QUICK = Limits(first_pause=0.001, deadline=30)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", CHUNK)
    yield


def plan_of(content: bytes = CONTENT, paths: tuple[str, ...] = (PATH,)) -> Plan:
    pieces = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
    return Plan(
        "models/router/home-en-1.4.0.enigma",
        paths,
        len(content),
        hashlib.sha256(content).hexdigest(),
        tuple(hashlib.sha256(chunk).hexdigest() for chunk in pieces),
    )


class Told(list[int]):
    """Progress as it was told."""

    def __call__(self, done: int, total: int) -> None:
        assert total == len(CONTENT)
        self.append(done)


async def fetched(into: Path, *places: Place, limits: Limits = QUICK, plan: Plan | None = None) -> list[int]:
    """Fetch, and check what came; the progress that was told."""
    told = Told()
    path = await fetch(plan or plan_of(), places, into, limits, told)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in into.iterdir()] == [path.name]
    assert told == sorted(told)
    assert told[-1] == len(CONTENT)
    return told


async def test_a_target_comes_once_and_is_then_there(tmp_path: Path) -> None:
    async with FileServer(FILES) as server:
        told = await fetched(tmp_path / "in", server.place())
        assert told == [0, *range(CHUNK, len(CONTENT), CHUNK), len(CONTENT)]
        assert await fetched(tmp_path / "in", server.place()) == [len(CONTENT)]
    assert [(a.range, a.encoding) for a in server.asked] == [("", "identity")]
    assert server.sent == len(CONTENT)


async def test_broken_connections_are_gone_on_with_where_they_broke(tmp_path: Path) -> None:
    async with FileServer(FILES, [cut(CHUNK + 100), cut(3 * CHUNK), answer(500), cut(0)]) as server:
        await fetched(tmp_path / "in", server.place())
        first, *later = server.asked
        assert first.range == first.if_range == ""
        assert later[0].range == f"bytes={CHUNK + 100}-"  # not even the chunk that was begun is fetched again
        assert {a.if_range for a in later} == {f'"{hashlib.sha256(CONTENT).hexdigest()[:16]}"'}
    assert server.sent == len(CONTENT)


async def test_a_server_without_ranges_will_do_and_so_does_one_without_tags(tmp_path: Path) -> None:
    async with FileServer(FILES, [cut(5 * CHUNK + 9)], ranges=False) as server:
        await fetched(tmp_path / "a", server.place())
        assert server.sent == len(CONTENT) + 5 * CHUNK + 9
    async with FileServer(FILES, [cut(5 * CHUNK + 9)], tags=False) as server:
        await fetched(tmp_path / "b", server.place())
        assert server.asked[1].if_range == ""
        assert server.sent == len(CONTENT)


async def test_a_restart_goes_on_at_another_server_with_what_was_verified(tmp_path: Path) -> None:
    into = tmp_path / "in"
    async with FileServer(FILES, [cut(6 * CHUNK + 50), answer(404)]) as server:
        with pytest.raises(NotOffered):
            await fetch(plan_of(), [server.place()], into, QUICK, Told())
    (part,) = into.iterdir()
    assert part.read_bytes() == CONTENT[: 6 * CHUNK]
    async with FileServer(FILES) as server:
        told = await fetched(into, server.place())
        assert told[0] == 6 * CHUNK
        assert [a.range for a in server.asked] == [f"bytes={6 * CHUNK}-"]
        assert server.asked[0].if_range == ""  # the other server's tag says nothing here


@pytest.mark.parametrize("where", [0, 3 * CHUNK + 1, 8 * CHUNK - 1])
async def test_a_part_that_decayed_is_fetched_again_from_there(tmp_path: Path, where: int) -> None:
    into = tmp_path / "in"
    into.mkdir()
    damaged = bytearray(CONTENT[: 8 * CHUNK])
    damaged[where] ^= 1
    part = into / f"{plan_of().sha256}.part"
    part.write_bytes(bytes(damaged) + bytes(3 * CHUNK))  # and a tail that never came
    part.chmod(0o600)
    async with FileServer(FILES) as server:
        told = await fetched(into, server.place())
    assert told[0] == where // CHUNK * CHUNK


async def test_what_lies_there_whole_but_damaged_is_fetched_again(tmp_path: Path) -> None:
    into = tmp_path / "in"
    into.mkdir()
    (into / f"{plan_of().sha256}.whole").write_bytes(CONTENT[:-1] + b"?")
    async with FileServer(FILES) as server:
        await fetched(into, server.place())
    assert len(server.asked) == 1


async def test_a_server_that_gives_other_bytes_is_left_and_its_bytes_dont_count(tmp_path: Path) -> None:
    def spoil(content: bytes) -> bytes:
        return content[: 2 * CHUNK + 5] + b"?" + content[2 * CHUNK + 6 :]

    async with FileServer(FILES, [changed(spoil)] * 9) as evil, FileServer(FILES) as good:
        await fetched(tmp_path / "a", evil.place(), good.place())
        assert len(evil.asked) == 1
        assert good.asked[0].range == f"bytes={2 * CHUNK}-"
        with pytest.raises(NotOffered, match="it sent other bytes than were signed"):
            await fetch(plan_of(), [evil.place()], tmp_path / "b", QUICK, Told())


async def test_bytes_of_two_servers_that_dont_agree_are_asked_of_one_of_them(tmp_path: Path) -> None:
    """The first half of a chunk from a liar, the second from an honest server: the honest one isn't blamed."""

    def spoil(content: bytes) -> bytes:
        return b"?" * len(content)

    async def lie(server: FileServer, request: object, content: bytes) -> object:
        return await cut(CHUNK // 2)(server, request, spoil(content))  # type: ignore[arg-type]

    async with FileServer(FILES, [lie] * 99) as evil, FileServer(FILES) as good:  # type: ignore[list-item]
        await fetched(tmp_path / "in", evil.place(), good.place())
        assert good.asked[-1].range == ""


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 204, 301, 302])
async def test_a_refusal_is_not_asked_again(tmp_path: Path, status: int) -> None:
    async with FileServer(FILES, [answer(status, Location="/elsewhere")] * 9) as server:
        with pytest.raises(NotOffered, match=f"answered {status}"):
            await fetch(plan_of(), [server.place()], tmp_path / "in", QUICK, Told())
        assert len(server.asked) == 1


async def test_of_several_paths_each_is_tried(tmp_path: Path) -> None:
    async with FileServer(FILES) as server:
        await fetched(tmp_path / "in", server.place(), plan=plan_of(paths=("targets/other", PATH)))
        assert [a.path for a in server.asked] == ["targets/other", PATH]


@pytest.mark.parametrize(
    "fault",
    [
        with_headers(Content_Range="bytes 5-99/*"),
        with_headers(Content_Range="bytes nonsense"),
        with_headers(Content_Range=f"bytes 0-9/{len(CONTENT) + 1}"),
        with_headers(Content_Encoding="gzip"),
        changed(lambda content: content[:-1]),
        changed(lambda content: content + b"!"),
        changed(lambda content: b""),
    ],
)
async def test_an_answer_that_isnt_that_file_is_a_refusal(tmp_path: Path, fault: object) -> None:
    async with FileServer(FILES, [cut(CHUNK), fault]) as server:  # type: ignore[list-item]
        with pytest.raises(NotOffered):
            await fetch(plan_of(), [server.place()], tmp_path / "in", QUICK, Told())
        assert len(server.asked) == 2


async def test_data_without_an_end_is_cut_off(tmp_path: Path) -> None:
    budget = Budget(0)
    async with FileServer(FILES, [endless]) as server:
        await fetched(tmp_path / "in", server.place(), limits=dataclasses.replace(QUICK, budget=budget))
    assert budget.spent < len(CONTENT) + 65536


async def test_a_slow_loris_is_left_for_another_server(tmp_path: Path) -> None:
    limits = dataclasses.replace(QUICK, rate_seconds=1.0, attempts=2)  # so long no machine stands still
    async with FileServer(FILES, [dripping(1000, 0.01)] * 9) as loris, FileServer(FILES) as good:
        await fetched(tmp_path / "a", loris.place(), good.place(), limits=limits)
        assert loris.sent < 1000
        with pytest.raises(FetchError, match="bytes per second"):
            await fetch(plan_of(), [loris.place()], tmp_path / "b", limits, Told())
        assert len(loris.asked) == 1 + 2
    limits = dataclasses.replace(limits, rate_seconds=0.1)
    async with FileServer(FILES, [dripping(1, 600)] * 9) as still:
        with pytest.raises(FetchError, match="sent nothing for"):
            await fetch(plan_of(), [still.place()], tmp_path / "c", limits, Told())


async def test_an_own_cap_is_kept_and_isnt_taken_for_a_slow_server(tmp_path: Path) -> None:
    limits = dataclasses.replace(QUICK, bytes_per_second=len(CONTENT) / 0.7, rate_seconds=0.05, least_rate=1e9)
    async with FileServer(FILES) as server:
        began = time.monotonic()
        await fetched(tmp_path / "in", server.place(), limits=limits)
        assert time.monotonic() - began >= 0.7 - 0.5 - 0.01  # the bucket holds half a second's worth at first


async def test_the_deadline_holds_and_what_came_stays(tmp_path: Path, leap: Callable[[float], None]) -> None:
    limits = dataclasses.replace(QUICK, deadline=300, rate_seconds=600)

    def tell(done: int, total: int) -> None:
        if done == 4 * CHUNK:
            leap(301)

    async with FileServer(FILES, [dripping(4, 0, CONTENT[:CHUNK])]) as server:
        with pytest.raises(FetchError, match=r"within 300 seconds .* it goes on next time"):
            await fetch(plan_of(), [server.place()], tmp_path / "in", limits, tell)
        (part,) = (tmp_path / "in").iterdir()
        assert part.read_bytes() == CONTENT[: 4 * CHUNK]


async def test_a_server_that_never_answers_is_given_up_by_the_deadline(tmp_path: Path) -> None:
    async with FileServer(FILES, [silent]) as server:
        with pytest.raises(FetchError, match="it goes on next time"):
            await fetch(plan_of(), [server.place()], tmp_path / "in", dataclasses.replace(QUICK, deadline=0.1), Told())


async def test_a_cancelled_fetch_leaves_verified_chunks_and_no_open_file(tmp_path: Path) -> None:
    into = tmp_path / "in"
    halfway = asyncio.Event()

    def tell(done: int, total: int) -> None:
        if done == 4 * CHUNK:
            halfway.set()

    async with FileServer(FILES, [dripping(4, 0, CONTENT[:CHUNK])]) as server:
        running = asyncio.create_task(fetch(plan_of(), [server.place()], into, QUICK, tell))
        await asyncio.wait_for(halfway.wait(), 60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not [path for path in Path("/proc/self/fd").iterdir() if str(into) in os.path.realpath(path)]
        assert (await fetched(into, server.place()))[0] == 4 * CHUNK


async def waits(monkeypatch: pytest.MonkeyPatch, into: Path, script: Sequence[object], **limits: object) -> list[float]:
    """How long a fetch waits between its tries, without waiting."""
    slept: list[float] = []
    real, loop = asyncio.sleep, asyncio.get_running_loop()
    offset, clock = 0.0, loop.time

    async def sleep(seconds: float) -> None:
        nonlocal offset
        slept.append(seconds)
        offset += seconds
        await real(0)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    monkeypatch.setattr(loop, "time", lambda: clock() + offset)
    async with FileServer(FILES, script) as server:  # type: ignore[arg-type]
        try:
            await fetch(plan_of(), [server.place()], into, Limits(deadline=1e6, **limits), Told())  # type: ignore[arg-type]
        except FetchError as error:
            assert "goes on next time" in str(error)
    return [seconds for seconds in slept if seconds > 0.1]  # the server's own are shorter


async def test_pauses_double_with_jitter_and_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pauses = await waits(monkeypatch, tmp_path / "in", [answer(503)] * 20)
    assert len(pauses) == module.ATTEMPTS - 1
    for number, pause in enumerate(pauses):
        longest = min(module.LONGEST_PAUSE, module.FIRST_PAUSE * 2**number)
        assert longest / 2 - 0.1 <= pause <= longest
    assert len({round(pause / 2**number, 6) for number, pause in enumerate(pauses)}) > 1


async def test_retry_after_is_honoured_in_seconds_and_as_a_date_by_the_server_s_own_clock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The server's clock is years off, as this device's may be.
    date, until = (email.utils.formatdate(at, usegmt=True) for at in (86400.0, 86400.0 + 50))
    script = [
        answer(429, Retry_After="7"),
        answer(503, Retry_After=until, Date=date),
        answer(503, Retry_After="9" * 30),
    ]
    short, dated, long = await waits(monkeypatch, tmp_path / "in", [*script, serve])
    assert 7 <= short < 8
    assert 50 <= dated < 51
    assert long < module.LONGEST_RETRY_AFTER + 10


async def test_a_new_chunk_gives_a_server_all_its_tries_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pauses = await waits(monkeypatch, tmp_path / "in", [cut(CHUNK)] * 10, attempts=2)
    assert len(pauses) == 10
    assert max(pauses) <= module.FIRST_PAUSE


async def test_space_is_asked_for_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda folder: len(CONTENT) + 999)
    async with FileServer(FILES) as server:
        with pytest.raises(StorageFull, match="free some space"):
            await fetch(plan_of(), [server.place()], tmp_path / "in", dataclasses.replace(QUICK, room=1000), Told())
        assert server.asked == []
        await fetched(tmp_path / "in", server.place(), limits=dataclasses.replace(QUICK, room=999))


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EIO, StateError)])
async def test_a_disk_that_fills_up_or_fails_is_no_failure_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    real, left = os.fsync, 4

    def fails(handle: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", fails)
    async with FileServer(FILES) as server:
        with pytest.raises(kind):
            await fetch(plan_of(), [server.place()], tmp_path / "in", QUICK, Told())
        assert len(server.asked) == 1
        await fetched(tmp_path / "in", server.place())


async def test_a_budget_is_asked_before_the_first_byte_and_holds_for_the_fallback_too(tmp_path: Path) -> None:
    budget = Budget(len(CONTENT) + CHUNK, tmp_path / "budget.json")
    limits = dataclasses.replace(QUICK, budget=budget)
    delta = plan_of(CONTENT[: 2 * CHUNK], ("delta",))
    async with FileServer({"delta": CONTENT[: CHUNK + 1] + bytes(CHUNK - 1), **FILES}) as server:
        with pytest.raises(NotOffered):  # a delta whose second half is wrong
            await fetch(delta, [server.place()], tmp_path / "in", limits, lambda done, total: None)
        spent = budget.spent
        assert spent == 2 * CHUNK
        with pytest.raises(OverBudget, match="raise budget_mb"):
            await fetch(plan_of(), [server.place()], tmp_path / "in", limits, Told())
        assert server.sent == spent
        again = Budget(len(CONTENT) + CHUNK, tmp_path / "budget.json")  # after a restart
        assert again.spent == spent


async def test_a_budget_ends_what_takes_more_than_was_said(tmp_path: Path) -> None:
    """A server without ranges that breaks off: what comes twice is paid twice, until the budget forbids it."""
    budget = Budget(len(CONTENT) + 5 * CHUNK)
    async with FileServer(FILES, [cut(4 * CHUNK + 5)] * 99, ranges=False) as server:
        with pytest.raises(NotOffered, match="data budget"):
            await fetch(plan_of(), [server.place()], tmp_path / "in", dataclasses.replace(QUICK, budget=budget), Told())
    assert budget.spent <= budget.most


async def test_a_stick_is_a_source_as_well_and_leads_nowhere_else(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    (stick / PATH).parent.mkdir(parents=True)
    (stick / PATH).write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(CONTENT)
    os.mkfifo(stick / "pipe")
    await fetched(tmp_path / "a", FolderPlace(stick))
    for path in ("../secret", str(tmp_path / "secret"), "pipe", "nothing", "targets", f"{PATH}/below"):
        with pytest.raises(NotOffered):
            await fetch(plan_of(paths=(path,)), [FolderPlace(stick)], tmp_path / "b", QUICK, Told())
    (stick / PATH).write_bytes(CONTENT[:-5])
    with pytest.raises(NotOffered, match="not "):
        await fetch(plan_of(), [FolderPlace(stick)], tmp_path / "c", QUICK, Told())
    with pytest.raises(NotOffered, match="it isn't there"):
        await fetch(plan_of(), [FolderPlace(tmp_path / "gone")], tmp_path / "d", QUICK, Told())


async def test_a_stick_that_hangs_is_left_for_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stick, other = tmp_path / "stick", tmp_path / "other"
    for folder in (stick, other):
        (folder / PATH).parent.mkdir(parents=True)
        (folder / PATH).write_bytes(CONTENT)
    back, opens = threading.Event(), os.open

    def hang(path: Path, *options: int) -> int:
        if path == stick / PATH:
            back.wait(30)
        return opens(path, *options)

    monkeypatch.setattr(places, "_HEAD_SECONDS", 0.05)
    monkeypatch.setattr(os, "open", hang)
    await fetched(tmp_path / "in", FolderPlace(stick), FolderPlace(other))
    assert hangs(stick)
    alone = dataclasses.replace(QUICK, attempts=2)
    with pytest.raises(FetchError, match=r"it doesn't answer.*goes on next time"):
        await fetch(plan_of(), [FolderPlace(stick)], tmp_path / "b", alone, Told())
    back.set()


async def test_a_server_that_isnt_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    async with FileServer(FILES) as server:
        closed = HttpPlace(server.place()._session, "http://127.0.0.1:9")
        with pytest.raises(FetchError, match=r"127\.0\.0\.1:9: .*goes on next time"):
            await fetch(plan_of(), [closed], tmp_path / "in", QUICK, Told())
        await fetched(tmp_path / "in", closed, server.place())


@pytest.mark.parametrize(
    "bad", [{"length": 0}, {"chunks": ()}, {"length": 11 * CHUNK + 1}, {"length": 2**60}, {"paths": ()}]
)
def test_a_plan_whose_chunks_dont_fit_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(FetchError, match="chunks"):
        dataclasses.replace(plan_of(), **bad)  # type: ignore[arg-type]


async def test_signed_chunks_that_arent_the_signed_file_s_are_refused(tmp_path: Path) -> None:
    async with FileServer(FILES) as server:
        with pytest.raises(NotOffered, match="aren't those of its hash"):
            await fetch(
                dataclasses.replace(plan_of(), sha256="0" * 64), [server.place()], tmp_path / "in", QUICK, Told()
            )
        assert list((tmp_path / "in").iterdir()) == []


@settings(max_examples=40)
@given(st.floats(1, 1e6), st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 5)), max_size=30))
def test_never_more_than_the_rate_and_half_a_second_s_burst_comes(rate: float, takes: list[tuple[int, float]]) -> None:
    bucket, now, taken = TokenBucket(rate, 0.0), 0.0, 0
    for count, pause in takes:
        now += pause
        now += bucket.take(count, now)
        taken += count
        assert taken <= rate * now + max(1.0, rate / 2) + 1e-6 * taken
    assert TokenBucket(0, 0.0).take(10**9, 0.0) == 0
