"""`enigma teach`: datasets from a teacher: the built-in one, a provider's model, or the local Trainer AI."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, add_seed, command, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import OnStep, Presenter, presenter_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from trainer_host.tasks import Json
    from trainer_host.teacher.budget import Budget
    from trainer_host.teacher.generate import Tally
    from trainer_host.teacher.lesson import Lesson
    from trainer_host.teacher.opening import Opened
    from trainer_host.teacher.teach import LessonResult
    from trainer_host.workspace import Workspace

HOME_DATASET = "home-en"
HOME_EXAMPLES, EXAMPLES = 24_000, 100


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma teach`."""
    made = command(
        commands,
        "teach",
        teach,
        "Let a teacher write verified examples of any of the twelve tasks; without a provider, the built-in one.",
    )
    made.add_argument(
        "--task", action="append", metavar="TASK", help="what to teach; may be repeated, or 'all' (default: robot)"
    )
    made.add_argument(
        "--examples",
        type=int,
        metavar="N",
        help=f"per task (default: {EXAMPLES}; {HOME_EXAMPLES} of the built-in home commands)",
    )
    made.add_argument(
        "--provider",
        metavar="WHO",
        help="openai, anthropic, gemini, ollama, local ... or one that you added with 'enigma keys add' "
        "(default: built-in)",
    )
    made.add_argument(
        "--model", metavar="MODEL", help="default: the provider's cheap one; local: a name or a .gguf file"
    )
    made.add_argument("--key", action="append", metavar="NAME", help="use this stored key; may be repeated")
    made.add_argument("--name", metavar="NAME", help="what the datasets' names begin with")
    made.add_argument(
        "--estimate", action="store_true", help="ask a few examples, say what all would cost, and write nothing"
    )
    made.add_argument("--sample", type=int, default=20, metavar="N", help="examples per task for --estimate (default: 20; 0 asks nothing)")  # fmt: skip
    made.add_argument("--budget", metavar="DOLLARS", help="never spend more than this, resumed runs included")
    made.add_argument(
        "--price", metavar="IN,OUT", help="dollars per million tokens, for a model that isn't in the table"
    )
    made.add_argument("--batch", action="store_true", help="by the provider's batches: half the price, within 24 hours")
    made.add_argument(
        "--resume", action="store_true", help="go on with the last lesson that didn't end, or that of --name"
    )
    made.add_argument("--no-judge", action="store_true", help="don't let the teacher grade what can't be executed")
    made.add_argument("--logprobs", action="store_true", help="ask how likely the answers' pieces were, too; students learn that with them (OpenAI's wire)")  # fmt: skip
    made.add_argument("--keep-personal", action="store_true", help="don't replace what looks like personal data")
    made.add_argument(
        "--option",
        action="append",
        metavar="TASK.NAME=VALUE",
        help="a choice for one task, as in robot.mode=free; may be repeated, see docs/teaching.md",
    )
    made.add_argument("--labels", metavar="FILE", help="the same as --option router.labels=FILE: your own labels, a .csv of label,description")  # fmt: skip
    made.add_argument("--images", metavar="DIR", help="the same as --option vision.images=DIR, or image_gen.images=DIR: your own pictures for the teacher to label or to caption")  # fmt: skip
    made.add_argument("--concurrency", type=int, metavar="N", help="requests open at a time at most")
    made.add_argument("--tokens-per-minute", type=int, metavar="N", help="of each key at most, prompts and answers")
    made.add_argument(
        "--record-prompts",
        action="store_true",
        help="the audit log gets prompts and answers too, without keys and personal data",
    )
    made.add_argument("--ray", metavar="ADDRESS", help="draw, verify and score on this Ray cluster (extra 'scale')")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    add_seed(made)
    made.set_defaults(seed=None)  # so that --resume can tell whether one was given


