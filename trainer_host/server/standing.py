"""How a lesson stands: its state and figures, as clients get them and as they are kept over a restart."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, cast, get_args

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.errors import TrainerError
from trainer_host.server import fields
from trainer_host.server.fields import Json
from trainer_host.teacher.generate import Tally
from trainer_host.teacher.lesson import Lesson, checked_lesson
from trainer_host.workspace import storage_errors, write_atomic

# open: begun and not ended, and nobody works on it: it waits for its turn, or was cut short by the server's end.
State = Literal["running", "done", "stopped", "failed", "cancelled", "open"]

FORMAT = 1
# Progress below 1 until all datasets are written: that comes after the last example.
ALMOST = 0.99
TELL_SECONDS = 0.1  # between two looks at the figures; replies from the cache come by the thousand
PACE_SECONDS = 60.0  # the rate is that of the last minute
PACE_EVERY = 1.0
PACE_FROM = 2.0  # seconds before a rate says anything


@dataclass(frozen=True)
class Standing:
    """One lesson. progress: 0 to 1, never falls. errors: requests that failed for good.

    cost: US dollars that it has cost in all its runs, None where the price isn't known. datasets: by task, those that
    are written. made: the accepted examples, and those that only wait for the ones before them. window: when the last
    minute began (seconds of `time.monotonic`), and `made` then.
    """

    lesson: Lesson
    state: State = "open"
    message: str | None = None
    progress: float = 0.0
    accepted: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    errors: int = 0
    cost: Decimal | None = Decimal(0)
    datasets: Mapping[str, str] = field(default_factory=dict)
    made: int = 0
    window: tuple[float, int] | None = None

    def rate(self, now: float) -> float:
        """Examples per minute, 0 where nothing is being made."""
        if self.state != "running" or self.window is None or now - self.window[0] < PACE_FROM:
            return 0.0
        return (self.made - self.window[1]) / (now - self.window[0]) * 60

    def plain(self, now: float | None = None) -> Json:
        """As the API shows it."""
        rate = self.rate(time.monotonic() if now is None else now)
        left = max(0, self.lesson.examples * len(self.lesson.tasks) - self.made)
        return {
            "id": self.lesson.name,
            "name": self.lesson.name,
            "tasks": list(self.lesson.tasks),
            "examples_per_task": self.lesson.examples,
            "provider": self.lesson.provider,
            "state": self.state,
            "progress": round(self.progress, 4),
            "accepted": self.accepted,
            "rejected": dict(self.rejected),
            "errors": self.errors,
            "cost_usd": None if self.cost is None else dollars(self.cost),
            "rate_per_min": round(rate, 1),
            "eta_s": round(left / rate * 60) if rate > 0 else None,
            "message": self.message,
            "datasets": dict(self.datasets),
        }


class Meter:
    """Makes standings from what `give` tells about its tasks; lives in the lesson's thread."""

    def __init__(self, before: Standing, spent: Callable[[], Decimal | None]) -> None:
        """before: how the lesson stood; what it had is found again in the cache. spent: by this run, None where the
        price isn't known."""
        self._before = before
        self._spent = spent
        self._tallies: dict[str, Tally] = {}
        self._told = 0.0
        self._paces: deque[tuple[float, int]] = deque(maxlen=int(PACE_SECONDS / PACE_EVERY))

    def heard(self, task: str, tally: Tally) -> Standing | None:
        """Take the figures of a task; None where others were told just now."""
        self._tallies[task] = tally
        now = time.monotonic()
        self._note_pace(now)
        if now - self._told < TELL_SECONDS:
            return None
        self._told = now
        return self.standing()

    def standing(self) -> Standing:
        """All figures up to now."""
        lesson, before = self._before.lesson, self._before
        reached = max((lesson.tasks.index(task) for task in self._tallies), default=0)
        shares = [
            1.0 if number < reached else min(1.0, (tally.accepted + tally.ahead) / lesson.examples)
            for number, task in enumerate(lesson.tasks)
            if (tally := self._tallies.get(task)) is not None
        ]
        rejected: Counter[str] = Counter()
        for tally in self._tallies.values():
            rejected.update(tally.rejected)
        return replace(
            before,
            progress=max(before.progress, min(ALMOST, sum(shares) / len(lesson.tasks))),
            accepted=max(before.accepted, sum(tally.accepted for tally in self._tallies.values())),
            rejected=dict(rejected.most_common()),
            errors=sum(tally.failed for tally in self._tallies.values()),
            cost=self._cost(),
            datasets={**before.datasets, **{task: lesson.dataset(task) for task in lesson.tasks[:reached]}},
            made=self._made(),
            window=self._paces[0] if self._paces else None,
        )

    def _cost(self) -> Decimal | None:
        spent, before = self._spent(), self._before.cost
        if spent is None or before is None:
            return None
        # A run that was killed may have paid more than was kept of it: what its replies cost is in the cache.
        return max(before + spent, sum((tally.cost for tally in self._tallies.values()), Decimal(0)))

    def _made(self) -> int:
        return sum(tally.accepted + tally.ahead for tally in self._tallies.values())

    def _note_pace(self, now: float) -> None:
        # What comes from the cache comes at once, and says nothing about how long the rest will take.
        if all(tally.requests == tally.from_cache for tally in self._tallies.values()) and self._asks:
            return
        if not self._paces or now - self._paces[-1][0] >= PACE_EVERY:
            self._paces.append((now, self._made()))

    @property
    def _asks(self) -> bool:
        return any(tally.requests for tally in self._tallies.values())


