"""Fixtures of the companion's tests; the devices are real daemons, as the device's own tests start them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app import i18n
from companion_app.state.inventory import Inventory
from companion_app.state.model import AppState, Device
from tests.edge_runtime.conftest import (  # noqa: F401 - fixtures by their names
    bundles,
    kept_versions,
    start_device,
    state,
    two_versions,
)

from . import samples, window

if TYPE_CHECKING:
    from companion_app.app import Options


@pytest.fixture
def home() -> Inventory:
    """The sample home."""
    return samples.home()


@pytest.fixture
def app_state(home: Inventory) -> AppState:
    """A state with two devices, the first selected."""
    devices = (
        Device(samples.KITCHEN, "Kitchen Pi", "releaser"),
        Device(samples.ATTIC, "Attic", "operator"),
    )
    return AppState(inventory=home, devices=devices, selected=samples.KITCHEN)


@pytest.fixture
def display() -> None:
    """Skip where no GL window can open, and say what is missing."""
    pytest.importorskip("kivy")
    pytest.importorskip("PIL")
    try:
        window.open_display()
    except window.NoWindow as error:
        pytest.skip(str(error))


@pytest.fixture
def options(display: None, tmp_path: Path) -> Options:
    """A config folder of the test's own."""
    from companion_app.app import Options

    return Options(config=tmp_path / "config")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Whatever language a test speaks, the next one finds English."""
    yield
    i18n.use("en")
