from __future__ import annotations

import io
import math

import pytest

pytest.importorskip("manifold3d")
trimesh = pytest.importorskip("trimesh")

from edge_runtime.media.body import build  # noqa: E402
from edge_runtime.media.solid import read_program  # noqa: E402
from tests.trainer_host.media.strictness import refusal  # noqa: E402  (after the packages that may be missing)
from tests.trainer_host.media.test_solid import RING, ZERO, join, part  # noqa: E402
from trainer_host.media.body import Body, measure, overlap, section  # noqa: E402
from trainer_host.tasks import Json  # noqa: E402


def body(*parts: Json) -> Body:
    return measure(build(read_program({"parts": list(parts)})))


def at(x: float = 0, y: float = 0, z: float = 0) -> Json:
    return {"x": x, "y": y, "z": z}


def test_a_box_has_its_measures_exactly() -> None:
    made = body(part("box", "box", 40, 30, 5, at(1, 2, 2.5)))
    assert made.size == pytest.approx((40, 30, 5))
    assert made.low == pytest.approx((-19, -13, 0))
    assert made.volume == pytest.approx(6000)
    assert (made.pieces, made.cavities, made.holes) == (1, 0, 0)


@pytest.mark.parametrize(
    ("shape", "volume"), [("sphere", math.pi / 6), ("cylinder", math.pi / 4), ("cone", math.pi / 12), ("box", 1)]
)
def test_round_bodies_have_the_volume_of_their_formula_within_a_hundredth(shape: str, volume: float) -> None:
    made = body(part("it", shape, 20, 20, 20))
    assert made.size == pytest.approx((20, 20, 20), abs=1e-4)
    assert made.volume == pytest.approx(volume * 8000, rel=0.011)


HOLES = [
    (RING["parts"], 1, 1, 0),
    ([part("a", "sphere", 10, 10, 10), part("b", "box", 5, 5, 5, at(20)), join("c", "union", "a", "b")], 2, 0, 0),
    ([part("a", "box", 10, 10, 10), part("b", "sphere", 6, 6, 6), join("c", "difference", "a", "b")], 1, 0, 1),
    (
        [
            part("cube", "box", 10, 10, 10),
            part("x", "cylinder", 4, 4, 20, ZERO, at(0, 90)),
            part("y", "cylinder", 4, 4, 20, ZERO, at(90)),
            part("z", "cylinder", 4, 4, 20),
            join("c", "difference", "cube", "x", "y", "z"),
        ],
        1,
        5,
        0,
    ),
    ([part("a", "sphere", 10, 10, 10), part("b", "box", 20, 20, 20, at(0, 0, 10)), join("c", "intersection", "a", "b")], 1, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "pieces", "holes", "cavities"), HOLES)
def test_pieces_holes_and_cavities_are_counted(parts: list[Json], pieces: int, holes: int, cavities: int) -> None:
    made = body(*parts)
    assert (made.pieces, made.holes, made.cavities) == (pieces, holes, cavities)


def test_the_file_is_one_that_another_parser_takes() -> None:
    made = measure(build(read_program(RING)))
    parsed = trimesh.load_mesh(io.BytesIO(made.stl), file_type="stl")
    assert parsed.is_watertight and parsed.is_winding_consistent
    assert parsed.euler_number == 0
    # Binary STL: 80 bytes, a count, 50 bytes per triangle.
    assert len(made.stl) == 84 + 50 * int.from_bytes(made.stl[80:84], "little") == 84 + 50 * len(made.triangles)


def test_turns_and_scales_are_applied_about_the_right_point() -> None:
    lying = body(part("bar", "box", 40, 4, 4, ZERO, at(0, 0, 90)))
    assert lying.size == pytest.approx((4, 40, 4), abs=1e-3)
    big = body(part("a", "box", 10, 10, 10, at(10)), join("b", "union", "a", scale=2, at=at(0, 0, 5)))
    assert big.size == pytest.approx((20, 20, 20))
    assert big.low == pytest.approx((10, -10, -5))
    cone = body(part("cone", "cone", 10, 10, 10))
    assert section(cone, 9).x < 2 < 8 < section(cone, 1).x  # type: ignore[union-attr]


def test_a_cut_has_its_extent_and_its_place() -> None:
    step = body(
        part("a", "box", 20, 10, 5, at(10, 5, 2.5)),
        part("b", "box", 5, 10, 15, at(2.5, 5, 7.5)),
        join("c", "union", "a", "b"),
    )
    low, high = section(step, 2), section(step, 10)
    assert low is not None and high is not None
    assert (low.x, low.y, low.dx, low.dy) == pytest.approx((20, 10, 0, 0))
    assert (high.x, high.y, high.dx) == pytest.approx((5, 10, -7.5))
    assert (low.area, high.area) == pytest.approx((200, 50))
    assert section(step, 99) is None


def test_holes_take_from_the_area_of_a_cut() -> None:
    ring = section(measure(build(read_program(RING))), 5)
    assert ring is not None and ring.area == pytest.approx(math.pi * (20**2 - 10**2), rel=0.01)
    cone = section(body(part("cone", "cone", 20, 20, 20)), 5)
    assert cone is not None and cone.area == pytest.approx(math.pi * 7.5**2, rel=0.01)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([part("a", "box", 9, 9, 9), part("b", "box", 5, 5, 5, at(40)), join("c", "intersection", "a", "b")], "empty body"),
        ([part("a", "box", 9, 9, 9), part("b", "box", 20, 20, 20), join("c", "difference", "a", "b")], "empty body"),
        ([part("a", "box", 9, 9, 9), part("b", "box", 2, 2, 2, at(40)), join("c", "difference", "a", "b")], "cut without effect"),
        ([part("a", "box", 9, 9, 9), part("b", "box", 9, 9, 9, at(9, 9)), join("c", "union", "a", "b")], "not watertight"),
        ([part("a", "box", 0.1, 9, 9)], "out of range"),
        ([part("a", "box", 900, 9, 9), part("b", "box", 900, 9, 9, at(400)), join("c", "union", "a", "b")], "out of range"),
        ([part("a", "box", 90, 90, 90), part("b", "box", 0.5, 0.5, 0.5, at(100)), join("c", "union", "a", "b")], "specks"),
    ],
)  # fmt: skip
def test_bodies_that_are_none_are_refused(parts: list[Json], reason: str) -> None:
    assert refusal(lambda: body(*parts)).reason == reason


def test_many_faces_in_one_plane_stay_watertight() -> None:
    """A grid of crossing walls: their tops share a plane, where joins leave triangles without area."""
    walls = [part(f"x{i}", "box", 200, 3, 200, at(0, 10 * i)) for i in range(12)]
    walls += [part(f"y{i}", "box", 3, 200, 200, at(10 * i - 70, 70)) for i in range(12)]
    made = body(*walls, join("grid", "union", *(str(wall["name"]) for wall in walls)))
    assert (made.pieces, made.holes) == (1, 121)


def test_overlap_is_that_of_volumes_wherever_they_lie() -> None:
    def volume(*parts: Json) -> object:
        return build(read_program({"parts": list(parts)}))

    box, same = volume(part("a", "box", 10, 10, 10)), volume(part("a", "box", 10, 10, 10, at(50, 3, 9)))
    assert overlap(box, same) == pytest.approx(1)  # type: ignore[arg-type]
    assert overlap(box, volume(part("a", "box", 20, 10, 10))) == pytest.approx(0.5)  # type: ignore[arg-type]
    assert overlap(box, volume(part("a", "sphere", 10, 10, 10))) == pytest.approx(math.pi / 6, abs=0.01)  # type: ignore[arg-type]
