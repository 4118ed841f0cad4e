"""`enigma tune`: a language model learns on from preferences, from thumbs, or from what its task's verifier says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer_host.commands.options import Commands, add_seed, command, finite, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from trainer_host.training.run import Run


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command."""
    made = command(commands, "tune", tune, "Let a language model learn on, from preferences, thumbs or its verifier.")
    made.add_argument("run", metavar="RUN", help="the run that is tuned; it stays as it is")
    made.add_argument("--to", required=True, metavar="NAME", help="the new run")
    made.add_argument(
        "--pairs", type=Path, metavar="FILE", help="preferences: a .jsonl of prompt, chosen, rejected (DPO)"
    )
    made.add_argument(
        "--thumbs",
        type=Path,
        metavar="FILE",
        help="answers found good or bad: a .jsonl of prompt, completion, label (KTO)",
    )
    made.add_argument("--reward", action="store_true", help="its own answers, judged by the task's verifier (GRPO)")
    made.add_argument("--author", required=True, metavar="WHO", help="who makes it; and who made the first, if unknown")
    made.add_argument("--licence", default="Apache-2.0", metavar="ID", help="default: Apache-2.0")
    made.add_argument("--rate", type=finite, metavar="X", help="the highest learning rate (default: 1e-4)")
    made.add_argument(
        "--beta", type=finite, metavar="X", help="how dear it is to leave the first model (default: 0.1; reward: 0)"
    )
    made.add_argument("--epochs", type=int, metavar="N", help="pairs, thumbs: show them N times (default: 1)")
    made.add_argument(
        "--keep", type=finite, metavar="X", help="pairs, thumbs: weight of the good answers' own likelihood"
    )
    made.add_argument("--steps", type=int, metavar="N", help="reward: steps (default: 100)")
    made.add_argument("--group", type=int, metavar="N", help="reward: answers to each question (default: 8)")
    add_seed(made)


def tune(args: argparse.Namespace) -> None:
    """A tuned run."""
    if (args.pairs is not None) + (args.thumbs is not None) + args.reward != 1:
        raise TrainerError("Say what it learns from: --pairs FILE, --thumbs FILE or --reward, one of them.")
    _check(args)
    from trainer_host.training.preference import DpoSettings
    from trainer_host.training.rewards import GrpoSettings
    from trainer_host.training.run import open_run
    from trainer_host.training.tune import like_run, prefer_run, reward_run
    from trainer_host.training.unpaired import KtoSettings

    workspace, show = workspace_of(args), presenter_for()
    run = open_run(workspace.run(args.run))
    names = ("rate", "beta", "steps", "group") if args.reward else ("rate", "beta", "epochs", "keep")
    given: dict[str, Any] = {name: value for name in names if (value := getattr(args, name)) is not None}
    credit = {"author": args.author, "licence": args.licence}
    made: Run
    figures: dict[str, float]
    with show.working("tuning") as step:

        def on_progress(share: float, values: dict[str, float]) -> None:
            step(share, ", ".join(f"{key} {value:.3g}" for key, value in values.items()))

        if args.pairs is not None:
            settings = DpoSettings(seed=args.seed, **given)
            made, figures = prefer_run(workspace, run, args.pairs, args.to, settings, on_progress=on_progress, **credit)
        elif args.thumbs is not None:
            liked = KtoSettings(seed=args.seed, **given)
            made, figures = like_run(workspace, run, args.thumbs, args.to, liked, on_progress=on_progress, **credit)
        else:
            rewarded = GrpoSettings(seed=args.seed, **given)
            made, figures = reward_run(workspace, run, args.to, rewarded, on_progress=on_progress, **credit)
    show.say(f"Run '{made.name}', weights {made.weights[:19]}")
    show.table(["figure", "value"], [[key, f"{value:,g}"] for key, value in figures.items()])
    if figures.get("stopped"):
        show.warn("It went too far from the first model, so the last good weights were kept; try a lower --rate.")
    show.say(f"Next: enigma export {made.name}")


def _check(args: argparse.Namespace) -> None:
    other = ("epochs", "keep") if args.reward else ("steps", "group")
    for name in other:
        if getattr(args, name) is not None:
            raise TrainerError(
                f"--{name} is for {'--pairs and --thumbs' if args.reward else '--reward'}; leave it out."
            )
    for name, least, most in (("epochs", 1, 100), ("steps", 1, 100_000), ("group", 2, 64)):
        value = getattr(args, name)
        if value is not None and not least <= value <= most:
            raise TrainerError(f"--{name} must be a whole number from {least} to {most}.")
    for name, highest in (("rate", 1.0), ("beta", 10.0), ("keep", 10.0)):
        value = getattr(args, name)
        if value is not None and not 0 < value <= highest:
            raise TrainerError(f"--{name} must be above 0 and at most {highest:g}.")
