"""Changing: pairing, tokens, bundles and going back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from edge_runtime import strict_json
from edge_runtime.api.access import may_choose
from edge_runtime.api.wire import Json, media_type, read_body, read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, BundleError, EdgeError, PairingError
from edge_runtime.identity.grants import grant, read_grant
from edge_runtime.identity.handshake import Met, Responder
from edge_runtime.identity.keys import decode_key
from edge_runtime.identity.tls import Shown
from edge_runtime.serving.plan import MAX_BYTES

PAIR_BYTES = 4096
CHUNK_SECONDS = 30.0  # an upload that stands still for so long is over


class ManageRoutes:
    """POST /v1/pair and /v1/pair/finish, /v1/certificate, /v1/tokens, /v1/bundles, /v1/plan, /v1/rollback and /v1/remove/{specialist}."""

    def __init__(self, device: Device, shown: Shown | None) -> None:
        self._device = device
        self._shown = shown
        self._pairing = Responder(device.identity, self._fingerprint)

    def _fingerprint(self) -> str:
        return "" if self._shown is None else self._shown.fingerprint

    async def pair(self, request: web.Request) -> web.Response:
        """The first two messages of a pairing; see `edge_runtime.identity.handshake`."""
        body = await read_json(request, PAIR_BYTES)
        try:
            return reply(await asyncio.to_thread(self._pairing.begin, body))
        except PairingError as error:
            self._refused(error)
            raise

    async def finish_pairing(self, request: web.Request) -> web.Response:
        """The last two messages: a token for a client that knew the code."""
        body = await read_json(request, PAIR_BYTES)
        try:
            met = await asyncio.to_thread(self._pairing.finish, body)
        except PairingError as error:
            self._refused(error)
            raise
        return reply(met.seal({**await self._paired(met), "certificate": met.certificate}))

    async def _paired(self, met: Met) -> Json:
        """What a client gets that knew the code: a token, and, where it may release, trust in its signing key.

        met.said: {"name", "signer"}, the signer a public key or null. Raises `BadRequest`.
        """
        device, name, signer = self._device, met.said.get("name"), met.said.get("signer")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 64 or not name.isprintable():
            raise BadRequest('Send a "name" for this pairing, 1 to 64 printable characters.')
        key = None if signer is None else decode_key(signer)
        trusted = key is not None and met.grant.covers("releaser")

        def keep() -> str:
            if key is not None and trusted:
                device.trust.add(key, name.strip())
            return device.tokens.add(name.strip(), met.grant)

        token = await asyncio.to_thread(keep)
        device.metrics.count("enigma_pairings_total", result="paired")
        device.events.emit("paired", name=name.strip(), scope=met.grant.scope)
        return {"token": token, **met.grant.plain(), "signer_trusted": trusted, "device": device.about}

    def _refused(self, error: EdgeError) -> None:
        self._device.metrics.count("enigma_pairings_total", result="refused")
        self._device.events.emit("error", code=error.code, message=str(error))

    async def certificate(self, request: web.Request) -> web.Response:
        """The hash of the certificate that clients see, empty without TLS, and how often it was renewed."""
        renewals = 0 if self._shown is None else self._shown.renewals
        return reply({"certificate": self._fingerprint(), "renewals": renewals})

    async def renew_certificate(self, request: web.Request) -> web.Response:
        """Take another key for TLS; who is paired goes on, as the device signs the new certificate."""
        if self._shown is None:
            raise BadRequest("This device doesn't encrypt, so it has no certificate to renew.")
        self._shown.renew()
        self._device.events.emit("certificate", certificate=self._fingerprint(), renewals=self._shown.renewals)
        return await self.certificate(request)

    async def tokens(self, request: web.Request) -> web.Response:
        """All pairings."""
        return reply({"tokens": [paired.plain() for paired in self._device.tokens.paired()]})

    async def add_token(self, request: web.Request) -> web.Response:
        """A token for another program, told this once: {"name", "scope", "only", "per_minute", "days"}."""
        body = await read_json(request, PAIR_BYTES)
        name, days = body.get("name"), body.get("days", 0)
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 64 or not name.isprintable():
            raise BadRequest('Send a "name" for this token, 1 to 64 printable characters.')
        limits = read_grant(body)
        if limits is None or not strict_json.is_number(days):
            raise BadRequest(
                'Send a "scope", and "only" (names), "per_minute" and "days" (numbers) where they limit it.'
            )
        made = grant(limits.scope, limits.only, limits.per_minute, float(days))
        token = await asyncio.to_thread(self._device.tokens.add, name.strip(), made)
        self._device.events.emit("paired", name=name.strip(), scope=made.scope)
        return reply({"token": token, **made.plain()})

    async def remove_token(self, request: web.Request) -> web.Response:
        """End a pairing; what it has open ends within a second."""
        gone = await asyncio.to_thread(self._device.tokens.remove, request.match_info["id"])
        self._device.events.emit("unpaired", name=gone.name)
        return reply(gone.plain())

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

    async def plan(self, request: web.Request) -> web.Response:
        """How specialists are to be served, and who of them isn't here."""
        return reply({"plan": self._device.plan.text, "missing": self._device.missing})

    async def set_plan(self, request: web.Request) -> web.Response:
        """Take another plan: TOML as the body; see `edge_runtime.serving.plan`."""
        if media_type(request) != "application/toml":
            raise BadRequest("The plan must be TOML: send the header 'Content-Type: application/toml'.")
        try:
            text = (await read_body(request, MAX_BYTES)).decode("utf-8")
        except UnicodeDecodeError:
            raise BadRequest("The plan must be UTF-8.") from None
        self._device.set_plan(text)
        return await self.plan(request)

    async def roll_back(self, request: web.Request) -> web.Response:
        """Let the previous bundle serve again; a device that takes signed releases alone lets its owner alone do so."""
        may_choose(request, self._device.state)
        return reply(await self._device.roll_back(request.match_info["specialist"]))

    async def remove(self, request: web.Request) -> web.Response:
        """Unload a specialist and forget its bundles; by whom, as for going back."""
        may_choose(request, self._device.state)
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
