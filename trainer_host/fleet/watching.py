"""Looks after rollouts for as long as it runs: asks devices, decides, writes, logs, and tells webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeError
from trainer_host.errors import TrainerError
from trainer_host.fleet import audit, lan, webhooks
from trainer_host.fleet.database import folder_of, open_store
from trainer_host.fleet.service import Fleet
from trainer_host.release.devices import known_devices
from trainer_host.release.repository import Repository
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from trainer_host.fleet.rollouts import Course
    from trainer_host.fleet.store import Store

_log = logging.getLogger(__name__)
SECONDS = 10.0  # between two looks; a stage soaks for an hour, and devices look for updates every few minutes
REFRESH_SECONDS = 3600.0  # the repository's signatures are renewed long before they end
ENDING_SECONDS = 5.0  # for a webhook that is being told when everything ends


async def watch(
    workspace: Workspace,
    store: Store,
    fleet: Fleet,
    repository: Repository,
    every: float = SECONDS,
    told: Callable[[Course], None] = lambda course: None,
    over: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = _log.warning,
) -> None:
    """Go on until `over`, or until it is cancelled. told: called with each rollout that changed.

    A database, a repository or a device that can't be used for a while is told once, and tried again.
    """
    sending: asyncio.Task[int] | None = None
    said, renewed = "", -REFRESH_SECONDS
    try:
        while True:
            try:
                for course in await asyncio.to_thread(_look, workspace, store, fleet):
                    told(course)
                if time.monotonic() - renewed >= REFRESH_SECONDS:
                    await asyncio.to_thread(repository.refresh)
                    renewed = time.monotonic()
                said = ""
            except (TrainerError, EdgeError) as cause:
                if str(cause) != said:
                    said = str(cause)
                    warn(said)
            except Exception as cause:  # a mistake of ours must not end the watch: other rollouts may have to be paused
                _log.exception("looking after rollouts failed")
                if (why := f"Looking after rollouts failed ({type(cause).__name__}); the log says why.") != said:
                    said = why
                    warn(said)
            if sending is None or sending.done():
                if sending is not None and isinstance(failure := sending.exception(), TrainerError):
                    warn(str(failure))
                sending = asyncio.create_task(webhooks.deliver(folder_of(workspace), store))
            if over():
                return
            await asyncio.sleep(every)
    finally:
        if sending is not None:
            await asyncio.wait([sending], timeout=ENDING_SECONDS)
            sending.cancel()
            await asyncio.wait([sending], timeout=ENDING_SECONDS)  # it closes its connections


def tell(workspace: Workspace, store: Store) -> None:
    """Log what happened, and try once to tell webhooks of it; a receiver that is slow is left to `watch`."""
    audit.follow(workspace, store)
    if webhooks.known(folder_of(workspace)):
        with contextlib.suppress(TimeoutError):
            asyncio.run(asyncio.wait_for(webhooks.deliver(folder_of(workspace), store), ENDING_SECONDS))


@contextlib.asynccontextmanager
async def beside(workspace: Workspace, warn: Callable[[str], None]) -> AsyncIterator[None]:
    """Watch while the block runs, where this home has an update repository and rollouts were begun."""
    try:
        repository = Repository.of(workspace)
    except TrainerError:  # nothing was ever published from here
        yield
        return
    if not folder_of(workspace).is_dir():
        yield
        return
    with open_store(workspace) as store:
        fleet = Fleet(store, repository, "serve")
        task = asyncio.create_task(watch(workspace, store, fleet, repository, warn=warn))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=2 * ENDING_SECONDS)


def _look(workspace: Workspace, store: Store, fleet: Fleet) -> list[Course]:
    if devices := known_devices(workspace):
        lan.refresh(workspace, devices, store)
    changed = fleet.step()
    audit.follow(workspace, store)
    return changed
