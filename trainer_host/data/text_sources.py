"""Where a base model's text comes from: a person's folders, or what every machine has; each text with its licence.

What every machine has: the sources of Python's standard library, the descriptions and docstrings of the installed
packages, manual pages, and /usr/share/doc. Nothing is read here but names and licences: a `Source` is opened when it is
chosen.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from trainer_host.data.text_files import Unreadable, decoded, docstrings, manual, read_bytes
from trainer_host.errors import DataError

NOT_STATED = "not stated"
DOCS = Path("/usr/share/doc")
MANUALS = Path("/usr/share/man")
_DPKG = Path("/var/lib/dpkg/info")
_PROSE = (".txt", ".md", ".rst", ".txt.gz", ".md.gz", ".rst.gz")
# Folders of tests repeat what the library says; the others hold copies, or what programs wrote.
_LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "_vendor", "node_modules"}
)
_MOST_FILES = 200_000  # of a folder; more isn't somebody's text
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([\w.+() -]{2,60})")
_LICENCE_FILES = re.compile(r"(licen[cs]e|copying)(\.\w+)?", re.IGNORECASE)
_KNOWN = (
    ("Apache License", "Apache-2.0"),
    ("Mozilla Public License", "MPL-2.0"),
    ("GNU LESSER GENERAL PUBLIC LICENSE", "LGPL"),
    ("GNU GENERAL PUBLIC LICENSE", "GPL"),
    ("GNU AFFERO GENERAL PUBLIC LICENSE", "AGPL"),
    ("CC0 1.0 Universal", "CC0-1.0"),
    ("Attribution 4.0 International", "CC-BY-4.0"),
    ("Permission is hereby granted, free of charge", "MIT"),
    ("Redistribution and use in source and binary forms", "BSD"),
)


@dataclass(frozen=True)
class Source:
    """A text that can be read. label: the same on every machine that has the file, and no path of this one.

    kind: as "python" or a folder's name; origin: whose it is, as "requests 2.32.0"; licence: as its maker states it,
    unless the text itself names one (`licence_of`). read: gives the text.
    """

    label: str
    kind: str
    origin: str
    licence: str
    read: Callable[[], str | Unreadable]


def machine_sources() -> list[Source]:
    """What every machine has, sorted by kind and label; kinds that this machine lacks are left out."""
    found = [*_standard_library(), *_packages(), *_manuals(), *_documents()]
    return sorted(found, key=lambda source: (source.kind, source.label))


def folder_sources(folders: Sequence[Path]) -> list[Source]:
    """All files of a person's folders but hidden ones and links; raises `DataError` for what is no folder."""
    made: list[Source] = []
    names: set[str] = set()
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder; name one that holds texts.")
        name = folder.resolve().name or "root"
        while name in names:
            name += "-2"
        names.add(name)
        licence = _folder_licence(folder)
        for path in _files(folder):
            label = f"{name}/{path.relative_to(folder).as_posix()}"
            made.append(Source(label, name, name, licence, functools.partial(_text, path)))
    return sorted(made, key=lambda source: (source.kind, source.label))


def licence_of(text: str, otherwise: str) -> str:
    """The licence that a text's first lines name by SPDX's tag, else `otherwise`."""
    found = _SPDX.search(text[:2000])
    return found[1].strip() if found else otherwise


def _files(folder: Path) -> Iterator[Path]:
    """Plain files in the order of their names, none through a link; raises `DataError` for too many."""
    count = 0
    for place, inner, files in os.walk(folder):
        inner[:] = sorted(
            name for name in inner if not name.startswith(".") and name not in ("__pycache__", "node_modules")
        )
        for name in sorted(files):
            path = Path(place) / name
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            count += 1
            if count > _MOST_FILES:
                raise DataError(f"{folder} holds more than {_MOST_FILES:,} files; name a folder inside it.")
            yield path


def _text(path: Path) -> str | Unreadable:
    content = read_bytes(path)
    return content if isinstance(content, Unreadable) else decoded(content)


