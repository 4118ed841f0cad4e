"""Who may call what: loopback, tokens, roles, and the guards against a browser being used as a deputy."""

from __future__ import annotations

import enum
import functools
import hmac
import ipaddress
import secrets
from typing import TYPE_CHECKING

from edge_runtime.errors import Forbidden, Unauthorized
from edge_runtime.identity.tokens import PREFIX, TokenStore, hash_token

if TYPE_CHECKING:
    from aiohttp import web

_ADDRESS_CHARACTERS = 45  # of the longest IP address in text: IPv6 with an IPv4 part
_PAIR_FIRST = "pair with 'enigma-edge pair' on the device and send the token as 'Authorization: Bearer TOKEN'."


class Need(enum.Enum):
    """What a route asks of its caller."""

    NOTHING = "open everywhere"
    LOCAL_OR_TOKEN = "open on loopback, elsewhere any token"
    TOKEN = "any token"
    HOST = "a token with the role host"


class Access:
    """Decides on requests. `local_token` is the daemon's own, for commands of the state folder's owner."""

    def __init__(self, tokens: TokenStore, open_on_loopback: bool) -> None:
        self._tokens = tokens
        self._open_on_loopback = open_on_loopback
        self.local_token = PREFIX + secrets.token_urlsafe(32)
        self._local_hash = hash_token(self.local_token)

    def check(self, request: web.BaseRequest, need: Need) -> None:
        """Raise `Unauthorized` or `Forbidden` unless this request may go on."""
        if need is Need.NOTHING:
            return
        role = self._role(request)
        if role is None:
            local = self._open_on_loopback and came_over_loopback(request)
            if need is not Need.LOCAL_OR_TOKEN or not local:
                raise Unauthorized(f"This needs a token; {_PAIR_FIRST}")
            refuse_browsers(request)
        elif need is Need.HOST and role != "host":
            raise Forbidden(f"A {role} may not do this; pair again with a code for a host.")

    def _role(self, request: web.BaseRequest) -> str | None:
        """The role of the request's token, None without a token; raises `Unauthorized` for a wrong one."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized(f"Only bearer tokens are taken; {_PAIR_FIRST}")
        if hmac.compare_digest(hash_token(token.strip()), self._local_hash):
            return "host"
        paired = self._tokens.find(token.strip())
        if paired is None:
            raise Unauthorized(f"The device doesn't know this token; {_PAIR_FIRST}")
        return paired.role


def came_over_loopback(request: web.BaseRequest) -> bool:
    """Whether the peer is a program on this device, and not a proxy that speaks for somebody else."""
    if "Forwarded" in request.headers or "X-Forwarded-For" in request.headers:
        return False
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return isinstance(peer, tuple) and _is_loopback(str(peer[0]))


def refuse_browsers(request: web.BaseRequest) -> None:
    """Refuse a request that a web page made a browser on this device send; raises `Forbidden`.

    A page can point its own name at 127.0.0.1 (DNS rebinding), so the Host must be a loopback name; and it
    can send simple requests across origins, so an Origin must be our own.
    """
    host = request.headers.get("Host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name.strip("[]").lower() != "localhost" and not _is_loopback(name.strip("[]")):
        raise Forbidden("On loopback, without a token, the address must be 127.0.0.1, [::1] or localhost.")
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        raise Forbidden("Web pages of other origins may not call the device without a token.")


def _is_loopback(address: str) -> bool:
    plain = address.split("%", 1)[0]
    return len(plain) <= _ADDRESS_CHARACTERS and _loopback(plain)


@functools.lru_cache(maxsize=128)  # asked twice per request, nearly always of 127.0.0.1
def _loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
