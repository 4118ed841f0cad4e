"""How long a release may be under way, and wait for its conditions: over restarts, by running time, not while it is paused."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from edge_runtime.errors import StateError, StorageFull
from edge_runtime.update import waiting
from edge_runtime.update.machine import Release
from edge_runtime.update.waiting import DAY, FILE_NAME, Overdue, Wait, Waits

from .test_disk_faults import FailingDisk

FIRST, SECOND = Release("r-1", "t", "a" * 64, "b" * 64), Release("r-2", "t", "c" * 64, "d" * 64)


class Machine:
    """Its running time, which a test moves on."""

    def __init__(self) -> None:
        self.ran = 1000.0

    def monotonic(self) -> float:
        return self.ran


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(waiting, "time", made)
    return made


def for_the_dock(wait: Wait, machine: Machine, seconds: float, days: float, step: float = 3600.0) -> None:
    for _ in range(int(seconds / step)):
        machine.ran += step
        wait.goes_on()
        wait.waits("It waits until the device is docked.", days)


def test_it_is_given_up_once_it_waited_as_long_as_it_may(machine: Machine) -> None:
    wait = Wait("r-1")
    wait.waits("docked", 2)
    for_the_dock(wait, machine, 1.9 * DAY, 2)
    with pytest.raises(Overdue, match=r"waited for 2 days, as long as condition_days.*docked"):
        for_the_dock(wait, machine, 0.2 * DAY, 2)


async def test_restarts_go_on_counting_and_lose_little(tmp_path: Path, machine: Machine) -> None:
    for _ in range(10):
        machine.ran = 5.0  # a boot; what the machine was off for doesn't count
        waits = Waits(tmp_path)
        wait = waits.of("tiny", FIRST)
        wait.goes_on()
        wait.waits("docked", 10)
        for _ in range(43):
            for_the_dock(wait, machine, 1000, 10, step=1000.0)
            await waits.keep()
    kept = Waits(tmp_path).of("tiny", FIRST)
    assert kept.whole == kept.condition
    assert 10 * (43_000 - waiting.KEEP_SECONDS - 1000) < kept.condition <= 10 * 43_000


def test_what_others_have_to_do_counts_for_the_whole_and_a_pause_not_at_all(machine: Machine) -> None:
    wait = Wait("r-1")
    wait.goes_on()
    wait.waits("docked", 9)
    for_the_dock(wait, machine, DAY / 2, 9)
    wait.waits_for_others()  # for signatures that count again
    machine.ran += DAY
    wait.goes_on()
    wait.waits("docked", 9)
    assert (wait.whole, wait.condition) == (1.5 * DAY, DAY / 2)
    wait.paused()
    machine.ran += 100 * DAY
    wait.paused()
    wait.goes_on()
    assert (wait.whole, wait.condition) == (1.5 * DAY, DAY / 2)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b'{"tiny":9}', b'{"tiny":{"of":1}}', b"\xff", b"[]"]
    + [
        json.dumps({"tiny": {"of": "r-1 " + "a" * 64, "whole": whole, "condition": 0}}).encode()
        for whole in ("9", -5, True)
    ],
)
def test_a_damaged_file_begins_anew(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(raw)
    assert Waits(tmp_path).of("tiny", FIRST).seconds == 0.0


async def test_another_release_has_a_wait_of_its_own(tmp_path: Path, machine: Machine) -> None:
    waits = Waits(tmp_path)
    wait = waits.of("tiny", FIRST)
    wait.goes_on()
    machine.ran += DAY
    wait.goes_on()
    await waits.keep()
    assert waits.of("tiny", FIRST) is wait and Waits(tmp_path).of("tiny", FIRST).whole == DAY
    assert waits.of("tiny", SECOND).seconds == 0.0 and Waits(tmp_path).of("tiny", SECOND).seconds == 0.0
    waits.over("tiny")
    await waits.keep()
    assert Waits(tmp_path).of("tiny", FIRST).seconds == 0.0


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EIO, StateError)])
async def test_at_any_error_of_the_disk_the_old_count_stays_and_goes_on(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    waits = Waits(tmp_path)
    wait = waits.of("tiny", FIRST)
    wait.goes_on()
    failing, failed = FailingDisk(monkeypatch), 0
    failing.number = number
    for point in range(1, 20):
        before = Waits(tmp_path).of("tiny", FIRST).whole
        machine.ran += DAY
        wait.goes_on()
        failing.left = point
        try:
            await waits.keep()
        except kind:
            failed += 1
            assert Waits(tmp_path).of("tiny", FIRST).whole in (before, wait.whole)
        else:
            break
    assert failed >= 4 and Waits(tmp_path).of("tiny", FIRST).whole == wait.whole == point * DAY
