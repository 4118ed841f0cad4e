"""Maps: scans find their place, loops are closed, a wrong one bends nothing; drawn buildings, and a real one where its data are."""

from __future__ import annotations

import math
import os
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.cli import main
from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.estimate import wrap
from firmware_bridge.robot.grid import Grid, on_walls
from firmware_bridge.robot.pose_graph import Edge, between, compose, solve
from firmware_bridge.robot.scan_match import Field, Localizer, match, placed
from firmware_bridge.robot.slam import Slam, points_of, trajectory_error
from tests.firmware_bridge.robot.building import cast, walk

_BESIDE = Path(__file__).parents[4] / "shared" / "data" / "slam"
DATA = Path(os.environ.get("ENIGMA_SLAM") or _BESIDE) / "intel_lab.npz"
WALK = walk(seed=21, rounds=1.2, stride=0.9)
solver = pytest.mark.skipif(find_spec("gtsam") is None, reason="loops need gtsam: pip install 'enigma[slam]'")


def test_a_scan_is_found_wherever_it_is_within_the_window() -> None:
    rng = np.random.default_rng(5)
    seen = np.concatenate(
        [placed(points_of(WALK.first, WALK.step, WALK.ranges[at]), WALK.poses[at]) for at in range(4, 9)]
    )
    field, truth = Field(seen), WALK.poses[6]
    angles = WALK.first + WALK.step * np.arange(180)
    points = points_of(WALK.first, WALK.step, cast(WALK.walls, truth, angles, 20.0) + rng.normal(0, 0.015, 180))
    for _ in range(6):
        guess = (
            truth[0] + rng.uniform(-0.4, 0.4),
            truth[1] + rng.uniform(-0.4, 0.4),
            truth[2] + rng.uniform(-0.3, 0.3),
        )
        found = match(field, points, guess, 0.5, 0.35)
        assert math.dist((found.x, found.y), truth[:2]) < 0.05 and abs(wrap(found.heading - truth[2])) < 0.01
        assert found.score > 0.7 and (np.linalg.eigvalsh(found.covariance) > 0).all()


def test_from_known_places_a_map_is_the_building_but_for_the_scanners_noise() -> None:
    angles = WALK.first + WALK.step * np.arange(WALK.ranges.shape[1])
    drawn = Grid.of(
        (pose, points_of(WALK.first, WALK.step, ranges)) for pose, ranges in zip(WALK.poses, WALK.ranges, strict=True)
    )
    truth, ends = Grid(np.zeros_like(drawn.odds), drawn.west, drawn.south, drawn.cell), np.zeros(drawn.odds.size, bool)
    for pose, ranges in zip(WALK.poses, WALK.ranges, strict=True):
        exact = np.where(np.isfinite(ranges), cast(WALK.walls, pose, angles, np.inf), np.inf)
        points = placed(points_of(WALK.first, WALK.step, exact), pose)
        truth.add(pose, points)
        ends[truth._flat(points)] = True
    free, really = drawn.odds < -0.1, truth.odds < -0.1
    assert (free & really).sum() / (free | really).sum() > 0.95
    walls, right = drawn.odds > 0.5, ends.reshape(drawn.odds.shape)
    # Where one ray alone ended, its noise of 15 mm may put it into the next cell of 50 mm.
    assert (walls & right).sum() / (walls | right).sum() > 0.88
    assert (walls & _or_beside(right)).sum() / walls.sum() > 0.99
    assert (right & _or_beside(walls)).sum() / right.sum() > 0.97


def test_ends_of_rays_are_moved_onto_straight_walls_and_nothing_else_is_bent() -> None:
    rng = np.random.default_rng(2)
    wall = np.column_stack([rng.uniform(0, 4, 800), 1.012 + rng.normal(0, 0.015, 800)])
    post = 2.5 + 0.05 * np.array([[math.cos(each), math.sin(each)] for each in np.linspace(0, 2 * math.pi, 40)])
    alone = np.array([[1.0, 3.0], [3.0, 4.0]])
    moved = on_walls(np.concatenate([wall, post, alone]), 0.05)
    assert np.sqrt(np.mean((moved[:800, 1] - 1.012) ** 2)) < 0.005
    assert np.array_equal(moved[800:], np.concatenate([post, alone]))
    grid = Grid.of([((1.0, 0.0, 0.0), wall), ((3.0, 0.0, 0.0), wall)])
    rows = np.round(grid.walls()[:, 1], 6)
    assert np.unique(rows, return_counts=True)[1].max() > 0.95 * len(rows)


def test_scans_too_far_apart_for_a_map_are_refused_in_a_sentence() -> None:
    far = np.array([[1.0, 1.0], [2.0, 1.0], [20_000.0, 20_000.0]])  # a terabyte and more, if it were tried
    with pytest.raises(RobotError, match="The map would have 160,000,000,000 cells; up to 50,000,000 are possible"):
        Grid.of([((0.0, 0.0, 0.0), far)])


def test_a_ray_along_a_wall_erases_nothing_of_it() -> None:
    wall = np.column_stack([np.arange(0.2, 4, 0.3), np.full(13, 1.0)])
    grid = Grid(np.zeros((40, 90), np.float32), 0.0, -0.5)
    for _ in range(5):
        grid.add((0.0, 0.98, 0.0), wall)
    row = grid.odds[30, 4:78]
    assert (row >= 0).all() and (row > 0.5).sum() >= 12
    door = np.array([[1.0, 1.0], [2.2, 1.0], [3.4, 1.0]])  # too far apart to be one wall
    grid = Grid(np.zeros((40, 90), np.float32), 0.0, -0.5)
    grid.add((0.0, 0.98, 0.0), door)
    assert (grid.odds[29:31] < 0).any()


