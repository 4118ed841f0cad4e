from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.trainer_host import executor_calls as calls
from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.vault_traces import clean_environment
from trainer_host.errors import DataError, TrainerError
from trainer_host.execution import worker
from trainer_host.execution.local import LocalExecutor
from trainer_host.executor import CallFailed, WorkerLost, executor_for


@pytest.fixture
async def executor() -> AsyncIterator[LocalExecutor]:
    """Two workers with a short deadline."""
    made = LocalExecutor(2, deadline=20)
    yield made
    await made.close()


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def gone(process: int) -> bool:
    for _ in range(3000):
        if not alive(process):
            return True
        await asyncio.sleep(0.02)
    return False


async def written(note: Path) -> None:
    for _ in range(3000):
        if note.exists() and note.read_text():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing was written to {note}")


async def test_each_call_gets_its_own_result_in_any_order(executor: LocalExecutor) -> None:
    async def one(number: int) -> tuple[int, int]:
        return number, await executor.submit(calls.add_slowly, number, 1, seconds=0.01 * (number % 3))

    results = await asyncio.gather(*(one(number) for number in range(60)))
    assert results == [(number, number + 1) for number in range(60)]


async def test_no_process_starts_before_a_call_and_no_more_than_are_needed() -> None:
    executor = LocalExecutor(4)
    assert executor._all == set() and executor.capacity == 4
    seen = {await executor.submit(calls.process_id) for _ in range(5)}
    assert len(seen) == 1, "one after the other needs one process"
    await executor.close()
    assert not alive(seen.pop())


async def test_as_many_calls_run_at_a_time_as_there_are_workers(executor: LocalExecutor, tmp_path: Path) -> None:
    seen = await asyncio.gather(*(executor.submit(calls.how_many_run, str(tmp_path)) for _ in range(8)))
    assert max(seen) == 2


async def test_an_exception_is_raised_as_it_is_and_says_where_it_came_from(executor: LocalExecutor) -> None:
    with pytest.raises(DataError, match="that row") as caught:
        await executor.submit(calls.fails, DataError("that row is wrong"))
    assert "executor_calls.py" in caught.value.__notes__[0]
    with pytest.raises(CallFailed, match="TwoParts: one and two"):
        await executor.submit(calls.fails_with_two_parts)
    with pytest.raises(CallFailed, match="returns_what_cannot_travel returns can't be sent back"):
        await executor.submit(calls.returns_what_cannot_travel)
    with pytest.raises(TimeoutError, match="of its own"):
        await executor.submit(calls.fails_by_timeout)
    assert await executor.submit(calls.add, 1, 1) == 2


async def test_a_function_that_no_other_process_can_import_is_refused_at_once(executor: LocalExecutor) -> None:
    with pytest.raises(TypeError, match="can't be sent"):
        await executor.submit(lambda: 1)
    main = calls.add
    main_module, main.__module__ = main.__module__, "__main__"
    try:
        with pytest.raises(TypeError, match="main script"):
            await executor.submit(main, 1, 2)
    finally:
        main.__module__ = main_module
    assert executor._all == set()


async def test_a_call_past_its_deadline_is_killed_with_what_it_started(tmp_path: Path) -> None:
    executor = LocalExecutor(1, deadline=1.5)
    first = await executor.submit(calls.process_id)
    note = tmp_path / "child"
    with pytest.raises(TimeoutError, match=r"starts_a_child_and_never_ends took longer than 1\.5 seconds"):
        await executor.submit(calls.starts_a_child_and_never_ends, str(note))
    assert await gone(first) and await gone(int(note.read_text()))
    assert await executor.submit(calls.add, 2, 3) == 5, "another process took its place"
    await executor.close()


