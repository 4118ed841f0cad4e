"""Counters and histograms in Prometheus' text format, written by hand: the client library costs 14 MB."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds; specialists answer in 0.1 to 10 ms, the rest is for a device in trouble.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Observations in cumulative buckets."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Metrics:
    """What happened since the start. Label values must come from bounded sets, never from clients' text."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, Histogram]] = {}

    def count(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Add to a counter."""
        series = self._counters.setdefault(name, {})
        key = _key(labels)
        series[key] = series.get(key, 0.0) + amount

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Add a duration to a histogram."""
        series = self._histograms.setdefault(name, {})
        key = _key(labels)
        histogram = series.get(key)
        if histogram is None:
            histogram = series[key] = Histogram()
        histogram.observe(seconds)

    def render(self, gauges: Mapping[str, Iterable[tuple[Mapping[str, str], float]]]) -> str:
        """The text, with the given gauges beside what was counted."""
        lines: list[str] = []
        for name, counters in sorted(self._counters.items()):
            lines.append(f"# TYPE {name} counter")
            lines += [f"{name}{_braces(labels)} {value:g}" for labels, value in sorted(counters.items())]
        for name, histograms in sorted(self._histograms.items()):
            lines.append(f"# TYPE {name} histogram")
            for labels, histogram in sorted(histograms.items(), key=lambda item: item[0]):
                lines += _histogram(name, labels, histogram)
        for name, values in sorted(gauges.items()):
            lines.append(f"# TYPE {name} gauge")
            lines += [f"{name}{_braces(tuple(sorted(labels.items())))} {value:.15g}" for labels, value in values]
        return "\n".join(lines) + "\n"


def _key(labels: dict[str, str]) -> Labels:
    return tuple(labels.items()) if len(labels) < 2 else tuple(sorted(labels.items()))


def _histogram(name: str, labels: Labels, histogram: Histogram) -> list[str]:
    lines: list[str] = []
    seen = 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), histogram.counts, strict=True):
        seen += count
        lines.append(f"{name}_bucket{_braces((*labels, ('le', bound)))} {seen}")
    lines.append(f"{name}_sum{_braces(labels)} {histogram.total:.9g}")
    lines.append(f"{name}_count{_braces(labels)} {seen}")
    return lines


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{key}="{_escape(value)}"' for key, value in labels)
    return "{" + inner + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
