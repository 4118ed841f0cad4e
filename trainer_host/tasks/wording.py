"""What no text of an example may be: a refusal, an echo of the instruction, a loop, cut off, in the wrong language.

Cheap rules that any text of a teacher goes through first. They know phrases, not meaning: a refusal in words of
its own passes, and so does nonsense in good English; a judge is for those.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from trainer_host.tasks import Rejected
from trainer_host.tasks.stop_words import SCRIPTS, STOP_WORDS

# How a model refuses or speaks of itself. Anchored at the beginning where a person could say the same.
_REFUSAL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|\bi(?:'m| am) (?:just |only )?an? (?:ai|language model|virtual assistant)\b"
    r"|^(?:i'm |i am )?(?:so |very )?sorry,? (?:but )?(?:i|as)\b.{0,40}\b(?:can't|cannot|can not|unable|not able|won't)\b"
    r"|^(?:unfortunately,? )?i(?:'m| am) (?:unable|not able) to\b"
    r"|^(?:unfortunately,? )?i (?:can't|cannot|can not|won't|will not) (?:assist|help|fulfil|comply|provide|do that|write"
    r"|create|generate|answer|produce|engage|discuss|continue)"
    r"|\bi (?:can't|cannot) (?:assist|help) (?:you )?with (?:that|this)\b"
    r"|\b(?:goes|is) against my (?:guidelines|programming|policy)\b",
    re.IGNORECASE | re.MULTILINE,
)
# What a model writes around an answer, and the marks of a template that nobody filled in.
_LEAK = re.compile(
    r"^(?:sure|certainly|of course|absolutely|okay|got it)[,!.:]+ (?:here(?:'s| is| are)|i(?:'ll| will| can)|let me)\b"
    r"|^here(?:'s| is| are) (?:a|an|the|one|some|another|your|my|two|three|\d+)\b.{0,60}"
    r"(?:message|sentence|version|example|text|paraphrase|rephras|response|rewrit|way|conversation|reply)"
    r"|^(?:user|assistant|human|bot|ai|message|text|output|answer|label|response|new message|example|rewritten|reply"
    r"|rephrased|paraphrase|sentence|json)(?: ?\d+)?\s*:"
    r"|<\|?/?(?:im_start|im_end|system|user|assistant|endoftext|eos|s)\|?>|\[/?inst\]|```"
    r"|[\[{<](?:your |insert |the |a |some |any )*(?:name|topic|label|text|message|city|country|date|time|place|object"
    r"|location|number|thing|something|emotion|gesture|persona|tone|language|person|item|room|device|user|description"
    r"|value|subject|category)(?: here| name| of [a-z ]{1,20})?[\]}>]"
    r"|\blorem ipsum\b|\bfoo bar\b",
    re.IGNORECASE | re.MULTILINE,
)
_HANGING = frozenset({
    "the", "an", "and", "or", "my", "your", "our", "their", "its", "because", "if", "than", "that's", "i'm", "very",
    "but", "every", "between",
})  # fmt: skip
# Pairs of marks; one that opens and doesn't close tells that a text was cut off. The apostrophe isn't among them.
_PAIRS = (("(", ")"), ("[", "]"), ("“", "”"))
_LONGEST = 20_000  # characters that any rule reads; more than any task allows
_QUOTED = 6  # words in a row that tell an echo of the instruction; fewer happen by chance
_MARKED = 0.12  # share of letters with marks above or below that English with foreign names doesn't reach
_FOREIGN = 0.3  # share of letters of another script that names and loan words don't reach


def text_of(value: object, what: str) -> str:
    """A string that is one, without marks that a model puts around an answer; raises `Rejected`."""
    if not isinstance(value, str):
        raise Rejected("wrong format", f"The {what} must be a string.")
    if len(value) > _LONGEST:
        raise Rejected("too long", f"The {what} has {len(value)} characters; write far fewer.")
    text = value.strip()
    if len(text) > 1 and (text[0], text[-1]) in (('"', '"'), ("“", "”"), ("'", "'")) and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    if not text:
        raise Rejected("empty", f"The {what} is empty.")
    if any(unicodedata.category(char) in ("Cc", "Co", "Cn", "Cs") and char not in "\n\t" for char in text):
        raise Rejected("wrong format", f"The {what} holds control characters; write plain text.")
    return text


def one_line(value: object, what: str) -> str:
    """The same for a text that must be a single line, as what somebody says or types."""
    text = text_of(value, what)
    if "\n" in text or "\t" in text:
        raise Rejected("wrong format", f"The {what} has several lines; write one.")
    return " ".join(text.split())


def words(text: str) -> list[str]:
    """Lower-case words and numbers, apostrophes inside them kept."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", unicodedata.normalize("NFKC", text).lower().replace("’", "'"))


def check_length(text: str, least: int, most: int, what: str) -> None:
    """Refuse a text with fewer or more words than asked."""
    count = len(words(text))
    if count < least:
        raise Rejected("too short", f"The {what} has {count} words; write at least {least}.")
    if count > most:
        raise Rejected("too long", f"The {what} has {count} words; write at most {most}.")


def check_wording(text: str, what: str, language: str = "en") -> None:
    """Refuse refusals, leaks, loops, a text that was cut off or is in another language; raises `Rejected`."""
    if found := _REFUSAL.search(text):
        raise Rejected("refusal", f"The {what} refuses or speaks of being an AI ({found[0][:40]!r}).")
    if found := _LEAK.search(text):
        raise Rejected("template leak", f"The {what} holds {found[0][:40]!r}; write only the {what} itself.")
    check_loops(text, what)
    check_ending(text, what)
    check_language(text, what, language)


