"""Holds an answer to a JSON Schema, to tool calls or to one of some texts: which tokens may come next.

With the package llguidance (the extra "grammar") it takes nearly all of JSON Schema and regular expressions; without
it, the subset that `schema` names. Both write JSON in the same form: properties in the schema's order, an optional
space after a colon or comma and no other white space, and no properties beside the named ones unless
additionalProperties says so.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_runtime.errors import BadRequest
from edge_runtime.language.masks import Automaton, Vocabulary, complete, ended
from edge_runtime.language.schema import FREE, SPACE, TEXT, VALUE, Schema, State, close
from edge_runtime.language.template import TOOL_CALL, TOOL_CALLED
from edge_runtime.language.tokenizer import TextTokenizer

if TYPE_CHECKING:
    import llguidance

Json = Mapping[str, object]

_KEPT = 4  # automata of a tokenizer: a device's skills and tools are few


class Constraint(Protocol):
    """What an answer must keep to; lives as long as the answer. The masks are over the tokenizer's tokens."""

    @property
    def done(self) -> bool:
        """Whether the text is complete and nothing may follow."""

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""

    def mask(self) -> np.ndarray | None:
        """bool [tokenizer.size], which tokens may follow (not to be changed): the stops too where it may end here."""

    def accept(self, token: int) -> None:
        """Take the next token; raises `BadRequest` for one that the mask doesn't allow."""


def constraint_for(
    schema: Json | bool | None, tokenizer: TextTokenizer, stops: Iterable[int] = (), native: bool | None = None
) -> Constraint:
    """Hold an answer to a JSON Schema; None: any JSON object.

    stops: tokens that end an answer, allowed where the text may end. native: with llguidance (None: where it is
    installed). Raises `BadRequest` for a schema that can't be held to, with what to change.
    """
    wanted = {"type": "object"} if schema is None else schema
    if native is None:
        native = native_available()
    if native:
        return _Native(tokenizer, stops, json.dumps(_closed(wanted)), "json")
    return _Own(_automaton(tokenizer, "json", wanted), tokenizer, stops)


def choice(options: Sequence[str], tokenizer: TextTokenizer, stops: Iterable[int] = ()) -> Constraint:
    """Hold an answer to one of these texts."""
    if not options or not all(options):
        raise BadRequest("The texts to choose from must be given, and none may be empty.")
    return _Own(_automaton(tokenizer, "choice", list(options)), tokenizer, stops)


def tool_calls(
    tools: Sequence[Json], tokenizer: TextTokenizer, stops: Iterable[int] = (), required: bool = False
) -> Constraint:
    """Let an answer be free text in which what stands between the marks of a tool call is a valid call.

    tools: {"name", "parameters": schema} or OpenAI's {"type": "function", "function": {...}}. required: the answer is
    one call and nothing else. This constraint is always our own: it needs llguidance for no schema it takes.
    """
    return _Own(_automaton(tokenizer, "call" if required else "calls", call_schema(tools)), tokenizer, stops)


def matching(pattern: str, tokenizer: TextTokenizer, stops: Iterable[int] = ()) -> Constraint:
    """Hold an answer to a regular expression (Rust's syntax). Raises `BadRequest` where llguidance isn't installed."""
    if not native_available():
        raise BadRequest("Holding an answer to a pattern needs llguidance: install Enigma with the extra 'grammar'.")
    return _Native(tokenizer, stops, pattern, "regex")


def call_schema(tools: Sequence[Json]) -> dict[str, object]:
    """The schema of a call of one of these tools: {"name", "arguments"}, the arguments as the tool's parameters say."""
    calls = []
    for tool in tools:
        inner = tool.get("function", tool)
        if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
            raise BadRequest("Each tool needs a name.")
        arguments = inner.get("parameters") or {"type": "object", "additionalProperties": False}
        call = {"name": {"const": inner["name"]}, "arguments": arguments}
        calls.append({"type": "object", "properties": call, "required": list(call), "additionalProperties": False})
    if not calls:
        raise BadRequest("There is no tool to call.")
    return {"anyOf": calls} if len(calls) > 1 else calls[0]


@functools.cache
def native_available() -> bool:
    """Whether llguidance is installed; found without importing it."""
    return importlib.util.find_spec("llguidance") is not None


class _Own:
    """A constraint by our own automaton."""

    def __init__(self, automaton: Automaton, tokenizer: TextTokenizer, stops: Iterable[int]) -> None:
        self._automaton, self._tokenizer = automaton, tokenizer
        self._stops = np.array(sorted(set(stops)), np.int64)
        self._state: State = automaton.start
        self._stopped = False

    @property
    def done(self) -> bool:
        return self._stopped or ended(self._state)

    @property
    def complete(self) -> bool:
        return self._stopped or complete(self._state)

    def mask(self) -> np.ndarray | None:
        mask = self._automaton.mask(self._state)
        if len(self._stops) and self.complete:
            mask = mask.copy()
            mask[self._stops] = True
        return mask

    def accept(self, token: int) -> None:
        if token in self._stops and self.complete:
            self._stopped = True
            return
        state = self._state
        data = self._tokenizer.token_bytes(token)
        for byte in data:
            state = self._automaton.step(state, byte)
        if not state or not data:
            raise BadRequest("The next token breaks the schema; choose one that the mask allows.")
        self._state = state


