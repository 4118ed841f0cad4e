"""robot.toml: what it takes, and the sentence for each mistake; zones that can't be used; the grid beside shapely."""

from __future__ import annotations

import copy
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from firmware_bridge.robot import config, modes
from firmware_bridge.robot.config import RobotError, load, parse
from firmware_bridge.robot.zones import Ground
from tests.firmware_bridge.robot.adversary import GROUND, RAW, ROBOT

REPO = Path(__file__).resolve().parents[3]


def changed(**keys: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    for name, value in keys.items():
        if isinstance(value, dict) and isinstance(raw.get(name), dict):
            raw[name].update(value)
        else:
            raw[name] = value
    return raw


_ZONE = [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({}, r"\[body\] is missing"),
        (changed(body={"radius": 0}), r"radius in \[body\] must be a number from 0.02 to 2 m"),
        (changed(body={"wide": 1}), r"\[body\] has no key wide"),
        (changed(limits={"speed": float("nan")}), r"speed in \[limits\] must be a number"),
        (changed(limits={"speed": 3}), r"more than wheel_speed"),
        (changed(limits={"brake": True}), r"brake in \[limits\]"),
        (changed(proximity={"stop": 2}), "slow in .* must be more than stop"),
        (changed(tilt={"slow": 20}), "stop in .* must be more than slow"),
        (changed(current={"input": "a9"}), "must be a1, a2 or a3"),
        (changed(fence=[[0, 0], [1, 1]]), "fence must be a list of 3"),
        (changed(fence=[[0, 0], [1, float("inf")], [1, 1]]), "fence: corner 1 must be a number"),
        (changed(zones=[{"name": "a"}]), r"corners is missing in zones\[0\]"),
        (changed(zones=[{"name": "a", "corners": _ZONE}, {"name": "A", "corners": _ZONE}]), "Two zones"),
        (changed(places=[{"name": "kitchen", "at": [1]}]), r"at must be \[x, y\]"),
        (changed(dock="garage"), "no place 'garage'"),
        (changed(colour="red"), "colour isn't a key"),
        ({"body": RAW["body"], "zones": RAW["zones"]}, "Zones need a fence"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(raw: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RobotError, match=sentence):
        parse(raw)


@pytest.mark.parametrize(
    ("corners", "sentence"),
    [
        ([[1, 1], [2, 2], [2, 1], [1, 2]], "'x' can't be used .self-intersection at 1.5 1.5"),
        ([[1, 1], [2, 1], [3, 1]], "'x' (can't be used|has no inside)"),
        ([[-1, -1], [9, -1], [9, 9], [-1, 9]], "leave no room"),
    ],
)
def test_a_zone_that_crosses_itself_or_takes_all_is_refused(corners: list[list[float]], sentence: str) -> None:
    with pytest.raises(RobotError, match=sentence):
        Ground(parse(changed(zones=[{"name": "x", "corners": corners}])))


def test_a_file_that_is_missing_or_no_toml_says_so(tmp_path: Path) -> None:
    with pytest.raises(RobotError, match="can't be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "robot.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RobotError, match="isn't TOML"):
        load(tmp_path / "robot.toml")


def test_a_place_is_found_by_its_name_however_it_is_written() -> None:
    robot = parse(changed(places=[{"name": "Living room", "at": [1, 1, 90]}]))
    assert robot.place("living_room").heading == pytest.approx(np.pi / 2)
    with pytest.raises(RobotError, match=r"no place 'attic'; robot.toml names Living room"):
        robot.place("attic")


def test_the_grid_never_says_more_than_shapely() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform([-0.5, -0.5], [5.5, 4.5], (2000, 2))
    free = GROUND.free
    exact = shapely.distance(shapely.points(points), free.boundary)
    exact = np.where(shapely.contains_xy(free, points[:, 0], points[:, 1]), exact, -exact)
    said = np.array([GROUND.clearance(*point) for point in points])
    smooth = np.array([GROUND.smooth(*point) for point in points])
    assert (said <= exact + 1e-6).all() and (said >= exact - 0.072).all()  # twice half a cell's diagonal
    assert np.abs(smooth - exact).max() < 0.03
    assert GROUND.clearance(float("nan"), 1.0) < 0 and GROUND.clearance(1e9, 1.0) < 0
    assert ROBOT.body.radius == 0.18


def test_the_guide_shows_the_table_of_modes_and_a_robot_toml_that_is_right() -> None:
    text = (REPO / "docs" / "robots.md").read_text(encoding="utf-8")
    assert modes.table() in text and all(means in text for means in modes.MEANS.values())
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    robot = parse(tomllib.loads(blocks[0]))
    assert Ground(robot).free.area > 19 and robot.place("kitchen").x == 3.5
    for name, kind in config._SECTIONS.items():
        row = next((line for line in text.splitlines() if line.startswith(f"| `[{name}]`")), "") + blocks[0]
        for each in fields(kind):
            assert each.name in row, f"{each.name} of [{name}] isn't in docs/robots.md"
