"""One local teacher with the real model for all tests that only ask it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from trainer_host.teacher.local.server import running_teacher
from trainer_host.teacher.protocol import Json
from trainer_host.teacher.providers import Endpoint
from trainer_host.workspace import Workspace

ANSWER_SECONDS = 120.0  # one core that others use makes about ten tokens per second


@dataclass(frozen=True)
class Asking:
    """Asks an endpoint as any client would."""

    endpoint: Endpoint

    def body(self, text: str, **options: object) -> Json:
        """A request for few tokens."""
        return {
            "model": self.endpoint.model,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 8,
            "temperature": 0.8,
            **options,
        }

    async def post(self, body: Json | bytes, token: str | None = None) -> tuple[int, Json]:
        """The status and the answer of one chat completion."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            content = {"data": body} if isinstance(body, bytes) else {"json": body}
            async with session.post(f"{self.endpoint.base_url}/chat/completions", **content) as answer:
                return answer.status, await answer.json()

    async def text(self, text: str, **options: object) -> str:
        """What it answers."""
        status, answer = await self.post(self.body(text, **options))
        assert status == 200, answer
        choices = answer["choices"]
        assert isinstance(choices, list)
        return str(choices[0]["message"]["content"])


@pytest.fixture(scope="session")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A running teacher, the same for all tests of this folder."""
    # One thread: several wait for each other by counting, which on a busy machine takes most of what they get.
    with running_teacher(Workspace(tmp_path_factory.mktemp("teacher")), threads=1, context=1024) as endpoint:
        yield Asking(endpoint)
