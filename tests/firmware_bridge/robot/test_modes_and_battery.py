"""Modes are as their table says, and the battery sends the robot home in time, whatever is measured."""

from __future__ import annotations

import math
import random

import pytest

from firmware_bridge.robot.battery import CURVES, Battery, Need
from firmware_bridge.robot.config import Battery as Declared
from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.modes import TABLE, Event, Mode, Modes


def test_every_event_in_every_mode_is_in_the_table_or_refused_with_what_is_possible() -> None:
    for mode in Mode:
        for event in Event:
            modes = Modes()
            modes.mode = mode
            if (mode, event) in TABLE:
                assert modes.on(event) is TABLE[mode, event]
            else:
                with pytest.raises(RobotError, match=f"{event.value} isn't possible while .* {mode.value}; .*trip"):
                    modes.on(event)
                assert modes.mode is mode


def test_from_every_mode_a_fault_is_one_step_away_and_only_a_person_ends_it() -> None:
    assert all(TABLE[mode, Event.TRIP] is Mode.FAULT for mode in Mode)
    assert [event for event in Event if (Mode.FAULT, event) in TABLE] == [Event.TRIP, Event.CLEAR]
    modes = Modes()
    assert modes.mode is Mode.MANUAL and modes.moves and not modes.takes_orders


DECLARED = Declared(cells=3, capacity=40.0, idle=4.0, driving=16.0)


class Pack:
    """A battery as it really is: its voltage sags under load and is noisy."""

    def __init__(self, charge: float, seed: int) -> None:
        self.charge, self._rng = charge, random.Random(seed)

    def volts(self, watts: float) -> float:
        curve = CURVES["lithium-ion"]
        at = min(max(self.charge, 0.0), 0.9999) * 10
        cell = curve[int(at)] + (at - int(at)) * (curve[int(at) + 1] - curve[int(at)])
        open_volts = 3 * cell
        return open_volts - watts / open_volts * DECLARED.resistance + self._rng.gauss(0, 0.05)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fault", ["none", "gaps", "silent", "rubbish"])
def test_it_comes_home_with_the_reserve_from_wherever_it_is(seed: int, fault: str) -> None:
    rng = random.Random(seed)
    pack, battery = Pack(rng.uniform(0.5, 1.0), seed), Battery(DECLARED)
    speed, home, now = 0.3, 0.0, 0.0
    for _ in range(200):  # the robot stands, and the battery is looked at
        now += 0.1
        battery.step(now, 0.0)
        battery.measure(now, pack.volts(4.0))
    heading_home = False
    while True:
        now += 1.0
        driving = rng.uniform(0.3, 1.0)
        pack.charge -= (4.0 + 16.0 * driving) / 3600 / 40.0
        battery.step(now, driving)
        volts = pack.volts(4.0 + 16.0 * driving)
        if fault == "none" or (fault == "gaps" and rng.random() < 0.1):
            assert battery.measure(now, volts)
        elif fault == "rubbish":
            battery.measure(now, rng.choice([math.nan, 0.0, 99.0, -1.0, volts]))
        heading_home = heading_home or battery.needs(now, home, speed) in (Need.HOME, Need.STAND)
        home = home - speed if heading_home else home + rng.uniform(0, speed)
        if heading_home and home <= 0:
            break
    assert pack.charge >= DECLARED.reserve, (pack.charge, battery.charge)
    assert fault == "silent" or pack.charge < 0.5  # nor is it at home all day


def test_without_a_dock_in_reach_it_stands_before_it_is_empty_and_before_the_first_voltage_it_is_unsure() -> None:
    battery = Battery(DECLARED)
    assert battery.needs(0.0, 1.0, 0.3) is Need.STAND  # nothing is known
    battery.step(0.0, 0.0)
    battery.measure(0.0, 12.4)
    assert battery.needs(0.0, 3.0, 0.3) is Need.NOTHING
    battery.charge = 0.3
    assert battery.needs(100.0, None, 0.3) is Need.SAVE
    battery.charge, battery._variance = 0.1, 1e-4
    assert battery.needs(100.0, None, 0.3) is Need.STAND
    assert not battery.measure(101.0, 230.0) and not battery.measure(101.0, math.nan)
