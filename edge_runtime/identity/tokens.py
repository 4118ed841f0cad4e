"""Tokens of paired hosts and companions: kept as hashes, each with what it is good for."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from edge_runtime.errors import BadRequest, NotFound, StateError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import Grant, read_grant

_FILE = "tokens.json"
PREFIX = "enigma_"  # lets secret scanners find a token that leaked
MAX_TOKENS = 64
_FORMER = {"host": "releaser", "companion": "operator"}  # roles of versions before there were scopes


@dataclass(frozen=True)
class Paired:
    """One pairing: its short id, the name that the other side gave, what it may do, and when it was made."""

    id: str
    name: str
    grant: Grant
    created: float
    hash: str

    def plain(self) -> dict[str, object]:
        """As JSON, without its hash."""
        return {"id": self.id, "name": self.name, "created": self.created, **self.grant.plain()}


class TokenStore:
    """Tokens by hash. A token has 256 random bits, so a plain SHA-256 of it can't be guessed back."""

    def __init__(self, identity: IdentityFolder) -> None:
        self._identity = identity
        self._stamp: tuple[int, int, int] | None = None
        self._cached: list[Paired] = []

    def paired(self) -> list[Paired]:
        """All pairings, the oldest first, those that are over as well; read again whenever the file changed."""
        stamp = self._identity.stamp(_FILE)
        if stamp != self._stamp:
            stored = self._identity.read(_FILE)
            self._cached = sorted((self._parse(key, v) for key, v in stored.items()), key=lambda p: p.created)
            self._stamp = stamp
        return self._cached

    def add(self, name: str, grant: Grant) -> str:
        """Make a token; it is returned once and kept nowhere. One that is over makes room."""
        token = PREFIX + secrets.token_urlsafe(32)
        with self._identity.changing():
            stored = self._identity.read(_FILE)
            if len(stored) >= MAX_TOKENS:
                over = {key for key, value in stored.items() if self._over(self._parse(key, value).grant)}
                stored = {key: value for key, value in stored.items() if key not in over}
            if len(stored) >= MAX_TOKENS:
                raise BadRequest(f"The device has {MAX_TOKENS} pairings already; remove one first.")
            created = {"name": name, "created": round(time.time(), 3), "sha256": hash_token(token)}
            self._identity.write(_FILE, {**stored, secrets.token_hex(4): {**created, **grant.plain()}})
        return token

    def find(self, token: str) -> Paired | None:
        """The pairing of a token that isn't over; takes the same time whichever token is right."""
        given = hash_token(token)
        found: Paired | None = None
        for paired in self.paired():
            if hmac.compare_digest(paired.hash, given):
                found = paired
        return None if found is None or self._over(found.grant) else found

    def remove(self, id_: str) -> Paired:
        """End a pairing by its id; its token stops working at once."""
        with self._identity.changing():
            stored = self._identity.read(_FILE)
            if id_ not in stored:
                raise NotFound(f"There is no pairing '{id_[:64]}'; 'enigma-edge paired list' shows them.")
            gone = self._parse(id_, stored[id_])
            self._identity.write(_FILE, {key: value for key, value in stored.items() if key != id_})
        return gone

    def _over(self, grant: Grant) -> bool:
        # A device without a battery-backed clock may wake up in 1970: it is at least as late as its newest pairing.
        now = max([time.time(), *(paired.created for paired in self._cached)])
        return bool(grant.until) and now >= grant.until

    def _parse(self, id_: str, fields: object) -> Paired:
        if isinstance(fields, dict):
            name, digest, created = fields.get("name"), fields.get("sha256"), fields.get("created")
            try:
                grant = read_grant({"scope": _FORMER.get(str(fields.get("role"))), **fields})
            except BadRequest:
                grant = None
            if isinstance(name, str) and grant is not None and isinstance(digest, str) and digest.isascii():
                return Paired(id_, name, grant, float(created or 0.0), digest)
        raise StateError(f"{self._identity.folder / _FILE} is damaged; restore it, or delete it and pair again.")


def hash_token(token: str) -> str:
    """SHA-256 of a token, in hex."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
