"""`enigma data`: list, show, import and export datasets."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands import captions, frames, own_voice, prefer, record, sounds, unsure
from trainer_host.commands.options import Commands, add_seed, command, finite, group, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import Presenter, presenter_for, tell_left_out

if TYPE_CHECKING:
    from trainer_host.data.contamination import Hit
    from trainer_host.data.dataset import Dataset
    from trainer_host.workspace import Workspace

SHOWN_TEXT = 100
SHOWN_ANSWERS = 20
TABLES = (".csv", ".jsonl")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma data` and its actions."""
    actions = group(commands, "data", "List, show, import, mend, mix and export datasets.", "Datasets.")
    command(actions, "list", data_list, "List the datasets.")
    made = command(actions, "show", data_show, "Show a dataset's figures and some of its rows.")
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument("--rows", type=int, default=5, metavar="N", help="how many rows to show (default: 5)")
    made = command(actions, "import", data_import, "Make a dataset out of your own labelled rows.")
    made.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a .csv with a header, a .jsonl, a folder with a .csv of picture, question, answer or of picture, caption, of pictures and films in "
        "LABEL/ folders, of WAVs there or in a .csv of file, label or of file, text, or of frames and an actions.csv of frame, action",
    )
    made.add_argument(
        "--task",
        metavar="TASK",
        help="what the rows teach: one of the twelve (a folder's: vision, of WAVs wake_word, of captions image_gen)",
    )
    made.add_argument("--sheet", type=Path, metavar="PNG", help="a folder's: where to show some of each label")
    sounds.add_options(made)
    own_voice.add_options(made)
    made.add_argument("--scrub", action="store_true", help="replace what looks like personal data")
    made.add_argument("--name", metavar="NAME", help="of the dataset (default: the file's name)")
    made.add_argument(
        "--held-out", type=finite, default=0.2, metavar="SHARE", help="kept for the examination (default: 0.2)"
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
    made = command(actions, "report", data_report, "Write a dataset's card, plots and samples as one HTML page.")
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument("file", type=Path, metavar="FILE", help="ends in .html")
    _against(made)
    made = command(
        actions, "check", data_check, "Find training rows that an examination holds too; exit code 1 for any."
    )
    made.add_argument("name", metavar="NAME", help="of the dataset")
    _against(made)
    made = command(actions, "filter", data_filter, "Make a dataset of the rows that are good enough.")
    _to(made)
    made.add_argument("--least", type=finite, default=0.5, metavar="SCORE", help="from 0 to 1 (default: 0.5)")
    made.add_argument("--dropped", action="store_true", help="list the rows that are left out, with the reasons")
    made = command(actions, "scrub", data_scrub, "Make a dataset without personal data.")
    _to(made)
    made.add_argument("--presidio", action="store_true", help="find names and places too (extra 'pii')")
    made = command(actions, "augment", data_augment, "Make a dataset with variations of its training rows.")
    _to(made)
    made.add_argument("--times", type=int, default=1, metavar="N", help="variations of each row (default: 1)")
    made.add_argument("--kind", metavar="KIND", help="texts: slips, plain, spoken or misheard (default: mixed)")
    add_seed(made)
    made = command(actions, "mix", data_mix, "Make one dataset of several of the same task.")
    made.add_argument("names", nargs="+", metavar="NAME", help="two or more datasets")
    made.add_argument("--to", required=True, metavar="NAME", help="the new dataset")
    prefer.add(actions)
    unsure.add(actions)
    record.add(actions)
    made = command(
        actions,
        "teaching",
        data_teaching,
        "Make chats of what a teacher was asked and answered, for a Trainer AI of yours.",
    )
    made.add_argument("names", nargs="+", metavar="NAME", help="datasets that a model taught, with --provider")
    made.add_argument("--to", required=True, metavar="NAME", help="the new dataset, of the task chat")
    add_seed(made)
    made = command(actions, "combine", data_combine, "Make one dataset of several tasks, for one model that does all.")
    made.add_argument("names", nargs="+", metavar="NAME", help="two or more datasets of different tasks")
    made.add_argument("--to", required=True, metavar="NAME", help="the new dataset")


def _against(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="EXAM",
        help="a .jsonl of cases with a text, or a dataset's name; may be repeated (default: its own held-out rows)",
    )


def _to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the dataset")
    parser.add_argument("--to", metavar="NAME", help="the new dataset (default: this one is replaced)")


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
    from trainer_host.data.picture_questions import question_table
    from trainer_host.data.transfer import import_rows

    show = presenter_for()
    if not args.file.exists():
        raise TrainerError(f"There is no file or folder {args.file}.")
    if (table := own_voice.table_in(args, _columns(args.column))) is not None:
        named = args.file if args.file.is_file() else args.file.absolute()
        own_voice.import_recordings(args, table, args.name or _name_from(named), _columns(args.column), show)
        return
    if sounds.are_sounds(args, _columns(args.column)):
        sounds.import_sounds(args, args.name or _name_from(args.file.absolute()), _columns(args.column), show)
        return
    asked = question_table(args.file, _columns(args.column)) if args.task in (None, "vision") else None
    if asked is not None:
        _import_questions(args, asked, show)
        return
    if (table := captions.captions_in(args, _columns(args.column))) is not None:
        named = args.file if args.file.is_file() else args.file.absolute()
        captions.import_captioned(args, table, args.name or _name_from(named), _columns(args.column), show)
        return
    if args.task == frames.TASK and args.file.is_dir():
        frames.import_recorded(args, args.name or _name_from(args.file.absolute()), show)
        return
    if args.file.is_dir():
        _import_pictures(args, show)
        return
    if args.sheet is not None:
        raise TrainerError("--sheet is for folders of pictures or sounds; leave it out.")
    if args.file.suffix.lower() not in TABLES:
        raise TrainerError(
            f"{args.file.name} is no {' or '.join(TABLES)}; pictures and sounds are given by their folder."
        )
    if args.task is None:
        raise TrainerError("Say what the rows teach, as in --task router.")
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
        scrub=args.scrub,
    )
    show.say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {made.counts['heldout']:,} held out.")
    if isinstance(labels := made.figures.get("labels"), dict):
        show.table(["label", "rows"], [[str(label), str(count)] for label, count in labels.items()])
    if duplicates := made.figures.get("duplicates"):
        show.warn(f"{duplicates} rows ask the same as earlier ones and were left out.")
    if isinstance(ignored := made.figures.get("ignored_columns"), list):
        show.warn(f"these columns teach nothing and were left out: {', '.join(map(str, ignored))}.")
    show.say(f"Next: enigma train --task {made.task} --data {made.name}")


