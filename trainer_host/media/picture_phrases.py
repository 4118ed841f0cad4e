"""Short and free requests for pictures: noun phrases, orders, questions, places beside what they are of."""

from __future__ import annotations

import random
from collections.abc import Sequence

from edge_runtime.media.picture_plan import plan_of
from edge_runtime.media.picture_words import KNOWN, PICTURE_READING, doubt
from edge_runtime.media.prompts import marked
from trainer_host.media.picture_facts import (
    Arranged,
    Background,
    Canvas,
    Count,
    Fact,
    NothingElse,
    Place,
    Relation,
    Size,
    Thing,
    Words,
    write_fact,
)
from trainer_host.media.picture_words import described, joined
from trainer_host.media.slips import typed

_TRIES = 20
_ASKED = ("", "", "", "", "", "draw ", "draw me ", "please draw ", "can you draw ", "could you paint ", "I'd like ", "I want ", "I need ", "a picture of ", "an image of ", "show me ", "please show ", "give me ", "pls draw ", "make a picture with ", "create ", "there should be ", "paint ")  # fmt: skip
_RELATIONS = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right side of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath", "underneath"),
    "inside": ("inside", "in the inside of", "within"),
    "bigger than": ("bigger than", "larger than"),
}
_PLACES = {
    "middle": ("in the middle", "in the centre", "in the center", "in the middle of the picture"),
    "left": ("on the left", "on the left side", "at the left"),
    "right": ("on the right", "on the right side", "at the right"),
    "top": ("at the top", "near the top", "at the top of the picture"),
    "bottom": ("at the bottom", "near the bottom"),
}
_ARRANGED = {
    "row": ("in a row", "side by side in a row", "in one row"),
    "column": ("in a column", "one below the other"),
}
_CANVAS = {
    "wide": ("landscape format", "in landscape", "as a landscape", "in a wide format"),
    "tall": ("portrait format", "in portrait", "as a portrait", "in a tall format"),
    "square": ("on a square canvas", "on a canvas as wide as high"),
}


def request(facts: Sequence[Fact], rng: random.Random) -> str | None:
    """One request with those facts, which a device's code reads as these; None where no such words are found."""
    plan = plan_of([write_fact(fact) for fact in facts])
    for _ in range(_TRIES):
        said = typed(_said(facts, rng), KNOWN, rng)
        if doubt(plan, marked(said, PICTURE_READING)) is None:
            return said
    return None


def _said(facts: Sequence[Fact], rng: random.Random) -> str:
    counts = {fact.of: fact.count for fact in facts if isinstance(fact, Count)}
    relations = [fact for fact in facts if isinstance(fact, Relation)]
    named: list[Thing] = []

    def phrase(thing: Thing) -> str:
        """The thing with its size and place; "the red star" where it was named before."""
        if thing in named:
            return f"the {thing}{'s' if counts[thing] > 1 else ''}"
        named.append(thing)
        size = next((fact.size for fact in facts if isinstance(fact, Size) and fact.of == thing), "")
        said = described(thing, size, rng, counts[thing])
        for fact in facts:
            if isinstance(fact, Arranged) and fact.of == thing:
                said = (
                    f"a {fact.arrangement} of {said}"
                    if rng.random() < 0.3
                    else f"{said} {rng.choice(_ARRANGED[fact.arrangement])}"
                )
        for fact in facts:
            if isinstance(fact, Place) and fact.of == thing:
                where = rng.choice(_corner(fact.place))
                said = (
                    f"{where}, {said}" if not named[1:] and not relations and rng.random() < 0.15 else f"{said} {where}"
                )
        return said

    clauses = []
    for relation in relations:
        how = rng.choice(_RELATIONS[relation.relation])
        link = rng.choice(("", "", " is" if counts[relation.of] == 1 else " are")) if relation.of in named else ""
        clauses.append(f"{phrase(relation.of)}{link} {how} {phrase(relation.to)}")
    clauses += [phrase(thing) for thing in counts if thing not in named]
    body = joined(clauses) if rng.random() < 0.7 else rng.choice((", ", "; ", " and ")).join(clauses)
    words = [fact.text for fact in facts if isinstance(fact, Words)]
    ground = next((fact.colour for fact in facts if isinstance(fact, Background)), None)
    canvas = next((fact.canvas for fact in facts if isinstance(fact, Canvas)), None)
    head = ""
    tails = []
    if ground is not None:
        a = "an" if ground[0] in "aeiou" else "a"
        if rng.random() < 0.25:
            head = rng.choice((f"{ground} background, ", f"{ground} background: ", f"on {a} {ground} background, "))
        else:
            tails.append(rng.choice((f" on {a} {ground} background", f" on {ground}", f" against {a} {ground} background", f", {ground} background", f". The background is {ground}", f", background {ground}")))  # fmt: skip
    if canvas is not None:
        tails.append(f"{rng.choice((', ', ' '))}{rng.choice(_CANVAS[canvas])}")
    rng.shuffle(tails)
    tails += [rng.choice((f', with the word "{text}"', f'. It says "{text}"', f' that says "{text}"', f', text "{text}"')) for text in words]  # fmt: skip
    if any(isinstance(fact, NothingElse) for fact in facts):
        tails.append(rng.choice((", nothing else", ". Nothing else", " and nothing else")))
    said = f"{rng.choice(_ASKED)}{head}{body}{''.join(tails)}"
    said += rng.choice(("?", "?", ".")) if said.startswith(("can", "could")) else "."
    return said[0].upper() + said[1:]


def _corner(place: str) -> tuple[str, ...]:
    if place in _PLACES:
        return _PLACES[place]
    high, side = place.split()
    other = {"top": "upper", "bottom": "lower"}[high]
    return (f"in the {place} corner", f"at the {place}", f"in the {other} {side} corner", f"in the {place}")
