"""A fake provider, retries that don't wait, and nothing of the person who runs the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.trainer_host.teacher.fake_api import FakeApi


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    """It runs."""
    async with FakeApi() as running:
        yield running


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come soon."""
    monkeypatch.setattr("trainer_host.teacher.api._FIRST_PAUSE", 0.01)


@pytest.fixture
def nobodys_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keyring and no passphrase, whoever runs the tests."""
    import keyring.core
    from keyring.backends import fail

    monkeypatch.setattr(keyring.core, "_keyring_backend", fail.Keyring())
    for name in ("ENIGMA_PASSPHRASE", "ENIGMA_NEW_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
