"""What the device does right now: rates and times between two looks, and the latest requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_runtime.serving.metrics import Metrics
from edge_runtime.serving.recent import Recent
from edge_runtime.top import Counts, between, read_counts

from .conftest import StartDevice, edge


def counts(seconds: list[float], at: float) -> Counts:
    metrics = Metrics()
    for each in seconds:
        metrics.observe("enigma_run_seconds", each, specialist='a "quoted" name')
    return read_counts(metrics.render({"enigma_waiting_requests": [({"specialist": "b"}, 3.0)]}), at)


def test_what_happened_between_two_looks_is_told_and_nothing_before() -> None:
    name = r"a \"quoted\" name"
    first, later = counts([5.0] * 9, 10.0), counts([5.0] * 9 + [0.002] * 98 + [0.2] * 2, 12.0)
    assert between(first, later, name) == (50.0, "<2.5 ms", "<250 ms")
    assert between(later, later, name) == (0.0, "", "") == between(first, later, "another")
    assert between(first, counts([5.0] * 9 + [9.0], 12.0), name)[1:] == (">5000 ms", ">5000 ms")
    assert later.waiting == {"b": 3.0}
    assert read_counts("nonsense\n# TYPE x counter\n{} 1", 0.0).buckets == {}


def test_a_look_at_a_device_that_answers(start_device: StartDevice, bundles: dict[str, Path], state: Path) -> None:
    assert edge("install", bundles["v1"], "--state", state).returncode == 0
    assert "No daemon runs" in edge("top", "--state", state).stderr
    start_device().run("hi")
    shown = edge("top", "--state", state, "--seconds", "0.2").stdout.splitlines()
    assert "ready" in shown[0] and "MB of memory" in shown[0]
    assert shown[2].split()[:3] == ["specialist", "task", "version"] and shown[3].split()[:3] == [
        "tiny",
        "router",
        "1.0.0",
    ]


@pytest.mark.parametrize("inputs", [False, True])
def test_the_latest_requests_are_told_to_owners_and_what_was_asked_only_where_it_is_kept(
    start_device: StartDevice, bundles: dict[str, Path], state: Path, inputs: bool
) -> None:
    (state / "config.toml").write_text(f"[log]\nrequests = 3\ninputs = {str(inputs).lower()}\n")
    assert edge("install", bundles["v1"], "--state", state).returncode == 0
    device = start_device()
    for _ in range(4):
        device.run("a secret wish")
    assert device.get("/v1/requests").status == 401
    told = device.get("/v1/requests", Authorization=f"Bearer {device.token}").json["requests"]
    assert [(one["path"], one["status"]) for one in told] == [("/v1/requests", 401), *[("/v1/run/tiny", 200)] * 2]
    assert ("a secret wish" in json.dumps(told)) == inputs
    assert 0 < told[1]["ms"] < 60_000


def test_a_ring_without_room_keeps_nothing_and_long_texts_are_cut() -> None:
    none, one = Recent(0), Recent(1)
    none.add("GET", "/", "", 200, 0.1)
    one.add("GET" * 100, "/" + "x" * 9000, "", 200, 0.1, "y" * 9000)
    assert none.newest_first() == []
    assert len(json.dumps(one.newest_first())) < 2500
