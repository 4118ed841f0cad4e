"""JSON Schema as an automaton over bytes: from what was written so far, which bytes may follow.

A state is a set of stacks, of which the last item comes next, as in llama.cpp's grammars. An item is a plain tuple
whose first element names its kind: terminals take bytes, the others stand for what they expand to. JSON is written
without white space but for one optional space after a colon or comma; properties come in the schema's order.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeGuard

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest

Item = tuple[object, ...]
Stack = tuple[Item, ...]
State = frozenset[Stack]

END: Stack = ()  # the stack of a complete text
UNBOUNDED = 1 << 30
KEY_BYTES = 64  # of a name that the schema doesn't give; a small model never ends a longer one
DEEP = 48  # items of a stack, two to three a level; from there on only what is required is offered
DIGITS = 15  # of a number: so many always come back from a double as they were (IEEE 754)

TEXT, SPACE, STRING, NUMBER, KEY, FREE = "text", "space", "string", "number", "key", "free"  # terminals
VALUE, MEMBERS, ELEMENTS = "value", "members", "elements"
_COLON: Stack = ((SPACE, b" "), (TEXT, b":"))  # stacks are written from the last to the first
_IGNORED = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "definitions"}
)


@dataclass
class Node:
    """One schema, read: the texts and kinds of values that it takes."""

    texts: list[bytes] = field(default_factory=list)
    string: tuple[int, int] | None = None  # fewest and most characters
    number: int | None = None  # index in `Schema.numbers`
    properties: list[tuple[bytes, str, int, bool]] | None = None  # (key as JSON, name, node, whether required)
    extra: int | None = None  # the node of properties that aren't named
    items: tuple[int, int, int] | None = None  # (node, fewest, most)
    others: list[int] = field(default_factory=list)  # anyOf


@dataclass(frozen=True)
class Range:
    """The numbers that are taken: from lowest to highest, in units of 10^-14."""

    whole: bool
    lowest: int | None = None
    highest: int | None = None


class Schema:
    """A JSON Schema of the subset {type, properties, required, additionalProperties, enum, const, items, minItems,
    maxItems, minLength, maxLength, minimum, maximum (and exclusive), anyOf, $ref within the schema}.

    Raises `BadRequest` for other keywords, as an answer that ignored them might not be valid.
    """

    def __init__(self, schema: object) -> None:
        self._root = schema
        self.nodes: list[Node] = []
        self.numbers: list[Range] = []
        self._known: dict[int, int] = {}
        self.root = self._node(schema)

    def start(self, *before: Item) -> State:
        """The state before a value; `before`: what stands before it, the first last."""
        return close(self, [((VALUE, self.root), *before)])

    def _node(self, schema: object) -> int:
        if id(schema) in self._known:
            return self._known[id(schema)]
        index = self._known[id(schema)] = len(self.nodes)
        self.nodes.append(Node())
        self._read({} if schema is True else schema, self.nodes[index])
        return index

    def _read(self, schema: object, node: Node) -> None:
        if not isinstance(schema, Mapping):
            raise BadRequest("The schema (or a part of it) isn't a JSON object.")
        rest = {name: value for name, value in schema.items() if name not in _IGNORED and name[:1] != "$"}
        if "$ref" in schema:
            node.others.append(self._node(self._refer(schema["$ref"])))
        if "anyOf" in rest:
            node.others += map(self._node, _list(rest.pop("anyOf"), "anyOf"))
        if node.others:
            if set(rest) - {"type"}:
                raise _unsupported(f"{min(set(rest) - {'type'})} beside anyOf or $ref")
            return
        kinds = rest.pop("type", None)
        kinds = [kinds] if isinstance(kinds, str) else _list(kinds, "type") if kinds is not None else None
        if "const" in rest or "enum" in rest:
            values = [rest.pop("const")] if "const" in rest else _list(rest.pop("enum"), "enum")
            if rest:
                raise _unsupported(f"{min(rest)} beside enum or const")
            node.texts = [_json(value) for value in values if kinds is None or any(_is(value, kind) for kind in kinds)]
            return
        for kind in kinds if kinds is not None else _kinds_of(rest):
            self._read_kind(kind, rest, node)
        for name in _NUMERIC if node.number is not None else ():
            rest.pop(name, None)
        if rest:
            raise _unsupported(min(rest))

    def _read_kind(self, kind: object, rest: dict[str, object], node: Node) -> None:
        """Take a kind's keywords out of `rest` into the node."""
        if kind == "null":
            node.texts.append(b"null")
        elif kind == "boolean":
            node.texts += [b"true", b"false"]
        elif kind == "string":
            node.string = _bounds(rest, "minLength", "maxLength")
        elif kind in ("integer", "number"):
            if node.number is None or kind == "number":
                self.numbers.append(_range(rest, whole=kind == "integer"))
                node.number = len(self.numbers) - 1
        elif kind == "array":
            fewest, most = _bounds(rest, "minItems", "maxItems")
            node.items = (self._node(rest.pop("items", _ANY)), fewest, most)
        elif kind == "object":
            self._read_object(rest, node)
        else:
            raise BadRequest(f"The schema's type {kind!r} isn't one of JSON Schema.")

    def _read_object(self, rest: dict[str, object], node: Node) -> None:
        given = rest.pop("properties", {})
        required = _list(rest.pop("required", []), "required")
        # Closed where properties are named: a small model would fill what is open with inventions.
        extra = rest.pop("additionalProperties", not given)
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in required):
            raise BadRequest("The schema's properties must be an object, and required a list of names.")
        if extra is not False:
            node.extra = self._node(_ANY if extra is True else extra)
        node.properties = [(_json(name), name, self._node(each), name in required) for name, each in given.items()]
        for name in required:
            if name not in given:
                if node.extra is None:
                    raise BadRequest(f"The schema requires '{name}', which isn't among its properties.")
                node.properties.append((_json(name), str(name), node.extra, True))

    def _refer(self, pointer: object) -> object:
        """What "#/a/b" points to (RFC 6901)."""
        if not isinstance(pointer, str) or not pointer.startswith("#"):
            raise _unsupported("$ref to another document")
        at = self._root
        for part in pointer[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(at, Mapping) or name not in at:
                raise BadRequest(f"The schema refers to {pointer}, which it doesn't have.")
            at = at[name]
        return at


_NUMERIC = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_ANY: dict[str, object] = {}
_KIND_OF = {
    **dict.fromkeys(("properties", "required", "additionalProperties"), "object"),
    **dict.fromkeys(("items", "minItems", "maxItems"), "array"),
    **dict.fromkeys(("minLength", "maxLength"), "string"),
    **dict.fromkeys(_NUMERIC, "number"),
}


def step(schema: Schema, state: State, byte: int) -> State:
    """The state after one more byte; empty where it can't follow."""
    pending: list[Stack] = []
    for stack in state:
        if stack:
            after = _take(schema, stack[-1], byte)
            if after is not None:
                pending.append(stack[:-1] + after)
    return close(schema, pending) if pending else _DEAD


def close(schema: Schema, pending: list[Stack]) -> State:
    """The stacks, with everything expanded that comes next."""
    seen: set[Stack] = set()
    made: list[Stack] = []
    while pending:
        stack = pending.pop()
        if stack in seen:
            continue
        seen.add(stack)
        if not stack:
            made.append(stack)
            continue
        item, below = stack[-1], stack[:-1]
        if item[0] in (VALUE, MEMBERS, ELEMENTS):
            pending += [below + more for more in _expand(schema, item, len(below) >= DEEP)]
            continue
        made.append(stack)
        if item[0] == SPACE or item[0] == FREE or (item[0] == NUMBER and _ends(schema, item)):
            pending.append(below)
    return frozenset(made)


_DEAD: State = frozenset()


def _expand(schema: Schema, item: Item, deep: bool) -> Iterable[Stack]:
    """What an item that isn't a terminal may be."""
    kind, number = item[0], item[1]
    node = schema.nodes[number]  # type: ignore[call-overload]
    if kind == VALUE:
        yield from (((TEXT, text),) for text in node.texts)
        yield from (((VALUE, other),) for other in node.others)
        if node.string is not None:
            yield ((STRING, "", *node.string), (TEXT, b'"'))
        if node.number is not None:
            yield ((NUMBER, node.number, ""),)
        if node.properties is not None:
            yield ((MEMBERS, number, 0, True, frozenset()), (TEXT, b"{"))
        if node.items is not None:
            yield ((ELEMENTS, number, 0), (TEXT, b"["))
    elif kind == MEMBERS:
        yield from _members(node, item, deep)
    else:
        yield from _elements(node, item, deep)


def _members(node: Node, item: Item, deep: bool) -> Iterable[Stack]:
    """The rest of an object: the next property, one that may be left out for a later one, another one, or the end."""
    _, number, at, first, seen = item
    assert isinstance(at, int) and isinstance(seen, frozenset) and node.properties is not None
    comma: Stack = () if first else ((SPACE, b" "), (TEXT, b","))
    for i in range(at, len(node.properties)):
        key, _, value, required = node.properties[i]
        if required or not deep:
            yield ((MEMBERS, number, i + 1, False, seen), (VALUE, value), *_COLON, (TEXT, key), *comma)
        if required:
            return
    if node.extra is not None and not deep:
        yield ((KEY, number, seen, b"", ""), (TEXT, b'"'), *comma)
    yield ((TEXT, b"}"),)


def _elements(node: Node, item: Item, deep: bool) -> Iterable[Stack]:
    """The rest of an array: one more element, or the end."""
    _, number, count = item
    assert isinstance(count, int) and node.items is not None
    value, fewest, most = node.items
    if count < most and (count < fewest or not deep):
        more = count + 1 if most < UNBOUNDED else min(count + 1, max(fewest, 1))
        comma: Stack = () if count == 0 else ((SPACE, b" "), (TEXT, b","))
        yield ((ELEMENTS, number, more), (VALUE, value), *comma)
    if count >= fewest:
        yield ((TEXT, b"]"),)


def _take(schema: Schema, item: Item, byte: int) -> Stack | None:
    """What a terminal becomes after this byte; None where it can't follow."""
    kind = item[0]
    if kind == TEXT:
        text = item[1]
        assert isinstance(text, bytes)
        if text[0] != byte:
            return None
        return ((TEXT, text[1:]),) if len(text) > 1 else ()
    if kind == SPACE:
        return () if item[1] == bytes([byte]) else None
    if kind == STRING:
        return _take_string(item, byte)
    if kind == NUMBER:
        _, number, so_far = item
        assert isinstance(number, int) and isinstance(so_far, str)
        longer = _longer(schema.numbers[number], so_far, chr(byte))
        return None if longer is None else ((NUMBER, number, longer),)
    if kind == KEY:
        return _take_key(schema, item, byte)
    return _take_free(item, byte)


def _take_string(item: Item, byte: int) -> Stack | None:
    """A string's inside and its closing quote. item: (STRING, phase, characters needed, characters left)."""
    _, phase, needed, left = item
    assert isinstance(phase, str) and isinstance(needed, int) and isinstance(left, int)
    if not phase:
        if byte == 0x22:
            return () if needed == 0 else None
        if left == 0:
            return None
        more = "\\" if byte == 0x5C else _lead(byte)
        if more is None:
            return None
        left = left if left >= UNBOUNDED else left - 1
        return ((STRING, more, max(0, needed - 1), left),)
    if phase == "\\":
        if byte == 0x75:
            return ((STRING, "uuuu", needed, left),)
        return ((STRING, "", needed, left),) if byte in b'"\\/bfnrt' else None
    if phase[0] in "ud":
        digit = chr(byte).lower()
        if digit not in "0123456789abcdef" or (phase[0] == "d" and digit in "89abcdef"):
            return None  # the second: half of a surrogate pair
        rest = phase[1:]
        return ((STRING, "d" + rest[1:] if phase == "uuuu" and digit == "d" else rest, needed, left),)
    more = _continue(phase, byte)
    return None if more is None else ((STRING, more, needed, left),)


def _take_key(schema: Schema, item: Item, byte: int) -> Stack | None:
    """A name that the schema doesn't give, without escapes, so that it is equal to another only where spelled so."""
    _, number, seen, name, phase = item
    assert isinstance(number, int) and isinstance(seen, frozenset) and isinstance(name, bytes)
    assert isinstance(phase, str)
    node = schema.nodes[number]
    assert node.properties is not None and node.extra is not None
    if byte == 0x22 and not phase:
        if not name or name in seen or any(name.decode() == own for _, own, _, _ in node.properties):
            return None
        then = (MEMBERS, number, len(node.properties), False, seen | {name})
        return (then, (VALUE, node.extra), *_COLON)
    more = _continue(phase, byte) if phase else None if byte == 0x5C else _lead(byte)
    room = KEY_BYTES if phase else KEY_BYTES - 3  # so that a character that is begun can be ended
    return None if more is None or len(name) >= room else ((KEY, number, seen, name + bytes([byte]), more),)


def _take_free(item: Item, byte: int) -> Stack | None:
    """Any text until a mark, then what follows it. item: (FREE, mark, how much of it stands, stack that follows)."""
    _, mark, held, then = item
    assert isinstance(mark, bytes) and isinstance(held, bytes) and isinstance(then, tuple)
    held += bytes([byte])
    if held == mark:
        return ((FREE, mark, b"", then), *then)
    while not mark.startswith(held):
        held = held[1:]
    return ((FREE, mark, held, then),)


def _lead(byte: int) -> str | None:
    """What must follow a character's first byte (RFC 3629, section 4): a phase for `_continue`, "" for nothing."""
    if byte < 0x80:
        return "" if byte >= 0x20 else None
    special = {0xE0: "a2", 0xED: "h2", 0xF0: "m3", 0xF4: "n3"}.get(byte)
    if special is not None:
        return special
    if 0xC2 <= byte < 0xE0:
        return "c1"
    if 0xE1 <= byte < 0xF0:
        return "c2"
    return "c3" if 0xF1 <= byte < 0xF4 else None


_CONTINUE = {"a": (0xA0, 0xBF), "h": (0x80, 0x9F), "m": (0x90, 0xBF), "n": (0x80, 0x8F), "c": (0x80, 0xBF)}


def _continue(phase: str, byte: int) -> str | None:
    lowest, highest = _CONTINUE[phase[0]]
    if not lowest <= byte <= highest:
        return None
    return "" if phase[1] == "1" else f"c{int(phase[1]) - 1}"


_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_WHOLE_BEGUN = re.compile(r"-?(?:0|[1-9][0-9]*)?")
_REAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_REAL_BEGUN = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.|(?:\.[0-9]+)?(?:[eE](?:[+-]|[+-]?[0-9]{1,2})?)?)?)?")
_MANTISSA = re.compile(r"(-?)([0-9]*)(?:(\.)([0-9]*))?")
_UNITS = 10 ** (DIGITS - 1)


