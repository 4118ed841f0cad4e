"""`enigma train`, in one process or several, and its options, which `sweep` and `cloud plan` take too."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, add_seed, command, finite, workspace_of
from trainer_host.errors import DataError, TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from trainer_host.data import Dataset

SETTINGS = (
    "size", "init", "lora", "context", "window", "epochs", "optimizer", "rate", "rows", "schedule", "patience", "old", "replay",
    "teacher", "distil_weight", "temperature",
)  # fmt: skip
OWN = ("self_play", "mirror")
MOST_DEVICES = 64  # on one machine
_GRACE_SECONDS = 5.0  # torchrun looks at its processes ten times a second, and ends them all when one has ended


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command."""
    add_all(command(commands, "train", train, "Train a specialist on a dataset."))


def add_all(made: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_options(made)
    made.add_argument("--devices", type=int, metavar="N", help="train in N processes, one per GPU or processor")
    made.add_argument(
        "--shard", action="store_true", help="they share the weights too (FSDP2), for models that one GPU can't hold"
    )


def add_options(made: argparse.ArgumentParser, name: str = "the dataset's name") -> None:
    """What is trained, on which rows, and how. name: of the run, where none is given."""
    made.add_argument("--data", required=True, metavar="NAME", help="the dataset")
    made.add_argument("--task", metavar="TASK", help="the dataset's task; checked where it is given")
    made.add_argument("--name", metavar="RUN", help=f"of the run (default: {name})")
    made.add_argument("--seconds", type=finite, metavar="N", help="plan for about this long (default: the task's)")
    made.add_argument("--curriculum", action="store_true", help="easy rows first (not for robot)")
    add_seed(made)
    made.add_argument(
        "--size",
        metavar="SIZE",
        help="nano, micro, tiny or small; of a language model also medium, large, xl or xxl (default: by the rows)",
    )
    made.add_argument(
        "--init",
        metavar="WHERE",
        help="begin with a run (also router, avatar, robot), or with a folder, a .gguf file, a hub id, or smollm2",
    )
    made.add_argument(
        "--self-play", type=int, metavar="N", help="game: play N games against itself, and learn from them"
    )
    made.add_argument(
        "--mirror",
        choices=("sides", "all"),
        help="vision: a picture shows the same mirrored left to right, or also upside down and on its side",
    )
    text = made.add_argument_group(
        "tasks that a language model writes: chat, code, math, the four that make files, combo"
    )
    text.add_argument("--lora", metavar="r=N", help="train adapters of rank N in place of all weights, with --init")
    text.add_argument("--context", type=int, metavar="N", help="most tokens of a text with its answer")
    text.add_argument(
        "--window", type=int, metavar="N", help="three of four layers look back N tokens alone, which spares memory"
    )
    text.add_argument(
        "--epochs", type=finite, metavar="N", help="show the rows N times (also vision; default: by their number)"
    )
    text.add_argument(
        "--optimizer",
        choices=("muon", "adamw"),
        help="of all weights (default: muon; adamw with --init or --shard)",
    )
    text.add_argument("--rate", type=finite, metavar="X", help="the highest learning rate (default: by the size)")
    text.add_argument("--rows", type=int, metavar="N", help="packed rows per step (default: 16)")
    text.add_argument("--schedule", choices=("cosine", "wsd"), help="of the learning rate (default: cosine)")
    text.add_argument("--old", metavar="NAME", help="a dataset whose rows are shown again, so that they stay known")
    text.add_argument("--replay", type=finite, metavar="SHARE", help="of these among all rows (default: 0.1)")
    text.add_argument("--teacher", metavar="RUN", help="learn the probabilities of a bigger run too (distillation)")
    text.add_argument("--distil-weight", type=finite, metavar="X", help="how much they count, 0 to 1 (default: 0.7)")
    text.add_argument("--temperature", type=finite, metavar="X", help="of both models there (default: 1)")
    text.add_argument("--patience", type=int, metavar="N", help="stop after N looks without a gain")


def train(args: argparse.Namespace) -> int | None:
    """A run of the dataset's student."""
    from trainer_host.training.ranks import ranks

    here = ranks()
    if here.started:
        _one_of_several(args, here.number, here.count)
        return None
    check_devices(args.devices)
    if (args.devices or 1) > 1:
        return _start_several(args)
    if args.shard:
        raise TrainerError("Only several processes can share weights; say how many with --devices.")
    _train(args)
    return None


def check_devices(count: int | None) -> None:
    """Raise `TrainerError` for a number of processes that can't be."""
    if count is not None and not 1 <= count <= MOST_DEVICES:
        raise TrainerError(f"--devices must be a whole number from 1 to {MOST_DEVICES}.")


def chosen_settings(args: argparse.Namespace) -> dict[str, object]:
    """What a person chose for the student."""
    return {key: value for key in (*SETTINGS, *OWN) if (value := getattr(args, key)) is not None}


def dataset_for(args: argparse.Namespace) -> Dataset:
    """The dataset that is named; raises `DataError` where its task is another than that."""
    from trainer_host.data import open_dataset

    dataset = open_dataset(workspace_of(args).dataset(args.data))
    if args.task is not None and args.task != dataset.task:
        raise DataError(f"The dataset '{dataset.name}' teaches the task {dataset.task}, not {args.task}.")
    return dataset


def train_words(args: argparse.Namespace) -> list[str]:
    """The command's words behind `enigma`, from its parsed options; without --home and --devices."""
    words = ["train", "--data", str(args.data)]
    for key in ("task", "name", "seconds", *SETTINGS, *OWN):
        if (value := getattr(args, key)) is not None:
            # As one word: a value that begins with a dash is no option.
            words.append(f"--{key.replace('_', '-')}={value}")
    words += ["--curriculum"] if args.curriculum else []
    return [*words, f"--seed={args.seed}"]


def _train(args: argparse.Namespace) -> None:
    from trainer_host.training.run import SHARD, train_run

    workspace, show = workspace_of(args), presenter_for()
    dataset = dataset_for(args)
    with show.working("training") as step:
        run, report = train_run(
            workspace,
            dataset,
            args.name or dataset.name,
            seed=args.seed,
            seconds=args.seconds,
            curriculum=args.curriculum,
            settings=chosen_settings(args) | ({SHARD: True} if args.shard else {}),
            on_progress=lambda share, values: step(share, ", ".join(f"{k} {v:g}" for k, v in values.items())),
        )
    show.say(f"Run '{run.name}' in {report.seconds:.1f} s, weights {run.weights[:19]}")
    show.table(["figure", "value"], [[k.replace("_", " "), f"{v:,g}"] for k, v in report.figures.items()])
    show.say(f"Next: enigma export {run.name}")


def _start_several(args: argparse.Namespace) -> int:
    """Look for what is wrong here, where it is said once; then start the processes."""
    from trainer_host.students.language.settings import LanguageSettings
    from trainer_host.training.launch import run_together
    from trainer_host.training.run import check_shared

    dataset, show = dataset_for(args), presenter_for()
    check_shared(dataset)
    rows = LanguageSettings.read(chosen_settings(args)).rows
    if rows % args.devices:
        raise DataError(
            f"A step of {rows} rows can't be shared by {args.devices} processes; set --rows to a multiple of "
            f"{args.devices}."
        )
    import torch

    if torch.cuda.is_available() and torch.cuda.device_count() < args.devices:
        raise TrainerError(f"This machine has {torch.cuda.device_count()} GPUs; give --devices no more than that.")
    words = ["-m", "trainer_host.cli", "--home", str(workspace_of(args).home), *train_words(args)]
    words += [f"--devices={args.devices}", *(["--shard"] if args.shard else [])]
    return run_together(args.devices, words, show.warn)


def _one_of_several(args: argparse.Namespace, number: int, count: int) -> None:
    """The first process does all that one alone does; the others compute."""
    from trainer_host.training.launch import Told

    try:
        if number == 0:
            _train(args)
        else:
            _follow(args)
    except TrainerError as error:
        if number == 0:
            raise Told(str(error)) from None
        # The first process most often has the same error and says it; then torchrun ends this one meanwhile.
        time.sleep(_GRACE_SECONDS)
        raise Told(f"{error} (process {number + 1} of {count})") from None
    except RuntimeError:
        # Torch's way to say that another process is gone; then torchrun ends this one too.
        time.sleep(_GRACE_SECONDS)
        raise


def _follow(args: argparse.Namespace) -> None:
    from trainer_host.training.run import SHARD, follow_run

    dataset = dataset_for(args)
    follow_run(
        workspace_of(args),
        dataset,
        args.name or dataset.name,
        seed=args.seed,
        seconds=args.seconds,
        curriculum=args.curriculum,
        settings=chosen_settings(args) | ({SHARD: True} if args.shard else {}),
    )
