"""How long a staged release may wait for its conditions: over restarts, by running time, and not while it is paused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.update import waiting
from edge_runtime.update.machine import Release
from edge_runtime.update.waiting import FILE_NAME, Overdue, Waited, Waits

DAY = 86400.0


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


async def wait(waited: Waited, machine: Machine, seconds: float, step: float = 3600.0) -> None:
    for _ in range(int(seconds / step)):
        machine.ran += step
        await waited.goes_on("It waits until the device is docked.")


async def test_it_is_given_up_once_it_waited_as_long_as_it_may(tmp_path: Path, machine: Machine) -> None:
    waited = Waited(tmp_path, 2 * DAY)
    await waited.goes_on("docked")
    await wait(waited, machine, 1.9 * DAY)
    with pytest.raises(Overdue, match=r"waited for 2 days, as long as condition_days.*docked"):
        await wait(waited, machine, 0.2 * DAY)


async def test_restarts_go_on_counting_and_lose_little(tmp_path: Path, machine: Machine) -> None:
    for _ in range(10):
        machine.ran = 5.0  # a boot; what the machine was off for doesn't count
        waited = Waited(tmp_path, 10 * DAY)
        await waited.goes_on("docked")
        await wait(waited, machine, 0.5 * DAY, step=1000.0)
    assert 5 * DAY - 10 * 1100 < Waited(tmp_path, DAY).seconds <= 5 * DAY


async def test_a_pause_and_a_repository_that_is_out_of_date_do_not_count(tmp_path: Path, machine: Machine) -> None:
    waited = Waited(tmp_path, DAY)
    await waited.goes_on("docked")
    await wait(waited, machine, DAY / 2)
    await waited.paused()
    machine.ran += 100 * DAY
    await waited.paused()
    await waited.goes_on("docked")
    assert waited.seconds == DAY / 2


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"seconds":"9"}', b'{"seconds":-5}', b'{"seconds":true}', b"\xff"])
def test_a_damaged_file_begins_anew(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(raw)
    assert Waited(tmp_path, DAY).seconds == 0.0


async def test_another_release_has_a_wait_of_its_own(tmp_path: Path, machine: Machine) -> None:
    waits, first, second = Waits(), Release("r-1", "t", "a" * 64, "b" * 64), Release("r-2", "t", "c" * 64, "d" * 64)
    waited = waits.of("tiny", first, tmp_path, 1)
    assert waits.of("tiny", first, tmp_path, 1) is waited
    assert waits.of("tiny", second, tmp_path, 1) is not waited
    waits.over("tiny")
    assert waits.of("tiny", second, tmp_path, 1).seconds == 0.0
