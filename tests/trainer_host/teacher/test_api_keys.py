"""A key that one process stored is in the header that another one sends; the environment wins; neither is said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO
from tests.trainer_host.teacher.fake_api import FakeApi
from tests.trainer_host.teacher.teachers import PRICE, question
from trainer_host.errors import KeysError
from trainer_host.keys import keys_for
from trainer_host.teacher.api import ApiTeacher
from trainer_host.teacher.audit import AuditLog
from trainer_host.teacher.budget import Budget
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.providers import PROVIDERS
from trainer_host.workspace import Workspace

STORED, FROM_ENVIRONMENT = "sk-stored-0123456789abcdef", "sk-environment-0123456789abcdef"


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as running:
        yield running


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A home folder in which another process has stored a key for each wire."""
    monkeypatch.setenv("ENIGMA_PASSPHRASE", "a long enough passphrase")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    program = (
        "import sys; from pathlib import Path; from trainer_host.keys import store_api_key\n"
        "for provider in ('openai', 'anthropic'): store_api_key(provider, sys.argv[1], home=Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, STORED, str(tmp_path / "home")]
    subprocess.run(command, check=True, cwd=REPO, timeout=60, env=dict(os.environ))
    return Workspace(tmp_path / "home")


async def header_sent(api: FakeApi, provider: str, workspace: Workspace, folder: Path) -> str:
    base = f"{api.url}/v1" if provider == "openai" else api.url
    endpoint = replace(PROVIDERS[provider], base_url=base)
    with ReplyCache(folder / f"{len(api.asked)}.sqlite") as cache:
        found = keys_for(provider, workspace)
        teacher = ApiTeacher(endpoint, found, cache, Budget(None, PRICE), AuditLog(folder / "audit.jsonl"))
        await teacher.ask(question())
        await teacher.close()
    headers = api.asked[-1].headers
    return headers["authorization"] if provider == "openai" else headers["x-api-key"]


@pytest.mark.parametrize(("provider", "form"), [("openai", "Bearer {}"), ("anthropic", "{}")])
async def test_a_stored_key_needs_no_argument_and_the_environment_wins(
    api: FakeApi, stored: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, form: str
) -> None:
    assert await header_sent(api, provider, stored, tmp_path) == form.format(STORED)
    monkeypatch.setenv(PROVIDERS[provider].environment, FROM_ENVIRONMENT)
    assert await header_sent(api, provider, stored, tmp_path) == form.format(FROM_ENVIRONMENT)


async def test_without_either_both_ways_to_give_a_key_are_named(stored: Workspace, tmp_path: Path) -> None:
    with pytest.raises(KeysError) as refused:
        keys_for("openai", Workspace(tmp_path / "another home"))
    assert "OPENAI_API_KEY" in str(refused.value) and "enigma keys add openai" in str(refused.value)