def _ends(schema: Schema, item: Item) -> bool:
    """Whether what stands of a number is one, within the bounds."""
    _, number, text = item
    assert isinstance(number, int) and isinstance(text, str)
    bounds = schema.numbers[number]
    if not (_WHOLE if bounds.whole else _REAL).fullmatch(text):
        return False
    if bounds.lowest is None and bounds.highest is None:
        return True
    value = int(Decimal(text) * _UNITS)
    return _within(bounds, value, value, 1)


def _longer(bounds: Range, text: str, char: str) -> str | None:
    """The text with one more character, where it can still become a number within the bounds."""
    longer = text + char
    if not (_WHOLE_BEGUN if bounds.whole else _REAL_BEGUN).fullmatch(longer):
        return None
    mantissa = _MANTISSA.match(longer)
    assert mantissa is not None
    sign, whole, dot, fraction = mantissa[1], mantissa[2], mantissa[3], mantissa[4] or ""
    if len(whole) + len(fraction) + (bool(dot) and not fraction) > DIGITS:
        return None
    if bounds.lowest is None and bounds.highest is None:
        # Which digits they are no longer matters: fewer states.
        kept = len(sign) + (whole == "0")
        return longer[:kept] + re.sub("[0-9]", "1", longer[kept:])
    if "e" in longer or "E" in longer:
        return None
    return longer if _reachable(bounds, sign, whole, dot, fraction) else None


