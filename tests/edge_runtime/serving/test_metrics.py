"""Metrics in Prometheus' text format."""

from __future__ import annotations

from edge_runtime.serving.metrics import Metrics


def test_the_text_format() -> None:
    metrics = Metrics()
    metrics.count("requests_total", status="200")
    metrics.count("requests_total", 2, status="200")
    metrics.observe("seconds", 0.002, name='a"b\\c\nd')
    metrics.observe("seconds", 99.0, name='a"b\\c\nd')
    lines = metrics.render({"up": [({}, 1.0)]}).splitlines()
    assert 'requests_total{status="200"} 3' in lines
    label = 'name="a\\"b\\\\c\\nd"'
    assert f'seconds_bucket{{{label},le="0.001"}} 0' in lines
    assert f'seconds_bucket{{{label},le="0.0025"}} 1' in lines
    assert f'seconds_bucket{{{label},le="5.0"}} 1' in lines
    assert f'seconds_bucket{{{label},le="+Inf"}} 2' in lines
    assert f"seconds_count{{{label}}} 2" in lines
    assert f"seconds_sum{{{label}}} 99.002" in lines
    assert lines[-2:] == ["# TYPE up gauge", "up 1"]