def _or_beside(cells: np.ndarray) -> np.ndarray:
    padded, (rows, columns) = np.pad(cells, 1), cells.shape
    return np.logical_or.reduce([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)])


@solver
def test_a_round_through_a_building_is_mapped_within_centimetres_where_odometry_is_metres_off() -> None:
    slam, kept = Slam(WALK.poses[0]), []
    for at, (odometry, ranges) in enumerate(zip(WALK.odometry, WALK.ranges, strict=True)):
        before = len(slam.scans)
        slam.add(odometry, points_of(WALK.first, WALK.step, ranges))
        kept += [at] if len(slam.scans) > before else []
    truth = np.array(WALK.poses)[kept]
    assert trajectory_error(np.array(WALK.odometry)[kept], truth) > 1.0
    assert trajectory_error(np.array(slam.poses), truth) < 0.15 and slam.loops > 5
    grid = Grid.of((pose, scan.points) for pose, scan in zip(slam.poses, slam.scans, strict=True))
    assert grid.walls().shape[0] > 1000
    lost = Localizer(grid.walls()).match((5.0, 5.0, 0.0), slam.scans[3].points)  # within the block of the building
    there = Localizer(grid.walls()).match(compose(slam.poses[3], (0.15, -0.1, 0.1)), slam.scans[3].points)
    assert lost is None and there is not None and math.dist((there.x, there.y), slam.poses[3][:2]) < 0.06


@solver
def test_a_loop_that_contradicts_all_others_hardly_bends_the_map() -> None:
    truth = [(math.cos(part) * 5, math.sin(part) * 5, part + math.pi / 2) for part in np.linspace(0, 2 * math.pi, 40)]
    rng, spread = np.random.default_rng(3), np.diag([0.02**2, 0.02**2, 0.01**2])
    edges, poses = [], [truth[0]]
    for at in range(39):
        off = rng.normal(0, [0.02, 0.02, 0.01])
        difference = compose(between(truth[at], truth[at + 1]), tuple(off))
        edges.append(Edge(at, at + 1, difference, spread))
        poses.append(compose(poses[-1], difference))
    right = [Edge(a, b, between(truth[a], truth[b]), spread, loop=True) for a, b in ((0, 39), (5, 37), (2, 30))]
    wrong = Edge(3, 20, (0.0, 0.0, 0.0), spread, loop=True)
    before = trajectory_error(np.array(poses), np.array(truth))
    solved = trajectory_error(np.array(solve(poses, edges + right)), np.array(truth))
    bent = trajectory_error(np.array(solve(poses, [*edges, *right, wrong])), np.array(truth))
    assert solved < before / 2 and bent < 2 * solved + 0.02


def test_a_map_is_kept_drawn_and_read_again_and_rubbish_is_no_map(tmp_path: Path) -> None:
    room = np.array([[2.0, y] for y in np.arange(-1, 1, 0.02)])
    grid = Grid.of([((0.0, 0.0, 0.0), room)] * 3)
    assert grid.walls()[:, 0] == pytest.approx(2.0, abs=0.06)
    assert (grid.odds < 0).sum() > 500 and (grid.odds == 0).sum() > 500
    grid.picture(tmp_path / "map.png", np.array([[0.0, 0.0]]))
    data = (tmp_path / "map.png").read_bytes()
    assert data.startswith(b"\x89PNG") and zlib.decompress(data[data.index(b"IDAT") + 4 : -16])
    grid.save(tmp_path / "map.npz")
    assert np.array_equal(Grid.load(tmp_path / "map.npz").odds, grid.odds)
    whole = (tmp_path / "map.npz").read_bytes()
    for name, content in (("bad", b"rubbish"), ("empty", b""), ("cut", whole[: len(whole) // 2]), ("zip", b"PK\3\4")):
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "one.npy", grid.odds)
    for name in ("bad", "none", "empty", "cut", "zip", "one.npy", "."):
        with pytest.raises(RobotError, match="is no map of enigma-bridge robot map"):
            Grid.load(tmp_path / name)
        assert main(["robot", "map", str(tmp_path / name), str(tmp_path / "out.npz")]) == 1
    with pytest.raises(RobotError, match="no scans"):
        Grid.of([])


def test_a_trajectory_is_compared_after_the_best_turn_and_shift() -> None:
    way = np.random.default_rng(1).normal(0, 3, (50, 2))
    turn = np.array([[math.cos(2), -math.sin(2)], [math.sin(2), math.cos(2)]])
    assert trajectory_error(way @ turn.T + (4, -7), way) == pytest.approx(0, abs=1e-9)
    assert trajectory_error(way + np.where(np.arange(50) % 2, 0.1, -0.1)[:, None], way) == pytest.approx(
        0.1414, abs=0.01
    )


@solver
def test_the_intel_research_lab() -> None:
    """Its first 80 scans; benchmarks/slam.py takes all 910."""
    if not DATA.is_file():
        pytest.skip("the scans of the Intel Research Lab aren't here: see ENIGMA_SLAM in benchmarks/slam.py")
    with np.load(DATA) as kept:
        ranges, odometry, reference = kept["ranges"][:80], kept["odom"][:80], kept["reference"][:80]
    slam = Slam()
    told = [
        slam.add(tuple(pose), points_of(-math.pi / 2, math.pi / 180, away))
        for pose, away in zip(odometry, ranges, strict=True)
    ]
    error, raw = trajectory_error(np.array(told), reference), trajectory_error(odometry, reference)
    assert error <= 0.3 and raw > 5 * error, (error, raw)
