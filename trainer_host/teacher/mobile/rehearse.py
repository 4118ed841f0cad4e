"""Asks the bridge's own planner what a robot's orders come to: `enigma-bridge robot rehearse`, a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType

from trainer_host.errors import DataError

Json = dict[str, object]
Spot = tuple[float, float]
# The bridge is another program, as the host never imports what moves motors.
COMMAND = (sys.executable, "-c", "from firmware_bridge.cli import main; raise SystemExit(main())", "robot", "rehearse")


class Rehearsal:
    """The bridge in one of its rooms, until the block ends. Raises `DataError` where it can't be started."""

    def __init__(self, room: str = "flat") -> None:
        self._room = room

    def __enter__(self) -> Rehearsal:
        self._process = subprocess.Popen(
            (*COMMAND, self._room), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def drive(self, at: Spot, spots: Sequence[Spot]) -> list[Spot] | str:
        """Where orders to go to `spots`, one after the other, end; or why the bridge refuses them."""
        calls = [{"name": "go_to", "arguments": {"x": x, "y": y}} for x, y in spots]
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"at": list(at), "calls": calls}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except OSError:
            line = ""
        if not line:
            self._process.kill()
            why = (self._process.communicate()[1].strip().splitlines() or ["it ended"])[-1]
            raise DataError(
                f"The map needs the bridge: install enigma[robot], and try 'enigma-bridge robot rehearse' ({why[:200]})."
            )
        said = json.loads(line)
        return [(x, y) for x, y in said["ends"]] if said["accepted"] else str(said["reason"])