class _Native:
    """A constraint by llguidance (MIT, https://github.com/guidance-ai/llguidance)."""

    def __init__(self, tokenizer: TextTokenizer, stops: Iterable[int], text: str, kind: str) -> None:
        import llguidance

        self._size = tokenizer.size
        self._stops = np.array(sorted(set(stops)), np.int64)
        self._special = np.array(sorted(tokenizer.special.values()), np.int64)
        self._stopped = False
        if kind == "json":
            form: llguidance._lib.JsonCompileOptions = {
                "whitespace_flexible": False,
                "item_separator": ", ?",
                "key_separator": ": ?",
            }
            grammar = llguidance.LLMatcher.grammar_from_json_schema(text, overrides=form)
        else:
            grammar = llguidance.LLMatcher.grammar_from_regex(text)
        self._matcher = llguidance.LLMatcher(_native_tokenizer(tokenizer), grammar, log_level=0)
        self._check("This can't be held to")

    def _check(self, what: str) -> None:
        if self._matcher.is_error():
            raise BadRequest(f"{what}: {self._matcher.get_error().splitlines()[0][:200]}; change the schema.")

    @property
    def done(self) -> bool:
        return self._stopped or self._matcher.is_stopped()

    @property
    def complete(self) -> bool:
        return self._stopped or self._matcher.is_accepting()

    def mask(self) -> np.ndarray | None:
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check("No token can follow")
        mask = np.unpackbits(bits, bitorder="little", count=self._size).view(bool)
        mask[self._special] = False
        if len(self._stops) and self.complete:
            mask[self._stops] = True
        return mask

    def accept(self, token: int) -> None:
        if token in self._stops and self.complete:
            self._stopped = True
            return
        self._matcher.consume_token(token)
        self._check("The next token breaks the schema")


# By tokenizer, and gone with it: nothing kept here may refer to the tokenizer itself.
_vocabularies: weakref.WeakKeyDictionary[TextTokenizer, Vocabulary] = weakref.WeakKeyDictionary()
_automata: weakref.WeakKeyDictionary[TextTokenizer, OrderedDict[str, Automaton]] = weakref.WeakKeyDictionary()
_natives: weakref.WeakKeyDictionary[TextTokenizer, llguidance.LLTokenizer] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def _automaton(tokenizer: TextTokenizer, kind: str, content: object) -> Automaton:
    """The automaton of this content, kept with its masks: the first answer pays for the next ones."""
    with _making:
        return _automaton_alone(tokenizer, kind, content)


def _automaton_alone(tokenizer: TextTokenizer, kind: str, content: object) -> Automaton:
    kept = _automata.setdefault(tokenizer, OrderedDict())
    key = f"{kind} {json.dumps(content)}"
    if key in kept:
        kept.move_to_end(key)
        return kept[key]
    if tokenizer not in _vocabularies:
        _vocabularies[tokenizer] = Vocabulary(tokenizer)
    schema = Schema({} if kind == "choice" else content)
    if kind == "json":
        start = schema.start()
    elif kind == "choice":
        assert isinstance(content, list)
        start = close(schema, [((TEXT, option.encode()),) for option in content])
    else:
        # Some models put lines around the JSON (Hermes'), others don't.
        line: tuple[object, ...] = (SPACE, b"\n")
        call = ((TEXT, TOOL_CALLED.encode()), line, (VALUE, schema.root), line)
        if kind == "call":
            start = close(schema, [(*call, (TEXT, TOOL_CALL.encode()))])
        else:
            start = close(schema, [((FREE, TOOL_CALL.encode(), b"", call),)])
    automaton = kept[key] = Automaton(schema, _vocabularies[tokenizer], start)
    if len(kept) > _KEPT:
        kept.popitem(last=False)
    return automaton


def _native_tokenizer(tokenizer: TextTokenizer) -> llguidance.LLTokenizer:
    made = _natives.get(tokenizer)
    if made is None:
        import llguidance

        # Which token ends a text is ours to say (`stops`); llguidance wants one, and gets one that isn't text.
        ending = min(tokenizer.special.values(), default=tokenizer.size)
        wrapper = llguidance.TokenizerWrapper(_Spoken(tokenizer, ending))
        made = llguidance.LLTokenizer(wrapper, n_vocab=max(tokenizer.size, ending + 1), eos_token=ending)
        _natives[tokenizer] = made
    return made


class _Spoken:
    """A tokenizer as llguidance's `TokenizerWrapper` asks for it."""

    bos_token_id = None

    def __init__(self, tokenizer: TextTokenizer, ending: int) -> None:
        names = {number: text.encode() for text, number in tokenizer.special.items()}
        size = max(tokenizer.size, ending + 1)
        self.eos_token_id = ending
        self.tokens = [names.get(i) or (tokenizer.token_bytes(i) if i < tokenizer.size else b"") for i in range(size)]
        self.special_token_ids = sorted({*names, ending})
        self._tokenizer = weakref.ref(tokenizer)

    def __call__(self, text: str) -> list[int]:
        tokenizer = self._tokenizer()
        return tokenizer.encode(text) if tokenizer is not None else []


def _closed(schema: object) -> object:
    """The schema with additionalProperties false where properties are named and it doesn't say."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {
        name: value if name in ("enum", "const", "default", "examples") else _closed(value)
        for name, value in schema.items()
    }
    if isinstance(schema.get("properties"), Mapping):
        # Names of properties are names, even "enum".
        made["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made
