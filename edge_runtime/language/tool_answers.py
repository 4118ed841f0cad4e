"""A yes or a no to "Do you want this: set light (room hall, level 33)?", which the device itself had asked.

What was asked stands in the conversation, in a form of the device's own, so it is read back and not asked of the model. An
answer that says more than yes or no, like "yes, but 20", is left to the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from edge_runtime.language.generate import Piece, Usage
from edge_runtime.language.marked_calls import QUESTION, key_words, question, spoken_value
from edge_runtime.language.template import render_tool_calls
from edge_runtime.language.tool_marks import Reading
from edge_runtime.language.tool_parts import Unreadable, words_of

Json = Mapping[str, object]
DONE_NOTHING = "All right, I did nothing."
_STEPS = 20_000  # of reading a question back: a text that looks like one must not take the device's time
_YES = (
    "yes", "yeah", "yea", "yep", "yup", "ya", "aye", "sure", "sure thing", "ok", "okay", "alright", "all right", "right", "correct",
    "exactly", "precisely", "absolutely", "definitely", "certainly", "indeed", "affirmative", "of course", "naturally", "true",
    "confirm", "confirmed", "agreed", "go ahead", "go on", "go for it", "do it", "do that", "do this", "do so", "make it so",
    "please", "please do", "by all means", "i do", "i would", "i want that", "i want it", "i want this", "i'd like that",
    "i'd love that", "i asked for it", "that", "that one", "that's it", "that's right", "that's correct", "that's what i want",
    "that's what i wanted", "that's what i meant", "that's what i said", "that's fine", "that's good", "that is right",
    "that is correct", "that is what i want", "that would be great", "sounds good", "sounds right", "looks good", "fine", "perfect",
    "great", "good", "why not", "you got it", "with pleasure",
)  # fmt: skip
_NO = (
    "no", "nope", "nah", "no way", "don't", "do not", "don't do it", "don't do that", "never", "never mind", "nevermind", "not now",
    "not that", "not this", "not really", "not at all", "not yet", "stop", "stop it", "cancel", "cancel that", "cancel it",
    "forget it", "forget that", "leave it", "leave it be", "leave it alone", "wrong", "that's wrong", "incorrect", "i don't",
    "i do not", "i don't want that", "i don't want it", "i wouldn't", "i didn't ask for that", "i didn't say that", "i only asked",
    "i was only asking", "i was just asking", "just asking", "only asking", "certainly not", "of course not", "absolutely not",
    "definitely not", "please don't", "negative", "nothing", "rather not", "i'd rather not", "better not", "it isn't", "that's not it",
    "that's not what i want", "that's not what i meant",
)  # fmt: skip
_BESIDE = (
    "please",
    "thanks",
    "thank you",
    "thanks a lot",
    "now",
    "then",
    "oh",
    "um",
    "well",
    "hm",
    "and",
    "right away",
    "quickly",
)
_PHRASES = {
    tuple(phrase.split()): kind for kind, phrases in ((None, _BESIDE), (False, _NO), (True, _YES)) for phrase in phrases
}
_LONGEST = max(map(len, _PHRASES))


def confirmed(messages: Sequence[Json], reading: Reading) -> list[dict[str, object]] | None:
    """The calls that a person said yes to; none for a no; None where the device didn't ask, or more was answered."""
    if len(messages) < 2 or messages[-1].get("role") != "user" or messages[-2].get("role") != "assistant":
        return None
    asked, said = messages[-2].get("content"), messages[-1].get("content")
    if not isinstance(asked, str) or not isinstance(said, str) or not asked.startswith(QUESTION):
        return None
    wanted = yes_or_no(said)
    if wanted is None:
        return None
    calls = _Asked(reading).calls(asked)
    return calls if wanted or calls is None else []


def settled_pieces(calls: Sequence[Json]) -> Iterator[Piece]:
    """The answer for `confirmed`, in one piece: no token was read or written for it."""
    text, chance = (render_tool_calls(calls), 1.0) if calls else (DONE_NOTHING, None)
    yield Piece(text, logprob=0.0, finish="stop", usage=Usage(0, 0, 0, 0), chance=chance)


