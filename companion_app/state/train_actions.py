"""Everything that can happen to trainings, as data."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.training import (
    Curve,
    DatasetCard,
    Exam,
    Heat,
    Job,
    Part,
    Rating,
    Rollout,
    Run,
    RunDetails,
    Tuning,
    Versus,
)


@dataclass(frozen=True)
class TrainPartPicked:
    """A person goes to another part of the screen."""

    part: Part


@dataclass(frozen=True)
class HostDataTold:
    """The host said which datasets and jobs it has."""

    datasets: tuple[DatasetCard, ...]
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class JobTold:
    """A job stands otherwise."""

    job: Job


@dataclass(frozen=True)
class JobOpened:
    """A person looks at this job."""

    id: str


@dataclass(frozen=True)
class FigurePicked:
    """A person wants another curve."""

    figure: str


@dataclass(frozen=True)
class CurveTold:
    """Points of a job's curve: those behind what is known, or with `whole` all of them."""

    curve: Curve
    whole: bool


@dataclass(frozen=True)
class TrainTyped:
    """A field of the form has another text."""

    field: str
    text: str


@dataclass(frozen=True)
class TrainStarting:
    """The host is asked to begin."""


@dataclass(frozen=True)
class TrainStarted:
    """It has."""

    job: Job


@dataclass(frozen=True)
class TrainRefused:
    """It won't, with one sentence."""

    sentence: str


@dataclass(frozen=True)
class RunsTold:
    """The host said what was trained. there: the runs that lie in its home folder."""

    runs: tuple[Run, ...]
    there: tuple[str, ...]


@dataclass(frozen=True)
class RunTold:
    """All about one run, and its curve where it has one."""

    details: RunDetails
    curve: Curve | None


@dataclass(frozen=True)
class RunClosed:
    """A person has seen enough of it."""


@dataclass(frozen=True)
class DiffTold:
    """What isn't the same in two runs."""

    one: int
    other: int
    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class HeatsTold:
    """Maps of a run; or one sentence why there are none."""

    heats: tuple[Heat, ...]
    problem: str = ""


@dataclass(frozen=True)
class VersusChanged:
    """The comparison of two runs stands otherwise."""

    versus: Versus


@dataclass(frozen=True)
class ExamChanged:
    """The exam of some runs stands otherwise."""

    exam: Exam


@dataclass(frozen=True)
class TuningChanged:
    """There are other preferences, or a run begins to learn from them."""

    tuning: Tuning


@dataclass(frozen=True)
class RatingsTold:
    """How runs fare in comparisons."""

    ratings: tuple[Rating, ...]


@dataclass(frozen=True)
class ReleasesTold:
    """What is published (None without a repository) and how rollouts stand, with a sentence where there can be none."""

    published: tuple[str, ...] | None
    rollouts: tuple[Rollout, ...]
    message: str


@dataclass(frozen=True)
class RolloutTold:
    """One rollout with its stages."""

    rollout: Rollout


@dataclass(frozen=True)
class TrainWorking:
    """The host is asked for something that takes a while; "" where it has answered."""

    what: str


@dataclass(frozen=True)
class TrainFailed:
    """The host didn't do something, with one sentence."""

    sentence: str


TrainAction = (
    TrainPartPicked
    | HostDataTold
    | JobTold
    | JobOpened
    | FigurePicked
    | CurveTold
    | TrainTyped
    | TrainStarting
    | TrainStarted
    | TrainRefused
    | RunsTold
    | RunTold
    | RunClosed
    | DiffTold
    | HeatsTold
    | VersusChanged
    | ExamChanged
    | TuningChanged
    | RatingsTold
    | ReleasesTold
    | RolloutTold
    | TrainWorking
    | TrainFailed
)
