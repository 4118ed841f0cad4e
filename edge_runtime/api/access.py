"""Who may call what: loopback, tokens and their scopes, and the guards against a browser being used as a deputy."""

from __future__ import annotations

import enum
import hmac
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from edge_runtime.addresses import is_loopback
from edge_runtime.errors import Forbidden, TooMany, Unauthorized
from edge_runtime.identity.grants import Grant
from edge_runtime.identity.tokens import PREFIX, TokenStore, hash_token
from edge_runtime.update.source import signed_only

_PAIR_FIRST = "pair with 'enigma-edge pair' on the device and send the token as 'Authorization: Bearer TOKEN'."
_MAX_COUNTED = 1024  # tokens whose requests are counted at once; more than there can be


class Need(enum.Enum):
    """What a route asks of its caller: a scope, and whether a program on the device itself needs none."""

    NOTHING = ("", True)
    LOOK = ("viewer", True)
    ASK = ("operator", True)
    ACT = ("operator", False)
    STOP = ("operator", True, "uncounted")  # no bound on requests keeps anybody from an emergency stop
    VIEW = ("viewer", False)
    RELEASE = ("releaser", False)
    OWN = ("owner", False)

    @property
    def scope(self) -> str:
        """The least scope of a token, empty where none is asked for."""
        return self.value[0]

    @property
    def open_on_loopback(self) -> bool:
        """Whether a program on the device needs no token, where the configuration lets it in."""
        return self.value[1]

    @property
    def counted(self) -> bool:
        """Whether it counts among the requests that a token may send in a minute."""
        return self.value[2:] == ()


@dataclass(frozen=True)
class Caller:
    """Who sent a request. grant: of its token, None for a program on the device without one; id: of its pairing."""

    grant: Grant | None
    id: str = ""

    def may_use(self, specialist: str) -> None:
        """Raise `Forbidden` where this specialist isn't for it."""
        if self.grant is not None and not self.grant.allows(specialist):
            raise Forbidden(f"This token is good for {', '.join(self.grant.only)}, not for '{specialist[:64]}'.")

    def may_know(self, event: Mapping[str, object]) -> bool:
        """Whether an event is for it: what concerns a specialist isn't, where the specialist isn't."""
        specialist = event.get("specialist")
        return self.grant is None or not isinstance(specialist, str) or self.grant.allows(specialist)


@dataclass
class _Share:
    """How many requests a token may still send, and when that was true; it grows with time (a token bucket)."""

    left: float
    at: float = field(default_factory=time.monotonic)


CALLER = web.RequestKey("caller", Caller)
_NEARBY = Caller(None)


class Access:
    """Decides on requests. `local_token` is the daemon's own, for commands of the state folder's owner."""

    def __init__(self, tokens: TokenStore, open_on_loopback: bool) -> None:
        self._tokens = tokens
        self._open_on_loopback = open_on_loopback
        self._shares: dict[str, _Share] = {}
        self.local_token = PREFIX + secrets.token_urlsafe(32)
        self._local_hash = hash_token(self.local_token)

    def check(self, request: web.BaseRequest, need: Need) -> None:
        """Raise `Unauthorized`, `Forbidden` or `TooMany` unless this request may go on; `caller` knows it then."""
        if need is Need.NOTHING:
            return
        found = self._find(request)
        if found is None:
            local = self._open_on_loopback and came_over_loopback(request)
            if not need.open_on_loopback or not local:
                raise Unauthorized(f"This needs a token; {_PAIR_FIRST}")
            refuse_browsers(request)
            request[CALLER] = _NEARBY
            return
        assert found.grant is not None
        if not found.grant.covers(need.scope):
            raise Forbidden(
                f"This needs the scope {need.scope}, and the token's is {found.grant.scope}; "
                f"pair again with a code of 'enigma-edge pair --scope {need.scope}'."
            )
        if need.counted:
            self._count(found)
        request[CALLER] = found

    def still(self, request: web.BaseRequest) -> bool:
        """Whether a request that goes on for long would be let in again: its token may have ended."""
        try:
            return self._find(request) is not None or caller(request).grant is None
        except Unauthorized:
            return False

    def _find(self, request: web.BaseRequest) -> Caller | None:
        """Whose token the request has, None without a token; raises `Unauthorized` for a wrong one."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized(f"Only bearer tokens are taken; {_PAIR_FIRST}")
        if hmac.compare_digest(hash_token(token.strip()), self._local_hash):
            return Caller(Grant("owner"))
        paired = self._tokens.find(token.strip())
        if paired is None:
            raise Unauthorized(f"The device doesn't know this token, or it has ended; {_PAIR_FIRST}")
        return Caller(paired.grant, paired.id)

    def _count(self, found: Caller) -> None:
        assert found.grant is not None
        most = found.grant.per_minute
        if not most:
            return
        if len(self._shares) > _MAX_COUNTED:
            self._shares.clear()
        share, now = self._shares.setdefault(found.id, _Share(float(most))), time.monotonic()
        share.left = min(float(most), share.left + (now - share.at) * most / 60)
        share.at = now
        if share.left < 1:
            raise TooMany(f"This token may send {most} requests a minute; wait a moment.", (1 - share.left) * 60 / most)
        share.left -= 1


def may_choose(request: web.BaseRequest, state: Path) -> None:
    """Raise `Forbidden` for whoever isn't the owner, where what serves is chosen by signed releases alone.

    There a stolen host, which is a releaser, could otherwise bring an older version back, or take one away.
    """
    grant = caller(request).grant
    if not (grant is not None and grant.covers(Need.OWN.scope)) and signed_only(state):
        raise Forbidden(
            "This device takes releases from its repository of updates alone, so only its owner may choose here what "
            "serves; give the version out with 'enigma rollout start', or ask the owner."
        )


def caller(request: web.BaseRequest) -> Caller:
    """Who sent a request that `Access.check` let in."""
    return request[CALLER]


def came_over_loopback(request: web.BaseRequest) -> bool:
    """Whether the peer is a program on this device, and not a proxy that speaks for somebody else."""
    if "Forwarded" in request.headers or "X-Forwarded-For" in request.headers:
        return False
    if request.transport is None:
        return False
    peer = request.transport.get_extra_info("peername")
    if isinstance(peer, tuple):
        return is_loopback(str(peer[0]))
    carrier = request.transport.get_extra_info("socket")
    return carrier is not None and carrier.family == socket.AF_UNIX


def refuse_browsers(request: web.BaseRequest) -> None:
    """Refuse a request that a web page made a browser on this device send; raises `Forbidden`.

    A page can point its own name at 127.0.0.1 (DNS rebinding), so the Host must be a loopback name; and it
    can send simple requests across origins, so an Origin must be our own.
    """
    host = request.headers.get("Host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if not is_loopback(name.strip("[]")):
        raise Forbidden("On loopback, without a token, the address must be 127.0.0.1, [::1] or localhost.")
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        raise Forbidden("Web pages of other origins may not call the device without a token.")
