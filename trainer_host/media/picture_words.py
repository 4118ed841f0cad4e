"""Says what a picture is to show, in varied words; and compares the words of a prompt with a picture."""

from __future__ import annotations

import random
from collections.abc import Sequence

from edge_runtime.media.colours import name_of, rgb
from edge_runtime.media.picture_plan import ANY
from edge_runtime.media.picture_words import PICTURE_READING
from edge_runtime.media.prompts import Reading, marked
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
)
from trainer_host.media.seeing import Seen
from trainer_host.tasks import Rejected

NUMBERS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_OPENINGS = (
    "Draw",
    "Please draw",
    "Paint",
    "Show",
    "Show me",
    "Make a picture of",
    "I'd like a picture of",
    "A picture of",
    "Create an image with",
    "Can you draw",
    "Sketch",
    "I need an image of",
)
_NOUNS = {"circle": ("circle", "circle", "disc"), "oval": ("oval", "ellipse")}
_RELATIONS = {
    "left of": ("to the left of", "left of", "on the left side of"),
    "right of": ("to the right of", "right of", "on the right side of"),
    "above": ("above", "higher up than"),
    "below": ("below", "under", "lower down than"),
    "inside": ("inside", "within"),
    "bigger than": ("bigger than", "larger than"),
}
_CANVAS = {
    "wide": ("in a wide format", "on a canvas that is wider than high", "as a landscape"),
    "tall": ("in a tall format", "on a canvas that is higher than wide", "as a portrait"),
    "square": ("on a canvas as wide as high", "in the format 1:1"),
}
_ARRANGED = {"row": ("in a row", "side by side in one row"), "column": ("in a column", "one below the other")}
_SIZES = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}


def request(facts: Sequence[Fact], rng: random.Random) -> str:
    """One request for a picture with those facts."""
    sizes = {fact.of: fact.size for fact in facts if isinstance(fact, Size)}
    counts = [fact for fact in facts if isinstance(fact, Count)]
    plural = {fact.of: fact.count > 1 for fact in counts}
    nouns = {fact.of: rng.choice(_NOUNS.get(fact.of.kind, (fact.of.kind,))) for fact in counts}
    listed = []
    for counted in counts:
        size = f"{rng.choice(_SIZES[sizes[counted.of]])} " if counted.of in sizes else ""
        body = f"{size}{_colour(counted.of)}{nouns[counted.of]}"
        if counted.count > 1:
            listed.append(f"{rng.choice((NUMBERS[counted.count], str(counted.count)))} {body}s")
        else:
            listed.append(f"{'an' if body[0] in 'aeiou' else 'a'} {body}")
    first = f"{rng.choice(_OPENINGS)} {joined(listed)}"
    rest: list[str] = []
    tails: list[str] = []

    def named(thing: Thing) -> str:
        return f"the {_colour(thing)}{nouns[thing]}{'s' if plural[thing] else ''}"

    for fact in facts:
        match fact:
            case Background():
                if rng.random() < 0.6:
                    tails.append(
                        f"on a {fact.colour} background" if fact.colour != "orange" else "on an orange background"
                    )
                else:
                    rest.append(f"The background is {fact.colour}.")
            case Canvas():
                tails.append(rng.choice(_CANVAS[fact.canvas]))
            case Relation():
                how = rng.choice(_RELATIONS[fact.relation])
                rest.append(f"{named(fact.of)} {'are' if plural[fact.of] else 'is'} {how} {named(fact.to)}.")
            case Place():
                where = _where(fact.place, rng)
                rest.append(f"{named(fact.of)} {'are' if plural[fact.of] else 'is'} {where}.")
            case Arranged():
                rest.append(f"{named(fact.of)} stand {rng.choice(_ARRANGED[fact.arrangement])}.")
            case Words():
                rest.append(rng.choice((f'It says "{fact.text}".', f'With the word "{fact.text}".')))
            case NothingElse():
                rest.append(rng.choice(("Nothing else.", "There is nothing else.", "Leave everything else out.")))
    rng.shuffle(tails)
    first = " ".join([first, *tails]) + rng.choice(("?" if first.startswith("Can") else ".", "."))
    last = [sentence for sentence in rest if "else" in sentence]
    middle = [sentence[0].upper() + sentence[1:] for sentence in rest if sentence not in last]
    rng.shuffle(middle)
    return " ".join([first, *middle, *last])


_FREE_NOUNS = {"circle": ("circle", "circle", "ball", "disc", "dot"), "oval": ("oval", "oval", "ellipse")}


def described(thing: Thing, size: str, rng: random.Random, count: int = 1) -> str:
    """A thing as people name it: "a small red ball", "two squares in blue", "3 stars". Its size "" where it has none."""
    noun = rng.choice(_FREE_NOUNS.get(thing.kind, (thing.kind,))) + ("s" if count > 1 else "")
    word = f"{rng.choice(_SIZES[size])} " if size else ""
    colour = "" if thing.colour == ANY else thing.colour
    colour = "gray" if colour == "grey" and rng.random() < 0.3 else colour
    body = f"{word}{noun} in {colour}" if colour and rng.random() < 0.08 else " ".join(f"{word}{colour} {noun}".split())
    if count > 1:
        return f"{rng.choice((NUMBERS[count], str(count)))} {body}"
    return (
        body if rng.random() < 0.25 else f"{'an' if body[0] in 'aeiou' else rng.choice(('a', 'a', 'a', 'one'))} {body}"
    )


def _colour(thing: Thing) -> str:
    return "" if thing.colour == ANY else f"{thing.colour} "


def joined(parts: Sequence[str]) -> str:
    """As in "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _where(place: str, rng: random.Random) -> str:
    if place == "middle":
        return rng.choice(("in the middle", "in the centre"))
    if " " in place:
        return rng.choice((f"in the {place} corner", f"at the {place}"))
    return rng.choice((f"on the {place} side", f"at the {place}")) if place in ("left", "right") else f"at the {place}"


def spoken(prompt: str, facts: Sequence[Fact], seen: Seen, reading: Reading = PICTURE_READING) -> None:
    """Compare the words of a prompt with the picture: what one names, the other must have; raises `Rejected`."""
    read = marked(prompt, reading)
    named = [name_of(rgb(colour)) for colour in (*(colour for _, colour in read.things if colour), *read.grounds)]
    asked = {kind for kind, _ in read.things}
    colours = {shape.colour for shape in seen.shapes if shape.clear} | ({seen.ground} if seen.ground else set())
    looks = {shape.look for shape in seen.shapes if shape.clear}
    for colour in sorted({*named} - colours):
        raise Rejected("not as asked", f"the prompt speaks of {colour}, but nothing in the picture is {colour}")
    for kind in sorted(asked - looks):
        raise Rejected("not as asked", f"the prompt speaks of a {kind}, but there is none in the picture")
    for fact in facts:
        if isinstance(fact, Count) and (fact.of.kind not in asked or fact.of.colour not in (*named, ANY)):
            raise Rejected("not asked for", f"the example shows a {fact.of}, but the prompt doesn't ask for it")
