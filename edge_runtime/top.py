"""`enigma-edge top`: what the device does right now, specialist by specialist, anew every second."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge_runtime.client import DeviceClient

Json = dict[str, object]
_HISTOGRAM = "enigma_run_seconds"
_SERIES = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_HOME = "\x1b[H\x1b[2J"


@dataclass(frozen=True)
class Counts:
    """What was counted until a moment. buckets: by specialist, its answers within each bound in seconds; at: monotonic."""

    at: float
    buckets: Mapping[str, Mapping[float, float]]
    waiting: Mapping[str, float]


def read_counts(text: str, at: float) -> Counts:
    """From Prometheus' text, as a device writes it; lines that it doesn't know are passed over."""
    buckets: dict[str, dict[float, float]] = {}
    waiting: dict[str, float] = {}
    for line in text.splitlines():
        found = _SERIES.fullmatch(line)
        if found is None:
            continue
        labels = dict(_LABEL.findall(found[2] or ""))
        name = labels.get("specialist", "")
        if found[1] == f"{_HISTOGRAM}_bucket":
            buckets.setdefault(name, {})[float(labels["le"])] = float(found[3])
        elif found[1] == "enigma_waiting_requests":
            waiting[name] = float(found[3])
    return Counts(at, buckets, waiting)


def between(before: Counts, now: Counts, name: str) -> tuple[float, str, str]:
    """(answers a second, their median, their 99th percentile) of a specialist, as bounds of a histogram tell them."""
    later, earlier = now.buckets.get(name, {}), before.buckets.get(name, {})
    bounds = sorted(later)
    counts = [later[bound] - earlier.get(bound, 0.0) for bound in bounds]
    total = counts[-1] if counts else 0.0
    rate = total / max(1e-6, now.at - before.at)
    if total <= 0:
        return 0.0, "", ""

    def within(share: float) -> str:
        at = next(number for number, count in enumerate(counts) if count >= share * total)
        bound = bounds[at] if bounds[at] != float("inf") else bounds[at - 1]
        return f"{'>' if bounds[at] == float('inf') else '<'}{bound * 1000:g} ms"

    return rate, within(0.5), within(0.99)


def screen(status: Json, before: Counts, now: Counts, width: int) -> str:
    """The table."""
    device, governor = _object(status.get("device")), _object(status.get("governor"))
    head = f"{device.get('name')} ({device.get('id')})  {'ready' if status.get('ready') else 'NOT ready'}"
    head += f"  {_megabytes(status.get('rss_bytes'))} of memory"
    if governor.get("celsius") is not None:
        head += f"  {governor['celsius']:.0f} °C"
    if governor.get("state") not in (None, "free"):
        head += f"  {governor['state']}"
    rows = [("specialist", "task", "version", "a second", "median", "99 %", "waits", "memory")]
    specialists = status.get("specialists")
    for model in specialists if isinstance(specialists, list) else []:
        name = str(model.get("name"))
        rate, median, most = between(before, now, name)
        memory = "asleep" if model.get("asleep") else _megabytes(model.get("memory_bytes"))
        waits = f"{now.waiting.get(name, 0):g}"
        rows.append(
            (name, str(model.get("task")), str(model.get("version")), f"{rate:.1f}", median, most, waits, memory)
        )
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(line[:width] for line in [head, "", *lines])


async def watch(client: DeviceClient, seconds: float, once: bool, show: Callable[[str], None]) -> Json:
    """Show the table until Ctrl-C, or once. Returns the last status."""
    before = read_counts(await client.metrics(), time.monotonic())
    while True:
        await asyncio.sleep(seconds)
        status = await client.status()
        now = read_counts(await client.metrics(), time.monotonic())
        shown = screen(status, before, now, shutil.get_terminal_size().columns if not once else 1000)
        show(shown if once else f"{_HOME}{shown}\n\nCtrl-C ends.")
        if once:
            return status
        before = now


def on_terminal() -> bool:
    """Whether what is printed is looked at."""
    return sys.stdout.isatty()


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _megabytes(value: object) -> str:
    return f"{value / 2**20:.1f} MB" if isinstance(value, int | float) else ""
