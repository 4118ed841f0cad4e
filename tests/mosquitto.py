"""A real MQTT broker for tests: Debian's mosquitto on a free port of this machine, with passwords and an ACL."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START_SECONDS = 120.0  # on a busy machine; one that ended is told at once
HOST = "host"  # the user who may read and ask all devices
ACL = f"user {HOST}\ntopic readwrite enigma/#\npattern write enigma/%u/presence\npattern write enigma/%u/report\n"
ACL += "pattern read enigma/%u/do\n"  # as docs/fleet.md says


class Mosquitto:
    """A broker that can be stopped and started again on its port. passwords: by user; others aren't let in."""

    def __init__(self, folder: Path, passwords: dict[str, str], tls: bool = False) -> None:
        self.folder, self.port, self._tls = folder, 0, tls
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "passwords").write_text("".join(f"{user}:{password}\n" for user, password in passwords.items()))
        subprocess.run(["mosquitto_passwd", "-U", folder / "passwords"], check=True, timeout=START_SECONDS)
        (folder / "acl").write_text(ACL)
        if tls:
            _certificate(folder)

    def _configure(self) -> None:
        folder = self.folder
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {folder / 'passwords'}",
            f"acl_file {folder / 'acl'}",
            f"pid_file {folder / 'pid'}",
            # What is retained must be there after a restart, as with any broker that is in use.
            f"persistence true\npersistence_location {folder}/",
            *([f"cafile {self.ca}", f"certfile {self.ca}", f"keyfile {folder / 'key.pem'}"] if self._tls else []),
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # it would give its files away to a user that can't read the folder
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    @property
    def ca(self) -> Path:
        """The certificate that it shows with TLS."""
        return self.folder / "certificate.pem"

    def start(self) -> None:
        """Start it, and wait until it listens: the first time on any port that is free, then on that one."""
        first, until = self.port == 0, time.monotonic() + START_SECONDS
        while not self._started(first, until):
            assert time.monotonic() < until, (self.folder / "log").read_text()

    def _started(self, first: bool, until: float) -> bool:
        if first:  # between our look and its own bind somebody else may take it, so that is tried again
            self.port = _free_port()
            self._configure()
        with (self.folder / "log").open("ab") as log:
            self.process = process = subprocess.Popen(
                ["mosquitto", "-c", self.folder / "mosquitto.conf"], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                time.sleep(0.02)  # whoever answered may be somebody else, and ours be at its end
                return process.poll() is None
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.02)
        log_text = (self.folder / "log").read_text()
        assert first and "already in use" in log_text, log_text
        return False

    def stop(self) -> None:
        """End it, as an administrator would."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(START_SECONDS)
            self.process = None


@contextlib.contextmanager
def running(folder: Path, passwords: dict[str, str], tls: bool = False) -> Iterator[Mosquitto]:
    """A broker while the block runs; the test is skipped where mosquitto isn't installed."""
    if shutil.which("mosquitto") is None:
        pytest.skip("mosquitto isn't installed; scripts/system_packages.sh brings it")
    if tls and shutil.which("openssl") is None:
        pytest.skip("openssl isn't installed, which makes the broker's certificate")
    folder.mkdir(exist_ok=True)
    broker = Mosquitto(folder, passwords, tls)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _certificate(folder: Path) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run([*command, *named, *files], check=True, capture_output=True, timeout=START_SECONDS)
