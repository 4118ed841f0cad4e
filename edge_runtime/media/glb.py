"""Writes closed bodies as binary glTF 2.0 (Khronos; ISO/IEC 12113:2022), which browsers, game engines and printers read."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from edge_runtime.media.colours import rgb

if TYPE_CHECKING:
    import numpy as np

GLB = "model/gltf-binary"
_MAGIC, _VERSION, _JSON, _BIN = b"glTF", 2, b"JSON", b"BIN\0"
_FLOAT, _UNSIGNED_INT = 5126, 5125  # component types
_VERTICES, _INDICES = 34962, 34963  # targets of buffer views
_TRIANGLES = 4
_GREY = (0.75, 0.77, 0.8)  # linear; a matt light grey: without a material, viewers show polished metal
_METRES = 1e-3


def write_glb(vertices: np.ndarray, triangles: np.ndarray, colour: str = "") -> bytes:
    """One mesh as a GLB file, in metres with y up, as glTF has it.

    vertices: float [n, 3], in millimetres with z up. triangles: integers [m, 3], anticlockwise seen from outside.
    colour: a name or #rrggbb, "" for grey. Without normals a viewer shades each triangle flat (section 3.7.2.1), which is right for edges.
    """
    import numpy as np

    x, y, z = np.asarray(vertices, dtype=np.float64).T * _METRES
    places = np.stack([x, z, -y], axis=1).astype("<f4")
    corners = np.asarray(triangles).astype("<u4")
    binary = places.tobytes() + corners.tobytes()  # both have items of four bytes, so each begins where it may
    asset = {
        "asset": {"version": "2.0", "generator": "Enigma"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": _TRIANGLES, "material": 0}]}],
        "materials": [_material(colour)],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": _FLOAT,
                "count": len(places),
                "type": "VEC3",
                "min": [float(low) for low in places.min(axis=0)],
                "max": [float(high) for high in places.max(axis=0)],
            },
            {"bufferView": 1, "componentType": _UNSIGNED_INT, "count": corners.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": places.nbytes, "target": _VERTICES},
            {"buffer": 0, "byteOffset": places.nbytes, "byteLength": corners.nbytes, "target": _INDICES},
        ],
        "buffers": [{"byteLength": len(binary)}],
    }
    text = json.dumps(asset, separators=(",", ":")).encode()
    chunks = _chunk(_JSON, text, b" ") + _chunk(_BIN, binary, b"\0")
    return _MAGIC + struct.pack("<II", _VERSION, 12 + len(chunks)) + chunks


def _material(colour: str) -> dict[str, object]:
    """Matt; glTF's factors are linear (section 3.9.2), so sRGB's curve is undone (IEC 61966-2-1)."""
    levels = [level / 255 for level in rgb(colour)] if colour else []
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels] or _GREY
    factor = [*(round(level, 4) for level in linear), 1]
    return {"pbrMetallicRoughness": {"baseColorFactor": factor, "metallicFactor": 0, "roughnessFactor": 0.7}}


def _chunk(kind: bytes, content: bytes, fill: bytes) -> bytes:
    """A chunk's length counts its padding, and is a multiple of four."""
    content += fill * (-len(content) % 4)
    return struct.pack("<I", len(content)) + kind + content
