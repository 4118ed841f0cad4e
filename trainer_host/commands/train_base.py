"""`enigma train-base`: a small language model from nothing, of the texts that every machine has or of a person's."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands import train
from trainer_host.commands.options import Commands, add_seed, command, finite, workspace_of
from trainer_host.errors import DataError, TrainerError
from trainer_host.presentation import presenter_for
from trainer_host.workspace import checked_name

if TYPE_CHECKING:
    from trainer_host.data.dataset import Dataset
    from trainer_host.presentation import Presenter

MINUTES = 8.0
MOST_MEGABYTES = 2_000.0  # held in memory, about four times over
# Bytes that a token stands for in such texts, by the vocabulary's size (measured, see docs/log.md); only plans need it.
_BYTES_PER_TOKEN = {2048: 2.5, 4096: 2.9, 8192: 3.3, 16384: 3.6, 32768: 3.9}
_CORES = 2  # that a plan counts on
_SETTINGS = ("size", "context", "epochs", "rate", "rows", "schedule")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command."""
    made = command(
        commands, "train-base", train_base, "Train a base language model on plain texts, for others to begin with."
    )
    made.add_argument("--size", metavar="SIZE", default="tiny", help="nano, micro, tiny, small ... (default: tiny)")
    made.add_argument(
        "--text",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="your texts; may be repeated (default: Python's sources, packages' docs, manual pages, /usr/share/doc)",
    )
    made.add_argument("--out", metavar="NAME", help="of the run and its dataset (default: base-SIZE)")
    made.add_argument("--epochs", type=finite, default=1.0, metavar="N", help="show each text N times (default: 1)")
    made.add_argument(
        "--minutes",
        type=finite,
        metavar="N",
        help=f"take as much text as two cores of a small computer learn in N minutes (default: {MINUTES:g})",
    )
    made.add_argument("--megabytes", type=finite, metavar="N", help="take this much text, however long that takes")
    add_seed(made)
    made.add_argument("--context", type=int, metavar="N", help="most tokens of a text (default: the size's)")
    made.add_argument("--rate", type=finite, metavar="X", help="the highest learning rate (default: by the size)")
    made.add_argument("--rows", type=int, metavar="N", help="packed rows per step (default: by context and machine)")
    made.add_argument(
        "--schedule", choices=("cosine", "wsd"), default="wsd", help="of the learning rate (default: wsd)"
    )
    made.add_argument("--devices", type=int, metavar="N", help="train in N processes, one per GPU or processor")
    made.add_argument("--shard", action="store_true", help="they share the weights too (FSDP2)")


def train_base(args: argparse.Namespace) -> int | None:
    """Gather the texts as a dataset, then train on it as `enigma train` does."""
    show = presenter_for()
    name = checked_name(args.out or f"base-{args.size}")
    train.check_devices(args.devices)
    dataset = _gathered(args, name, show)
    words = ["--data", name, "--name", name, f"--seed={args.seed}"]
    words += [f"--{key}={value}" for key in _SETTINGS if (value := getattr(args, key)) is not None]
    words += [f"--devices={args.devices}"] if args.devices is not None else []
    words += ["--shard"] if args.shard else []
    parser = argparse.ArgumentParser()
    train.add_all(parser)
    given = parser.parse_args(words)
    given.home = workspace_of(args).home
    show.say(f"Training on '{dataset.name}'; if it is cut short: enigma train {shlex.join(words)}")
    return train.train(given)


def _gathered(args: argparse.Namespace, name: str, show: Presenter) -> Dataset:
    """The texts as a dataset, and what of them was taken."""
    from trainer_host.data.text_corpus import gather, make_dataset
    from trainer_host.data.text_sources import folder_sources, machine_sources
    from trainer_host.students.language.settings import LanguageSettings

    settings = {key: value for key in _SETTINGS if (value := getattr(args, key)) is not None}
    LanguageSettings.read(settings)  # what is wrong is told before the work
    most = _bytes_planned(args)
    with show.working("reading") as step:
        sources = folder_sources(args.text) if args.text else machine_sources()
        corpus = gather(sources, most, args.seed, step)
    params: dict[str, object] = {
        "from": sorted({source.kind for source in sources}),
        "most_bytes": most,
        "seed": args.seed,
    }
    dataset = make_dataset(workspace_of(args), name, corpus, seed=args.seed, params=params)
    sizes = [sum(text.bytes for text in texts) / 1e6 for texts in (corpus.train, corpus.held_out)]
    show.say(
        f"{len(corpus.train):,} texts to learn ({sizes[0]:.2f} MB), {len(corpus.held_out):,} held out "
        f"({sizes[1]:.2f} MB)" + (", and there is more: --minutes or --megabytes takes it." if corpus.more else ".")
    )
    kinds = sorted({text.kind for text in corpus.train})
    rows = [
        [kind, f"{len(some):,}", f"{sum(text.bytes for text in some) / 1e6:.2f}"]
        for kind in kinds
        for some in [[text for text in corpus.train if text.kind == kind]]
    ]
    show.table(["learnt from", "texts", "MB"], rows)
    return dataset


def _bytes_planned(args: argparse.Namespace) -> int:
    """How much text is taken. By minutes: what two of a small computer's cores learn in them, at any speed of this one."""
    from trainer_host.students.language.config import sized
    from trainer_host.training.schedule import PLANNED_RATE

    if args.minutes is not None and args.megabytes is not None:
        raise TrainerError("--minutes and --megabytes both say how much text is taken; give one of them.")
    if args.megabytes is not None:
        if not 0 < args.megabytes <= MOST_MEGABYTES:
            raise TrainerError(f"--megabytes must be above 0 and at most {MOST_MEGABYTES:g}.")
        return int(args.megabytes * 1e6)
    minutes = MINUTES if args.minutes is None else args.minutes
    if not 0 < minutes <= 100_000:
        raise TrainerError("--minutes must be above 0.")
    config = sized(args.size)
    tokens = PLANNED_RATE * _CORES * 60 * minutes / (3 * config.parameters)
    size = next((size for limit, size in _BYTES_PER_TOKEN.items() if config.vocabulary <= limit), 3.9)
    most = min(int(tokens * size / args.epochs), int(MOST_MEGABYTES * 1e6))
    if most < 20_000:
        raise DataError(
            f"In {minutes:g} minutes a model of {config.parameters / 1e6:,.0f} million parameters learns next to nothing; "
            "give more --minutes, or --megabytes, or choose a smaller --size."
        )
    return most
