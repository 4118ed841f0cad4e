"""How people ask for sounds, in fewer words: "going up" is rising, "bpm" beats a minute, "say hello" says "hello".

What a prompt names (a wave, a count, which way the notes go, how something is said) is compared with what a model
wrote: a sound that has something else is doubted.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_runtime.media.notes import WAVES, Note
from edge_runtime.media.prompts import NUMBER_WORDS
from edge_runtime.media.reference_notation import LETTERS
from edge_runtime.media.sound import Program
from edge_runtime.media.sound_notation import MANNERS, SWELL, Key, Named, Pitch, numbered
from edge_runtime.media.speech import Utterance
from edge_runtime.media.words import forms, mended, stranger

# How emotions sound: pace, pitch, loudness, -1 below, 0 at, 1 above the plain way (Juslin and Laukka 2003, table 7).
EMOTIONS: dict[str, tuple[int, int, int]] = {
    "neutral": (0, 0, 0),
    "happy": (1, 1, 0),
    "sad": (-1, -1, -1),
    "angry": (1, 1, 1),
    "afraid": (1, 1, -1),
}
_MANNER_WORDS = {
    "slow": "slowly|at a slow pace|slow|in a slow voice",
    "fast": "fast|quickly|at a fast pace|rapidly",
    "low": "with a low pitch|(?:in|with) a (?:deep|low) (?:tone|voice)|deeply",
    "high": "with a high pitch|(?:in|with) a high(?:-pitched)? (?:tone|voice)",
    "soft": "softly|quietly|gently|(?:in|with) a (?:soft|quiet|low-key) voice|in a whisper",
    "loud": "loudly|(?:in|with) a loud voice|aloud and loud",
    "neutral": "in a neutral (?:way|voice|tone)|without any (?:feeling|emotion)s?|matter-of-factly|neutrally|(?:in|with) no emotion",
    "happy": "happily|with joy|joyfully|cheerfully|in a (?:happy|cheerful) (?:way|voice|tone)",
    "sad": "sadly|with sorrow|in a sad (?:way|voice|tone)",
    "angry": "angrily|with anger|in an angry (?:way|voice|tone)",
    "afraid": "fearfully|as if (?:you (?:were|are) )?(?:afraid|scared|frightened)|in a (?:frightened|scared|fearful) (?:way|voice|tone)",
}
_MANNER = "|".join(f"(?:{words})" for words in _MANNER_WORDS.values())
_BY = r"(?:in a |in an |as a |by a |with a )?(?:male|female|man's|woman's|man|woman)(?: voice)?"
_TAIL = re.compile(rf"(?:[ ,]+(?:and |then )?(?:{_MANNER}|{_BY}|please))+[.!?]*$")
_LEAD = r"(?:(?:please|pls|can you|could you|i want you to|i'd like you to|now|just) )*"
_SAYS = r"(?:say|speak|announce|tell me|read(?: this)?(?: out)?(?: loud| aloud)?|pronounce)"
_UNQUOTED = re.compile(
    rf"^({_LEAD}(?:(?:{_MANNER}|{_BY}),? )*{_SAYS}(?: (?:{_MANNER}|{_BY}))*(?: these words)?:? )(?!something\b|a sentence\b|these\b|the word\b|with\b|it\b)(\S.*)$"
)
_KNOWN_NOTES = """scale scales arpeggio arpeggios chord chords melody tune notes note tone tones beep beeps major minor sharp flat
    rising falling upward downward upwards downwards ascending descending going starting starts ending ends begin begins
    beginning louder softer quieter quiet loud soft crescendo diminuendo decrescendo wave waves waveform sine triangle
    square sawtooth saw pure tempo beats beat per minute bpm minute equal times each after another key octave played
    playing first then repeat repeats repeated rise fall pitch""".split()  # noqa: SIM905
_KNOWN_SPEECH = """word words sentence voice male female man woman man's woman's feeling emotion emotions joy sorrow anger
    afraid scared frightened neutral happy sad angry way pace slow slowly fast quickly rapidly low high deep softly quietly
    gently loudly aloud happily joyfully cheerfully cheerful sadly angrily fearfully fearful matter-of-factly neutrally
    whisper if were something saying said says spoken speaking high-pitched tell""".split()  # noqa: SIM905
_VERBS = (*forms("play"), *forms("say", "said"), *forms("speak", "spoken"), *forms("read"), *forms("hear"), *forms("compose"), *forms("announce"), *forms("sound"), *forms("pronounce"))  # fmt: skip
KNOWN = frozenset((*_KNOWN_NOTES, *_KNOWN_SPEECH, *_VERBS, *WAVES, *NUMBER_WORDS, "twice", "thrice"))
_QUOTES = re.compile(r'["“]([^"”\n]{1,160})["”]')
_NUMBER_WORD = re.compile(rf"\b({'|'.join(word for word in NUMBER_WORDS if word != 'one')})\b")
_BARE = re.compile(r"(?<![\w\"])[A-G][#b]?(?:(?:,? and |,? then |, ?| |-)[A-G][#b]?){2,}(?![\w#])")
_WITH_OCTAVE = 4  # of notes that are named without one
Words = str | Callable[[re.Match[str]], str]
_PLAIN: tuple[tuple[str, Words], ...] = (
    (r"\b([a-gA-G])([#b♯♭]?)([1-7])\b", lambda found: f"{found[1].upper()}{found[2]}{found[3]}"),
    (r"\b([b-gA-G])((?:[#b]|[ -](?:sharp|flat))?) (major|minor)\b", lambda found: f"{found[1].upper()}{found[2]} {found[3]}"),
    (r"(?<=\bin )a((?:[#b]|[ -](?:sharp|flat))?) (major|minor)\b|(?<=\ban )a((?:[#b]|[ -](?:sharp|flat))?) (major|minor)\b",
     lambda found: f"A{found[1] or found[3] or ''} {found[2] or found[4]}"),
    (r"\b(?:bpm|beats per minute)\b", "beats a minute"),
    (r"\b(?:tempo|a tempo of|at tempo) (\d+)(?! beats)", r"\1 beats a minute"),
    (r"\bsaw waves?\b|\bsawtooth\b(?! wave)", "sawtooth wave"),
    (r"\b(?:rising|going up|up|upwards?|ascending),? (?:and )?(?:then )?(?:falling|going down|down|downwards?|descending|back down)\b", "rising and then falling"),
    (r"\bfirst rising, then falling\b", "rising and then falling"),
    (r"\bfirst falling, then rising\b", "falling and then rising"),
    (r"\b(?:going (?:up|upwards?)|upwards?|ascending|that (?:goes up|rises))\b", "rising"),
    (r"\b(?:going (?:down|downwards?)|downwards?|descending|that (?:goes down|falls))\b", "falling"),
    (r"(?:\b(?:with|and|in) )?(?:\b(?:getting|a|that gets|gets|from (?:soft|quiet) to) )?(?:louder and louder|crescendo|\blouder\b|(?<=soft to )loud|(?<=quiet to )loud)", "louder"),
    (r"(?:\b(?:with|and|in) )?(?:\b(?:getting|a|that gets|gets|from loud to) )?(?:softer and softer|quieter and quieter|diminuendo|decrescendo|\bsofter\b|\bquieter\b|(?<=loud to )(?:soft|quiet))", "softer"),
    (r"\b(?:male|man's)\b(?: voice)?|\bman\b", "man"),
    (r"\b(?:female|woman's)\b(?: voice)?|\bwoman\b", "woman"),
    (r"\bonce\b", "1 times"),
    (r"\btwice\b", "2 times"),
    (r"\b(?:starting|beginning|that starts|that begins|begins|starts)(?: and (?:ending|ends))? on\b", lambda found: "starts and ends on" if "end" in found[0] else "starts on"),
    (r"\s+", " "),
)  # fmt: skip
_WORDS = [(re.compile(pattern), plain) for pattern, plain in _PLAIN]
_MANNERS = [(re.compile(rf"\b(?:{words})(?!\w)"), name) for name, words in reversed(_MANNER_WORDS.items())]
_COUNT = re.compile(r"\b(\d{1,2}) (?:equal )?(?:notes?|times|beeps?|tones?)\b")


@dataclass(frozen=True)
class Asked:
    """said: the prompt as a model reads it. things: what its letters stand for."""

    said: str
    things: tuple[Named, ...]


def asked(prompt: str) -> Asked:
    """Read a prompt: slips mended, what is to be said in quotes, notes and keys in capitals, other words small."""
    plain = mended(" ".join(prompt.split()), KNOWN)
    if not _QUOTES.search(plain):
        plain = _quoted(plain)
    plain = _BARE.sub(lambda found: re.sub(r"[A-G][#b]?", rf"\g<0>{_WITH_OCTAVE}", found[0]), plain)
    pieces: list[str] = []
    at = 0
    for quote in _QUOTES.finditer(plain):
        pieces += [_worded(plain[at : quote.start()]), f'"{quote[1]}"']
        at = quote.end()
    said, things = numbered("".join([*pieces, _worded(plain[at:])]).strip())
    said = "".join(part if number % 2 else _small(part) for number, part in enumerate(re.split(r'("[^"]*")', said)))
    return Asked(" ".join(re.sub(r"([.,;:!?])(?=\s|$)", r" \1 ", said).split()), things)


def doubt(program: Program, read: Asked) -> str | None:
    """Why a sound is hardly what a prompt asks for, as a sentence; None where nothing speaks against it."""
    if strange := not_read(read):
        return strange
    bare = _bare(read)
    texts = [thing for thing in read.things if isinstance(thing, str)]
    if isinstance(program, Utterance):
        return _doubt_speech(program, bare, texts)
    if texts:
        return "The prompt says words, and these are notes."
    return _doubt_music(program, read, bare)


def not_read(read: Asked) -> str | None:
    """Which word of a prompt isn't known, as a sentence; None where all are."""
    return stranger(_bare(read), KNOWN | {"louder", "softer"})


