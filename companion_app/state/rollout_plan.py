"""A rollout as a person asks for it: for which devices, when they may switch, and what pauses it; and all that in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from companion_app.i18n import N_, ntr, tr
from edge_runtime.update.conditions import within_hours
from edge_runtime.update.desired import TAG, Where

FAILURES = ("0%", "2%", "5%", "10%")
DONE = ("50%", "75%", "90%")
USUAL_FAILURES, USUAL_DONE = "2%", "90%"  # a host's own, too
CONDITIONS = {
    "idle": N_("while nobody uses it"),
    "charging": N_("while it charges"),
    "docked": N_("while it is docked"),
    "window": N_("in the hours that its owner allows"),
}
MOST_TAGS = 24  # to choose from
_HOURS = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)")


@dataclass(frozen=True)
class Plan:
    """What is asked for, as it was typed. all, any, none: tags with commas between; when: conditions likewise."""

    specialist: str
    version: str
    stages: str = ""
    soak: str = ""
    all: str = ""
    any: str = ""
    none: str = ""
    when: str = ""
    most_failures: str = ""
    least_done: str = ""

    @property
    def where(self) -> Where:
        """Which devices are meant."""
        return Where(words_of(self.all), words_of(self.any), words_of(self.none))


@dataclass(frozen=True)
class Member:
    """A device of a fleet. tags: of its own configuration; given: from the host."""

    id: str
    name: str
    tags: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """The devices that a host knows. groups: the tags that some have in common, and how many those are. members: one by one, of
    a large fleet the first ones, by name."""

    devices: int = 0
    groups: tuple[tuple[tuple[str, ...], int], ...] = ()
    members: tuple[Member, ...] = ()

    def meant(self, where: Where) -> int | None:
        """How many a query means; None where the host didn't tell of all."""
        if sum(count for _, count in self.groups) != self.devices:
            return None
        return sum(count for tags, count in self.groups if where.matches(tags))

    def tags(self) -> tuple[str, ...]:
        """Those that most devices have, the most frequent first."""
        counts: dict[str, int] = {}
        for tags, count in self.groups:
            for tag in tags:
                counts[tag] = counts.get(tag, 0) + count
        return tuple(sorted(counts, key=lambda tag: (-counts[tag], tag))[:MOST_TAGS])


def words_of(text: str) -> tuple[str, ...]:
    """What stands between commas or spaces, once each; tags have no capitals, which keyboards of phones begin with."""
    return tuple(dict.fromkeys(part for part in re.split(r"[,\s]+", text.lower()) if part))


def toggled(text: str, word: str) -> str:
    """The list with a word more, or without it."""
    have = words_of(text)
    return ", ".join(one for one in have if one != word) if word in have else ", ".join((*have, word))


def tags_problem(text: str) -> str:
    """Why a list of tags can't be one, in a sentence; empty where it can."""
    wrong = next((tag for tag in words_of(text) if not TAG.fullmatch(tag)), "")
    return tr("{tag} can't be a tag: letters from a to z, digits and . : = _ - only.", tag=wrong[:40]) if wrong else ""


def hours_problem(text: str) -> str:
    """Why what is typed is no hours, in a sentence; empty where it is, or nothing is typed."""
    wrong = any(within_hours(word, 0) is None for word in words_of(text))
    return tr("Write hours as {example}.", example="22:00-06:00") if wrong else ""


def where_words(where: Where) -> str:
    """Which devices are meant, in a few words; empty for all."""
    parts = (
        tr("with {tags}", tags=", ".join(where.all)) if where.all else "",
        tr("with one of {tags}", tags=", ".join(where.any)) if where.any else "",
        tr("without {tags}", tags=", ".join(where.none)) if where.none else "",
    )
    said = "; ".join(part for part in parts if part)
    return tr("devices {which}", which=said) if said else ""


def when_words(when: Iterable[str]) -> str:
    """When a device switches, in a few words; empty for at any time."""
    return ", ".join(_condition(word) for word in when)


def share_words(text: str) -> str:
    """A share as people write it."""
    return re.sub(r"\s*%", " %", text.strip())


def reach_words(known: Known | None, where: Where) -> str:
    """Whom the query means, in a sentence; empty where nobody knows."""
    meant = None if known is None else known.meant(where)
    if known is None or meant is None:
        return ""
    if not known.devices:
        return tr("The host knows no device yet, so nobody could try it.")
    if not meant:
        return tr("No device that the host knows has these tags.")
    if meant == known.devices:
        return ntr("The {number} device that the host knows is meant.", "All {number} devices that the host knows are meant.", meant)  # fmt: skip
    return ntr("{number} of {all} devices that the host knows is meant.", "{number} of {all} devices that the host knows are meant.", meant, all=known.devices)  # fmt: skip


def switch_words(when: Iterable[str]) -> str:
    """When a device switches, in a sentence; empty for at any time."""
    said = when_words(when)
    return tr("A device fetches it before, and switches {when}.", when=said) if said else ""


def bounds_words(most_failures: str, least_done: str) -> str:
    """What pauses a rollout, and what lets it go on, in a sentence."""
    failures, done = share_words(most_failures), share_words(least_done)
    return tr("It pauses where more than {failures} of a stage fail, and goes on once {done} of it run the version.", failures=failures, done=done)  # fmt: skip


def _condition(word: str) -> str:
    if word in CONDITIONS:
        return tr(CONDITIONS[word])
    hours = _HOURS.fullmatch(word)
    return tr("from {begin} to {end}", begin=hours[1], end=hours[2]) if hours else word
