"""What each extra pulls in: a device must never get torch or Kivy."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    """Package names of requirements, extras of our own unfolded."""
    found: set[str] = set()
    for requirement in requirements:
        own = re.fullmatch(r"enigma\[(.+)\]", requirement)
        if own:
            for extra in own[1].split(","):
                found |= names(EXTRAS[extra])
        else:
            found.add(re.split(r"[<>=; \[]", requirement)[0].lower())
    return found


def test_a_device_gets_neither_torch_nor_kivy() -> None:
    device = names([*PROJECT["dependencies"], *EXTRAS["edge"], *EXTRAS["onnx"], *EXTRAS["litert"]])
    assert device == {"numpy", "aiohttp", "pynacl", "onnxruntime", "ai-edge-litert"}


def test_every_package_that_make_installs_has_one_exact_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), "a pin is not exact, or is of one build"
    wanted = names(["enigma[dev]"]) - {"enigma"}
    assert {name.replace("_", "-") for name in wanted} <= pins
