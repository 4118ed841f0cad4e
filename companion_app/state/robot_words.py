"""Robots in words: what the emergency stop's bar and the screen print."""

from __future__ import annotations

import math

from companion_app.i18n import N_, ntr, tr
from companion_app.i18n.figures import number
from companion_app.state.model import AppState
from companion_app.state.phase import Phase
from companion_app.state.robot import Camera, Robot, StopPhase

MODES = {
    "manual": N_("By hand"),
    "assisted": N_("Assisted"),
    "autonomous": N_("By itself"),
    "docked": N_("Docked"),
    "fault": N_("Fault"),
}
# What a person can ask for: event of the robot's table, what it says on the button.
EVENTS = (("take", N_("By hand")), ("assist", N_("Assisted")), ("automate", N_("By itself")))
ORDERS = {
    "waiting": N_("waits"),
    "going": N_("on its way"),
    "done": N_("done"),
    "failed": N_("failed"),
    "dropped": N_("dropped"),
}
BOARDS = {"connected": N_("connected"), "looking": N_("looked for"), "closed": N_("closed")}
SENSES = {
    "odometry": N_("wheels"),
    "gyro": N_("gyro"),
    "scan": N_("scanner"),
    "agreement of gyro and wheels": N_("agreement of gyro and wheels"),
}
_WORST = (StopPhase.UNDELIVERED, StopPhase.SENDING, StopPhase.SILENT, StopPhase.STANDS, StopPhase.NONE)


def name_of(state: AppState, robot: Robot) -> str:
    """What people call the robot: its device's name."""
    return next((device.name for device in state.devices if device.address == robot.address), robot.address)


def shown_robot(state: AppState) -> Robot | None:
    """The robot that the screen is about: the current device's, else the first."""
    known = state.robots.known
    return state.robots.of(state.selected) or (known[0] if known else None)


def stop_words(state: AppState) -> tuple[str, str]:
    """What the emergency stop's bar says, and its tone; of several robots the one that is worst off."""
    known = state.robots.known
    if not known:
        return "", "plain"
    robot = min(known, key=lambda each: (_WORST.index(each.stop.phase), not each.stopped))
    name, stop = name_of(state, robot), robot.stop
    if stop.phase is StopPhase.UNDELIVERED:
        said = ntr(
            "NOT DELIVERED to {name}, {number} try. Trying on. Use its red button.",
            "NOT DELIVERED to {name}, {number} tries. Trying on. Use its red button.",
            stop.tries,
            name=name,
        )
        return said, "bad"
    if stop.phase is StopPhase.SENDING:
        return tr("Stopping {name}…", name=name), "warn"
    if stop.phase is StopPhase.SILENT:
        return tr("{name} has the stop; its board is silent, so its deadman stops it.", name=name), "warn"
    if stop.phase is StopPhase.STANDS:
        return tr("Stopped by {name}, {ms} ms", name=name, ms=number(stop.ms, ".0f")), "good"
    if robot.stopped:
        return tr("{name}: emergency stop is on", name=name), "warn"
    if any(each.phase is Phase.WAITING for each in known):
        lost = next(each for each in known if each.phase is Phase.WAITING)
        return tr("{name} is out of reach", name=name_of(state, lost)), "bad"
    if len(known) > 1:
        return ntr("{number} robot", "{number} robots", len(known)), "plain"
    return name, "plain"


def battery_words(robot: Robot) -> tuple[str, str]:
    """The battery's pill and its tone; empty where there is none."""
    battery = robot.frame.battery if robot.frame is not None else None
    if battery is None:
        return "", "plain"
    tones = {"nothing": "good", "save": "warn", "home": "warn", "stand": "bad"}
    return tr("Battery {charge} %", charge=number(100 * battery.sure, ".0f")), tones.get(battery.asks, "plain")


def mode_words(robot: Robot) -> tuple[str, str]:
    """The mode's pill and its tone."""
    if robot.frame is None or robot.phase is not Phase.ONLINE:
        return (tr("Connecting"), "plain") if robot.phase is Phase.CONNECTING else (tr("Out of reach"), "bad")
    if robot.frame.stopped:
        return tr("Emergency stop"), "bad"
    tones = {"fault": "bad", "autonomous": "accent", "docked": "good"}
    return tr(MODES.get(robot.frame.mode, robot.frame.mode)), tones.get(robot.frame.mode, "plain")


def armed_words(robot: Robot) -> tuple[str, str]:
    """The pill of a real robot's arming and its tone; empty where there is nothing to arm."""
    if robot.frame is None or robot.frame.armed is None or robot.phase is not Phase.ONLINE:
        return "", "plain"
    if not robot.frame.armed:
        return tr("Not armed"), "warn"
    minutes = math.ceil(robot.frame.armed / 60)
    return ntr("Armed for {number} minute", "Armed for {number} minutes", minutes), "accent"


def doing(robot: Robot) -> str:
    """One line on what it does, and what keeps it from doing more."""
    frame = robot.frame
    if frame is None:
        return robot.error
    if robot.phase is not Phase.ONLINE:
        return robot.error or tr("Connecting")
    if frame.fault:
        return frame.fault
    going = next((order for order in frame.orders if order.state == "going"), None)
    speed = tr("{speed} m/s", speed=number(abs(frame.v), ".2f"))
    if going is not None:
        return tr("On its way to {place}, {speed}", place=going.place, speed=speed)
    last = frame.orders[-1] if frame.orders else None
    if last is not None and last.state == "failed":
        return tr("{place}: {why}", place=last.place, why=last.why)
    return speed


def camera_line(camera: Camera) -> str:
    """What there is to say of a picture, or of none."""
    if camera.problem or camera.picture:
        return camera.problem
    if not camera.looked:
        return tr("Looking for a camera…")
    if camera.pipeline:
        return tr("The camera has given no picture yet.")
    return tr("No camera is shown. In the file of its pipeline, set shown = true under [source], and start it again.")


def sensor_facts(robot: Robot) -> tuple[tuple[str, str], ...]:
    """What sensors say together, as (name, value)."""
    frame = robot.frame
    if frame is None:
        return ()
    facts = []
    if frame.pose is not None:
        place = f"{number(frame.pose.x, '.2f')}; {number(frame.pose.y, '.2f')} m"
        facts += [
            (tr("Place"), place),
            (tr("Heading"), tr("{degrees}°", degrees=number(frame.pose.degrees, ".0f"))),
            (tr("Give or take"), number(100 * frame.pose.doubt, ".0f") + " cm"),
        ]
    if robot.scan is not None and (seen := [each for each in robot.scan.metres if each > 0]):
        facts.append((tr("Nearest by scan"), number(min(seen), ".2f") + " m"))
    if frame.imu is not None:
        facts += [
            (tr("Tilt"), f"{number(frame.imu.roll, '.0f')}°, {number(frame.imu.pitch, '.0f')}°"),
            (tr("Turning"), number(frame.imu.rate, ".0f") + " °/s"),
        ]
    facts.append((tr("Board"), tr(BOARDS.get(frame.board, frame.board))))
    if frame.missing:
        facts.append((tr("Silent"), ", ".join(tr(SENSES.get(each, each)) for each in frame.missing)))
    return tuple(facts)
