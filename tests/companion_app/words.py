"""The words that people and machines would have chosen, for the furnished app: numbers, or for pictures real ones.

Tests look for texts that the app left in English; words of the data would hide some, so there they are numbers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """event: of a device; spares: why it spares itself; found: one nearby; sample: asked, answered, expected; asked: two sentences; labels: of a
    router; question: an unsure one, its guess is the first label; dock, place, fixed, drawn: of the robot's plan; why:
    it drives slowly; rows: pairs of a text and its label's place; models: of a chat."""

    event: str = "4711"
    spares: str = "61"
    found: str = "4711"
    pipelines: tuple[str, str] = ("11", "12")
    log: tuple[str, ...] = tuple(map(str, range(30)))
    sample: tuple[str, str, str] = ("42", "43", "44")
    group: str = "1"
    tag: str = "2"
    asked: tuple[str, str] = ("42!", "43!")
    labels: tuple[str, str, str] = ("4711", "4712", "4713")
    questions: tuple[str, str] = ("1234 5678?", "9?")
    dock: str = "4711"
    place: str = "4712"
    fixed: str = "4713"
    drawn: str = "4714"
    why: str = "42"
    rows: tuple[tuple[str, int], ...] = tuple(
        (f"{4711 + at}: {1234 + 7 * at} {5678 - 3 * at}?", at % 3) for at in range(30)
    )
    models: tuple[str, str] = ("4711", "4712")
    title: str = "1 + 1 = ?"
    other_title: str = "2 + 2"
    said: str = "1 + 1 = ?"
    answers: tuple[str, str] = ("**2**\n\n- 1\n- 1\n\n```\n1 + 1\n```", "3")
    seen: tuple[str, str] = ("42", "43")
    turned: str = "1.2.3"


NUMBERS = Words()
