"""How robots change with what happens; `reduce` calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING

from companion_app.state import robot_actions as act
from companion_app.state.phase import Phase
from companion_app.state.robot import Drawing, Robot, Robots, Stop, StopPhase, Tool

if TYPE_CHECKING:
    from companion_app.state.model import AppState

MOST_CORNERS = 100


def reduce_robots(action: act.RobotAction, state: AppState) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    robots = _reduce(action, state.robots)
    return state if robots is state.robots else replace(state, robots=robots)


@singledispatch
def _reduce(action: object, robots: Robots) -> Robots:
    raise TypeError(f"{type(action).__name__} is not an action with robots")


@_reduce.register
def _(action: act.RobotFound, robots: Robots) -> Robots:
    if robots.of(action.address) is None:
        return replace(robots, known=(*robots.known, Robot(action.address)))
    return _with(robots, action.address, lambda robot: replace(robot, error=""))


@_reduce.register
def _(action: act.RobotGone, robots: Robots) -> Robots:
    left = tuple(robot for robot in robots.known if robot.address != action.address)
    return robots if len(left) == len(robots.known) else replace(robots, known=left)


@_reduce.register
def _(action: act.RobotAway, robots: Robots) -> Robots:
    return _with(robots, action.address, lambda robot: replace(robot, phase=Phase.WAITING, error=action.sentence))


@_reduce.register
def _(action: act.RobotPlanned, robots: Robots) -> Robots:
    return _with(robots, action.address, lambda robot: replace(robot, plan=action.plan))


@_reduce.register
def _(action: act.RobotSeen, robots: Robots) -> Robots:
    def seen(robot: Robot) -> Robot:
        stop = robot.stop
        if stop.phase in (StopPhase.STANDS, StopPhase.SILENT) and not action.frame.stopped and robot.stopped:
            stop = Stop(number=stop.number)  # it was released
        scan = action.scan or robot.scan
        return replace(robot, phase=Phase.ONLINE, frame=action.frame, scan=scan, error="", stop=stop)

    return _with(robots, action.address, seen)


@_reduce.register
def _(action: act.RobotPictured, robots: Robots) -> Robots:
    return _with(robots, action.address, lambda robot: replace(robot, picture=action.picture, lies=action.lies))


@_reduce.register
def _(action: act.RobotRefused, robots: Robots) -> Robots:
    return _with(robots, action.address, lambda robot: replace(robot, refused=action.sentence))


@_reduce.register
def _(action: act.StopSent, robots: Robots) -> Robots:
    stop = Stop(StopPhase.SENDING, action.number, tries=1)
    return _with(robots, action.address, lambda robot: replace(robot, stop=stop))


@_reduce.register
def _(action: act.StopAnswered, robots: Robots) -> Robots:
    def answered(robot: Robot) -> Robot:
        if action.number != robot.stop.number:
            return robot
        phase = StopPhase.STANDS if action.board else StopPhase.SILENT
        return replace(robot, stop=Stop(phase, action.number, action.ms, robot.stop.tries))

    return _with(robots, action.address, answered)


@_reduce.register
def _(action: act.StopFailed, robots: Robots) -> Robots:
    def failed(robot: Robot) -> Robot:
        if action.number != robot.stop.number or robot.stop.phase in (StopPhase.STANDS, StopPhase.SILENT):
            return robot
        stop = Stop(StopPhase.UNDELIVERED, action.number, tries=action.tries, why=action.sentence)
        return replace(robot, stop=stop)

    return _with(robots, action.address, failed)


@_reduce.register
def _(action: act.CameraTold, robots: Robots) -> Robots:
    return robots if action.camera == robots.camera else replace(robots, camera=action.camera)


@_reduce.register
def _(action: act.ToolPicked, robots: Robots) -> Robots:
    return replace(robots, drawing=Drawing(action.tool))


@_reduce.register
def _(action: act.CornerAdded, robots: Robots) -> Robots:
    corners = (*robots.drawing.corners, action.point)[:MOST_CORNERS]
    return replace(robots, drawing=Drawing(Tool.ZONE, corners))


@_reduce.register
def _(action: act.CornerTakenBack, robots: Robots) -> Robots:
    return replace(robots, drawing=replace(robots.drawing, corners=robots.drawing.corners[:-1]))


@_reduce.register
def _(action: act.DrawingDropped, robots: Robots) -> Robots:
    return replace(robots, drawing=Drawing(robots.drawing.tool))


def _with(robots: Robots, address: str, change: Callable[[Robot], Robot]) -> Robots:
    robot = robots.of(address)
    if robot is None:
        return robots
    changed = change(robot)
    if changed == robot:
        return robots
    return replace(robots, known=tuple(changed if known is robot else known for known in robots.known))