async def test_waiting_for_a_worker_is_not_part_of_the_deadline(leap: Callable[[float], None]) -> None:
    executor = LocalExecutor(1, deadline=100)
    await executor.submit(calls.add, 1, 1)
    naps = [asyncio.create_task(executor.submit(calls.nap, 0.05)) for _ in range(4)]
    for nap in naps:  # the last one waits for 180 seconds
        await asyncio.sleep(0.01)
        leap(60)
        assert await nap == 0.05
    await executor.close()


async def test_a_call_whose_process_dies_runs_again(executor: LocalExecutor, tmp_path: Path) -> None:
    for times in (1, 2):
        folder = tmp_path / str(times)
        folder.mkdir()
        assert await executor.submit(calls.dies_the_first_time, str(folder), times) == times + 1


@pytest.mark.parametrize(
    ("function", "arguments", "told"),
    [(calls.exits, (3,), "exit status 3"), (calls.exits, (0,), "exit status 0"), (calls.crashes, (), "signal 11")],
)
async def test_a_call_that_always_kills_its_process_is_given_up_and_no_other_suffers(
    executor: LocalExecutor, function: object, arguments: tuple[int, ...], told: str
) -> None:
    others = [asyncio.create_task(executor.submit(calls.add_slowly, number, 1, 0.05)) for number in range(10)]
    with pytest.raises(WorkerLost, match=rf"3 times \({told}\)"):
        await executor.submit(function, *arguments)  # type: ignore[arg-type]
    assert await asyncio.gather(*others) == list(range(1, 11))


async def test_idle_workers_that_the_kernel_killed_are_replaced(executor: LocalExecutor) -> None:
    """What breaks the pools of libraries: see trainer_host/execution/local.py."""
    for _ in range(5):
        await asyncio.gather(*(executor.submit(calls.nap, 0.1) for _ in range(2)))
        for each in list(executor._all):
            os.kill(each._process.pid, signal.SIGKILL)
        assert await executor.submit(calls.add, 1, 2) == 3


async def test_a_cancelled_call_is_killed_and_its_place_is_free(executor: LocalExecutor) -> None:
    running = asyncio.create_task(executor.submit(calls.never_ends))
    waiting = [asyncio.create_task(executor.submit(calls.never_ends)) for _ in range(3)]
    async with asyncio.timeout(60):
        while len(executor._all) < 2:  # noqa: ASYNC110 - processes are started in threads
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    busy = [each._process.pid for each in executor._all]
    assert len(busy) == 2
    for task in (running, *waiting):
        task.cancel()
    done = await asyncio.gather(running, *waiting, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in done)
    assert not any([alive(process) for process in busy])
    assert await executor.submit(calls.add, 1, 2) == 3


async def test_close_leaves_no_process_and_gives_up_what_runs(tmp_path: Path) -> None:
    executor = LocalExecutor(2)
    note = tmp_path / "child"
    running = asyncio.create_task(executor.submit(calls.starts_a_child_and_never_ends, str(note)))
    idle = await executor.submit(calls.process_id)
    await written(note)
    processes = [each._process.pid for each in executor._all]
    assert idle in processes and len(processes) == 2
    await executor.close()
    assert not any([alive(process) for process in processes])
    assert await gone(int(note.read_text()))
    with pytest.raises(RuntimeError, match="closed"):
        await running
    with pytest.raises(RuntimeError, match="closed"):
        await executor.submit(calls.add, 1, 2)
    await executor.close()


async def test_what_a_function_prints_or_reads_does_not_touch_the_pipes(executor: LocalExecutor) -> None:
    assert await executor.submit(calls.talks) == ("", 0)
    assert await executor.submit(calls.add, 1, 2) == 3


