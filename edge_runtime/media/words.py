"""The words of prompts: slips of the keyboard are mended, and what a task doesn't know is found.

Exact and small: a word that isn't known becomes the one known word that a single slip makes it of. Common words that
no task here can show ("house", "tree") are kept as they are, so that a tree doesn't become a three.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection

from edge_runtime.media.reference_notation import LETTERS

# Words that ask, join and soften, and change nothing of what is to be made.
HARMLESS = frozenset(
    """a about above across after again all also am an and any are around as at away back be been being before below both
    but by called can cannot clean clear clearly colour coloured colours color colored contain containing contains could
    create creating design display displays do does draw drawing drawn each either else entire entirely every exactly
    featuring fill filled following for from full fully generate get give go good got had has have having hello her here hi
    his how i if illustrate illustration image in into is it its just kind kindly let lets like little located look
    looking made make makes making many may maybe me might mine more must my need needs new next nice no not now of off
    ok on once one ones only onto or other our out over own paint painted painting perfect picture place placed places
    placing plain please pls pure put quick quickly quite rather ready really render see shape shaped shapes should show
    showing shown shows side simple simply single sketch so solid some someone something standing stands stand still such
    sure take task than thank thanks that the their them then there they thing things this these those three through to together
    too two under until up upon us use using very view visible want wanted wants was way we well what when where which
    while who whose will wish with within without would you your yes another whole here's i'd i'll i'm it's let's that's
    there's what's where's them's doesn't don't isn't can't""".split()  # noqa: SIM905
)
# Common words that are near to known ones and mean something else: they are never taken for a slip.
OTHERS = frozenset(
    """tree trees house houses cars cart bird birds fish boat boats cloud clouds flower flowers face faces hand hands
    heart hearts moon sunset king ring rings stone stones stick sticks share spare scare stare store stories hear here
    wave waves write while white cube cubes cubed ball balls bell bells bill tell tall toll well wall walls word world sword
    lion lions wine mine mice rice road read bread green greed great grass greens grown crown brown frown brow blow block
    black slack blank blue glue clue pink pint paint point drink rink links yellow fellow mellow purple people orange
    change range range's left lift loft life right night light might fight sight bright eight weight height step steps
    stop shop ship chip chips clip clips slide slope slow snow show grow blow down town gown dawn drawn front from form
    farm firm storm more move love dove cove moved loved roof room root foot boot boat coat coal cold gold bold fold hold
    hole whole while mole role roll rule long song strong wrong large charge small smell smile mall hall middle riddle
    wide side hide ride tide wife file fire wire tire line fine nine dine pine vine wine lane plane plate place plant
    plants planet planets space spade shape share sharp shark short shirt sheet sleet sweet street sheep sleep""".split()  # noqa: SIM905
)  # fmt: skip
# Words that say what there isn't to be, or leave a choice: what looks for things alone takes "no circle" for a circle.
_CONTRARY = re.compile(
    r"\b(?:no|not|without|or|either|cannot|(?:is|are|do|does|ca)n't)\b"
    r"(?! (?:any )?(?:text|words?|letters?|captions?|borders?|background|more|others?|else|other (?:things?|shapes?))\b)"
)
# Letters of any script: a prompt in another language must not pass for what little of it is Latin.
_WORD = re.compile(r"(?:[^\W\d_]|')+(?:-[^\W\d_]+)*")
_NO_MARKS = str.maketrans(dict.fromkeys(LETTERS, " "))
_QUOTED = re.compile(r'["“”«»„][^"“”«»„]{1,160}["“”«»“]')
_LEAST = 4  # letters: shorter words are too alike


def mended(prompt: str, known: frozenset[str]) -> str:
    """The prompt with its slips mended, as far as one known word is meant; what stands in quotes stays."""
    pieces: list[str] = []
    at = 0
    for quoted in _QUOTED.finditer(prompt):
        pieces += [_mended(prompt[at : quoted.start()], known), quoted[0]]
        at = quoted.end()
    return "".join([*pieces, _mended(prompt[at:], known)])


def unknown(text: str, known: Collection[str]) -> list[str]:
    """The words of a text in small letters that aren't known, in their order; single Latin letters, and `LETTERS`, are marks."""
    words = _WORD.findall(text.translate(_NO_MARKS))
    told = (word for word in words if len(word.strip("'")) > 1 or not word.isascii())
    return [word for word in told if word not in known and word not in HARMLESS]


def stranger(text: str, known: Collection[str]) -> str | None:
    """The sentence for a person whose prompt has a word that isn't known, see `unknown`; None where all are."""
    found = unknown(text, known)
    return f"The word '{found[0][:40]}' isn't known here; prompts are read in English." if found else None


def contrary(text: str) -> str | None:
    """The sentence for a person whose prompt, in small letters, says what there isn't to be, or leaves a choice; None for any other."""
    found = _CONTRARY.search(text)
    return f"What '{found[0]}' means here isn't understood; say what there is to be." if found else None


def forms(verb: str, *irregular: str) -> list[str]:
    """A verb's forms as in "move, moves, moved, moving", and those that are named."""
    stem = verb.removesuffix("e")
    return [verb, f"{verb}es" if verb.endswith(("sh", "ss")) else f"{verb}s", f"{stem}ed", f"{stem}ing", *irregular]


def _mended(text: str, known: frozenset[str]) -> str:
    def mend(found: re.Match[str]) -> str:
        word = found[0].lower()
        if word in known or word in HARMLESS or word in OTHERS:
            return found[0]
        return _meant(word, known) or found[0]

    return re.sub(rf"(?<![\w#])[A-Za-z]{{{_LEAST},}}(?!\w)", mend, text)


@functools.lru_cache(maxsize=4096)
def _meant(word: str, known: frozenset[str]) -> str | None:
    """The known word that one slip makes this of; None where there is none, or several are as likely."""
    ranked: dict[int, list[str]] = {}
    for other in sorted(known):
        if len(other) >= _LEAST and other[0] == word[0] and (rank := _slip(word, other)) is not None:
            ranked.setdefault(rank, []).append(other)
    best = ranked[min(ranked)] if ranked else []
    return best[0] if len(best) == 1 else None


def _slip(word: str, other: str) -> int | None:
    """How likely one slip makes `word` of `other`: 0 letters swapped, 1 left out, 2 doubled or put in, 3 another letter.

    None where it takes more than one (Damerau 1964).
    """
    if word == other or abs(len(word) - len(other)) > 1:
        return None
    at = next((n for n, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), min(len(word), len(other)))
    if len(word) < len(other):
        return 1 if word[at:] == other[at + 1 :] else None
    if len(word) > len(other):
        return 2 if word[at + 1 :] == other[at:] else None
    if word[at + 1 :] == other[at + 1 :]:
        return 3 if len(word) > _LEAST else None  # "dogs" are no dots
    swapped = word[at + 1 : at + 2] + word[at] + word[at + 2 :]
    return 0 if swapped == other[at:] else None
