"""`enigma-edge bench`: figures of what is installed, kept, and held against a later run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_runtime.bench import quietest, regressions
from edge_runtime.errors import EdgeError

from .api import chatty
from .conftest import edge


@pytest.mark.parametrize("kind", ["tiny", "chatty"])
def test_an_installed_specialist_is_measured_and_its_figures_are_kept(
    state: Path, bundles: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    if kind == "chatty":
        pytest.importorskip("torch", reason="its model is made by the trainer")
    bundle = bundles["v1"] if kind == "tiny" else chatty.make_bundle(tmp_path)
    assert edge("install", bundle, "--state", state).returncode == 0
    kept = tmp_path / "figures.json"
    done = edge("bench", kind, "--state", state, "--seconds", "0.2", "--json", kept)
    assert done.returncode == 0, done.stderr
    figures = json.loads(kept.read_text())
    assert figures["specialist"] == kind and figures["min_ms"] <= figures["median_ms"] <= figures["p99_ms"], figures
    assert figures["answers"] > 0 and figures["model_bytes"] > 0 and figures["peak_mb"] > 0 and figures["processor"]
    assert figures["noise"] > 0
    assert figures["threads"] == 1  # of a model, as config.toml says by default
    assert ("decode_tokens_per_second" in figures) == (kind == "chatty")
    assert "median ms" in done.stdout
    kept.write_text(json.dumps({**figures, "median_ms": figures["median_ms"] / 1000}))
    worse = edge("bench", kind, "--state", state, "--seconds", "0.2", "--against", kept)
    assert worse.returncode == 1 and "median_ms was" in worse.stderr
    absent = edge("bench", "other", "--state", state)
    assert absent.returncode == 1 and f"it has {kind}" in absent.stderr and "Traceback" not in absent.stderr


def test_a_neighbour_at_work_for_most_of_the_time_changes_no_figure() -> None:
    alone, beside = [0.1, 0.1, 0.11, 0.12], [0.16, 0.15, 0.4, 0.17]
    assert quietest([beside, beside, alone, beside]) == quietest([alone] * 4) == pytest.approx(0.105)


def test_only_what_is_worse_by_more_than_noise_is_named() -> None:
    before = {"specialist": "a", "median_ms": 1.0, "first_token_ms": None, "decode_tokens_per_second": 100.0}
    assert regressions({**before, "median_ms": 1.14, "decode_tokens_per_second": 90.0}, before) == []
    assert len(regressions({**before, "median_ms": 1.2, "decode_tokens_per_second": 80.0}, before)) == 2
    assert regressions({**before, "median_ms": 0.1, "decode_tokens_per_second": 900.0}, before) == []
    with pytest.raises(EdgeError, match="are of 'b'"):
        regressions(before, {"specialist": "b"})
