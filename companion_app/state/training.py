"""What the host trains: jobs, the history of runs, curves and maps, comparisons, releases and rollouts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from companion_app.state.rollout_plan import Known
from edge_runtime.update.desired import Where

SIZES = ("", "nano", "micro", "tiny", "small", "medium", "large", "xl", "xxl")  # "" is the host's own choice
MOST_POINTS = 200_000  # of a curve here; a longer one comes decimated


class Part(StrEnum):
    """The parts of the screen."""

    JOBS = "jobs"
    HISTORY = "history"
    COMPARE = "compare"
    RELEASE = "release"


class JobState(StrEnum):
    """How a job stands; STOPPED is one whose process was ended from outside."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Job:
    """A training or a release. kind: "train", "release" or "tune". asked: "pause", "cancel" or "". rate: steps per second.

    eta: seconds, None where nobody knows. history: the numbers that it has in the history of runs.
    """

    id: str
    kind: str = "train"
    run: str = ""
    task: str = ""
    data: str = ""
    state: JobState = JobState.WAITING
    asked: str = ""
    message: str = ""
    commands: tuple[str, ...] = ()
    progress: float = 0.0
    note: str = ""
    step: int = 0
    figures: tuple[tuple[str, float], ...] = ()
    rate: float = 0.0
    eta: float | None = None
    pausable: bool = False
    history: tuple[int, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in (JobState.WAITING, JobState.RUNNING)

    @property
    def resumable(self) -> bool:
        """Whether it ended early."""
        return self.state in (JobState.PAUSED, JobState.FAILED, JobState.CANCELLED, JobState.STOPPED)


@dataclass(frozen=True)
class DatasetCard:
    """A dataset of the host. train, heldout: rows. edits: times that a person changed it."""

    name: str
    task: str = ""
    teacher: str = ""
    train: int = 0
    heldout: int = 0
    content: str = ""
    labels: tuple[str, ...] = ()
    edits: int = 0
    problem: str = ""


@dataclass(frozen=True)
class TrainForm:
    """What is to be trained, as typed."""

    dataset: str = ""
    name: str = ""
    size: str = ""
    init: str = ""
    epochs: str = ""
    seconds: str = ""
    seed: str = ""
    starting: bool = False
    refused: str = ""


@dataclass(frozen=True)
class Run:
    """A training of the history. begun: seconds since 1970; seconds: how long it took, None while it runs."""

    id: int
    name: str
    task: str = ""
    state: str = ""
    message: str = ""
    begun: float = 0.0
    seconds: float | None = None
    data: str = ""
    revision: str = ""
    figures: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class RunDetails:
    """Everything about a run. checkpoints: (step, held-out loss or None); now: the step that it stands at."""

    run: Run
    command: str = ""
    config: tuple[tuple[str, str], ...] = ()
    curves: tuple[str, ...] = ()
    checkpoints: tuple[tuple[int, float | None], ...] = ()
    now: int | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """A figure by step. of: the job's id, or "run N"; figures: the names that can be drawn."""

    of: str
    figure: str = "loss"
    # Kivy writes out what a rule assigns, for a log that nobody reads: 20 ms for 10,000 points.
    steps: tuple[int, ...] = field(default=(), repr=False)
    values: tuple[float, ...] = field(default=(), repr=False)
    figures: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """The last step, -1 before there is one."""
        return self.steps[-1] if self.steps else -1

    def extended(self, more: Curve) -> Curve:
        """With the points behind its last one."""
        fresh = [(s, v) for s, v in zip(more.steps, more.values, strict=True) if s > self.last]
        if not fresh and more.figures == self.figures:
            return self
        steps = (*self.steps, *(step for step, _ in fresh))[-MOST_POINTS:]
        values = (*self.values, *(value for _, value in fresh))[-MOST_POINTS:]
        return replace(self, steps=steps, values=values, figures=more.figures or self.figures)


@dataclass(frozen=True)
class Heat:
    """A square map of a run: of attention, or of what is taken for what. rows: 0 to 1, each sums to 1 or to 0."""

    run: str
    what: str
    names: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...] = field(repr=False)
    counts: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    layers: int = 0
    heads: int = 0


