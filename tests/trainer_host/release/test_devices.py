"""What a host keeps of its devices: paired by what a QR code holds, and known again after the device renewed its certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.identity.pin import read_pin
from tests.edge_runtime.api.test_access import own_address
from tests.edge_runtime.conftest import RunningDevice, edge, trust
from trainer_host.release import devices
from trainer_host.release.keys import signing_key
from trainer_host.workspace import Workspace

pytest.importorskip("segno")


def test_a_host_pairs_by_a_qr_codes_text_and_keeps_what_the_device_renews(workspace: Workspace, tmp_path: Path) -> None:
    state = tmp_path / "device"
    trust(state)
    running = RunningDevice(state, listen="0.0.0.0:0")
    try:
        printed = edge("pair", "--qr", "--address", own_address(), "--state", state).stdout.splitlines()[-1]
        key = signing_key(workspace)
        with pytest.raises(BadRequest, match="copy all of it"):
            devices.pair(workspace, printed[:-1], "", "door", key)
        made = devices.pair(workspace, printed, "", "door", key)
        assert devices.known_devices(workspace) == [made] and read_pin(made.certificate).renewals == 0
        assert edge("certificate", "renew", "--state", state).returncode == 0
        assert devices.models(devices.device_named(workspace, "door")) == []
        again = devices.device_named(workspace, "door")
        assert read_pin(again.certificate).renewals == 1 and again.token == made.token
        assert devices.still_paired(again)
    finally:
        running.stop()
