"""Documents that every machine has: what Python's standard library says of its modules, and of its functions and classes."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tests.trainer_host.samples import REPO

EXAM = REPO / "tests/exams/documents"
NUMBER = 200
_KINDS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = re.compile(r"^(?:class|def|async def) ([^\W_]\w*)", re.MULTILINE)
_ENDS = re.compile(r"^[^\s#)\]}]", re.MULTILINE)  # a line that begins something else
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
    places = {
        f"{module}.{name}": (path, name) for module, path in _modules() for name in _DEFINITION.findall(_code(path))
    }
    found: dict[str, str] = {}
    for name in sorted(places, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        told = _docstring(*places[name])
        if _SHORTEST <= len(told) <= _LONGEST:
            found[name] = told
        if len(found) == NUMBER:
            break
    return {name: found[name] for name in sorted(found)}


@functools.cache
def _code(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _docstring(path: Path, name: str) -> str:
    """That of the last function or class of this name, of which alone the code is parsed; of all where that doesn't do."""
    code = _code(path)
    start = max(found.start() for found in _DEFINITION.finditer(code) if found[1] == name)
    end = _ENDS.search(code, code.index("\n", start))
    try:
        tree = ast.parse(code[start : end.start() if end else None])
    except SyntaxError:  # its docstring has lines that look like code
        tree = ast.parse(code)
    last = [node for node in tree.body if isinstance(node, _KINDS) and node.name == name]
    return ast.get_docstring(last[-1]) or "" if last else ""


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