def _import_pictures(args: argparse.Namespace, show: Presenter) -> None:
    """A folder with a folder of pictures for each label."""
    from trainer_host.data.pictures import import_pictures

    if args.task not in (None, "vision"):
        raise TrainerError(f"A folder of pictures teaches vision, not {args.task}; name a file of rows.")
    name = args.name or _name_from(args.file.absolute())
    sheet = args.sheet or Path(f"{name}.png")
    with show.working("reading pictures"):
        made = import_pictures(
            workspace_of(args), args.file, name=name, seed=args.seed, held_out=args.held_out, sheet=sheet
        )
    counts = made.dataset.counts
    show.say(f"Dataset '{made.dataset.name}': {counts['train']:,} pictures to train, {counts['heldout']:,} held out.")
    show.table(["label", "pictures"], [[label, str(count)] for label, count in made.counts.items()])
    for reason, count in made.refused.items():
        tell_left_out(show, "file", count, reason, made.first[reason])
    if made.duplicates:
        show.warn(f"{made.duplicates} pictures look the same as others with their label and were left out.")
    sounds.tell_doubts(["look at", "label", "why"], [[each.file, each.label, each.why] for each in made.doubts], show)
    show.say(f"Some of each label, doubtful ones framed: {sheet}")
    show.say(f"Next: enigma train --task vision --data {made.dataset.name}")


