"""The robot in the app: a real daemon beside a robot in its own process, and fingers and keys on a real window."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.services.remember import Memory, Remembered
from companion_app.state import robot_actions as act
from companion_app.state.model import Screen
from companion_app.state.robot import Robot, StopPhase, Tool
from tests.edge_runtime.conftest import RunningDevice, edge_environment

from . import screen_reader, window

pytest.importorskip("shapely")

from tests.simulated_robot import SimulatedRobot  # which needs it

if TYPE_CHECKING:
    from companion_app.app import Options

PATIENT = 120.0


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedRobot]:
    made = SimulatedRobot(tmp_path_factory.mktemp("robot"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def beside(robot: SimulatedRobot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevice]:
    state = tmp_path_factory.mktemp("beside") / "device"
    robot.configure(state)
    made = RunningDevice(state)
    yield made
    assert made.stop() == 0


@pytest.fixture
def paired(options: Options, beside: RunningDevice, robot: SimulatedRobot) -> Options:
    """A companion that is paired with the device as its owner."""
    remember(options.config, beside)
    robot.fresh()
    robot.ask(op="locate", x=0.5, y=0.5, degrees=90)
    return options


def remember(config: Path, device: RunningDevice) -> None:
    memory = Memory(config)
    memory.prepare()
    memory.keep_devices((Remembered(address=device.url, name="Rover", role="owner", token=device.token),))


def robot_of(driver: window.Driver) -> Robot:
    (known,) = driver.app.store.state.robots.known
    return known


async def online(driver: window.Driver) -> None:
    await driver.until(
        lambda: driver.app.store.state.robots.known and robot_of(driver).frame and robot_of(driver).picture,
        "the robot",
        PATIENT,
    )


async def test_the_emergency_stop_is_one_touch_or_one_key_away_on_every_screen(
    paired: Options, robot: SimulatedRobot, caplog: pytest.LogCaptureFixture
) -> None:
    from kivy.core.window import Window

    from companion_app.app import SCREENS

    async with window.opened(paired) as driver:
        await online(driver)
        for number, screen in enumerate(SCREENS, 1):
            driver.app.open(screen)
            await driver.settle()
            button = driver.find("StopAct")
            left, bottom, (right, top) = *button.to_window(*button.pos), button.to_window(button.right, button.top)
            assert 0 <= left < right <= Window.width and 0 <= bottom < top <= Window.height, screen
            assert button.height >= 44 and button.width >= 44
            with caplog.at_level(logging.WARNING, "companion_app"):
                if number % 2:
                    await driver.touch(button)
                else:
                    await driver.press(ord("."), ".", ("ctrl",))
                await driver.until(
                    lambda number=number: (
                        robot_of(driver).stop.number == number and robot_of(driver).stop.phase is StopPhase.STANDS
                    ),
                    f"the stop from {screen}",
                    PATIENT,
                )
        assert robot.state["stopped"] and "acknowledged after" in caplog.text
        assert driver.find("StopBar").said.startswith("Stopped by Rover, ") and driver.find("StopBar").tone == "good"
        driver.app.show_palette()  # what lies over the window doesn't lie over it
        await driver.settle()
        number = robot_of(driver).stop.number
        await driver.touch(driver.find("StopAct"))
        await driver.until(lambda: robot_of(driver).stop.number > number, "the stop beside the palette")
        driver.app.over.close()
        driver.app.open(Screen.HOME)  # while a person types
        await driver.touch(driver.find("HomeScreen").ids.path.entry)
        await driver.press(ord("."), ".", ("ctrl",))
        await driver.until(lambda: robot_of(driver).stop.number == len(SCREENS) + 2, "the key while typing")
        driver.app.open(Screen.ROBOT)
        await driver.until(lambda: robot_of(driver).stopped and driver.find_all("Slide"), "the slide", PATIENT)
        await driver.until(lambda: robot_of(driver).stop.phase is StopPhase.STANDS, "the last answer", PATIENT)
        slide = driver.find("Slide")
        for _ in range(5):
            slide.step(1)
        await driver.until(lambda: not robot_of(driver).stopped, "the release", PATIENT)
        await driver.until(lambda: robot.state["mode"] == "manual", "the end of the fault", PATIENT)
        assert driver.find("StopBar").said == "Rover"


async def test_by_a_screen_reader_alone_a_robot_is_stopped_and_released(
    paired: Options, robot: SimulatedRobot, listened_to: None
) -> None:
    async with window.opened(paired) as driver, screen_reader.reader() as reader:
        await online(driver)
        driver.app.open(Screen.HOME)
        await reader.find("landmark", driver.app.frame.title)
        await reader.press("push button", "Emergency stop of every robot")
        await reader.heard("Stopped by Rover")
        assert robot.state["stopped"]
        await reader.press("link", "More")
        await reader.press("push button", "Robot*")
        await driver.until(lambda: driver.find_all("Slide"), "the slide", PATIENT)
        release = driver.find("Slide").text
        for far in (0.2, 0.4, 0.6, 0.8):
            # One number takes it one step only, however large it is.
            await reader.do("set", "slider", release, value="1.0")
            assert (await reader.find("slider", release, value=pytest.approx(far)))["value"]
            assert robot_of(driver).stopped
        await reader.focus("slider", release)
        await driver.until(lambda: robot_of(driver).stop.phase is StopPhase.STANDS, "the last answer", PATIENT)
        for _ in range(5):
            await driver.press(275)
        await driver.until(lambda: not robot_of(driver).stopped, "the release", PATIENT)


async def test_it_is_driven_by_held_keys_and_the_stick_sent_by_a_tap_and_kept_out_of_a_zone_that_was_tapped(
    paired: Options, robot: SimulatedRobot
) -> None:
    from kivy.core.window import Window
    from kivy.tests.common import UnitTestTouch

    async with window.opened(paired) as driver:
        await online(driver)
        store = driver.app.store
        driver.app.open(Screen.ROBOT)
        await driver.until(lambda: driver.find_all("Stick"), "the stick")
        assert driver.find("RobotScreen").simulated
        assert driver.find("Caption", text="Simulated robot: nothing real moves.").height > 0
        Window.dispatch("on_key_down", ord("w"), 0, "w", [])
        await driver.until(lambda: robot_of(driver).frame.v > 0.05, "the held key", PATIENT)
        Window.dispatch("on_key_up", ord("w"), 0)
        await driver.until(lambda: robot_of(driver).frame.v == 0, "the key that came up", PATIENT)
        stick = driver.find("Stick")
        x, y = stick.to_window(*stick.center)
        finger = UnitTestTouch(x, y)
        finger.touch_down()
        finger.touch_move(x, y + stick.reach)
        await driver.until(lambda: robot_of(driver).frame.v > 0.05, "the stick", PATIENT)
        driver.app.open(Screen.ASK)  # whoever looks elsewhere doesn't drive
        await driver.until(lambda: robot_of(driver).frame.v == 0, "the stick that was left", PATIENT)
        finger.touch_up()

        driver.app.open(Screen.ROBOT)
        await driver.settle()
        await driver.touch(driver.find("Choice", text="By itself"))
        await driver.until(lambda: robot_of(driver).frame.mode == "autonomous", "the mode", PATIENT)
        await driver.touch(driver.find("Choice", text="Go"))
        map = driver.find("MapView")

        async def tap(point: tuple[float, float]) -> None:
            finger = UnitTestTouch(*map.to_window(*map.view.there(point, map.center)))
            finger.touch_down()
            finger.touch_up()
            await driver.settle()

        await tap((0.55, 0.95))
        await driver.until(
            lambda: any(o.state == "done" for o in robot_of(driver).frame.orders), "its arrival", PATIENT
        )
        pose = robot_of(driver).frame.pose
        assert math.dist((pose.x, pose.y), (0.55, 0.95)) < 0.2

        await driver.touch(driver.find("Choice", text="Zone"))
        for point in ((0.3, 1.5), (1.2, 1.5), (1.2, 2.2)):
            await tap(point)
        map.focus = True
        for key, name in ((276, "left"), (274, "down")):  # the keys' cross goes on from the last tap
            await driver.press(key, name)
        await driver.press(13, "enter")
        assert len(store.state.robots.drawing.corners) == 4
        await driver.press(8, "backspace")
        await driver.press(ord("f"), "f")
        await driver.until(lambda: len(robot_of(driver).plan.zones) == 2, "the zone", PATIENT)
        zone = robot_of(driver).plan.zones[1]
        assert zone.drawn and zone.name == "Zone 1" and zone.corners[0] == pytest.approx((0.3, 1.5), abs=0.02)
        assert not store.state.robots.drawing.corners
        store.dispatch(act.ToolPicked(Tool.GO))
        await driver.settle()
        await tap((0.9, 1.7))
        await driver.until(lambda: "zone" in (store.state.notice or ""), "the refusal", PATIENT)

        store.dispatch(act.ToolPicked(Tool.LOOK))
        await driver.settle()
        await driver.write(driver.find("RobotScreen").ids.place_name.entry, "Window")
        await driver.touch(driver.find("Act", text="Save the place"))
        await driver.until(lambda: robot_of(driver).plan.places[-1].name == "Window", "the place", PATIENT)
        await driver.touch(driver.find("NamedLine", name="Window").ids.trash.__self__)
        await driver.until(lambda: robot_of(driver).plan.places[-1].name != "Window", "the end of the place", PATIENT)
        await driver.touch(driver.find("NamedLine", name="Zone 1").ids.trash.__self__)
        await driver.until(lambda: len(robot_of(driver).plan.zones) == 1, "the end of the zone", PATIENT)


async def test_a_stop_that_does_not_come_through_says_so_loudly_and_is_tried_until_it_does(
    paired: Options, robot: SimulatedRobot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL + 1, "companion_app")  # a stop that is lost is an error in the log, and meant
    async with window.opened(paired) as driver:
        await online(driver)
        robot.end(hard=True)
        await driver.until(lambda: "out of reach" in driver.find("StopBar").said, "the loss", PATIENT)
        driver.app.registry.run("robot.stop")
        await driver.until(lambda: robot_of(driver).stop.tries >= 2, "a second try", PATIENT)
        bar = driver.find("StopBar")
        assert "NOT DELIVERED to Rover" in bar.said and bar.tone == "bad"
    async with window.opened(paired) as driver:  # a companion that starts while the robot is away
        await driver.until(lambda: driver.find_all("StopBar"), "the bar of a robot that was there before")
        driver.app.registry.run("robot.stop")
        await driver.until(lambda: robot_of(driver).stop.tries >= 2, "another try", PATIENT)
        robot.again()
        await driver.until(lambda: robot_of(driver).stop.phase is StopPhase.STANDS, "its way through", PATIENT)
        assert robot.state["stopped"]


_DRIVER = """
import asyncio, sys
from pathlib import Path
from companion_app.services.remember import Memory
from companion_app.services.robot_commands import RobotCommands
from companion_app.start import Options, initial_state
from companion_app.state.store import Store

