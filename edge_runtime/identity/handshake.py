"""Pairing over a connection that nobody has checked yet: a code of six digits on one side, typed in on the other.

Four messages, all JSON, base64 where bytes are meant:

    client to device: {"share"}                              SPAKE2's first share
    device to client: {"session", "share", "confirm", "tries"}
    client to device: {"session", "confirm", "sealed"}       sealed: {"name", "signer"}
    device to client: {"sealed"}                             sealed: {"token", "device", "certificate", ...}

`confirm` shows that the sender knew the code, and that both see the same TLS certificate: who sits in between with one
of his own can't. `sealed` is a SecretBox (XSalsa20-Poly1305) under a key of the run, one for each direction.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, PairingError
from edge_runtime.identity import spake2
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import Grant
from edge_runtime.identity.pairing import plain_code, take_try, use_up

SESSION_SECONDS = 30.0
MAX_SESSIONS = 16
MAX_SEALED = 4096
_TO_DEVICE, _TO_CLIENT = "client to device", "device to client"
_WRONG = "The code is wrong, or somebody stands between you and the device"

Json = dict[str, object]


@dataclass(frozen=True)
class _Session:
    scalar: bytes
    agreed: spake2.Agreed
    grant: Grant
    certificate: str
    until: float


@dataclass(frozen=True)
class Met:
    """A client that knew the code. grant: what its token may do. said: what it sealed. key: for the answer.

    certificate: the hash of the one that both saw, in hex; empty without TLS.
    """

    grant: Grant
    said: Json
    key: bytes
    certificate: str

    def seal(self, answer: Json) -> Json:
        """The last message."""
        return {"sealed": _sealed(self.key, answer)}


class Responder:
    """The side where the code was printed.

    certificate: the hash, in hex, of the certificate that clients see there, or what tells it, where it may change; empty
    without TLS.
    """

    def __init__(self, identity: IdentityFolder, certificate: str | Callable[[], str]) -> None:
        self._identity = identity
        self._certificate = certificate
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def begin(self, message: Json) -> Json:
        """Answer the first message, from any thread; costs the code a try. Raises `BadRequest` (which costs none) or `PairingError`."""
        share = _bytes(message, "share", spake2.SHARE_BYTES)
        if not spake2.is_share(share):
            raise BadRequest('"share" is no element of the group; use a client of this version.')
        scalar, grant, left = take_try(self._identity)
        certificate = self._certificate if isinstance(self._certificate, str) else self._certificate()
        secret, own = spake2.begin(scalar, first=False)
        try:
            agreed = spake2.agree(scalar, secret, own, share, certificate.encode(), first=False)
        except spake2.NoShare:
            raise PairingError(f"{_WRONG}.") from None
        now, id_ = time.monotonic(), secrets.token_hex(16)
        with self._lock:
            kept = [(known, session) for known, session in self._sessions.items() if session.until > now]
            self._sessions = dict(kept[-MAX_SESSIONS + 1 :])
            self._sessions[id_] = _Session(scalar, agreed, grant, certificate, now + SESSION_SECONDS)
        return {"session": id_, "share": _text(own), "confirm": _text(agreed.second), "tries": left}

    def finish(self, message: Json) -> Met:
        """Read the third message, and end the code; raises `BadRequest` or `PairingError`."""
        id_, confirm = message.get("session"), _bytes(message, "confirm", spake2.CONFIRM_BYTES)
        with self._lock:
            session = self._sessions.pop(id_, None) if isinstance(id_, str) else None
        if session is None or session.until < time.monotonic():
            raise PairingError("This pairing took too long or was begun elsewhere; begin again.")
        if not hmac.compare_digest(confirm, session.agreed.first):
            raise PairingError(f"{_WRONG}.")
        said = _opened(spake2.sealing_key(session.agreed, _TO_DEVICE), message)
        use_up(self._identity, session.scalar)
        return Met(session.grant, said, spake2.sealing_key(session.agreed, _TO_CLIENT), session.certificate)


class Initiator:
    """The side where the code is typed in. Raises `BadRequest` where it can't be one."""

    def __init__(self, code: str) -> None:
        self._scalar = spake2.scalar_of(plain_code(code))
        self._secret, self._share = spake2.begin(self._scalar, first=True)
        self._key = b""

    def begin(self) -> Json:
        """The first message."""
        return {"share": _text(self._share)}

    def finish(self, answer: Json, certificate: str, said: Json) -> Json:
        """The third message, from the second one; raises `PairingError` where the other side hasn't the same code.

        certificate: the hash, in hex, of the one that is seen here; empty without TLS. said: to be sealed.
        """
        try:
            share = _bytes(answer, "share", spake2.SHARE_BYTES)
            theirs = _bytes(answer, "confirm", spake2.CONFIRM_BYTES)
            agreed = spake2.agree(self._scalar, self._secret, self._share, share, certificate.encode(), first=True)
        except (BadRequest, spake2.NoShare):
            raise PairingError("The device doesn't pair as this version does; update the older one.") from None
        if not hmac.compare_digest(theirs, agreed.second):
            left = answer.get("tries")
            more = (
                f"{left} more {'try' if left == 1 else 'tries'}"
                if isinstance(left, int) and left
                else "that was the last try"
            )
            raise PairingError(f"{_WRONG}; {more}.")
        self._key = spake2.sealing_key(agreed, _TO_CLIENT)
        sealed = _sealed(spake2.sealing_key(agreed, _TO_DEVICE), said)
        return {"session": answer.get("session"), "confirm": _text(agreed.first), "sealed": sealed}

    def open(self, answer: Json) -> Json:
        """What the last message has; raises `PairingError`."""
        try:
            return _opened(self._key, answer)
        except BadRequest:
            raise PairingError("The device's answer was changed on its way; pair again with a new code.") from None


def _sealed(key: bytes, value: Json) -> str:
    from nacl.secret import SecretBox

    return _text(bytes(SecretBox(key).encrypt(strict_json.dumps(value))))


def _opened(key: bytes, message: Json) -> Json:
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    try:
        content = SecretBox(key).decrypt(_bytes(message, "sealed", None))
    except (CryptoError, ValueError):
        raise BadRequest('"sealed" can\'t be opened; begin the pairing again.') from None
    return strict_json.loads_object(content, "The sealed part", BadRequest)


def _bytes(message: Json, name: str, size: int | None) -> bytes:
    text = message.get(name)
    raw = b""
    if isinstance(text, str) and len(text) <= MAX_SEALED:
        try:
            raw = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            raw = b""
    if not raw or (size is not None and len(raw) != size):
        raise BadRequest(f'"{name}" must be base64{f" of {size} bytes" if size else ""}; see docs/device-api.md.')
    return raw


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
