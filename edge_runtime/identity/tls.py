"""When connections are encrypted, and by which certificate."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from edge_runtime.config import parse_listen
from edge_runtime.connecting import is_loopback
from edge_runtime.errors import ConfigError
from edge_runtime.identity.certificate import Certificate, device_certificate
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.update import disk

CHOICES = ("network", "always", "never")


def server_context(
    identity: IdentityFolder, key: DeviceKey, listen: str, tls: str
) -> tuple[ssl.SSLContext | None, str]:
    """(what a server encrypts with, the hash of its certificate in hex); (None, "") where it doesn't.

    listen: HOST:PORT. tls: one of `CHOICES`: all but what only this machine reaches, always, or never. Raises
    `ConfigError` for another.
    """
    if tls not in CHOICES:
        raise ConfigError(f"server.tls must be {', '.join(CHOICES[:-1])} or {CHOICES[-1]}, not '{tls[:40]}'.")
    host, _ = parse_listen(listen)
    if tls == "never" or (tls == "network" and is_loopback(host)):
        return None, ""
    certificate = device_certificate(key.seed, key.id)
    return context_of(certificate, identity.folder), certificate.fingerprint


def context_of(certificate: Certificate, folder: Path) -> ssl.SSLContext:
    """A server's context: TLS 1.3 alone. `ssl` reads a key from files only, so one lies in `folder` for a moment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with disk.storage_errors(folder):
        handle, name = tempfile.mkstemp(".pem", "tls-", folder)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(certificate.pem)
        context.load_cert_chain(name)
    finally:
        disk.remove(Path(name))
    return context
