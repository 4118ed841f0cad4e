"""The history of trainings in one SQLite file: what each was made of, its figures by step, how it ended.

The file survives the end of any process that writes it; a training whose process is gone counts as interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.database import transaction, write_ahead
from trainer_host.errors import NotThere, TrainerError

FILE = "runs.sqlite"
FORMAT = 1
RUNNING, DONE, FAILED, INTERRUPTED = "running", "done", "failed", "interrupted"
_WAIT_SECONDS = 30.0  # for another training that writes its figures at this moment
_GIT_SECONDS = 5.0
_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, task TEXT NOT NULL, config TEXT NOT NULL, data TEXT NOT NULL,
    command TEXT NOT NULL, revision TEXT, begun REAL NOT NULL, ended REAL, status TEXT NOT NULL, error TEXT,
    figures TEXT NOT NULL, folder TEXT NOT NULL, pid INTEGER NOT NULL, alive TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS points (
    run INTEGER NOT NULL REFERENCES runs(id), step INTEGER NOT NULL, name TEXT NOT NULL, value REAL,
    PRIMARY KEY (run, step, name)
) WITHOUT ROWID;
"""

Json = dict[str, object]


@dataclass(frozen=True)
class Entry:
    """A training. data: hash of its rows; command: what makes it again; begun and ended: seconds since 1970."""

    id: int
    name: str
    task: str
    config: Json
    data: str
    command: str
    revision: str | None
    begun: float
    ended: float | None
    status: str
    error: str | None
    figures: dict[str, float]
    folder: Path

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.ended is None else self.ended - self.begun


