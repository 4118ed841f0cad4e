"""`enigma-edge documents`: a person's files, added, listed, found and asked on the device itself."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edge_runtime.documents.answering import answer, as_text, found_as_json
from edge_runtime.documents.library import STEP, Library
from edge_runtime.documents.reading import TYPES, read_file
from edge_runtime.errors import BadRequest


def documents(args: argparse.Namespace) -> int:
    """Run one action; exit code 1 where `ask` finds no answer, or `add` couldn't read a file."""
    words: list[str] = args.words
    if (args.action == "list") != (not words):
        raise BadRequest("Say what: add FILE or FOLDER, remove NAME, search or ask QUESTION; list takes nothing.")
    with Library(args.state) as library:
        if args.action == "list":
            found = library.documents()
            if args.json:
                print(json.dumps([vars(document) for document in found]))
            else:
                for document in found:
                    print(f"{document.characters:9,}  {document.name}")
                print(f"{len(found):,} documents, compared by {', '.join(library.compared_by())}")
                if left := library.unread():
                    print(f"{left:,} passages aren't encoded yet; add a file again to encode them.")
        elif args.action == "add":
            return _add(library, [Path(word) for word in words])
        elif args.action == "remove":
            for name in words:
                library.remove(name)
                print(f"'{name}' is forgotten.")
        else:
            passages = library.search(" ".join(words), args.limit)
            if args.action == "search":
                told: object = [found_as_json(one) for one in passages]
                shown = "\n".join(f"{'*' if one.answers else ' '} {one.document}: {one.quote}" for one in passages)
                print(json.dumps(told) if args.json else shown or "Nothing was found.")
            else:
                made = answer(passages)
                print(json.dumps(made) if args.json else as_text(made))
                return 0 if made["found"] else 1
    return 0


def _add(library: Library, paths: list[Path]) -> int:
    files: list[tuple[str, Path]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in TYPES and one.is_file())
            files += [(one.relative_to(path.parent).as_posix(), one) for one in inside]
        else:
            files.append((path.name, path))
    added = kept = failed = 0
    for name, path in files:
        try:
            changed = library.add(name, read_file(path))
            added, kept = added + changed, kept + (not changed)
        except BadRequest as error:
            failed += 1
            print(f"enigma-edge: {error}", file=sys.stderr)
    while library.encode(STEP):
        pass
    print(f"{added:,} added, {kept:,} were there, {failed:,} left out.")
    return 1 if failed else 0
