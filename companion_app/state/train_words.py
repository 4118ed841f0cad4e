"""Trainings in words: what the screen prints."""

from __future__ import annotations

import json
from datetime import datetime

from companion_app.i18n import N_, ntr, tr
from companion_app.i18n.figures import day_and_clock, number
from companion_app.state.curves import shortly
from companion_app.state.training import Curve, DatasetCard, Job, JobState, Rating, Run, RunDetails, Training

STATES = {
    JobState.WAITING: (N_("Waiting"), "plain"),
    JobState.RUNNING: (N_("Running"), "accent"),
    JobState.PAUSED: (N_("Paused"), "warn"),
    JobState.DONE: (N_("Done"), "good"),
    JobState.FAILED: (N_("Failed"), "bad"),
    JobState.CANCELLED: (N_("Cancelled"), "plain"),
    JobState.STOPPED: (N_("Interrupted"), "warn"),
}
RUN_STATES = {
    "running": (N_("Running"), "accent"),
    "done": (N_("Done"), "good"),
    "failed": (N_("Failed"), "bad"),
    "interrupted": (N_("Interrupted"), "warn"),
}
FIGURES = {
    "loss": N_("Loss"),
    "held_out": N_("Held-out loss"),
    "rate": N_("Learning rate"),
    "norm": N_("Size of the gradient"),
    "tokens_per_second": N_("Tokens per second"),
}

# What a run's card tells, the first that it has.
RUN_FIGURES = {
    "held-out loss": N_("Held-out loss"),
    "loss": N_("Loss"),
    "validation_accuracy": N_("Accuracy"),
    "validation accuracy": N_("Accuracy"),
}


def job_state(job: Job) -> tuple[str, str]:
    """A job's state as a word and its tone."""
    if job.state is JobState.RUNNING and job.asked:
        return (tr("Pausing") if job.asked == "pause" else tr("Ending")), "warn"
    word, tone = STATES[job.state]
    return tr(word), tone


def run_state(run: Run) -> tuple[str, str]:
    """A run's state as a word and its tone."""
    word, tone = RUN_STATES.get(run.state, (run.state, "plain"))
    return tr(word), tone


def job_about(job: Job) -> str:
    """What a job is about."""
    if job.kind == "release":
        steps = [words.removeprefix("enigma ").split()[0] for words in job.commands]
        return (
            tr("Export of its model files") if steps == ["export"] else tr("Release: {steps}", steps=", ".join(steps))
        )
    if job.kind == "tune":
        count = job.data.partition(" ")[0]
        votes = ntr("{number} vote", "{number} votes", int(count)) if count.isdecimal() else job.data
        return tr("{task}, from {dataset}", task=job.task, dataset=votes)
    return tr("{task}, from {dataset}", task=job.task, dataset=job.data)


def job_facts(job: Job) -> tuple[tuple[str, str], ...]:
    """Figures of a training, as (name, value)."""
    made: list[tuple[str, str]] = []
    if job.step:
        made.append((tr("Step"), number(job.step, ",")))
    figures = dict(job.figures)
    made += [(tr(FIGURES[name]), number(figures[name], ".4g")) for name in ("loss", "held_out") if name in figures]
    if "held-out loss" in figures:
        made.append((tr("Held-out loss"), number(figures["held-out loss"], ".4g")))
    if job.state is JobState.RUNNING and job.rate > 0:
        made.append((tr("Speed"), tr("{rate} steps/s", rate=number(job.rate, ".3g"))))
    if job.state is JobState.RUNNING and job.eta is not None:
        made.append((tr("Left"), duration(job.eta)))
    return tuple(made)


def job_line(job: Job) -> str:
    """What a job does now, or how it ended."""
    if job.state is JobState.WAITING:
        return tr("It begins when those before it have ended.")
    if job.state is JobState.RUNNING and not job.step:
        return tr("Reading the rows …") if job.kind != "release" else job.note
    return job.message


def figure_name(name: str) -> str:
    """A curve by the name that people use."""
    return tr(FIGURES[name]) if name in FIGURES else name.replace("_", " ")