def teach(args: argparse.Namespace) -> None:
    """Datasets, or an estimate."""
    from trainer_host.teacher.lesson import BUILT_IN, recall

    workspace, show = workspace_of(args), presenter_for()
    if args.json is not None and (args.json.is_dir() or not args.json.absolute().parent.is_dir()):
        raise TrainerError(f"{args.json} can't be written; give --json a file in a folder that exists.")
    if args.resume:
        kept = recall(workspace, args.name, _tasks(args))
        lesson = _resumed(args, kept)
        show.say(
            f"Going on with '{lesson.name}': {', '.join(lesson.tasks)} from {lesson.provider}{_changes(kept, lesson)}."
        )
    else:
        args.seed = 1 if args.seed is None else args.seed
        lesson = _lesson(args)
    if lesson.provider == BUILT_IN and lesson.tasks == ("robot",):
        return _home(args, workspace, show)
    if args.estimate:
        return _estimate(args, workspace, lesson, show)
    result = _give(args, workspace, lesson, show)
    _report(result, show)
    if args.json is not None:
        from trainer_host.workspace import write_atomic

        write_atomic(args.json.absolute(), json.dumps(result.to_json(), indent=1).encode() + b"\n")


def _tasks(args: argparse.Namespace) -> tuple[str, ...] | None:
    """The tasks of the command line, None where it names none."""
    from trainer_host.tasks import TASKS

    return None if args.task is None else TASKS if args.task == ["all"] else tuple(args.task)


def _resumed(args: argparse.Namespace, kept: Lesson) -> Lesson:
    """A lesson that was begun, with what may change on the way; raises `TrainerError` for what may not.

    A command line that says again what the lesson was begun with is fine.
    """
    from trainer_host.teacher.lesson import checked_lesson

    fixed: tuple[tuple[str, object, object], ...] = (
        ("--provider", args.provider, kept.provider),
        ("--seed", args.seed, kept.seed),
        ("--no-judge", args.no_judge or None, not kept.judge),
        ("--keep-personal", args.keep_personal or None, kept.keep_personal),
        ("--logprobs", args.logprobs or None, kept.logprobs),
    )
    options = _options(args, kept.tasks)
    asked = [(name, given, was) for name, given, was in fixed if given is not None and given != was]
    asked += [
        (f"--option {task}.{name}", value, kept.options.get(task, {}).get(name))
        for task, chosen in options.items()
        for name, value in chosen.items()
        if value != kept.options.get(task, {}).get(name)
    ]
    if asked:
        name, given, was = asked[0]
        what = f"{name} can't be changed" if isinstance(given, dict | list | bool) else f"{name} is {was}, not {given}"
        raise TrainerError(
            f"In the lesson '{kept.name}' {what[:200]}; leave it out, or begin another lesson without --resume: "
            "what is asked alike there isn't paid again."
        )
    changed = replace(
        kept,
        budget=args.budget if args.budget is not None else kept.budget,
        model=args.model if args.model is not None else kept.model,
        examples=args.examples if args.examples is not None else kept.examples,
        batch=args.batch or kept.batch,
    )
    return checked_lesson(changed)


def _changes(before: Lesson, after: Lesson) -> str:
    """What a resumed lesson does otherwise, to be said."""
    said = []
    if after.model != before.model:
        said.append(f"model {after.model}, which is asked everything")
    if after.examples != before.examples:
        said.append(f"{after.examples} examples instead of {before.examples}")
    if after.budget != before.budget:
        said.append(f"a budget of {after.budget} dollars")
    if after.batch != before.batch:
        said.append("in batches")
    return f", now with {', '.join(said)}" if said else ""


def _options(args: argparse.Namespace, tasks: tuple[str, ...]) -> dict[str, Json]:
    """`--option`, `--labels` and `--images`."""
    from trainer_host.teacher.options import read_options

    written = list(args.option or ())
    for option, takers, name, value in (
        ("--labels", ("router",), "labels", args.labels),
        ("--images", ("vision", "image_gen"), "images", args.images),
    ):
        if value is None:
            continue
        taking = [task for task in takers if task in tasks]
        if not taking:
            said = f"{option} is for the task{'s' if takers[1:] else ''} {' and '.join(takers)}"
            raise TrainerError(f"{said}; add --task {takers[0]}, or leave it out.")
        written += [f"{task}.{name}={value}" for task in taking]
    return read_options(written)


