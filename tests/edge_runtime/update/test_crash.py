"""Kill -9 between any two writes of an installation: the last admitted model answers afterwards."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.bundle import read_envelope
from edge_runtime.config import Config, UpdateConfig
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update import install
from edge_runtime.update.install import Installer
from edge_runtime.update.slots import Slots

from .. import tiny
from ..conftest import StartDevice, trust

UNTRIED = Config(update=UpdateConfig(trial=False))  # a pipe to a process isn't the disk


def killed_at(point: int, state: Path, upload: Path) -> int:
    """Install in a process that dies by SIGKILL at the Nth call that changes the disk, over all kinds of calls.

    Half of a write is done first, as a power cut does. Admission is left out: it only reads. The exit status.
    """
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    left = point

    def deadly(call: Callable[..., object], halve: bool = False) -> Callable[..., object]:
        def wrapper(*args: Any, **kwargs: Any) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                if halve:
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapper

    status = 1
    try:
        install.admit = lambda *args, **named: Loaded()  # type: ignore[assignment, return-value]
        installer = Installer(Slots(state), TrustStore(IdentityFolder(state)), UNTRIED)
        for name in ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "chmod"):
            setattr(os, name, deadly(getattr(os, name)))
        os.write = deadly(os.write, halve=True)  # type: ignore[assignment]
        installer.install(upload, lambda stage, fields: None)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


class Engine:
    """Of a specialist that was admitted."""

    runtime, version = "onnxruntime", "0"

    def close(self) -> None:
        """Nothing is open."""


class Loaded:
    """What admission gives."""

    engine = Engine()
    memory, rows, digest = 0, 1, ""


def test_at_every_write_the_state_is_old_or_new(bundles: dict[str, Path], tmp_path: Path) -> None:
    state = tmp_path / "device"
    trust(state)
    digests = {name: read_envelope(bundles[name].read_bytes()).digest for name in ("v1", "v2", "v3")}
    for name in ("v1", "v2"):
        _install(state, bundles[name])
    wanted, served = "v3", "v2"
    survived = 0
    for point in range(1, 200):
        upload = state / "incoming" / "victim.enigma"
        upload.write_bytes(bundles[wanted].read_bytes())
        status = killed_at(point, state, upload)
        slots = Slots(state)
        slots.sweep()
        pointer = slots.pointers()["tiny"]
        assert pointer is not None
        assert pointer.active in (digests[served], digests[wanted]), f"at call {point}"
        slots.check(pointer.active)
        assert pointer.previous is not None
        slots.check(pointer.previous)
        assert not any((state / "incoming").iterdir())
        assert {p.name for p in (state / "bundles").iterdir()} == {pointer.active, pointer.previous}
        assert not any((state / "specialists").glob(".*"))
        if pointer.active == digests[wanted]:
            wanted, served = served, wanted  # go on in the other direction
            wanted = "v1" if wanted == "v2" and point % 2 else wanted
        if status == 0:
            break
        assert status == -signal.SIGKILL
        survived += 1
    assert survived >= 15


def test_a_killed_daemon_comes_back_with_the_last_admitted_model(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    _install(state, bundles["v1"])
    device = start_device()
    served = "1.0.0"
    for attempt, delay in enumerate((0.0, 0.006, 0.015, 0.04)):
        name = "v2" if attempt % 2 == 0 else "v3"
        pushing = os.fork()
        if pushing == 0:
            try:
                device.push(bundles[name])
            finally:
                os._exit(0)
        time.sleep(0.02 + delay)
        device.kill()
        os.waitpid(pushing, 0)
        device = start_device()
        now = device.version()
        assert now in (served, f"{name[1]}.0.0")
        assert device.run("turn on the light").status == 200
        assert now is not None
        served = now


def test_a_damaged_active_bundle_is_rolled_back_at_start(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    for name in ("v1", "v2"):
        _install(state, bundles[name])
    active = read_envelope(bundles["v2"].read_bytes()).digest
    model = state / "bundles" / active / "files" / tiny.usable_manifest().models[0].file
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    device = start_device()
    assert device.get("/readyz").status == 200
    assert device.version() == "1.0.0"
    assert "rolled_back" in device.log
    assert device.push(bundles["v2"]).status == 200  # the sound one replaces what was damaged
    device.stop()
    assert start_device().version() == "2.0.0"


def test_a_damaged_pointer_is_told_and_does_not_stop_the_rest(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    _install(state, bundles["v1"])
    for content in (b"", b'{"active": "../../etc"}'):
        (state / "specialists" / "tiny.json").write_bytes(content)
        assert Slots(state).pointers() == {"tiny": None}
    (state / "bundles" / "unrelated").mkdir()
    device = start_device()
    reply = device.get("/readyz")
    assert reply.status == 503
    assert "push its bundle again" in reply.message
    assert (state / "bundles" / "unrelated").exists()  # nothing is removed while a pointer can't be read
    assert device.push(bundles["v1"]).json["changed"] is True
    assert device.get("/readyz").status == 200


def _install(state: Path, bundle: Path) -> None:
    slots = Slots(state)
    upload = slots.new_upload()
    upload.write_bytes(bundle.read_bytes())
    Installer(slots, TrustStore(IdentityFolder(state)), UNTRIED).install(upload, lambda stage, fields: None)
    upload.unlink()
