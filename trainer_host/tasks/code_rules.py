"""What code and tests of an example may hold, read from their syntax tree before anything runs.

The sandbox keeps the machine safe; these rules keep examples clean: nothing that reads a clock or a file, and nothing
that reaches into the interpreter and so could pass its own tests.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from trainer_host.tasks import Rejected

MAX_CODE = 4000  # characters
MAX_SIGNATURE = 300
MAX_TEST = 400
MIN_TESTS, MAX_TESTS = 3, 12
MAX_DEPTH = 40  # of the syntax tree; handwritten functions reach about 15
NO_PARSE, FORBIDDEN_IMPORT, FORBIDDEN_NAME, BAD_TEST = "doesn't parse", "forbidden import", "forbidden name", "bad test"

MODULES = frozenset({
    "abc", "bisect", "calendar", "collections", "collections.abc", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "heapq", "itertools", "json", "math", "operator", "re", "statistics", "string", "textwrap",
    "typing", "unicodedata",
})  # fmt: skip
_NAMES = frozenset({
    "eval", "exec", "compile", "open", "input", "globals", "locals", "vars", "breakpoint", "exit", "quit", "help",
    "getattr", "setattr", "delattr", "attrgetter", "methodcaller", "Formatter", "memoryview", "print",
    "gi_frame", "gi_code", "cr_frame", "ag_frame", "f_back", "f_globals", "f_locals", "f_builtins", "f_code", "tb_frame",
})  # fmt: skip
_CLOCK = frozenset({"now", "today", "utcnow"})
_DUNDERS = frozenset(
    {"__init__", "__post_init__", "__name__", "__repr__", "__str__", "__len__", "__iter__", "__next__"}
)
_TOP = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


@dataclass(frozen=True)
class Code:
    """Code that keeps the rules. name: the function that the tests call. size: nodes of its syntax tree."""

    text: str
    name: str
    size: int


def read_code(text: object, signature: object) -> Code:
    """Code whose function has this signature; raises `Rejected`."""
    head = _head(_text(signature, "signature", MAX_SIGNATURE))
    source, tree, size = _program(text)
    for place, statement in enumerate(tree.body):
        docstring = place == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not isinstance(statement, _TOP) and not docstring:
            raise Rejected("code outside functions", f"Line {statement.lineno} isn't part of a function; remove it.")
    found = [part for part in tree.body if isinstance(part, ast.FunctionDef) and part.name == head.name]
    if len(found) != 1:
        raise Rejected("signature differs", f"The code must define {head.name} once.")
    if _signature(found[0]) != _signature(head):
        raise Rejected("signature differs", f"The code's {head.name} hasn't the signature that is given.")
    if not ast.get_docstring(found[0]):
        raise Rejected("no docstring", f"{head.name} needs a docstring.")
    return Code(source, head.name, size)


def read_program(text: object) -> str:
    """Code that may be run with somebody else's tests, whatever its form; raises `Rejected`."""
    return _program(text)[0]


def read_tests(tests: object, name: str) -> tuple[str, ...]:
    """One `assert` each, which calls the function, each on one line; raises `Rejected`."""
    if not isinstance(tests, list):
        raise Rejected("wrong form", "The tests must be a list of texts.")
    if not MIN_TESTS <= len(tests) <= MAX_TESTS:
        raise Rejected("wrong number of tests", f"Write {MIN_TESTS} to {MAX_TESTS} tests, not {len(tests)}.")
    read = tuple(_text(test, "test", MAX_TEST).strip() for test in tests)
    for test in read:
        tree = _parsed(test, "A test")
        _lawful(tree, "A test")
        if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Assert):
            raise Rejected(BAD_TEST, f"{test[:60]!r} isn't one assert.")
        calls = (node.func for node in ast.walk(tree.body[0].test) if isinstance(node, ast.Call))
        if not any(isinstance(called, ast.Name) and called.id == name for called in calls):
            raise Rejected(BAD_TEST, f"{test[:60]!r} doesn't call {name}.")
    if len(set(read)) < len(read):
        raise Rejected(BAD_TEST, "Two tests are the same.")
    return tuple(_source(_parsed(test, "A test")) for test in read)


