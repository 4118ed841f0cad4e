"""Finds words that a person would see in English whatever language is chosen, in the companion's .py and .kv files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

APP = Path(__file__).resolve().parents[2] / "companion_app"
MARKS = ("tr", "ntr", "N_")
# What a widget shows or a screen reader says.
SHOWN = frozenset({"text", "hint", "hint_text", "label", "note", "title", "about", "spoken", "described", "question"})
# Two words beside each other, or one with a capital letter and the full stop of a sentence.
SENTENCE = re.compile(r"[A-Za-z]{2,},? [a-z]{2,}|^[A-Z][a-z]+[.…]$")
# Names and examples, the same in every language.
NAMES = frozenset({"Enigma", "llama3.2", "my-server"})
# Examples of paths and addresses.
EXAMPLE = re.compile(r"(~/|https?://)\S+")


def untranslated(path: Path) -> list[str]:
    """Each as "file:line: text"."""
    found = _in_rules(path) if path.suffix == ".kv" else _in_code(path)
    return [f"{path.relative_to(APP.parent)}:{line}: {text!r}" for line, text in found]


def _in_rules(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        said = re.match(r"\s+(\w+): (.+)$", line)
        if said and said[1] in SHOWN and re.search("[\"']", said[2]):
            for text in _shown(ast.parse(said[2], mode="eval").body):
                if text not in NAMES and EXAMPLE.fullmatch(text) is None:
                    yield number, text


def _shown(node: ast.expr) -> Iterator[str]:
    """The literals of an expression that its value can be, or can hold."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search("[A-Za-z]{2}", node.value):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _shown(node.body)
        yield from _shown(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _shown(value)
    elif isinstance(node, ast.BinOp):
        yield from _shown(node.left)
        yield from _shown(node.right)
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _shown(value)


def _in_code(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            passed.add(id(body[0].value))  # a docstring
        if isinstance(node, ast.Call) and _is_elsewhere(node):
            passed |= {id(inner) for inner in ast.walk(node) if inner is not node}
        if isinstance(node, ast.JoinedStr):
            passed |= {id(value) for value in node.values}
    for node in ast.walk(tree):
        if id(node) in passed:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "0" for part in node.values)
        else:
            text = ""
            if isinstance(node, ast.keyword) and node.arg in SHOWN:
                text = next((said for said in _shown(node.value) if said not in NAMES), "")
                if text and not SENTENCE.search(text):
                    yield node.value.lineno, text
            continue
        if SENTENCE.search(text):
            yield node.lineno, text


def _is_elsewhere(call: ast.Call) -> bool:
    """Marked, for the log, or for who writes programs."""
    name = (
        call.func.id
        if isinstance(call.func, ast.Name)
        else call.func.attr
        if isinstance(call.func, ast.Attribute)
        else ""
    )
    logs = (
        isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "log"
    )
    return (
        name in MARKS
        or logs
        or name in ("TypeError", "NotImplementedError", "compile", "add_argument", "ArgumentParser")
    )