def check_ending(text: str, what: str) -> None:
    """Refuse a text that stops in the middle: after "the", a comma, or inside brackets."""
    last = words(text)[-1:]
    hangs = bool(last) and last[0] in _HANGING and text[-1:].isalpha()
    if hangs or text[-1:] in (",", "(", "[", "{", "-", "–", "=", "\\") or text.count('"') % 2:
        raise Rejected("truncated", f"The {what} ends in the middle ({text[-30:]!r}); finish it.")
    if any(text.count(left) > text.count(right) for left, right in _PAIRS):
        raise Rejected("truncated", f"The {what} opens a bracket or quote and doesn't close it; finish it.")


def check_loops(text: str, what: str) -> None:
    """Refuse a text that repeats itself: a run of words three times in a row, or few different ones in many."""
    found = words(text)
    for size in range(1, 9):
        times = 4 if size == 1 else 3  # "no, no, no" is something that people say
        for start in range(len(found) - size * times + 1):
            run = found[start : start + size]
            if all(found[start + size * i : start + size * (i + 1)] == run for i in range(1, times)):
                raise Rejected("repetition", f"The {what} repeats {' '.join(run)!r}; say each thing once.")
    triples = list(zip(found, found[1:], found[2:], strict=False))
    if len(triples) >= 20 and len(set(triples)) < 0.6 * len(triples):
        raise Rejected("repetition", f"The {what} says the same again and again; say each thing once.")


def check_copies(text: str, samples: Sequence[str], what: str) -> None:
    """Refuse a text that is one of those which the teacher was shown."""
    own = words(text)
    if any(own == words(sample) for sample in samples):
        raise Rejected("copied", f"The {what} is one that was given; write it in other words.")


def check_echo(text: str, instruction: str, what: str) -> None:
    """Refuse a text that quotes six words in a row of the instruction."""
    _check_runs(text, instruction, what, _QUOTED)


def check_piece(text: str, instruction: str, what: str) -> None:
    """Refuse a text of two words or more that is nothing but a piece of the instruction."""
    _check_runs(text, instruction, what, max(2, len(words(text))))


def _check_runs(text: str, instruction: str, what: str, size: int) -> None:
    if quoted := _runs(words(text), size) & _runs(words(instruction), size):
        run = " ".join(min(quoted))
        raise Rejected(
            "quotes the instruction", f"The {what} repeats the instruction ({run!r}); write only the {what}."
        )


def check_language(text: str, what: str, language: str) -> None:
    """Refuse a text that is surely in another language than `language` (a code of `stop_words`).

    A check of scripts, then of small words: short texts, and languages that `stop_words` doesn't list, pass.
    """
    if (wrong := other_language(text, language)) is not None:
        raise Rejected("wrong language", f"The {what} reads as {wrong!r}; write it in {language!r}.")


def other_language(text: str, language: str) -> str | None:
    """The script or language that a text surely is in instead of `language`; None where it isn't sure."""
    letters = [char for char in text if char.isalpha()]
    wanted = SCRIPTS.get(language, "latin")
    by_script: dict[str, int] = {}
    for char in letters:
        name = _script(char)
        by_script[name] = by_script.get(name, 0) + 1
    # Japanese is written in kana and in the characters of Chinese.
    own = by_script.get(wanted, 0) + (by_script.get("han", 0) if wanted == "kana" else 0)
    if letters and (len(letters) - own) / len(letters) > (_FOREIGN if wanted == "latin" else 1 - _FOREIGN):
        return max(by_script, key=lambda name: (name != wanted, by_script[name]))
    if wanted != "latin" or language not in STOP_WORDS:
        return None
    if language == "en" and sum(not char.isascii() for char in letters) > _MARKED * len(letters):
        return "latin with marks"
    found = words(text)
    hits = {code: sum(word in small for word in found) for code, small in STOP_WORDS.items()}
    best = max(sorted(hits), key=hits.__getitem__)
    # Two small words more than in the wanted language: names and single foreign words give one.
    return best if best != language and hits[best] >= hits[language] + 2 else None


def _script(char: str) -> str:
    code = ord(char)
    for name, ranges in _RANGES:
        if any(low <= code <= high for low, high in ranges):
            return name
    return "other"


_RANGES: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = (  # Unicode blocks
    ("latin", ((0x41, 0x24F), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0xFB00, 0xFB06))),
    ("greek", ((0x370, 0x3FF), (0x1F00, 0x1FFF))),
    ("cyrillic", ((0x400, 0x52F),)),
    ("hebrew", ((0x590, 0x5FF),)),
    ("arabic", ((0x600, 0x6FF), (0x750, 0x77F))),
    ("devanagari", ((0x900, 0x97F),)),
    ("thai", ((0xE00, 0xE7F),)),
    ("kana", ((0x3040, 0x30FF),)),
    ("hangul", ((0xAC00, 0xD7AF), (0x1100, 0x11FF))),
    ("han", ((0x4E00, 0x9FFF), (0x3400, 0x4DBF))),
)


def _runs(found: list[str], size: int) -> set[tuple[str, ...]]:
    return {tuple(found[i : i + size]) for i in range(len(found) - size + 1)}


def share_kept(before: str, after: str) -> float:
    """The share of word pairs of `after` that `before` has: 1 for a copy, 0 for other words."""
    own, other = set(pairwise(words(after))), set(pairwise(words(before)))
    return len(own & other) / len(own) if own else 1.0
