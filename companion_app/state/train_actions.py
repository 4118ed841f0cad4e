"""Everything that can happen to trainings, as data."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.rollout_plan import Known
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


class TrainPartPicked(NamedTuple):
    """A person goes to another part of the screen."""

    part: Part


class HostDataTold(NamedTuple):
    """The host said which datasets and jobs it has."""

    datasets: tuple[DatasetCard, ...]
    jobs: tuple[Job, ...]


class JobTold(NamedTuple):
    """A job stands otherwise."""

    job: Job


class JobOpened(NamedTuple):
    """A person looks at this job."""

    id: str


class FigurePicked(NamedTuple):
    """A person wants another curve."""

    figure: str


class CurveTold(NamedTuple):
    """Points of a job's curve: those behind what is known, or with `whole` all of them."""

    curve: Curve
    whole: bool


class TrainTyped(NamedTuple):
    """A field of the form has another text."""

    field: str
    text: str


class TrainStarting(NamedTuple):
    """The host is asked to begin."""


class TrainStarted(NamedTuple):
    """It has."""

    job: Job


class TrainRefused(NamedTuple):
    """It won't, with one sentence."""

    sentence: str


class RunsTold(NamedTuple):
    """The host said what was trained. there: the runs that lie in its home folder."""

    runs: tuple[Run, ...]
    there: tuple[str, ...]


class RunTold(NamedTuple):
    """All about one run, and its curve where it has one."""

    details: RunDetails
    curve: Curve | None


class RunClosed(NamedTuple):
    """A person has seen enough of it."""


class DiffTold(NamedTuple):
    """What isn't the same in two runs."""

    one: int
    other: int
    rows: tuple[tuple[str, str, str], ...]


class HeatsTold(NamedTuple):
    """Maps of a run; or one sentence why there are none."""

    heats: tuple[Heat, ...]
    problem: str = ""


class VersusChanged(NamedTuple):
    """The comparison of two runs stands otherwise."""

    versus: Versus


class ExamChanged(NamedTuple):
    """The exam of some runs stands otherwise."""

    exam: Exam


class TuningChanged(NamedTuple):
    """There are other preferences, or a run begins to learn from them."""

    tuning: Tuning


class RatingsTold(NamedTuple):
    """How runs fare in comparisons."""

    ratings: tuple[Rating, ...]


class ReleasesTold(NamedTuple):
    """What is published (None without a repository) and how rollouts stand, with a sentence where there can be none.

    known: the devices that the host knows; None where it didn't say.
    """

    published: tuple[str, ...] | None
    rollouts: tuple[Rollout, ...]
    message: str
    known: Known | None = None


class RolloutTold(NamedTuple):
    """One rollout with its stages."""

    rollout: Rollout


class RolloutMoved(NamedTuple):
    """A person began it, or told it to go another way."""

    rollout: Rollout


class TrainWorking(NamedTuple):
    """The host is asked for something that takes a while; "" where it has answered."""

    what: str


class TrainFailed(NamedTuple):
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
    | RolloutMoved
    | TrainWorking
    | TrainFailed
)