def dollars(amount: Decimal) -> str:
    """US dollars with six digits after the point."""
    return f"{amount:.6f}"


def write_standing(path: Path, standing: Standing) -> None:
    """Keep how a lesson stands; the lesson itself is in its own file."""
    lesson = standing.lesson
    kept: Json = {
        "format": FORMAT,
        "name": lesson.name,
        "tasks": list(lesson.tasks),
        "examples": lesson.examples,
        "provider": lesson.provider,
        "begun": lesson.begun,
        "state": standing.state,
        "message": standing.message,
        "progress": standing.progress,
        "accepted": standing.accepted,
        "rejected": dict(standing.rejected),
        "errors": standing.errors,
        "cost": None if standing.cost is None else str(standing.cost),
        "datasets": dict(standing.datasets),
    }
    with storage_errors(path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, json.dumps(kept, indent=1, ensure_ascii=False).encode("utf-8") + b"\n", 0o600)


def read_standing(path: Path) -> Standing | None:
    """What `write_standing` kept; None for a file that isn't one. A lesson that ran when the server ended is open."""
    try:
        raw = strict_json.loads_object(path.read_bytes(), str(path))
        state, tasks, cost = raw.get("state"), raw.get("tasks"), raw.get("cost")
        if raw.get("format") != FORMAT or state not in get_args(State) or not isinstance(tasks, list):
            return None
        lesson = Lesson(
            fields.text(raw, "name", 64),
            tuple(map(str, tasks)),
            fields.whole(raw, "examples", 1, 1_000_000),
            fields.text(raw, "provider", 64),
            begun=fields.text(raw, "begun", 40),
        )
        is_open = state in ("running", "open")
        progress = raw.get("progress")
        return Standing(
            checked_lesson(lesson),
            "open" if is_open else cast(State, state),
            None if is_open else fields.text(raw, "message", 10_000, None),
            min(1.0, max(0.0, float(progress))) if isinstance(progress, int | float) else 0.0,
            fields.whole(raw, "accepted", 0, 10**9),
            {str(name): fields.whole(_object(raw, "rejected"), name, 0, 10**9) for name in _object(raw, "rejected")},
            fields.whole(raw, "errors", 0, 10**9),
            None if cost is None else Decimal(str(cost)),
            {task: fields.text(_object(raw, "datasets"), task, 64) for task in _object(raw, "datasets")},
        )
    except (OSError, BadRequest, TrainerError, InvalidOperation):
        return None


def _object(raw: Json, name: str) -> Json:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}
