"""The plan of a picture: which things it shows, how many, how they stand to each other; not where they are.

Written as one line, `wide P ; A small ; B ; A left of B ; B bottom ; says [1]`, with the marks of the prompt (see
`edge_runtime.media.prompts`), which also says how many there are; where it has none, `3 red circle`. "-" stands where
the prompt leaves the canvas or the background open. `edge_runtime.media.picture_layout` finds the places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from edge_runtime.media import Json, Rejected
from edge_runtime.media.colours import read_colour
from edge_runtime.media.prompts import KINDS, Prompt, parts_of

RELATIONS = ("left of", "right of", "above", "below", "inside", "bigger than")
SIZES = ("small", "large")
# The longer names first: "top left" begins with "top".
PLACES = ("top left", "top right", "bottom left", "bottom right", "left", "right", "top", "bottom", "middle")
ARRANGED = ("row", "column")
CANVASES = ("wide", "tall", "square")
TRAITS = (*SIZES, *PLACES, *ARRANGED)
MAX_GROUPS, MAX_COUNT, MAX_WORDS = 12, 12, 4
OPEN = "-"
ANY = "any"  # the colour of a fact's thing that may have each
_THING = r"[A-Z]|[#\w]+ [a-z]+"
_RELATION = re.compile(rf"({_THING}) ({'|'.join(RELATIONS)}) ({_THING})")
_GROUP = re.compile(rf"(?:(\d{{1,2}}) )?({_THING})((?: (?:{'|'.join(TRAITS)}))*)")
# Colours of things that may have any, in their order.
_PALETTE = ("red", "blue", "green", "orange", "purple", "yellow", "cyan", "pink", "brown", "grey", "black", "white")


@dataclass(frozen=True)
class Group:
    """Some of one kind and colour. traits: of `TRAITS`, true of each of them."""

    kind: str
    colour: str
    count: int
    traits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """canvas: of `CANVASES`, "" where open; background: "" where open. relations: (group, how, group), by number."""

    canvas: str
    background: str
    groups: tuple[Group, ...]
    relations: tuple[tuple[int, str, int], ...] = ()
    words: tuple[str, ...] = ()


def plan_of(shows: Sequence[Json]) -> Plan:
    """The plan of a picture of which all these facts are true; a fact's form: `trainer_host.media.picture_facts`."""
    groups: dict[tuple[str, str], Group] = {}
    canvas = background = ""
    words: list[str] = []
    for fact in shows:
        if fact["fact"] == "count":
            kind, colour = open_thing(fact["of"])
            traits = [_trait(other) for other in shows if _trait(other) and open_thing(other["of"]) == (kind, colour)]
            groups[kind, colour] = Group(kind, colour, int(str(fact["count"])), _in_order(traits))
        elif fact["fact"] == "background":
            background = str(fact["colour"])
        elif fact["fact"] == "canvas":
            canvas = str(fact["canvas"])
        elif fact["fact"] == "words":
            words.append(str(fact["text"]))
    numbers = {thing: number for number, thing in enumerate(groups)}
    relations = [
        (numbers[open_thing(fact["of"])], str(fact["relation"]), numbers[open_thing(fact["to"])])
        for fact in shows
        if fact["fact"] == "relation" and {open_thing(fact["of"]), open_thing(fact["to"])} <= numbers.keys()
    ]
    return Plan(canvas, background, tuple(groups.values()), tuple(relations), tuple(words))


def write_plan(plan: Plan, prompt: Prompt) -> str:
    """The plan as one line."""

    def named(number: int) -> str:
        return prompt.thing_mark(plan.groups[number].kind, plan.groups[number].colour)

    clauses = [
        (prompt.told(named(one) + named(other), how.split()[:1]), f"{named(one)} {how} {named(other)}")
        for one, how, other in plan.relations
    ]
    parts = [f"{plan.canvas or OPEN} {prompt.ground_mark(plan.background) if plan.background else OPEN}"]
    for number, group in enumerate(plan.groups):
        mark = named(number)
        count = f"{group.count} " if group.count != prompt.count(mark) else ""
        parts.append(" ".join((f"{count}{mark}", *(trait for trait in group.traits if trait in SIZES))))
        # In the prompt's own order: what is read and what is written then go side by side.
        clauses += [
            (prompt.told(mark, trait.split()), f"{mark} {trait}") for trait in group.traits if trait not in SIZES
        ]
    parts += [clause for _, clause in sorted(clauses, key=lambda pair: pair[0])]
    parts += [f"says {prompt.quote_mark(text)}" for text in plan.words]
    return " ; ".join(parts)


