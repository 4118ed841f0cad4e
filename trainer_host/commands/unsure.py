"""`enigma data unsure` and `enigma data label`: of inputs that a specialist was unsure about, the most useful ones get labels."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.errors import DataError
from trainer_host.presentation import presenter_for

DROP, NONE, STOP = "", "0", "q"


def add(actions: Commands[argparse.ArgumentParser]) -> None:
    """The actions, for the group `data`."""
    made = command(actions, "unsure", unsure, "Choose the most useful of inputs that a specialist was unsure about.")
    made.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help='a .jsonl of objects with "text" and "confidence" (0 to 1), and "scores" of a router\'s answer if kept',
    )
    made.add_argument(
        "--known", metavar="NAME", help="the dataset that it was trained on: what is like its rows teaches less"
    )
    made.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="where the chosen lines go, most useful first (default: the questions about --known)",
    )
    made.add_argument(
        "--device",
        metavar="DEVICE",
        help="instead of FILE: take what this paired device kept (with `unsure` under [log] in its configuration)",
    )
    made.add_argument("--specialist", metavar="NAME", help="of the device, with --device (default: as --known)")
    made.add_argument("--count", type=int, default=50, metavar="N", help="how many at most (default: 50)")
    made = command(actions, "label", label, "Answer the questions about a dataset: which label each text has.")
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument("--list", action="store_true", help="only show what waits")
    made.add_argument("--to", metavar="NAME", help="the dataset with the answers (default: this one is replaced)")


def unsure(args: argparse.Namespace) -> None:
    """A file of inputs, or what a device kept."""
    from trainer_host.data.questions import Question, ask_about
    from trainer_host.training.uncertainty import most_useful
    from trainer_host.workspace import storage_errors, write_atomic

    if args.device is not None:
        _from_device(args)
        return
    if args.file is None:
        raise DataError("Name a file of inputs, or with --device the device that kept them.")
    if args.to is None and args.known is None:
        raise DataError("Say with --known which dataset the questions are about, or with --to where the lines go.")
    lines, asked = [], []
    with storage_errors(args.file):
        found = args.file.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(found, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, sure = row["text"], float(row["confidence"])
            scores = {label: float(score) for label, score in row.get("scores", {}).items()}
            if not isinstance(text, str) or not all(0 <= number <= 1 for number in (sure, *scores.values())):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(
                f'Line {number} of {args.file.name} isn\'t as in {{"text": "...", "confidence": 0.4}}; mend or delete it.'
            ) from None
        lines.append(line)
        asked.append(Question.of(text, sure, scores, args.file.name))
    if args.to is None:
        made = ask_about(workspace_of(args), args.known, asked, args.count)
        presenter_for().say(
            f"{len(made.waiting)} questions about '{args.known}' wait; answer them with 'enigma data label {args.known}'."
        )
        return
    doubt = [one.doubt for one in asked]
    chosen = most_useful([one.text for one in asked], doubt, args.count, _known(args))
    with storage_errors(args.to):
        write_atomic(args.to.absolute(), "".join(lines[place] + "\n" for place in chosen).encode("utf-8"))
    presenter_for().say(
        f"Wrote {len(chosen)} of {len(lines)} inputs to {args.to}; add a label to each and import them."
    )


def _from_device(args: argparse.Namespace) -> None:
    """Into the queue of the dataset; the device forgets them when they are there."""
    from trainer_host.data.questions import Question, ask_about
    from trainer_host.release.devices import device_named
    from trainer_host.release.devices import unsure as kept_by

    if args.known is None or args.file is not None or args.to is not None:
        raise DataError("With --device, name the dataset with --known, and neither a file nor --to.")
    workspace = workspace_of(args)

    def take(found: list[dict[str, object]]) -> None:
        asked = []
        for one in found:
            text, scores = one.get("text"), one.get("scores")
            if isinstance(text, str) and isinstance(scores, dict):
                made = Question.of(text, 0.0, scores, args.device)
                asked += [made] if made.guesses else []
        queue = ask_about(workspace, args.known, asked, args.count)
        presenter_for().say(
            f"Took {len(asked)} texts; {len(queue.waiting)} questions about '{args.known}' wait. Answer them with "
            f"'enigma data label {args.known}'."
        )

    kept_by(device_named(workspace, args.device), args.specialist or args.known, take)


def label(args: argparse.Namespace) -> None:
    """One question after the other; each answer is kept at once."""
    from trainer_host.data.questions import (
        DROPPED,
        NO_LABEL,
        AnsweredOtherwise,
        answer_question,
        questions_for,
        take_answers,
    )

    workspace, show = workspace_of(args), presenter_for()
    now = questions_for(workspace, args.name)
    if args.list:
        show.table(["text", "doubt"], [[one.text, f"{one.doubt:.2f}"] for one in now.waiting])
        show.say(f"{len(now.waiting)} wait, {len(now.answered)} are answered.")
        return
    if now.waiting:
        show.table(["", "label"], [[str(number), name] for number, name in enumerate(now.labels, 1)])
        show.say("Answer by number or name; 0 where no label is right, only Enter drops a text, q ends.")
    for one in now.waiting:
        while True:
            show.say(f"{one.text}\n  {one.why}")
            said = sys.stdin.readline()
            word = said.strip()
            number = int(word) if word.isascii() and word.isdigit() else 0
            chosen = now.labels[number - 1] if 1 <= number <= len(now.labels) else word
            if not said or word in (DROP, NONE, STOP) or chosen in now.labels:
                break
            show.warn(f"'{word[:40]}' is no label of '{args.name}'.")
        if not said or word == STOP:
            break
        reason = NO_LABEL if word == NONE else DROPPED
        try:
            answer_question(workspace, args.name, one.text, None if word in (DROP, NONE) else chosen, reason)
        except AnsweredOtherwise as meanwhile:
            show.warn(str(meanwhile))
    if not questions_for(workspace, args.name).answered:
        show.say("Nothing was answered.")
        return
    made, new = take_answers(workspace, args.name, args.to or args.name)
    show.say(
        f"Dataset '{made.name}' has {new} more rows to train with; now 'enigma train --data {made.name}' teaches them."
    )


def _known(args: argparse.Namespace) -> list[str]:
    """The texts that have labels already."""
    if args.known is None:
        return []
    from trainer_host.data import open_dataset

    rows = open_dataset(workspace_of(args).dataset(args.known)).rows("train")
    return [text for row in rows if isinstance(text := row.input.get("text"), str)]
