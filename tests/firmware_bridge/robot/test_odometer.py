"""A machine that stands for a while: what its board told meanwhile, or only counted, says where the robot went. No clock is asked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.messages import Encoders, Imu
from firmware_bridge.robot.drive import LOST, Driver
from firmware_bridge.robot.estimate import Estimate, wrap
from firmware_bridge.robot.modes import Mode
from firmware_bridge.robot.odometer import LONGEST, WRAP, Odometer
from firmware_bridge.robot.simulator import SimulatedBoard
from tests.firmware_bridge.robot.quick import run
from tests.firmware_bridge.robot.test_simulator import START, world

Told = tuple[float, Encoders | Imu]
SURE = np.diag([0.02**2, 0.02**2, 0.01**2])


class Trip:
    """A robot that drives by itself: what its board tells of it, from so many seconds of the board's clock on."""

    def __init__(self, folder: Path, clock: float = 100.0) -> None:
        self.world, self.clock, self.time = world(folder), clock, 0.0

    def go(self, seconds: float, left: float, right: float) -> list[Told]:
        """What it tells on the way, and when that is so."""
        told: list[Told] = []
        for _ in range(round(seconds / 0.05)):
            self.world.drive(left, right)
            self.world.step(0.05)
            self.time += 0.05
            at = (self.clock + self.time) % WRAP
            told.append((self.time, Imu(at, 0, 0, 9.81, 0, 0, self.world.speed[1], 25.0)))
            told.append((self.time, Encoders(at, *(math.trunc(each) for each in self.world.counts))))
        return told


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def reckoned(trip: Trip) -> tuple[Odometer, Estimate]:
    return Odometer(trip.world.robot.body), Estimate(*START)


def read(odometer: Odometer, estimate: Estimate, told: Sequence[Told], at: float | None = None) -> None:
    """Each as it is told, or all `at` once, with 1000 s on the machine's clock for the first."""
    for when, message in told:
        now = 1000 + (at if at is not None else when)
        odometer.hear(now, message)
        if at is None:
            odometer.settle(estimate)
            estimate.step(odometer.time(now) + 0.03)
    odometer.settle(estimate)


def off(trip: Trip, estimate: Estimate) -> tuple[float, float]:
    x, y, heading = trip.world.pose
    return math.dist(estimate.pose[:2], (x, y)), abs(wrap(estimate.pose[2] - heading))


def test_what_is_read_late_counts_as_if_it_had_been_read_in_time(trip: Trip) -> None:
    odometer, estimate = reckoned(trip)
    soon, (_, told) = reckoned(trip), (None, trip.go(1.0, 0.3, 0.4))
    read(odometer, estimate, told)
    read(*soon, told)
    late = [*trip.go(0.5, 0.5, 0.2), *trip.go(1.5, 0.0, 0.0)]
    read(*soon, late)
    estimate.step(odometer.time(1003.0))  # the machine stood; it knows of nothing yet
    assert max(estimate.doubt) > LOST
    kinds = [[each for each in late if isinstance(each[1], kind)] for kind in (Imu, Encoders)]
    read(odometer, estimate, kinds[0] + kinds[1], at=3.0)  # one kind after the other, as queues are emptied
    assert estimate.state == pytest.approx(soon[1].state, abs=0.01) and max(estimate.doubt) < 0.2
    assert estimate.doubt == pytest.approx(soon[1].doubt, abs=0.01)
    after = trip.go(0.5, 0.2, 0.2)
    read(odometer, estimate, after)
    read(*soon, after)
    assert estimate.pose == pytest.approx(soon[1].pose, abs=0.01)


def test_a_board_whose_clock_is_slow_as_in_simavr_on_a_busy_machine_is_heard_as_any(trip: Trip) -> None:
    odometer, estimate = reckoned(trip)
    for when, message in trip.go(5.0, 0.3, 0.4):
        odometer.hear(1000 + 3 * when, message)
        odometer.settle(estimate)
        estimate.step(odometer.time(1000 + 3 * when))
        assert max(estimate.doubt) < 0.5
    assert odometer.counted_at == 1000 + 3 * trip.time and off(trip, estimate)[0] < 0.3


@pytest.mark.parametrize("clock", [100.0, WRAP - 2.0], ids=["a usual time", "while the board's clock begins anew"])
def test_where_messages_were_lost_the_counters_tell_the_way(tmp_path: Path, clock: float) -> None:
    trip = Trip(tmp_path, clock)
    odometer, estimate = reckoned(trip)
    read(odometer, estimate, trip.go(1.0, 0.3, 0.4))
    lost = [*trip.go(0.4, 0.4, 0.25), *trip.go(2.6, 0.0, 0.0)]
    read(odometer, estimate, lost[-4:], at=4.0)
    place, turn = off(trip, estimate)
    assert place < 0.03 and turn < 0.03
    assert place < estimate.doubt[0] < 0.2 and turn < estimate.doubt[1] < 0.2
    read(odometer, estimate, trip.go(1.0, 0.3, 0.3))
    assert off(trip, estimate)[0] < 0.04


