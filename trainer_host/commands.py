"""What each `enigma` command does; cli.py has their options."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from trainer_host.errors import DataError, NotThere, TrainerError
from trainer_host.presentation import presenter_for
from trainer_host.workspace import Workspace, default_home, storage_errors, write_atomic

SHOWN_TEXT = 100


def quickstart(args: argparse.Namespace) -> None:
    """All seven stages, then a prompt on a terminal."""
    from trainer_host.quickstart import home_course, run_quickstart

    _check_examples(args.examples)
    interactive = not args.no_input and sys.stdin is not None and sys.stdin.isatty()
    workspace, show = _workspace(args), presenter_for()
    with storage_errors(workspace.home):
        workspace.home.mkdir(parents=True, exist_ok=True)
        if args.json is not None:
            _check_writable(args.json)
    course = home_course(args.examples, args.seed)

    def write(summary: dict[str, object]) -> None:
        if args.json is not None:
            with storage_errors(args.json):
                write_atomic(args.json.absolute(), json.dumps(summary, indent=1, ensure_ascii=False).encode() + b"\n")

    run_quickstart(workspace, course, show, interactive=interactive, on_summary=lambda made: write(made.to_json()))


def teach(args: argparse.Namespace) -> None:
    """A dataset from the built-in teacher."""
    from trainer_host.quickstart import teach_home

    _check_examples(args.examples)
    show = presenter_for()
    with show.working("teaching") as step:
        made = teach_home(_workspace(args), args.name, examples=args.examples, seed=args.seed, on_step=step)
    show.say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {made.counts['heldout']:,} held out.")


def data_list(args: argparse.Namespace) -> None:
    """All datasets of the home folder."""
    from trainer_host.data import open_dataset

    workspace, show = _workspace(args), presenter_for()
    found = [workspace.data / name for name in workspace.names(workspace.data)]
    made = [open_dataset(folder) for folder in found if (folder / "dataset.json").is_file()]
    if not made:
        show.say(f"There are no datasets in {workspace.data}; make one with 'enigma data import' or 'enigma teach'.")
        return
    rows = [
        [
            item.name,
            item.task,
            item.teacher,
            f"{item.counts['train']:,}",
            f"{item.counts['heldout']:,}",
            item.content[:19],
        ]
        for item in made
    ]
    show.table(["name", "task", "teacher", "train", "held-out", "content"], rows)


def data_show(args: argparse.Namespace) -> None:
    """A dataset's card and some rows of each split."""
    from itertools import islice

    from trainer_host.data import open_dataset

    show = presenter_for()
    made = open_dataset(_workspace(args).dataset(args.name))
    card = [
        ["task", made.task],
        ["teacher", made.teacher],
        ["train", f"{made.counts['train']:,} rows"],
        ["held-out", f"{made.counts['heldout']:,} rows"],
        ["content", made.content],
        ["seed", str(made.seed)],
    ]
    for key, value in {**made.params, **made.figures}.items():
        if value is not None:
            card.append([key.replace("_", " "), _short(value if isinstance(value, str) else json.dumps(value))])
    show.table(["dataset", made.name], card)
    samples = [
        [split, _short(str(row.input.get("text", row.input))), _short(_answer(row.output))]
        for split in ("train", "heldout")
        for row in islice(made.rows(split), max(0, args.rows))
    ]
    if samples:
        show.say("")
        show.table(["split", "text", "answer"], samples)


def data_import(args: argparse.Namespace) -> None:
    """A person's rows as a dataset."""
    from trainer_host.data.transfer import import_rows

    show = presenter_for()
    made = import_rows(
        _workspace(args),
        args.file,
        task=args.task,
        name=args.name or _name_from(args.file),
        seed=args.seed,
        held_out=args.held_out,
        inventory=args.inventory,
        group=args.group,
        columns=_columns(args.column),
    )
    show.say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {made.counts['heldout']:,} held out.")
    if isinstance(labels := made.figures.get("labels"), dict):
        show.table(["label", "rows"], [[str(label), str(count)] for label, count in labels.items()])
    if duplicates := made.figures.get("duplicates"):
        show.warn(f"{duplicates} rows ask the same as earlier ones and were left out.")
    if isinstance(ignored := made.figures.get("ignored_columns"), list):
        show.warn(f"these columns teach nothing and were left out: {', '.join(map(str, ignored))}.")
    show.say(f"Next: enigma train --task {made.task} --data {made.name}")


def data_export(args: argparse.Namespace) -> None:
    """A dataset's rows as a file."""
    from trainer_host.data import open_dataset
    from trainer_host.data.transfer import export_rows

    count = export_rows(open_dataset(_workspace(args).dataset(args.name)), args.file)
    presenter_for().say(f"Wrote {count:,} rows to {args.file}.")


