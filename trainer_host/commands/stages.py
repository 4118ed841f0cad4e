"""The stages behind teaching, one command each: train, export, gate, exam, bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands import device_options, language_export, own_gguf, train
from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from edge_runtime.tasks import Specialist
    from trainer_host.presentation import Presenter

# What a person calls a runtime by, which is the kind of file; and what the gate calls it.
RUNTIMES = {"onnx": ("onnxruntime",), "tflite": ("ai-edge-litert", "tflite-runtime"), "gguf": ("xllamacpp",)}


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma train`, `export`, `gate`, `exam` and `bundle`."""
    train.add(commands)
    made = command(commands, "export", export, "Write a run's model files: ONNX and TFLite, fp32 and int8.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made.add_argument(
        "--scales-of",
        metavar="RUN",
        help="round with this run's scales, so that devices with its bundle get a small difference; own for its own "
        "(default: those of the run that it began with)",
    )
    device_options.add_options(made)
    language_export.add_options(made)
    language_export.add_upload(commands)
    made = command(commands, "gate", gate, "Examine a run's model files in each runtime that will run them.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made.add_argument("--rows", type=int, metavar="N", help="examine with this many held-out rows (default: all)")
    made = command(commands, "compare", compare, "Examine models of one task on the same rows, side by side.")
    made.add_argument("runs", nargs="+", metavar="RUN", help="two or more exported runs")
    made.add_argument("--data", metavar="NAME", help="examine on this dataset (default: that of the first run)")
    made.add_argument("--rows", type=int, metavar="N", help="with this many held-out rows (default: the task's)")
    made = command(commands, "exam", exam, "Examine a home specialist on sentences written by hand, beside hassil.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made.add_argument("--sentences", metavar="FOLDER", help="cases.jsonl and homes/ (default: the project's own exam)")
    made.add_argument("--wrong", action="store_true", help="list the sentences that it got wrong")
    made = command(
        commands, "bundle", bundle, "Make a signed bundle of a run that passed the gate, or of a .gguf file."
    )
    made.add_argument("run", metavar="RUN", help="the run's name, or a .gguf file that you bring (FILE.gguf)")
    made.add_argument("--name", metavar="NAME", help="of the specialist (default: the run's or the file's name)")
    made.add_argument("--version", metavar="X.Y.Z", help="default: the next one where the content is new")
    made.add_argument("--licence", metavar="ID", help="default: Apache-2.0, and of a .gguf file what it says")
    made.add_argument(
        "--runtime", choices=tuple(RUNTIMES), help="for devices with this alone (default: all that passed)"
    )
    own_gguf.add_options(made)
    device_options.add_draft(made)


def export(args: argparse.Namespace) -> None:
    """A run's model files."""
    if args.format is not None:
        language_export.export_for_others(args)
        return
    from trainer_host.compress.files import export_run, scales_of
    from trainer_host.training.run import dataset_of, open_run

    workspace, show = workspace_of(args), presenter_for()
    run = open_run(workspace.run(args.run))
    with show.working("exporting") as step:
        options = device_options.chosen_options(args)
        dataset = dataset_of(workspace, run)
        made = export_run(run, dataset, step, options, adapter=args.adapter, scales_of=args.scales_of)
    rows = [
        [item.file, f"{item.bytes / 1e6:.2f} MB", f"{item.error:.2g}", ", ".join(_shares(item.weights))]
        for item in made
    ]
    show.table(["file", "size", "largest difference", "weights"], rows)
    if (base := scales_of(run)) is not None:
        show.say(f"Rounded with the scales of '{base}', so that devices which have it get a small difference.")
    show.say(f"Next: enigma gate {run.name}")


def gate(args: argparse.Namespace) -> None:
    """The gate's table, or its refusal."""
    from trainer_host.compress.files import scales_of
    from trainer_host.compress.gate import gate_run
    from trainer_host.training.run import dataset_of, open_run

    workspace, show = workspace_of(args), presenter_for()
    if args.rows is not None and args.rows < 1:
        raise TrainerError("--rows must be 1 or more.")
    run = open_run(workspace.run(args.run))
    base = scales_of(run)
    with show.working("examining") as step:
        report = gate_run(run, dataset_of(workspace, run), rows=args.rows, on_step=step)
    show.table(*report.table())
    if scales_of(run) != base:
        show.say(f"With the scales of '{base}' it was outside the limits, so it was exported again with its own.")
    if not any(score.accuracy for score in report.scores):
        show.warn(
            "none of the held-out answers is right, before or after rounding; the gate only says that rounding costs "
            "nothing. Train it longer, or with more rows."
        )
    for runtime in report.unscored:
        show.warn(
            f"{runtime} isn't installed here, so devices that have only {runtime} won't take this bundle "
            "(see 'The gate' in docs/concepts.md)."
        )
    show.say(f"Next: enigma bundle {run.name}")


def compare(args: argparse.Namespace) -> None:
    """A table, and whether the models differ by more than chance."""
    from trainer_host.data import open_dataset
    from trainer_host.evaluation.compare import compare as examine
    from trainer_host.evaluation.compare import differ
    from trainer_host.training.run import dataset_of, open_run

    workspace, show = workspace_of(args), presenter_for()
    if args.rows is not None and args.rows < 1:
        raise TrainerError("--rows must be 1 or more.")
    runs = [open_run(workspace.run(name)) for name in args.runs]
    dataset = open_dataset(workspace.dataset(args.data)) if args.data else dataset_of(workspace, runs[0])
    with show.working("examining") as step:
        made = examine(runs, dataset, rows=args.rows, on_step=step)
    speaks = any(one.tokens_per_second is not None for one in made)
    extra = sorted({key for one in made for key in one.figures if key.startswith(("accuracy_", "perplexity"))})
    show.table(
        [
            "run",
            "file",
            "MB",
            "acc. %",
            "+-",
            "p50 ms",
            *(["tok/s"] if speaks else []),
            *(key.removeprefix("accuracy_") for key in extra),
        ],
        [
            [
                one.run,
                one.file,
                f"{one.bytes / 1e6:.2f}",
                f"{one.accuracy * 100:.2f}",
                f"{one.margin * 100:.2f}",
                f"{one.p50_ms:.2f}",
                *([f"{one.tokens_per_second or 0:.1f}"] if speaks else []),
                *(f"{one.figures.get(key, float('nan')):.3f}" for key in extra),
            ]
            for one in made
        ],
    )
    best = max(made, key=lambda one: one.accuracy)
    for one in made:
        if one is not best:
            said = "is better than" if differ(best, one) else "shows no difference beyond chance from"
            show.say(f"{best.run} {said} {one.run} ({best.rows} rows, 95 %).")


def exam(args: argparse.Namespace) -> None:
    """A home specialist's marks on sentences written by hand."""
    from dataclasses import asdict

    from edge_runtime.mobile.lexicon import PACK
    from trainer_host.compress.files import exported
    from trainer_host.compress.gate import loaded
    from trainer_host.evaluation import exam_folder, exam_report, mobile_exam
    from trainer_host.evaluation.exam import grade, load_exam
    from trainer_host.quickstart import exam_table
    from trainer_host.students import student_of
    from trainer_host.students.robot import pack_of_run
    from trainer_host.training.run import open_run

    workspace, show = workspace_of(args), presenter_for()
    run = open_run(workspace.run(args.run))
    mobile = run.task == "robot" and pack_of_run(run.folder) == PACK
    own = mobile_exam.exam_folder() if mobile else exam_folder()
    folder = Path(args.sentences) if args.sentences else own
    if run.task != "robot":
        raise TrainerError(f"'{run.name}' is of the task {run.task}; an exam of sentences is for the task robot.")
    if folder is None:
        raise TrainerError("The hand-written exam is part of a source checkout; name a folder with --sentences.")
    item = next((item for item in exported(run) if item.precision == "int8"), None)
    if item is None:
        raise TrainerError(f"'{run.name}' has no int8 model yet; run: enigma export {run.name}")
    with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
        if mobile:
            return _mobile_exam(specialist, folder, args.wrong, show)
        report = exam_report(specialist, folder)
        assert report is not None
        show.table(*exam_table(asdict(report)))
        if args.wrong:
            for verdict in grade(*load_exam(folder), specialist.run):
                if not verdict.right:
                    answer = verdict.answer.get("question") or verdict.got or "nothing"
                    show.say(f"{verdict.case.text}\n    wanted {verdict.case.expect or 'nothing'}, got {answer}")


def _mobile_exam(specialist: Specialist, folder: Path, wrong: bool, show: Presenter) -> None:
    """The same for pack `robot-en`, beside keyword matching."""
    from trainer_host.evaluation import mobile_exam
    from trainer_host.evaluation.exam import percent

    cases = mobile_exam.load(folder)
    rows = []
    for who, answer in (("this specialist", specialist.run), ("keyword matching", mobile_exam.keywords)):
        found = mobile_exam.grade(cases, answer)
        shares = [percent(found.get(key)) for key in ("accuracy", "easy", "hard", "moved_wrongly")]
        rows.append([f"{who}, {len(cases)} sentences", *shares])
    show.table(["who", "all", "easy", "hard", "moves, must not"], rows)
    for case in cases if wrong else ():
        got = specialist.run(case.request)
        if not mobile_exam.right(case, got):
            wanted = case.calls or ("a question" if case.asks else "nothing")
            show.say(f"{case.request['text']}\n    wanted {wanted}, got {got['question'] or got['calls'] or 'nothing'}")


def bundle(args: argparse.Namespace) -> None:
    """A signed bundle."""
    from trainer_host.compress.gate import read_report
    from trainer_host.release.bundle import build_bundle
    from trainer_host.release.keys import signing_key
    from trainer_host.training.run import dataset_of, open_run

    if args.run.endswith(".gguf"):
        own_gguf.bundle(args)
        return
    own_gguf.refuse_options(args)
    workspace, show = workspace_of(args), presenter_for()
    run = open_run(workspace.run(args.run))
    report = read_report(run)
    if args.runtime is not None:
        report = report.only(*RUNTIMES[args.runtime])
        if not report.chosen():
            raise TrainerError(
                f"No {args.runtime} file of '{run.name}' passed the gate; export one, and run: enigma gate {run.name}"
            )
    made = build_bundle(
        workspace,
        run,
        dataset_of(workspace, run),
        report,
        signing_key(workspace),
        name=args.name,
        version=args.version,
        licence=args.licence or "Apache-2.0",
        draft=device_options.examined_draft(args, run, report),
    )
    what = "Wrote" if made.fresh else "The same bundle was there already:"
    show.say(f"{what} {made.path} ({made.bytes / 1e6:.2f} MB, {made.golden} golden vectors)\n{made.address}")
    show.say(f"Next: enigma push {made.path.name.rsplit('-', 1)[0]}")


def _shares(weights: dict[str, int]) -> list[str]:
    total = sum(weights.values()) or 1
    return [f"{kind} {count / total:.0%}" for kind, count in weights.items() if count / total >= 0.01]
