"""A QR code's text pairs without trust in the network, and who is paired follows when a device renews its certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.cli import main
from edge_runtime.client import DeviceClient
from edge_runtime.errors import DeviceUnreachable, Forbidden, PairingError
from edge_runtime.identity.invitation import read_invitation
from edge_runtime.identity.pin import Pin, read_pin

from ..conftest import StartDevice, edge
from .test_access import own_address

pytest.importorskip("segno")


async def test_a_paired_client_follows_renewals_while_the_device_runs_and_after_it_started_again(
    start_device: StartDevice, state: Path
) -> None:
    device = start_device(listen="0.0.0.0:0")
    printed = edge("pair", "--qr", "--address", own_address(), "--state", state)
    invited = read_invitation(printed.stdout.splitlines()[-1])
    assert invited.address == f"{own_address()}:{device.port}" and "\x1b[" in printed.stdout
    stranger = DeviceClient(invited.url, certificate="00" * 32)
    async with stranger:
        with pytest.raises(PairingError, match="stands in between"):
            await stranger.pair(invited.code, "x")
    assert '"tries":5' in (state / "identity" / "pairing.json").read_text()  # it was found out before anything was sent
    kept: list[str] = []
    async with DeviceClient(invited.url, certificate=invited.certificate, on_renewed=kept.append) as client:
        token = await client.pair(invited.code, "laptop")
        first = read_pin(client.certificate or "")
        with pytest.raises(Forbidden, match="owner"):
            await client.renew_certificate()
        assert (first.digest, first.renewals) == (invited.certificate, 0) and not kept
    learnt: list[str] = []  # by a pairing of before devices could renew, when it asks for the status
    async with DeviceClient(invited.url, token, certificate=first.digest, on_renewed=learnt.append) as client:
        await client.models()
        assert not learnt
        await client.status()
        assert learnt == [str(first)]
    async with DeviceClient(invited.url, token, certificate=str(first), on_renewed=kept.append) as client:
        renewed = edge("certificate", "renew", "--state", state)
        assert renewed.returncode == 0, renewed.stderr
        await client.close()  # connections of before go on; the next one sees the new certificate
        assert await client.models() == []
        assert [read_pin(text) for text in kept] == [Pin(renewed.stdout.strip(), first.device, 1)]
    async with DeviceClient(invited.url, token, certificate=first.digest) as client:
        with pytest.raises(DeviceUnreachable, match="stands in between"):
            await client.models()
    assert edge("status", "--state", state).returncode == 0  # the device's own commands go on
    assert edge("certificate", "--state", state).stdout == renewed.stdout
    device.stop()
    assert edge("certificate", "renew", "--state", state).returncode == 0  # also while nothing runs
    start_device(listen=f"0.0.0.0:{device.port}")
    async with DeviceClient(invited.url, token, certificate=kept[0], on_renewed=kept.append) as client:
        assert (await client.status())["device"]["id"]
    assert read_pin(kept[-1]).renewals == 2


def test_where_nobody_could_come_nothing_is_drawn_and_no_code_is_made(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def pair(*arguments: str) -> tuple[int, str, str]:
        return (main(["pair", "--qr", *arguments, "--state", str(state)]), *capsys.readouterr())

    for arguments in (("--address", "door"), ()):
        status, out, told = pair(*arguments)
        assert status == 1 and "listen to them by TLS" in told and not out
    (state / "config.toml").write_text('[server]\nlisten = "0.0.0.0:8765"\n')
    status, _, told = pair("--address", "no way")
    assert status == 1 and "copy all of it" in told
    assert not (state / "identity" / "pairing.json").exists()
    assert "192.0.2.7:8765/" in pair("--address", "192.0.2.7")[1]
