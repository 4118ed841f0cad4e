"""POST /v1/pair: a code that was printed on the host, once, for a token."""

from __future__ import annotations

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import PairingError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.pairing import redeem_code
from edge_runtime.identity.tokens import MAX_TOKENS, TokenStore
from trainer_host.server import fields
from trainer_host.server.errors import Conflict, Unprocessable

BODY_BYTES = 4096
MAX_CODE_CHARS = 32
MAX_NAME_CHARS = 64


class PairRoutes:
    """See the module."""

    def __init__(self, identity: IdentityFolder, tokens: TokenStore) -> None:
        self._identity = identity
        self._tokens = tokens

    async def pair(self, request: web.Request) -> web.Response:
        """The token is told this once, and kept as a hash."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "code", "name")
        code = fields.text(body, "code", MAX_CODE_CHARS)
        name = fields.text(body, "name", MAX_NAME_CHARS).strip()
        if not name.isprintable():
            raise Unprocessable('"name" must be one line of printable characters.')
        if len(self._tokens.paired()) >= MAX_TOKENS:
            raise Conflict(f"The host has {MAX_TOKENS} pairings, the most; end one with 'enigma serve --unpair ID'.")
        try:
            role = redeem_code(self._identity, code)
        except PairingError:
            # One sentence for all: who guesses isn't told whether there is a code, and how many tries are left.
            raise PairingError(
                "The code is wrong, used or too old; print a new one with 'enigma serve --pair' on the host."
            ) from None
        return reply({"token": self._tokens.add(name, role)})
