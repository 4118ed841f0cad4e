"""Documents that every machine has: what Python's standard library says of its modules, and of its functions and classes."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tests.trainer_host.samples import REPO

EXAM = REPO / "tests/exams/documents"
NUMBER = 200
_LEAST = 300  # characters of a module's document
_SHORTEST, _LONGEST = 350, 3000  # of a function's
# Gone from later Pythons, or about a program that comes with it.
_WITHOUT = {
    "idlelib",
    "lib2to3",
    "distutils",
    "turtledemo",
    "ensurepip",
    "pydoc_data",
    "test",
    "antigravity",
    "this",
    "tkinter.tix",
}
_GONE = set(
    [
        "aifc",
        "asynchat",
        "asyncore",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "imghdr",
        "imp",
        "mailcap",
        "nntplib",
        "pipes",
        "smtpd",
        "sndhdr",
        "sunau",
        "telnetlib",
        "uu",
        "xdrlib",
    ]
)


def read_questions() -> list[tuple[str, list[str]]]:
    """As `questions`, to `functions`, and by somebody who had read them."""
    rows = [json.loads(line) for line in (EXAM / "read.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["question"], row["documents"]) for row in rows if set(row["documents"]) & functions().keys()]


def questions() -> list[tuple[str, list[str]]]:
    """(question, names of the documents that answer it)."""
    rows = [json.loads(line) for line in (EXAM / "asked.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["question"], row["documents"]) for row in rows]


def absent() -> list[str]:
    """Questions that none of the documents answers."""
    return (EXAM / "absent.txt").read_text(encoding="utf-8").splitlines()


@functools.cache
def functions() -> dict[str, str]:
    """The docstrings of 200 functions and classes by their names, drawn by these."""
    found = {}
    for module, path in _modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith(
                "_"
            ):
                told = ast.get_docstring(node) or ""
                if _SHORTEST <= len(told) <= _LONGEST:
                    found[f"{module}.{node.name}"] = told
    drawn = sorted(found, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:NUMBER]
    return {name: found[name] for name in sorted(drawn)}


@functools.cache
def documents() -> dict[str, str]:
    """The text of each by its name: all that the exam's answers name, and others up to `NUMBER`."""
    found = {module: text for module, path in _modules() if len(text := _told(path)) >= _LEAST}
    named = {name for _, names in questions() for name in names}
    others = [name for name in found if name not in named]
    chosen = [name for name in found if name in named] + others
    return {name: found[name] for name in sorted(chosen[:NUMBER])}


def _modules() -> Iterator[tuple[str, Path]]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for top in sorted(set(sys.stdlib_module_names) - _WITHOUT - _GONE):
        for path in (root / f"{top}.py", *sorted((root / top).glob("*.py"))):
            module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            public = path.name == "__init__.py" or not path.name.startswith("_")
            if path.is_file() and public and not module.startswith("_") and module not in _WITHOUT:
                yield module, path


def _told(path: Path) -> str:
    """The docstrings of a module and of what it has in public, without its code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = [ast.get_docstring(tree) or ""]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            told = ast.get_docstring(node)
            if told:
                parts.append(f"{node.name}\n{told}")
    return "\n\n".join(part for part in parts if part)
