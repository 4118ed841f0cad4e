"""POST /v1/pair and /v1/pair/finish: a code that was printed on the host, once, for a token. Then who has one, and its end."""

from __future__ import annotations

import asyncio

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import PairingError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.handshake import Responder
from edge_runtime.identity.tokens import MAX_TOKENS, TokenStore
from trainer_host.server import fields
from trainer_host.server.errors import Conflict, Unprocessable

BODY_BYTES = 8192
MAX_NAME_CHARS = 64
_NO_CODE = "The code is wrong, used or too old; print a new one with 'enigma serve --pair' on the host."


class PairRoutes:
    """See the module, and `edge_runtime.identity.handshake`."""

    def __init__(self, identity: IdentityFolder, tokens: TokenStore, certificate: str) -> None:
        """certificate: the hash of the one that clients see, in hex; empty without TLS."""
        self._tokens = tokens
        self._certificate = certificate
        self._pairing = Responder(identity, certificate)

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
        return reply(met.seal({"token": token, **met.grant.plain(), "certificate": self._certificate}))

    async def tokens(self, request: web.Request) -> web.Response:
        """GET /v1/tokens: all pairings, without their tokens."""
        return reply({"tokens": [paired.plain() for paired in await asyncio.to_thread(self._tokens.paired)]})

    async def remove(self, request: web.Request) -> web.Response:
        """DELETE /v1/tokens/{id}: end one, at once; who it was is answered."""
        gone = await asyncio.to_thread(self._tokens.remove, request.match_info["id"])
        return reply(gone.plain())
