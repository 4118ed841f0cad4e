"""`enigma sweep`: train with several settings, show how good each is, and keep the best."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.commands.train import SETTINGS, add_options, chosen_settings, dataset_for
from trainer_host.errors import TrainerError
from trainer_host.presentation import Presenter, presenter_for

if TYPE_CHECKING:
    from trainer_host.data.dataset import Dataset
    from trainer_host.executor import Executor
    from trainer_host.training.sweep import Outcome

_BOOLEANS = {"yes": True, "no": False}
_KINDS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("size", "init", "lora", "schedule", "old", "teacher"), str),
    **dict.fromkeys(("context", "rows", "patience", "seed"), int),
    **dict.fromkeys(("epochs", "rate", "replay", "seconds", "distil_weight", "temperature"), float),
    "curriculum": _BOOLEANS.__getitem__,
}


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command."""
    made = command(
        commands,
        "sweep",
        sweep,
        "Train with several settings, judge each on training rows that are kept aside, and train the best on all.",
    )
    add_options(made, "the dataset's name and -best")
    made.add_argument(
        "--vary",
        action="append",
        required=True,
        metavar="OPTION=A,B,..",
        help="an option of 'enigma train' and its values, as in rate=1e-3,3e-3; may be given several times",
    )
    made.add_argument(
        "--trials", type=int, metavar="N", help="try N of the combinations, drawn by --seed (default: all)"
    )
    made.add_argument("--workers", type=int, metavar="N", help="train N at a time (default: one per processor)")
    made.add_argument(
        "--ray", metavar="ADDRESS", help="train on a Ray cluster (default: ENIGMA_RAY_ADDRESS, else this machine)"
    )
    made.add_argument(
        "--profiles",
        type=int,
        nargs="+",
        metavar="THREADS",
        help="export each, and show score, size and time of each file and runtime with so many threads",
    )


def sweep(args: argparse.Namespace) -> None:
    """A table, and the best run."""
    from trainer_host.training.run import is_run, train_run
    from trainer_host.training.sweep import Order, combinations
    from trainer_host.training.sweep import sweep as run_all
    from trainer_host.workspace import checked_name

    workspace, show = workspace_of(args), presenter_for()
    dataset = dataset_for(args)
    name = checked_name(args.name or f"{dataset.name}-best")
    for option, value in (
        ("trials", args.trials),
        ("workers", args.workers),
        *(("profiles", n) for n in args.profiles or ()),
    ):
        if value is not None and value < 1:
            raise TrainerError(f"--{option} must be 1 or more.")
    vary = _varied(args)
    order = Order(args.seed, args.seconds, args.curriculum, chosen_settings(args), tuple(args.profiles or ()))
    several = combinations(vary, args.trials, args.seed)
    _check(dataset, order.settings, several)
    with show.working("trials") as step:
        ranked = run_all(
            workspace,
            dataset,
            name,
            several,
            order,
            _executor(args.ray, args.workers),
            lambda done, last: step(done / len(several), f"{done} of {len(several)}, {_told(last.values)}"),
        )
    _show(show, ranked, list(vary))
    best = ranked[0]
    of_run: dict[str, Any] = {
        key: best.values.get(key, getattr(args, key)) for key in ("seed", "seconds", "curriculum")
    }
    settings = {**order.settings, **{key: value for key, value in best.values.items() if key in SETTINGS}}
    if is_run(workspace, dataset, name, settings=settings, **of_run):
        show.say(f"Run '{name}' was trained with {_told(best.values)} before")
    else:
        with show.working("training the best") as step:
            _, report = train_run(
                workspace,
                dataset,
                name,
                **of_run,
                settings=settings,
                on_progress=lambda share, values: step(share, ", ".join(f"{k} {v:g}" for k, v in values.items())),
            )
        show.say(f"Run '{name}' in {report.seconds:.1f} s with {_told(best.values)}, on all training rows")
    show.say(f"Next: enigma export {name}")


def _varied(args: argparse.Namespace) -> dict[str, list[object]]:
    """Option -> its values; raises `TrainerError`."""
    made: dict[str, list[object]] = {}
    for text in args.vary:
        name, sign, values = text.partition("=")
        name = name.replace("-", "_")
        if name not in _KINDS or not sign:
            raise TrainerError(
                f"'{text[:60]}' can't be varied; give an option and its values, as in rate=1e-3,3e-3. "
                f"The options are {', '.join(sorted(_KINDS))}."
            )
        if name in made:
            raise TrainerError(f"--vary {name} is there twice; give all its values in one.")
        if name in SETTINGS and getattr(args, name) is not None:
            raise TrainerError(f"--{name} is one value, and --vary {name} several; give one of the two.")
        made[name] = [_value(name, value) for value in values.split(",")]
        if len(set(made[name])) != len(made[name]):
            raise TrainerError(f"--vary {name} has a value twice.")
    return made


def _value(name: str, text: str) -> object:
    try:
        value = _KINDS[name](text)
    except (ValueError, KeyError):
        kind = {int: "a whole number", float: "a number"}.get(cast(type, _KINDS[name]), "yes or no")
        raise TrainerError(f"--vary {name}: '{text[:40]}' isn't {kind}.") from None
    if value == "":
        raise TrainerError(f"--vary {name} has an empty value.")
    return value


def _check(dataset: Dataset, settings: dict[str, object], several: Sequence[dict[str, object]]) -> None:
    """Look at all combinations before the first is trained."""
    from trainer_host.students import student_of
    from trainer_host.students.language.settings import LanguageSettings

    if student_of(dataset).family != "language":
        return  # each of the others has settings of its own, or none, and says so in the first trial
    for values in several:
        LanguageSettings.read({**settings, **{key: value for key, value in values.items() if key in SETTINGS}})


def _executor(ray: str | None, workers: int | None) -> Executor:
    import os

    from trainer_host.executor import RAY_ADDRESS
    from trainer_host.training.sweep import TRIAL_SECONDS

    address = ray or os.environ.get(RAY_ADDRESS)
    if address:
        from trainer_host.execution.cluster import RayExecutor

        return RayExecutor(address, TRIAL_SECONDS)
    from trainer_host.execution.local import LocalExecutor

    return LocalExecutor(workers, TRIAL_SECONDS)


def _show(show: Presenter, ranked: Sequence[Outcome], varied: Sequence[str]) -> None:
    perplexity = any(outcome.perplexity is not None for outcome in ranked)
    good = [outcome for outcome in ranked if outcome.error is None]
    show.table(
        ["trial", *varied, "score", *(["perplexity"] if perplexity else [])],
        [
            [
                str(one.number),
                *(_text(one.values[name]) for name in varied),
                f"{one.score:.4f}",
                *([f"{one.perplexity or float('inf'):.3f}"] if perplexity else []),
            ]
            for one in good
        ],
    )
    profiles = [(one.number, profile) for one in good for profile in one.profiles]
    if profiles:
        show.table(
            ["trial", "file", "runtime", "threads", "score", "MB", "p50 ms"],
            [
                [
                    str(number),
                    str(profile["file"]),
                    str(profile["runtime"]),
                    str(profile["threads"]),
                    f"{profile['accuracy']:.4f}",
                    f"{cast(int, profile['bytes']) / 1e6:.2f}",
                    f"{profile['p50_ms']:.2f}",
                ]
                for number, profile in profiles
            ],
        )
    for one in ranked[len(good) :]:
        show.warn(f"Trial {one.number} ({_told(one.values)}) failed: {one.error}")


def _told(values: dict[str, object]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in values.items())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
