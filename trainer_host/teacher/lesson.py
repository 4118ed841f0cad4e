"""A lesson: everything that one `enigma teach` was told, kept in a file so that it can be resumed."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.split import check_share
from trainer_host.errors import NotThere, TrainerError
from trainer_host.tasks import TASKS, Json
from trainer_host.teacher.options import check_options
from trainer_host.workspace import Workspace, alone, checked_name, storage_errors, write_atomic

FORMAT = 1
BUILT_IN = "built-in"
LOCAL = "local"
MIN_EXAMPLES, MAX_EXAMPLES = 1, 1_000_000
# How many examples are begun at most for each one that is wanted: a small model's yield is low, and free.
DRAWS = {LOCAL: 25}
DRAWS_OTHERS = 4
MIN_DRAWS = 20


@dataclass(frozen=True)
class Lesson:
    """What is to be taught, by whom, for how much.

    name: what datasets begin with. model: None for the provider's default. budget: US dollars as text, None
    without a limit. logprobs: ask how likely the answers' pieces were, too. options: per task, what its spec takes. begun: ISO 8601, UTC; what is spent since then counts
    against the budget. state: "open" until every dataset is written.
    """

    name: str
    tasks: tuple[str, ...]
    examples: int
    provider: str
    model: str | None = None
    seed: int = 1
    held_out: float = 0.2
    budget: str | None = None
    batch: bool = False
    judge: bool = True
    keep_personal: bool = False
    logprobs: bool = False
    options: dict[str, Json] = field(default_factory=dict)
    begun: str = field(default_factory=lambda: _now())
    state: str = "open"

    def dataset(self, task: str) -> str:
        """The name of the dataset of a task."""
        return checked_name(f"{self.name}-{task.replace('_', '-')}")

    @property
    def draws(self) -> int:
        """How many examples of a task are begun at most."""
        return max(MIN_DRAWS, self.examples * DRAWS.get(self.provider, DRAWS_OTHERS))

    @property
    def limit(self) -> Decimal | None:
        """The budget as a number."""
        return None if self.budget is None else Decimal(self.budget)


def checked_lesson(lesson: Lesson) -> Lesson:
    """The lesson itself; raises `TrainerError` for what can't be, before anything is asked or spent."""
    if not lesson.tasks:
        raise TrainerError(f"Say what to teach, as in --task chat; the tasks are {', '.join(TASKS)}.")
    for task in lesson.tasks:
        if task not in TASKS:
            raise TrainerError(f"There is no task '{task[:40]}'; the tasks are {', '.join(TASKS)}.")
    if len(set(lesson.tasks)) < len(lesson.tasks):
        raise TrainerError("The same task is named twice; name each once.")
    if not MIN_EXAMPLES <= lesson.examples <= MAX_EXAMPLES:
        raise TrainerError(f"--examples must be from {MIN_EXAMPLES} to {MAX_EXAMPLES}, not {lesson.examples}.")
    check_share(lesson.held_out)
    if lesson.budget is not None:
        try:
            limit = Decimal(lesson.budget)
        except InvalidOperation:
            limit = Decimal("NaN")
        if not limit.is_finite() or limit <= 0:
            raise TrainerError(f"--budget must be more than 0 dollars, as in 2.00, not {lesson.budget[:20]}.")
    if lesson.batch and lesson.provider not in ("openai", "anthropic"):
        raise TrainerError(f"{lesson.provider} has no batches; leave out --batch.")
    if lesson.logprobs and lesson.provider == BUILT_IN:
        raise TrainerError("The built-in teacher has no log-probabilities; name a --provider, or leave out --logprobs.")
    if lesson.logprobs and lesson.batch:
        raise TrainerError("Log-probabilities are asked for directly alone; leave out --batch or --logprobs.")
    for task in lesson.tasks:
        lesson.dataset(task)
    check_options(lesson.tasks, lesson.options)
    return lesson


def lesson_name(provider: str) -> str:
    """What the datasets of a provider begin with where their owner gave no name."""
    return checked_name(provider.lower().replace("_", "-").replace(".", "-")[:40])


def remember(workspace: Workspace, lesson: Lesson) -> None:
    """Write the lesson's file."""
    with storage_errors(workspace.lessons):
        workspace.lessons.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, **asdict(lesson)}, indent=1, ensure_ascii=False)
        write_atomic(_file(workspace, lesson), text.encode("utf-8") + b"\n", 0o600)


def taught_alone(workspace: Workspace, lesson: Lesson) -> AbstractContextManager[None]:
    """No other process teaches the lesson meanwhile: both would ask, and pay, the same. Raises `TrainerError`."""
    file = _file(workspace, lesson)
    return alone(
        file.with_name(f".{file.stem}.lock"),
        f"The lesson '{lesson.name}' is being taught already; wait for that, or give this one another --name.",
    )


def finished(workspace: Workspace, lesson: Lesson) -> None:
    """All datasets of the lesson are written."""
    remember(workspace, replace(lesson, state="done"))


def recall(workspace: Workspace, name: str | None, tasks: tuple[str, ...] | None = None) -> Lesson:
    """The lesson of that name and those tasks, else the newest open one; raises `NotThere` or `TrainerError`."""
    files = sorted(workspace.lessons.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    others = ""
    for path in files:
        lesson = _read(path)
        if lesson.name != name and (name is not None or lesson.state != "open"):
            continue
        if tasks is None or tasks == lesson.tasks:
            return lesson
        others = others or f"; there is '{lesson.name}' about {', '.join(lesson.tasks)}"
    what = f"no lesson '{name[:64]}'" if name is not None else "no unfinished lesson"
    about = f" about {', '.join(tasks)[:80]}" if tasks is not None else ""
    raise NotThere(f"There is {what}{about} to resume{others}; begin one with: enigma teach --task ...")


def _read(path: Path) -> Lesson:
    try:
        raw = strict_json.loads_object(path.read_bytes(), str(path))
        if raw.pop("format") != FORMAT:
            raise TrainerError(f"{path} was written by another version of Enigma; begin the lesson again.")
        tasks = raw.pop("tasks")
        if not isinstance(tasks, list):
            raise TypeError
        return checked_lesson(Lesson(tasks=tuple(map(str, tasks)), **raw))  # type: ignore[arg-type]
    except (BadRequest, KeyError, TypeError):
        raise TrainerError(f"{path} is damaged; delete it and begin the lesson again.") from None


def _now() -> str:
    """As the audit log writes it, so that texts compare as times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _file(workspace: Workspace, lesson: Lesson) -> Path:
    tasks = hashlib.sha256(" ".join(lesson.tasks).encode()).hexdigest()[:8]
    return workspace.lessons / f"{checked_name(lesson.name)}.{tasks}.json"
