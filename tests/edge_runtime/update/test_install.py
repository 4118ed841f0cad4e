"""Bundles over HTTP: what is sound gets to serve, what isn't changes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.bundle import HEADER_BYTES, ModelFile, Scored, public_key_of, read_envelope
from edge_runtime.cli import main
from edge_runtime.client import DeviceClient
from edge_runtime.config import Config
from edge_runtime.errors import DeviceUnreachable, UntrustedSigner
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update.install import Installer
from edge_runtime.update.slots import Slots

from .. import tiny
from ..conftest import RunningDevice, StartDevice, edge, trust


def snapshot(state: Path) -> dict[str, bytes]:
    """Every file that matters after a restart."""
    folders = [state / "bundles", state / "specialists"]
    return {str(p.relative_to(state)): p.read_bytes() for f in folders for p in f.rglob("*") if p.is_file()}


@pytest.fixture
def device(start_device: StartDevice, bundles: dict[str, Path]) -> RunningDevice:
    """A daemon that serves version 1."""
    running = start_device()
    assert running.push(bundles["v1"]).status == 200
    return running


@pytest.fixture
def steady(shared_device: RunningDevice, bundles: dict[str, Path]) -> Iterator[RunningDevice]:
    """One that these tests share; version 1 serves before each."""
    yield shared_device
    if shared_device.version() != "1.0.0":
        assert shared_device.push(bundles["v1"]).status == 200


def test_a_push_serves_at_once_and_after_a_restart_and_the_previous_bundle_is_kept(
    device: RunningDevice, bundles: dict[str, Path], state: Path, start_device: StartDevice
) -> None:
    before = device.run("turn on the light").json["scores"]
    reply = device.push(bundles["v2"])
    assert reply.status == 200
    assert reply.json == {
        "specialist": "tiny",
        "version": "2.0.0",
        "bundle": read_envelope(bundles["v2"].read_bytes()).address,
        "runtime": tiny.RUNTIME,
        "changed": True,
    }
    assert device.run("turn on the light").json["scores"] != before
    device.push(bundles["v3"])
    kept = {read_envelope(bundles[name].read_bytes()).digest for name in ("v2", "v3")}
    assert {path.name for path in (state / "bundles").iterdir()} == kept
    assert list((state / "incoming").iterdir()) == []
    assert device.stop() == 0
    assert start_device().version() == "3.0.0"


def test_pushing_what_serves_already_changes_nothing(steady: RunningDevice, bundles: dict[str, Path]) -> None:
    before = snapshot(steady.state)
    assert steady.push(bundles["v1"]).json["changed"] is False
    assert snapshot(steady.state) == before


def test_a_person_can_go_back_and_forth(
    steady: RunningDevice, bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    steady.push(bundles["v2"])
    assert main(["rollback", "tiny", "--state", str(steady.state)]) == 0
    assert "1.0.0 serves again" in capsys.readouterr().out
    assert steady.version() == "1.0.0"
    main(["rollback", "tiny", "--state", str(steady.state)])
    assert steady.version() == "2.0.0"
    assert main(["rollback", "nobody", "--state", str(steady.state)]) == 1


# Where a byte is flipped: every field of the head, the archive's index, a manifest, a model, the end.
REGIONS = {
    "magic": 0,
    "format": 15,
    "length": 23,
    "hash": 30,
    "signer": 60,
    "signature": 100,
    "signature's end": HEADER_BYTES - 1,
    "first name": HEADER_BYTES + 1,
    "golden vectors": HEADER_BYTES + 600,
    "middle": -4000,
    "end": -1,
}


@pytest.mark.parametrize("region", REGIONS)
def test_a_tampered_bundle_changes_nothing(shared_device: RunningDevice, bundles: dict[str, Path], region: str) -> None:
    before = snapshot(shared_device.state)
    content = bytearray(bundles["v2"].read_bytes())
    content[REGIONS[region]] ^= 0x01
    reply = shared_device.push(bytes(content))
    assert reply.status in (403, 422), reply.body
    assert reply.message.endswith(".")
    assert snapshot(shared_device.state) == before
    assert list((shared_device.state / "incoming").iterdir()) == []
    assert shared_device.version() == "1.0.0"


def test_unsound_uploads_change_nothing(shared_device: RunningDevice, bundles: dict[str, Path]) -> None:
    whole = bundles["v2"].read_bytes()
    cases: dict[str, tuple[bytes, int, str]] = {
        "empty": (b"", 422, "ends after 0 bytes"),
        "cut in the head": (whole[:100], 422, "inside its head"),
        "cut in the payload": (whole[:-700], 422, "send the whole file"),
        "with an appendix": (whole + b"x", 422, "not the"),
        "no bundle": (b"PK\x03\x04" * 200, 422, "isn't an Enigma bundle"),
        "wrong key": (bundles["foreign"].read_bytes(), 403, "doesn't trust"),
        "unsigned": (
            whole[: HEADER_BYTES - 64] + bytes(64) + whole[HEADER_BYTES:],
            403,
            "signature is wrong",
        ),
    }
    before = snapshot(shared_device.state)
    for name, (content, status, words) in cases.items():
        reply = shared_device.push(content)
        assert (reply.status, words in reply.message) == (status, True), (name, reply.body)
    assert snapshot(shared_device.state) == before
    assert shared_device.run("still there").status == 200


def test_a_bundle_over_the_limit_is_refused_before_it_is_taken(
    start_device: StartDevice, state: Path, tmp_path: Path
) -> None:
    (state / "config.toml").write_text("[update]\nmax_bundle_mb = 1\n")
    tiny.make_bundle(tmp_path / "big.enigma", padding=1_100_000)
    device = start_device()
    reply = device.push(tmp_path / "big.enigma")
    assert reply.status == 422
    assert "takes 1,048,576" in reply.message


def test_an_upload_that_breaks_off_leaves_nothing(steady: RunningDevice, bundles: dict[str, Path]) -> None:
    content = bundles["v2"].read_bytes()
    head = (
        f"POST /v1/bundles HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {steady.token}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", steady.port)) as client:
        client.sendall(head + content[: len(content) // 2])
        _until(lambda: any((steady.state / "incoming").iterdir()))
    _until(lambda: not any((steady.state / "incoming").iterdir()))
    assert steady.version() == "1.0.0"
    assert steady.push(content).status == 200


def test_a_second_upload_meanwhile_is_asked_to_wait(steady: RunningDevice, bundles: dict[str, Path]) -> None:
    content = bundles["v2"].read_bytes()
    head = (
        f"POST /v1/bundles HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {steady.token}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", steady.port)) as client:
        client.sendall(head + content[:-1])
        _until(lambda: any((steady.state / "incoming").iterdir()))
        reply = steady.push(bundles["v3"])
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) > 0
        client.sendall(content[-1:])
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert steady.version() == "2.0.0"


def test_a_bundle_for_another_runtime_is_refused_by_name(steady: RunningDevice, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    described = tiny.manifest("2.0.0")
    cases = {
        "never scored": ModelFile("model.onnx", "int8", ("onnxruntime",)),
        "newer": ModelFile("model.onnx", "int8", ("onnxruntime",), scored_in=(Scored("onnxruntime", "99.1", 0.9),)),
        "tensorrt": ModelFile("model.onnx", "int8", ("tensorrt",), scored_in=(Scored("tensorrt", "10.1", 0.9),)),
    }
    for name, model in cases.items():
        path = tmp_path / f"{name}.enigma"
        tiny.make_bundle(path, dataclasses.replace(described, models=(model,)), golden=b"[]")
        reply = steady.push(path)
        assert reply.status == 422, name
        assert reply.json["error"]["code"] == "unsupported_runtime"
        assert "onnxruntime" in reply.message
    unknown = tmp_path / "unknown.enigma"
    tiny.make_bundle(unknown, dataclasses.replace(described, task="telepathy"), golden=b"[]")
    assert steady.push(unknown).json["error"]["code"] == "unknown_task"
    assert steady.version() == "1.0.0"


def test_a_model_that_answers_its_golden_vectors_otherwise_is_refused(steady: RunningDevice, tmp_path: Path) -> None:
    described = tiny.usable_manifest("2.0.0")
    wrong = json.loads(_golden(tmp_path, described))
    wrong[3]["response"]["label"] = next(x for x in tiny.LABELS if x != wrong[3]["response"]["label"])
    tiny.make_bundle(tmp_path / "wrong.enigma", described, golden=json.dumps(wrong).encode())
    before = snapshot(steady.state)
    reply = steady.push(tmp_path / "wrong.enigma")
    assert reply.status == 422
    assert "Golden vector 4 of 6" in reply.message
    assert snapshot(steady.state) == before


def test_a_signed_bundle_with_a_broken_model_is_refused(steady: RunningDevice, tmp_path: Path) -> None:
    described = tiny.usable_manifest("2.0.0")
    golden = _golden(tmp_path, described)
    files = {described.models[0].file: b"\x08\x01 no graph" * 50, "golden.json": golden}
    tiny.write_bundle(tmp_path / "broken.enigma", described, files, tiny.KEY)
    reply = steady.push(tmp_path / "broken.enigma")
    assert reply.status == 500
    assert f"can't open {described.models[0].file}" in reply.message
    assert steady.run("still there").status == 200


def test_a_full_disk_changes_nothing_and_says_so(bundles: dict[str, Path], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        state = disk / "device"
        trust(state)
        (state / "config.toml").write_text("[update]\nkeep_free_mb = 0\n")
        device = RunningDevice(state)
        try:
            assert device.push(bundles["v1"]).status == 200
            before = snapshot(state)
            tiny.make_bundle(tmp_path / "big.enigma", tiny.usable_manifest("2.0.0"), padding=2_000_000)
            early = device.push(tmp_path / "big.enigma")
            assert early.status == 507
            assert "MB more free space" in early.message
            # Now the space ends only while the bundle is unpacked: somebody else fills the disk meanwhile.
            tiny.make_bundle(tmp_path / "fits.enigma", tiny.usable_manifest("2.0.0"), padding=1_100_000)
            content = (tmp_path / "fits.enigma").read_bytes()
            late = _push_while(device, content, lambda: (disk / "filler").write_bytes(bytes(1_000_000)))
            assert b"507" in late.split(b"\r\n", 1)[0], late
            assert b"is full" in late
            assert snapshot(state) == before
            assert device.version() == "1.0.0"
            assert list((state / "incoming").iterdir()) == []
            (disk / "filler").unlink()
            assert device.push(tmp_path / "fits.enigma").status == 200
        finally:
            device.stop()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_long_bundle_of_a_stranger_is_refused_while_it_is_still_sent(
    steady: RunningDevice, tmp_path: Path
) -> None:
    tiny.make_bundle(tmp_path / "long.enigma", key=tiny.OTHER_KEY, padding=20_000_000)
    async with DeviceClient(steady.url, steady.token) as client:
        with pytest.raises(UntrustedSigner, match="doesn't trust"):
            await client.push(tmp_path / "long.enigma")


def test_requests_never_fail_while_models_are_swapped(steady: RunningDevice, bundles: dict[str, Path]) -> None:
    answers = {"v1": steady.run("turn on the light").json["scores"]}
    seen: list[tuple[int, object]] = []
    ends = threading.Event()

    def ask() -> None:
        while not ends.is_set():
            reply = steady.run("turn on the light")
            seen.append((reply.status, reply.json.get("scores")))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for name in ("v2", "v3", "v1", "v2", "v3", "v1", "v2"):
        assert steady.push(bundles[name]).status == 200
        answers[name] = steady.run("turn on the light").json["scores"]
    ends.set()
    for thread in threads:
        thread.join()
    assert len(seen) > 50
    assert {status for status, _ in seen} == {200}
    assert all(scores in answers.values() for _, scores in seen)
    assert "enigma_draining_generations 0" in steady.get("/metrics").body.decode()


async def test_events_tell_an_installation_and_a_refusal(device: RunningDevice, bundles: dict[str, Path]) -> None:
    events: list[dict] = []

    async def listen() -> None:
        async with DeviceClient(device.url, device.token) as client:
            async for event in client.events(since=0):
                events.append(event)

    listening = asyncio.create_task(listen())
    async with DeviceClient(device.url, device.token) as client:
        progress: list[tuple[int, int]] = []
        await client.push(bundles["v2"], lambda sent, total: progress.append((sent, total)))
        size = bundles["v2"].stat().st_size
        assert progress[-1] == (size, size)
        with pytest.raises(UntrustedSigner):
            await client.push(bundles["foreign"])
    device.stop()
    async with asyncio.timeout(60):
        await listening  # the stream ends with the device, without an error
    stages = [event.get("stage") for event in events if event["type"] == "install"]
    assert stages[-5:] == ["receiving", "verified", "unpacked", "admitted", "activated"]
    kinds = [event["type"] for event in events]
    assert kinds[-3:] == ["activated", "error", "stopping"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))


async def test_a_listener_learns_that_the_device_was_killed(device: RunningDevice) -> None:
    async with DeviceClient(device.url, device.token) as client:
        with pytest.raises(DeviceUnreachable):
            async for _ in client.events():
                device.kill()


def test_a_command_installs_with_and_without_a_daemon(
    start_device: StartDevice, bundles: dict[str, Path], state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        status = main([*map(str, arguments), "--state", str(state)])
        return (status, *capsys.readouterr())

    offline = edge("install", bundles["v1"], "--state", state)
    assert (offline.returncode, "serves now" in offline.stdout) == (0, True), offline.stderr
    device = start_device()
    assert device.version() == "1.0.0"
    status, _, errors = run("install", bundles["v2"])
    assert (status, errors) == (0, "")
    assert device.version() == "2.0.0"
    status, _, errors = run("install", bundles["foreign"])
    assert status == 1
    assert "doesn't trust" in errors
    key = public_key_of(tiny.OTHER_KEY).hex()
    assert run("trust", "add", key)[0] == 0
    assert run("install", bundles["foreign"])[0] == 0
    assert device.version() == "9.0.0"
    assert run("trust", "remove", key[:8])[0] == 0
    assert run("install", bundles["foreign"])[0] == 1


def _golden(folder: Path, described: tiny.Manifest) -> bytes:
    model = folder / described.models[0].file
    (tiny.write_onnx if model.suffix == ".onnx" else tiny.write_tflite)(model, 0)
    return tiny.golden_of(model, described)


def _push_while(device: RunningDevice, content: bytes, then: object) -> bytes:
    """Upload all but the last byte, do something, and send the rest; returns the raw answer."""
    head = (
        f"POST /v1/bundles HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {device.token}\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    ).encode()
    incoming = device.state / "incoming"
    with socket.create_connection(("127.0.0.1", device.port)) as client:
        client.sendall(head + content[:-1])
        _until(lambda: sum(p.stat().st_size for p in incoming.iterdir()) > len(content) - 400_000)
        then()  # type: ignore[operator]
        client.sendall(content[-1:])
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
    return answer


def _until(holds: object, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.01)


def test_a_staged_bundle_is_whole_only_with_its_head_which_is_written_last(
    bundles: dict[str, Path], state: Path
) -> None:
    slots = Slots(state)
    installer = Installer(slots, TrustStore(IdentityFolder(state)), Config())
    upload = slots.new_upload()
    upload.write_bytes(bundles["v1"].read_bytes())
    digest = read_envelope(bundles["v1"].read_bytes()).digest
    staged = installer.stage(upload, "tiny", digest)
    assert installer.still_staged(staged, digest)
    (staged / "envelope").unlink()  # as where the power went before it was written
    assert not installer.still_staged(staged, digest)
    assert installer.still_staged(installer.stage(upload, "tiny", digest), digest)