@dataclass(frozen=True)
class Versus:
    """Two runs on the same input. id: until there is a vote; revealed: (run, milliseconds), once there was one."""

    one: str = ""
    other: str = ""
    text: str = ""
    asking: bool = False
    id: str = ""
    answers: tuple[str, ...] = ()
    winner: str = ""
    revealed: tuple[tuple[str, float], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Examined:
    """A run on held-out rows. accuracy: 0 to 1; margin: half of its 95 % interval; tokens: a second, of what it writes."""

    run: str
    bytes: int = 0
    runtime: str = ""
    accuracy: float = 0.0
    margin: float = 0.0
    rows: int = 0
    p50_ms: float = 0.0
    tokens: float | None = None


@dataclass(frozen=True)
class Exam:
    """Runs on the same rows. id: by which the host knows it; progress: 0 to 1; answering: the run that answers now.
    worse: those that differ from the best one by more than chance."""

    runs: tuple[str, ...] = ()
    busy: bool = False
    id: str = ""
    progress: float = 0.0
    answering: str = ""
    models: tuple[Examined, ...] = ()
    best: str = ""
    worse: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Tuning:
    """What people preferred. preferences: how many there are of each task; opinions: of single answers, thumbs and votes."""

    preferences: tuple[tuple[str, int], ...] = ()
    opinions: tuple[tuple[str, int], ...] = ()
    busy: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Rating:
    """How a run fared in comparisons, careful where there were few votes."""

    task: str
    run: str
    votes: int
    rating: float


@dataclass(frozen=True)
class Stage:
    """A stage of a rollout, in devices."""

    name: str
    devices: int
    done: int
    failed: int


@dataclass(frozen=True)
class Rollout:
    """How a version gets to devices. stage: the one that runs, from 0. soaking: it is watched before the next one.

    where: the devices that are meant; when: conditions for a device to switch. most_failures, least_done: shares of a stage
    that pause it and let it go on, "" from an older host.
    """

    id: str
    specialist: str = ""
    version: str = ""
    before: str = ""
    state: str = ""
    cause: str = ""
    stage: int = 0
    soaking: bool = False
    devices: int = 0
    done: int = 0
    failed: int = 0
    waiting: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    where: Where = field(default_factory=Where)
    when: tuple[str, ...] = ()
    most_failures: str = ""
    least_done: str = ""


@dataclass(frozen=True)
class Training:
    """The place where models are trained. known: the host has said what it has. busy: what it is asked for now.

    opened: the job whose curve is shown. looked_at: what the history shows of one run, and of a second one beside it.
    published: targets of the update repository; None where there is none. told: the rollout that was begun or moved last.
    known_devices: whom a rollout could mean; None where the host didn't say.
    """

    known: bool = False
    part: Part = Part.JOBS
    problem: str = ""
    busy: str = ""
    form: TrainForm = field(default_factory=TrainForm)
    datasets: tuple[DatasetCard, ...] = ()
    jobs: tuple[Job, ...] = ()
    opened: str = ""
    figure: str = "loss"
    curve: Curve | None = None
    runs: tuple[Run, ...] = ()
    there: tuple[str, ...] = ()
    looked_at: RunDetails | None = None
    run_curve: Curve | None = None
    diff: tuple[int, int] | None = None
    differences: tuple[tuple[str, str, str], ...] = ()
    heats: tuple[Heat, ...] = ()
    heat_problem: str = ""
    versus: Versus = field(default_factory=Versus)
    ratings: tuple[Rating, ...] = ()
    exam: Exam = field(default_factory=Exam)
    tuning: Tuning = field(default_factory=Tuning)
    rollouts: tuple[Rollout, ...] = ()
    rollout_message: str = ""
    published: tuple[str, ...] | None = None
    told: str = ""
    known_devices: Known | None = None

    @property
    def job(self) -> Job | None:
        """The job that is looked at: the opened one, else the one that runs, else the newest."""
        trainings = [job for job in self.jobs if job.kind == "train"]
        chosen = next((job for job in trainings if job.id == self.opened), None)
        running = next((job for job in trainings if job.state is JobState.RUNNING), None)
        return chosen or running or next(iter(trainings), None)