def _import_questions(args: argparse.Namespace, table: Path, show: Presenter) -> None:
    """A table of pictures, questions and answers."""
    from trainer_host.data.picture_questions import import_questions

    if args.sheet is not None:
        raise TrainerError("--sheet is for pictures in folders named by their labels; leave it out.")
    named = args.file if args.file.is_file() else args.file.absolute()
    with show.working("reading pictures"):
        made = import_questions(
            workspace_of(args),
            table,
            name=args.name or _name_from(named),
            seed=args.seed,
            held_out=args.held_out,
            columns=_columns(args.column),
        )
    counts = made.dataset.counts
    show.say(
        f"Dataset '{made.dataset.name}': {counts['train']:,} questions to train, {counts['heldout']:,} held out, about "
        f"{made.pictures:,} pictures."
    )
    show.table(
        ["answer", "questions"], [[answer, str(count)] for answer, count in made.answers.items()][:SHOWN_ANSWERS]
    )
    for reason, (count, line) in made.refused.items():
        tell_left_out(show, "row", count, reason, f"the first in line {line}")
    if made.duplicates:
        show.warn(f"{made.duplicates} rows ask the same about the same picture as earlier ones and were left out.")
    if made.contradictions:
        show.warn(f"{made.contradictions} questions are answered in two ways about one picture and were left out.")
    show.say(f"Next: enigma train --task vision --data {made.dataset.name}")


def data_export(args: argparse.Namespace) -> None:
    """A dataset's rows as a file."""
    from trainer_host.data import open_dataset
    from trainer_host.data.transfer import export_rows

    count = export_rows(open_dataset(workspace_of(args).dataset(args.name)), args.file)
    presenter_for().say(f"Wrote {count:,} rows to {args.file}.")


def data_report(args: argparse.Namespace) -> None:
    """A page."""
    from trainer_host.data import open_dataset
    from trainer_host.data.report import report
    from trainer_host.workspace import storage_errors, write_atomic

    if args.file.suffix != ".html":
        raise TrainerError(f"{args.file.name} must end in .html.")
    workspace = workspace_of(args)
    dataset = open_dataset(workspace.dataset(args.name))
    page = report(dataset, _contaminated(workspace, dataset, args.against))
    with storage_errors(args.file):
        write_atomic(args.file.absolute(), page.encode("utf-8"))
    presenter_for().say(f"Wrote {args.file}; open it in any browser.")


def data_check(args: argparse.Namespace) -> int:
    """What an examination holds too."""
    from trainer_host.data import open_dataset

    workspace, show = workspace_of(args), presenter_for()
    dataset = open_dataset(workspace.dataset(args.name))
    found = _contaminated(workspace, dataset, args.against)
    rows = [
        [name, str(hit.train + 1), str(hit.evaluation + 1), _short(hit.how)]
        for name, hits in found.items()
        for hit in hits
    ]
    if not rows:
        show.say(f"No training row of '{dataset.name}' is in {', '.join(found)}.")
        return 0
    show.table(["examination", "training row", "case", "how"], rows)
    return 1


def data_filter(args: argparse.Namespace) -> None:
    """Good rows."""
    from trainer_host.data import open_dataset
    from trainer_host.data.dataset import Row
    from trainer_host.data.derive import keep_good
    from trainer_host.data.quality import Quality

    workspace, show = workspace_of(args), presenter_for()
    dataset = open_dataset(workspace.dataset(args.name))
    dropped: list[list[str]] = []

    def note(split: str, row: Row, why: Quality) -> None:
        dropped.append([split, _short(str(row.input.get("text", row.input))), f"{why.score:.2f}", why.told()])

    made = keep_good(workspace, args.to or dataset.name, dataset, args.least, note)
    if args.dropped and dropped:
        show.table(["split", "input", "score", "why"], dropped)
    total = sum(dataset.counts.values())
    show.say(f"Dataset '{made.name}': {total - len(dropped):,} of {total:,} rows score {args.least:g} or more.")


def data_scrub(args: argparse.Namespace) -> None:
    """No personal data."""
    from trainer_host.data import open_dataset
    from trainer_host.data.derive import without_personal

    workspace = workspace_of(args)
    dataset = open_dataset(workspace.dataset(args.name))
    made = without_personal(workspace, args.to or dataset.name, dataset, presidio=args.presidio)
    replaced = made.figures.get("scrubbed")
    said = ", ".join(f"{kind.lower()} {n}" for kind, n in replaced.items()) if isinstance(replaced, dict) else ""
    presenter_for().say(f"Dataset '{made.name}': replaced {said or 'nothing'}.")


