"""Puts a device on the broker that its configuration names, for as long as its daemon runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from edge_runtime.events import Listener
from edge_runtime.presence.service import Service
from edge_runtime.update.tell import report_of

if TYPE_CHECKING:
    from edge_runtime.device import Device

# Of the device's events, those after which its report says something else.
TELLING = frozenset({"update", "rolled_back", "serving", "removed", "following", "error", "plan"})


@contextlib.asynccontextmanager
async def present(device: Device) -> AsyncIterator[Service]:
    """Be on the broker while the body runs; raises `ConfigError` where that can't be as configured."""

    async def check() -> None:
        if device.updater is not None:
            await device.updater.check()

    service = Service(device.config.presence, device.key, lambda: report_of(device), check)
    events = device.events.listen(allows=lambda event: event["type"] in TELLING)
    tasks = [asyncio.create_task(service.run()), asyncio.create_task(_tell(events, service))]
    try:
        yield service
    finally:
        device.events.leave(events)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tell(events: Listener, service: Service) -> None:
    while await events.next() is not None:
        service.changed()