def _lesson(args: argparse.Namespace) -> Lesson:
    from trainer_host.teacher.lesson import BUILT_IN, Lesson, checked_lesson, lesson_name

    provider = args.provider or BUILT_IN
    tasks = _tasks(args) or ("robot",)
    home = provider == BUILT_IN and tasks == ("robot",)
    options = _options(args, tasks)
    if home and (others := sorted(options.get("robot", {}).keys() - {"pack"})):
        raise TrainerError(f"The built-in teacher has no robot.{others[0]}; name a --provider, or leave it out.")
    examples = args.examples if args.examples is not None else HOME_EXAMPLES if home else EXAMPLES
    name = args.name or (_pack(options) if home else lesson_name(provider))
    if home:
        options = {}  # the pack is the command's own
    made = Lesson(
        name,
        tasks,
        examples,
        provider,
        args.model,
        args.seed,
        budget=args.budget,
        batch=args.batch,
        judge=not args.no_judge,
        keep_personal=args.keep_personal,
        logprobs=args.logprobs,
        options=options,
    )
    return checked_lesson(made)


def _pack(options: dict[str, Json]) -> str:
    """The pack that the built-in teacher is asked for. Raises `TrainerError`."""
    from edge_runtime.tasks.robot import PACKS

    pack = str(options.get("robot", {}).get("pack", HOME_DATASET))
    if pack not in PACKS:
        raise TrainerError(f"There is no pack '{pack[:40]}'; the packs of the task robot are {', '.join(PACKS)}.")
    return pack


def _home(args: argparse.Namespace, workspace: Workspace, show: Presenter) -> None:
    """The built-in teacher of home commands has a way of its own: it labels every word."""
    from trainer_host.commands.quickstart import check_examples
    from trainer_host.quickstart import teach_home, teach_mobile

    if args.estimate:
        show.say("The built-in teacher costs nothing.")
        return
    pack = _pack(_options(args, ("robot",)))
    examples = args.examples if args.examples is not None else HOME_EXAMPLES
    check_examples(examples)
    teach_pack = teach_home if pack == HOME_DATASET else teach_mobile
    with show.working("teaching") as step:
        made = teach_pack(workspace, args.name or pack, examples=examples, seed=args.seed, on_step=step)
    show.say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {made.counts['heldout']:,} held out.")


def _give(args: argparse.Namespace, workspace: Workspace, lesson: Lesson, show: Presenter) -> LessonResult:
    from trainer_host.teacher.lesson import BUILT_IN
    from trainer_host.teacher.teach import give

    if lesson.provider == BUILT_IN:
        with show.working("teaching") as step:
            return give(workspace, lesson, None, ray=args.ray, on_task=_watch(lesson, step, None))
    with _opened(args, workspace, lesson) as found:
        show.say(f"{found.endpoint.provider}/{found.endpoint.model}: {found.price.source}.")
        if not lesson.batch and (waiting := found.in_batches()):
            show.warn(
                f"{waiting} batches of {lesson.provider} are under way; what this lesson asks of them is paid again. "
                "Add --batch to collect them first."
            )
        with show.working("teaching") as step:
            try:
                return give(
                    workspace,
                    lesson,
                    found,
                    ray=args.ray,
                    on_task=_watch(lesson, step, found.budget),
                    on_batch=lambda now: step(
                        now.done / max(1, now.total), f"{now.done}/{now.total} in {now.batches} batches"
                    ),
                )
            except KeyboardInterrupt:
                show.warn(f"stopped; what was answered is kept. Go on with: enigma teach --resume --name {lesson.name}")
                raise


