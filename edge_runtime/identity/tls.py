"""When connections are encrypted, and by which certificate."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from edge_runtime.addresses import is_loopback
from edge_runtime.config import parse_listen
from edge_runtime.errors import ConfigError, StateError
from edge_runtime.identity.certificate import Certificate, device_certificate
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.update import disk

_FILE = "certificate.json"
MOST_RENEWALS = 999_999_999
CHOICES = ("network", "always", "never")


class Shown:
    """The certificate that a server shows, which may be renewed while it serves.

    listen: HOST:PORT. tls: one of `CHOICES`: all but what only this machine reaches, always, or never. Raises
    `ConfigError` for another. on_renewed: called once another certificate is shown. `context` is what the server encrypts with, None where it doesn't; `fingerprint` the hash of
    the certificate in hex, empty then.
    """

    def __init__(self, identity: IdentityFolder, key: DeviceKey, listen: str, tls: str) -> None:
        if tls not in CHOICES:
            raise ConfigError(f"server.tls must be {', '.join(CHOICES[:-1])} or {CHOICES[-1]}, not '{tls[:40]}'.")
        host, _ = parse_listen(listen)
        self._identity = identity
        self._key = key
        self.context: ssl.SSLContext | None = None
        self.fingerprint = ""
        self.renewals = renewals_of(identity)
        self.on_renewed: Callable[[], None] = lambda: None
        if tls == "always" or (tls == "network" and not is_loopback(host)):
            certificate = device_certificate(key.seed, key.id, self.renewals)
            self.context, self.fingerprint = context_of(certificate, identity.folder), certificate.fingerprint

    def renew(self) -> None:
        """Take another key and certificate; connections that come from now on see it."""
        certificate, self.renewals = renew(self._identity, self._key)
        if self.context is not None:
            _load(self.context, certificate, self._identity.folder)
            self.fingerprint = certificate.fingerprint
            self.on_renewed()


def renewals_of(identity: IdentityFolder) -> int:
    """How often the certificate was renewed; raises `StateError` where the file is damaged."""
    count = identity.read(_FILE).get("renewals", 0)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_RENEWALS:
        raise StateError(f"{identity.folder / _FILE} is damaged; restore it, or delete it and pair again.")
    return count


def renew(identity: IdentityFolder, key: DeviceKey) -> tuple[Certificate, int]:
    """Count one renewal more: (the certificate from now on, the count); raises `StateError`."""
    with identity.changing():
        count = renewals_of(identity) + 1
        if count > MOST_RENEWALS:
            raise StateError(f"The certificate was renewed {MOST_RENEWALS} times; the device needs a new key.")
        identity.write(_FILE, {"renewals": count})
    return device_certificate(key.seed, key.id, count), count


def context_of(certificate: Certificate, folder: Path) -> ssl.SSLContext:
    """A server's context: TLS 1.3 alone. `ssl` reads a key from files only, so one lies in `folder` for a moment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _load(context, certificate, folder)
    return context


def _load(context: ssl.SSLContext, certificate: Certificate, folder: Path) -> None:
    with disk.storage_errors(folder):
        handle, name = tempfile.mkstemp(".pem", "tls-", folder)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(certificate.pem)
        context.load_cert_chain(name)
    finally:
        disk.remove(Path(name))
