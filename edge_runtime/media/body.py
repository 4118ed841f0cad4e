"""Builds bodies from programs (manifold3d), and closes their surfaces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_runtime.media import Rejected, optional
from edge_runtime.media.reading import OUT_OF_RANGE, TOO_MUCH
from edge_runtime.media.solid import MAX_TRIANGLES, SEGMENTS, Primitive, Program, Vector

if TYPE_CHECKING:
    import numpy as np
    from manifold3d import Manifold

SMALLEST, LARGEST = 0.5, 1000.0  # millimetres a side
FINEST = 1e-3  # millimetres
NOT_CLOSED = "the surface isn't closed: parts touch in an edge or a point only; overlap them"


def build(program: Program) -> Manifold:
    """Join the parts; raises `Rejected` where nothing is left or a join does nothing, `NotEquipped` without manifold3d."""
    optional("manifold3d", "Bodies")
    made: dict[str, Manifold] = {}
    for part in program.parts:
        if isinstance(part, Primitive):
            made[part.name] = _primitive(part)
            continue
        operands = [made[name] for name in part.of]
        joined = _joined(part.join, operands)
        if joined.is_empty():
            raise Rejected("empty body", f"nothing is left of '{part.name}'")
        if joined.num_tri() > 2 * MAX_TRIANGLES:
            raise Rejected(TOO_MUCH, f"'{part.name}' has {joined.num_tri()} triangles; use fewer round parts")
        before = operands[0].volume()
        if part.join == "difference" and len(operands) > 1 and math.isclose(joined.volume(), before, rel_tol=1e-6):
            raise Rejected("cut without effect", f"what '{part.name}' takes away doesn't touch '{part.of[0]}'")
        made[part.name] = joined.scale((part.scale,) * 3).rotate(part.turn).translate(part.at)
    return made[program.parts[-1].name]


def surface(body: Manifold) -> tuple[np.ndarray, np.ndarray]:
    """Its vertices, float32 [n, 3] in millimetres, all different, and triangles, int64 [m, 3], anticlockwise outside.

    Raises `Rejected` where it isn't closed once equal places are one vertex, as readers of files take them, or where
    it is too small or too large.
    """
    import numpy as np

    # Joins of faces in one plane leave triangles without area, whose corners would be merged wrongly.
    mesh = body.simplify(FINEST).to_mesh()
    vertices, where = np.unique(mesh.vert_properties[:, :3].astype(np.float32), axis=0, return_inverse=True)
    triangles = where.reshape(-1)[mesh.tri_verts.astype(np.int64)]
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    there = edges[:, 0] * len(vertices) + edges[:, 1]
    back = edges[:, 1] * len(vertices) + edges[:, 0]
    if not len(there) or len(np.unique(there)) != len(there) or not np.array_equal(np.sort(there), np.sort(back)):
        raise Rejected("not watertight", NOT_CLOSED)
    refuse_size(tuple(np.ptp(vertices, axis=0).tolist()))
    return vertices, triangles


def refuse_size(size: Vector) -> None:
    """Raises `Rejected` for a side that nobody could make or see."""
    if min(size) < SMALLEST or max(size) > LARGEST:
        sides = " x ".join(f"{side:.4g}" for side in size)
        raise Rejected(OUT_OF_RANGE, f"the body is {sides} mm; each side must be from {SMALLEST:g} to {LARGEST:g} mm")


def _primitive(part: Primitive) -> Manifold:
    from manifold3d import Manifold

    match part.shape:
        case "box":
            unit = Manifold.cube((1, 1, 1), True)
        case "sphere":
            unit = Manifold.sphere(0.5, SEGMENTS)
        case "cylinder":
            unit = Manifold.cylinder(1, 0.5, 0.5, SEGMENTS, True)
        case _:
            unit = Manifold.cylinder(1, 0.5, 0, SEGMENTS, True)
    return unit.scale(part.size).rotate(part.turn).translate(part.at)


def _joined(join: str, operands: list[Manifold]) -> Manifold:
    from manifold3d import Manifold, OpType

    how = {"union": OpType.Add, "difference": OpType.Subtract, "intersection": OpType.Intersect}[join]
    return Manifold.batch_boolean(operands, how)
