"""`enigma pack`: make, check, find and import packs of data, and say whose are trusted."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from trainer_host.commands.options import Commands, command, group, workspace_of
from trainer_host.errors import DataError
from trainer_host.presentation import Presenter, presenter_for


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma pack` and its actions."""
    actions = group(commands, "pack", "Share datasets as signed packs, and take those of others.", "Packs of data.")
    made = command(actions, "make", pack_make, "Make a signed pack of a dataset.")
    made.add_argument("data", metavar="DATASET", help="the dataset's name")
    made.add_argument("--licence", required=True, metavar="ID", help="as in CC-BY-4.0")
    made.add_argument("--author", action="append", required=True, metavar="WHO", help="may be repeated")
    made.add_argument("--name", metavar="NAME", help="of the pack (default: the dataset's)")
    made.add_argument("--version", default="1.0.0", metavar="X.Y.Z", help="default: 1.0.0")
    made.add_argument("--description", default="", metavar="TEXT", help="what it is good for")
    made.add_argument("--to", type=Path, default=Path(), metavar="DIR", help="where to write it (default: here)")
    made.add_argument(
        "--allow-personal", action="store_true", help="although rows hold what looks like personal data of someone"
    )
    made = command(actions, "verify", pack_verify, "Check a pack's signature and hashes, and show its card.")
    made.add_argument("file", type=Path, metavar="FILE", help="the pack")
    made = command(actions, "import", pack_import, "Import a pack as a dataset.")
    made.add_argument("pack", metavar="PACK", help="a file, or with --from a pack's name")
    made.add_argument(
        "--from", dest="source", metavar="PLACE", help="a folder or an address that has an index of packs"
    )
    made.add_argument("--name", metavar="NAME", help="of the dataset (default: the pack's)")
    made = command(actions, "index", pack_index, "Write the index of a folder with packs, for others to search.")
    made.add_argument("folder", type=Path, metavar="DIR", help="the folder")
    made = command(actions, "search", pack_search, "List the packs of a folder or an address.")
    made.add_argument("source", metavar="PLACE", help="a folder or an address")
    made.add_argument("words", nargs="*", metavar="WORD", help="only packs that mention all of these")
    made = command(actions, "trust", pack_trust, "Take the packs of a maker from now on.")
    made.add_argument("key", metavar="KEY", help="as 'enigma devices key' prints it on the maker's host")
    made.add_argument("--name", required=True, metavar="WHO", help="what to call the maker here")
    made = command(actions, "distrust", pack_distrust, "Take no more packs of a maker.")
    made.add_argument("name", metavar="WHO", help="what the maker is called here")
    command(actions, "makers", pack_makers, "List the makers whose packs are taken.")


def pack_make(args: argparse.Namespace) -> None:
    """A signed file."""
    from trainer_host.data import open_dataset
    from trainer_host.data.packs.file import make_pack
    from trainer_host.release.keys import signing_key

    workspace, show = workspace_of(args), presenter_for()
    dataset = open_dataset(workspace.dataset(args.data))
    pack = make_pack(
        dataset,
        args.to,
        signing_key(workspace),
        name=args.name or dataset.name,
        version=args.version,
        licence=args.licence,
        authors=tuple(args.author),
        description=args.description,
        allow_personal=args.allow_personal,
    )
    show.say(f"Wrote {pack.path} ({pack.path.stat().st_size / 1e6:.2f} MB)\n{pack.address}")
    show.say(f"Others trust your packs with: enigma pack trust {pack.signer.hex()} --name YOU")


def pack_verify(args: argparse.Namespace) -> None:
    """The card of a pack that passes."""
    from trainer_host.data.packs.file import verify_pack
    from trainer_host.data.packs.trust import trusted_keys

    workspace, show = workspace_of(args), presenter_for()
    pack = verify_pack(args.file, None)
    card = pack.card
    show.table(
        ["pack", f"{card.name} {card.version}"],
        [
            ["task", card.task],
            ["rows", ", ".join(f"{split} {count:,}" for split, count in card.rows.items())],
            ["licence", card.licence],
            ["description", card.description],
            *[["by" if i == 0 else "made from", line] for i, line in enumerate(card.attribution())],
            ["signed by", pack.signer.hex()],
            ["address", pack.address],
        ],
    )
    if pack.signer not in trusted_keys(workspace):
        show.warn(f"the signature is right, but you don't trust this maker yet: enigma pack trust {pack.signer.hex()}")


def pack_import(args: argparse.Namespace) -> None:
    """A dataset."""
    from trainer_host.data.packs.file import import_pack
    from trainer_host.data.packs.index import fetch_pack
    from trainer_host.data.packs.trust import trusted_keys

    workspace, show = workspace_of(args), presenter_for()
    trusted = trusted_keys(workspace)
    if args.source is None:
        made = import_pack(workspace, Path(args.pack), trusted, args.name)
    else:
        with tempfile.TemporaryDirectory() as folder:
            with show.working("fetching") as step:
                path = fetch_pack(args.source, args.pack, Path(folder), lambda got, of: step(got / max(1, of), ""))
            made = import_pack(workspace, path, trusted, args.name)
    show.say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {made.counts['heldout']:,} held out.")
    show.say(f"Next: enigma train --task {made.task} --data {made.name}")


def pack_index(args: argparse.Namespace) -> None:
    """index.json of a folder."""
    from trainer_host.data.packs.index import FILE, build_index

    if not args.folder.is_dir():
        raise DataError(f"{args.folder} isn't a folder; name one that holds packs.")
    entries = build_index(args.folder)
    presenter_for().say(f"Wrote {args.folder / FILE} with {len(entries)} packs; any web server can offer this folder.")


def pack_search(args: argparse.Namespace) -> None:
    """What a place has."""
    from trainer_host.data.packs.index import read_index
    from trainer_host.data.packs.trust import makers

    show: Presenter = presenter_for()
    names = {key.hex(): name for name, key in makers(workspace_of(args)).items()}
    found = [entry for entry in read_index(args.source) if entry.matches(args.words)]
    if not found:
        show.say("No pack matches." if args.words else "There are no packs.")
        return
    show.table(
        ["pack", "version", "task", "rows", "licence", "by", "signed by"],
        [
            [
                entry.name,
                entry.version,
                entry.task,
                f"{entry.rows:,}",
                entry.licence,
                ", ".join(entry.authors),
                names.get(entry.signer, entry.signer[:16]),
            ]
            for entry in found
        ],
    )


def pack_trust(args: argparse.Namespace) -> None:
    """One more maker."""
    from trainer_host.data.packs.trust import trust

    trust(workspace_of(args), args.name, args.key)
    presenter_for().say(f"Packs of '{args.name}' are taken from now on.")


def pack_distrust(args: argparse.Namespace) -> None:
    """One maker less."""
    from trainer_host.data.packs.trust import distrust

    distrust(workspace_of(args), args.name)
    presenter_for().say(f"Packs of '{args.name}' aren't taken any more; datasets that were imported stay.")


def pack_makers(args: argparse.Namespace) -> None:
    """The trusted makers."""
    from trainer_host.data.packs.trust import makers

    show = presenter_for()
    found = makers(workspace_of(args))
    if not found:
        show.say("Only your own packs are taken; trust a maker with: enigma pack trust KEY --name WHO")
        return
    show.table(["maker", "key"], [[name, key.hex()] for name, key in sorted(found.items())])
