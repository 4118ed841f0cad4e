"""Puts a device on the broker that its configuration names, for as long as its daemon runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from edge_runtime.events import Listener
from edge_runtime.presence.home_assistant import HomeAssistant
from edge_runtime.presence.home_entities import Topics, checked_prefix
from edge_runtime.presence.messages import checked_prefix as checked_base
from edge_runtime.presence.service import Service
from edge_runtime.robot import RobotDoor
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

    service = Service(
        device.config.presence, device.key, lambda: report_of(device), check, home=_home_assistant(device, check)
    )
    events = device.events.listen(allows=lambda event: event["type"] in TELLING)
    tasks = [asyncio.create_task(service.run()), asyncio.create_task(_tell(events, service))]
    try:
        yield service
    finally:
        device.events.leave(events)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _home_assistant(device: Device, check: Callable[[], Awaitable[None]]) -> HomeAssistant | None:
    """What Home Assistant is told, where the configuration says so; raises `EdgeError`."""
    config = device.config.presence
    if not config.home_assistant:
        return None
    prefix, base = checked_prefix(config.home_assistant), checked_base(config.topic)

    def versions() -> dict[str, str]:
        serving = device.serving
        return {name: serving.current(name).loaded.manifest.version for name in serving.names() if serving.has(name)}

    return HomeAssistant(
        Topics(prefix, base, device.key.id, device.config.device.label),
        device.state,
        versions,
        lambda: {} if device.updater is None else device.updater.units,
        check,
        RobotDoor(device.config.robot) if device.config.robot.socket else None,
        config.home_assistant_acts,
    )


async def _tell(events: Listener, service: Service) -> None:
    while await events.next() is not None:
        service.changed()
