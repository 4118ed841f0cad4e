"""`enigma cloud plan`: a training on a rented machine, as a task file for SkyPilot."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, group, workspace_of
from trainer_host.commands.train import add_options, chosen_settings, dataset_for, train_words
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from trainer_host.workspace import Workspace


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command."""
    actions = group(commands, "cloud", "Train on a rented machine.", "Train on a machine that SkyPilot rents.")
    made = command(actions, "plan", plan, "Write a SkyPilot task file that trains with the same options.")
    add_options(made)
    made.add_argument("--gpus", metavar="KIND:N", help="as in A100:1 or H100:8 (default: a machine without)")
    made.add_argument("--shard", action="store_true", help="the GPUs share the weights too (FSDP2)")
    made.add_argument("--spot", action="store_true", help="a cheaper machine that may be taken away")
    made.add_argument("--bucket", metavar="NAME", help="copy the run into this bucket at the end")
    made.add_argument("--out", type=Path, default=Path("task.yaml"), metavar="FILE", help="default: task.yaml")


def plan(args: argparse.Namespace) -> None:
    """The file, and how to use it."""
    from trainer_host.students import student_of
    from trainer_host.training.cloud import HOME_HERE, HOME_THERE, CloudPlan, gpus_of, task_of, task_yaml
    from trainer_host.workspace import checked_name, storage_errors, write_atomic

    workspace, show = workspace_of(args), presenter_for()
    dataset = dataset_for(args)
    run = checked_name(args.name or dataset.name)
    words = train_words(args)
    if student_of(dataset).family == "language":
        from trainer_host.students.language.settings import LanguageSettings

        LanguageSettings.read(chosen_settings(args))
        if (count := gpus_of(args.gpus)) > 1:
            words += [f"--devices={count}", *(["--shard"] if args.shard else [])]
        elif args.shard:
            raise TrainerError("Only several GPUs can share weights; name them with --gpus, as in A100:8.")
    elif args.shard:
        raise TrainerError(f"A {dataset.task} is trained by one process, which shares no weights; leave out --shard.")
    made = CloudPlan(
        run,
        tuple(words),
        _mounts(workspace, args),
        args.gpus,
        args.spot,
        ("trainer", "llm") if args.lora else ("trainer",),
        args.bucket,
    )
    with storage_errors(args.out):
        write_atomic(args.out, task_yaml(task_of(made)).encode("utf-8"))
    cluster = f"enigma-{run}"
    show.say(f"Wrote {args.out}")
    show.say("Next, in the checkout of Enigma, which is what the machine installs:")
    show.say(f"  sky launch --cluster {cluster} --env {HOME_HERE}={workspace.home} {args.out}")
    if args.bucket is None:
        show.say(f"  rsync -a {cluster}:{HOME_THERE}/runs/{run} {workspace.runs}/")
    show.say(f"  sky down {cluster}")


def _mounts(workspace: Workspace, args: argparse.Namespace) -> tuple[str, ...]:
    """The parts of the home folder that the training reads; raises `TrainerError` for a file from elsewhere."""
    parts = [f"data/{args.data}"]
    if args.old is not None:
        workspace.dataset(args.old)
        parts.append(f"data/{args.old}")
    if args.init is not None:
        if (workspace.runs / args.init / "run.json").is_file():
            parts.append(f"runs/{args.init}")
        elif Path(args.init).expanduser().exists():
            raise TrainerError(
                f"'{args.init[:80]}' lies on this machine alone; train a run that begins with it, and name that run."
            )
    return tuple(parts)
