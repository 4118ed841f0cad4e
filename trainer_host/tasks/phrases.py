"""Sentences from text files of templates: the built-in grammars of router, chat and avatar."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

from trainer_host.tasks import Example, Json
from trainer_host.teacher.home.noise import slip
from trainer_host.teacher.home.templates import Slot, draw, parsed

# How a message was entered. Code does this to a text, not the teacher: a small model can't misspell on demand,
# and a big one does it like nobody.
NOISE = ("neat", "casual", "typos", "voice")
TEMPLATE = "template"  # in a built-in row's meta: the group that it belongs to
_DEPTH = 4  # fillers in fillers; more is a circle in a file
_VOICE_FILLERS = ("um ", "uh ", "okay so ", "er ", "hey ", "so ")
_AN = re.compile(r"\b([Aa]) (?=[aeio]|u(?!n[ei]|s[ei]|ti))(?!one\b|eu)", re.IGNORECASE)
_LONE_I = re.compile(r"(?<!for )\bi\b(?!\.)")
_ASKS = re.compile(
    r"(what|who|which|where|when|why|how|is|are|was|do|does|did|can|could|should|would|will|may)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Grouped(Example):
    """An example that knows what it was made from.

    group: equal for those that share a template, which must lie on one side of a split. meta: what a row keeps
    beside input and output, as a robot's labels per word.
    """

    group: str | None = None
    meta: Json = field(default_factory=dict)


@lru_cache(maxsize=64)
def templates(package: str, file: str) -> tuple[str, ...]:
    """The lines of a text file beside `package`, without empty ones and comments."""
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return tuple(line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("#"))


@lru_cache(maxsize=16)
def fillers(package: str, file: str = "fillers.txt") -> Mapping[str, tuple[str, ...]]:
    """What each {name} may be, from lines "name: a | b | c"."""
    pairs = (line.partition(": ") for line in templates(package, file))
    return {name: tuple(choice.strip() for choice in choices.split(" | ")) for name, _, choices in pairs}


def fill(template: str, names: Mapping[str, tuple[str, ...]], rng: random.Random, depth: int = 0) -> str:
    """One sentence of a template, every {name} replaced; raises `ValueError` where fillers go round in a circle."""
    if depth > _DEPTH:
        raise ValueError(f"the fillers of {template!r} go round in a circle")
    parts: list[str] = []
    for part in draw(parsed(template), {}, rng):
        if isinstance(part, Slot):
            chosen = rng.choice(names[part.list_name])
            parts.append(fill(chosen, names, rng, depth + 1) if "{" in chosen or "(" in chosen else chosen)
        else:
            parts.append(part)
    return articles(" ".join("".join(parts).split()))


def articles(text: str) -> str:
    """ "a owl" as "an owl"."""
    return _AN.sub(r"\1n ", text)


def enter(text: str, how: str, rng: random.Random) -> str:
    """The text as it reaches a device, `how` being one of NOISE; words keep their order and, but for slips, their letters."""
    if how == "neat":
        text = _LONE_I.sub("I", text)
        text = text[:1].upper() + text[1:]
        return text if text[-1:] in ".!?" else text + ("?" if _ASKS.match(text) else ".")
    if how == "casual":
        return text.rstrip(".").lower() if rng.random() < 0.7 else text.rstrip(".")
    if how == "typos":
        return slips(text, rng)
    if how == "voice":
        spoken = " ".join(re.sub(r"(?<!\d)[.,!?:;\"](?!\d)|[,!?:;\"](?=\s|$)|\.$", " ", text).lower().split())
        return f"{rng.choice(_VOICE_FILLERS)}{spoken}" if rng.random() < 0.3 else spoken
    raise ValueError(f"noise must be one of {', '.join(NOISE)}, not {how!r}")


def slips(text: str, rng: random.Random) -> str:
    """One or two typing slips in words of four letters or more."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha() and word.isascii()]
    for i in rng.sample(long, min(len(long), rng.choice((1, 1, 2)))):
        words[i] = slip(words[i], rng)
    return " ".join(words)
