"""The table of the device's figures says honestly what is met, missed and not measured; a soak loses nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from benchmarks.edge import Row, installed, surroundings
from benchmarks.figures import main, of_servers, of_soak, table
from benchmarks.soak import Soak, soak

ROWS = [
    Row("bare onnxruntime call", p50_ms=0.1),
    Row("specialist in process (onnxruntime)", p50_ms=0.3),
    Row("enigma-edge (onnxruntime)", 0.5, 80.0, 0.95, 2.0, 1000, 0.4, 0.1, 400.0),
    Row("enigma-edge, binary tensors (onnxruntime)", p50_ms=0.4, p99_ms=1.0, rps_16=3000),
    Row("bare script (onnxruntime)", 0.4, 79.5, 0.9, 2.0, 800, 0.35, 0.0, 350.0),
    Row("MLServer", 1.2, 150, 2.0, 3.0, 1000),
    Row("LitServe", note="skipped: it isn't installed"),
]


def test_goals_are_held_against_the_rows_of_one_run() -> None:
    found = {each.what: each for each in of_servers(ROWS)}
    assert found["RSS, onnxruntime"].met and found["idle CPU, onnxruntime"].met
    assert found["cold start, onnxruntime"].measured == "0.50 s (0.40 CPU s)"
    json = found["sequential p50 over the call, JSON, onnxruntime"]
    assert (json.met, json.measured) == (False, "0.650 ms")
    assert found["sequential p50 over the call, binary, onnxruntime"].measured == "0.300 ms"
    assert found["RSS over a bare script, onnxruntime"].met
    assert found["RSS over a bare script, onnxruntime"].measured == "0.5 MB"
    assert found["start over a bare script, onnxruntime"].measured == "0.05 CPU s"
    assert found["a request over a bare script, JSON, onnxruntime"].measured == "50 CPU us"
    assert found["a request over a bare script, binary, onnxruntime"].measured == "not measured"
    assert found["16 clients, JSON, onnxruntime, over a bare script"].measured.startswith("1.25 x")
    over = found["16 clients, binary tensors, onnxruntime, over MLServer"]
    assert over.met and over.measured.startswith("3.00 x")
    assert found["16 clients, binary tensors, onnxruntime, over LitServe"].met is None
    assert "isn't installed" in found["16 clients, binary tensors, onnxruntime, over LitServe"].measured
    assert found["RSS, ai-edge-litert"].met is None  # nothing was measured in it
    assert len(table(list(found.values())).splitlines()) == len(found) + 1


def test_one_command_has_the_options_of_all_that_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(
        option in said for option in ("--bundle", "--peer-python", "--soak-requests", "--swaps", "--loop", "--json")
    )


def test_servers_run_compiled_code_as_after_an_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = installed(tmp_path, {sys.executable})
    for source in (code / "edge_runtime" / "daemon.py", code / "peer_load.py"):
        assert Path(importlib.util.cache_from_source(str(source))).is_file()
    assert surroundings(code)["PYTHONPATH"] == str(code)


def test_a_soak_is_met_only_without_loss_and_growth() -> None:
    made = Soak(1_000_000, 300, 0, 600, 500, 80.0, 80.1, 0.1)
    assert of_soak(made).met
    assert of_soak(Soak(20_000, 12, 0, 60, 50, 80.0, 80.3, 14.0)).met is None  # too short to tell of a slope
    assert of_soak(Soak(1_000_000, 300, 1, 600, 500, 80.0, 80.1, 0.1)).met is False
    assert of_soak(Soak(1_000_000, 300, 0, 600, 500, 80.0, 90.0, 10.0)).met is False


def test_a_daemon_loses_no_request_while_its_model_is_swapped() -> None:
    pytest.importorskip("onnx")
    made = soak(200, 2, 2)
    assert (made.requests, made.swaps, made.lost) == (200, 2, 0)
    assert made.first_mb > 20 and made.cpu_seconds > 0