def _reachable(bounds: Range, sign: str, whole: str, dot: str | None, fraction: str) -> bool:
    """Whether some number that begins so lies within the bounds."""
    minus = bool(sign)
    if not whole:
        return any(_reachable(bounds, sign, digit, None, "") for digit in "0123456789")
    for more in range(1 if dot or whole == "0" else DIGITS - len(whole) + 1):
        digits = len(whole) + more
        grid = _UNITS if bounds.whole else 10 ** (digits - 1)  # the last digit that may follow, in units
        scale = _UNITS // 10 ** len(fraction) if dot else _UNITS * 10**more
        low = int(whole + fraction) * scale
        high = low + scale - grid if not bounds.whole else low + _UNITS * (10**more - 1)
        high = max(low, high)
        if _within(bounds, -high if minus else low, -low if minus else high, grid):
            return True
    return False


def _within(bounds: Range, low: int, high: int, grid: int) -> bool:
    """Whether a multiple of `grid` between low and high (inclusive) lies within the bounds."""
    low = low if bounds.lowest is None else max(low, bounds.lowest)
    high = high if bounds.highest is None else min(high, bounds.highest)
    return -(-low // grid) * grid <= high


def _range(rest: dict[str, object], whole: bool) -> Range:
    """The bounds of a number, taken out of the schema."""
    found: dict[str, Decimal] = {}
    for name in _NUMERIC:
        value = rest.get(name)
        if name in rest and not strict_json.is_number(value):
            raise BadRequest(f"The schema's {name} must be a number.")
        if name in rest:
            found[name] = Decimal(repr(value)) * _UNITS
    grid = _UNITS if whole else 1
    lows, highs = [], []
    if "minimum" in found:
        lows.append(math.ceil(found["minimum"] / grid) * grid)
    if "exclusiveMinimum" in found:
        lows.append((math.floor(found["exclusiveMinimum"] / grid) + 1) * grid)
    if "maximum" in found:
        highs.append(math.floor(found["maximum"] / grid) * grid)
    if "exclusiveMaximum" in found:
        highs.append((math.ceil(found["exclusiveMaximum"] / grid) - 1) * grid)
    return Range(whole, max(lows, default=None), min(highs, default=None))


def _bounds(rest: dict[str, object], fewest: str, most: str) -> tuple[int, int]:
    low, high = rest.pop(fewest, 0), rest.pop(most, UNBOUNDED)
    if not _is_count(low) or not _is_count(high):
        raise BadRequest(f"The schema's {fewest} and {most} must be numbers of 0 or more.")
    return low, min(high, UNBOUNDED)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _kinds_of(rest: Mapping[str, object]) -> list[str]:
    """The kinds of a schema without a type: all, or the one that its keywords are of (what its author means)."""
    kinds = {_KIND_OF[name] for name in rest if name in _KIND_OF}
    return sorted(kinds) if kinds else ["object", "array", "string", "number", "boolean", "null"]


def _is(value: object, kind: object) -> bool:
    """Whether a value of an enum is of this type."""
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int | float):
        return kind == "number" or (kind == "integer" and value % 1 == 0)
    names = {str: "string", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value)) == kind


def _list(value: object, what: str) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise BadRequest(f"The schema's {what} must be a list.")
    return value


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise BadRequest("The schema holds a value that JSON can't write.") from None


def _unsupported(what: str) -> BadRequest:
    return BadRequest(
        f"The schema uses {what}, which this device doesn't hold answers to; leave it out, "
        "or install Enigma with the extra 'grammar'."
    )
