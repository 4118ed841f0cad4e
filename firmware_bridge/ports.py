"""Serial ports: which there are, which is which after the cable was pulled, and opening one with a clear sentence if not."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.errors import PortError

if TYPE_CHECKING:
    import serial

BAUD = 250000  # exact at 16 MHz, where 115200 is 2.1 % off; Klipper's choice too
_WHY = {
    errno.ENOENT: "There is no port {path}: plug the board in, and see enigma-bridge ports.",
    errno.ENODEV: "There is no device at {path} any more: plug the board in again.",
    errno.ENXIO: "There is no device at {path} any more: plug the board in again.",
    errno.EACCES: "You may not open {path}: join its group (often: sudo usermod -aG dialout $USER) and log in again.",
    errno.EBUSY: "{path} is in use: close the other program (a serial monitor, another enigma-bridge) and try again.",
    errno.EAGAIN: "{path} is in use: close the other program (a serial monitor, another enigma-bridge) and try again.",
    errno.ENOTTY: "{path} isn't a serial port: see enigma-bridge ports.",
}


@dataclass(frozen=True)
class Port:
    """A port of this machine. `id` stays the same when the cable goes out and in; `path` may not."""

    path: str
    id: str
    name: str


def ports() -> list[Port]:
    """The USB serial ports, by path. Raises PortError where pyserial is missing."""
    _pyserial()
    from serial.tools import list_ports

    found = []
    for each in list_ports.comports():
        if each.vid is not None:
            own = each.serial_number or f"@{each.location}"
            found.append(Port(each.device, f"{each.vid:04x}:{each.pid:04x}:{own}", each.description or each.device))
    return sorted(found, key=lambda port: port.path)


def paths_of(wanted: str | None) -> list[str]:
    """The paths to try for what a person named: a path, an id of `ports`, or None for whatever is there."""
    if wanted is not None and ("/" in wanted or wanted.upper().startswith("COM") or Path(wanted).exists()):
        return [wanted]
    return [port.path for port in ports() if wanted is None or wanted == port.id]


def finder(wanted: str | None) -> Callable[[], list[str]]:
    """`paths_of`, for a board that keeps being looked for: a path of a USB device stands for that device from now on."""
    real = os.path.realpath(wanted) if wanted is not None and "/" in wanted else None
    same = next((port.id for port in ports() if port.path == real), wanted) if real is not None else wanted
    return lambda: paths_of(same)


def open_port(path: str, baud: int = BAUD) -> serial.Serial:
    """Opens a port for this program alone. Raises PortError."""
    serial = _pyserial()
    if sys.platform == "win32":
        raise PortError("Boards can be used from Linux and macOS; on Windows run enigma-bridge in WSL.")
    try:
        return serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
    except (serial.SerialException, OSError, ValueError) as error:
        inner = (
            error.__context__.args if error.__context__ is not None else ()
        )  # termios says it within pyserial's error
        number = getattr(error, "errno", None) or next((each for each in inner if isinstance(each, int)), None)
        known = _WHY.get(number) if number is not None else None
        text = known.format(path=path) if known else f"{path} can't be opened: {error}"
        raise PortError(text) from error


def _pyserial():  # type: ignore[no-untyped-def]
    try:
        import serial
    except ImportError as error:
        raise PortError("Serial ports need pyserial: pip install 'enigma[serial]'.") from error
    return serial
