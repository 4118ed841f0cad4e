"""`enigma-bridge robot simulate` in its own process, and the configuration by which a device reaches it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from firmware_bridge.robot.tokens import SCOPES, Tokens, write_private

START_SECONDS = 120.0
_RUN = "import sys; from firmware_bridge.cli import main; sys.exit(main(['robot', 'simulate', 'flat']))"
PLACE = (0.5, 0.5)  # of the dock, where it begins; it looks north there, with 1.7 m of room before it


class SimulatedRobot:
    """A robot that isn't there, served until `end`; `log` is what its process wrote."""

    def __init__(self, folder: Path, scopes: tuple[str, ...] = tuple(SCOPES)) -> None:
        self.folder, self.socket, self.token_file = folder, folder / "robot.sock", folder / "edge.token"
        folder.mkdir(parents=True, exist_ok=True)
        write_private(self.token_file, Tokens(folder / "robot.tokens").add("edge", scopes) + "\n")
        self._starts = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _RUN],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        ends = time.monotonic() + START_SECONDS
        self._starts += 1
        while self.log.count("serving a SIMULATED robot") < self._starts:
            assert process.poll() is None and time.monotonic() < ends, self.log
            time.sleep(0.02)
        return process

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def configure(self, state: Path, more: str = "") -> None:
        """Names the robot in a device's configuration; more: keys of its section."""
        state.mkdir(parents=True, exist_ok=True)
        (state / "config.toml").write_text(
            f'[robot]\nsocket = "{self.socket}"\ntoken_file = "{self.token_file}"\n{more}\n[presence]\n'
        )

    def ask(self, **asked: object) -> dict[str, object]:
        """One line to it, past the device, with the token of its owner."""
        token = (self.folder / "robot.token").read_text().strip()
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(START_SECONDS)
            line.connect(str(self.socket))
            line.sendall(json.dumps({"token": token, **asked}).encode() + b"\n")
            said = json.loads(line.makefile().readline())
        assert said["accepted"] is True, said
        return dict(said)

    @property
    def state(self) -> dict[str, object]:
        made = self.ask(op="state")["state"]
        assert isinstance(made, dict)
        return made

    def fresh(self) -> None:
        """As after a start, but where it stands."""
        self.ask(op="release")
        self.ask(op="clear")
        if self.state["mode"] != "manual":
            self.ask(op="mode", event="take")

    def end(self, hard: bool = False) -> None:
        """Ends it, as a power cut does with `hard`."""
        (self.process.kill if hard else self.process.terminate)()
        self.process.wait(60)

    def again(self) -> None:
        """Starts it once more."""
        self.process = self._start()
