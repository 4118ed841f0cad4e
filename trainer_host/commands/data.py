"""`enigma data`: list, show, import and export datasets."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from trainer_host.commands.options import Commands, add_seed, command, group, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

IMPORTED_TASKS = ("robot", "router")
SHOWN_TEXT = 100


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma data` and its actions."""
    actions = group(commands, "data", "List, show, import and export datasets.", "Datasets.")
    command(actions, "list", data_list, "List the datasets.")
    made = command(actions, "show", data_show, "Show a dataset's figures and some of its rows.")
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument("--rows", type=int, default=5, metavar="N", help="how many rows to show (default: 5)")
    made = command(actions, "import", data_import, "Make a dataset out of your own labelled rows.")
    made.add_argument("file", type=Path, metavar="FILE", help="a .csv with a header, or a .jsonl")
    made.add_argument("--task", required=True, choices=IMPORTED_TASKS, help="what the rows teach")
    made.add_argument("--name", metavar="NAME", help="of the dataset (default: the file's name)")
    made.add_argument(
        "--held-out", type=float, default=0.2, metavar="SHARE", help="kept for the examination (default: 0.2)"
    )
    made.add_argument("--group", metavar="FIELD", help="rows with equal values here stay on one side of the split")
    made.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=NAME",
        help="what your file calls a field, as in text=Message; may be repeated",
    )
    made.add_argument("--inventory", type=Path, metavar="FILE", help="robot: the home of rows that name none (JSON)")
    add_seed(made)
    made = command(actions, "export", data_export, "Write a dataset's rows to a .csv or .jsonl file.")
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument("file", type=Path, metavar="FILE", help="ends in .csv or .jsonl")


def data_list(args: argparse.Namespace) -> None:
    """All datasets of the home folder."""
    from trainer_host.data import open_dataset

    workspace, show = workspace_of(args), presenter_for()
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
    made = open_dataset(workspace_of(args).dataset(args.name))
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
        workspace_of(args),
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

    count = export_rows(open_dataset(workspace_of(args).dataset(args.name)), args.file)
    presenter_for().say(f"Wrote {count:,} rows to {args.file}.")


def _name_from(file: Path) -> str:
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
