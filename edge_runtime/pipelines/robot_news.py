"""What became of a robot's orders, as it says it: {"text": "Done: kitchen.", "state": "done"}, for a sink that speaks or a topic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

from edge_runtime.pipelines.declare import Robot
from edge_runtime.pipelines.envelope import ask
from edge_runtime.pipelines.items import Captured, Item, Json, SinkError, SourceError
from edge_runtime.pipelines.webhook import read_secret

SECONDS = 3.0  # for an answer


class RobotNews:
    """Asks the robot again and again; what ended before it began isn't told."""

    def __init__(self, declared: Robot) -> None:
        self._declared = declared

    async def items(self) -> AsyncGenerator[Item, None]:
        """Each outcome once; raises `SourceError` where the robot can't be asked."""
        declared, began, number, known = self._declared, Captured.now(), 0, -1
        assert isinstance(declared.socket, Path)
        asked: Json = {"op": "state"}
        if declared.token_file is not None:
            asked["token"] = read_secret(declared.token_file).decode("utf-8", "replace")
        while True:
            try:
                said = await ask(declared.socket, asked, SECONDS)
            except SinkError as cause:
                raise SourceError(str(cause)) from None
            state = said.get("state")
            if said.get("accepted") is not True or not isinstance(state, dict):
                raise SourceError(f"The robot doesn't say how it is: {str(said.get('reason'))[:200]}")
            outcomes = cast("list[Json]", state.get("outcomes") or [])
            for each in outcomes:
                at = cast(int, each["number"])
                if known >= 0 and at > known:
                    now, number = Captured.now(), number + 1
                    told: Json = {"text": str(each["text"]), "state": str(each["state"])}
                    yield Item(told, now, now.monotonic - began.monotonic, number)
            known = max([max(known, 0), *(cast(int, each["number"]) for each in outcomes)])
            await asyncio.sleep(declared.every_seconds)
