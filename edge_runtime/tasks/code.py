"""Task `code`: a description and a function's first line give the function.

A small model reads both in marks, see `edge_runtime.language.code_marks`. What it wrote is parsed, never run; where that
shows that it can't be right, it writes again.
"""

from __future__ import annotations

import ast
import builtins
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, alike, only, text_of
from edge_runtime.tasks.tries import TryingWriter
from edge_runtime.tasks.written_confidence import read_doubt

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine

NAME = "code"
PLAIN = True
MAX_TOKENS = 400
MAX_PROMPT, MAX_SIGNATURE = 2000, 300
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT},
        "signature": {"type": "string", "maxLength": MAX_SIGNATURE},
        **OPTIONS,
    },
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["code", *FIGURES],
    "properties": {"code": {"type": "string"}, **FIGURES},
}


def messages(request: Json) -> list[Json]:
    """One message: the description, and below it the first line where there is one; "text" is short for "prompt"."""
    described = "prompt" if "prompt" in request or "text" not in request else "text"
    only(request, described, "signature")
    said = text_of(request, described, MAX_PROMPT)
    if request.get("signature") is not None:
        said = f"{said}\n{text_of(request, 'signature', MAX_SIGNATURE)}"
    return [{"role": "user", "content": said}]


def reply(request: Json, output: Json) -> str:
    """See `TextTask`."""
    return str(output["code"])


def answer(request: Json, text: str) -> Json:
    """See `TextTask`; unsure is code that Python can't parse, that uses names which stand for nothing, or that lacks
    the function that was asked for. It is parsed, never run.
    """
    tree = _parsed(text)
    usable = tree is not None and bool(tree.body) and not _unbound(tree)
    signature = request.get("signature")
    wanted = _head(_parsed(f"{signature.strip().rstrip(':')}: ...")) if isinstance(signature, str) else None
    if usable and tree is not None and wanted is not None:
        usable = any(_alike(wanted, one) for one in tree.body)
    return {"code": text, "unsure": not usable}


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a text and the like
            compile(text, "answer", "exec", dont_inherit=True)  # finds a `return` outside of a function too
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _head(tree: ast.Module | None) -> ast.FunctionDef | None:
    found = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    return found if isinstance(found, ast.FunctionDef) else None


def _alike(wanted: ast.FunctionDef, found: ast.stmt) -> bool:
    """Whether this is the function: its name, and the names of its arguments."""
    if not isinstance(found, ast.FunctionDef) or found.name != wanted.name:
        return False
    return _arguments(found) == _arguments(wanted)


def _arguments(function: ast.FunctionDef) -> list[str]:
    return sorted(node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg))


def _unbound(tree: ast.Module) -> set[str]:
    """Names that are read and that nothing in the code gives a value, wherever that stands."""
    read: set[str] = set()
    bound = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            if node.name == "*":
                return set()
            bound.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            bound.add(node.rest)
    return read - bound


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Writer:
    """A specialist over a language engine; raises `BundleError`."""
    from edge_runtime.language.specialist import load_language

    task = cast(TextTask, sys.modules[__name__])
    return TryingWriter(load_language(manifest, folder, engine), task, read_doubt(manifest, NAME))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the programs are alike."""
    return alike(expected.get("code"), got.get("code"))
