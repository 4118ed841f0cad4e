"""The ways into the sandbox that this machine has, and things on the host for attacks to reach for."""

from __future__ import annotations

import contextlib
import os
import socket
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer_host.sandbox import NoSandbox, SandboxFailed, run_python
from trainer_host.sandbox.isolation import Way, offered
from trainer_host.sandbox.run import find_way


@pytest.fixture(scope="session", params=["bubblewrap", "namespaces"])
def way(request: pytest.FixtureRequest) -> Way:
    """Each way in turn."""
    for way in offered():
        if way.name == request.param:
            try:
                run_python(["pass"], way=way)
            except SandboxFailed as cause:
                pytest.skip(str(cause))
            return way
    pytest.skip(f"{request.param} isn't installed here")


@pytest.fixture(scope="session")
def any_way() -> Way:
    """The first way that holds, for what doesn't depend on the way."""
    try:
        return find_way()
    except NoSandbox as cause:
        pytest.skip(str(cause))


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """The names that attacks use, with real things behind them."""
    secret = tmp_path / "id_ed25519"
    secret.write_text("'the owner alone knows this'")
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("ENIGMA_TEST_SECRET", "sk-the-owner-alone-knows-this")
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(tmp_path / "socket"))
        unix.listen(64)
        yield {
            "secret": str(secret),
            "folder": str(folder),
            "port": tcp.getsockname()[1],
            "unix": str(tmp_path / "socket"),
            "parent": os.getpid(),
            "packages": sysconfig.get_path("purelib"),
        }