def read_plan(text: str, prompt: Prompt) -> tuple[Plan, bool]:
    """The plan that a line stands for, and whether all of the line could be read; what can't be is left out.

    Raises `Rejected` where nothing is left that could be drawn.
    """
    head, *parts = parts_of(text)
    canvas, _, ground = head.partition(" ")
    background = colour_of(prompt.ground(ground))
    whole = canvas in (*CANVASES, OPEN) and (ground == OPEN or background is not None)
    groups: list[Group] = []
    said: list[str] = []
    related: list[tuple[tuple[str, str], str, tuple[str, str]]] = []
    for part in parts:
        found, relation = _GROUP.fullmatch(part), _RELATION.fullmatch(part)
        thing = read_thing(found[2], prompt) if found else None
        quoted = prompt.quote(part.removeprefix("says ")) if part.startswith("says ") else None
        known = next((number for number, group in enumerate(groups) if _named(group) == thing), None)
        if found and known is not None and not found[1]:
            groups[known] = replace(groups[known], traits=_in_order((*groups[known].traits, *_traits(found[3]))))
        elif found and thing and known is None and len(groups) < MAX_GROUPS:
            count = int(found[1]) if found[1] else prompt.count(found[2])
            whole = whole and 1 <= count <= MAX_COUNT
            groups.append(Group(*thing, min(MAX_COUNT, max(1, count)), _traits(found[3])))
        elif relation and (one := read_thing(relation[1], prompt)) and (other := read_thing(relation[3], prompt)):
            related.append((one, relation[2], other))
        elif quoted and quoted.isascii() and quoted.isprintable() and len(said) < MAX_WORDS:
            said.append(quoted)
        else:
            whole = False
    numbers = {_named(group): number for number, group in enumerate(groups)}
    relations = [(numbers[one], how, numbers[to]) for one, how, to in related if one in numbers and to in numbers]
    relations = [relation for relation in relations if relation[0] != relation[2]]
    if not groups and not said:
        raise Rejected("no plan", "the text names nothing that could be drawn")
    shape = canvas if canvas in CANVASES else ""
    coloured = tuple(_coloured(groups, background or ""))
    return Plan(shape, background or "", coloured, tuple(relations), tuple(said)), whole and len(relations) == len(related)  # fmt: skip


def read_thing(written: str, prompt: Prompt) -> tuple[str, str] | None:
    """(kind, colour) of a mark or of two words; the colour is "" where the prompt leaves it open."""
    colour, _, kind = written.partition(" ")
    if not kind:
        return prompt.thing(colour)
    known = colour_of(colour)
    return (kind, known) if kind in KINDS and known else None


def colour_of(text: str) -> str | None:
    """A colour that can be drawn, None for another text."""
    try:
        return read_colour(text, "colour")
    except Rejected:
        return None


def colours_for(open_ones: int, taken: Sequence[str]) -> list[str]:
    """So many colours for things that may have any, none of them taken."""
    free = [name for name in _PALETTE if name not in taken]
    return [free[number % len(free)] for number in range(open_ones)]


def _coloured(groups: Sequence[Group], background: str) -> list[Group]:
    """The groups, each with a colour of its own where the prompt leaves it open."""
    bare = [number for number, group in enumerate(groups) if not group.colour]
    chosen = colours_for(len(bare), [*(group.colour for group in groups), background or "white"])
    colours = dict(zip(bare, chosen, strict=True))
    return [replace(group, colour=colours.get(number, group.colour)) for number, group in enumerate(groups)]


def _in_order(traits: Sequence[str]) -> tuple[str, ...]:
    return tuple(trait for trait in TRAITS if trait in traits)


def _traits(written: str) -> tuple[str, ...]:
    return _in_order(re.findall(rf" ({'|'.join(TRAITS)})(?= |$)", written))


def _named(group: Group) -> tuple[str, str]:
    return group.kind, group.colour


def open_thing(of: object) -> tuple[str, str]:
    """(kind, colour) of a fact's thing; the colour is "" where any will do."""
    thing = cast(Json, of)
    return str(thing["kind"]), "" if thing["colour"] == ANY else str(thing["colour"])


def _trait(fact: Json) -> str:
    """What a fact says of all of one thing; nothing for other facts."""
    name = {"place": "place", "size": "size", "arranged": "arrangement"}.get(str(fact["fact"]))
    return str(fact[name]) if name else ""