def _opened(args: argparse.Namespace, workspace: Workspace, lesson: Lesson) -> AbstractContextManager[Opened]:
    """What the teacher is made from, as the command line says; raises `TrainerError` for numbers out of range."""
    from trainer_host.teacher.opening import opened
    from trainer_host.teacher.prices import own_price

    if args.concurrency is not None and not 1 <= args.concurrency <= 1000:
        raise TrainerError(f"--concurrency must be from 1 to 1000, not {args.concurrency}.")
    if args.tokens_per_minute is not None and not 1000 <= args.tokens_per_minute <= 10**9:
        raise TrainerError(f"--tokens-per-minute must be from 1000 to 1000000000, not {args.tokens_per_minute}.")
    return opened(
        workspace,
        lesson,
        own_price=own_price(args.price) if args.price is not None else None,
        concurrency=args.concurrency,
        tokens_per_minute=args.tokens_per_minute,
        key_names=tuple(args.key) if args.key else None,
        record_prompts=args.record_prompts,
    )


def _watch(lesson: Lesson, step: OnStep, budget: Budget | None) -> Callable[[str, Tally], None]:
    """Progress in words: accepted and rejected by reason, money spent and left; the bar has the time."""
    from trainer_host.teacher.prices import money

    def on_task(task: str, tally: Tally) -> None:
        share = (lesson.tasks.index(task) + tally.accepted / lesson.examples) / len(lesson.tasks)
        said = [f"{task} {tally.accepted}/{lesson.examples}"]
        said += [f"{count} {reason}" for reason, count in tally.rejected.most_common(2)]
        if budget is None:
            pass
        elif budget.limit is None:  # replies that were in the cache count, too
            said.append(money(None if tally.unpriced else tally.cost))
        else:
            said += [f"{money(budget.spent)} spent", f"{money(budget.left)} left"]
        step(min(1.0, share), ", ".join(said))

    return on_task


def _report(result: LessonResult, show: Presenter) -> None:
    from trainer_host.teacher.prices import money

    rows = []
    for item in result.taught:
        tally = item.tally
        rejected = ", ".join(f"{reason} {count}" for reason, count in tally.rejected.most_common(4))
        begun = tally.accepted + tally.rejected.total()
        rows.append([
            item.dataset.name, f"{tally.accepted:,}", f"{tally.accepted / begun:.0%}", f"{tally.repaired:,}",
            money(None if tally.unpriced else tally.cost), rejected or "none",
        ])  # fmt: skip
    show.table(["dataset", "accepted", "yield", "repaired", "cost", "rejected"], rows)
    if result.batches is not None:
        show.say(result.batches)
    for item in result.taught:
        if item.tally.accepted < result.lesson.examples:
            begun = item.tally.accepted + item.tally.rejected.total()
            more = "all that the pictures give; add some, or try another model" if begun < result.lesson.draws else "a better model gives more"  # fmt: skip
            show.warn(f"{item.task}: {begun} draws gave {item.tally.accepted} examples; {more}.")
        if result.lesson.logprobs and item.tally.soft < item.tally.accepted:
            show.warn(
                f"{item.task}: {item.tally.soft} of {item.tally.accepted} examples have probabilities; they are kept where the "
                "provider gives them and the student's own text stands in the answer, as in chat."
            )
    first = result.taught[0]
    show.say(f"Next: enigma train --task {first.task} --data {first.dataset.name}")


def _estimate(args: argparse.Namespace, workspace: Workspace, lesson: Lesson, show: Presenter) -> None:
    from trainer_host.teacher.lesson import BUILT_IN
    from trainer_host.teacher.sample import estimates

    if lesson.provider == BUILT_IN:
        show.say("The built-in teacher costs nothing.")
        return
    if not 0 <= args.sample <= 100:
        raise TrainerError(f"--sample must be from 0 to 100, not {args.sample}.")
    with _opened(args, workspace, lesson) as found, show.working("asking a sample") as step:
        by_task, total = estimates(lesson, found, args.sample, on_task=lambda task, share: step(share, task))
    for task, one in by_task.items():
        show.say(f"{task}:")
        for sentence in one.sentences():
            show.say(f"  {sentence}")
    if len(by_task) > 1:
        show.say("All together:")
        for sentence in total.sentences():
            show.say(f"  {sentence}")
    if args.json is not None:
        from trainer_host.workspace import write_atomic

        plain = {"tasks": {task: one.plain() for task, one in by_task.items()}, "total": total.plain()}
        write_atomic(args.json.absolute(), json.dumps(plain, indent=1).encode() + b"\n")
