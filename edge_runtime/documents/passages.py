"""Text as passages: a few sentences under the heading that they stand below."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_WORDS = 160  # of a passage, some ten lines
_HEADING = re.compile(r"^(?:#{1,6}\s+(.+?)\s*#*|(.{1,100})\n(?:=|-|~|\*){3,})\s*$", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=\S)")


@dataclass(frozen=True)
class Passage:
    """heading: what it stands below, empty where nothing is; text: without blank lines around it."""

    heading: str
    text: str


def passages(text: str) -> list[Passage]:
    """The text in its order: paragraphs of one heading together, as many as `MOST_WORDS` words hold."""
    made: list[Passage] = []
    heading, held, words = "", list[str](), 0

    def end() -> None:
        nonlocal held, words
        if held:
            made.append(Passage(heading, "\n\n".join(held)))
        held, words = [], 0

    for block in re.split(r"\n\s*\n|(?=^#{1,6}\s)|(?<=\n)(?=#{1,6}\s)", text):
        block = block.strip("\n").rstrip()
        first, _, rest = block.partition("\n")
        if (title := _HEADING.match(first)) is not None and title[1]:
            end()
            heading, block = title[1], rest.strip()
        elif (title := _HEADING.match("\n".join(block.split("\n")[:2]))) is not None and title[2]:
            end()
            heading, block = title[2].strip(), "\n".join(block.split("\n")[2:]).strip()
        for part in _parts(block):
            count = len(part.split())
            if words + count > MOST_WORDS:
                end()
            held.append(part)
            words += count
    end()
    return made


def sentences(text: str) -> list[str]:
    """The sentences of a text; a line that ends a paragraph ends one too."""
    made = []
    for block in re.split(r"\n\s*\n", text):
        made += [" ".join(part.split()) for part in _SENTENCE.split(block)]
    return [sentence for sentence in made if sentence]


def _parts(block: str) -> list[str]:
    """A paragraph, or pieces of a long one: whole sentences, and words where a sentence is too long itself."""
    if len(block.split()) <= MOST_WORDS:
        return [block] if block.strip() else []
    made: list[str] = []
    held: list[str] = []
    for sentence in _SENTENCE.split(block):
        words = sentence.split()
        for at in range(0, len(words), MOST_WORDS):
            some = words[at : at + MOST_WORDS]
            if held and sum(len(one.split()) for one in held) + len(some) > MOST_WORDS:
                made.append(" ".join(held))
                held = []
            held.append(" ".join(some))
    return [*made, " ".join(held)]
