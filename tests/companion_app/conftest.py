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

from . import samples, screen_reader, window

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
def options(display: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """A config folder of the test's own; the network isn't asked for devices, as those of other tests would answer."""
    from companion_app.app import Options

    monkeypatch.setattr("companion_app.services.discovery.SETTLED_SECONDS", 1e6)
    return Options(config=tmp_path / "config")


@pytest.fixture(scope="session")
def reader_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The bus of screen readers, one for all tests: accesskit stays with the first one that it finds."""
    pytest.importorskip("accesskit")
    if screen_reader.missing():
        pytest.skip(screen_reader.missing())
    with screen_reader.bus(tmp_path_factory.mktemp("bus")) as variables:
        yield variables


@pytest.fixture
def listened_to(reader_bus: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen reader listens to the windows of this test."""
    for name in ("AT_SPI_BUS_ADDRESS", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in reader_bus.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Whatever language a test speaks, the next one finds English."""
    yield
    i18n.use("en")
