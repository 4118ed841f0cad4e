"""Short and free requests for films: noun phrases, orders, questions, other words for the same motion."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from edge_runtime.media.film_plan import film_plan_of
from edge_runtime.media.film_words import FILM_READING, KNOWN, doubt
from edge_runtime.media.prompts import marked
from trainer_host.media.film_facts import (
    Before,
    Bounces,
    Circles,
    Fact,
    Lasts,
    Motion,
    Moves,
    Resizes,
    Stays,
    Sways,
    Turns,
    write_fact,
)
from trainer_host.media.picture_facts import Background, Count, NothingElse, Size
from trainer_host.media.picture_words import NUMBERS, described
from trainer_host.media.slips import typed

_TRIES = 20


@dataclass(frozen=True)
class _Verb:
    """A verb as in "move", "moves", "moving", and what follows it. alone: it takes the thing as its object."""

    base: str
    third: str
    going: str
    rest: str
    alone: bool = True


def request(facts: Sequence[Fact], rng: random.Random) -> str | None:
    """One request with those facts, which a device's code reads as these; None where no such words are found."""
    plan = film_plan_of([write_fact(fact) for fact in facts])
    for _ in range(_TRIES):
        said = typed(_said(facts, rng), KNOWN, rng)
        if doubt(plan, marked(said, FILM_READING)) is None:
            return said
    return None


def _said(facts: Sequence[Fact], rng: random.Random) -> str:
    sizes = {fact.of: fact.size for fact in facts if isinstance(fact, Size)}
    motions = [fact for fact in facts if isinstance(fact, Motion)]
    moved = {motion.of for motion in motions}
    bare = [fact.of for fact in facts if isinstance(fact, Count) and fact.of not in moved]
    order = next((fact for fact in facts if isinstance(fact, Before)), None)
    if order is not None:
        motions.sort(key=lambda motion: (motion.of != order.of, motion.of != order.than))
    article = "the " if order is not None and rng.random() < 0.4 else ""
    clauses = [_clause(motion, sizes.get(motion.of, ""), article, len(motions) == 1, rng) for motion in motions]
    clauses += [described(thing, sizes.get(thing, ""), rng) for thing in bare]
    if order is not None:
        first, second, *others = clauses
        body = rng.choice(
            (f"first {first}, then {second}", f"{first}, then {second}", f"{first}, after that {second}", f"{second} after {first}")
        )  # fmt: skip
        body = ", ".join((body, *others))
    else:
        body = rng.choice((", ", " and ", "; ", " while ", ". ")).join(clauses)
    ground = next((fact.colour for fact in facts if isinstance(fact, Background)), None)
    length = next((fact.seconds for fact in facts if isinstance(fact, Lasts)), None)
    head, tails = "", []
    if ground is not None:
        tails.append(rng.choice((f" on {_a(ground)}{ground} background", f" on {ground}", f" against {_a(ground)}{ground} background", f", {ground} background", f". The background is {ground}")))  # fmt: skip
        if rng.random() < 0.25:
            tails.pop()
            head = rng.choice(
                (f"on {_a(ground)}{ground} background, ", f"{ground} background, ", f"{ground} background: ")
            )
    if length is not None:
        number = rng.choice((f"{length:g}", NUMBERS[int(length)] if length in (1, 2, 3) else f"{length:g}"))
        seconds = f"{number} second{'' if length == 1 else 's'}"
        tails.append(rng.choice((f" for {seconds}", f", {seconds} long", f", {seconds}", f". It lasts {seconds}")))
    if any(isinstance(fact, NothingElse) for fact in facts):
        tails.append(rng.choice((", nothing else", ". Nothing else", " and nothing else")))
    return _framed(f"{head}{body}{''.join(tails)}", imperative=not head and body.startswith(_ORDERS), rng=rng)


_ORDERS = ("make ", "let ", "have ", "move", "slide", "turn ", "rotate", "spin", "bounce", "sway", "grow", "shrink", "roll", "swing", "fly")  # fmt: skip
_ASKED = ("", "", "can you ", "please ", "could you ", "I want you to ", "I'd like you to ", "pls ")
_SHOWN = ("", "", "", "", "animate ", "show me ", "please show ", "I'd like to see ", "I want ", "a film of ", "a short clip of ", "can you animate ", "an animation of ", "video: ", "create ", "make a film of ", "I need ")  # fmt: skip


def _framed(body: str, imperative: bool, rng: random.Random) -> str:
    said = rng.choice(_ASKED if imperative else _SHOWN) + body
    said += "?" if said.startswith(("can", "could")) and rng.random() < 0.5 else "."
    return said[0].upper() + said[1:]


def _a(word: str) -> str:
    return "an " if word[0] in "aeiou" else "a "


def _clause(motion: Motion, size: str, article: str, only: bool, rng: random.Random) -> str:
    """One thing and what it does. only: it may be an order, "spin the star", and the thing may come second."""
    thing = described(motion.of, size, rng)
    if article:
        thing = article + thing.removeprefix("a ").removeprefix("an ")
    verb = _verb(motion, rng)
    shapes = [
        f"{thing} {verb.third}{verb.rest}",
        f"{thing} {verb.going}{verb.rest}",
        f"{thing} {verb.third}{verb.rest}",
    ]
    if not article:
        shapes += [f"{thing} that {verb.third}{verb.rest}", f"{thing}, {verb.going}{verb.rest}"]
    if only:
        shapes += [f"{rng.choice(('make', 'let', 'have'))} {thing} {verb.base}{verb.rest}"]
        if verb.alone:
            shapes += [f"{verb.base} {thing}{verb.rest}"] * 2
    return rng.choice(shapes)


