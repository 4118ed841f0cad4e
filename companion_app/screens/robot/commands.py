"""What a person can have a robot do, for the table of all commands."""

from __future__ import annotations

from typing import Protocol

from companion_app.i18n import N_
from companion_app.registry import Command
from companion_app.services.robot_commands import RobotCommands
from companion_app.state.model import AppState
from companion_app.state.robot import StopPhase
from companion_app.state.robot_words import shown_robot
from companion_app.state.store import Store


class Core(Protocol):
    """What the commands act on: the app, or the services alone."""

    @property
    def store(self) -> Store: ...
    @property
    def robots(self) -> RobotCommands: ...


TEXT, NUMBER = {"type": "string"}, {"type": "number"}
NO_ROBOT = N_("No robot is among your devices.")
NO_MOTORS = N_("Only a robot with real motors is armed.")
# Escape and Space are taken, and every keyboard has a full stop.
STOP_KEYS = "ctrl+."


def robot_commands(app: Core) -> tuple[Command, ...]:
    """All of them. The emergency stop asks for no scope and for no yes: the robot is asked, whatever the app thinks."""
    robots = app.robots
    place = {"place": {"type": "string", "title": N_("Place")}}
    choices = {"place": _places}

    def add_zone(name: str = "") -> None:
        robots.add_zone(name, app.store.state.robots.drawing.corners)

    def some(state: AppState) -> bool:
        return bool(state.robots.known)

    def command(
        name: str, title: str, run: object, icon: str = "robot", scope: str = "operator", **more: object
    ) -> Command:
        return Command(f"robot.{name}", title, run, scope=scope, when=some, lacks=NO_ROBOT, icon=icon, **more)  # type: ignore[arg-type]

    def armable(name: str, title: str, run: object, scope: str, **more: object) -> Command:
        return Command(f"robot.{name}", title, run, scope=scope, when=_armable, lacks=NO_MOTORS, icon="robot", **more)  # type: ignore[arg-type]

    return (
        Command(
            "robot.stop",
            N_("Emergency stop"),
            robots.stop,
            shortcut=STOP_KEYS,
            when=some,
            lacks=NO_ROBOT,
            icon="stop",
            told=_stopped,
        ),
        command("release", N_("Release the emergency stop"), robots.release, "resume", "releaser", dangerous=True),
        armable("arm", N_("Arm the robot for 15 minutes"), robots.arm, "owner", dangerous=True),
        armable("disarm", N_("Disarm the robot"), robots.disarm, "operator"),
        command("go", N_("Send the robot to a place"), robots.go_to, "send", arguments=place, choices=choices),
        command("cancel", N_("Drop the robot's orders"), robots.cancel, "close"),
        command("take", N_("Drive the robot by hand"), lambda: robots.mode("take")),
        command("assist", N_("Let the robot drive while you hold"), lambda: robots.mode("assist")),
        command("automate", N_("Let the robot drive by itself"), lambda: robots.mode("automate")),
        command(
            "go_point",
            N_("Send the robot to a point of the map"),
            robots.go,
            "send",
            arguments={"x": {**NUMBER, "title": N_("East, metres")}, "y": {**NUMBER, "title": N_("North, metres")}},
        ),
        command(
            "limit",
            N_("Say how fast the robot may be"),
            robots.limit,
            arguments={"speed": {**NUMBER, "minimum": 0, "title": N_("Metres per second")}},
        ),
        command(
            "add_place",
            N_("Give a name to where the robot stands"),
            robots.add_place,
            "plus",
            "releaser",
            arguments={"name": {**TEXT, "title": N_("Name")}},
        ),
        command(
            "remove_place",
            N_("Forget a place"),
            lambda place: robots.remove_place(place),
            "trash",
            "releaser",
            arguments=place,
            choices={"place": _saved},
        ),
        command(
            "add_zone",
            N_("Make a zone of the corners on the map"),
            add_zone,
            "plus",
            "releaser",
            arguments={"name": {**TEXT, "title": N_("Name"), "default": ""}},
        ),
        command(
            "remove_zone",
            N_("Take a zone away"),
            lambda zone: robots.remove_zone(zone),
            "trash",
            "releaser",
            arguments={"zone": {**TEXT, "title": N_("Zone")}},
            choices={"zone": _zones},
        ),
        command("dock", N_("Send the robot to its dock, or out of it"), robots.dock, "home"),
    )


def _stopped(state: AppState) -> object:
    """How each robot took the stop, once all have it; one that can't be reached is told again and again."""
    taken = {robot.address: robot.stop.phase for robot in state.robots.known}
    return taken if all(phase in (StopPhase.STANDS, StopPhase.SILENT) for phase in taken.values()) else None


def _armable(state: AppState) -> bool:
    robot = shown_robot(state)
    return robot is not None and robot.frame is not None and robot.frame.armed is not None


def _places(state: AppState) -> list[tuple[str, str]]:
    robot = shown_robot(state)
    return [(place.name, place.name) for place in robot.plan.places] if robot and robot.plan else []


def _saved(state: AppState) -> list[tuple[str, str]]:
    robot = shown_robot(state)
    return [(one.name, one.name) for one in robot.plan.places if one.drawn] if robot and robot.plan else []


def _zones(state: AppState) -> list[tuple[str, str]]:
    robot = shown_robot(state)
    return [(one.name, one.name) for one in robot.plan.zones if one.drawn] if robot and robot.plan else []
