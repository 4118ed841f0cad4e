"""The real server on a socket, with a fake provider beside it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

import aiohttp
import keyring.core
import pytest
from keyring.backends import fail

from edge_runtime.connecting import Seen, pair_over
from edge_runtime.errors import PairingError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import Grant
from edge_runtime.identity.tokens import TokenStore
from tests.trainer_host.server.answers import passing
from tests.trainer_host.teacher.fake_api import FakeApi
from trainer_host.keys import vault_of
from trainer_host.server.run import folder_of, listening
from trainer_host.teacher.providers import PROVIDERS
from trainer_host.workspace import Workspace

Json = dict[str, object]
KEY = "sk-test-Zq81vJx0TnYb3uWm5RkE"
SPARE = "sk-spare-P0aB7cLdHeIfGgJhKiMj"


@pytest.fixture(autouse=True)
def nothing_of_this_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, keyring or passphrase of whoever runs the tests."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", fail.Keyring())
    for endpoint in PROVIDERS.values():
        monkeypatch.delenv(endpoint.environment or "NOTHING", raising=False)
    for name in ("ENIGMA_PASSPHRASE", "ENIGMA_NEW_PASSPHRASE", "ENIGMA_EXPORT_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    vault_of.cache_clear()


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Json:
        import json

        return cast(Json, json.loads(self.text))

    @property
    def message(self) -> str:
        assert self.json.keys() == {"error", "message"}
        return str(self.json["message"])


@dataclass
class Client:
    """A paired program. heard: all that was ever answered, for a look at what it tells."""

    url: str
    token: str | None
    session: aiohttp.ClientSession = field(repr=False)
    heard: list[str] = field(default_factory=list)

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request; a body that isn't bytes is sent as JSON."""
        sent = dict(headers)
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        more: dict[str, object] = {"data": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
        async with asyncio.timeout(60):
            async with self.session.request(method, self.url + path, headers=sent, **more) as response:  # type: ignore[arg-type]
                found = Answer(
                    response.status, {k.lower(): v for k, v in response.headers.items()}, await response.text()
                )
        self.heard.append(found.text + repr(found.headers))
        return found

    async def get(self, path: str) -> Json:
        found = await self.call("GET", path)
        assert found.status == 200, found.text
        return found.json

    async def lesson(self, id_: object) -> Json:
        return await self.get(f"/v1/lessons/{id_}")

    async def until(self, id_: object, holds: Callable[[Json], bool], seconds: float = 60.0) -> Json:
        """How the lesson stands as soon as that holds."""
        give_up = time.monotonic() + seconds
        while not holds(found := await self.lesson(id_)):
            assert time.monotonic() < give_up, found
            await asyncio.sleep(0.05)
        return found

    async def ended(self, id_: object) -> Json:
        return await self.until(id_, lambda lesson: lesson["state"] not in ("running", "open"))


async def paired(client: Client, code: str, name: str = "test") -> Json:
    """Pair by a code; what the host answers in the end. Raises `PairingError`, also where the host refuses."""

    async def call(path: str, message: Json) -> Json:
        answer = await client.call("POST", path, message)
        if answer.status == 403:
            raise PairingError(answer.message)
        assert answer.status == 200, answer.text
        return answer.json

    return (await pair_over(call, code, {"name": name}, Seen()))[1]


def token_for(workspace: Workspace, name: str = "test") -> str:
    """A token, without the detour by a code."""
    return TokenStore(IdentityFolder(folder_of(workspace))).add(name, Grant("owner"))


@contextlib.asynccontextmanager
async def serving(
    workspace: Workspace, host: str = "127.0.0.1", chat_budget: str | None = None
) -> AsyncIterator[Client]:
    """A server in this process, and a client."""
    connector = aiohttp.TCPConnector(ssl=False)  # who answers isn't what is checked here
    async with (
        listening(workspace, host, 0, chat_budget=chat_budget) as url,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        yield Client(url, token_for(workspace), session)


@pytest.fixture
async def client(workspace: Workspace) -> AsyncIterator[Client]:
    async with serving(workspace) as made:
        yield made


@pytest.fixture
async def provider() -> AsyncIterator[FakeApi]:
    async with FakeApi(answer=passing) as made:
        yield made


class Here:
    """An executor that runs calls where they are made."""

    capacity = 2

    async def submit(self, function, *args, **kwargs):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    async def close(self) -> None:
        """Nothing to end."""


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lessons verify in their own thread: starting processes takes most of a small lesson's time."""
    monkeypatch.setattr("trainer_host.teacher.teach.executor_for", lambda address: Here())


async def add_fake(client: Client, provider: FakeApi, name: str = "fake") -> None:
    """The fake provider, as a server of one's own without a key."""
    body = {"name": name, "base_url": f"{provider.url}/v1", "wire": "openai", "model": "fake-small"}
    assert (await client.call("POST", "/v1/providers", body)).status == 201
