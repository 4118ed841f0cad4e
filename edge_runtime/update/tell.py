"""What a device reports of itself, whether it follows a repository of updates or not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge_runtime import __version__
from edge_runtime.serving import memory
from edge_runtime.update.machine import State, Unit
from edge_runtime.update.report import Report, Told

if TYPE_CHECKING:
    from edge_runtime.device import Device


def report_of(device: Device) -> Report:
    """The device as it is now."""
    agent = device.updater
    units = {} if agent is None else dict(agent.units)
    refused = () if agent is None else agent.hindered.keys()  # also what isn't here at all
    told = {name: _told(device, name, units.get(name)) for name in sorted({*device.serving.names(), *units, *refused})}
    return Report(
        device=device.key.id,
        name=device.config.device.label,
        tags=device.config.device.tags,
        at=round(time.time(), 3),
        agent="off" if agent is None or agent.source is None else ("stuck" if agent.cause else "following"),
        specialists=told,
        cause="" if agent is None else agent.cause,
        memory_mb=round(memory.rss_bytes() / 2**20, 1),
        runtime=__version__,
        journal=(0, "") if agent is None or not agent.journal.count else (agent.journal.count, agent.journal.head),
    )


def _told(device: Device, name: str, unit: Unit | None) -> Told:
    serving, agent = device.serving, device.updater
    current = serving.current(name) if serving.has(name) else None
    version = "" if current is None else current.loaded.manifest.version
    bundle = "" if current is None else current.loaded.digest
    hindered = "" if agent is None else agent.hindered.get(name, "")
    if unit is None or agent is None:
        since = 0.0 if current is None else round(current.since, 3)
        return Told(version, bundle, State.IDLE.value, device.failed.get(name, "") or hindered, since=since)
    evidence = unit.evidence
    golden = evidence.get("golden")
    passed, of = (golden.get("passed"), golden.get("of")) if isinstance(golden, dict) else (None, None)
    return Told(
        version=version,
        bundle=bundle,
        state=unit.state.value,
        cause=unit.cause or hindered,
        rollout="" if unit.release is None else unit.release.rollout,
        golden=passed / of if isinstance(passed, int) and isinstance(of, int) and of else None,
        p95_ms=_number(evidence.get("p95_ms")),
        memory_mb=_number(evidence.get("memory_mb")),
        since=agent.journal.since.get(name, 0.0),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
