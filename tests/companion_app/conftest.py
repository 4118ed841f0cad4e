"""Fixtures of the companion's tests; the devices are real daemons, as the device's own tests start them."""

from __future__ import annotations

import pytest

from companion_app.state.inventory import Inventory
from companion_app.state.model import AppState, Device
from tests.edge_runtime.conftest import bundles, start_device, state  # noqa: F401 - fixtures by their names

from . import samples


@pytest.fixture
def home() -> Inventory:
    """The sample home."""
    return samples.home()


@pytest.fixture
def app_state(home: Inventory) -> AppState:
    """A state with two devices, the first selected."""
    devices = (
        Device(samples.KITCHEN, "Kitchen Pi", "host"),
        Device(samples.ATTIC, "Attic", "companion"),
    )
    return AppState(inventory=home, devices=devices, selected=samples.KITCHEN)
