"""Measures bodies in the file that others would read (STL, by trimesh)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.media.body import FINEST, NOT_CLOSED, refuse_size
from edge_runtime.media.solid import Vector
from trainer_host.tasks import Rejected

if TYPE_CHECKING:
    import numpy as np
    from manifold3d import Manifold

SPECK = 1e-4  # of the body's volume: what is left of two surfaces that nearly meet isn't a piece


@dataclass(frozen=True)
class Body:
    """A body as its STL file has it.

    triangles: float64 [n, 3 corners, 3], in millimetres. low, size: of its box. volume: cubic millimetres.
    pieces: bodies that don't touch each other; cavities: closed hollows inside. holes: how many times one can reach
    through it, its genus, from Euler's number of the surface (V - E + F = 2 (surfaces - genus)).
    """

    stl: bytes
    triangles: np.ndarray
    low: Vector
    size: Vector
    volume: float
    pieces: int
    cavities: int
    holes: int


def measure(body: Manifold) -> Body:
    """Write the body as STL, read that back and measure it; raises `Rejected` where it isn't one closed surface."""
    import numpy as np
    import trimesh

    # Joins of faces in one plane leave triangles without area, whose corners a reader of STL would merge wrongly.
    body = body.simplify(FINEST)
    mesh = body.to_mesh()
    written = trimesh.Trimesh(mesh.vert_properties[:, :3], mesh.tri_verts, process=False)
    stl = written.export(file_type="stl")
    assert isinstance(stl, bytes)
    parsed = trimesh.load_mesh(io.BytesIO(stl), file_type="stl")
    if not parsed.is_watertight or not parsed.is_winding_consistent or parsed.volume <= 0:
        raise Rejected("not watertight", NOT_CLOSED)
    (x0, y0, z0), (x1, y1, z1) = parsed.bounds.tolist()
    size = (x1 - x0, y1 - y0, z1 - z0)
    refuse_size(size)
    surfaces = [piece for piece in body.decompose() if abs(piece.volume()) > SPECK * parsed.volume]
    pieces = sum(piece.volume() > 0 for piece in surfaces)
    cavities = len(surfaces) - pieces
    specks = len(body.decompose()) - len(surfaces)
    if specks:
        raise Rejected(
            "specks", f"{specks} tiny crumbs are left beside the body; let parts overlap clearly or not at all"
        )
    holes = len(surfaces) - parsed.euler_number // 2
    triangles = np.asarray(parsed.triangles, dtype=np.float64)
    return Body(stl, triangles, (x0, y0, z0), size, float(parsed.volume), pieces, cavities, holes)


def overlap(one: Manifold, other: Manifold) -> float:
    """Intersection over union of two volumes, after the middles of their boxes are brought together, 0 to 1.

    The measure of Mescheder et al. 2019 (Occupancy Networks, section 4), exact by joins instead of by sampled points.
    """
    moved = other.translate(tuple(a - b for a, b in zip(_middle(one), _middle(other), strict=True)))
    shared = (one ^ moved).volume()
    union = one.volume() + moved.volume() - shared
    return max(0.0, min(1.0, shared / union)) if union > 0 else 0.0


@dataclass(frozen=True)
class Cut:
    """Extent of a level cut along x and y, and where its middle is from the middle of the body's box, millimetres.

    area: of the material, holes left out, in square millimetres.
    """

    x: float
    y: float
    dx: float
    dy: float
    area: float


def section(body: Body, height: float) -> Cut | None:
    """The body's cut at a height, in millimetres, above its lowest point; None where there is nothing."""
    import numpy as np

    level = body.low[2] + height
    above = body.triangles[:, :, 2] > level
    cut = body.triangles[above.any(axis=1) & ~above.all(axis=1)]
    if not len(cut):
        return None
    above = cut[:, :, 2] > level
    # Begin each triangle with the corner that is alone on its side: its two edges are those that are cut.
    alone = np.where(above.sum(axis=1, keepdims=True) == 1, above, ~above).argmax(axis=1)
    rows = np.arange(len(cut))
    tip, one, two = (cut[rows, (alone + step) % 3] for step in range(3))
    ends = [
        tip[:, :2] + ((level - tip[:, 2]) / (other[:, 2] - tip[:, 2]))[:, None] * (other[:, :2] - tip[:, :2])
        for other in (one, two)
    ]
    # Corners go round anticlockwise, seen from outside. So with its tip above, a triangle's cut goes from the first
    # edge to the second with the material to its left; with its tip below, the other way round. Then outlines add
    # to the area, and those of holes take from it.
    start, end = (np.where((tip[:, 2] > level)[:, None], ends[side], ends[1 - side]) for side in (0, 1))
    area = 0.5 * float((start[:, 0] * end[:, 1] - end[:, 0] * start[:, 1]).sum())
    points = np.concatenate([start, end])
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2 - np.array([body.low[0] + body.size[0] / 2, body.low[1] + body.size[1] / 2])
    return Cut(float(high[0] - low[0]), float(high[1] - low[1]), float(middle[0]), float(middle[1]), area)


def _middle(body: Manifold) -> Vector:
    x0, y0, z0, x1, y1, z1 = body.bounding_box()
    return (x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2
