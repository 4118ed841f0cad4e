"""What tools and messages are made of, as a very small model reads them; see `edge_runtime.language.tool_marks`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest

Json = Mapping[str, object]
PLACES = "123456789abcdefghijklmnopqrstuvwxyz"  # of a parameter in its tool, and of a choice in its list
_DESCRIBED = 8  # words of a description that are shown
# Words that hold sentences together: they stay as they are, and no value begins or ends with one.
SMALL = frozenset((
    "a", "an", "the", "and", "or", "but", "if", "of", "to", "in", "on", "off", "at", "by", "for", "from", "with",
    "without", "into", "out", "up", "down", "as", "is", "are", "was", "were", "be", "been", "do", "does", "did",
    "don't", "didn't", "doesn't", "not", "no", "never", "i", "i'd", "i'm", "you", "your", "we", "it", "its", "it's",
    "this", "that", "these", "those", "there", "here", "my", "me", "us", "our", "what", "what's", "which", "who",
    "why", "how", "when", "where", "can", "could", "would", "should", "shall", "will", "may", "might", "must",
    "please", "now", "then", "so", "than", "have", "has", "had", "let", "let's", "about", "hey", "just", "want",
    "like", "ask", "asked", "tell", "told", "happens", "mean", "means", "go", "ahead", "last", "again", "yes",
    "he", "she", "they", "him", "her", "them", "his", "their", "i've", "i'll", "you're", "can't", "couldn't", "won't", "wouldn't",
    "shouldn't", "isn't", "aren't", "wasn't", "weren't", "haven't", "hasn't",
    "need", "explain", "anybody", "somebody", "wise", "possible", "able", "hello", "hi", "thanks", "thank",
))  # fmt: skip
JOINING = frozenset(
    ("says", "saying", "called", "named", "titled")
)  # a text follows: small, unless a tool has the word


@dataclass(frozen=True)
class Parameter:
    """One value of a call. path: its keys, several for one inside an object. kind: of JSON Schema, or "enum", or "other".

    items: whether it is a list of such. required: of every call; inner: of every object that it is in.
    """

    path: tuple[str, ...]
    kind: str
    choices: tuple[object, ...] = ()
    items: bool = False
    required: bool = False
    inner: bool = False
    words: frozenset[str] = frozenset()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Tool:
    """A tool as the model meets it; words: of its name and description, stemmed."""

    name: str
    shown: str
    words: frozenset[str]
    parameters: tuple[Parameter, ...]
    required: frozenset[str] = frozenset()


@dataclass(eq=False)
class Unit:
    """A word, number or quoted text that can be pointed at; start and end: in its message.

    small: a mark, or a word that holds the sentence together, which can't.
    """

    message: int
    start: int
    end: int
    text: str
    quoted: bool = False
    small: bool = False
    marks: list[str] = field(default_factory=list)


class Span(NamedTuple):
    """Some words of a message: its first and last unit, fewer than none where it has none, and where it begins and ends."""

    message: int
    first: int
    last: int
    start: int
    end: int


class Unreadable(BadRequest):
    """What the model wrote is no call that the tools allow."""

    code = "unreadable_tools"


def tool_of(raw: Json) -> Tool:
    """A tool out of OpenAI's form; raises `BadRequest`."""
    function = raw.get("function", raw)
    if not isinstance(function, Mapping) or not isinstance(name := function.get("name"), str):
        raise BadRequest('A tool must be {"type": "function", "function": {"name", "description", "parameters"}}.')
    schema = function.get("parameters")
    about = str(function.get("description") or "")
    parameters = tuple(_parameters(schema if isinstance(schema, Mapping) else {}, (), True))
    described = [word for word in words_of(about) if word.lower() not in SMALL][:_DESCRIBED]
    title = [word for word in words_of(name) if word.lower() not in {one.lower() for one in described}]
    shown = " ".join(word.lower() for word in [*title, *described])
    for place, parameter in zip(PLACES, parameters, strict=False):
        kinds = {"enum": "=", "integer": "#", "number": "#", "boolean": "+", "string": '"'}
        kind = ("*" if parameter.items else "") + kinds.get(parameter.kind, "?")
        label = " ".join(word.lower() for word in words_of(" ".join(parameter.path)))
        shown += f" {place} {label} {kind}{'!' if parameter.required else ''}"
    words = frozenset(stemmed(word) for word in (*words_of(name), *words_of(about)) if word.lower() not in SMALL)
    required = schema.get("required", ()) if isinstance(schema, Mapping) else ()
    names = frozenset(map(str, required)) if isinstance(required, list) else frozenset()
    return Tool(name, shown, words, parameters[: len(PLACES)], names)


def _parameters(schema: Json, path: tuple[str, ...], needed: bool) -> Iterator[Parameter]:
    """The values of an object's schema; those of objects within by their own."""
    properties, required = schema.get("properties"), schema.get("required")
    wanted = set(required) if isinstance(required, list) else set()
    for key, inner in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(inner, Mapping) or len(path) > 3:
            continue
        where = (*path, str(key))
        must = needed and key in wanted
        if inner.get("type") == "object" and isinstance(inner.get("properties"), Mapping):
            yield from _parameters(inner, where, must)
            continue
        listed = inner.get("type") == "array"
        one = inner.get("items") if listed else inner
        one = one if isinstance(one, Mapping) else {}
        choices = one.get("enum")
        kind = "enum" if isinstance(choices, list) else str(one.get("type", "other"))
        yield Parameter(
            where,
            kind if kind in ("enum", "integer", "number", "boolean", "string") else "other",
            tuple(choices) if isinstance(choices, list) else (),
            listed,
            must,
            bool(path) and key in wanted,
            frozenset(stemmed(word) for word in words_of(str(key)) if word.lower() not in SMALL),
            _limit(one, "minimum"),
            _limit(one, "maximum"),
        )


def _limit(schema: Json, name: str) -> float | None:
    value = schema.get(name)
    return float(value) if strict_json.is_number(value) else None


def words_of(text: str) -> list[str]:
    """Words of a text or a name: set_light, setLight and set-light have two."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return re.findall(r"[^\W\d_]+|\d+", parted)


@lru_cache(maxsize=4096)
def stemmed(word: str) -> str:
    """A word without the endings that most often differ."""
    low = word.lower()
    for ending in ("ing", "es", "ed", "s"):
        if low.endswith(ending) and len(low) - len(ending) >= 3:
            low = low[: -len(ending)]
            break
    return low[:-1] if low.endswith("e") and len(low) > 3 else low
