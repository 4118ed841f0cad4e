"""Runs the chat template of a stranger's file: Jinja in its sandbox, with bounds on its work, its texts and its result.

Jinja's sandbox keeps a template from Python's insides, not from endless work: so lines of Python are counted while it
runs, no text may outgrow `LARGEST`, and only such filters and methods are there that chat templates use.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import BadRequest, BundleError, EngineError

if TYPE_CHECKING:
    from jinja2 import Environment, Template

LARGEST = 1 << 20  # characters of a template, of any text that it makes, and of the whole chat
STEPS = 1_000_000  # lines of Python that one chat may take, below a second; real templates take some thousands
_LONGEST = 100_000  # items of a list
_FILTERS = """
    abs batch bool capitalize count d default dictsort first float groupby indent int items join last length list lower
    map max min reject rejectattr replace reverse round safe select selectattr sort string sum title tojson trim unique
    upper
""".split()  # noqa: SIM905 - a list would take a line for each
_OF_TEXTS = """
    capitalize count endswith find index isalnum isalpha isdigit islower isnumeric isspace isupper join lower lstrip
    partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip split splitlines startswith strip
    swapcase title upper
""".split()  # noqa: SIM905 - a list would take a line for each
_METHODS = {
    str: _OF_TEXTS,
    dict: ["get", "items", "keys", "values"],
    list: ["count", "index"],
    tuple: ["count", "index"],
}
# transformers' tag around what a training learns; elsewhere it says nothing.
_GENERATION = re.compile(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}")
_TOO_MUCH = "The model's chat template makes too much of this chat; send less, or use another file."


class Refused(Exception):
    """What `raise_exception` of a template says: it has no place for such a chat."""


class ChatJinja:
    """A compiled template, for any thread."""

    def __init__(self, source: str) -> None:
        """Raises `BundleError` for what isn't Jinja, or uses what isn't known here; `EngineError` without jinja2."""
        if len(source) > LARGEST:
            raise BundleError("The file's chat template is too long to be one; use another file.")
        environment = _environment()
        from jinja2 import TemplateError

        try:
            self._template: Template = environment.from_string(_GENERATION.sub(_plain, source))
        except (TemplateError, RecursionError, SyntaxError, ValueError) as cause:
            raise BundleError(f"The file's chat template can't be used: {_line(cause)}; use another file.") from None

    def render(self, **given: object) -> str:
        """The chat as text. Raises `Refused` with the template's own words, `BadRequest` for all that goes wrong."""
        from jinja2 import TemplateError

        parts: list[str] = []
        left = LARGEST
        with _Counted():
            try:
                for part in self._template.generate(**given):
                    left -= len(part)
                    if left < 0:
                        raise BadRequest(_TOO_MUCH)
                    parts.append(part)
            except (
                ArithmeticError,
                AttributeError,
                LookupError,
                RecursionError,
                TemplateError,
                TypeError,
                ValueError,
            ) as cause:
                raise BadRequest(f"The model's chat template can't write this chat: {_line(cause)}.") from None
        return "".join(parts)


class _Counted:
    """Ends what takes more than `STEPS` lines of Python in this thread."""

    def __init__(self) -> None:
        self._left = STEPS

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._trace)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        self._left -= 1
        if self._left < 0:
            sys.settrace(None)
            raise BadRequest(_TOO_MUCH)
        return self._trace


def checked(value: object, budget: int = LARGEST) -> object:
    """The value; raises `BadRequest` where it would be more than `budget` characters as text. Lists may hold a thing twice."""
    left = budget
    unseen = [value]
    while unseen:
        each = unseen.pop()
        left -= len(each) if isinstance(each, str) else 1
        if isinstance(each, Mapping):
            unseen += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            unseen += each
        elif isinstance(each, int) and each.bit_length() > 64:
            left = -1
        if left < 0 or len(unseen) > budget:
            raise BadRequest(_TOO_MUCH)
    return value


def _spread(text: object, old: object, new: object, count: int | None = None) -> str:
    """`replace` that can't make a large text of small ones."""
    text, old, new = str(text), str(old), str(new)
    times = text.count(old) if count is None or count < 0 else min(count, text.count(old))
    if len(text) + times * len(new) > LARGEST:
        raise BadRequest(_TOO_MUCH)
    return text.replace(old, new, -1 if count is None else count)


