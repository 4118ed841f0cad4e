"""Writes a firmware to a board through its bootloader, by the program that its maker's community keeps for that.

AVR boards (Arduino Uno, Nano: Optiboot speaks STK500v1) by avrdude; RP2040 and RP2350 boards by picotool, or by copying the
UF2 file to the drive that such a board shows while its BOOTSEL button was held.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.errors import FlashError

SECONDS = 180.0  # 32 kB at 57600 baud, written and read back, take 20
BOOTLOADER_BAUD = 115200
UF2_MAGIC = b"UF2\n"
_MOUNTS = (Path("/media"), Path("/run/media"), Path("/Volumes"))


def flash(
    image: Path,
    port: str | None,
    baud: int = BOOTLOADER_BAUD,
    mounts: Sequence[Path] = _MOUNTS,
) -> str:
    """Writes `image` (.hex for AVR, .uf2) and returns what was done, as a sentence. Raises FlashError."""
    try:
        head = image.read_bytes()[:4]
    except OSError as error:
        raise FlashError(f"The image {image} can't be read: {error.strerror}.") from error
    if head == UF2_MAGIC:
        return _flash_uf2(image, mounts)
    if not head.startswith(b":"):
        raise FlashError(f"{image} is neither an Intel HEX file nor a UF2 file.")
    if port is None:
        raise FlashError("Name the port of the board with --port; enigma-bridge ports lists them.")
    if shutil.which("avrdude") is None:
        raise FlashError("Writing to an AVR board needs avrdude: apt-get install avrdude")
    words = ["avrdude", "-p", "atmega328p", "-c", "arduino", "-P", port, "-b", str(baud), "-D", "-q", "-q"]
    _run(
        [*words, "-U", f"flash:w:{image}:i"], f"Unplug the board and plug it in again, and see that {port} is its port."
    )
    return f"{image.name} was written to the board at {port} and read back."


def _flash_uf2(image: Path, mounts: Sequence[Path]) -> str:
    drive = next((mark.parent for root in mounts for mark in sorted(root.glob("**/INFO_UF2.TXT"))), None)
    if drive is not None:
        try:
            shutil.copyfile(image, drive / image.name)
        except OSError as error:
            raise FlashError(f"{image.name} can't be copied to {drive}: {error.strerror}.") from error
        return f"{image.name} was copied to {drive}; the board starts it by itself."
    if shutil.which("picotool") is None:
        raise FlashError("Hold BOOTSEL while you plug the board in, so that its drive appears; or install picotool.")
    _run(["picotool", "load", "-v", "-x", str(image)], "Hold BOOTSEL while you plug the board in, and try again.")
    return f"{image.name} was written by picotool and read back."


def _run(words: list[str], advice: str) -> None:
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FlashError(f"{words[0]} didn't end within {SECONDS:.0f} s. {advice}") from error
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise FlashError(f"{words[0]} failed ({said[0][:200] if said else done.returncode}). {advice}")
