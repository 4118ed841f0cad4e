from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("manifold3d")
pytest.importorskip("trimesh")

from edge_runtime.media.body import build
from edge_runtime.media.solid import read_program
from tests.trainer_host.media.test_solid import ZERO, join, part
from trainer_host.media.body import measure
from trainer_host.media.shade import SIDE, picture
from trainer_host.tasks import Json


def pixels(*parts: Json) -> np.ndarray:
    made = picture(measure(build(read_program({"parts": list(parts)}))).triangles)
    assert made.size == (SIDE, SIDE)
    return np.asarray(made).astype(int)


def test_three_faces_of_a_box_are_told_apart_and_fill_the_picture() -> None:
    seen = pixels(part("box", "box", 30, 30, 30))
    colours, counts = np.unique(seen.reshape(-1, 3), axis=0, return_counts=True)
    assert (counts > 0.05 * SIDE**2).sum() == 4  # the ground, the top, the front and the side
    assert (seen[0] == seen[0, 0]).all()
    top, bottom = seen[: SIDE // 2].sum(axis=2), seen[SIDE // 2 :].sum(axis=2)
    assert top[top < 700].mean() > bottom[bottom < 700].mean()  # light comes from above
    assert len(colours) > 4


def test_a_body_has_its_colour_and_a_black_one_still_has_sides() -> None:
    box = measure(build(read_program({"parts": [part("box", "box", 30, 30, 30)]}))).triangles
    green, black = (np.asarray(picture(box, paint)).reshape(-1, 3).astype(int) for paint in ((34, 160, 55), (0, 0, 0)))
    painted = green[green.sum(1) < 700]
    assert (painted[:, 1] > painted[:, 0]).all() and (painted[:, 1] > painted[:, 2]).all()
    assert (np.unique(black, axis=0, return_counts=True)[1] > 0.05 * SIDE**2).sum() == 4


def test_a_hole_is_seen_through_and_what_is_behind_is_hidden() -> None:
    plate = part("plate", "box", 40, 40, 4)
    drilled = pixels(plate, part("drill", "box", 20, 20, 9), join("body", "difference", "plate", "drill"))
    whole = pixels(plate)
    middle = (SIDE // 2, SIDE // 2)
    assert drilled[middle].sum() > 700 > whole[middle].sum()
    behind = part("behind", "sphere", 3, 3, 3, {"x": 0, "y": 0, "z": -20}, ZERO)
    covered = pixels(plate, behind, join("body", "union", "plate", "behind"))
    assert len(np.unique(covered.reshape(-1, 3), axis=0)) < 300
