"""Reads bodies whose long parts come again and again, as a home's inventory does, and keeps what it read of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from edge_runtime import strict_json

KEPT_OBJECTS = 8  # a device serves one home, or a few, in which now and then a state changes
# Of the texts of those together. What is read of a text takes 5 to 10 times its memory, and 22 times that of [[],[],...]:
# all that is kept takes 2 MB with homes of 25 entities, 6 MB with homes of 600, 12 MB where somebody tried hard.
KEPT_CHARACTERS = 1 << 19
ELEMENT_CHARACTERS = 1 << 17  # of the elements of lists, twice: of 600 entities or more
_WORTH_KEEPING = 1024  # characters; a shorter object is parsed as quickly as it is compared,
_WORTH_FINDING = 48  # and a shorter element as quickly as it is found
# Bounds on what is read piece by piece, which takes longer than all at once where nothing of it is known.
_MOST_MEMBERS = 64
_MOST_ELEMENTS = 2000
_LONG_ELEMENT = 4096  # characters

T = TypeVar("T")
_Read = Callable[[str, int], tuple[object, int]]  # (text, where a value begins) -> (the value, where it ends)


class Kept(dict[str, object]):
    """An object as it was read, with its text. The same text gives the same object again: nobody may change it."""

    __slots__ = ("_made", "text")

    def __init__(self, value: Mapping[str, object], text: str) -> None:
        super().__init__(value)
        self.text = text
        self._made: tuple[object, object] | None = None

    def once(self, work: Callable[[object], T]) -> T:
        """What `work`, a function without side effects, makes of this object; the last one's is kept."""
        if self._made is None or self._made[0] is not work:
            self._made = (work, work(self))
        return cast(T, self._made[1])


class Reader:
    """Reads JSON as strictly as `strict_json`, the same long text only once; lives in one event loop.

    Kept are long objects at the top level, and the objects in the lists of such an object: of an inventory in which
    one state changed, one entity is parsed. A text is known only by all of its characters, so nothing is ever
    mistaken for something else, and what is unusual goes through `strict_json` whole.
    """

    def __init__(self) -> None:
        self._kept: list[Kept] = []  # the last used stands last
        self._elements: dict[str, Kept] = {}
        self._older: dict[str, Kept] = {}  # forgotten when `_elements` is full, where they weren't used again
        self._characters = 0  # in `_elements`

    def loads_object(self, data: bytes) -> dict[str, object]:
        """As `strict_json.loads_object`; what is kept is `Kept`."""
        try:
            text = data.decode("utf-8")
            value, end = self._object(text, 0, self._member)
            if not text[end:].strip(_SPACES):
                return value
        except (ValueError, RecursionError):
            pass
        return strict_json.loads_object(data)  # which says what is wrong, or reads what is only unusual

    def _object(self, text: str, at: int, read: _Read) -> tuple[dict[str, object], int]:
        """The object that begins at `at`, its members read by `read`, and its end; ValueError for what isn't plain."""
        value: dict[str, object] = {}
        before, end = _FIRST.match(text, at), at
        while before is not None:
            key = before[1]
            if key in value or len(value) >= _MOST_MEMBERS:
                raise ValueError
            value[key], end = read(text, before.end())
            before = _NEXT.match(text, end)
        return value, _end(_LAST, text, end)

    def _member(self, text: str, at: int) -> tuple[object, int]:
        """A member of the body."""
        if text[at : at + 1] != "{":
            return _plain(text, at, 1)
        for i in range(len(self._kept) - 1, -1, -1):
            kept = self._kept[i]
            if text.startswith(kept.text, at):  # an object ends where it ends, whatever follows
                self._kept.append(self._kept.pop(i))
                return kept, at + len(kept.text)
        try:
            value, end = self._object(text, at, self._list)
        except ValueError:
            return _plain(text, at, 1)
        if not _WORTH_KEEPING <= end - at <= KEPT_CHARACTERS:
            return value, end
        self._kept.append(Kept(value, text[at:end]))
        while len(self._kept) > KEPT_OBJECTS or sum(len(kept.text) for kept in self._kept) > KEPT_CHARACTERS:
            del self._kept[0]
        return self._kept[-1], end

    def _list(self, text: str, at: int) -> tuple[object, int]:
        """A member of such a member."""
        before = _OPEN.match(text, at)
        if before is None:
            return _plain(text, at, 2)
        items: list[object] = []
        while before is not None:
            item, end = self._element(text, before.end())
            items.append(item)
            before = _COMMA.match(text, end) if len(items) < _MOST_ELEMENTS else None
        return items, _end(_CLOSE, text, end)

    def _element(self, text: str, at: int) -> tuple[object, int]:
        likely = _ELEMENT_END.search(text, at, at + _LONG_ELEMENT)
        if likely is not None:
            own = text[at : likely.end()]
            kept = self._elements.get(own)
            if kept is None and (kept := self._older.get(own)) is not None:
                self._keep(kept)
            if kept is not None:
                return kept, likely.end()
        value, end = _plain(text, at, 3)
        if likely is None or likely.end() != end or end - at < _WORTH_FINDING or not isinstance(value, dict):
            return value, end
        element = Kept(value, text[at:end])
        self._keep(element)
        return element, end

    def _keep(self, element: Kept) -> None:
        self._characters += len(element.text)
        if self._characters > ELEMENT_CHARACTERS:
            self._older, self._elements, self._characters = self._elements, {}, len(element.text)
        self._elements[element.text] = element


_SPACES = " \t\n\r"
_SPACE = f"[{_SPACES}]*"
_NAME = rf'{_SPACE}"([^"\\\x00-\x1f]*)"{_SPACE}:{_SPACE}'  # of a member, without escapes
_FIRST = re.compile(rf"{_SPACE}\{{{_NAME}")
_NEXT = re.compile(rf"{_SPACE},{_NAME}")
_LAST = re.compile(rf"{_SPACE}\}}")
_OPEN = re.compile(rf"\[{_SPACE}(?=\{{)")  # of a list of objects
_COMMA = re.compile(rf"{_SPACE},{_SPACE}(?=\{{)")
_CLOSE = re.compile(rf"{_SPACE}\]")
_ELEMENT_END = re.compile(rf"\}}(?={_SPACE}(?:,{_SPACE}\{{|\]))")


def _plain(text: str, at: int, inside: int) -> tuple[object, int]:
    """The value at `at`, which stands within `inside` containers, and its end; ValueError where it isn't strict."""
    value, end = strict_json.DECODER.raw_decode(text, at)
    own, limit = text[at:end], strict_json.MAX_DEPTH - inside
    if own.count("{") + own.count("[") > limit and strict_json.depth_exceeds(value, limit):
        raise ValueError
    if "\\u" in own and not strict_json.encodable(value):
        raise ValueError
    return value, end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise ValueError
    return found.end()
