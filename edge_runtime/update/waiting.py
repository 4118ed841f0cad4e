"""How long each release is under way: over restarts, by the time that the machine ran, so no clock counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError, StateError
from edge_runtime.update import disk
from edge_runtime.update.disk_threads import on_disk
from edge_runtime.update.machine import Release

FILE_NAME = "waited.json"
DAY = 86400.0
_KEPT = ("of", "whole", "condition")
KEEP_SECONDS = 600.0  # so much of it a power cut may lose; a card isn't written to more often for it


class Overdue(EdgeError):
    """A release waited for its conditions for as long as it may."""

    code = "overdue"


@dataclass
class Wait:
    """Of one release. of: which; whole: seconds since it was wanted; condition: of them those for the device's conditions."""

    of: str
    whole: float = 0.0
    condition: float = 0.0
    _whole_since: float | None = None
    _condition_since: float | None = None

    def goes_on(self) -> None:
        """It is still under way."""
        now = time.monotonic()
        self.whole += 0.0 if self._whole_since is None else now - self._whole_since
        self._whole_since = now

    def waits(self, why: str, days: float) -> None:
        """It waits for the device, for this reason; raises `Overdue` where that is for longer than so many days."""
        now = time.monotonic()
        self.condition += 0.0 if self._condition_since is None else now - self._condition_since
        self._condition_since = now
        if self.condition >= days * DAY:
            raise Overdue(f"It waited for {days:.3g} days, as long as condition_days allows. {why}")

    def waits_for_others(self) -> None:
        """Others have to act before it can go on; that time isn't counted against its conditions."""
        self._condition_since = None

    def paused(self) -> None:
        """Somebody holds it back, and may take a holiday."""
        self._whole_since = self._condition_since = None

    @property
    def seconds(self) -> float:
        """All that was counted."""
        return self.whole + self.condition


class Waits:
    """Those of all specialists of a device. folder: where they are kept."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._found = _read(self._path)
        self._kept = self._counted()

    def of(self, name: str, release: Release) -> Wait:
        """That of a specialist's release; another release begins anew."""
        of = f"{release.rollout} {release.sha256}"
        found = self._found.get(name)
        if found is None or found.of != of:
            found = self._found[name] = Wait(of)
        return found

    def over(self, name: str) -> None:
        """It is under way no more."""
        self._found.pop(name, None)

    async def keep(self, worth: float = KEEP_SECONDS) -> None:
        """Write down what was counted, where it is so many seconds more or less; raises `StorageFull` and `StateError`."""
        counted = self._counted()
        if abs(counted - self._kept) >= worth:
            content = {
                name: {"of": w.of, "whole": w.whole, "condition": w.condition} for name, w in self._found.items()
            }
            with disk.storage_errors(self._path.parent):
                await on_disk(self._path.parent, disk.write_atomic, self._path, strict_json.dumps(content))
            self._kept = counted

    def _counted(self) -> float:
        return sum(wait.seconds for wait in self._found.values())


def _read(path: Path) -> dict[str, Wait]:
    """What an earlier run kept, without what can't be read."""
    try:
        content = strict_json.loads_object(path.read_bytes(), str(path), StateError)
    except (OSError, StateError):
        return {}
    return {name: wait for name, raw in content.items() if (wait := _wait(raw)) is not None}


def _wait(raw: Any) -> Wait | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("of"), str):
        return None
    whole, condition = _seconds(raw.get("whole")), _seconds(raw.get("condition"))
    return None if whole is None or condition is None else Wait(raw["of"], whole, condition)


def _seconds(raw: object) -> float | None:
    return float(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) and raw >= 0 else None
