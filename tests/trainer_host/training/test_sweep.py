from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.trainer_host.training.here import Here
from tests.trainer_host.training.small_talk import small_talk
from trainer_host.data.dataset import Row, seal, write_rows
from trainer_host.errors import DataError, TrainerError
from trainer_host.training.runs import history_of
from trainer_host.training.sweep import Order, Outcome, combinations, kept_aside, sweep
from trainer_host.workspace import Workspace


def test_a_grid_has_every_combination_in_order_and_draws_are_the_same_for_a_seed() -> None:
    vary = {"rate": [0.1, 0.2], "size": ["nano", "micro", "tiny"]}
    grid = combinations(vary, None, 1)
    assert [tuple(values.values()) for values in grid] == [(r, s) for r in vary["rate"] for s in vary["size"]]
    drawn = combinations(vary, 4, 7)
    assert drawn == combinations(vary, 4, 7) != combinations(vary, 4, 8)
    assert len({tuple(values.values()) for values in drawn}) == 4
    assert combinations(vary, 100, 7) == grid
    with pytest.raises(TrainerError, match="draw some with --trials"):
        combinations({"seed": list(range(40)), "rows": list(range(40))}, None, 1)
    assert len(combinations({"seed": list(range(40)), "rows": list(range(40))}, 5, 1)) == 5


def test_rows_of_one_home_are_kept_aside_together_and_too_few_rows_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "homes"
    folder.mkdir()
    rows = [Row({"text": f"light {n} on", "home": n % 20}, {"calls": []}) for n in range(200)]
    write_rows(folder / "train.jsonl", rows)
    write_rows(folder / "heldout.jsonl", [Row({"text": "held out", "home": 99}, {"calls": []})])
    (folder / "homes.jsonl").write_text('{"id": 0}\n')
    dataset = seal(folder, name="homes", task="robot", teacher="t", seed=1, params={}, figures={})
    kept = kept_aside(dataset, tmp_path / "kept")
    learnt, aside = list(kept.rows("train")), list(kept.rows("heldout"))
    assert len(aside) == 20
    assert not {row.input["home"] for row in learnt} & {row.input["home"] for row in aside}
    assert sorted(row.to_json() for row in [*learnt, *aside]) == sorted(row.to_json() for row in rows)
    assert (kept.folder / "homes.jsonl").read_bytes() == (folder / "homes.jsonl").read_bytes()
    assert kept_aside(dataset, tmp_path / "again").content == kept.content
    write_rows(folder / "train.jsonl", rows[:12])
    few = seal(folder, name="few", task="robot", teacher="t", seed=1, params={}, figures={})
    with pytest.raises(DataError, match="too few training rows"):
        kept_aside(few, tmp_path / "none")


def test_the_better_rate_is_first_with_its_files_and_what_failed_is_kept_with_its_sentence(
    workspace: Workspace, tmp_path: Path
) -> None:
    dataset = small_talk(workspace, tmp_path)
    order = Order(settings={"rows": 4, "context": 32, "epochs": 8}, profiles=(1,))
    vary: list[dict[str, object]] = [{"rate": 1e-6}, {"rate": 5e-3}, {"seconds": 0.1}]
    told: list[tuple[int, Outcome]] = []
    first = Here(lose=(1,))
    ranked = sweep(workspace, dataset, "s", vary, order, first, lambda done, last: told.append((done, last)))
    assert [outcome.number for outcome in ranked] == [2, 1, 3]
    assert [done for done, _ in told] == [1, 2, 3]
    assert ranked[1].error == "the process was lost"
    assert "can't be trained in 0.1 seconds" in str(ranked[2].error)
    assert [profile["precision"] for profile in ranked[0].profiles] == ["fp32", "int8", "int4"]
    for profile in ranked[0].profiles:
        assert profile["threads"] == 1 and cast(float, profile["p50_ms"]) > 0 and cast(int, profile["bytes"]) > 100_000
    with history_of(workspace.home) as history:
        seen = {entry.name: entry for entry in history.entries()}
        assert [seen[f"s-{n}"].status for n in (1, 2, 3)] == ["failed", "done", "failed"]
        losses = [value for _, value in history.points(seen["s-2"].id, "loss")]
        assert losses[-1] < losses[0] / 2
    # What was lost with its process is tried again; what was done, or refused, isn't.
    second = Here()
    again = sweep(workspace, dataset, "s", vary, order, second, lambda done, last: None)
    assert (second.calls, again[0]) == (1, ranked[0])
    assert [outcome.number for outcome in again] == [2, 1, 3]
    assert again[0].perplexity is not None and again[1].perplexity is not None
    assert again[0].perplexity < again[1].perplexity / 5
