"""The certificate that a device makes itself: OpenSSL takes it, it is always the same, and its key isn't the device's."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from edge_runtime.errors import ConfigError
from edge_runtime.identity.certificate import device_certificate
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import device_key
from edge_runtime.identity.tls import Shown, context_of


def test_it_is_the_same_each_time_and_another_for_each_device() -> None:
    made = device_certificate(b"a" * 32, "0123456789abcdef")
    assert made == device_certificate(b"a" * 32, "0123456789abcdef")
    others = {device_certificate(seed, "0123456789abcdef").fingerprint for seed in (b"b" * 32, b"c" * 32)}
    assert len(others | {made.fingerprint}) == 3
    assert "PRIVATE" not in repr(made) and (b"a" * 32).hex() not in made.der.hex()


def test_another_library_reads_and_verifies_it() -> None:
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed")
    found = x509.load_der_x509_certificate(device_certificate(b"a" * 32, "0123456789abcdef").der)
    found.verify_directly_issued_by(found)
    assert found.subject.rfc4514_string() == "CN=enigma-0123456789abcdef"
    assert found.serial_number > 0 and found.not_valid_after_utc.year == 9999
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["enigma-0123456789abcdef.local"]


def test_a_client_that_trusts_it_gets_through_and_one_that_does_not_is_stopped(tmp_path: Path) -> None:
    made = device_certificate(b"a" * 32, "0123456789abcdef")
    context = context_of(made, tmp_path)
    assert not list(tmp_path.iterdir())  # the key lay there for a moment only
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)

    def serve() -> None:
        for _ in range(2):
            plain, _ = listener.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as server:
                    server.sendall(b"hello")
            except (ssl.SSLError, OSError):
                plain.close()

    thread = threading.Thread(target=serve)
    thread.start()
    trusting = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(made.der))
    with (
        socket.create_connection(listener.getsockname(), 10) as plain,
        trusting.wrap_socket(plain, server_hostname="enigma-0123456789abcdef.local") as client,
    ):
        assert client.version() == "TLSv1.3" and client.recv(5) == b"hello"
    with socket.create_connection(listener.getsockname(), 10) as plain, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="enigma-0123456789abcdef.local")
    thread.join(60)
    listener.close()


@pytest.mark.parametrize(
    ("listen", "tls", "encrypts"),
    [
        ("127.0.0.1:1", "network", False),
        ("[::1]:1", "network", False),
        ("localhost:1", "network", False),
        ("0.0.0.0:1", "network", True),
        ("192.168.1.20:1", "network", True),
        ("127.0.0.1:1", "always", True),
        ("0.0.0.0:1", "never", False),
    ],
)
def test_only_what_leaves_the_machine_is_encrypted_unless_asked(
    tmp_path: Path, listen: str, tls: str, encrypts: bool
) -> None:
    identity = IdentityFolder(tmp_path)
    shown = Shown(identity, device_key(identity), listen, tls)
    context, fingerprint = shown.context, shown.fingerprint
    assert (context is not None) == bool(fingerprint) == encrypts


def test_a_setting_that_there_is_not_says_what_there_is(tmp_path: Path) -> None:
    identity = IdentityFolder(tmp_path)
    with pytest.raises(ConfigError, match="network, always or never"):
        Shown(identity, device_key(identity), "127.0.0.1:1", "sometimes")
