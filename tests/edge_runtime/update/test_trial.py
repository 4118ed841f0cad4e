"""A staged bundle is tried in a process of its own, which may hang or crash without harm."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.bundle import read_envelope
from edge_runtime.config import Config, ModelsConfig, UpdateConfig
from edge_runtime.device import Device
from edge_runtime.errors import AdmissionError, StateError, TookTooLong, UnsupportedRuntime
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update import deadline, disk_threads, install, trial
from edge_runtime.update.disk_threads import DiskHangs
from edge_runtime.update.ground import Alone, OnDevice
from edge_runtime.update.install import Installer
from edge_runtime.update.slots import Slots
from edge_runtime.update.trial import try_out

from .. import tiny
from ..conftest import trust
from .following import NAME, wrong_golden


def staged(state: Path, make: object = None) -> tuple[Path, str]:
    """A bundle as the updater stages it, and its hash."""
    bundle = state / "bundle.enigma"
    state.mkdir(parents=True, exist_ok=True)
    if callable(make):
        make(bundle)
    else:
        tiny.make_bundle(bundle, tiny.usable_manifest("1.0.0"), key=tiny.OTHER_KEY)
    with bundle.open("rb") as head:
        digest = read_envelope(head).digest
    installer = Installer(Slots(state), TrustStore(IdentityFolder(state)), Config())
    return installer.stage(bundle, NAME, digest), digest


async def began_in_vain() -> None:
    raise AssertionError("it was to end in its trial")


def program(folder: Path, script: str) -> str:
    """Something else in Python's place."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def test_a_sound_bundle_stands_it_and_one_that_answers_otherwise_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edge_runtime").mkdir()
    (tmp_path / "edge_runtime" / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)  # whatever lies where the daemon was started, that isn't run
    folder, digest = staged(tmp_path / "sound")
    try_out(tmp_path / "sound", folder, ModelsConfig(), 60)
    assert Slots.head_of(folder) == digest  # it lies there as before
    folder, _ = staged(tmp_path / "wrong", wrong_golden("2.0.0"))
    with pytest.raises(AdmissionError, match=r"Golden vector 1 of 6 .* bundle it anew"):
        try_out(tmp_path / "wrong", folder, ModelsConfig(), 60)
    with pytest.raises(UnsupportedRuntime, match="was scored in"):
        try_out(tmp_path / "wrong", folder, ModelsConfig(runtimes=("xllamacpp",)), 60)


def test_a_crash_is_the_models_fault_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial.sys, "executable", program(tmp_path, "cat >/dev/null; kill -SEGV $$"))
    with pytest.raises(AdmissionError, match="ended by signal 11"):
        try_out(tmp_path, tmp_path, ModelsConfig(), 60)
    monkeypatch.setattr(trial.sys, "executable", program(tmp_path, "cat >/dev/null; kill -ILL $$"))
    with pytest.raises(AdmissionError, match="instructions that this processor lacks"):  # LiteRT-LM#1847, a Pi 4
        try_out(tmp_path, tmp_path, ModelsConfig(), 60)
    monkeypatch.setattr(trial.sys, "executable", program(tmp_path, "cat >/dev/null; exit 3"))
    with pytest.raises(AdmissionError, match="ended with status 3"):
        try_out(tmp_path, tmp_path, ModelsConfig(), 60)


async def test_a_push_and_an_update_without_a_daemon_are_tried_first_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial.sys, "executable", program(tmp_path, "cat >/dev/null; kill -SEGV $$"))
    state = tmp_path / "state"
    folder, digest = staged(state)
    bundle = (state / "bundle.enigma").read_bytes()
    trust(state, tiny.OTHER_KEY)
    device = Device(state, Config())
    await device.start()

    async def arriving() -> AsyncIterator[bytes]:
        yield bundle

    with pytest.raises(AdmissionError, match="ended by signal 11"):
        await device.install(arriving(), None)
    with pytest.raises(AdmissionError, match="ended by signal 11"):
        await Alone(device.installer).switch(folder, digest, began_in_vain)
    assert device.slots.pointers() == {} and device.serving.names() == []
    await device.close()
    without = Device(state, Config(update=UpdateConfig(trial=False)))
    await without.start()
    assert (await without.install(arriving(), None)).changed
    await without.close()
    monkeypatch.setattr(trial.sys, "executable", str(tmp_path / "none"))
    with pytest.raises(StateError, match="can't be started: No such file"):
        try_out(state, folder, ModelsConfig(), 60)


async def test_a_load_that_hangs_is_ended_and_the_daemon_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "pid"
    monkeypatch.setattr(trial.sys, "executable", program(tmp_path, f"echo $$ >{told}; exec sleep 600"))
    monkeypatch.setattr(deadline, "LOAD_SECONDS", 0.0)
    device = Device(tmp_path / "state", Config(update=UpdateConfig(max_bundle_mb=65)))  # 1 MiB more has 2 seconds more
    folder, digest = staged(tmp_path / "state")
    switching = asyncio.create_task(OnDevice(device).switch(folder, digest, began_in_vain))
    while not (told.exists() or switching.done()):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    assert not device.changing.locked()  # whoever pushes meanwhile isn't kept waiting
    began = time.monotonic()
    with pytest.raises(TookTooLong, match="within 2 seconds"):
        await switching
    assert time.monotonic() - began < 120
    assert not Path(f"/proc/{told.read_text().strip()}").exists()
    assert device.slots.pointers() == {}
    await device.close()


async def test_a_device_that_takes_longer_bundles_has_longer_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin(still: Callable[[], None]) -> str:
        await asyncio.sleep(0.01)
        still()
        await asyncio.sleep(0.01)
        return "serves"

    for name in ("LOAD_SECONDS", "SWITCH_SECONDS"):
        monkeypatch.setattr(deadline, name, 0.0)
    with pytest.raises(TookTooLong, match="within 0 seconds"):
        await deadline.in_time(begin, tmp_path, deadline.USUAL_BYTES)
    assert UpdateConfig().max_bundle_mb * 2**20 == deadline.USUAL_BYTES
    assert deadline.more_for(2**31) == 3968.0
    assert await deadline.in_time(begin, tmp_path, 2**31) == "serves"


async def test_a_start_that_hangs_is_given_up_and_changes_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    folder, digest = staged(state)
    installer = Installer(Slots(state), TrustStore(IdentityFolder(state)), Config())
    installed = installer.switch(folder, digest, lambda stage, fields: None)
    assert installed.loaded is not None
    installed.loaded.engine.close()
    loads, gone = install.admit_installed, threading.Event()

    def slow(*arguments: Any, **named: Any) -> Any:
        gone.wait(60)
        return loads(*arguments, **named)

    monkeypatch.setattr(deadline, "LOAD_SECONDS", 0.05)
    monkeypatch.setattr(install, "admit_installed", slow)
    device = Device(state, Config())
    await device.start()
    assert "loaded and checked within" in device.failed[NAME] and not device.ready
    assert device.serving.names() == []
    await device.close()

    async def no_answer(folder: Path) -> bool:
        return False

    monkeypatch.setattr(disk_threads, "answers", no_answer)
    gone_on: list[float] = []
    device = Device(state, Config())
    with pytest.raises(DiskHangs, match="doesn't answer"):  # it can't be waited out, and nothing could serve
        await device.start(gone_on.append)
    assert gone_on == [deadline.LOAD_SECONDS + deadline.SWITCH_SECONDS]
    gone.set()
    await device.close()
    await asyncio.get_running_loop().shutdown_default_executor()  # the thread's end
    pointer = device.slots.pointers()[NAME]
    assert pointer is not None and pointer.active == digest