def _through(path: Path, reader: Callable[[str], str | Unreadable]) -> str | Unreadable:
    """A file by a reader that is given its whole text."""
    content = read_bytes(path)
    if isinstance(content, Unreadable):
        return content
    try:
        return reader(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError:
        return Unreadable("not UTF-8")


def _standard_library() -> Iterator[Source]:
    root = sysconfig.get_paths()["stdlib"]
    origin = f"Python {platform.python_version()}"
    for place, inner, files in os.walk(root):
        inner[:] = sorted(set(inner) - _LEFT_OUT)
        for name in sorted(files):
            if name.endswith(".py"):
                path = Path(place, name)
                label = f"python/{path.relative_to(root).as_posix()}"
                yield Source(label, "python", origin, "PSF-2.0", functools.partial(_text, path))


def _packages() -> Iterator[Source]:
    """Descriptions, documents and docstrings of the distributions of this Python."""
    seen: set[str] = set()
    for found in metadata.distributions():
        card = found.metadata  # parsed anew at each look
        name = str(card["Name"]).lower().replace("_", "-")
        if name in seen:  # another one of the name, further behind on the path
            continue
        seen.add(name)
        origin, licence = f"{name} {card['Version']}", _package_licence(card)
        yield Source(
            f"packages/{name}/description", "packages", origin, licence, functools.partial(_description, found)
        )
        for file in _recorded(found):
            path = functools.partial(_located, found, file)
            label = f"packages/{name}/{file}"
            if file.endswith(".py"):
                yield Source(label, "packages", origin, licence, functools.partial(_docstrings, path))
            else:
                yield Source(label, "packages", origin, licence, functools.partial(_placed, path))


def _recorded(found: metadata.Distribution) -> Iterator[str]:
    """The .py, .md and .rst files that a distribution's RECORD names (PEP 376), without its tests."""
    for line in (found.read_text("RECORD") or "").splitlines():
        file = line.rsplit(",", 2)[0].strip('"')
        *folders, name = file.split("/")
        if not name.endswith((".py", ".md", ".rst")) or _LICENCE_FILES.match(name) or ".." in folders:
            continue
        if not _LEFT_OUT & set(folders) and not any(part.endswith((".dist-info", ".data")) for part in folders):
            yield file


def _located(found: metadata.Distribution, file: str) -> Path:
    return Path(str(found.locate_file(file)))


def _docstrings(path: Callable[[], Path]) -> str | Unreadable:
    return _through(path(), docstrings)


def _placed(path: Callable[[], Path]) -> str | Unreadable:
    return _text(path())


def _description(found: metadata.Distribution) -> str | Unreadable:
    text = found.read_text("METADATA") or ""
    body = text.partition("\n\n")[2]
    return decoded(body.encode("utf-8", "replace"))


def _package_licence(card: metadata.PackageMetadata) -> str:
    """License-Expression (PEP 639), else a short License, else the trove classifiers."""
    for key in ("License-Expression", "License"):
        for value in card.get_all(key) or ():
            line = str(value).strip()
            if line and "\n" not in line and len(line) <= 60 and line.upper() != "UNKNOWN":
                return line
    named = [
        str(item).rpartition(" :: ")[2]
        for item in card.get_all("Classifier") or ()
        if str(item).startswith("License ::")
    ]
    return ", ".join(sorted(set(named) - {"OSI Approved"})) or NOT_STATED


def _manuals() -> Iterator[Source]:
    """English pages; those of other languages lie in folders of their own."""
    owners = _owners(f"{MANUALS}/man") if MANUALS.is_dir() else {}
    for section in sorted(MANUALS.glob("man[1-8]")):
        with os.scandir(section) as entries:
            pages = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        for name in pages:
            path = section / name
            package = owners.get(str(path), "")
            licence = _debian_licence(package) if package else NOT_STATED
            label = f"man/{section.name}/{name.removesuffix('.gz')}"
            yield Source(label, "man", package or "man", licence, functools.partial(_through, path, manual))


def _documents() -> Iterator[Source]:
    if not DOCS.is_dir():
        return
    for folder in sorted(path for path in DOCS.iterdir() if path.is_dir() and not path.is_symlink()):
        licence = ""
        for path in _files(folder):
            name = path.name.lower()
            if name.startswith(("copyright", "changelog", "licen", "copying", "news")):
                continue
            if not (name.endswith(_PROSE) or name.startswith("readme")):
                continue
            licence = licence or _debian_licence(folder.name)
            label = f"doc/{folder.name}/{path.relative_to(folder).as_posix()}"
            yield Source(label, "doc", folder.name, licence, functools.partial(_text, path))


@functools.cache
def _debian_licence(package: str) -> str:
    """The licences that /usr/share/doc/PACKAGE/copyright names in its machine-readable form (DEP 5)."""
    text = _text(DOCS / package / "copyright")
    if isinstance(text, Unreadable):
        return NOT_STATED
    named = [found.strip() for found in re.findall(r"^License:[ \t]*(\S[^\n]{0,60})$", text, re.MULTILINE)]
    kept = list(dict.fromkeys(sorted(named)))
    return ", ".join(kept[:4]) + (f" and {len(kept) - 4} more" if len(kept) > 4 else "") if kept else NOT_STATED


def _owners(under: str) -> dict[str, str]:
    """Which of Debian's packages a file belongs to; empty on other systems."""
    made: dict[str, str] = {}
    for listing in sorted(_DPKG.glob("*.list")):
        package = listing.stem.partition(":")[0]
        try:
            lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        made |= {line: package for line in lines if line.startswith(under)}
    return made


def _folder_licence(folder: Path) -> str:
    """What the LICENSE or COPYING at a folder's top is, by its own words."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and _LICENCE_FILES.fullmatch(path.name):
            text = _text(path)
            if isinstance(text, Unreadable):
                continue
            flat = re.sub(r"\s+", " ", text)
            return next((name for words, name in _KNOWN if words in flat), f"see its {path.name}")
    return NOT_STATED
