"""Collects the companion's words, puts new ones into every language's catalogue, and compiles what is translated.

    python scripts/make_catalogues.py            # after texts have changed: collect, update, compile; lists what lacks
    python scripts/make_catalogues.py --check    # change nothing; exit status 1 where something is not as it should be

Translators write into companion_app/i18n/locales/*/LC_MESSAGES/companion.po, then run it again.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "companion_app"
LOCALES = APP / "i18n" / "locales"
LANGUAGES = ("de", "es", "ar")
# By the name of the function: how many of its first arguments are texts.
MARKS = {"tr": 1, "N_": 1, "ntr": 2}
# A date in a catalogue would change with every run.
NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)
_DATES = re.compile(rb'^"(POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Report-Msgid).*\n', re.M)


def collected(app: Path = APP) -> Catalog:
    """Every text that is marked, in the .py and .kv files of a folder."""
    catalog = Catalog(domain="companion", creation_date=NO_DATE)
    for path in sorted((*app.rglob("*.py"), *app.rglob("*.kv"))):
        for text in texts_of(path):
            catalog.add(text, locations=[(path.relative_to(app.parent).as_posix(), 0)])
    return catalog


def texts_of(path: Path) -> Iterator[str | tuple[str, str]]:
    """The texts that one file marks; those of `ntr` in pairs. Raises ValueError for one that is put together."""
    for tree, line in _parsed(path):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in MARKS:
                continue
            texts = node.args[: MARKS[node.func.id]]
            said = tuple(text.value for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str))
            if said and len(said) == len(texts):
                yield said if len(said) > 1 else said[0]
            elif not isinstance(texts[0], ast.Name | ast.Attribute | ast.Subscript | ast.Call):
                raise ValueError(f"{path}:{line or node.lineno}: a text is written whole, with {{names}} for values.")


def _parsed(path: Path) -> Iterator[tuple[ast.AST, int]]:
    """A .py file whole; of a .kv file what follows a property's name, line by line, with the number of the line."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield ast.parse(source), 0
        return
    for number, line in enumerate(source.splitlines(), 1):
        code = line.strip()
        if "tr(" not in code or code.startswith("#"):
            continue
        for part in (re.sub(r"^[\w.]+:\s*", "", code), code):
            try:
                yield ast.parse(part), number
                break
            except SyntaxError:
                continue
        else:
            raise ValueError(f"{path}:{number}: put an expression with tr() on one line.")


def catalogue(language: str) -> Catalog:
    """A language's catalogue as it is on disk; an empty one where there is none."""
    path = _path(language)
    if not path.exists():
        return Catalog(locale=language, domain="companion", creation_date=NO_DATE)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="companion")


def updated(language: str, wanted: Catalog) -> Catalog:
    """A language's catalogue with these texts and no others; new ones are empty."""
    found = catalogue(language)
    found.update(wanted, no_fuzzy_matching=True, update_creation_date=False)
    found.obsolete.clear()
    found.fuzzy = False
    return found


def written(found: Catalog) -> tuple[bytes, bytes]:
    """A catalogue as its two files: to read and write (.po), and to use (.mo)."""
    po, mo = io.BytesIO(), io.BytesIO()
    found.creation_date = found.revision_date = NO_DATE
    found.project, found.version = "Enigma companion", ""
    found.header_comment = "# The words of the companion; scripts/make_catalogues.py keeps this file."
    write_po(po, found, width=0, sort_output=True, include_lineno=False, ignore_obsolete=True)
    write_mo(mo, found)
    return _DATES.sub(b"", po.getvalue()), mo.getvalue()


def lacking(found: Catalog) -> list[str]:
    """What a catalogue doesn't translate yet, or not with the same places for values."""
    return [_shown(message) for message in found if message.id and not _translated(message)]


def _translated(message: Message) -> bool:
    ids = message.id if isinstance(message.id, tuple) else (message.id,)
    texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
    if not all(texts) or "fuzzy" in message.flags:
        return False
    # One of a plural's forms may do without the number: "one file".
    wanted = [_places(text) for text in ids]
    several = isinstance(message.id, tuple)
    return all(places in wanted or (several and places | {"number"} in wanted) for places in map(_places, texts))


def _places(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in Formatter().parse(text) if name}
    except ValueError:
        return set()


def _shown(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple) else message.id


def _path(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "companion.po"


def main(arguments: list[str] | None = None) -> int:
    """Update the catalogues, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    wanted = collected()
    wrong = 0
    for language in LANGUAGES:
        found = updated(language, wanted)
        missing = lacking(found)
        path = _path(language)
        for file, content in zip((path, path.with_suffix(".mo")), written(found), strict=True):
            if file.exists() and file.read_bytes() == content:
                continue
            if options.check:
                print(f"{file.relative_to(ROOT)} is not current; run scripts/make_catalogues.py.")
                wrong += 1
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        wrong += len(missing)
        print(f"{language}: {len(found) - len(missing)} of {len(found)} translated")
        for text in missing:
            print(f"  lacks {text!r}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
