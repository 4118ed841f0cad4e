"""The built-in chat: facts, sums, units, days, words and small talk, with answers that are right by construction."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from trainer_host.tasks.phrases import NOISE, articles, enter, templates

PACKAGE = "trainer_host.tasks.chat_phrases"
_PLAIN = 0.6  # share of messages without noise
_FOLLOWS = 0.3  # share of facts and sums with another one asked for in few words
_NEXT = ("and {a}?", "what about {a}?", "and for {a}?")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WORDS = (
    "apple", "river", "window", "yellow", "mountain", "pencil", "garden", "butter", "island", "kitchen", "planet", "silver",
    "market", "dragon", "summer", "letter", "bridge", "doctor", "forest", "lemon", "candle", "engine", "rabbit", "school",
)  # fmt: skip
_NAMES = ("Mia", "Omar", "Lena", "Jack", "Aiko", "Pavel", "Zoe", "Ravi", "Nora", "Tom", "Ines", "Hugo", "Ada", "Noor")
# What one unit is in a smaller one.
_UNITS = (
    ("hours", "minutes", 60), ("minutes", "seconds", 60), ("days", "hours", 24), ("weeks", "days", 7),
    ("years", "months", 12), ("kilometres", "metres", 1000), ("metres", "centimetres", 100),
    ("centimetres", "millimetres", 10), ("kilograms", "grams", 1000), ("tonnes", "kilograms", 1000),
    ("litres", "millilitres", 1000), ("dozens", "pieces", 12), ("feet", "inches", 12), ("pounds", "ounces", 16),
)  # fmt: skip
_PETS = (
    ("dog", "Rex"),
    ("cat", "Minka"),
    ("parrot", "Coco"),
    ("horse", "Star"),
    ("rabbit", "Hazel"),
    ("turtle", "Otto"),
)
_COLOURS = ("blue", "green", "red", "yellow", "purple", "orange", "black", "white")


@dataclass(frozen=True)
class Talk:
    """A conversation: texts in turn, the person first and the answer last; group: its template."""

    texts: tuple[str, ...]
    group: str


@dataclass(frozen=True)
class _Facts:
    name: str
    questions: tuple[str, ...]
    follows: tuple[str, ...]
    answers: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Exchange:
    said: tuple[str, ...]
    answers: tuple[str, ...]


@lru_cache(maxsize=1)
def _facts() -> tuple[_Facts, ...]:
    sections: dict[str, dict[str, list[str]]] = {}
    for line in templates(PACKAGE, "facts.txt"):
        if line.startswith("["):
            sections[line.strip("[]")] = {"?": [], "+": [], "!": [], "=": []}
        else:
            sections[list(sections)[-1]][line[0]].append(line[2:])
    return tuple(
        _Facts(
            name,
            tuple(parts["?"]),
            tuple(parts["+"]) or _NEXT,
            tuple(parts["!"]),
            tuple(_pair(line) for line in parts["="]),
        )
        for name, parts in sections.items()
    )


def _pair(line: str) -> tuple[str, str]:
    asked, _, answered = line.partition(": ")
    return asked, answered


@lru_cache(maxsize=1)
def _exchanges() -> tuple[_Exchange, ...]:
    blocks: list[tuple[list[str], list[str]]] = []
    for line in templates(PACKAGE, "talk.txt"):
        if line.startswith("?") and (not blocks or blocks[-1][1]):
            blocks.append(([], []))
        blocks[-1][line.startswith("!")].append(line[2:])
    return tuple(_Exchange(tuple(said), tuple(answers)) for said, answers in blocks)


def talk(rng: random.Random) -> Talk:
    """One conversation; what a person says is entered neatly, carelessly, with slips or by voice."""
    maker = rng.choices([make for make, _ in _MAKERS], [weight for _, weight in _MAKERS])[0]
    made = maker(rng)
    how = "neat" if rng.random() < _PLAIN else rng.choice(NOISE)
    texts = [articles(text) for text in made.texts]
    texts = [enter(text, how, rng) if i % 2 == 0 else text[:1].upper() + text[1:] for i, text in enumerate(texts)]
    return Talk(tuple(texts), made.group)


def _fact(rng: random.Random) -> Talk:
    facts = rng.choice(_facts())
    asked, other = rng.sample(facts.pairs, 2)
    question = rng.choice(facts.questions)
    texts = [question.format(a=asked[0]), _answer(facts, asked, rng)]
    if rng.random() < _FOLLOWS and other[1] != asked[1]:
        texts += [rng.choice(facts.follows).format(a=other[0]), _answer(facts, other, rng)]
    return Talk(tuple(texts), f"fact {facts.name}: {question}")


def _answer(facts: _Facts, pair: tuple[str, str], rng: random.Random) -> str:
    return rng.choice(facts.answers).format(a=pair[0], b=pair[1])


def _sum(rng: random.Random) -> Talk:
    a, b = rng.randint(2, 99), rng.randint(2, 99)
    kind = rng.choice(("plus", "minus", "times", "divided by"))
    if kind == "times":
        a, b = rng.randint(2, 20), rng.randint(2, 12)
    elif kind == "divided by":
        b, share = rng.randint(2, 12), rng.randint(2, 20)
        a = b * share
    elif kind == "minus":
        a, b = max(a, b), min(a, b)
    question = rng.choice(
        ("what is {s}", "how much is {s}", "can you work out {s}", "please calculate {s}", "{s} makes what?")
    )
    result = _result(a, kind, b)
    texts = [question.format(s=f"{a} {kind} {b}"), rng.choice((f"{a} {kind} {b} is {result}.", f"That is {result}."))]
    if rng.random() < _FOLLOWS:
        more = rng.randint(2, 20)
        texts += [f"and {more} more?", f"{result} plus {more} is {result + more}."]
    return Talk(tuple(texts), f"sum {kind}: {question}")


def _result(a: int, kind: str, b: int) -> int:
    return {"plus": a + b, "minus": a - b, "times": a * b, "divided by": a // b}[kind]


def _unit(rng: random.Random) -> Talk:
    large, small, factor = rng.choice(_UNITS)
    count = rng.randint(2, 12)
    question = rng.choice((
        "how many {small} are {count} {large}", "convert {count} {large} to {small}", "what are {count} {large} in {small}",
        "{count} {large} is how many {small}",
    ))  # fmt: skip
    answer = f"{count} {large} are {count * factor} {small}."
    return Talk((question.format(small=small, large=large, count=count), answer), f"unit: {question}")


def _day(rng: random.Random) -> Talk:
    names, what = rng.choice(((_DAYS, "day"), (_MONTHS, "month")))
    at = rng.randrange(len(names))
    question, step = rng.choice((
        ("which {what} comes after {name}", 1), ("what {what} is before {name}", -1), ("what {what} follows {name}", 1),
        ("if it is {name} now, which {what} comes next?", 1), ("which {what} was it before {name}", -1),
    ))  # fmt: skip
    other = names[(at + step) % len(names)]
    answer = f"{other} comes {'after' if step > 0 else 'before'} {names[at]}."
    return Talk((question.format(what=what, name=names[at]), answer), f"day: {question}")


def _clock(rng: random.Random) -> Talk:
    hour, minute, later = rng.randint(0, 23), rng.choice(range(0, 60, 5)), rng.choice((10, 15, 20, 30, 45, 60, 90, 120))
    question = rng.choice((
        "what time is it {later} minutes after {now}", "it is {now}, what time will it be in {later} minutes?",
        "when is {later} minutes past {now}",
    ))  # fmt: skip
    then = (hour * 60 + minute + later) % (24 * 60)
    answer = f"It will be {then // 60}:{then % 60:02d}."
    return Talk((question.format(later=later, now=f"{hour}:{minute:02d}"), answer), f"clock: {question}")


def _word(rng: random.Random) -> Talk:
    word, other = rng.sample(_WORDS, 2)
    first, second = sorted((word, other))
    question, answer = rng.choice((
        ("how many letters has the word {word}", f"The word {word} has {len(word)} letters."),
        ("how do you spell {word}", f"You spell it {'-'.join(word.upper())}."),
        ("what is {word} spelled backwards", f"Backwards it is {word[::-1]}."),
        ("which letter does {word} begin with", f"It begins with {word[0].upper()}."),
        ("what is the last letter of {word}", f"The last letter is {word[-1].upper()}."),
        ("which comes first in the dictionary, {word} or {other}?", f"{first} comes before {second}."),
        ("write {word} in capital letters", f"{word.upper()}"),
    ))  # fmt: skip
    return Talk((question.format(word=word, other=other), answer), f"word: {question}")


def _small_talk(rng: random.Random) -> Talk:
    exchange = rng.choice(_exchanges())
    said = rng.choice(exchange.said)
    return Talk((said, rng.choice(exchange.answers)), f"talk: {said}")


def _memory(rng: random.Random) -> Talk:
    """What was said before must be remembered: a name, a pet, a colour."""
    name, (animal, pet), colour = rng.choice(_NAMES), rng.choice(_PETS), rng.choice(_COLOURS)
    told, heard, asked, answer = rng.choice((
        (f"my name is {name}", f"Nice to meet you, {name}!", "what is my name", f"Your name is {name}."),
        (f"I'm {name}", f"Hello {name}!", "do you remember what I'm called", f"Yes, you are {name}."),
        (f"I have a {animal} called {pet}", f"{pet} is a nice name for a {animal}.", f"what is my {animal} called",
         f"Your {animal} is called {pet}."),
        (f"we have a {animal}, {pet}", f"How nice! Say hello to {pet}.", f"which animal is {pet}", f"{pet} is a {animal}."),
        (f"my favourite colour is {colour}", f"{colour.capitalize()} is a fine colour.", "which colour do I like best",
         f"You like {colour} best."),
        (f"I painted my room {colour}", f"A {colour} room sounds nice.", "what colour is my room", f"Your room is {colour}."),
    ))  # fmt: skip
    between: tuple[str, ...] = ()
    if rng.random() < 0.5:
        between = _sum(rng).texts[:2] if rng.random() < 0.5 else _fact(rng).texts[:2]
    return Talk((told, heard, *between, asked, answer), f"memory: {asked}")


_MAKERS: tuple[tuple[Callable[[random.Random], Talk], float], ...] = (
    (_fact, 4), (_small_talk, 3), (_sum, 1.5), (_memory, 1), (_unit, 0.8), (_day, 0.6), (_clock, 0.5), (_word, 0.8),
)  # fmt: skip
