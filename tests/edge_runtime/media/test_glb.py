"""Bodies as GLB files: valid by the specification, and closed for another reader."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest

pytest.importorskip("manifold3d")
trimesh = pytest.importorskip("trimesh")

from edge_runtime.media import Rejected  # noqa: E402  (after the packages that may be missing)
from edge_runtime.media.body import build, surface  # noqa: E402
from edge_runtime.media.glb import write_glb  # noqa: E402
from edge_runtime.media.solid_notation import read  # noqa: E402

CUP = "cylinder 40 30\ncylinder 34 30 on 3\ndifference"


def glb(text: str) -> bytes:
    return write_glb(*surface(build(read(text, ()))))


def chunks(content: bytes) -> tuple[dict[str, list[dict[str, object]]], bytes]:
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", content)
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    binary_size, binary_kind = struct.unpack_from("<I4s", content, 20 + size)
    assert binary_kind == b"BIN\0" and size % 4 == binary_size % 4 == 0 and 28 + size + binary_size == length
    return json.loads(content[20 : 20 + size]), content[28 + size :]


@pytest.mark.parametrize("text", [CUP, "sphere 25", "box 1.5 2.25 700", "sphere 9\nbox 5 at 20 0\nunion"])
def test_what_the_file_says_of_its_contents_is_so(text: str) -> None:
    """Sections 3.6.1 and 3.6.2 of the specification: alignment, targets, bounds, counts, indices in range."""
    head, binary = chunks(glb(text))
    assert head["buffers"] == [{"byteLength": len(binary)}]
    views, (places, corners) = head["bufferViews"], head["accessors"]
    assert all(int(str(view["byteOffset"])) % 4 == 0 for view in views)
    assert sum(int(str(view["byteLength"])) for view in views) == len(binary)
    points = np.frombuffer(binary, "<f4", int(str(places["count"])) * 3).reshape(-1, 3)
    assert places["min"] == points.min(axis=0).tolist() and places["max"] == points.max(axis=0).tolist()
    indices = np.frombuffer(binary, "<u4", int(str(corners["count"])), int(str(views[1]["byteOffset"])))
    assert len(indices) % 3 == 0 and set(indices.tolist()) == set(range(len(points)))
    assert np.isfinite(points).all() and len(np.unique(points, axis=0)) == len(points)


def test_another_reader_finds_a_closed_body_in_metres_that_stands_upright() -> None:
    made = trimesh.load(io.BytesIO(glb(CUP)), file_type="glb", force="mesh")
    assert made.is_watertight and made.is_winding_consistent
    low, high = made.bounds.tolist()
    assert low == pytest.approx([-0.02, 0, -0.02], abs=1e-6) and high == pytest.approx([0.02, 0.03, 0.02], abs=1e-6)
    assert made.volume * 1e9 == pytest.approx(np.pi * (20**2 * 30 - 17**2 * 27), rel=0.01)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("box 9\nbox 9 at 9 9\nunion", "not watertight"),  # they touch in an edge
        ("box 0.2", "out of range"),
        ("box 900\nbox 900 at 200 0\nunion", "out of range"),
        ("box 9\nbox 12 mid 4\ndifference", "empty body"),
        ("box 9\nbox 2 at 40 0\ndifference", "cut without effect"),
    ],
)
def test_what_no_reader_would_take_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        glb(text)
    assert refused.value.reason == reason
