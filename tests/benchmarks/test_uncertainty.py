"""The benchmark of doubt: what it says of coverage beside what chance would do, and how it examines in all templates."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.strangers import FAMILIES, left_out, parted
from benchmarks.uncertainty import Figures, Place, mean, missed
from trainer_host.media.scatter import KINDS
from trainer_host.students.vision_data import labels_of, seen_rows
from trainer_host.tasks import task_spec


def splits(error: float, covered: np.ndarray) -> list[Figures]:
    """Of routers whose two errors come to `error`."""
    return [
        {"covered": float(one), "covered_error": 0.8 * error, "promised_error": 0.6 * error, "beyond": 0.0}
        for one in covered
    ]


def test_what_chance_alone_puts_outside_is_told_beside_what_is_outside() -> None:
    covered = 0.9 + 0.02 * np.random.default_rng(1).normal(size=1000)
    (said,) = missed(splits(0.02, covered))
    outside = int((np.abs(covered - 0.9) > 0.02).sum())
    assert said.startswith(f"covered is outside in {outside} of 1000 (317.3 by chance alone), 0.020 from 0.9")
    assert abs(outside - 317) < 45 and said.endswith("(0.020 by chance)")


def test_a_mean_that_is_outside_is_no_chance() -> None:
    assert missed(splits(0.01, np.full(4, 0.94)))[0] == "covered is 0.020 outside"
    assert missed(splits(0.01, np.full(4, 0.91))) == []


def test_parts_hold_every_template_out_once_and_never_learn_what_they_hold_out(tmp_path: Path) -> None:
    place, spec = Place(tmp_path, "router", 1, 300, None, parts=3), task_spec("router")
    rows = [place.draw() for _ in range(300)]
    template = {spec.key(row): spec.group(row) for row in rows}
    held: list[str | None] = []
    for dataset in place.in_parts(rows):
        sides = [
            {template[spec.key(row)]: row for row in dataset.rows(side)}  # type: ignore[arg-type]
            for side in ("train", "heldout")
        ]
        assert not sides[0].keys() & sides[1].keys()
        assert sides[0].keys() | sides[1].keys() == set(template.values())
        assert len({row.output["label"] for row in sides[1].values()}) == 12
        held += sides[1]
    assert sorted(map(str, held)) == sorted(map(str, set(template.values())))


def test_as_many_splits_as_pairs_leave_each_family_out_once() -> None:
    assert sorted(kind for family in FAMILIES for kind in family) == sorted(KINDS)
    for first in (1, 4, 7):
        gone = [family for split in range(first, first + 3) for family in left_out(FAMILIES, split)]
        assert sorted(gone) == sorted(FAMILIES)
    assert len({tuple(sorted(left_out(FAMILIES, split))) for split in range(1, 31)}) > 8


def test_a_persons_pictures_but_two_labels_and_each_of_those_are_datasets(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    for label in "abcdef":
        (tmp_path / "mine" / label).mkdir(parents=True)
        for number in range(20):
            pixels = draw.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "mine" / label / f"{number}.png")
    place = Place(tmp_path, "own", 2, 0, None)
    own, never = parted(place.workspace, tmp_path / "mine", tmp_path, place.split)
    told = {label for side in ("train", "heldout") for label in labels_of(seen_rows(own.folder, side))}
    assert len(told) == 4 and sorted([*told, *(label for family, _ in never for label in family)]) == list("abcdef")
    for (label,), requests in never:
        files = {base64.b64encode(file.read_bytes()).decode() for file in (tmp_path / "mine" / label).iterdir()}
        assert {request["image"] for request in requests} == files


def test_a_figure_that_some_splits_lack_is_the_mean_of_the_others() -> None:
    assert mean([{"a": 1.0, "b": 2.0}, {"a": 2.0, "c": 5.0}]) == {"a": 1.5, "b": 2.0, "c": 5.0}