def _joined(values: Iterable[object], between: object = "", attribute: object = None) -> str:
    """`join` likewise."""
    if attribute is not None:
        raise BadRequest("The model's chat template joins by an attribute, which isn't known here; use another file.")
    every = [value if isinstance(value, str) else str(checked(value)) for value in values]
    if sum(map(len, every)) + len(every) * len(str(between)) > LARGEST:
        raise BadRequest(_TOO_MUCH)
    return str(between).join(every)


def _as_json(
    value: object,
    indent: int | None = None,
    ensure_ascii: bool = False,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers' `apply_chat_template` has it: no escapes but JSON's own."""
    if indent is not None and not 0 <= int(indent) <= 16:
        raise BadRequest(_TOO_MUCH)
    return json.dumps(
        checked(value), ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _indented(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    lead = width if isinstance(width, str) else " " * min(int(width), 64)
    lines = str(text).split("\n")
    if len(str(text)) + len(lines) * len(lead) > LARGEST:
        raise BadRequest(_TOO_MUCH)
    return "\n".join(lead + line if (i or first) and (line or blank) else line for i, line in enumerate(lines))


def _refuse(message: object = "") -> None:
    raise Refused(str(message)[:300].strip())


@functools.cache
def _environment() -> Environment:
    try:
        from jinja2 import nodes
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from jinja2.visitor import NodeTransformer
    except ImportError:
        raise EngineError(
            "A .gguf file's chat template needs jinja2, which isn't installed here; install Enigma's extra 'gguf'."
        ) from None

    class Sums(NodeTransformer):
        """Writes `a ~ b` as a filter, which can be bounded."""

        def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
            self.generic_visit(node)
            return nodes.Filter(nodes.List(node.nodes), "join", [], [], None, None, lineno=node.lineno)

    class Bounded(ImmutableSandboxedEnvironment):
        """The sandbox with bounds."""

        intercepted_binops = frozenset({"+", "*", "%", "**"})

        def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
            parsed: nodes.Template = Sums().visit(super()._parse(source, name, filename))
            return parsed

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            if operator == "**":
                raise BadRequest("The model's chat template raises to a power, which no chat needs; use another file.")
            if operator == "*" and not numbers:
                repeated, times = (right, left) if isinstance(left, int) else (left, right)
                if not isinstance(times, int) or len(repeated) * times > _LONGEST:
                    raise BadRequest(_TOO_MUCH)
            if operator == "%" and isinstance(left, str) and re.search(r"%[^sd%]", left):
                raise BadRequest("The model's chat template formats texts in a way that isn't known; use another file.")
            if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
                most = LARGEST if isinstance(left, str) else _LONGEST
                if len(left) + len(right) > most:
                    raise BadRequest(_TOO_MUCH)
            made = super().call_binop(context, operator, left, right)
            return checked(made) if numbers else made

        def wrap_str_format(self, value: Any) -> None:
            """None: `format` isn't among the methods, as its widths are a way to texts of any size."""
            return None

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            for kind, methods in _METHODS.items():
                if isinstance(obj, kind):
                    return attr in methods
            return super().is_safe_attribute(obj, attr, value)

        def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
            owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
            if isinstance(owner, str) and name == "replace":
                return _spread(owner, *args, **kwargs)
            if isinstance(owner, str) and name == "join":
                return _joined(args[0] if args else (), owner)
            return super().call(context, obj, *args, **kwargs)

    made = Bounded(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"], finalize=checked
    )
    made.filters = {name: filter_ for name, filter_ in made.filters.items() if name in _FILTERS}
    made.filters |= {"tojson": _as_json, "replace": _spread, "join": _joined, "indent": _indented}
    made.filters["string"] = lambda value: str(checked(value))
    kept = ("range", "dict", "namespace", "joiner", "cycler")
    made.globals = {name: made.globals[name] for name in kept} | {"raise_exception": _refuse}
    return made


def _plain(tag: re.Match[str]) -> str:
    return f"{{%{tag[1]} {'endif' if tag[2] else 'if true'} {tag[3]}%}}"


def _line(cause: Exception) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200].rstrip(".")