class History:
    """The file; open it in each process that reads or writes. Close it, or use it as a context."""

    def __init__(self, path: Path) -> None:
        """Raises `TrainerError` where the file can't be used."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
            # Written ahead: a reader never waits for a training, and a kill loses at most the last points.
            write_ahead(self._base)
            self._base.execute("PRAGMA synchronous=NORMAL")
            version = int(self._base.execute("PRAGMA user_version").fetchone()[0])
            if version not in (0, FORMAT):
                raise TrainerError(f"{path} was written by another version of Enigma; move it away to begin a new one.")
            self._base.executescript(_TABLES)
            self._base.execute(f"PRAGMA user_version={FORMAT}")
        except (sqlite3.Error, OSError) as cause:
            raise TrainerError(f"{path} can't be used as the history of trainings: {cause}.") from None

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    @contextlib.contextmanager
    def training(
        self, name: str, task: str, *, config: Mapping[str, object], data: str, command: str, folder: Path
    ) -> Iterator[Recording]:
        """A training that runs while the block does; how the block ends is how the training ended.

        Raises `TrainerError` where another one of that name runs: both would keep their steps in the same folder.
        """
        rev, own = revision(Path.cwd()), os.getpid()
        with transaction(self._base):
            query = f"SELECT {_COLUMNS} FROM runs WHERE name = ? AND status = ?"
            if any(self._entry(row).status == RUNNING for row in self._base.execute(query, (name, RUNNING))):
                raise TrainerError(
                    f"'{name}' is being trained already; wait for that, or give this one another --name."
                )
            row = self._base.execute(
                "INSERT INTO runs (name, task, config, data, command, revision, begun, status, figures, folder, pid, alive)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?, ?)",
                (
                    name,
                    task,
                    json.dumps(dict(config), sort_keys=True, default=str),
                    data,
                    command,
                    rev,
                    time.time(),
                    RUNNING,
                    str(folder),
                    own,
                    sign_of_life(own),
                ),
            )
        number = int(row.lastrowid or 0)
        recording = Recording(self._base, number)
        try:
            yield recording
        except BaseException as cause:
            stopped = isinstance(cause, KeyboardInterrupt | SystemExit | GeneratorExit)
            self._end(number, INTERRUPTED if stopped else FAILED, str(cause) or type(cause).__name__)
            raise
        self._end(number, DONE, None)

    def _end(self, number: int, status: str, error: str | None) -> None:
        self._base.execute(
            "UPDATE runs SET status = ?, error = ?, ended = ? WHERE id = ?", (status, error, time.time(), number)
        )

    def entries(self) -> list[Entry]:
        """All trainings, the oldest first."""
        return [self._entry(row) for row in self._base.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY id")]

    def find(self, which: str) -> Entry:
        """By number, or the last one of a name; raises `NotThere`."""
        query = f"SELECT {_COLUMNS} FROM runs WHERE name = ? OR id = ? ORDER BY id DESC LIMIT 1"
        row = self._base.execute(query, (which, int(which) if which.isascii() and which.isdigit() else -1)).fetchone()
        if row is None:
            raise NotThere(f"The history has no training '{which[:80]}'; see 'enigma runs list'.")
        return self._entry(row)

    def attempts(self, name: str, since: float) -> list[Entry]:
        """The trainings of a name that began at `since` (seconds since 1970) or later, the oldest first."""
        query = f"SELECT {_COLUMNS} FROM runs WHERE name = ? AND begun >= ? ORDER BY id"
        return [self._entry(row) for row in self._base.execute(query, (name, since))]

    def latest(self, number: int) -> tuple[int, dict[str, float]]:
        """The last step that has figures, 0 where none has, and its figures."""
        step = self._base.execute("SELECT MAX(step) FROM points WHERE run = ?", (number,)).fetchone()[0]
        query = "SELECT name, value FROM points WHERE run = ? AND step = ?"
        found = self._base.execute(query, (number, step)) if step is not None else []
        return int(step or 0), {str(name): float(value) for name, value in found if value is not None}

    def points(self, number: int, name: str, after: int = -1) -> list[tuple[int, float]]:
        """A figure by step, of the steps behind `after`."""
        found = self._base.execute(
            "SELECT step, value FROM points WHERE run = ? AND name = ? AND step > ? ORDER BY step",
            (number, name, after),
        )
        return [(int(step), float("nan") if value is None else float(value)) for step, value in found]

    def curves(self, number: int) -> list[str]:
        """The names of the figures that were recorded by step."""
        found = self._base.execute("SELECT DISTINCT name FROM points WHERE run = ? ORDER BY name", (number,))
        return [str(name) for (name,) in found]

    @staticmethod
    def _entry(row: tuple[object, ...]) -> Entry:
        number, name, task, config, data, command, rev, begun, ended, status, error, figures, folder, pid, alive = row
        shown = str(status)
        if shown == RUNNING and sign_of_life(int(str(pid))) != alive:
            shown = INTERRUPTED
        return Entry(
            int(str(number)),
            str(name),
            str(task),
            json.loads(str(config)),
            str(data),
            str(command),
            None if rev is None else str(rev),
            float(str(begun)),
            None if ended is None else float(str(ended)),
            shown,
            None if error is None else str(error),
            json.loads(str(figures)),
            Path(str(folder)),
        )


_COLUMNS = "id, name, task, config, data, command, revision, begun, ended, status, error, figures, folder, pid, alive"


class Recording:
    """A training that is running; see `trainer_host.training.loop.Recorder`."""

    def __init__(self, base: sqlite3.Connection, number: int) -> None:
        self._base, self.number = base, number

    def record(self, step: int, values: dict[str, float]) -> None:
        """Keep figures of a step; of a step that is done again after a resume, the new ones."""
        with transaction(self._base):
            self._base.executemany(
                "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)",
                [(self.number, step, name, value) for name, value in values.items()],
            )

    def figures(self, values: Mapping[str, float]) -> None:
        """What the training came to."""
        self._base.execute("UPDATE runs SET figures = ? WHERE id = ?", (json.dumps(dict(values)), self.number))


def differences(one: Entry, other: Entry) -> list[tuple[str, str, str]]:
    """(what, of one, of the other) for all that isn't the same: settings, data, revision, figures."""
    sides = [_flat(entry) for entry in (one, other)]
    names = sorted({*sides[0], *sides[1]})
    made = [(name, sides[0].get(name, "none"), sides[1].get(name, "none")) for name in names]
    return [row for row in made if row[1] != row[2]]


def revision(folder: Path) -> str | None:
    """The git commit of a folder, with + where files differ from it; None outside a checkout or without git."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def _flat(entry: Entry) -> dict[str, str]:
    made = {"task": entry.task, "data": entry.data, "revision": entry.revision or "none", "status": entry.status}

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{prefix}.{key}", inner)
        else:
            made[prefix] = json.dumps(value)

    walk("config", entry.config)
    for name, value in entry.figures.items():
        made[f"figures.{name}"] = f"{value:g}"
    return made


def sign_of_life(pid: int) -> str:
    """When a process began, so that another one of the same number isn't taken for it; "" where it is gone."""
    with contextlib.suppress(OSError):
        # Fields 3 and 22, counted behind the name, which may hold spaces and brackets (man 5 proc).
        told = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return "" if told[0] in "ZX" else told[19]  # who has ended is told of until its parent has asked
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)  # asks whether it is there; where there is no /proc, as on macOS
    except PermissionError:
        return "running"
    except OSError:
        return ""
    return "running"


def history_of(home: Path) -> History:
    """The history of a home folder."""
    return History(home / FILE)
