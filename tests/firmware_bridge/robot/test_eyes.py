"""Boxes in a camera's pictures become places of things: by geometry, with the scanner, and from a pipeline to the robot's socket."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("shapely")

from edge_runtime.pipelines.reading import parse_pipeline
from edge_runtime.pipelines.runner import Running
from edge_runtime.pipelines.sinks import open_sink
from edge_runtime.pipelines.sources import open_source
from edge_runtime.pipelines.topics import Topics
from firmware_bridge.robot import drawn, room, things
from firmware_bridge.robot.config import Camera, RobotError
from firmware_bridge.robot.drive import Driver
from firmware_bridge.robot.envelope import Why
from firmware_bridge.robot.eyes import Past, place, relative
from firmware_bridge.robot.serve import Server, ask
from firmware_bridge.robot.simulator import SimulatedBoard, World
from firmware_bridge.robot.tokens import Tokens
from tests.edge_runtime.pipelines.host import Host
from tests.edge_runtime.pipelines.test_sources import write_video

from .test_serve import until

SIZE = (640.0, 480.0)


def drawn_box(
    camera: Camera, x: float, y: float, radius: float, height: float
) -> tuple[float, float, float, float] | None:
    """Where an upright cylinder on the floor is in the picture, by matrices: a turn, a tilt, a pinhole."""
    turn, tilt = math.radians(camera.degrees), math.radians(camera.down)
    about = np.array([[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    nod = np.array([[math.cos(tilt), 0, -math.sin(tilt)], [0, 1, 0], [math.sin(tilt), 0, math.cos(tilt)]])
    angles = np.linspace(0, 2 * math.pi, 60)
    rim = np.column_stack([x + radius * np.cos(angles), y + radius * np.sin(angles)])
    points = np.concatenate([np.column_stack([rim, np.full(60, z)]) for z in (0.0, height)])
    ahead, left, up = nod @ about @ (points - [camera.x, camera.y, camera.z]).T
    focal = 320 / math.tan(math.radians(camera.view / 2))
    if (ahead <= 0.05).any():
        return None
    columns, rows = (320 - focal * left / ahead) / SIZE[0], (240 - focal * up / ahead) / SIZE[1]
    box = float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max())
    return box if min(box) >= 0 and box[2] <= 1 and box[3] < 0.98 else None


def test_what_stands_on_the_floor_is_where_the_picture_says_however_the_camera_stands() -> None:
    rng, looked = np.random.default_rng(3), 0
    for _ in range(400):
        camera = Camera(*rng.uniform([0.15, -0.1, -0.1, -90, 0, 50], [1.2, 0.2, 0.1, 90, 50, 100]).tolist())
        bearing, away = math.radians(camera.degrees) + rng.uniform(-0.3, 0.3), rng.uniform(0.4, 2.5)
        x, y = camera.x + away * math.cos(bearing), camera.y + away * math.sin(bearing)
        box = drawn_box(camera, x, y, 0.03, 0.08)
        if box is not None:
            found = place(camera, box, SIZE, None)
            assert found is not None and math.dist(found, (x, y)) < 0.015 + 0.02 * away, (camera, box)
            looked += 1
    assert looked > 80


def test_the_scanner_says_how_far_where_the_picture_does_not_and_nothing_is_behind_a_wall() -> None:
    camera = Camera(z=0.3, x=0.1)
    wall = np.column_stack([np.full(81, 2.0), np.linspace(-1, 1, 81)])
    legs = np.array([[0.9, 0.02], [0.9, -0.02]])
    near = (0.3, 0.0, 0.7, 1.0)  # somebody whose feet are below the picture
    found = place(camera, near, SIZE, np.concatenate([wall, legs]))
    assert found is not None and math.dist(found, (0.9, 0.0)) < 0.05
    assert place(camera, near, SIZE, None) is None and place(camera, near, SIZE, wall + np.array([0, 9])) is None
    above = (0.45, 0.3, 0.55, 0.45)  # on a shelf: no ray through it meets the floor
    assert place(camera, above, SIZE, None) is None
    found = place(camera, above, SIZE, wall)
    assert found is not None and found[0] == pytest.approx(2.0, abs=0.02)
    far = (0.45, 0.5, 0.55, 0.56)  # by the floor alone it would be some 6 m away, through the wall
    alone, before = place(camera, far, SIZE, None), place(camera, far, SIZE, wall)
    assert alone is not None and alone[0] > 5 and before is not None and before[0] == pytest.approx(2.0, abs=0.02)
    assert place(camera, (0.45, 0.5, 0.55, 0.51), SIZE, None) is None  # near the horizon a pixel is metres


def test_a_picture_of_before_counts_from_where_the_robot_was_then() -> None:
    past = Past()
    for step in range(100):
        past.add(step * 0.05, (0.01 * step, 0.0, 3.0 + 0.05 * step))
    assert past.at(0.0) is None and past.at(4.975) == pytest.approx((0.99, 0.0, 7.95))
    at = past.at(4.025)
    assert (
        at is not None and at[0] == pytest.approx(0.805) and math.sin(at[2]) == pytest.approx(math.sin(7.025), abs=1e-6)
    )
    past.add(1.0, (5.0, 5.0, 0.0))  # a clock that went back
    assert past.at(1.0) == (5.0, 5.0, 0.0) and past.at(0.9) is None
    assert relative([(1.0, 2.0)], (1.0, 1.0, math.pi / 2)) == pytest.approx(np.array([[1.0, 0.0]]))


PIPELINE = """
[source]
kind = "camera"
file = "film.mp4"
pace = "fast"
[[models]]
specialist = "eye"
[[sinks]]
kind = "sight"
socket = "robot.sock"
token_file = "eye.token"
names = {{ mug = "cup" }}
{more}
"""


async def test_a_detector_behind_a_camera_tells_the_robot_what_is_where_without_a_line_of_code(tmp_path: Path) -> None:
    toml = tmp_path / "robot.toml"
    made = room.load("flat", toml)
    toml.write_text(toml.read_text() + "\n[camera]\nz = 0.4\nx = 0.1\ndown = 20\n")
    write_video(tmp_path / "film.mp4", 12)
    robot, tokens = drawn.load(toml), Tokens(tmp_path / "robot.tokens")
    (tmp_path / "eye.token").write_text(tokens.add("eye", ["sense"]) + "\n")
    (tmp_path / "eye.token").chmod(0o600)
    start, camera = (5.2, 3.2, 0.0), robot.camera
    assert camera is not None
    box = drawn_box(camera, 1.0, 0.1, 0.03, 0.08)
    assert box is not None
    objects = [
        {"label": "mug", "box": list(box), "confidence": 0.9},
        {"label": "mug", "box": [0.0, 0.0, 0.1, 0.1], "confidence": 0.2},  # not sure enough
        {"label": "zebra", "box": list(box), "confidence": 0.99},  # not in the inventory
        {"label": "keys", "box": [0.4, 0.0, 0.6, 0.1], "confidence": 0.9},  # above the horizon, and nothing was scanned
    ]

    async def eye(request: dict[str, object]) -> dict[str, object]:
        return {"objects": objects, "unsure": False}

    async with (
        SimulatedBoard(World(robot, made, *start)) as board,
        Driver(robot, board, start) as driver,
        Server(driver, tokens, tmp_path / "robot.sock", toml),
    ):
        driver.orders.things = things.load(toml)
        await until(lambda: not driver.envelope.why & Why.NO_POSE)
        cup, keys = driver.orders.things.thing("cup"), driver.orders.things.thing("keys")

        async def through(more: str = "") -> Running:
            declared = parse_pipeline(PIPELINE.format(more=more), "look", tmp_path)
            host = Host(eye=eye)
            running = Running(
                declared, host, open_source(declared.source, Topics()),  # type: ignore[arg-type]
                lambda sink: open_sink(sink, "look", host.events, Topics()),
            )  # fmt: skip
            await running.run()
            return running

        told = (await through()).plain()
        assert told["errors"] == 0 and int(str(told["out"])) > 3, told
        seen = driver.orders.things.where(cup)
        assert seen is not None and math.dist((seen.x, seen.y), (6.2, 3.3)) < 0.05
        assert driver.orders.things.where(keys) is None
        assert driver.orders.things.detects(seen.at)
        token = (tmp_path / "eye.token").read_text().strip()
        said = await ask(tmp_path / "robot.sock", {
            "op": "boxes", "token": token, "size": [640, 480],
            "boxes": [{"name": "keys", "box": [0.4, 0.0, 0.6, 0.1]}],
        })  # fmt: skip
        assert said["far_unknown"] == ["keys"]
        for wrong, why in (
            ({"size": [640, 480], "boxes": [{"name": "cup", "box": [0, 0, 2, 1]}]}, "shares of the picture"),
            ({"size": [640], "boxes": []}, "width, height"),
            ({"size": [640, 480], "boxes": [], "age_ms": 9000}, "older pictures say nothing"),
            ({"size": [640, 480], "boxes": [], "age_ms": math.nan}, "older pictures say nothing"),
        ):
            with pytest.raises(RobotError, match=why):
                await ask(tmp_path / "robot.sock", {"op": "boxes", "token": token, **wrong})
