"""`reduce_training(action, state)`: the part of the state that is about trainings."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import Any

from companion_app.state import train_actions as tact
from companion_app.state.model import AppState
from companion_app.state.training import Job, Training

MAX_JOBS = 100  # as many as a host remembers


def reduce_training(action: tact.TrainAction, state: AppState) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    training = _reduce(action, state.training)
    return state if training is state.training else replace(state, training=training)


@singledispatch
def _reduce(action: object, training: Training) -> Training:
    raise TypeError(f"{type(action).__name__} is not an action about trainings")


@_reduce.register
def _(action: tact.TrainPartPicked, training: Training) -> Training:
    return training if action.part is training.part else replace(training, part=action.part, problem="")


@_reduce.register
def _(action: tact.HostDataTold, training: Training) -> Training:
    names = [card.name for card in action.datasets if not card.problem]
    form = training.form
    if form.dataset not in names:
        form = replace(form, dataset=names[0] if names else "")
    # A job that told of itself meanwhile is told again at once, so what the list says may stand.
    return replace(training, known=True, datasets=action.datasets, jobs=action.jobs, form=form, problem="")


@_reduce.register
def _(action: tact.JobTold, training: Training) -> Training:
    known = {job.id: job for job in training.jobs}
    if known.get(action.job.id) == action.job:
        return training
    jobs = (*(job for job in training.jobs if job.id != action.job.id), action.job)
    return replace(training, jobs=tuple(sorted(jobs, key=_number, reverse=True))[:MAX_JOBS])


@_reduce.register
def _(action: tact.JobOpened, training: Training) -> Training:
    return replace(training, opened=action.id, curve=None, problem="")


@_reduce.register
def _(action: tact.FigurePicked, training: Training) -> Training:
    return training if action.figure == training.figure else replace(training, figure=action.figure, curve=None)


@_reduce.register
def _(action: tact.CurveTold, training: Training) -> Training:
    job, told, known = training.job, action.curve, training.curve
    if job is None or told.of != job.id or told.figure != training.figure:
        return training  # a person looks at another one by now
    curve = told if action.whole or known is None or known.of != told.of else known.extended(told)
    return training if curve == known else replace(training, curve=curve)


@_reduce.register
def _(action: tact.TrainTyped, training: Training) -> Training:
    typed: dict[str, Any] = {action.field: action.text, "refused": ""}
    form = replace(training.form, **typed)
    return training if form == training.form else replace(training, form=form)


@_reduce.register
def _(action: tact.TrainStarting, training: Training) -> Training:
    return replace(training, form=replace(training.form, starting=True, refused=""))


@_reduce.register
def _(action: tact.TrainStarted, training: Training) -> Training:
    training = replace(training, form=replace(training.form, starting=False, name=""), opened=action.job.id, curve=None)
    return _reduce(tact.JobTold(action.job), training)


@_reduce.register
def _(action: tact.TrainRefused, training: Training) -> Training:
    return replace(training, form=replace(training.form, starting=False, refused=action.sentence))


@_reduce.register
def _(action: tact.RunsTold, training: Training) -> Training:
    runs, there = action.runs, action.there
    same = (runs, there) == (training.runs, training.there)
    return training if same else replace(training, runs=runs, there=there)


@_reduce.register
def _(action: tact.RunTold, training: Training) -> Training:
    other = training.looked_at is None or training.looked_at.run.name != action.details.run.name
    heats = () if other else training.heats
    return replace(
        training,
        looked_at=action.details,
        run_curve=action.curve,
        diff=None,
        differences=(),
        heats=heats,
        heat_problem="",
    )


@_reduce.register
def _(action: tact.RunClosed, training: Training) -> Training:
    return replace(training, looked_at=None, run_curve=None, diff=None, differences=(), heats=(), heat_problem="")


@_reduce.register
def _(action: tact.DiffTold, training: Training) -> Training:
    return replace(training, diff=(action.one, action.other), differences=action.rows)


@_reduce.register
def _(action: tact.HeatsTold, training: Training) -> Training:
    return replace(training, heats=action.heats, heat_problem=action.problem)


@_reduce.register
def _(action: tact.VersusChanged, training: Training) -> Training:
    return training if action.versus == training.versus else replace(training, versus=action.versus)


@_reduce.register
def _(action: tact.ExamChanged, training: Training) -> Training:
    return training if action.exam == training.exam else replace(training, exam=action.exam)


@_reduce.register
def _(action: tact.TuningChanged, training: Training) -> Training:
    return training if action.tuning == training.tuning else replace(training, tuning=action.tuning)


@_reduce.register
def _(action: tact.RatingsTold, training: Training) -> Training:
    return training if action.ratings == training.ratings else replace(training, ratings=action.ratings)


@_reduce.register
def _(action: tact.ReleasesTold, training: Training) -> Training:
    stages = {one.id: one.stages for one in training.rollouts}
    rollouts = tuple(replace(one, stages=one.stages or stages.get(one.id, ())) for one in action.rollouts)
    told = replace(training, published=action.published, rollouts=rollouts, rollout_message=action.message)
    return replace(told, known_devices=action.known)


@_reduce.register
def _(action: tact.RolloutMoved, training: Training) -> Training:
    return replace(_reduce(tact.RolloutTold(action.rollout), training), told=action.rollout.id)


@_reduce.register
def _(action: tact.RolloutTold, training: Training) -> Training:
    ids = [one.id for one in training.rollouts]
    if action.rollout.id not in ids:
        return replace(training, rollouts=(action.rollout, *training.rollouts))
    rollouts = tuple(action.rollout if one.id == action.rollout.id else one for one in training.rollouts)
    return replace(training, rollouts=rollouts)


@_reduce.register
def _(action: tact.TrainWorking, training: Training) -> Training:
    return training if action.what == training.busy else replace(training, busy=action.what)


@_reduce.register
def _(action: tact.TrainFailed, training: Training) -> Training:
    return replace(training, problem=action.sentence, busy="")


def _number(job: Job) -> int:
    tail = job.id.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else 0
