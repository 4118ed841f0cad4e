"""What a device tells of itself: its status, its specialists, its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime import __version__, local_only
from edge_runtime.engines import available_runtimes
from edge_runtime.serving import memory
from edge_runtime.update import disk
from edge_runtime.update.adapters import wanted_by

if TYPE_CHECKING:
    from edge_runtime.device import Device

Json = dict[str, object]


def status(device: Device) -> Json:
    """All that a person wants to know about the device."""
    return {
        "device": device.about,
        "version": __version__,
        "ready": device.ready,
        "local_only": local_only.is_on(),
        "started": round(device.started, 3),
        "uptime_seconds": round(device.up_seconds, 1),
        "rss_bytes": memory.rss_bytes(),
        "models_bytes": sum(device.serving.held.values()),
        "models_budget_bytes": device.config.models.memory_mb * 2**20 or None,
        "free_bytes": disk.free_bytes(device.state),
        "runtimes": available_runtimes(),
        "specialists": device.models(),
        "failed": device.failed,
        "governor": {
            "state": device.governor.state.name.lower(),
            "reasons": device.governor.reasons,
            "celsius": device.governor.reading.celsius,
            "battery_percent": device.governor.reading.battery,
        },
        "pipelines": device.pipelines.all(),
        "plan": {"groups": sorted(device.plan.groups), "missing": device.missing, "compared": device.shadows.compared},
        "paired": [paired.plain() for paired in device.tokens.paired()],
        "signers": [{"key": s.key.hex(), "name": s.name, "added": s.added} for s in device.trust.signers()],
    }


def model(device: Device, name: str) -> Json:
    """One specialist that serves."""
    generation = device.serving.current(name)
    loaded, manifest = generation.loaded, generation.loaded.manifest
    return {
        "name": name,
        "task": manifest.task,
        "version": manifest.version,
        "bundle": f"sha256:{loaded.digest}",
        "runtime": loaded.engine.runtime,
        "runtime_version": loaded.engine.version,
        "precision": loaded.model.precision,
        "bytes": loaded.bytes,
        "labels": list(manifest.labels),
        "thresholds": dict(manifest.thresholds),
        "metrics": manifest.metrics,
        "licence": manifest.licence,
        "base": wanted.base if (wanted := wanted_by(manifest)) is not None else None,
        "since": round(generation.since, 3),
        "load_seconds": round(loaded.seconds, 3),
        "rows_together": loaded.rows,
        "memory_bytes": loaded.memory,
        "cache": loaded.cache if generation.writes else None,
        "asleep": generation.asleep,
    }


def metrics_text(device: Device) -> str:
    """The metrics in Prometheus' text format."""
    names = device.serving.names()
    held = device.serving.held
    device.pipelines.count()
    size = [({"specialist": n}, float(device.serving.current(n).loaded.bytes)) for n in names]
    return device.metrics.render(
        {
            "enigma_up_seconds": [({}, device.up_seconds)],
            "enigma_governor_state": [({}, float(device.governor.state))],
            "enigma_pipeline_age_seconds": device.pipelines.ages(),
            "enigma_ready": [({}, float(device.ready))],
            "enigma_resident_bytes": [({}, float(memory.rss_bytes()))],
            "enigma_specialist_bytes": size,
            "enigma_model_memory_bytes": [({"specialist": n}, float(held.get(n, 0))) for n in names],
            "enigma_model_loads": [({"specialist": n}, float(device.serving.current(n).loads)) for n in names],
            "enigma_waiting_requests": [({"specialist": n}, float(device.serving.waiting(n))) for n in names],
            "enigma_draining_generations": [({}, float(device.serving.draining))],
        }
    )