def data_augment(args: argparse.Namespace) -> None:
    """More rows."""
    from trainer_host.data import open_dataset
    from trainer_host.data.derive import augmented

    workspace = workspace_of(args)
    dataset = open_dataset(workspace.dataset(args.name))
    made = augmented(workspace, args.to or dataset.name, dataset, times=args.times, seed=args.seed, kind=args.kind)
    new = made.counts["train"] - dataset.counts["train"]
    presenter_for().say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {new:,} of them varied.")


def data_teaching(args: argparse.Namespace) -> None:
    """A dataset of chats."""
    from trainer_host.data import open_dataset
    from trainer_host.data.exchanges import teaching_chats

    workspace, show = workspace_of(args), presenter_for()
    sources = [open_dataset(workspace.dataset(name)) for name in args.names]
    made = teaching_chats(workspace, args.to, sources, seed=args.seed)
    show.say(f"'{made.name}' has {made.counts['train']:,} chats to train on and {made.counts['heldout']:,} held out.")
    show.say(f"Next: enigma train --data {made.name} --init smollm2 --lora r=8")


def data_combine(args: argparse.Namespace) -> None:
    """One of several tasks."""
    from trainer_host.data import open_dataset
    from trainer_host.data.combos import combined

    workspace, show = workspace_of(args), presenter_for()
    made = combined(workspace, args.to, [open_dataset(workspace.dataset(name)) for name in args.names])
    show.say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {made.counts['heldout']:,} held out.")
    show.say(f"Next: enigma train --data {made.name}")


def data_mix(args: argparse.Namespace) -> None:
    """One of several."""
    from trainer_host.data import open_dataset
    from trainer_host.data.derive import mix

    workspace, show = workspace_of(args), presenter_for()
    made = mix(workspace, args.to, [open_dataset(workspace.dataset(name)) for name in args.names])
    show.say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {made.counts['heldout']:,} held out.")
    left = made.figures.get("left_out")
    if isinstance(left, dict) and left:
        show.warn("left out: " + ", ".join(f"{count} {why}" for why, count in left.items()) + ".")


def _contaminated(workspace: Workspace, dataset: Dataset, against: list[str]) -> dict[str, list[Hit]]:
    from trainer_host.data.contamination import contamination

    if dataset.task == sounds.TASK:
        raise TrainerError(
            "A wake word's rows are sounds that all say one phrase; what was recorded is shown by --sheet of 'enigma data import'."
        )
    train = [_asked(row.input) for row in dataset.rows("train")]
    if not against:
        return {"its held-out rows": contamination(train, [_asked(row.input) for row in dataset.rows("heldout")])}
    return {name: contamination(train, _exam_texts(workspace, name)) for name in against}


def _exam_texts(workspace: Workspace, name: str) -> list[str]:
    from trainer_host.data import open_dataset

    if not name.endswith(".jsonl"):
        other = open_dataset(workspace.dataset(name))
        return [_asked(row.input) for split in ("train", "heldout") for row in other.rows(split)]
    try:
        lines = [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines() if line.strip()]
        return [_asked(line) for line in lines]
    except OSError as cause:
        raise TrainerError(f"{name} can't be read: {cause.strerror}.") from None
    except (ValueError, AttributeError, UnicodeDecodeError):
        raise TrainerError(f"{name} isn't a file of JSON objects, one per line.") from None


def _asked(given: dict[str, object]) -> str:
    """What a row asks, in words. Of a picture its name, which is of its content, and the question, as one word: other questions
    about it, and the same about others, ask something else.
    """
    from trainer_host.data.pii import texts_of

    if isinstance(image := given.get("image"), str):
        return re.sub(r"[^a-z0-9]", "", f"{image}{given.get('question', '')}".lower())
    for field in ("text", "question", "prompt"):
        if isinstance(text := given.get(field), str):
            return text
    return " ".join(texts_of({key: value for key, value in given.items() if key not in ("inventory", "image")}))


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