async def test_megabytes_travel_and_more_than_fits_is_a_sentence(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(await executor.submit(calls.bytes_of, 20_000_000)) == 20_000_000
    assert await executor.submit(calls.length_of, b"x" * 20_000_000) == 20_000_000
    with pytest.raises(CallFailed, match="may have 256; send less"):
        await executor.submit(calls.bytes_of, worker.MAX_FRAME_BYTES + 1)
    monkeypatch.setattr(worker, "MAX_FRAME_BYTES", 1000)
    with pytest.raises(CallFailed, match="sent to a worker"):
        await executor.submit(calls.length_of, b"x" * 2000)
    assert await executor.submit(calls.add, 1, 2) == 3


async def test_a_worker_knows_no_key_and_no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "MY_GATEWAY_API_KEY", "ENIGMA_PASSPHRASE", "ENIGMA_EXPORT_PASSPHRASE"):
        monkeypatch.setenv(name, "sk-secret")
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    executor = LocalExecutor(1)
    found = await executor.submit(calls.environment)
    await executor.close()
    assert "sk-secret" not in found.values()
    assert found["SOMETHING_ELSE"] == "kept" and found["OMP_NUM_THREADS"] == "1"


async def test_it_works_in_an_event_loop_of_another_thread() -> None:
    """As in a notebook, where the main thread's loop runs already."""

    async def work() -> int:
        executor = LocalExecutor(1)
        try:
            return await executor.submit(calls.add, 1, 2)
        finally:
            await executor.close()

    assert await asyncio.to_thread(asyncio.run, work()) == 3


async def test_a_python_that_cannot_start_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/nowhere"])
    executor = LocalExecutor(1)
    with pytest.raises(WorkerLost, match="can't be started"):
        await executor.submit(calls.add, 1, 2)
    await executor.close()
    assert executor._all == set()


def test_local_is_the_default_and_an_address_needs_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENIGMA_RAY_ADDRESS", raising=False)
    executor = executor_for(None)
    assert isinstance(executor, LocalExecutor) and executor.capacity == len(os.sched_getaffinity(0))
    monkeypatch.setitem(sys.modules, "ray", None)
    for address in ("127.0.0.1:6379", None):
        monkeypatch.setenv("ENIGMA_RAY_ADDRESS", "127.0.0.1:6380")
        with pytest.raises(TrainerError, match="extra 'scale'") as caught:
            executor_for(address)
        assert "\n" not in str(caught.value)


# A person's script without `if __name__ == "__main__"`, as in the mission's own example.
SCRIPT = """
import asyncio, os, sys
from tests.trainer_host import executor_calls as calls
from trainer_host.execution.local import LocalExecutor
print("the script runs", flush=True)
async def work():
    executor = LocalExecutor(2)
    try:
        print(await executor.submit(calls.process_id), flush=True)
        print(await asyncio.gather(*(executor.submit(getattr(calls, sys.argv[1])) for _ in range(2))))
    finally:
        await executor.close()
try:
    asyncio.run(work())
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def start_script(tmp_path: Path, function: str) -> subprocess.Popen[str]:
    (tmp_path / "script.py").write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), function],
        cwd=REPO,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_main_script_is_not_run_again_in_the_workers(tmp_path: Path) -> None:
    done, errors = start_script(tmp_path, "process_id").communicate(timeout=60)
    assert done.count("the script runs") == 1, errors
    assert errors == ""


def test_ctrl_c_on_the_terminal_ends_all_without_a_word_of_the_workers(tmp_path: Path) -> None:
    script = start_script(tmp_path, "never_ends")
    assert script.stdout is not None
    script.stdout.readline()
    child = int(script.stdout.readline())
    time.sleep(0.7)
    os.killpg(script.pid, signal.SIGINT)  # the whole foreground group gets it, as from a terminal
    done, errors = script.communicate(timeout=60)
    assert (done, errors, script.returncode) == ("stopped\n", "", 0)
    assert not alive(child)


async def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = start_script(tmp_path, "never_ends")
    assert script.stdout is not None
    script.stdout.readline()
    child = int(script.stdout.readline())
    await asyncio.sleep(0.7)
    assert alive(child)
    script.kill()
    script.communicate(timeout=60)
    assert await gone(child), "it runs an endless loop, and ends all the same"
