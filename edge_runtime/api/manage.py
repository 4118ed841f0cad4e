"""Changing: pairing, bundles and going back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from edge_runtime.api.wire import read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, BundleError

PAIR_BYTES = 4096
CHUNK_SECONDS = 30.0  # an upload that stands still for so long is over


class ManageRoutes:
    """POST /v1/pair, /v1/bundles, /v1/rollback/{specialist} and /v1/remove/{specialist}."""

    def __init__(self, device: Device) -> None:
        self._device = device

    async def pair(self, request: web.Request) -> web.Response:
        """Redeem a one-time code for a token."""
        body = await read_json(request, PAIR_BYTES)
        code, name, signer = body.get("code"), body.get("name"), body.get("signer")
        if not isinstance(code, str) or not 1 <= len(code) <= 32:
            raise BadRequest("Send the \"code\" that 'enigma-edge pair' printed on the device.")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 64 or not name.isprintable():
            raise BadRequest('Send a "name" for this pairing, 1 to 64 printable characters.')
        if signer is not None and not isinstance(signer, str):
            raise BadRequest('"signer" must be a public key in base64, or null.')
        return reply(await self._device.pair(code, name.strip(), signer))

    async def install(self, request: web.Request) -> web.Response:
        """Take a bundle as the body, install it and answer once it serves."""
        installed = await self._device.install(_chunks(request), request.content_length)
        model = next((m for m in self._device.models() if m["name"] == installed.specialist), {})
        return reply(
            {
                "specialist": installed.specialist,
                "version": installed.version,
                "bundle": installed.bundle,
                "runtime": model.get("runtime"),
                "changed": installed.changed,
            }
        )

    async def roll_back(self, request: web.Request) -> web.Response:
        """Let the previous bundle serve again."""
        return reply(await self._device.roll_back(request.match_info["specialist"]))

    async def remove(self, request: web.Request) -> web.Response:
        """Unload a specialist and forget its bundles."""
        return reply(await self._device.remove(request.match_info["specialist"]))


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    try:
        while True:
            async with asyncio.timeout(CHUNK_SECONDS):
                chunk = await request.content.readany()
            if not chunk:
                return
            yield chunk
    except TimeoutError:
        raise BundleError(f"The upload stood still for {CHUNK_SECONDS:g} seconds; send it again.") from None
    except (web.RequestPayloadError, BadHttpMessage, ConnectionError):
        raise BundleError("The upload broke off; send it again.") from None
