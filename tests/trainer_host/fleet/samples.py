"""A repository with published versions, and devices that do what they read, and tell of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.update.conditions import Readings, unmet
from edge_runtime.update.desired import chosen
from edge_runtime.update.machine import State
from edge_runtime.update.report import Report, Told
from tests.trainer_host.release.updates import Clock, made
from trainer_host.fleet.store import Store
from trainer_host.release.repository import Repository


def bundle_hash(version: str) -> str:
    return hashlib.sha256(version.encode()).hexdigest()


def published(folder: Path, *versions: str) -> Repository:
    """A new repository in a home folder that holds versions of the specialist `easy`."""
    repository = made(folder, Clock())
    files: dict[str, tuple[Path, dict[str, object]]] = {}
    for version in versions:
        path = folder / f"easy-{version}.enigma"
        path.write_bytes(f"bundle {version}".encode())
        custom: dict[str, object] = {
            "kind": "bundle",
            "specialist": "easy",
            "task": "router",
            "version": version,
            "bundle": bundle_hash(version),
        }
        files[f"models/router/easy-{version}.enigma"] = (path, custom)
    repository.publish(files)
    return repository


@dataclass
class Devices:
    """Devices by id, with their tags; `bad` says whether one goes back from a version."""

    tags: dict[str, tuple[str, ...]]
    bad: Callable[[str, str], bool] = lambda device, version: False
    runs: dict[str, Told] = field(default_factory=dict)

    def look(self, repository: Repository) -> None:
        """Each reads what the repository says, and does it."""
        read = repository.desired()
        for device, tags in self.tags.items():
            have = self.runs.get(device, Told())
            wish = chosen(read, device, tags).get("easy")
            if wish is None or (wish.id, State.ROLLED_BACK.value) == (have.rollout, have.state):
                continue
            same = have.version == wish.version
            if not same and unmet(wish.when, Readings(0, 99.0, 0, True, True)):
                continue
            if not same and self.bad(device, wish.version):
                state, cause, version = State.ROLLED_BACK, "2 of 4 golden vectors differ.", have.version
            else:
                state, cause, version = State.COMMITTED, "", wish.version
            bundle = bundle_hash(version) if version else ""
            self.runs[device] = Told(version, bundle, state.value, cause, wish.id, 1.0, 12.5, 40.25, 7.0)

    def tell(self, store: Store, now: float) -> None:
        """Each tells the host how it is."""
        reports = [
            Report(
                device,
                f"name-{device}",
                tags,
                now,
                "idle",
                {"easy": self.runs[device]} if device in self.runs else {},
            )
            for device, tags in self.tags.items()
        ]
        with store.changing() as session:
            session.take_all(reports, now)

    def versions(self) -> set[str]:
        return {told.version for told in self.runs.values()}
