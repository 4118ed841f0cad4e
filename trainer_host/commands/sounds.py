"""`enigma data import` of WAVs: recordings of a wake word's phrase, and of other sounds."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import finite, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import Presenter, tell_left_out

if TYPE_CHECKING:
    from trainer_host.speech.doubts import Doubt
    from trainer_host.speech.recordings import Recordings

TASK = "wake_word"
SHOWN_DOUBTS = 20
# Labels of what isn't the phrase, as people and collections of sounds call it.
OTHERS = frozenset(
    {
        "background",
        "negative",
        "negatives",
        "no",
        "noise",
        "none",
        "nothing",
        "other",
        "others",
        "room",
        "silence",
        "speech",
    }
    | {"talk", "unknown"}
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only sounds take."""
    parser.add_argument("--phrase", metavar="PHRASE", help="sounds: which label is the wake word's phrase")
    parser.add_argument(
        "--amount",
        type=finite,
        metavar="X",
        help="sounds: times the usual amount of synthetic speech that goes beside them (default: 1)",
    )


def are_sounds(args: argparse.Namespace, columns: Mapping[str, str]) -> bool:
    """Whether the import is of sounds; raises `TrainerError` for options that only those take."""
    from trainer_host.speech.listed import has_sounds

    if args.task in (None, TASK):
        return args.task == TASK or args.phrase is not None or has_sounds(args.file, columns)
    if args.phrase is not None or args.amount is not None:
        raise TrainerError(
            f"The task {args.task} has no --{'amount' if args.phrase is None else 'phrase'}; leave it out."
        )
    return False


def import_sounds(args: argparse.Namespace, name: str, columns: Mapping[str, str], show: Presenter) -> None:
    """A wake word's dataset of recordings, with synthetic speakers beside them."""
    from trainer_host.speech.doubts import doubts
    from trainer_host.speech.kinds import PHRASE
    from trainer_host.speech.listed import listed, unread_tables
    from trainer_host.speech.phrases import checked_phrase
    from trainer_host.speech.recordings import contact_sheet, read_recordings
    from trainer_host.speech.rows import make_dataset
    from trainer_host.workspace import storage_errors, write_atomic

    if args.group is not None or args.scrub or args.inventory is not None:
        raise TrainerError("Sounds take no --group, --scrub or --inventory; who speaks is kept apart by itself.")
    folder, named = listed(args.file, columns)
    phrase = checked_phrase(args.phrase or _phrase_of({one.label for one in named}, args.file))
    with show.working("reading recordings"):
        found = read_recordings(args.file, phrase, columns)
        doubtful = doubts(found)
    sheet = args.sheet or Path(f"{name}.png")
    with storage_errors(sheet):
        write_atomic(sheet, contact_sheet(folder, found, {doubt.file for doubt in doubtful}))
    said = sum(one.kind == PHRASE for one in found.kept)
    people = f" by {len(found.speakers)} {'person' if len(found.speakers) == 1 else 'people'}" if found.speakers else ""
    show.say(f"{said} recordings of '{phrase}'{people}, {len(found.kept) - said} of other sounds.")
    for table in unread_tables(args.file, columns):
        show.warn(f"{table} wasn't read; a table of recordings has the columns file and label.")
    _tell_doubts(found, doubtful, show)
    show.say(f"Some of them as spectrograms, doubtful ones framed: {sheet}")
    with show.working("choosing what synthetic speakers say besides"):
        made = make_dataset(
            workspace_of(args),
            name,
            phrase,
            seed=args.seed,
            scale=1.0 if args.amount is None else args.amount,
            recordings=found,
        )
    counts = made.counts
    show.say(f"Dataset '{name}': {counts['train']:,} sounds to train with, {counts['heldout']:,} held out")
    show.say(f"Next: enigma train --data {name}")


def _tell_doubts(found: Recordings, doubtful: Sequence[Doubt], show: Presenter) -> None:
    for reason, count in found.refused.items():
        tell_left_out(show, "file", count, reason, found.first[reason])
    tell_doubts(["listen to", "label", "why"], [[each.file, each.label, each.why] for each in doubtful], show)


def tell_doubts(titles: Sequence[str], rows: Sequence[Sequence[str]], show: Presenter) -> None:
    """What a person is to look at, or listen to, before it is learnt from; the first of many."""
    if rows:
        show.table(titles, rows[:SHOWN_DOUBTS])
    if len(rows) > SHOWN_DOUBTS:
        show.warn(f"{len(rows) - SHOWN_DOUBTS} more like these; mend what is wrong and import again.")


def _phrase_of(labels: Collection[str], place: Path) -> str:
    """The only label that can be a phrase; raises `TrainerError` where several can."""
    spoken = sorted(label for label in labels if label.strip().lower().replace("_", " ") not in OTHERS)
    if len(spoken) == 1:
        return " ".join(spoken[0].replace("_", " ").replace("-", " ").split())
    listed = ", ".join(repr(label) for label in spoken[:8])
    raise TrainerError(
        f"Sounds teach a wake word, and {place} has {'the labels ' + listed if spoken else 'no label that could be its phrase'}; "
        "say which is its phrase, as in --phrase 'hey robot'. The others are then what it must not wake at."
    )
