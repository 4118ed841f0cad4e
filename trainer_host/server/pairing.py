"""POST /v1/pair and /v1/pair/finish: a code that was printed on the host, once, for a token. Then who has one, and its end.

And GET and POST /v1/certificate: by what the host is known, and another key for it where that may have got about.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import PairingError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.handshake import Responder
from edge_runtime.identity.keys import device_key
from edge_runtime.identity.tls import Shown
from edge_runtime.identity.tokens import MAX_TOKENS, TokenStore
from trainer_host.server import fields
from trainer_host.server.errors import Conflict, Unprocessable

BODY_BYTES = 8192
MAX_NAME_CHARS = 64
_NO_CODE = "The code is wrong, used or too old; print a new one with 'enigma serve --pair' on the host."


class PairRoutes:
    """See the module, and `edge_runtime.identity.handshake`."""

    def __init__(self, identity: IdentityFolder, tokens: TokenStore, shown: Shown | None) -> None:
        """shown: the certificate that clients see; None where nobody is listened to."""
        self._tokens = tokens
        self._shown = shown
        self._public = device_key(identity).public.hex()
        self._pairing = Responder(identity, self._fingerprint)

    def _fingerprint(self) -> str:
        return "" if self._shown is None else self._shown.fingerprint

    async def pair(self, request: web.Request) -> web.Response:
        """The first two messages."""
        body = await read_json(request, BODY_BYTES)
        if len(self._tokens.paired()) >= MAX_TOKENS:
            raise Conflict(f"The host has {MAX_TOKENS} pairings, the most; end one with 'enigma serve --unpair ID'.")
        try:
            return reply(await asyncio.to_thread(self._pairing.begin, body))
        except PairingError:
            raise PairingError(_NO_CODE) from None

    async def finish(self, request: web.Request) -> web.Response:
        """The last two; the token is told this once, and kept as a hash."""
        body = await read_json(request, BODY_BYTES)
        try:
            met = await asyncio.to_thread(self._pairing.finish, body)
        except PairingError:
            raise PairingError(_NO_CODE) from None
        name = fields.text(met.said, "name", MAX_NAME_CHARS).strip()
        if not name.isprintable():
            raise Unprocessable('"name" must be one line of printable characters.')
        token = await asyncio.to_thread(self._tokens.add, name, met.grant)
        told = {"certificate": met.certificate, "public_key": self._public}
        return reply(met.seal({"token": token, **met.grant.plain(), **told}))

    async def certificate(self, request: web.Request) -> web.Response:
        """The hash of the certificate that clients see, empty without TLS, and how often it was renewed."""
        renewals = 0 if self._shown is None else self._shown.renewals
        return reply({"certificate": self._fingerprint(), "renewals": renewals})

    async def renew_certificate(self, request: web.Request) -> web.Response:
        """Take another key for TLS; who is paired goes on, as the host's own key signs the new certificate."""
        if self._shown is None or self._shown.context is None:
            raise Conflict("This host doesn't encrypt, so it has no certificate to renew.")
        await asyncio.to_thread(self._shown.renew)
        return await self.certificate(request)

    async def tokens(self, request: web.Request) -> web.Response:
        """GET /v1/tokens: all pairings, without their tokens."""
        return reply({"tokens": [paired.plain() for paired in await asyncio.to_thread(self._tokens.paired)]})

    async def remove(self, request: web.Request) -> web.Response:
        """DELETE /v1/tokens/{id}: end one, at once; who it was is answered."""
        gone = await asyncio.to_thread(self._tokens.remove, request.match_info["id"])
        return reply(gone.plain())
