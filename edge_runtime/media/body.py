"""Builds bodies from programs (manifold3d)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_runtime.media import Rejected
from edge_runtime.media.reading import TOO_MUCH
from edge_runtime.media.solid import MAX_TRIANGLES, SEGMENTS, Primitive, Program

if TYPE_CHECKING:
    from manifold3d import Manifold


def build(program: Program) -> Manifold:
    """Join the parts; raises `Rejected` where nothing is left, or a join does nothing."""
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
