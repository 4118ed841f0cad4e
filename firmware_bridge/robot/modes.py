"""What a robot is doing, and what may change it: one table, which docs/robots.md shows as it stands here."""

from __future__ import annotations

from enum import Enum

from firmware_bridge.robot.config import RobotError


class Mode(Enum):
    """Who drives."""

    MANUAL = "manual"
    ASSISTED = "assisted"
    AUTONOMOUS = "autonomous"
    DOCKED = "docked"
    FAULT = "fault"


class Event(Enum):
    """What happens to it."""

    TAKE = "take"
    ASSIST = "assist"
    AUTOMATE = "automate"
    DOCK = "dock"
    UNDOCK = "undock"
    TRIP = "trip"
    CLEAR = "clear"


MEANS = {
    Mode.MANUAL: "A person drives, and holds the deadman. Orders of models are refused.",
    Mode.ASSISTED: "It carries out orders as long as a person holds the deadman.",
    Mode.AUTONOMOUS: "It carries out orders by itself.",
    Mode.DOCKED: "It charges; the motors stand.",
    Mode.FAULT: "Something is wrong, or was; the motors stand.",
}
_EVENTS = {
    Event.TAKE: "a person takes it over",
    Event.ASSIST: "a person asks for it",
    Event.AUTOMATE: "a person lets it go",
    Event.DOCK: "it has come to its dock",
    Event.UNDOCK: "a person or an order sends it out",
    Event.TRIP: "emergency stop, tilt, current, lost board, empty battery",
    Event.CLEAR: "a person clears it, and no cause is left",
}
_DRIVES = (Mode.MANUAL, Mode.ASSISTED, Mode.AUTONOMOUS)
TABLE: dict[tuple[Mode, Event], Mode] = {
    **{(mode, Event.TAKE): Mode.MANUAL for mode in (*_DRIVES, Mode.DOCKED)},
    **{(mode, Event.ASSIST): Mode.ASSISTED for mode in _DRIVES},
    **{(mode, Event.AUTOMATE): Mode.AUTONOMOUS for mode in _DRIVES},
    **{(mode, Event.DOCK): Mode.DOCKED for mode in _DRIVES},
    **{(mode, Event.TRIP): Mode.FAULT for mode in Mode},
    (Mode.DOCKED, Event.UNDOCK): Mode.AUTONOMOUS,
    (Mode.FAULT, Event.CLEAR): Mode.MANUAL,
}


class Modes:
    """The mode of one robot. It begins as a person's."""

    def __init__(self) -> None:
        self.mode = Mode.MANUAL

    @property
    def moves(self) -> bool:
        """Whether its motors may turn at all."""
        return self.mode in _DRIVES

    @property
    def takes_orders(self) -> bool:
        """Whether models and pipelines may send it somewhere."""
        return self.mode in (Mode.ASSISTED, Mode.AUTONOMOUS)

    def on(self, event: Event) -> Mode:
        """The mode after `event`. Raises RobotError where the table has none."""
        after = TABLE.get((self.mode, event))
        if after is None:
            can = ", ".join(each.value for each in Event if (self.mode, each) in TABLE)
            raise RobotError(f"{event.value} isn't possible while the robot is {self.mode.value}; {can} are.")
        self.mode = after
        return after


def table() -> str:
    """The table in Markdown: a row for each event, a column for each mode; empty where an event is refused."""
    head = ["event", "when", *(mode.value for mode in Mode)]
    rows = [head, ["---"] * len(head)]
    for event in Event:
        after = [TABLE.get((mode, event)) for mode in Mode]
        rows.append([event.value, _EVENTS[event], *(each.value if each else "" for each in after)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