def yes_or_no(text: str) -> bool | None:
    """What a text says that is a yes or a no and nothing else; None for any other."""
    words = re.findall(r"[\w']+", text.lower().replace("’", "'"))
    found: set[bool] = set()
    at = 0
    while at < len(words):
        size = next((size for size in range(_LONGEST, 0, -1) if tuple(words[at : at + size]) in _PHRASES), 0)
        if not size:
            return None
        kind = _PHRASES[tuple(words[at : at + size])]
        found |= set() if kind is None else {kind}
        at += size
    return found.pop() if len(found) == 1 else None


class _Asked:
    """Reads `question` back."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._left = _STEPS

    def calls(self, asked: str) -> list[dict[str, object]] | None:
        """The calls that were asked about; None where no offered tool gives this question."""
        try:
            for made in self._listed(asked.removeprefix(QUESTION).removesuffix("?")):
                allowed = (self._reading.allows(str(call["name"]), cast(Json, call["arguments"])) for call in made)
                if question(made) == asked and all(allowed):
                    return made
        except (Unreadable, RecursionError):  # of some hundred calls or items, one inside another
            return None
        return None

    def _listed(self, text: str) -> Iterator[list[dict[str, object]]]:
        for schema, name in self._reading.schemas():
            self._step()
            begin = " ".join(word.lower() for word in words_of(name))
            if not text.startswith(begin):
                continue
            rest = text[len(begin) :]
            for arguments, after in self._bracketed(schema, rest):
                call: dict[str, object] = {"name": name, "arguments": arguments}
                if not after:
                    yield [call]
                elif after.startswith("; "):
                    yield from ([call, *more] for more in self._listed(after[2:]))

    def _bracketed(self, schema: Json, text: str) -> Iterator[tuple[dict[str, object], str]]:
        """(the arguments that a text begins with, what follows)."""
        if not text.startswith(" ("):
            yield {}, text
            return
        for found in re.finditer(r"\)(?=$|; )", text):
            for arguments in self._members(schema, text[2 : found.start()], ", ", key_words):
                yield arguments, text[found.end() :]

    def _members(
        self, schema: Json, text: str, between: str, spoken: Callable[[str], str]
    ) -> Iterator[dict[str, object]]:
        """The objects that a text says: names with their values, in any order."""
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        for key, inner in properties.items():
            begin = f"{spoken(key)} "
            if not text.startswith(begin) or not isinstance(inner, Mapping):
                continue
            for end in [*(found.start() for found in re.finditer(re.escape(between), text)), len(text)]:
                self._step()
                if end < len(begin):
                    continue
                others = {name: one for name, one in properties.items() if name != key}
                for value in self._values(inner, text[len(begin) : end]):
                    if end == len(text):
                        yield {key: value}
                        continue
                    rest = self._members({"properties": others}, text[end + len(between) :], between, spoken)
                    yield from ({key: value, **more} for more in rest)

    def _values(self, schema: Json, text: str) -> Iterator[object]:
        """The values of a schema that are said by a text."""
        self._step()
        listed, kind = schema.get("enum"), schema.get("type")
        if isinstance(listed, list):
            yield from (one for one in listed if spoken_value(one) == text)
        elif kind == "object":
            yield from self._members(schema, text, " ", str)
        elif kind == "array":
            inner = schema.get("items")
            yield from self._items(inner if isinstance(inner, Mapping) else {}, text)
        elif kind == "boolean":
            yield from (one for one in (True, False) if spoken_value(one) == text)
        elif kind in ("integer", "number"):
            yield from (one for one in _numbers(text) if spoken_value(one) == text)
        else:
            yield text

    def _items(self, schema: Json, text: str) -> Iterator[list[object]]:
        for end in [*(found.start() for found in re.finditer(" and ", text)), len(text)]:
            for value in self._values(schema, text[:end]):
                if end == len(text):
                    yield [value]
                else:
                    yield from ([value, *more] for more in self._items(schema, text[end + 5 :]))

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unreadable("What was asked can't be read back.")


def _numbers(text: str) -> Iterator[int | float]:
    if re.fullmatch(r"-?\d{1,18}", text):
        yield int(text)
    elif re.fullmatch(r"-?\d{1,18}\.\d{1,18}", text):
        yield float(text)