def _bare(read: Asked) -> str:
    """The prompt without what is to be said."""
    return re.sub(r'"[^"]*"', " ", read.said)


def _doubt_speech(words: Utterance, bare: str, texts: Sequence[str]) -> str | None:
    spoken = _letters(words.text)
    if not texts and "sentence" not in bare and "something" not in bare:
        return "The prompt doesn't say what is to be said."
    for text in texts:
        if _letters(text) not in spoken or (" " in text.strip() and _letters(text) != spoken):
            return f'It must say "{text}".'
    wanted = dict.fromkeys(MANNERS, 0)
    feeling = next((name for name in EMOTIONS if re.search(rf"\b{name}\b", bare)), None)
    if feeling is not None:
        wanted = dict(zip(MANNERS, EMOTIONS[feeling], strict=True))
    for side, ((less, low), normal, (more, high), near) in MANNERS.items():
        if feeling is None:
            wanted[side] = bool(re.search(rf"\b{more}\b", bare)) - bool(re.search(rf"\b{less}\b", bare))
        if abs(getattr(words, side) - (low, normal, high)[wanted[side] + 1]) > near:
            return f"Its {side} isn't what the prompt says."
    return None


def _doubt_music(notes: Sequence[Note], read: Asked, bare: str) -> str | None:
    ordered = sorted(notes, key=lambda note: (note.start, note.midi))
    starts = sorted({round(note.start, 3) for note in ordered})
    pitches = [note.midi for note in ordered]
    single = len(starts) == len(ordered)
    named = [wave for wave in WAVES if re.search(rf"\b{wave}\b", bare)]
    wave = Counter(note.wave for note in ordered).most_common(1)[0][0]
    if named and wave not in named:
        return f"The prompt asks for a {named[0]} wave, and this sounds as a {wave} one."
    counts = {int(found) for found in _COUNT.findall(bare)}
    if counts and len(starts) not in counts:
        return f"The prompt asks for {min(counts)} notes, and this has {len(starts)}."
    ways = {
        "rising and then falling": "arch",
        "falling and then rising": "valley",
        "rising": "rising",
        "falling": "falling",
    }
    way = next((name for words, name in ways.items() if re.search(rf"\b{words}\b", bare)), None)
    if way is None and re.search(r"\b(?:scale|arpeggio)\b", bare):
        way = "rising"
    if way is not None and single and _way(pitches) != way:
        return "The notes don't go the way that the prompt says."
    first, last = (sum(n.loudness for n in ordered if round(n.start, 3) == at) for at in (starts[0], starts[-1]))
    swell = "louder" if last >= SWELL * first else "softer" if first >= SWELL * last else None
    if swell != next((word for word in ("louder", "softer") if re.search(rf"\b{word}\b", bare)), None):
        return "It gets louder or softer otherwise than the prompt says."
    asked_for = [thing.midi for thing in read.things if isinstance(thing, Pitch)]
    keys = [thing for thing in read.things if isinstance(thing, Key)]
    if not keys and len(asked_for) > 1 and pitches != asked_for:
        return "The notes aren't those that the prompt names."
    if not keys and not asked_for:
        return "The prompt names no notes and no key."
    if keys and "chord" in bare and len(starts) != len(keys):
        return "There are more chords than the prompt names, or fewer."
    if keys and "chord" not in bare and not single:
        return "The prompt doesn't ask for chords."
    return None


