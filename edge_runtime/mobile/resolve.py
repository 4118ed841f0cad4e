"""Turns labelled clauses into a robot's orders: what each phrase refers to in the inventory, and what "it" and "here" are.

The inventory has a home's form: `areas` are the places where a robot can stand, `entities` the things and people, each with
the area where it usually is.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from edge_runtime.home.inventory import Entity, Home
from edge_runtime.home.match import stems
from edge_runtime.home.parse import Clause, Span
from edge_runtime.home.refer import areas_named
from edge_runtime.home.resolve import Call, Outcome
from edge_runtime.home.words import similar
from edge_runtime.mobile.lexicon import DOCK, ORDERS, SPEEDS, YOUR_DOCK

_FROM = frozenset({"from", "off"})  # before a place: where a thing is, not where it goes
_AT = frozenset({"in", "at", "on", "inside", "around", "near"})
_ARTICLES = frozenset({"the", "a", "an", "my", "our", "your", "that", "this"})
_NOT = frozenset({"don't", "dont", "never", "not", "won't", "shouldn't", "mustn't", "can't", "cannot"})
_WHY_NOT = frozenset({"why", "forget"})  # "why don't you", "don't forget to": said to be done
# A clause that begins so asks how things are; "can you", "would you" and "do" ask for something, too.
_ASKING = frozenset({
    "is", "are", "was", "were", "did", "does", "where", "where's", "what", "what's", "which", "who", "whose",
    "when", "how", "how's",
})  # fmt: skip
_SHOWN = 4  # choices that a question names


@dataclass
class _Said:
    """What a sentence has spoken of so far."""

    here: str | None
    thing: Entity | None = None
    place: str | None = None


class _Doubt(Exception):
    """The sentence can't be carried out as it is; the text is the question back."""


def resolve(clauses: list[Clause], home: Home, here: str | None) -> Outcome:
    """Orders of all clauses; if one is in doubt, or forbids something, nothing is done at all, or not that."""
    said, calls = _Said(here), []
    try:
        for clause in clauses:
            if clause.action != "none" and not forbidden(clause) and not asks(clause):
                calls.append(_order(clause, home, said))
            else:
                _mention(clause, home, said)
    except _Doubt as doubt:
        return Outcome(question=str(doubt))
    return Outcome(tuple(calls))


def forbidden(clause: Clause) -> bool:
    """Whether something is forbidden rather than asked for: a plain rule above the model, as the opposite is the worst answer.

    "Don't move" is a stop, and "don't stop" isn't.
    """
    tokens = clause.tokens
    if clause.action == "stop":
        return any(
            token in _NOT and {"stop", "halt", "wait"} & {*tokens[i + 1 : i + 3]} for i, token in enumerate(tokens)
        )
    for i, token in enumerate(tokens):
        if token in _NOT and not _WHY_NOT & {*tokens[max(0, i - 1) : i], *tokens[i + 1 : i + 2]}:
            return not any(span.excluded for span in clause.spans)  # "patrol, but not the kitchen"
    return False


def asks(clause: Clause) -> bool:
    """Whether a clause begins as a question about how things are: no robot moves because of it."""
    words = [token for token in clause.tokens if token[0].isalpha()]
    asking = words[:1] and (words[0] in _ASKING or words[:2] == ["have", "you"])
    return clause.action != "stop" and bool(asking)


def _mention(clause: Clause, home: Home, said: _Said) -> None:
    """What isn't asked for may still be meant by the next "it"."""
    for span in clause.spans:
        if span.slot == "NAME":
            with contextlib.suppress(_Doubt):
                said.thing = _thing(span, home)


def _order(clause: Clause, home: Home, said: _Said) -> Call:
    arguments: dict[str, object] = {}
    if speed := _speed(clause):
        arguments["speed"] = speed
    targets: tuple[str, ...] = ()
    things = [_thing(span, home) for span in clause.spans if span.slot == "NAME" and not span.excluded]
    if len(things) > 1:
        raise _Doubt("One thing at a time, please: " + " or ".join(thing.name for thing in things) + "?")
    thing = things[0] if things else None
    if thing is None and clause.has("PRON") and clause.action in ("go", "follow", "fetch", "place", "find"):
        thing = said.thing
        if thing is None:
            raise _Doubt(f"What is {clause.words('PRON')[0]!r}? Please name it.")
    place, source = _places(clause, home, said)
    match clause.action:
        case "go":
            goal = place or source or (thing.area if thing else None)
            if goal is None and thing is not None:
                raise _Doubt(f"I don't know where {thing.name} is; say where, or ask me to find it.")
            if goal is None:
                raise _Doubt("Where to? Please name a place.")
            targets, said.place = (goal,), goal
        case "follow":
            if thing is None and not clause.has("HERE"):
                raise _Doubt("Whom shall I follow?")
            targets = (thing.id,) if thing else ()  # none: whoever speaks
        case "fetch" | "place" | "find":
            if thing is None:
                raise _Doubt(f"What shall I {clause.action}?")
            targets = (thing.id,)
            if clause.action == "find":
                where = source or place
                if where:
                    arguments["in"] = said.place = where
            else:
                if source and clause.action == "fetch":
                    arguments["from"] = source
                goal = place or (source if clause.action == "place" else None)
                if goal is None and clause.action == "fetch":
                    goal = said.here
                if goal is None and clause.action == "place" and "back" in clause.tokens:
                    goal = thing.area
                if goal:
                    arguments["to"] = said.place = goal
        case "patrol":
            targets = _round(clause, home, said)
        case "speed":
            if not speed:
                raise _Doubt("How fast? Say slow, normal or fast.")
        case "dock":
            if not _docks(clause.tokens):
                raise _Doubt("Do you mean my dock? Then say dock.")
        case _:
            pass
    said.thing = thing or said.thing
    return Call(ORDERS[clause.action], arguments, targets)  # type: ignore[arg-type]