def test_a_robot_that_stands_through_many_stalls_stays_where_it_is(trip: Trip) -> None:
    odometer, estimate = reckoned(trip)
    for _ in range(50):
        read(odometer, estimate, trip.go(0.2, 0.0, 0.0))
        read(odometer, estimate, trip.go(2.0, 0.0, 0.0)[-2:], at=trip.time)
    assert off(trip, estimate) == pytest.approx((0, 0), abs=0.005) and max(estimate.doubt) < 0.2


@pytest.mark.parametrize(
    "how", ["the board began anew", "its counters did", "it was silent for too long", "it stands still"]
)
def test_where_the_counters_dont_go_on_it_is_lost_and_says_so(trip: Trip, how: str) -> None:
    odometer, estimate = reckoned(trip)
    read(odometer, estimate, trip.go(1.0, 0.3, 0.4))
    if how == "the board began anew":
        trip.clock, trip.world.counts = 0.2 - trip.time - 5.0, [0.0, 0.0]
        trip.go(5.0, 0.0, 0.0)
    elif how == "its counters did":
        trip.go(2.0, 0.0, 0.0)
        trip.world.counts = [-9e3, 9e3]
    elif how == "it was silent for too long":
        trip.go(LONGEST + 1, 0.0, 0.0)
    else:
        assert max(estimate.doubt) < 0.2
        estimate.step(odometer.time(1003.0))  # nothing is told at all
        assert max(estimate.doubt) > LOST
        return
    read(odometer, estimate, trip.go(0.5, 0.0, 0.0))
    assert max(estimate.doubt) > LOST


@pytest.mark.parametrize("heard", [0, 2, 4], ids=["nothing", "one of each", "two of each"])
def test_a_machine_that_stands_when_it_was_just_told_where_it_is_knows_it_afterwards(trip: Trip, heard: int) -> None:
    odometer, estimate = reckoned(trip)
    told = trip.go(2.0, 0.0, 0.0)
    estimate.step(odometer.time(1000.0))
    read(odometer, estimate, told[:heard])
    estimate.step(odometer.time(1000.1))
    late = told[-2:] if heard else told[-4:]  # of the others the queue has lost all but the last
    read(odometer, estimate, late, at=2.0)
    assert max(estimate.doubt) < 0.2 and off(trip, estimate) == pytest.approx((0, 0), abs=0.005)


@pytest.mark.parametrize("went", ["before", "after"])
def test_what_it_went_just_before_or_after_it_was_told_where_it_is_makes_it_doubt(trip: Trip, went: str) -> None:
    odometer, estimate = reckoned(trip)
    read(odometer, estimate, trip.go(0.5, 0.3, 0.3))
    before = trip.world.pose
    unread = trip.go(1.0, 0.4, 0.4)  # its machine had not yet read how far it went
    estimate = Estimate(*(trip.world.pose if went == "before" else before))
    read(odometer, estimate, unread[-2:], at=1.5)
    assert off(trip, estimate)[0] < estimate.doubt[0] < LOST and estimate.doubt[0] > 0.2


def test_a_robot_that_stands_for_minutes_knows_where_it_stands() -> None:
    estimate = Estimate(0, 0, 0)
    for turn in range(5 * 60 * 20):
        estimate.odometry(turn * 0.05, 0.0, 0.0)
        estimate.gyro(turn * 0.05, 0.0)
        estimate.step(turn * 0.05 + 0.03)  # as the drive loop looks between what is told
    assert max(estimate.doubt) < 0.3


def test_a_scan_that_told_the_place_meanwhile_isnt_undone(trip: Trip) -> None:
    odometer, estimate = reckoned(trip)
    read(odometer, estimate, trip.go(1.0, 0.3, 0.4))
    late = trip.go(2.0, 0.0, 0.0)
    estimate.matched(odometer.time(1000 + trip.time), *trip.world.pose, covariance=SURE)
    read(odometer, estimate, late[-4:], at=trip.time)
    place, turn = off(trip, estimate)
    assert place < 0.03 and turn < 0.03 and max(estimate.doubt) < 0.2


def test_a_drive_loop_that_is_held_for_seconds_goes_on_afterwards_and_knows_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        made = world(tmp_path)
        robot = replace(made.robot, proximity=None)
        loop = asyncio.get_running_loop()
        async with SimulatedBoard(made) as board, Driver(robot, board, START) as driver:
            await asyncio.sleep(1.0)
            driver.modes.mode = Mode.MANUAL
            for _ in range(30):
                driver.twist(0.3, 0.5)
                await asyncio.sleep(0.05)
            for seconds in (0.3, 0.8, 2.0, 5.0):
                loop._quick.time += seconds  # type: ignore[attr-defined]  # this process stood
                await asyncio.sleep(2.5)
                assert driver.estimate is not None and max(driver.estimate.doubt) < 0.3, seconds
                assert math.dist(driver.estimate.pose[:2], made.pose[:2]) < 0.06, seconds
                was = made.pose
                for _ in range(10):
                    driver.twist(-0.2, -0.3)
                    await asyncio.sleep(0.05)
                assert math.dist(was[:2], made.pose[:2]) > 0.02

    run(go(), monkeypatch)
