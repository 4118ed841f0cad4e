"""Updates: what the device follows and how far it came, as `edge_runtime.update.agent` drives it."""

from __future__ import annotations

import base64
import binascii
import time

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest

SOURCE_BYTES = 512 * 1024  # of a body with root metadata in base64
SMALL_BYTES = 4096
MOST_LINES = 200
_MOST_NUMBER = 10**12  # of a line


class UpdateRoutes:
    """GET /v1/updates and /v1/updates/journal, POST /v1/updates/check and /apply, PUT and DELETE /v1/updates/source."""

    def __init__(self, device: Device) -> None:
        self._device = device

    async def report(self, request: web.Request) -> web.Response:
        """The device, what serves, how far each release came, and what is followed."""
        from edge_runtime.update.report import plain_report
        from edge_runtime.update.tell import report_of

        agent = self._device.updater
        source = None if agent is None else agent.source
        followed = None if source is None or agent is None else {**source.plain(), "checked": agent.checked}
        return reply({**plain_report(report_of(self._device)), "source": followed})

    async def journal(self, request: web.Request) -> web.Response:
        """What happened to releases, the newest first: lines in a chain of hashes, and its end, signed by the device's key."""
        from edge_runtime.update.journal import START
        from edge_runtime.update.journal_head import Head, sign_head

        key, agent = self._device.key, self._device.updater
        most = _whole(request, "most", MOST_LINES, MOST_LINES)
        before = _whole(request, "before", None, _MOST_NUMBER)
        lines, count, last = ([], 0, START) if agent is None else await agent.history(most or MOST_LINES, before)
        signed = sign_head(Head(key.id, count, last, round(time.time(), 3)), key)
        return reply({"journal": lines, "head": "" if agent is None else last, "signed": signed})

    async def check(self, request: web.Request) -> web.Response:
        """Ask the repository now, and tell what came of it; what it wants is fetched afterwards."""
        agent = self._device.updater
        if agent is None or agent.source is None:
            raise BadRequest("This device follows no repository of updates; see 'enigma-edge updates follow'.")
        await agent.check()
        return await self.report(request)

    async def apply(self, request: web.Request) -> web.Response:
        """Take updates once from a folder on the device, as a stick, by the same checks: {"folder"}."""
        folder = (await read_json(request, SMALL_BYTES)).get("folder")
        agent = self._device.updater
        if agent is None or agent.source is None:
            raise BadRequest("This device follows no repository of updates; see 'enigma-edge updates follow'.")
        if not isinstance(folder, str) or not folder.startswith("/"):
            raise BadRequest('Send a "folder", a whole path on the device.')
        await agent.check([folder])
        return await self.report(request)

    async def follow(self, request: web.Request) -> web.Response:
        """Follow a repository from now on: {"root" (base64), "urls", "direct_push"}."""
        body = await read_json(request, SOURCE_BYTES)
        root, urls, direct = body.get("root"), body.get("urls"), body.get("direct_push", True)
        if not isinstance(root, str) or not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise BadRequest('Send the "root" metadata in base64, and "urls", a list of addresses or folders.')
        if not isinstance(direct, bool):
            raise BadRequest('"direct_push" must be true or false.')
        try:
            content = base64.b64decode(root, validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest('"root" must be base64.') from None
        source = await self._device.follow(content, urls, direct)
        return reply({"source": source.plain()})

    async def forget(self, request: web.Request) -> web.Response:
        """Follow nothing any more; what serves goes on."""
        agent = self._device.updater
        return reply({"forgotten": await agent.forget() if agent is not None else False})


def _whole(request: web.Request, name: str, default: int | None, most: int) -> int | None:
    """A whole number of the query; raises `BadRequest`."""
    told = request.query.get(name)
    if told is None:
        return default
    if not (told.isascii() and told.isdigit() and 1 <= int(told[:16]) <= most):
        raise BadRequest(f"'{name}' must be a number from 1 to {most}.")
    return int(told)
