"""The daemon that runs on a state folder, as commands of its owner on the same machine find and ask it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_runtime.client import DeviceClient

    Call = Callable[[DeviceClient], Awaitable[dict[str, Any]]]


def ask_daemon(state: Path, call: Call) -> dict[str, Any] | None:
    """Call the daemon that runs on this state folder with its owner's token; None where none runs."""
    import asyncio

    from edge_runtime.client import DeviceClient

    local = running(state)
    if local is None:
        return None

    async def ask() -> dict[str, Any]:
        async with DeviceClient(
            str(local["url"]), str(local["token"]), certificate=str(local.get("certificate", ""))
        ) as client:
            return await call(client)

    return asyncio.run(ask())


def running(state: Path) -> dict[str, Any] | None:
    """What the daemon that runs on this state folder tells its owner's commands; None where none runs."""
    from edge_runtime import strict_json
    from edge_runtime.errors import StateError
    from edge_runtime.update.slots import lock

    if not state.is_dir():
        return None
    handle = lock(state)
    if handle is not None:  # nobody holds it: what a killed daemon left behind doesn't count
        os.close(handle)
        return None
    try:
        return strict_json.loads_object((state / "daemon.json").read_bytes(), "daemon.json", StateError)
    except OSError:
        return None