def _docks(tokens: list[str]) -> bool:
    """Whether the dock is spoken of, slips in long words forgiven: a plain rule above the model."""
    return any(
        token in DOCK
        or (len(token) > 5 and any(similar(token, word) for word in DOCK if len(word) > 5))
        or (token in YOUR_DOCK and tokens[max(0, i - 1) : i] == ["your"])
        for i, token in enumerate(tokens)
    )


def _speed(clause: Clause) -> str | None:
    """The speed that a clause says, slips forgiven."""
    words = [word for word in clause.words("ATTR") if len(word) > 1]
    for same in (str.__eq__, similar):
        for speed, names in SPEEDS.items():
            if any(same(word, name) for word in words for name in names):
                return speed
    return None


def _places(clause: Clause, home: Home, said: _Said) -> tuple[str | None, str | None]:
    """Where something goes, and where it is or is taken from; a named place goes before "here" and "me"."""
    goals: dict[bool, str] = {}
    source = None
    for span in clause.spans:
        here = span.slot == "HERE"
        if (span.slot != "AREA" and not here) or span.excluded or clause.action in ("patrol", "dock", "stop", "speed"):
            continue
        if here and (clause.action == "follow" or (clause.action == "place" and "back" in span.words)):
            continue  # "follow me"; "put it back", where it belongs
        place = _here(span, said) if here else _place(span, home)
        before = [token for token in clause.tokens[: span.at - clause.start] if token not in _ARTICLES][-1:]
        taken = before and (before[0] in _FROM or (before[0] in _AT and clause.action == "fetch" and not here))
        if taken or clause.action == "find":
            source = source or place
        else:
            goals[here] = place
    return goals.get(False) or goals.get(True), source


def _here(span: Span, said: _Said) -> str:
    if "there" in span.words:
        if said.place is None:
            raise _Doubt("Where is 'there'? Please name a place.")
        return said.place
    if said.here is None:
        raise _Doubt(f"I don't know where you are; instead of {span.words[0]!r}, name a place.")
    return said.here


def _place(span: Span, home: Home) -> str:
    found = sorted(areas_named(span.words, home))
    words = " ".join(span.words)
    if not found:
        raise _Doubt(f"I know no place called {words!r}.")
    if len(found) > 1:
        raise _Doubt(f"Which {words!r}: {_choices([area.name for area in home.areas if area.id in found])}?")
    return found[0]


def _thing(span: Span, home: Home) -> Entity:
    """The entity whose name, or part of a name, was said. Raises `_Doubt` where there are none or several."""
    phrase = stems(" ".join(word for word in span.words if word not in _ARTICLES))
    named = [(entity, [stems(name) for name in (entity.name, *entity.aliases)]) for entity in home.entities]
    found = [entity for entity, names in named if phrase in names]
    if not found:  # a part of a name, as "the ball" for the red one
        found = [
            e for e, names in named if any(all(any(similar(w, n) for n in name) for w in phrase) for name in names)
        ]
    if not found:  # more than the name, as "the red ball" for a ball
        found = [
            e
            for e, names in named
            if any(name and all(any(similar(w, n) for w in phrase) for n in name) for name in names)
        ]
        longest = max((len(stems(entity.name)) for entity in found), default=0)
        found = [entity for entity in found if len(stems(entity.name)) == longest]
    words = " ".join(span.words)
    if not phrase or not found:
        raise _Doubt(f"I know nothing called {words!r}.")
    if len(found) > 1:
        raise _Doubt(f"Which {words!r}: {_choices([entity.name for entity in found])}?")
    return found[0]


def _round(clause: Clause, home: Home, said: _Said) -> tuple[str, ...]:
    """The places of a patrol in the order in which they were said; none said: all."""
    spans = [span for span in clause.spans if span.slot in ("AREA", "HERE")]
    wanted = [_here(s, said) if s.slot == "HERE" else _place(s, home) for s in spans if not s.excluded]
    without = {_place(span, home) for span in spans if span.excluded and span.slot == "AREA"}
    chosen = wanted or [area.id for area in home.areas]
    return tuple(dict.fromkeys(place for place in chosen if place not in without))


def _choices(names: list[str]) -> str:
    shown = names[:_SHOWN]
    return ", ".join(shown[:-1]) + f" or {shown[-1]}" if len(names) <= _SHOWN else ", ".join(shown) + " or another"
