"""Where the texts that a tool takes begin and end in what was said: between its own words, numbers and marks.

"Create a reminder called pick up the parcel, daily" has one text: what stands behind "called" and before the comma. Words that
hold sentences together may be part of it, also its first and last ones, so that it needs no quotes.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from edge_runtime.language.tool_parts import JOINING, PLACES, Span, Unit

if TYPE_CHECKING:
    from edge_runtime.language.tool_marks import Reading

# How surely a text is meant to be one, the surest first; the last ones are taken only where the model points at them.
NAMED, JOINED, OPENED, BESIDE, APART, UNSURE, NOWHERE = range(7)
_ENDS = frozenset(".!?;")
_OPENING = frozenset(":=-–—")
_PARTING = frozenset(",()") | _ENDS | _OPENING
_NEXT = frozenset(("and", "so", "then"))
_LED = _NEXT | {"with", "that", "which", "it"}  # before "called", "saying"
_TURNED = _NEXT | {"on", "off", "yes", "no"}  # behind the name of a switch
_TELLING = frozenset(("is", "are", "was", "were", "should", "must", "can", "will", "has", "have", "had"))
_BY = frozenset(("about", "to", "for", "with", "at"))  # before a text that nothing else announces
_PLACING = frozenset(("on", "onto", "to", "in", "into", "from", "of", "at", "for", "with"))
# Before a number or a word of the tool these aren't part of the text that they follow.
_LINKS = frozenset((
    "and", "or", "with", "without", "the", "a", "an", "to", "at", "for", "of", "by", "in", "on", "from", "into", "up", "no",
    "not", "my", "our", "your", "this", "that", "as", "its",
))  # fmt: skip
# What people add to a request; never the end of a text.
_CLOSING = re.compile(
    r"(?:(?:^|\s+)(?:please|now|then|thanks|thank you|cheers|okay|ok|again|once more|myself|too|as well|already|instead|yet"
    r"|immediately|at once|straight away|right away|quickly|(?:as soon as|when|if) (?:you|it|that|it's|that's|possible)\b.*"
    r"|(?:will|would|could|can) you|and (?:that's it|nothing else|then stop)))+$",
    re.IGNORECASE | re.DOTALL,
)
_BEHIND = re.compile(r"\s*\b(?:as|for)(?: the| its)?$", re.IGNORECASE)  # "buy milk as the title"
_BETWEEN = re.compile(r"\W*(?:as|for)(?: the| its)?\s*", re.IGNORECASE)
_COUNTED = re.compile(r"(?:of them|percent|degrees|times|units)\b\s*", re.IGNORECASE)  # behind a number


class Text(NamedTuple):
    """Some words of the last message. rank: see `NAMED`. places: of the parameters that are named for it."""

    span: Span
    rank: int
    places: frozenset[int] = frozenset()
    quoted: bool = False


def texts(reading: Reading, mark: str) -> list[Text]:
    """What may be a text of a tool, in the order in which it was said. mark: of the tool."""
    return _Finder(reading, mark).find()


class _Finder:
    def __init__(self, reading: Reading, mark: str) -> None:
        self._parts = parts = reading.parts(reading.last)
        self._said = reading.text_of(parts[0]) if parts else ""
        self._mark, self._reading = mark, reading
        self._kinds = [parameter.kind for parameter in reading.tool(mark).parameters]
        counted = [one for one in reading.tool(mark).parameters if one.kind in ("integer", "number")]
        digits = any(part.text[-1].isdigit() and not part.quoted for part in parts)
        self._counts = bool(counted)
        self._counts_alone = not digits and any(one.required for one in counted)  # "six" of "a table for six"
        self._first = next((at for at, part in enumerate(parts) if self._is_own(part)), len(parts))
        first = len(reading.units) - sum(not part.small for part in parts)  # the last message's units are the last ones
        self._units = list(accumulate((not part.small for part in parts), initial=first))
        self._near = self._nearness()
        self._made: list[Text] = []
        self._spoken: set[int] = set()  # parts that name the text before them

    def find(self) -> list[Text]:
        at = 0
        while at < len(self._parts):
            part = self._parts[at]
            if part.quoted:
                self._keep_quoted(at)
            if part.quoted or (self._ends(at) and not self._opens(at)):
                at += 1
            else:
                at = self._run(at)
        return self._made

    def _nearness(self) -> list[int]:
        """By part, the rank of what begins there: directly behind something of the tool, or apart from it in its sentence."""
        made, near = [], NOWHERE
        for at, part in enumerate(self._parts):
            talk = part.small and (part.text[0].islower() or part.text.lower().split("'")[0] == "i")
            made.append(UNSURE if near == APART and talk else near)
            if self._is_own(part) or (at > self._first and self._is_number(at)):
                near = BESIDE
            elif part.small and part.text in _ENDS:
                near = NOWHERE
            elif self._is_mark(at) and near == BESIDE:
                near = APART
        return made

    def _run(self, begin: int) -> int:
        """Read words up to what ends them; gives where to go on."""
        parts = self._parts
        at, rank, places = self._opening(begin)
        if at >= len(parts) or parts[at].quoted or (at > begin and self._ends(at, rank, places)):
            return at if rank == NAMED else max(at, begin + 1)
        end = at
        while end < len(parts) and not self._ends(end, rank, places, at):
            if rank > JOINED and end > at and self._joins(end):
                break
            end += 1
        start = parts[at].start
        text = self._said[start : parts[max(at, end - 1)].end]
        behind = self._names(end)
        if behind and (found := _BEHIND.search(text)):
            self._spoken.add(end)
            text = text[: found.start()]
            if places and (joint := text.rfind(" and ")) >= 0:  # "title milk and Bob as the owner"
                self._keep(at, end, start, text[:joint], NAMED, places)
                start, text = start + joint + 5, text[joint + 5 :]
            self._keep(at, end, start, text, NAMED, behind)
            return max(end, at + 1)
        if end < len(parts) and parts[end].quoted and all(part.small for part in parts[at:end]):
            return end
        if begin and self._is_number(begin - 1) and (found := _COUNTED.match(text)):
            start, text = start + found.end(), text[found.end() :]
        if end == len(parts) or self._is_mark(end):
            text = _CLOSING.sub("", text)
        else:
            words = text.split(" ")
            while words and (words[-1].lower() in _LINKS or not words[-1]):
                words.pop()
            text = " ".join(words)
        self._keep(at, end, start, text, rank, places)
        return max(end, at + 1)

    def _keep(self, at: int, end: int, start: int, text: str, rank: int, places: frozenset[int]) -> None:
        """Keep a text, without the spaces around it, where it may be one. at, end: parts that it lies in."""
        text, start = text.strip(), start + len(text) - len(text.lstrip())
        inside = [one for one in range(at, max(end, at + 1)) if start <= self._parts[one].start < start + len(text)]
        units = [self._units[one] for one in inside if not self._parts[one].small]
        if any(character.isalnum() for character in text) and (units or rank <= OPENED):
            ends = (units[0], units[-1]) if units else (0, -1)
            self._made.append(Text(Span(self._reading.last, *ends, start, start + len(text)), rank, places))

    def _opens(self, at: int) -> bool:
        """Whether a word of the tool begins a text, as it stands behind the name of one: "title: Play it again"."""
        own = [one for one in self._parts[at].marks if one.startswith(self._mark)]
        return bool(own) and all(len(one) == 1 for one in own) and bool(self._named_before(at))

    def _opening(self, begin: int) -> tuple[int, int, frozenset[int]]:
        """(where a text begins, its rank, the parameters that are named before it)."""
        opened = begin > 0 and self._parts[begin - 1].text in _OPENING
        places, at = self._named_before(begin), begin
        explicit = bool(places) and opened
        if places and self._word(at) in ("is", "be"):
            at, explicit = at + 1, True
        led = at
        while self._word(led) in _LED:
            led += 1
        if self._joins(led):
            return led + 1, NAMED if places else JOINED if led > self._first else NOWHERE, places
        if places and (explicit or self._word(at) not in _PLACING):
            return at, NAMED, places
        while self._word(at) in (_TURNED if self._switches(begin - 1) else _NEXT):
            at += 1
        word, rank = self._word(at), OPENED if opened and begin > self._first else None
        if word == "which" and self._word(at + 1) == "is":
            return at + 2, OPENED, frozenset()
        if word in _TELLING:
            return at, NOWHERE, frozenset()
        if word in _BY:
            at, rank = at + 1, OPENED if word == "about" else rank
        if rank is None:
            rank = self._near[at] if at < len(self._parts) else NOWHERE
        return at, rank, frozenset()

    def _keep_quoted(self, at: int) -> None:
        part, other, after = self._parts[at], at - 1, at + 1
        while other >= 0 and self._parts[other].small and at - other <= 4:
            if self._parts[other].text in _PARTING - _OPENING:
                break
            other -= 1
        places = self._names(other) if other not in self._spoken else frozenset()
        while after < len(self._parts) and self._parts[after].small and after - at <= 3:
            after += 1
        behind = self._names(after)
        if behind and _BETWEEN.fullmatch(self._said[part.end : self._parts[after].start]):
            places = behind
            self._spoken.add(after)
        unit = self._units[at]
        span = Span(self._reading.last, unit, unit, part.start, part.end)
        self._made.append(Text(span, NAMED if places else JOINED, places, quoted=True))

    def _ends(self, at: int, rank: int = NOWHERE, places: frozenset[int] = frozenset(), start: int = 0) -> bool:
        """Whether a part isn't of a text: a mark, a number, a word of the tool. rank, places, start: of the text before it."""
        part = self._parts[at]
        if part.quoted or self._is_number(at) or self._is_mark(at):
            return True
        own = [one for one in part.marks if one.startswith(self._mark)]
        if rank > OPENED or not own:
            return bool(own)
        before = self._parts[max(start, at - 2) : at]
        words = {other.text.lower() for other in before if other.small}
        if any(len(one) > 1 for one in own):
            alone = len(before) < 2 and all(other.small for other in before)
            return alone or "as" in words or not self._names(at) & places
        return bool(_PLACING & words)

    def _word(self, at: int) -> str:
        """A part in small letters; nothing behind the last one."""
        return self._parts[at].text.lower() if at < len(self._parts) else ""

    def _is_mark(self, at: int) -> bool:
        """Whether it is punctuation; a stroke within a word isn't met here."""
        return self._parts[at].small and self._parts[at].text in _PARTING

    def _is_own(self, part: Unit) -> bool:
        return any(one.startswith(self._mark) for one in part.marks)

    def _joins(self, at: int) -> bool:
        return self._word(at) in JOINING and not self._is_own(self._parts[at])

    def _is_number(self, at: int) -> bool:
        """Whether it is a number that the tool may take: in digits, or a word before the name of what is counted."""
        part = self._parts[at]
        if not self._counts or part.small or not self._reading.counts(part):
            return False
        if part.text[-1].isdigit() or at + 1 == len(self._parts):
            return part.text[-1].isdigit() or self._counts_alone
        return self._counts_alone if self._parts[at + 1].small else self._is_own(self._parts[at + 1])

    def _switches(self, at: int) -> bool:
        """Whether a part names something that is turned on or off."""
        return any(self._kinds[place] == "boolean" for place in self._all_names(at))

    def _names(self, at: int) -> frozenset[int]:
        """The parameters that take a text which a part names."""
        return frozenset(place for place in self._all_names(at) if self._kinds[place] in ("string", "other"))

    def _all_names(self, at: int) -> list[int]:
        marks = self._parts[at].marks if 0 <= at < len(self._parts) else []
        return [PLACES.index(one[1]) for one in marks if one.startswith(self._mark) and len(one) == 2]

    def _named_before(self, at: int) -> frozenset[int]:
        """Those that stand directly before a text, or before ":"."""
        before = at - 1
        if before >= 0 and self._parts[before].text in _OPENING:
            before -= 1
        return self._names(before) if before not in self._spoken else frozenset()
