"""The governor over a made sysfs: what heat, supply and battery allow, and that it doesn't flutter."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from edge_runtime.config import parse_config
from edge_runtime.device import Device
from edge_runtime.errors import NotFound, Overloaded
from edge_runtime.serving.governor import Governor, Limits, Reading, State, charging, read
from edge_runtime.serving.turns import PRIORITIES, Urgency

LIMITS = Limits(warm=75, hot=85, low=20, empty=5)
HIGH, NORMAL, LOW = (Urgency(PRIORITIES[name]) for name in ("high", "normal", "low"))


def put(sysfs: Path, path: str, text: str) -> None:
    file = sysfs / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def heat(sysfs: Path, celsius: float) -> None:
    put(sysfs, "class/thermal/thermal_zone0/temp", f"{celsius * 1000:.0f}\n")


def battery(sysfs: Path, percent: int, status: str = "Discharging") -> None:
    for name, text in (("type", "Battery"), ("status", status), ("capacity", str(percent))):
        put(sysfs, f"class/power_supply/BAT0/{name}", f"{text}\n")


def test_what_isnt_there_or_is_nonsense_is_nothing_known(tmp_path: Path) -> None:
    assert read(tmp_path) == Reading()
    for number, text in enumerate(("", "hot", "200000", "-40000", "٣", "9" * 100)):
        put(tmp_path, f"class/thermal/thermal_zone{number}/temp", text)
    put(tmp_path, "devices/platform/soc/soc:firmware/get_throttled", "zz")
    battery(tmp_path, 900)
    assert read(tmp_path) == Reading()


def test_it_spares_itself_when_warm_and_is_free_again_only_when_it_is_cooler(tmp_path: Path) -> None:
    governor = Governor(tmp_path, LIMITS)
    states = []
    for celsius in (60, 76, 72, 69, 90, 82, 79, 60):
        heat(tmp_path, celsius)
        governor.look()
        states.append(governor.state)
    free, sparing, urgent = State
    assert states == [free, sparing, sparing, free, urgent, urgent, sparing, free]


@pytest.mark.parametrize(
    ("bits", "state", "why"),
    [("0", State.FREE, ""), ("50005", State.SPARING, "voltage"), ("4", State.SPARING, "throttles"), ("50000", State.FREE, "")],
)  # fmt: skip
def test_the_firmware_s_bits_of_now_count_and_those_of_earlier_dont(
    tmp_path: Path, bits: str, state: State, why: str
) -> None:
    put(tmp_path, "devices/platform/soc/soc:firmware/get_throttled", f"{bits}\n")
    governor = Governor(tmp_path, LIMITS)
    assert governor.look() is (state is not State.FREE)
    assert governor.state is state and why in " ".join(governor.reasons)


def test_a_low_battery_counts_only_while_it_discharges(tmp_path: Path) -> None:
    governor = Governor(tmp_path, LIMITS)
    for percent, status, state in ((50, "Discharging", 0), (20, "Discharging", 1), (4, "Discharging", 2), (4, "Charging", 0)):  # fmt: skip
        battery(tmp_path, percent, status)
        governor.look()
        assert governor.state == state


def test_it_sheds_by_priority_and_says_why(tmp_path: Path) -> None:
    governor = Governor(tmp_path, LIMITS)
    heat(tmp_path, 80)
    governor.look()
    governor.check(NORMAL)
    with pytest.raises(Overloaded, match=r"spares itself \(80 degrees Celsius\)"):
        governor.check(LOW)
    heat(tmp_path, 90)
    governor.look()
    governor.check(HIGH)
    with pytest.raises(Overloaded, match="only requests of high priority") as caught:
        governor.check(NORMAL)
    assert caught.value.retry_after >= 10


async def test_a_device_slows_says_so_and_recovers(tmp_path: Path, state: Path) -> None:
    config = parse_config({"governor": {"sysfs": str(tmp_path), "seconds": 0.01}, "models": {"at_once": 3}})
    device = Device(state, config)
    await device.start()
    listener = device.events.listen()
    governing = asyncio.create_task(device.govern())
    try:
        for celsius, at_once, told, refusal in ((90, 1, "urgent", Overloaded), (40, 3, "free", NotFound)):
            heat(tmp_path, celsius)
            async with asyncio.timeout(60):
                event = await listener.next()
            assert event is not None and (event["type"], event["state"]) == ("governor", told)
            assert device._turns.at_once == at_once
            assert device.status()["governor"]["state"] == told  # type: ignore[index]
            with pytest.raises(refusal):
                await device.run("nobody", {})
        assert "enigma_governor_state 0" in device.metrics_text()
    finally:
        governing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await governing
        await device.close()


@pytest.mark.parametrize(
    ("status", "plugged", "known"),
    [("Charging", "1", True), ("Full", "1", True), ("Not charging", "1", True), ("Not charging", "0", False),
     ("Discharging", "0", False), ("Unknown", "0", None)],
)  # fmt: skip
def test_whether_it_charges_is_what_its_own_batteries_say(
    tmp_path: Path, status: str, plugged: str, known: bool | None
) -> None:
    assert charging(tmp_path) is True  # no battery: it hangs on the mains
    battery(tmp_path, 50, status)
    for name, text in (("type", "Mains"), ("online", plugged)):
        put(tmp_path, f"class/power_supply/AC/{name}", f"{text}\n")
    for name, text in (("type", "Battery"), ("scope", "Device"), ("status", "Discharging"), ("capacity", "3")):
        put(tmp_path, f"class/power_supply/mouse/{name}", f"{text}\n")
    assert charging(tmp_path) is known
    assert read(tmp_path).battery == (50 if status == "Discharging" else None)  # the mouse's isn't the device's
