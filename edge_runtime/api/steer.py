"""Steering a device from afar: which version serves, samples of what it answers, its log, and starting again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from edge_runtime.api.access import may_choose
from edge_runtime.api.wire import read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, NotEquipped
from edge_runtime.update import hooks
from edge_runtime.update.versions import samples, switch, versions

SMALL_BYTES = 4096
REBOOT = "reboot"  # the hook that starts the whole machine again
REBOOT_SECONDS = 30.0
DAEMON, MACHINE = "daemon", "machine"
ANSWERED_SECONDS = 0.2  # until whoever asked for a restart has its answer


class SteerRoutes:
    """GET /v1/versions, /v1/samples/{specialist} and /v1/log, POST /v1/switch/{specialist} and /v1/restart."""

    def __init__(self, device: Device) -> None:
        self._device = device

    async def versions(self, request: web.Request) -> web.Response:
        """The bundles of each specialist on the device, what serves first: bundle, version, active."""
        return reply({"specialists": await asyncio.to_thread(versions, self._device)})

    async def switch(self, request: web.Request) -> web.Response:
        """Let another bundle that lies on the device serve: {"bundle"}; twice is as once. By whom, as for going back."""
        may_choose(request, self._device.state)
        bundle = (await read_json(request, SMALL_BYTES)).get("bundle")
        if not isinstance(bundle, str) or not bundle:
            raise BadRequest('Send the "bundle" that shall serve, as GET /v1/versions names it.')
        return reply(await switch(self._device, request.match_info["specialist"], bundle))

    async def samples(self, request: web.Request) -> web.Response:
        """The first golden vectors of what serves: what was asked where it was made, and answered."""
        name = request.match_info["specialist"]
        self._device.known(name)
        return reply({"samples": await asyncio.to_thread(samples, self._device, name)})

    async def log(self, request: web.Request) -> web.Response:
        """The latest lines of the daemon's log, the newest first: at, level, text."""
        return reply({"log": self._device.log.newest_first()})

    async def restart(self, request: web.Request) -> web.Response:
        """Start the daemon again: {"what": "daemon"}; or the machine, by the owner's hook: {"what": "machine"}."""
        what = (await read_json(request, SMALL_BYTES)).get("what", DAEMON)
        if what == MACHINE:
            await self._reboot()
        elif what == DAEMON:
            if self._device.on_restart is None:
                raise NotEquipped("This device can't start itself again; let its supervisor do it.")
            asyncio.get_running_loop().call_later(ANSWERED_SECONDS, self._device.on_restart)
        else:
            raise BadRequest('"what" must be "daemon" or "machine".')
        self._device.events.emit("restarting", what=what)
        return reply({"restarting": what})

    async def _reboot(self) -> None:
        folder = self._device.config.update.hooks
        path = await asyncio.to_thread(hooks.find_hook, Path(folder), REBOOT) if folder else None
        if path is None:
            raise NotEquipped(
                f"This device has no hook '{REBOOT}'; its owner can put one into the folder that 'hooks' under [update] names."
            )
        if cause := (await hooks.run_hook(path, {}, REBOOT_SECONDS)).cause:
            raise NotEquipped(cause)
