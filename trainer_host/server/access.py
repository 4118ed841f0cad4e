"""Who may call: programs that were paired, and no web page in any browser."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from aiohttp import web

from edge_runtime.addresses import address_of
from edge_runtime.errors import Forbidden, Unauthorized
from edge_runtime.identity.tokens import Paired, TokenStore

CODE_MINUTES = 10.0
CODE_TRIES = 5
# Everything else needs a token, on loopback too.
OPEN = frozenset({("GET", "/healthz"), ("POST", "/v1/pair"), ("POST", "/v1/pair/finish")})
# What who teaches may change; keys, releases and rollouts are the owner's.
TEACHING = (
    "/v1/lessons",
    "/v1/estimates",
    "/v1/trainings",
    "/v1/runs",
    "/v1/comparisons",
    "/v1/examinations",
    "/v1/tunings",
    "/v1/datasets",
    "/v1/imports",
)

_PAIR_FIRST = "pair with a code from 'enigma serve --pair', and send the token as 'Authorization: Bearer TOKEN'."


def scope_of(method: str, path: str) -> str:
    """The least scope of a token for an address: who only looks, who teaches too, who sees to keys too."""
    if path.startswith(("/v1/questions", "/v1/datasets/")):
        return "operator"  # what people asked and wrote, which may be private
    if path.startswith(("/v1/bundles/", "/v1/exports/")):
        return "operator"  # a model may tell of the rows that it learnt from
    if path.startswith(("/v1/chat/", "/v1/preferences")):
        return "operator"  # it computes or costs money, and what is said may be private
    if path.startswith("/v1/tokens"):
        return "owner"
    if method in ("GET", "HEAD"):
        return "viewer"
    return "operator" if path.startswith(TEACHING) else "owner"


class Guard:
    """Decides on requests. loopback_only: whether the server listens to this machine alone."""

    def __init__(self, tokens: TokenStore, loopback_only: bool, names: Iterable[str] = ()) -> None:
        """names: of this machine, by which others may call it, besides its addresses and its host name."""
        self._tokens = tokens
        self._loopback_only = loopback_only
        own = {socket.gethostname().lower(), f"{socket.gethostname().lower().partition('.')[0]}.local"}
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names), *(() if loopback_only else own)}

    def check(self, request: web.BaseRequest) -> None:
        """Raise `Forbidden` or `Unauthorized` unless this request may go on."""
        # A browser sends Origin with all that could change something here, and our clients never do.
        if "Origin" in request.headers:
            raise Forbidden("Web pages may not call the host.")
        # A page can point its own name at this machine (DNS rebinding); it can't make a name of ours its own.
        if not self._ours(request.headers.get("Host", "")):
            raise Forbidden(
                "The host isn't called by this name; use its address, or tell it the name with --allow-host NAME."
            )
        if (request.method, request.path) not in OPEN:
            granted, scope = self.paired(request).grant, scope_of(request.method, request.path)
            if not granted.covers(scope):
                raise Forbidden(
                    f"This needs the scope {scope}, and the token's is {granted.scope}; pair again with a code of "
                    f"'enigma serve --pair --scope {scope}'."
                )

    def paired(self, request: web.BaseRequest) -> Paired:
        """The pairing whose token the request has; raises `Unauthorized`. Asked anew, it knows what was revoked."""
        header = request.headers.get("Authorization")
        if header is None:
            raise Unauthorized(f"This needs a token; {_PAIR_FIRST}")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized(f"Only bearer tokens are taken; {_PAIR_FIRST}")
        found = self._tokens.find(token.strip())
        if found is None:
            raise Unauthorized(f"The host doesn't know this token; {_PAIR_FIRST}")
        return found

    def _ours(self, host: str) -> bool:
        name = (host if host.endswith("]") else host.rsplit(":", 1)[0]).strip("[]").lower().rstrip(".")
        if name in self._names:
            return True
        address = address_of(name)
        return address is not None and (address.is_loopback or not self._loopback_only)