def train(args: argparse.Namespace) -> None:
    """A run of the dataset's student."""
    from trainer_host.data import open_dataset
    from trainer_host.training.run import train_run

    workspace, show = _workspace(args), presenter_for()
    dataset = open_dataset(workspace.dataset(args.data))
    if args.task is not None and args.task != dataset.task:
        raise DataError(f"The dataset '{dataset.name}' teaches the task {dataset.task}, not {args.task}.")
    name = args.name or dataset.name
    with show.working("training") as step:
        run, report = train_run(
            workspace,
            dataset,
            name,
            seed=args.seed,
            seconds=args.seconds,
            on_progress=lambda share, values: step(share, ", ".join(f"{k} {v:g}" for k, v in values.items())),
        )
    show.say(f"Run '{run.name}' in {report.seconds:.1f} s, weights {run.weights[:19]}")
    show.table(["figure", "value"], [[k.replace("_", " "), f"{v:,g}"] for k, v in report.figures.items()])
    show.say(f"Next: enigma export {run.name}")


def export(args: argparse.Namespace) -> None:
    """A run's model files."""
    from trainer_host.compress.files import export_run
    from trainer_host.training.run import dataset_of, open_run

    workspace, show = _workspace(args), presenter_for()
    run = open_run(workspace.run(args.run))
    with show.working("exporting") as step:
        made = export_run(run, dataset_of(workspace, run), step)
    rows = [
        [item.file, f"{item.bytes / 1e6:.2f} MB", f"{item.error:.2g}", ", ".join(_shares(item.weights))]
        for item in made
    ]
    show.table(["file", "size", "largest difference", "weights"], rows)
    show.say(f"Next: enigma gate {run.name}")


def gate(args: argparse.Namespace) -> None:
    """The gate's table, or its refusal."""
    from trainer_host.compress.gate import gate_run
    from trainer_host.training.run import dataset_of, open_run

    workspace, show = _workspace(args), presenter_for()
    if args.rows is not None and args.rows < 1:
        raise TrainerError("--rows must be 1 or more.")
    run = open_run(workspace.run(args.run))
    with show.working("examining") as step:
        report = gate_run(run, dataset_of(workspace, run), rows=args.rows, on_step=step)
    show.table(*report.table())
    for runtime in report.unscored:
        show.warn(
            f"{runtime} isn't installed here, so devices that have only {runtime} won't take this bundle "
            "(see 'The gate' in docs/concepts.md)."
        )
    show.say(f"Next: enigma bundle {run.name}")


def exam(args: argparse.Namespace) -> None:
    """A home specialist's marks on sentences written by hand."""
    from dataclasses import asdict

    from trainer_host.compress.files import exported
    from trainer_host.compress.gate import loaded
    from trainer_host.evaluation import exam_folder, exam_report
    from trainer_host.evaluation.exam import grade, load_exam
    from trainer_host.quickstart import exam_table
    from trainer_host.students import student_for
    from trainer_host.training.run import open_run

    workspace, show = _workspace(args), presenter_for()
    folder = Path(args.sentences) if args.sentences else exam_folder()
    run = open_run(workspace.run(args.run))
    if run.task != "robot":
        raise TrainerError(f"'{run.name}' is of the task {run.task}; an exam of sentences is for the task robot.")
    if folder is None:
        raise TrainerError("The hand-written exam is part of a source checkout; name a folder with --sentences.")
    item = next((item for item in exported(run) if item.precision == "int8"), None)
    if item is None:
        raise TrainerError(f"'{run.name}' has no int8 model yet; run: enigma export {run.name}")
    with loaded(run, student_for(run.task), item, item.runtimes[0]) as specialist:
        report = exam_report(specialist, folder)
        assert report is not None
        show.table(*exam_table(asdict(report)))
        if args.wrong:
            for verdict in grade(*load_exam(folder), specialist.run):
                if not verdict.right:
                    answer = verdict.answer.get("question") or verdict.got or "nothing"
                    show.say(f"{verdict.case.text}\n    wanted {verdict.case.expect or 'nothing'}, got {answer}")


def bundle(args: argparse.Namespace) -> None:
    """A signed bundle."""
    from trainer_host.compress.gate import read_report
    from trainer_host.release.bundle import build_bundle
    from trainer_host.release.keys import signing_key
    from trainer_host.training.run import dataset_of, open_run

    workspace, show = _workspace(args), presenter_for()
    run = open_run(workspace.run(args.run))
    made = build_bundle(
        workspace,
        run,
        dataset_of(workspace, run),
        read_report(run),
        signing_key(workspace),
        name=args.name,
        version=args.version,
        licence=args.licence,
    )
    what = "Wrote" if made.fresh else "The same bundle was there already:"
    show.say(f"{what} {made.path} ({made.bytes / 1e6:.2f} MB, {made.golden} golden vectors)\n{made.address}")
    show.say(f"Next: enigma push {made.path.name.rsplit('-', 1)[0]}")


