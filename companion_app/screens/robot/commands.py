"""What a person can have a robot do, for the table of all commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from companion_app.i18n import N_
from companion_app.registry import Command
from companion_app.state.model import AppState
from companion_app.state.robot_words import shown_robot

if TYPE_CHECKING:
    from companion_app.app import CompanionApp

NO_ROBOT = N_("No robot is among your devices.")
NO_MOTORS = N_("Only a robot with real motors is armed.")
# Escape and Space are taken, and every keyboard has a full stop.
STOP_KEYS = "ctrl+."


def robot_commands(app: CompanionApp) -> tuple[Command, ...]:
    """All of them. The emergency stop asks for no scope and for no yes: the robot is asked, whatever the app thinks."""
    robots = app.robots
    place = {"place": {"type": "string", "title": N_("Place")}}
    choices = {"place": _places}

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
        ),
        command("release", N_("Release the emergency stop"), robots.release, "resume", "releaser", dangerous=True),
        armable("arm", N_("Arm the robot for 15 minutes"), robots.arm, "owner", dangerous=True),
        armable("disarm", N_("Disarm the robot"), robots.disarm, "operator"),
        command("go", N_("Send the robot to a place"), robots.go_to, "send", arguments=place, choices=choices),
        command("cancel", N_("Drop the robot's orders"), robots.cancel, "close"),
        command("take", N_("Drive the robot by hand"), lambda: robots.mode("take")),
        command("assist", N_("Let the robot drive while you hold"), lambda: robots.mode("assist")),
        command("automate", N_("Let the robot drive by itself"), lambda: robots.mode("automate")),
        command("dock", N_("Send the robot to its dock, or out of it"), robots.dock, "home"),
    )


def _armable(state: AppState) -> bool:
    robot = shown_robot(state)
    return robot is not None and robot.frame is not None and robot.frame.armed is not None


def _places(state: AppState) -> list[tuple[str, str]]:
    robot = shown_robot(state)
    return [(place.name, place.name) for place in robot.plan.places] if robot and robot.plan else []
