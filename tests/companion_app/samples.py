"""Data that several of the companion's tests use."""

from __future__ import annotations

from pathlib import Path

import companion_app
from companion_app.state.inventory import Inventory, read_inventory
from companion_app.state.model import Specialist
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import Grant
from edge_runtime.identity.pairing import issue_code

KITCHEN = "http://192.168.1.20:8765"
ATTIC = "http://10.0.0.4:8765"
SAMPLE_HOME = Path(companion_app.__file__).parent / "data" / "sample_home.json"
HOME_EN = Specialist("home-en", "robot", "1.0.0", "onnxruntime 1.32.0", 2_345_678, (("accuracy", 0.9731),), "int8")
TICKETS = Specialist("tickets", "router", "0.3.0", "ai-edge-litert 2.3.0", 345_678, (("accuracy", 0.91),), "int8")

# An answer of task `robot`, as the device sends it.
ROBOT_ANSWER: dict[str, object] = {
    "calls": [
        {
            "name": "HassLightSet",
            "arguments": {"brightness": 30},
            "targets": ["light.reading_lamp", "light.gone"],
        }
    ],
    "confidence": 0.97,
    "unsure": False,
    "question": None,
    "ms": 0.83,
}


def one_time_code(state: Path, scope: str) -> str:
    """What `enigma-edge pair` prints on a device, without a process for it."""
    return issue_code(IdentityFolder(state), Grant(scope), 10.0, 5)


def home() -> Inventory:
    """The sample home."""
    return read_inventory(SAMPLE_HOME, title="Sample home")