def push(args: argparse.Namespace) -> None:
    """Deliver a bundle."""
    from trainer_host.release import devices
    from trainer_host.release.bundle import find_bundle

    workspace, show = _workspace(args), presenter_for()
    path = find_bundle(workspace, args.bundle)
    device = devices.device_named(workspace, args.device)
    with show.working("delivering") as step:
        answer = devices.push(device, path, lambda sent, total: step(sent / max(1, total), f"{sent / 1e6:.1f} MB"))
    what = "serves now" if answer.get("changed") else "served already"
    show.say(
        f"{answer.get('specialist')} {answer.get('version')} {what} on '{device.name}' in {answer.get('runtime')}."
    )
    show.say(f'Next: enigma ask {answer.get("specialist")} "..."')


def ask(args: argparse.Namespace) -> None:
    """One answer, or a prompt."""
    from trainer_host import asking
    from trainer_host.data.labelled import read_inventory
    from trainer_host.quickstart import converse
    from trainer_host.release import devices

    workspace, show = _workspace(args), presenter_for()
    device = devices.device_named(workspace, args.device)
    served = {str(model.get("name")): str(model.get("task")) for model in devices.models(device)}
    if args.specialist not in served:
        raise NotThere(f"'{device.name}' has no specialist '{args.specialist}'; it has {', '.join(served) or 'none'}.")
    task = served[args.specialist]
    if not args.text:
        if not sys.stdin.isatty():
            raise TrainerError(f'Say what to ask, as in: enigma ask {args.specialist} "...".')
        converse(workspace, args.specialist, task, show, device.name)
        return
    inventory = read_inventory(args.inventory) if args.inventory else None
    request = asking.make_request(task, " ".join(args.text), args.area, inventory)
    [answer] = devices.ask(device, args.specialist, [request])
    if args.json:
        show.say(json.dumps(answer, indent=1, ensure_ascii=False))
        return
    confidence, took = asking.figures(answer)
    show.say(f"{asking.describe(task, answer)}\n  sure {confidence}, {took}")


def devices_list(args: argparse.Namespace) -> None:
    """The paired devices."""
    from trainer_host.release import devices

    workspace, show = _workspace(args), presenter_for()
    found = devices.known_devices(workspace)
    if not found:
        show.say("No device is paired; run 'enigma-edge pair' on one, then 'enigma devices pair URL CODE'.")
        return
    show.table(["name", "address", "id"], [[device.name, device.url, device.id] for device in found])


def devices_pair(args: argparse.Namespace) -> None:
    """Pair with a device."""
    from trainer_host.release import devices
    from trainer_host.release.keys import signing_key

    workspace = _workspace(args)
    made = devices.pair(workspace, args.url, args.code, args.name, signing_key(workspace))
    presenter_for().say(f"Paired with '{made.name}' ({made.id}); it takes this host's bundles from now on.")


def devices_forget(args: argparse.Namespace) -> None:
    """Forget a device."""
    from trainer_host.release import devices

    gone = devices.forget(_workspace(args), args.name)
    presenter_for().say(
        f"'{gone.name}' is forgotten here; to end its trust, run 'enigma-edge paired' and 'enigma-edge trust' on it."
    )


def keys(args: argparse.Namespace) -> None:
    """The public key."""
    from trainer_host.release.keys import signing_key

    presenter_for().say(signing_key(_workspace(args)).public.hex())


def _workspace(args: argparse.Namespace) -> Workspace:
    chosen: Path | None = getattr(args, "home", None)
    return Workspace((chosen if chosen is not None else default_home()).absolute())


def _check_examples(count: int) -> None:
    if not 1000 <= count <= 1_000_000:
        raise TrainerError(f"--examples must be from 1000 to 1000000, not {count}.")


def _check_writable(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise TrainerError(f"{path} can't be written; give --json a file in a folder that exists.")


def _name_from(file: Path) -> str:
    import re

    return re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")[:64] or "rows"


def _columns(given: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in given:
        field, _, name = item.partition("=")
        if not field or not name:
            raise TrainerError(f"--column takes FIELD=NAME, as in text=Message, not '{item[:60]}'.")
        pairs[field] = name
    return pairs


def _answer(output: dict[str, object]) -> str:
    if "label" in output:
        return str(output["label"])
    return json.dumps({key: value for key, value in output.items() if value}, ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_TEXT else text[: SHOWN_TEXT - 3] + "..."


def _shares(weights: dict[str, int]) -> list[str]:
    total = sum(weights.values()) or 1
    return [f"{kind} {count / total:.0%}" for kind, count in weights.items() if count / total >= 0.01]