def _verb(motion: Motion, rng: random.Random) -> _Verb:
    match motion:
        case Moves():
            return _moving(motion.direction, rng)
        case Bounces():
            base, third, going = rng.choice((("bounce", "bounces", "bouncing"), ("jump", "jumps", "jumping"), ("hop", "hops", "hopping")))  # fmt: skip
            return _Verb(base, third, going, f" {_often(motion.times, rng)}", base == "bounce")
        case Sways():
            base, third, going, more = rng.choice(
                (
                    ("sway", "sways", "swaying", ""),
                    ("swing", "swings", "swinging", ""),
                    ("swing", "swings", "swinging", " from side to side"),
                    ("go", "goes", "going", " back and forth"),
                    ("move", "moves", "moving", " to and fro"),
                )
            )
            return _Verb(base, third, going, f"{more} {_often(motion.times, rng)}", alone=False)
        case Resizes():
            return _resizing(motion.factor, rng)
        case Turns():
            return _turning(motion.degrees, rng)
        case Circles():
            way = "clockwise" if motion.clockwise else rng.choice(("anticlockwise", "counterclockwise"))
            middle = rng.choice(("the middle", "the centre", "the center", "the middle of the picture"))
            base, third, going = rng.choice((("go", "goes", "going"), ("circle", "circles", "circling"), ("orbit", "orbits", "orbiting")))  # fmt: skip
            rest = rng.choice((f" {way} around {middle}", f" around {middle} {way}", f" once around {middle}, {way}"))
            return _Verb(base, third, going, rest, alone=False)
        case Stays():
            base, third, going, more = rng.choice(
                (
                    ("stay", "stays", "staying", " still"),
                    ("stay", "stays", "staying", " where it is"),
                    ("stand", "stands", "standing", " still"),
                    ("stay", "stays", "staying", ""),
                    ("not move", "doesn't move", "not moving", ""),
                )
            )
            return _Verb(base, third, going, more, alone=False)


def _moving(direction: str, rng: random.Random) -> _Verb:
    if direction in ("up", "down") and rng.random() < 0.3:
        words = {
            "up": (("rise", "rises", "rising", ""), ("climb", "climbs", "climbing", ""), ("float", "floats", "floating", " up")),
            "down": (("fall", "falls", "falling", " down"), ("sink", "sinks", "sinking", ""), ("drop", "drops", "dropping", "")),
        }  # fmt: skip
        return _Verb(*rng.choice(words[direction]), alone=False)
    base, third, going = rng.choice(
        (
            ("move", "moves", "moving"),
            ("move", "moves", "moving"),
            ("slide", "slides", "sliding"),
            ("go", "goes", "going"),
            ("fly", "flies", "flying"),
            ("travel", "travels", "travelling"),
            ("glide", "glides", "gliding"),
            ("roll", "rolls", "rolling"),
            ("drift", "drifts", "drifting"),
        )
    )
    ends = {"right": "left to right", "left": "right to left", "down": "top to bottom", "up": "bottom to top"}
    ways = {
        "right": ("right", "to the right", "rightwards", "towards the right"),
        "left": ("left", "to the left", "leftwards", "towards the left"),
        "up": ("up", "upwards", "upward", "to the top"),
        "down": ("down", "downwards", "downward", "to the bottom"),
    }
    way = rng.choice((*ways[direction], f"from {ends[direction]}", f"from {ends[direction]}"))
    return _Verb(base, third, going, f" {way}", base in ("move", "slide", "roll", "fly"))


def _turning(degrees: int, rng: random.Random) -> _Verb:
    way = "clockwise" if degrees > 0 else rng.choice(("anticlockwise", "counterclockwise", "counter-clockwise"))
    turns = {90: ("a quarter turn", "a quarter of a turn"), 180: ("half a turn", "a half turn"), 360: ("a full turn", "one full turn", "once"), 720: ("two full turns", "twice", "two times")}  # fmt: skip
    by = rng.choice((*turns[abs(degrees)], f"{abs(degrees)} degrees", f"by {abs(degrees)} degrees"))
    base, third, going = rng.choice((("turn", "turns", "turning"), ("spin", "spins", "spinning"), ("rotate", "rotates", "rotating")))  # fmt: skip
    rest = rng.choice((f" {by} {way}", f" {by} {way}", f" {way} {by}"))
    if degrees == 360 and rng.random() < 0.25:
        rest = rng.choice(("", " clockwise"))
    return _Verb(base, third, going, rest)


def _resizing(factor: float, rng: random.Random) -> _Verb:
    words = {
        0.33: (("shrink", "shrinks", "shrinking", " to a third of its size"), ("shrink", "shrinks", "shrinking", " to a third")),
        0.5: (("shrink", "shrinks", "shrinking", " to half its size"), ("shrink", "shrinks", "shrinking", " to half of its size"), ("get", "gets", "getting", " smaller"), ("shrink", "shrinks", "shrinking", "")),
        2.0: (("grow", "grows", "growing", " to twice its size"), ("double", "doubles", "doubling", " in size"), ("get", "gets", "getting", " twice as big"), ("grow", "grows", "growing", ""), ("get", "gets", "getting", " bigger")),
        3.0: (("grow", "grows", "growing", " to three times its size"), ("triple", "triples", "tripling", " in size"), ("get", "gets", "getting", " 3 times as large")),
    }  # fmt: skip
    base, third, going, rest = rng.choice(words[factor])
    return _Verb(base, third, going, rest, base in ("shrink", "grow"))


def _often(times: int, rng: random.Random) -> str:
    return rng.choice(
        ({1: "once", 2: "twice"}.get(times, f"{times} times"), f"{NUMBERS[times]} times" if times > 1 else "once")
    )
