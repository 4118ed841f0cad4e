from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from edge_runtime.documents import encoder, meaning


@pytest.fixture(scope="session", autouse=True)
def words_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meaning, "from_package", functools.cache(meaning.from_package))
        yield


@pytest.fixture(autouse=True)
def words_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the sentence encoder, which takes its time, unless the test asks for it."""
    if "encoder_there" not in request.fixturenames:
        monkeypatch.setattr(encoder, "PACKAGE", "none-of-that-name")


@pytest.fixture(scope="session")
def encoder_there() -> None:
    """Skips where the sentence encoder isn't installed."""
    if encoder.encoder_file() is None:
        pytest.skip("the extra documents-encoder isn't installed")