async def main():
    memory = Memory(Path(sys.argv[1]))
    store = Store(initial_state(memory, Options(Path(sys.argv[1])))[0])
    robots = RobotCommands(store, memory)
    robots.start()
    while True:
        await asyncio.sleep(0.02)
        known = store.state.robots.known
        if known and known[0].frame is not None and known[0].plan is not None:
            robots.drive(0.2, 0.0)
            if known[0].frame.v > 0.05:
                print("drives", flush=True)
asyncio.run(main())
"""


def test_whoever_drives_is_killed_and_the_robot_stands_by_its_deadman(
    beside: RunningDevice, robot: SimulatedRobot, tmp_path: Path
) -> None:
    robot.fresh()
    robot.ask(op="locate", x=0.5, y=0.5, degrees=90)
    remember(tmp_path, beside)
    driving = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(tmp_path)], stdout=subprocess.PIPE, env=edge_environment()
    )
    try:
        assert driving.stdout is not None and driving.stdout.readline() == b"drives\n"
        driving.kill()

        ends = time.monotonic() + PATIENT
        while "'v': 0.0" not in str(robot.state["speed"]):
            assert time.monotonic() < ends
            time.sleep(0.03)
        assert not robot.state["stopped"]
    finally:
        driving.kill()
        driving.wait(60)
