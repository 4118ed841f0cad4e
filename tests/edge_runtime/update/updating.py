"""A device with version 1 of a model, a repository that wants version 2 of it, and the real client that brings it there."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.cli import main
from edge_runtime.config import Config
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update.install import Installer
from edge_runtime.update.journal import Journal
from edge_runtime.update.machine import Event, What, step
from edge_runtime.update.slots import Slots
from edge_runtime.update.source import follow, updates_folder

from .following import NAME, Site

OLD, NEW = "1.0.0", "2.0.0"


@dataclass(frozen=True)
class Case:
    """base: the device before the update. site: where version 2 is wanted."""

    base: Path
    site: Site
    old: str = OLD
    new: str = NEW

    def update(self, state: Path) -> int:
        """One run of the client on a device that no daemon uses; its exit status."""
        with contextlib.redirect_stdout(sys.stderr):
            return main(["updates", "apply", str(self.site.public), "--state", str(state)])

    def served(self, state: Path) -> str:
        """The version that serves after a start; fails where the model or the journal is torn.

        That is its pointer, its bytes against their hash, and its golden vectors.
        """
        slots = Slots(state)
        pointer = slots.pointers()[NAME]
        assert pointer is not None, "the pointer is damaged"
        slots.check(pointer.active)
        if pointer.previous is not None:
            slots.check(pointer.previous)
        started = Installer(slots, TrustStore(IdentityFolder(state)), Config()).start(NAME, pointer)
        assert started.failure is None, started.failure
        assert started.rolled_back is None, started.rolled_back
        assert started.loaded is not None
        started.loaded.engine.close()
        assert NAME in Journal(updates_folder(state)).units
        assert not (updates_folder(state) / "journal.damaged.jsonl").exists(), "the journal is damaged"
        return started.loaded.manifest.version

    def left_over(self, state: Path) -> list[str]:
        """What the updater should have tidied away."""
        found = [*(state / "incoming").iterdir(), *(updates_folder(state) / "incoming").iterdir()]
        return [str(path.relative_to(state)) for path in [*found, *state.rglob(".*.part")]]


def prepare(folder: Path, trial: bool = False) -> Case:
    """Make the repository and the device in a folder; its models are as small as a real model can be.

    trial: whether they are tried in a process of their own first.
    """
    site, base = Site(folder / "home"), folder / "base"
    base.mkdir()
    (base / "config.toml").write_text(f"[update]\ntrial = {str(trial).lower()}\n")
    case = Case(base, site)
    site.want(site.publish(OLD))
    follow(base, site.root.read_bytes(), [str(site.public)])
    assert case.update(base) == 0
    assert case.served(base) == OLD
    journal = Journal(updates_folder(base))  # it stood its probation, as a daemon that served it would write down
    journal.record("passed", NAME, step(journal.units[NAME], Event(What.PASSED))[0])
    site.want(site.publish(NEW))
    return case
