"""Tells the robot what a vision specialist found in its camera's picture: boxes by name. The robot works out where that is.

A line of JSON to the same socket as actions, with a token of the scope `sense`:

    {"token"?, "op": "boxes", "boxes": [{"name", "box": [x0, y0, x1, y1]}], "size": [width, height], "age_ms"}

A picture in which nothing was found is told, too: then the robot knows that somebody looks.
"""

from __future__ import annotations

from typing import cast

from edge_runtime.pipelines import declare
from edge_runtime.pipelines.envelope import ask
from edge_runtime.pipelines.items import Frame, Item, Json, SinkError
from edge_runtime.pipelines.webhook import read_secret

MOST_BOXES = 200  # that the robot takes at once


class Sight:
    """One robot."""

    def __init__(self, declared: declare.Sight) -> None:
        self._declared = declared
        self._token = (
            None if declared.token_file is None else read_secret(declared.token_file).decode("utf-8", "replace")
        )

    async def deliver(self, item: Item) -> bool:
        """Tell what is in an answer; False where the picture is too old. Raises `SinkError`."""
        frame, found = item.value, (item.answer or {}).get("objects")
        if not isinstance(frame, Frame) or not isinstance(found, list):
            raise SinkError("A sight needs a camera's pictures, and a detector's answer with objects in them.")
        if item.captured.age > self._declared.max_age:
            return False
        request: Json = {} if self._token is None else {"token": self._token}
        request |= {
            "op": "boxes",
            "boxes": [made for each in found if (made := self._named(cast(Json, each))) is not None][:MOST_BOXES],
            "size": [frame.width, frame.height],
            "age_ms": round(item.captured.age * 1000, 1),
        }
        said = await ask(self._declared.socket, request, self._declared.timeout)
        if said.get("accepted") is not True:
            raise SinkError(f"The robot refused what was seen: {str(said.get('reason') or 'it gave no reason')[:200]}")
        return True

    async def close(self) -> None:
        """Nothing is held."""

    def _named(self, found: Json) -> Json | None:
        """The box under the name that the robot knows it by; None where it isn't sure enough."""
        label, confidence = str(found.get("label")), found.get("confidence")
        if not isinstance(confidence, int | float) or confidence < self._declared.sure:
            return None
        return {"name": self._declared.names.get(label, label), "box": found.get("box")}
