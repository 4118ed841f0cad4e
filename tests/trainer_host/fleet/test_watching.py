"""What runs for weeks: it takes rollouts further, outlives what fails for a while, and ends when asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_runtime.update.desired import Where
from tests.trainer_host.fleet.samples import Devices, published
from trainer_host.errors import TrainerError
from trainer_host.fleet import watching, webhooks
from trainer_host.fleet.audit import audit_path, lines
from trainer_host.fleet.database import folder_of, open_store
from trainer_host.fleet.rollouts import Course, Plan
from trainer_host.fleet.service import Fleet
from trainer_host.fleet.store import Store
from trainer_host.fleet.watching import beside, watch
from trainer_host.release.repository import Repository
from trainer_host.workspace import Workspace


def begun(workspace: Workspace, store: Store) -> tuple[Repository, Devices]:
    repository = published(workspace.home, "1.0.0")
    devices = Devices({f"d{n}": () for n in range(4)})
    devices.tell(store, 1e9)
    Fleet(store, repository).start("easy", "1.0.0", Where(), Plan(soak=0.0))
    return repository, devices


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


async def test_it_goes_on_after_what_could_not_be_used_and_waits_for_no_webhook(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "ENDING_SECONDS", 0.2)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # it takes the connection, and never answers

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with open_store(workspace) as store:
        repository, devices = begun(workspace, store)
        webhooks.add(folder_of(workspace), store, f"http://127.0.0.1:{port}/x", [])
        fleet, warned, told = Fleet(store, repository, "watch"), list[str](), list[Course]()
        desired, broken = repository.desired, 4

        def failing() -> object:
            nonlocal broken
            broken -= 1
            if broken >= 2:
                raise TrainerError("The disk is away.")
            if broken >= 0:
                raise ZeroDivisionError
            return desired()

        def over() -> bool:
            devices.look(repository)
            devices.tell(store, 1e9)
            return bool(told) and told[-1].state == "done"

        devices.look(repository)
        devices.tell(store, 1e9)
        repository.desired = failing  # type: ignore[method-assign,assignment]
        task = asyncio.create_task(
            watch(workspace, store, fleet, repository, 0.01, told.append, lambda: broken < 0 and over(), warned.append)
        )
        await asyncio.wait_for(task, 60)
        assert warned[0] == "The disk is away." and [text.split("(")[1:] for text in warned[1:]] == [
            ["ZeroDivisionError); the log says why."]
        ]
        assert [line.event.kind for line in lines(audit_path(workspace))][-1] == "rollout.done"
    server.close()


async def test_beside_a_server_it_takes_rollouts_further_and_ends_with_it(workspace: Workspace) -> None:
    async with beside(workspace, print):
        pass  # nothing was ever published from this home
    assert not folder_of(workspace).exists()
    with open_store(workspace) as store:
        repository, devices = begun(workspace, store)
        devices.look(repository)
        devices.tell(store, 1e9)
        warned: list[str] = []
        async with asyncio.timeout(60), beside(workspace, warned.append):
            while True:
                with store.reading() as session:
                    if warned or session.course("r-0001").stage > 0:
                        break
                await asyncio.sleep(0.05)
    assert not warned and len(asyncio.all_tasks()) == 1
