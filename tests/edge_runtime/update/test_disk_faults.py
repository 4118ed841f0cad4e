"""An error of the disk at any call of an installation: an error of ours, and the old model stays."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.bundle import read_envelope
from edge_runtime.config import Config, UpdateConfig
from edge_runtime.errors import StateError, StorageFull
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update import disk
from edge_runtime.update.install import Installer
from edge_runtime.update.slots import Slots

UNTRIED = Config(update=UpdateConfig(trial=False))  # a pipe to a process isn't the disk
CALLS = ("write", "fsync", "rename", "replace", "mkdir")


class FailingDisk:
    """Makes the Nth changing call fail with an errno; counts over all kinds of calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self.number = errno.ENOSPC
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))

    def _wrap(self, call):  # type: ignore[no-untyped-def]
        def wrapper(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left == 0:
                raise OSError(self.number, os.strerror(self.number))
            return call(*args, **kwargs)

        return wrapper


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingDisk]:
    yield FailingDisk(monkeypatch)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EIO, StateError)])
def test_an_error_at_any_call_leaves_the_old_model(
    bundles: dict[str, Path], state: Path, failing: FailingDisk, number: int, kind: type[Exception]
) -> None:
    slots = Slots(state)
    installer = Installer(slots, TrustStore(IdentityFolder(state)), UNTRIED)

    def install(name: str) -> None:
        upload = slots.new_upload()
        upload.write_bytes(bundles[name].read_bytes())
        try:
            installer.install(upload, lambda stage, fields: None)
        finally:
            disk.remove(upload)

    install("v1")
    old, new = (read_envelope(bundles[name].read_bytes()).digest for name in ("v1", "v2"))
    failing.number = number
    failed = 0
    for point in range(1, 100):
        failing.left = point
        try:
            install("v2")
        except kind as error:
            failed += 1
            assert str(error).endswith(".")
        failing.left = 0
        pointer = slots.pointers()["tiny"]
        assert pointer is not None
        slots.check(pointer.active)
        assert list(slots.incoming.iterdir()) == []
        if pointer.active == new:
            break
        assert pointer.active == old
    else:
        pytest.fail("the installation never came through")
    assert failed >= 10