def _way(pitches: Sequence[int]) -> str | None:
    steps = [after - before for before, after in itertools.pairwise(pitches)]
    if not steps or 0 in steps:
        return None
    ups = [step > 0 for step in steps]
    turns = sum(one != other for one, other in itertools.pairwise(ups))
    if turns == 0:
        return "rising" if ups[0] else "falling"
    return ("arch" if ups[0] else "valley") if turns == 1 else None


def _quoted(plain: str) -> str:
    """Quotes around what is to be said, where the prompt has none."""
    found = _UNQUOTED.match(plain[:1].lower() + plain[1:])
    if found is None:
        return plain
    lead, text = found.groups()
    tail = _TAIL.search(text)
    said, rest = (text[: tail.start()], text[tail.start() :]) if tail else (text, "")
    return f'{lead}"{said.strip(" .,")}"{rest}' if said.strip(" .,") else plain


def _worded(plain: str) -> str:
    for pattern, words in _WORDS:
        plain = pattern.sub(words, plain)
    plain = _NUMBER_WORD.sub(
        lambda found: NUMBER_WORDS[found[1]],
        re.sub(r"\b(?![A-G]b\b)[A-Z][a-z]+\b|\bI\b", lambda word: word[0].lower(), plain),
    )
    for pattern, name in _MANNERS:
        plain = pattern.sub(name, plain)
    return plain


def _small(text: str) -> str:
    return "".join(letter if letter in LETTERS else letter.lower() for letter in text)


def _letters(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))