def curve_line(curve: Curve | None) -> str:
    """A curve in words, for those who don't see it."""
    if curve is None or not curve.values:
        return tr("No points yet.")
    return tr(
        "{figure}: {first} at step {begin}, {last} at step {end}; least {low}, greatest {high}.",
        figure=figure_name(curve.figure),
        first=shortly(curve.values[0]),
        begin=curve.steps[0],
        last=shortly(curve.values[-1]),
        end=curve.steps[-1],
        low=shortly(min(curve.values)),
        high=shortly(max(curve.values)),
    )


def duration(seconds: float) -> str:
    """How long, as people say it."""
    if seconds < 60:
        return tr("{seconds} s", seconds=round(seconds))
    if seconds < 3600:
        return tr("{minutes} min", minutes=round(seconds / 60))
    return tr("{hours} h {minutes} min", hours=int(seconds // 3600), minutes=int(seconds % 3600 // 60))


def dataset_note(card: DatasetCard) -> str:
    """What a dataset holds."""
    if card.problem:
        return card.problem
    return tr("{task}, {rows} rows", task=card.task, rows=number(card.train, ","))


def form_obstacle(training: Training) -> str:
    """Why the form can't be sent; empty where it can."""
    if not training.datasets:
        return tr("There is nothing to train on yet; generate examples under Teach first.")
    card = next((one for one in training.datasets if one.name == training.form.dataset), None)
    if card is None:
        return tr("Choose what to train on.")
    return card.problem


def run_line(run: Run) -> str:
    """One line about a run."""
    parts = [run.task, day_and_clock(datetime.fromtimestamp(run.begun)) if run.begun else ""]
    parts.append(duration(run.seconds) if run.seconds is not None else "")
    figures = dict(run.figures)
    for name, title in RUN_FIGURES.items():
        if name in figures:
            parts.append(f"{tr(title)} {number(figures[name], '.4g')}")
            break
    return "  ·  ".join(part for part in parts if part)


def run_facts(details: RunDetails) -> tuple[tuple[str, str], ...]:
    """All that is known of a run, as (name, value)."""
    run = details.run
    made = [
        (tr("Number"), str(run.id)),
        (tr("Task"), run.task),
        (tr("Data"), run.data.removeprefix("sha256:")[:16]),
        (tr("Revision of Enigma's code"), run.revision or tr("none")),
    ]
    made += [(name.replace("_", " "), number(value, ",.6g")) for name, value in run.figures]
    made += [(name, value) for name, value in details.config if name != "content" and value not in ("null", "false")]
    return tuple(made)


def checkpoint_line(details: RunDetails) -> str:
    """Where a run stands among its checkpoints."""
    if details.now is None:
        return tr("It keeps no checkpoints.")
    steps = [step for step, _ in details.checkpoints]
    place = steps.index(details.now) + 1 if details.now in steps else 0
    return tr(
        "It stands at step {step}, checkpoint {place} of {count}.", step=details.now, place=place, count=len(steps)
    )


def may_move(details: RunDetails) -> tuple[bool, bool]:
    """Whether there is a checkpoint before the current one, and one behind it."""
    steps = [step for step, _ in details.checkpoints]
    if details.now not in steps:
        return False, False
    place = steps.index(details.now)
    return place > 0, place < len(steps) - 1


def rating_line(rating: Rating) -> str:
    """How a run fared."""
    votes = ntr("{number} vote", "{number} votes", rating.votes)
    return tr("{rating} after {votes}", rating=number(rating.rating, ".1f"), votes=votes)


def empty_line(training: Training) -> str:
    """Why the screen of a paired host shows nothing yet; empty where it does."""
    return "" if training.known else training.problem or tr("Asking the host …")


def heat_cell(
    names: tuple[str, ...],
    rows: tuple[tuple[float, ...], ...],
    counts: tuple[tuple[int, ...], ...],
    place: tuple[int, int],
) -> str:
    """A cell of a map in words. place: row and column."""
    row, column = place
    share = number(rows[row][column] * 100, ".1f") + " %"
    one, other = (json.dumps(names[at], ensure_ascii=False) for at in place)
    if counts:
        return tr(
            "{wanted} was answered as {got} in {share} ({count} times).",
            wanted=one, got=other, share=share, count=counts[row][column],
        )  # fmt: skip
    return tr("{token} takes {share} from {source}.", token=one, share=share, source=other)
