"""The benchmark of doubt: what it says of coverage beside what chance would do, and how it examines in all templates."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.uncertainty import Figures, Place, missed
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
