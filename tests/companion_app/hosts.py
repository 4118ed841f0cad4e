"""The two hosts that the same steps through the window are taken with: the small fake one, and a real `enigma serve`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .fake_host import FakeHost

if TYPE_CHECKING:
    from tests.trainer_host.teacher.fake_api import FakeApi

KEY = "sk-proj-Zq9-first-0123456789abcdef"
SPARE = "sk-proj-Zq9-spare-9876543210fedcba"
START_SECONDS = 120.0  # a machine that does other work meanwhile is slow


class Stage(Protocol):
    """A host, and what a test knows of it by other ways than the companion.

    tasks: two tasks that its teacher can be asked for. custom_url: of a server that wants no key. stops_within:
    twice the seconds in which a lesson that goes on would have asked for more. priced: whether it knows what its teacher costs.
    """

    url: str
    code: str
    custom_url: str
    tasks: tuple[str, str]
    stops_within: float
    priced: bool

    def stored(self) -> dict[tuple[str, str], str]:
        """The keys that it has, whole, by provider and name."""

    def in_use(self, provider: str) -> str:
        """The name of the key that is tried first."""

    def requests(self) -> int:
        """How many requests the teacher got so far."""

    def answered(self) -> frozenset[str]:
        """What the teacher has answered so far, by hashes."""

    def repeated(self, answered: frozenset[str]) -> int:
        """How many requests asked again for what had been answered."""

    def pace(self, examples_per_second: float) -> None:
        """About so fast lessons go from now on."""


class FakeStage:
    """`FakeHost` as a stage."""

    tasks = ("chat", "math")
    stops_within = 0.2
    priced = True
    custom_url = "http://127.0.0.1:11434/v1"

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.url, self.code = host.url, host.code

    def stored(self) -> dict[tuple[str, str], str]:
        return dict(self.host.secrets)

    def in_use(self, provider: str) -> str:
        return next(str(key["name"]) for key in self.host.keys if key["provider"] == provider and key["in_use"])

    def requests(self) -> int:
        return sum(int(str(lesson["accepted"])) for lesson in self.host.lessons.values())

    def answered(self) -> frozenset[str]:
        return frozenset()  # there is no teacher behind it

    def repeated(self, answered: frozenset[str]) -> int:
        return 0

    def pace(self, examples_per_second: float) -> None:
        self.host.pace = 1 / examples_per_second


@contextlib.asynccontextmanager
async def fake_stage(folder: Path) -> AsyncIterator[Stage]:
    """A host that keeps the contract, in this process."""
    async with FakeHost() as host:
        yield FakeStage(host)


class RealStage:
    """A process of `enigma serve`, and a provider in this one."""

    tasks = ("avatar", "router")
    stops_within = 2.0
    priced = find_spec("genai_prices") is not None

    def __init__(self, home: Path, url: str, code: str, api: FakeApi, keyless: FakeApi) -> None:
        """api: takes the two keys and no other. keyless: takes any, and none."""
        self._home, self._api, self._keyless = home, api, keyless
        self._seconds = 0.0
        self._turn = asyncio.Lock()
        for each in (api, keyless):
            each.script = lambda _: self._wait
        self.url, self.code = url, code
        self.custom_url = f"{keyless.url}/v1"

    def stored(self) -> dict[tuple[str, str], str]:
        from trainer_host.teacher.vault.storage import Vault
        from trainer_host.workspace import Workspace

        contents = Vault(Workspace(self._home)).read()
        return {(key.provider, key.name): key.secret.reveal() for key in contents.keys}

    def in_use(self, provider: str) -> str:
        from trainer_host.teacher.vault.storage import Vault
        from trainer_host.workspace import Workspace

        return Vault(Workspace(self._home)).read().of(provider)[0].name

    def requests(self) -> int:
        return len(self._api.asked) + len(self._keyless.asked)

    def answered(self) -> frozenset[str]:
        return frozenset(asked.digest for asked in self._api.answered)

    def repeated(self, answered: frozenset[str]) -> int:
        assert answered
        return sum(self._api.by_body[digest] - 1 for digest in answered)

    def pace(self, examples_per_second: float) -> None:
        self._seconds = 1 / examples_per_second

    async def _wait(self, api: FakeApi, asked: object, request: object) -> None:
        """However many requests are open, they are answered one after another."""
        async with self._turn:
            await asyncio.sleep(self._seconds)


@contextlib.asynccontextmanager
async def real_stage(folder: Path) -> AsyncIterator[Stage]:
    """`enigma serve` as a person starts it; its provider "openai" is a fake one, by OPENAI_BASE_URL."""
    from tests.trainer_host.server.answers import passing
    from tests.trainer_host.teacher.fake_api import FakeApi

    home = folder / "enigma"
    async with (
        FakeApi(answer=passing, keys={KEY, SPARE}) as api,
        FakeApi(answer=passing) as keyless,
        served(home, {"OPENAI_BASE_URL": f"{api.url}/v1"}) as (url, code),
    ):
        yield RealStage(home, url, code, api, keyless)


@contextlib.asynccontextmanager
async def served(home: Path, variables: Mapping[str, str] | None = None) -> AsyncIterator[tuple[str, str]]:
    """A process of `enigma serve` over a home folder: its address, and the code that it printed."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_API_KEY") and not name.startswith(("ENIGMA_", "KIVY_"))
    }
    environment |= variables or {}
    # Where there is a keyring, no key of this test belongs into it.
    environment |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "trainer_host.cli", "--home", str(home), "serve", "--listen", "127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE)
    try:
        async with asyncio.timeout(START_SECONDS):
            url = (await _line(process, "http://")).split()[-1]
            code = (await _line(process, "code")).split()[-1]
        yield url, code
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _line(process: Process, words: str) -> str:
    assert process.stdout is not None
    while words not in (line := (await process.stdout.readline()).decode()):
        assert line, "enigma serve ended"
    return line
