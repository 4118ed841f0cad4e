"""The Ray executor on a real cluster of two nodes on this machine."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.trainer_host import executor_calls as calls
from trainer_host.errors import DataError, TrainerError
from trainer_host.execution import cluster as execution_cluster
from trainer_host.execution.cluster import RayExecutor
from trainer_host.executor import CallFailed, WorkerLost, executor_for
from trainer_host.teacher.protocol import Message, Reply, Request, Usage

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytest.importorskip("ray", reason="the extra 'scale' isn't installed")

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 1024 * 1024}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes with one processor each; starting them takes ten seconds."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args=NODE)
    made.add_node(num_cpus=1, object_store_memory=NODE["object_store_memory"])
    yield made
    made.shutdown()


@pytest.fixture
async def executor(cluster: Cluster) -> AsyncIterator[RayExecutor]:
    """Connected to the cluster."""
    made = RayExecutor(cluster.address, deadline=20)
    yield made
    await made.close()


class CountingTeacher:
    """Answers at a price: counts how often each question was sent. It is in this process alone."""

    name, model = "counting", "m-1"

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    async def ask(self, request: Request) -> Reply:
        question = request.messages[-1].text
        self.sent[question] += 1
        await asyncio.sleep(random.random() * 0.05)
        return Reply(f"{question} + 1", "stop", Usage(10, 5), self.model)

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.slow
async def test_calls_on_a_cluster_behave_as_they_do_here(executor: RayExecutor) -> None:
    assert executor.capacity == 2
    results = await asyncio.gather(*(executor.submit(calls.add, number, 1) for number in range(40)))
    assert results == list(range(1, 41))
    with pytest.raises(DataError, match="that row"):
        await executor.submit(calls.fails, DataError("that row is wrong"))
    with pytest.raises(CallFailed, match="one and two"):
        await executor.submit(calls.fails_with_two_parts)
    with pytest.raises(WorkerLost, match=r"exit status 3"):
        await executor.submit(calls.exits, 3)
    with pytest.raises(TypeError, match="can't be sent"):
        await executor.submit(lambda: 1)
    assert len(await executor.submit(calls.bytes_of, 5_000_000)) == 5_000_000


@pytest.mark.slow
async def test_a_call_past_its_deadline_or_cancelled_frees_its_node(cluster: Cluster) -> None:
    executor = RayExecutor(cluster.address)
    await executor.submit(calls.add, 1, 1)
    usual, executor._deadline = executor._deadline, 1.0
    for _ in range(2):
        with pytest.raises(TimeoutError, match="never_ends took longer than 1 seconds"):
            await executor.submit(calls.never_ends)
    executor._deadline = usual
    running = [asyncio.create_task(executor.submit(calls.nap, 60)) for _ in range(4)]
    await asyncio.sleep(0.3)
    for task in running:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*running, return_exceptions=True)
    )
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(executor.submit(calls.add, number, 1) for number in range(4))) == [1, 2, 3, 4]
    await executor.close()
    with pytest.raises(RuntimeError, match="closed"):
        await executor.submit(calls.add, 1, 1)


@pytest.mark.slow
async def test_no_node_learns_a_key_and_nothing_is_reported(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.setenv("ENIGMA_RAY_ADDRESS", cluster.address)
    executor = executor_for()
    assert isinstance(executor, RayExecutor)
    from ray._common.usage.usage_lib import usage_stats_enabled

    assert not usage_stats_enabled()
    assert "sk-secret" not in (await executor.submit(calls.environment)).values()
    await executor.close()


@pytest.mark.slow
async def test_a_node_with_another_version_is_a_sentence(
    executor: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_cluster, "_version", lambda: "0.0.1")
    with pytest.raises(CallFailed, match=r"this machine 0\.0\.1; install the same"):
        await executor.submit(calls.add, 1, 1)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "nonsense", "host:port", "ray://127.0.0.1:1", "http://127.0.0.1:1/"]
)
def test_an_address_where_no_cluster_is_is_a_sentence(address: str) -> None:
    with pytest.raises(TrainerError, match="ray start --head"):
        executor_for(address)


def test_a_port_where_something_else_listens_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_cluster, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TrainerError, match="No Ray cluster answers"):
        executor_for(f"127.0.0.1:{silent.getsockname()[1]}")


def test_without_ray_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TrainerError, match="extra 'scale'"):
        executor_for("127.0.0.1:6379")


@pytest.mark.slow
async def test_a_node_lost_in_the_middle_loses_no_result_and_no_request_is_sent_twice(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Last, as the cluster has one node afterwards."""
    executor = RayExecutor(cluster.address)
    teacher = CountingTeacher()
    results: dict[int, int] = {}
    work: list[asyncio.Task[None]] = []

    async def example(number: int) -> None:
        reply = await teacher.ask(Request((Message("user", str(number)),)))
        results[number] = await executor.submit(calls.evaluate_slowly, reply.text, str(tmp_path))

    def runs(of: str = "") -> int:
        return sum(1 for note in tmp_path.iterdir() if note.name != "trap" and note.name.endswith(of))

    [lost] = list(cluster.worker_nodes)
    raylet = str(lost.all_processes["raylet"][0].process.pid)
    try:
        async with asyncio.timeout(
            120
        ):  # a node's first call starts a process there, which may take longer than many others
            while not runs("-caught"):
                while len(work) < len(results) + 40:
                    work.append(asyncio.create_task(example(len(work))))
                await asyncio.sleep(0.05)
                if len(results) >= 8 and runs(f"-{raylet}"):  # it had part in the work before
                    (tmp_path / "trap").write_text(raylet)  # from now on a call hangs there, so it is surely lost
        await asyncio.to_thread(cluster.remove_node, lost, allow_graceful=False)
        async with asyncio.timeout(60):
            await asyncio.gather(*work)
    finally:
        await executor.close()
    assert results == {number: number + 1 for number in range(len(work))}
    assert teacher.sent == {str(number): 1 for number in range(len(work))}
    assert runs("-caught") == 1 and runs() == len(work) + 1, "the lost call ran again, and no other"
    assert capfd.readouterr().out == ""
