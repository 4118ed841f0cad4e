"""The AVR firmware in simavr, in real time, with its serial line on a pseudo terminal: the real image, no board needed."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from typing import Self

from firmware_bridge.errors import BridgeError, FlashError

FIRMWARE = Path(__file__).parent / "firmware"
BUILD_SECONDS = 120.0
_HEADERS = (Path("/usr/include/simavr/sim_avr.h"), Path("/usr/include/libelf.h"))


def missing() -> str | None:
    """What has to be installed for `build` and `Simulated`, as a sentence; None where all is there."""
    lacking = [name for name in ("make", "cc", "avr-gcc", "avr-objcopy") if shutil.which(name) is None]
    if lacking or not all(header.exists() for header in _HEADERS):
        return "The simulated board needs: apt-get install make gcc gcc-avr avr-libc libsimavr-dev libelf-dev"
    return None


def build(folder: Path, *targets: str) -> Path:
    """Makes `targets` of firmware/Makefile in `folder`, and returns it. Raises FlashError with what the compiler said."""
    if shutil.which("make") is None or ("avr" in targets and shutil.which("avr-gcc") is None):
        raise FlashError("Building the firmware needs: apt-get install make gcc-avr avr-libc")
    words = ["make", "--no-print-directory", "-C", str(FIRMWARE), f"BUILD={folder.resolve()}", *targets]
    done = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if done.returncode != 0:
        raise FlashError(f"The firmware can't be built: {(done.stderr.strip() or done.stdout.strip())[-500:]}")
    return folder


class Simulated:
    """A running board; `link` is a symbolic link to its terminal. Used as a context manager.

    `ppm` makes its crystal wrong; with a `bootloader` (.hex) it starts there. `ask` acts on its pins; firmware/sim/simulate.c lists what it understands.
    """

    def __init__(self, built: Path, link: Path, ppm: float = 0, bootloader: Path | None = None) -> None:
        self.link = link
        self._asking = threading.Lock()
        self._words = [str(built / "simulate"), str(built / "board.elf"), str(link), str(ppm)]
        if bootloader is not None:
            self._words.append(str(bootloader))

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, line: str) -> str:
        """One command and its answer; threads wait for each other."""
        assert self._process.stdin is not None
        with self._asking:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            return self._line()

    def motors(self) -> tuple[int, int]:
        """What the two motors get, thousandths of full power: read from the timers' registers."""
        _, _, left, right, _ = self.ask("pins").split()
        return int(left), int(right)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise BridgeError(f"The simulated board ended with status {self._process.wait(5)}.")
        return line
