"""What the app knows of robots, without a window and without a robot."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from companion_app.screens.robot.commands import robot_commands
from companion_app.screens.robot.view import MOST, View, fitted
from companion_app.services.robot_camera import RobotCamera
from companion_app.services.robot_wire import frame_from, lies_from, plan_from, scan_from
from companion_app.state import robot_actions as act
from companion_app.state.actions import Opened
from companion_app.state.model import AppState, Screen
from companion_app.state.reduce import reduce
from companion_app.state.robot import Camera, Frame, Robot, StopPhase, Tool
from companion_app.state.robot_words import armed_words, camera_line, doing, sensor_facts, shown_robot, stop_words
from companion_app.state.store import Store
from edge_runtime.client import DeviceUnreachable

from . import samples
from .a_robot import furnish_robot


def found(state: AppState) -> AppState:
    return reduce(reduce(state, act.RobotFound(samples.KITCHEN)), act.RobotSeen(samples.KITCHEN, Frame(1.0, "manual")))


def stop_of(state: AppState) -> StopPhase:
    robot = state.robots.of(samples.KITCHEN)
    assert robot is not None
    return robot.stop.phase


def test_an_emergency_stop_is_sending_then_undelivered_until_the_robot_says_that_it_stands(app_state: AppState) -> None:
    state = reduce(found(app_state), act.StopSent(samples.KITCHEN, 3))
    assert stop_of(state) is StopPhase.SENDING and stop_words(state)[1] == "warn"
    state = reduce(state, act.StopFailed(samples.KITCHEN, 3, "It is away.", 2))
    said, tone = stop_words(state)
    assert stop_of(state) is StopPhase.UNDELIVERED and tone == "bad" and "NOT DELIVERED" in said and "2 tries" in said
    assert reduce(state, act.StopAnswered(samples.KITCHEN, 2, True, 5.0)) is state  # of an older one
    state = reduce(state, act.StopAnswered(samples.KITCHEN, 3, True, 43.4))
    assert stop_words(state) == ("Stopped by Kitchen Pi, 43 ms", "good")
    assert stop_of(reduce(state, act.StopFailed(samples.KITCHEN, 3, "late", 3))) is StopPhase.STANDS
    silent = reduce(state, act.StopAnswered(samples.KITCHEN, 3, False, 43.4))
    assert "deadman" in stop_words(silent)[0]
    stopped = reduce(state, act.RobotSeen(samples.KITCHEN, Frame(2.0, "fault", stopped=True)))
    assert stop_of(stopped) is StopPhase.STANDS
    released = reduce(stopped, act.RobotSeen(samples.KITCHEN, Frame(3.0, "manual")))
    assert stop_of(released) is StopPhase.NONE and stop_words(released) == ("Kitchen Pi", "plain")
    away = reduce(released, act.RobotAway(samples.KITCHEN, "It is away."))
    assert stop_words(away) == ("Kitchen Pi is out of reach", "bad")
    assert stop_words(reduce(away, act.RobotGone(samples.KITCHEN))) == ("", "plain")


def test_the_robot_that_is_worst_off_is_told_and_the_current_devices_one_is_shown(app_state: AppState) -> None:
    state = reduce(found(app_state), act.RobotFound(samples.ATTIC))
    state = reduce(state, act.RobotSeen(samples.ATTIC, Frame(1.0, "manual")))
    assert stop_words(state) == ("2 robots", "plain")
    state = reduce(reduce(state, act.StopSent(samples.KITCHEN, 1)), act.StopSent(samples.ATTIC, 2))
    state = reduce(state, act.StopAnswered(samples.KITCHEN, 1, True, 9.0))
    state = reduce(state, act.StopFailed(samples.ATTIC, 2, "away", 1))
    assert "Attic" in stop_words(state)[0] and stop_words(state)[1] == "bad"
    robot = shown_robot(replace(state, selected=samples.ATTIC))
    assert robot is not None and robot.address == samples.ATTIC


def test_corners_are_drawn_and_taken_back_and_another_tool_drops_them(app_state: AppState) -> None:
    state = reduce(found(app_state), act.ToolPicked(Tool.ZONE))
    for point in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)):
        state = reduce(state, act.CornerAdded(point))
    state = reduce(state, act.CornerTakenBack())
    assert state.robots.drawing.corners == ((0.0, 0.0), (1.0, 0.0))
    assert reduce(state, act.DrawingDropped()).robots.drawing.tool is Tool.ZONE
    assert reduce(state, act.ToolPicked(Tool.GO)).robots.drawing.corners == ()


@pytest.mark.parametrize("rubbish", [None, 3, [], "x", {"x": math.inf}, [[1]], {"cm": "x"}, [math.nan, "a", None]])
def test_what_a_robot_says_may_have_any_shape(rubbish: object) -> None:
    names = ("t", "pose", "speed", "battery", "orders", "path", "map", "imu", "why", "plan", "limit", "mode")
    for name in names:
        frame = frame_from({name: rubbish})
        assert math.isfinite(frame.t) and math.isfinite(frame.limit)
    for name in ("fence", "zones", "places", "radius", "dock"):
        assert plan_from({name: rubbish}).radius > 0
    assert scan_from({"pose": [0, 0, 0], "cm": rubbish}) is not None
    assert scan_from(rubbish) is None and lies_from({"cell": rubbish}) is None


def test_the_words_say_what_it_does_and_what_its_sensors_say_together(app_state: AppState) -> None:
    frame = frame_from(
        {
            "t": 5,
            "mode": "autonomous",
            "pose": {"x": 1.234, "y": 2, "degrees": 90, "doubt": 0.03, "missing": ["gyro"]},
            "speed": {"v": 0.2, "w": 0},
            "orders": [{"place": "kitchen", "state": "going"}],
            "imu": {"roll": 1, "pitch": -2, "rate": 3},
            "board": "connected",
        }
    )
    scan = scan_from({"pose": [0, 0, 0], "first": -90, "step": 90, "cm": [0, 120, 80]})
    state = reduce(found(app_state), act.RobotSeen(samples.KITCHEN, frame, scan))
    robot = state.robots.of(samples.KITCHEN)
    assert robot is not None and doing(robot) == "On its way to kitchen, 0.20 m/s"
    facts = dict(sensor_facts(robot))
    assert facts["Nearest by scan"] == "0.80 m" and facts["Silent"] == "gyro" and facts["Give or take"] == "3 cm"


def test_a_real_robots_arming_is_told_and_only_what_has_motors_is_armed(app_state: AppState) -> None:
    def robot(seconds: object) -> tuple[AppState, Robot]:
        state = reduce(found(app_state), act.RobotSeen(samples.KITCHEN, frame_from({"t": 1, "armed_seconds": seconds})))
        made = state.robots.of(samples.KITCHEN)
        assert made is not None
        return state, made

    for seconds, said in ((None, ""), (0, "Not armed"), (20, "Armed for 1 minute"), (899.0, "Armed for 15 minutes")):
        assert armed_words(robot(seconds)[1])[0] == said
    registry = {each.name: each for each in robot_commands(SimpleNamespace(robots=MagicMock()))}  # type: ignore[arg-type]
    arm = registry["robot.arm"]
    assert arm.scope == "owner" and arm.dangerous and registry["robot.disarm"].scope == "operator"
    assert arm.when is not None and arm.when(robot(0)[0]) and not arm.when(robot(None)[0])


def test_a_view_shows_all_and_what_is_under_a_finger_stays_there() -> None:
    fence, at = [(0.0, 0.0), (7.0, 0.0), (7.0, 5.0), (0.0, 5.0)], (210.0, 120.0)
    view = fitted(fence, 420, 240)
    for point in fence:
        x, y = view.there(point, at)
        assert 0 <= x <= 420 and 0 <= y <= 240
        assert view.here((x, y), at) == pytest.approx(point)
    pixel = (300.0, 50.0)
    assert view.zoomed(2.0, pixel, at).here(pixel, at) == pytest.approx(view.here(pixel, at))
    assert view.zoomed(1e9, pixel, at).scale == MOST
    assert view.moved(10, 0).there((1, 1), at)[0] == pytest.approx(view.there((1, 1), at)[0] + 10)
    assert fitted([], 0, 0) == View()


async def test_a_camera_is_looked_at_while_its_robot_is_on_the_screen(app_state: AppState) -> None:
    class Client:
        def __init__(self) -> None:
            self.listed: list[dict[str, object]] = [{"name": "eye", "shown": False, "state": "running"}]
            self.pictures = iter([(b"one", "1", 0.0), None, (b"two", "2", 0.0)])
            self.asked: list[tuple[str, str]] = []

        async def pipelines(self) -> dict[str, object]:
            return {"pipelines": self.listed}

        async def picture(self, name: str, tag: str) -> tuple[bytes, str, float] | None:
            self.asked.append((name, tag))
            found = next(self.pictures, "end")
            if found == "end":
                raise DeviceUnreachable("It went away.")
            return found  # type: ignore[return-value]

    store, client = Store(app_state), Client()
    furnish_robot(store)
    camera = RobotCamera(store, lambda address: client)  # type: ignore[arg-type, return-value]
    camera.start()
    seen: list[Camera] = []
    store.listen(lambda state: seen.append(state.robots.camera))
    await asyncio.sleep(0)
    assert not client.asked, "nobody looks"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("EVERY", "LOOK_AGAIN"):
            patch.setattr(f"companion_app.services.robot_camera.{name}", 0.001)
        store.dispatch(Opened(Screen.ROBOT))
        async with asyncio.timeout(60):
            while not seen or not seen[-1].looked:  # noqa: ASYNC110 - a state has no event to wait for
                await asyncio.sleep(0.005)
        assert "shown = true" in camera_line(seen[-1])
        client.listed = [*client.listed, {"name": "front", "shown": True, "state": "running"}]
        async with asyncio.timeout(60):
            while "went away" not in seen[-1].problem:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert client.asked[:4] == [("front", ""), ("front", "1"), ("front", "1"), ("front", "2")]
    assert seen[-1].picture == b"two" and "went away" in camera_line(seen[-1]), "the last one stays, with what is wrong"
    store.dispatch(Opened(Screen.ASK))
    await asyncio.sleep(0.01)
    asked = len(client.asked)
    await asyncio.sleep(0.02)
    assert len(client.asked) == asked
    await camera.close()
