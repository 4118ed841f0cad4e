"""A screen reader for tests: sees and does only what AT-SPI offers, in a process of its own, by the system's pyatspi.

One request a line on standard input, one answer a line on standard output, both JSON.
"""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pyatspi
from gi.repository import GLib

HEARD = ("object:state-changed:focused", "object:announcement", "object:text-changed", "object:state-changed:checked")
heard: list[dict[str, str]] = []


def nodes(at: object) -> Iterator[object]:
    """A node and all in it, in reading order."""
    yield at
    for child in at:  # type: ignore[attr-defined]
        if child is not None:
            yield from nodes(child)


def everything() -> Iterator[object]:
    """All nodes of all applications on the bus."""
    for application in pyatspi.Registry.getDesktop(0):
        if application is not None:
            for window in application:
                if window is not None:
                    yield from nodes(window)


def told(node: object) -> dict[str, object]:
    """All that the bus says of a node."""
    states = {str(pyatspi.stateToString(state)) for state in node.getState().getStates()}  # type: ignore[attr-defined]
    made: dict[str, object] = {
        "role": node.getRoleName(),  # type: ignore[attr-defined]
        "name": node.name,  # type: ignore[attr-defined]
        "description": node.description,  # type: ignore[attr-defined]
        "states": sorted(states),
        "actions": [],
    }
    try:
        actions = node.queryAction()  # type: ignore[attr-defined]
        made["actions"] = [actions.getName(number) for number in range(actions.nActions)]
    except NotImplementedError:
        pass
    try:
        text = node.queryText()  # type: ignore[attr-defined]
        made["text"], made["caret"] = text.getText(0, -1), text.caretOffset
    except NotImplementedError:
        pass
    try:
        value = node.queryValue()  # type: ignore[attr-defined]
        made["value"] = value.currentValue
    except NotImplementedError:
        pass
    box = node.queryComponent().getExtents(pyatspi.WINDOW_COORDS)  # type: ignore[attr-defined]
    made["box"] = [box.x, box.y, box.width, box.height]
    return made


def these(role: str, name: str) -> Iterator[object]:
    """The nodes of a role and a name; `*` in it is anything."""
    return (node for node in everything() if node.getRoleName() == role and fnmatchcase(node.name, name))  # type: ignore[attr-defined]


def do(request: dict[str, str]) -> object:
    """Answer a request."""
    verb = request["do"]
    if verb == "tree":
        return [told(node) for node in everything()]
    if verb == "heard":
        said, heard[:] = heard[:], []
        return said
    if verb == "find":
        return [told(node) for node in these(request["role"], request["name"])]
    node = next(these(request["role"], request["name"]), None)
    if node is None:
        return None
    if verb == "press":
        return bool(node.queryAction().doAction(0))  # type: ignore[attr-defined]
    if verb == "focus":
        return bool(node.queryComponent().grabFocus())  # type: ignore[attr-defined]
    if verb == "set":
        node.queryValue().currentValue = float(request["value"])  # type: ignore[attr-defined]
    return True


def hear(event: object) -> None:
    """Keep an event."""
    source = event.source  # type: ignore[attr-defined]
    name = source.name if source is not None else ""
    heard.append({"type": str(event.type), "name": name, "data": str(event.any_data), "on": str(event.detail1)})  # type: ignore[attr-defined]


def main() -> None:
    """Serve until standard input ends."""
    for kind in HEARD:
        pyatspi.Registry.registerEventListener(hear, kind)
    loop = GLib.MainContext.default()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        while loop.pending():
            loop.iteration(False)
        if not select.select([sys.stdin], [], [], 0.05)[0]:
            continue
        line = sys.stdin.readline()
        if not line:
            return
        try:
            answer = do(json.loads(line))
        except Exception as error:  # of AT-SPI or D-Bus, for whatever went away meanwhile: the test tells it
            answer = {"gone": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
