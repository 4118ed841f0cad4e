"""`enigma compare` of routers; language models are compared in tests/end_to_end/test_language_pipeline.py."""

from __future__ import annotations

import math

import pytest

from tests.trainer_host.conftest import Trained
from trainer_host.cli import main
from trainer_host.compress.files import exported
from trainer_host.evaluation.compare import Compared, differ, smallest


def test_the_same_router_twice_shows_its_score_with_a_margin_its_size_and_no_difference(
    exported_once: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(exported_once.workspace.home), "compare", "easy", "easy"]) == 0
    said = capsys.readouterr().out
    headers, rows = [], []
    for line in said.splitlines():
        words = line.split()
        if words[:2] == ["run", "file"]:
            headers = words
        elif words[:1] == ["easy"] and words[1].startswith("model."):
            rows.append(words)
    assert headers[2:6] == ["MB", "acc.", "%", "+-"] and [row[0] for row in rows] == ["easy", "easy"]
    _, file, size, accuracy, margin, *_ = rows[0]
    item = smallest(exported(exported_once.run))
    count, share = exported_once.dataset.counts["heldout"], float(accuracy) / 100
    # The interval of 95 % of a share, by the normal distribution; of none or all of the rows, that of half a row.
    wanted = 196 * math.sqrt(max(share * (1 - share), 0.25 / count) / count)
    assert (file, size) == (item.file, f"{item.bytes / 1e6:.2f}")
    assert float(margin) == pytest.approx(wanted, abs=0.02)
    assert rows[1][1:5] == [file, size, accuracy, margin]
    assert f"shows no difference beyond chance from easy ({count} rows, 95 %)" in " ".join(said.split())


@pytest.mark.parametrize(("right", "other", "differs"), [(0.9, 0.8, True), (0.9, 0.86, False), (0.9, 0.9, False)])
def test_a_difference_counts_where_it_is_beyond_both_margins(right: float, other: float, differs: bool) -> None:
    made = [
        Compared("a", "f", "onnxruntime", 1, share, 1.96 * math.sqrt(share * (1 - share) / 400), 400, 1.0, None, {})
        for share in (right, other)
    ]
    assert differ(*made) is differs
