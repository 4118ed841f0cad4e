"""A job: `enigma` commands that the host's server begins for a client, as it stands and as it is kept.

It runs in a process of its own and outlives the server. `HOME/server/jobs/ID.json` says what it is; beside it lie what
the process wrote (`ID.log`), how far each command is (`ID.0.progress`) and how it ended (`ID.end`).
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections import deque
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.server.fields import Json
from trainer_host.workspace import storage_errors, write_atomic

# stopped: its process ended without a word, as when the machine was switched off.
State = Literal["waiting", "running", "paused", "done", "failed", "cancelled", "stopped"]
OPEN = ("waiting", "running")
FORMAT = 1
ALMOST = 0.999  # progress below 1 until the process has ended well
PACE_SECONDS = 30.0  # what is left is judged by so much of the past
_ID = re.compile(r"[a-z]{1,16}-[0-9]{1,9}")
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Job:
    """kind: train, release or tune. run: the run that it makes or reads. commands: one after another, the words behind `enigma`.

    created, begun, ended: seconds since 1970; begun: of its first process. asked: what its process was told. pid,
    alive: of the process, see `trainer_host.training.runs.sign_of_life`. progress: 0 to 1. note: what it does now.
    step: of a training, with the figures of that step. rate: steps per second.
    """

    id: str
    kind: str
    run: str
    commands: tuple[tuple[str, ...], ...]
    created: float
    task: str = ""
    data: str = ""
    state: State = "waiting"
    message: str | None = None
    begun: float | None = None
    ended: float | None = None
    asked: Literal["pause", "cancel"] | None = None
    pid: int = 0
    alive: str = ""
    progress: float = 0.0
    note: str = ""
    step: int = 0
    figures: tuple[tuple[str, float], ...] = ()
    rate: float = 0.0
    eta: float | None = None

    @property
    def open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in OPEN

    def plain(self) -> Json:
        """As the API shows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "run": self.run,
            "task": self.task,
            "data": self.data,
            "commands": [shlex.join(("enigma", *words)) for words in self.commands],
            "state": self.state,
            "asked": self.asked,
            "message": self.message,
            "created": round(self.created, 3),
            "begun": self.begun and round(self.begun, 3),
            "ended": self.ended and round(self.ended, 3),
            "progress": round(self.progress, 4),
            "note": self.note,
            "step": self.step,
            "figures": dict(self.figures),
            "steps_per_s": round(self.rate, 2),
            "eta_s": None if self.eta is None else round(self.eta),
        }


class Pace:
    """How quick a job is, over the last half minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, int]] = deque()
        self._moved = False

    def judged(self, job: Job) -> Job:
        """The job with its rate and what is left at it."""
        now = time.monotonic()
        if not self._seen or (job.progress, job.step) != self._seen[-1][1:]:
            if len(self._seen) == 1 and not self._moved:  # until then the process only began
                self._seen.clear()
                self._moved = True
            self._seen.append((now, job.progress, job.step))
        while len(self._seen) > 2 and now - self._seen[0][0] > PACE_SECONDS:
            self._seen.popleft()
        (before, share, step), last = self._seen[0], self._seen[-1]
        seconds = now - before
        if last[0] == before or seconds <= 0:
            return replace(job, rate=0.0, eta=None)
        gained = (job.progress - share) / seconds
        return replace(
            job,
            rate=max(0, job.step - step) / seconds,
            eta=(1 - job.progress) / gained if gained > 0 else None,
        )


def write_job(folder: Path, job: Job) -> None:
    """Keep it; what is known only while it runs isn't kept."""
    kept = {"format": FORMAT, **asdict(job)}
    for name in ("rate", "eta", "note"):
        del kept[name]
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(folder / f"{job.id}.json", json.dumps(kept, indent=1, ensure_ascii=False).encode() + b"\n", 0o600)


def read_jobs(folder: Path) -> list[Job]:
    """All that are kept, the oldest first; a damaged file is none."""
    found = [job for path in folder.glob("*.json") if (job := _read(path)) is not None]
    return sorted(found, key=lambda job: (job.created, job.id))


def progress_of(folder: Path, job: Job) -> tuple[float, str]:
    """How far its process is, 0 to 1 over all commands, and what it does now."""
    for number in reversed(range(len(job.commands))):
        try:
            raw = json.loads((folder / f"{job.id}.{number}.progress").read_bytes())
            share = min(1.0, max(0.0, float(raw["share"])))
            return (number + share) / len(job.commands), f"{raw['what']}: {raw['note']}"[:200]
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return 0.0, ""


def tail(path: Path) -> str:
    """The last lines of a file; empty where there is none."""
    try:
        with path.open("rb") as source:
            source.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return source.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def last_word(path: Path) -> str:
    """What a command said last, which is why it failed where it did."""
    lines = [line.strip() for line in tail(path).splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("enigma: ")]
    return (said[-1].removeprefix("enigma: ") if said else lines[-1] if lines else "")[:500]


def _read(path: Path) -> Job | None:
    try:
        raw = strict_json.loads_object(path.read_bytes(), path.name)
        if raw.pop("format", None) != FORMAT or raw.get("state") not in get_args(State):
            return None
        raw["commands"] = tuple(tuple(map(str, words)) for words in cast(list[list[object]], raw["commands"]))
        raw["figures"] = tuple((str(n), float(v)) for n, v in cast(list[tuple[str, float]], raw["figures"]))
        job = Job(**raw)  # type: ignore[arg-type]
        return job if _ID.fullmatch(job.id) and path.stem == job.id else None
    except (OSError, BadRequest, KeyError, TypeError, ValueError):
        return None
