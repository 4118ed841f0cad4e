"""The bus of screen readers, and a client of it that knows nothing of Kivy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

LAUNCHER = Path("/usr/libexec/at-spi-bus-launcher")
SYSTEM_PYTHON = "/usr/bin/python3"
CLIENT = Path(__file__).with_name("reader_client.py")
SECONDS = 60.0


def missing() -> str:
    """What the system lacks for these tests, or nothing."""
    if not LAUNCHER.exists() or shutil.which("dbus-daemon") is None:
        return "no bus of screen readers: apt-get install at-spi2-core dbus"
    probe = [SYSTEM_PYTHON, "-c", "import pyatspi, gi"]
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run(probe, capture_output=True, check=False).returncode:
        return "no client of screen readers: apt-get install python3-pyatspi"
    return ""


@contextlib.contextmanager
def bus(folder: Path) -> Iterator[dict[str, str]]:
    """A session of D-Bus with the bus of screen readers, as variables of the environment; ends with the block."""
    folder.mkdir(mode=0o700, exist_ok=True)
    there = {"XDG_RUNTIME_DIR": str(folder)}
    others = {name: value for name, value in os.environ.items() if name not in ("AT_SPI_BUS_ADDRESS", "DISPLAY")}
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=others | there,
    )  # fmt: skip
    assert daemon.stdout is not None
    there["DBUS_SESSION_BUS_ADDRESS"] = daemon.stdout.readline().strip()
    launcher = subprocess.Popen(
        [LAUNCHER, "--launch-immediately", "--a11y=1", "--screen-reader=1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=others | there,
    )  # fmt: skip
    try:
        yield there
    finally:
        for process in (launcher, daemon):
            process.terminate()
            process.wait()
        daemon.stdout.close()


class Reader:
    """Asks the client."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ask(self, **request: str) -> object:
        """One request, one answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(SECONDS):
            line = await self._process.stdout.readline()
        assert line, "the client has ended"
        return json.loads(line)

    async def tree(self) -> list[dict]:
        """All that is told, in reading order."""
        found = await self.ask(do="tree")
        return found if isinstance(found, list) else []

    async def find(self, role: str, name: str, *states: str, **has: object) -> dict:
        """Wait until there is a node of this role, name (`*` is anything), states and properties (as `told` has them)."""
        for _ in range(int(SECONDS / 0.2)):
            found = await self.ask(do="find", role=role, name=name)
            for node in found if isinstance(found, list) else ():
                if set(states) <= set(node["states"]) and all(node.get(key) == value for key, value in has.items()):
                    return dict(node)
            await asyncio.sleep(0.2)
        seen = await self.tree()
        there = "\n".join(f"{node['role']} {node['name']!r} {node.get('text', '')} {node['states']}" for node in seen)
        raise AssertionError(f"no {role} {name!r} {states} {has} among\n{there}")

    async def press(self, role: str, name: str) -> None:
        """Do what a press does, by the bus alone."""
        await self.find(role, name, "enabled", actions=["click"])
        await self.do("press", role, name)

    async def focus(self, role: str, name: str) -> None:
        """Bring the focus there, by the bus alone, and wait until it is there."""
        await self.find(role, name)
        await self.do("focus", role, name)
        await self.find(role, name, "focused")

    async def do(self, verb: str, role: str, name: str, **more: str) -> None:
        """Do something with a node; once more where another one went while the client looked for it."""
        for _ in range(5):
            answer = await self.ask(do=verb, role=role, name=name, **more)
            if answer is True:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"{verb} {role} {name!r}: {answer}")

    async def heard(self, name: str) -> None:
        """Wait until something was announced or got the focus whose name holds this."""
        seen: list[str] = []
        for _ in range(int(SECONDS / 0.2)):
            said = await self.ask(do="heard")
            assert isinstance(said, list)
            seen += [f"{event['type']} {event['name']} {event['data']}" for event in said]
            if any(name in line for line in seen):
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"{name!r} was not heard among {seen}")


@contextlib.asynccontextmanager
async def reader() -> AsyncIterator[Reader]:
    """Start the client, and end it with the block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = await asyncio.create_subprocess_exec(SYSTEM_PYTHON, CLIENT, stdin=PIPE, stdout=PIPE, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            assert await process.stdout.readline() == b"ready\n"
        yield Reader(process)
    finally:
        process.stdin.close()
        async with asyncio.timeout(SECONDS):
            await process.wait()