def expected_values(tests: tuple[str, ...]) -> list[str]:
    """The different literals that tests compare with, as source: what a function that cheats would return."""
    found: dict[str, None] = {}
    for test in tests:
        for node in ast.walk(_parsed(test, "A test")):
            if isinstance(node, ast.Compare) and len(node.comparators) == 1:
                for side in (node.left, node.comparators[0]):
                    if _literal(side):
                        found[ast.unparse(side)] = None
    return list(found)


def skeleton(code: Code) -> str:
    """The code without docstrings and layout: equal for the same function under two prompts."""
    for node in ast.walk(tree := ast.parse(code.text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef) and node.name == code.name:
            node.name = "_"
    return ast.dump(tree)


def _program(text: object) -> tuple[str, ast.Module, int]:
    source = _text(text, "code", MAX_CODE)
    tree = _parsed(source, "The code")
    return source, tree, _lawful(tree, "The code")


def _text(value: object, what: str, most: int) -> str:
    if not isinstance(value, str):
        raise Rejected("wrong form", f"The {what} must be a text.")
    if len(value) > most:
        raise Rejected("too long", f"The {what} has {len(value)} characters; write at most {most}.")
    if any(not (char.isprintable() or char in "\n\t") for char in value):
        raise Rejected("wrong form", f"The {what} holds control characters.")
    return value


def _parsed(source: str, what: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a text and the like
            return ast.parse(source)
    except SyntaxError as cause:
        raise Rejected(NO_PARSE, f"{what} isn't Python: {cause.msg} in line {cause.lineno}.") from None
    except (ValueError, RecursionError, MemoryError):
        raise Rejected(NO_PARSE, f"{what} isn't Python that can be read.") from None


def _head(signature: str) -> ast.FunctionDef:
    text = signature.strip().rstrip(":")
    tree = _parsed(f"{text}: ...", "The signature")
    _lawful(tree, "The signature")
    if len(tree.body) != 1 or not isinstance(head := tree.body[0], ast.FunctionDef) or "\n" in text:
        raise Rejected("signature differs", "The signature must be one line, as in: def name(items: list[int]) -> int:")
    return head


def _signature(function: ast.FunctionDef) -> tuple[str, str]:
    return _source(function.args), _source(function.returns) if function.returns else ""


def _source(node: ast.AST) -> str:
    """The node as one line of source; raises `Rejected` for the few f-strings that Python 3.11 can't write so."""
    try:
        line = ast.unparse(node)
    except ValueError:
        line = "\n"
    if "\n" in line:
        raise Rejected(BAD_TEST, "A text is put together over several lines; write it plainly.")
    return line


def _lawful(tree: ast.Module, what: str) -> int:
    """How many nodes the tree has; raises `Rejected` for what isn't allowed in it."""
    level: list[ast.AST] = [tree]
    depth = size = 0
    while level:
        depth, size = depth + 1, size + len(level)
        if depth > MAX_DEPTH:
            raise Rejected("too deeply nested", f"{what} is nested too deeply; write it more plainly.")
        for node in level:
            _allow(node, what)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return size


def _allow(node: ast.AST, what: str) -> None:
    modules: list[str] = []
    names: list[str] = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
        names = [alias.asname or "" for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        modules = [node.module or "" if not node.level else "."]
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.Name):
        names = [node.id]
    elif isinstance(node, ast.Attribute):
        names = [node.attr]
        if node.attr in _CLOCK:
            raise Rejected("depends on the clock", f"{what} uses {node.attr}(); a test of it would fail tomorrow.")
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        names = [node.name]
    elif isinstance(node, ast.arg):
        names = [node.arg]
    elif isinstance(node, ast.MatchClass):
        names = node.kwd_attrs
    for module in modules:
        if module not in MODULES and module != "__future__":
            raise Rejected(FORBIDDEN_IMPORT, f"{what} imports {module[:40]}; allowed are {', '.join(sorted(MODULES))}.")
    for name in names:
        if name in _NAMES or (name.startswith("__") and name not in _DUNDERS):
            raise Rejected(FORBIDDEN_NAME, f"{what} uses {name[:40]}, which isn't allowed.")
    if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global | ast.Nonlocal):
        raise Rejected(FORBIDDEN_NAME, f"{what} uses async, global or nonlocal, which isn't allowed.")


def _literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True
