"""The one tree of errors of the bridge: `str(error)` is a sentence for a person that says what to do."""

from __future__ import annotations


class BridgeError(Exception):
    """Base of every error that `firmware_bridge` raises on purpose."""


class PortError(BridgeError):
    """The serial port can't be opened: it isn't there, it is in use, or this user may not."""


class Disconnected(BridgeError):
    """The port vanished, or the board restarted; motors stand by the firmware's deadman."""


class NoAnswer(BridgeError):
    """The board didn't answer before the deadline."""


class Incompatible(BridgeError):
    """The firmware speaks another version of the protocol, or means something else by a message."""


class BadValue(BridgeError):
    """A value can't be sent: it is no number, or outside what the board announced."""


class Refused(BridgeError):
    """The board said no; `status` is its code."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Overloaded(BridgeError):
    """More waits to be sent than the board takes."""


class FlashError(BridgeError):
    """The firmware couldn't be built, or written to the board."""


class RosError(BridgeError):
    """ROS 2 can't be spoken as asked: a package is missing, or a name, a type or a setting can't be."""
