"""Sounds as short lines of text, which a small model writes: "play γ in α", "square louder: β d*5".

What the prompt names stands as letters (see `reference_notation`): pitches, keys and chords, tempos, voices, words in
quotes.

    play TEMPO [in KEY]
    WAVE [louder | softer | soft | loud]: ITEM ...          one line for each voice

An item is a pitch, a chord (a letter, or pitches joined by +), r or R, the key's root in the octave of C4 or above it,
or u2 or d2: so many steps of the key's scale up or down from the note before. It takes a beat; ":2" makes it two beats long, "*3" is three of it, and "_" is a rest.

    say VOICE [slow | fast] [low | high] [soft | loud]: TEXT
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_runtime.media import Json, Rejected
from edge_runtime.media.formula_notation import plain
from edge_runtime.media.notes import CHORDS, KEYS, MAX_NOTES, MIN_LENGTH, WAVES, Note, midi_of, pitch_name
from edge_runtime.media.reading import TOO_MUCH
from edge_runtime.media.reference_notation import LETTERS, UNREADABLE, named, value
from edge_runtime.media.sound import MUSIC, SPEECH, Program, read_program
from edge_runtime.media.speech import NORMAL_LOUDNESS, NORMAL_PITCH, NORMAL_RATE, Utterance

MAX_TEXT = 1500  # characters of a notation
SHARE = 0.8  # of its time a note sounds, so that the next one can be heard to begin
PLAIN, SOFT, LOUD = 0.6, 0.25, 0.95
FROM, TO = 0.12, 0.8  # what gets louder, and backwards what gets softer
LOUDNESSES = (0.05, 1.0)
# Words for how speech is said, by side: below the plain way, above it, and by how much another number still counts as it.
MANNERS: dict[str, tuple[tuple[str, int], int, tuple[str, int], int]] = {
    "rate": (("slow", 115), NORMAL_RATE, ("fast", 215), 20),
    "pitch": (("low", 20), NORMAL_PITCH, ("high", 80), 12),
    "loudness": (("soft", 32), NORMAL_LOUDNESS, ("loud", 108), 12),
}
SWELL = 1.9  # times as loud at one end as at the other
_TEMPOS = (120, 60, 90, 100, 80, 72, 110, 132, 144, 160, 180)  # where the prompt names none
_LEAST_NAMED = 20  # smaller whole numbers are counts, which must be seen
_THINGS = re.compile(
    r"[\"“](?P<text>[^\"”\n]{1,160})[\"”]"
    r"|\b(?P<root>[A-G])(?P<accidental>[#b♯♭]|[ -](?:sharp|flat))? (?P<mode>major|minor)\b"
    r"|\b(?P<voice>woman|man)\b"
    r"|\b(?P<pitch>[A-G][#b♯♭]?[1-7])(?![\w#])"
    r"|(?<![\w.,])(?P<number>\d{1,6}(?:\.\d{1,4})?)(?![\w.,]*\d)"
)
_ITEM = re.compile(r"([^*:]+)(?::(\d{1,2}(?:\.\d{1,2})?))?(?:\*([1-9]\d?))?")
_SAY = re.compile(rf"say (man|woman|[{LETTERS}])" + r"((?: [a-z]+| [\d.]+|" + rf" [{LETTERS}])*): (.+)")
_NEAR = 0.02  # of a beat
_ROOTS = {"r": 60, "R": 72}  # where a key begins that says no octave, as MIDI numbers of C


@dataclass(frozen=True)
class Pitch:
    """A pitch that a prompt names, as a MIDI number."""

    midi: int


@dataclass(frozen=True)
class Key:
    """A key or a chord that a prompt names. root: its place in the octave, 0 for C; mode: "major" or "minor"."""

    root: int
    mode: str

    @property
    def chord(self) -> tuple[int, ...]:
        """In close position around C4: low enough to sound full, high enough to be told apart."""
        base = 60 + self.root - (12 if self.root > 6 else 0)
        return tuple(base + step for step in CHORDS[self.mode])

    def degree(self, midi: int) -> int | None:
        """How many steps of the scale a pitch is above the root's lowest; None where it isn't in the scale."""
        octave, above = divmod(midi - self.root, 12)
        scale = KEYS[self.mode]
        return octave * len(scale) + scale.index(above) if above in scale else None

    def pitch(self, degree: int) -> int:
        """The pitch of a degree."""
        scale = KEYS[self.mode]
        octave, step = divmod(degree, len(scale))
        return self.root + 12 * octave + scale[step]


@dataclass(frozen=True)
class Voice:
    """Who is to speak: one of `speech.VOICES`."""

    name: str


Named = Pitch | Key | Voice | str | float


def numbered(prompt: str) -> tuple[str, tuple[Named, ...]]:
    """The prompt with letters for what it names, and that. A quoted word stays beside its letter, for its meaning."""
    return named(prompt, _THINGS, _thing)


def _thing(found: re.Match[str]) -> tuple[str, Named] | None:
    if text := found["text"]:
        return ("{}" if " " in text.strip() else f'"{{}}={text}"'), " ".join(text.split())
    if root := found["root"]:
        sign = (found["accidental"] or "").strip(" -")
        midi = midi_of(f"{root}{_SIGNS.get(sign, sign)}4")
        return None if midi is None else ("{}", Key(midi % 12, found["mode"]))
    if voice := found["voice"]:
        return "{}", Voice(voice)
    if pitch := found["pitch"]:
        midi = midi_of("".join(_SIGNS.get(letter, letter) for letter in pitch))
        return None if midi is None else ("{}", Pitch(midi))
    number = float(found["number"])
    return ("{}", number) if number >= _LEAST_NAMED or number != int(number) else None


_SIGNS = {"♯": "#", "♭": "b", "sharp": "#", "flat": "b"}


def write(program: Program, things: Sequence[Named]) -> str:
    """The notation of a program over what its prompt names. Loudness is kept as one of the few words for it."""
    return _write_speech(program, things) if isinstance(program, Utterance) else _write_music(program, things)


def read(text: str, things: Sequence[Named]) -> Program:
    """The program that a notation stands for; raises `Rejected`. Nothing is played."""
    if len(text) > MAX_TEXT:
        raise Rejected(UNREADABLE, f"the text has more than {MAX_TEXT} characters")
    text = text.strip()
    return read_program(_read_speech(text, things) if text.startswith("say ") else _read_music(text, things))


def unused(text: str, things: Sequence[Named]) -> list[str]:
    """What the prompt names and a notation doesn't take, nor anything equal: its sound is hardly what was asked."""
    used = [thing for at, thing in enumerate(things) if LETTERS[at] in text]
    left = [thing for thing in things if thing not in used]
    return [_said(thing) for thing in left if not re.search(rf"\b{re.escape(_plain(thing))}\b", text, re.IGNORECASE)]


def _said(thing: Named) -> str:
    return f'"{thing}"' if isinstance(thing, str) else _plain(thing)


def _plain(thing: Named) -> str:
    match thing:
        case Pitch():
            return pitch_name(thing.midi)
        case Key():
            return f"{pitch_name(60 + thing.root)[:-1]} {thing.mode}"
        case Voice():
            return thing.name
        case str():
            return thing
        case _:
            return plain(thing)


def _write_speech(words: Utterance, things: Sequence[Named]) -> str:
    voice = next((LETTERS[at] for at, thing in enumerate(things) if thing == Voice(words.voice)), words.voice)
    head = ["say", voice]
    for side, ((less, low), normal, (more, high), near) in MANNERS.items():
        given = getattr(words, side)
        word = next((word for word, at in ((less, low), ("", normal), (more, high)) if abs(given - at) <= near), None)
        head.append(f"{side} {_number(given, things)}" if word is None else word)
    text = words.text
    for at, thing in enumerate(things):
        if isinstance(thing, str):
            text = re.sub(rf"(?<!\w){re.escape(thing)}(?!\w)", LETTERS[at], text, count=1, flags=re.IGNORECASE)
    return f"{' '.join(filter(None, head))}: {text}"


def _read_speech(text: str, things: Sequence[Named]) -> Json:
    found = _SAY.fullmatch(text)
    if found is None:
        raise Rejected(UNREADABLE, "the text isn't one of speech")
    manner = {side: normal for side, (_, normal, _, _) in MANNERS.items()}
    words = iter(found[2].split())
    for word in words:
        if word in manner:
            manner[word] = round(_value(next(words, ""), things))
            continue
        side, at = next(
            ((side, at) for side, (less, _, more, _) in MANNERS.items() for known, at in (less, more) if known == word),
            (None, 0),
        )
        if side is None:
            raise Rejected(UNREADABLE, f"'{word[:20]}' isn't a way to speak")
        manner[side] = at

    def said(letter: re.Match[str]) -> str:
        thing = value(letter[0], things)
        if not isinstance(thing, str):
            raise Rejected(UNREADABLE, "what is to be said isn't a text")
        return thing

    spoken = re.sub(f"[{LETTERS}]", said, found[3])
    spoken = spoken if len(found[3]) == 1 else spoken[0].upper() + spoken[1:]
    voice = value(found[1], things) if len(found[1]) == 1 else Voice(found[1])
    if not isinstance(voice, Voice):
        raise Rejected(UNREADABLE, "who is to speak isn't a voice")
    return {"kind": SPEECH, "text": spoken, "voice": voice.name, **manner}


@dataclass(frozen=True)
class _Group:
    """Notes that begin and end together; start and length in seconds. level: their loudness together."""

    pitches: tuple[int, ...]
    start: float
    length: float
    level: float
    wave: str


def _write_music(notes: Sequence[Note], things: Sequence[Named]) -> str:
    beat, tempo = _tempo(notes, things)
    voices = _voices(notes)
    key = _key(notes, things) if all(len(group.pitches) == 1 for voice in voices for group in voice) else None
    pitches = _Pitches(things, None if key is None else things[key])
    lines = [f"play {tempo}" + ("" if key is None else f" in {LETTERS[key]}")]
    for voice in voices:
        items: list[str] = []
        now, time = 0.0, 1.0  # in beats, as the items written so far have it; of the note before
        before: int | None = None
        for number, group in enumerate(voice):
            start, length = group.start / beat, group.length / beat
            if start - now > _NEAR:
                rest = round(start - now, 2)
                items.append(f"_{_lasting(rest)}")
                now += rest
            last = number == len(voice) - 1
            if last:
                time = next((at for at in (time, 1.0) if 0.5 <= length / at <= 1), length / SHARE)
            else:
                time = voice[number + 1].start / beat - start
                time = time if 0.5 <= length / time <= 1 + _NEAR else min(time, length / SHARE)
            time = round(time, 2)
            now += time
            items.append(pitches.written(group.pitches, before, last=last) + _lasting(time))
            before = group.pitches[0]
        runs = [(item, len(list(same))) for item, same in itertools.groupby(items)]
        words = " ".join(item if count == 1 else f"{item}*{count}" for item, count in runs)
        lines.append(f"{' '.join(filter(None, (voice[0].wave, _dynamics(voice))))}: {words}")
    return "\n".join(lines)


def _lasting(time: float) -> str:
    return "" if time == 1 else f":{plain(time)}"


def _tempo(notes: Sequence[Note], things: Sequence[Named]) -> tuple[float, str]:
    """Seconds of a beat, and the tempo as it is written: one in which notes begin on quarters of beats, if there is one."""
    named_ones = [(thing, LETTERS[at]) for at, thing in enumerate(things) if isinstance(thing, float)]
    for tempo, written in [*named_ones, *((float(tempo), str(tempo)) for tempo in _TEMPOS)]:
        if 20 <= tempo <= 600:
            quarters = [note.start * tempo / 15 for note in notes]
            if all(abs(quarter - round(quarter)) <= 4 * _NEAR for quarter in quarters):
                return 60 / tempo, written
    return 1.0, "60"


def _voices(notes: Sequence[Note]) -> list[list[_Group]]:
    together: dict[tuple[str, float, float], list[Note]] = {}
    for note in sorted(notes, key=lambda note: (note.start, note.midi)):
        together.setdefault((note.wave, round(note.start, 3), round(note.length, 3)), []).append(note)
    voices: list[list[_Group]] = []
    for group in together.values():
        first = group[0]
        level = sum(note.loudness for note in group) / len(group) ** 0.5
        made = _Group(tuple(note.midi for note in group), first.start, first.length, level, first.wave)
        free = (voice for voice in voices if voice[0].wave == made.wave and _end(voice[-1]) <= made.start + 1e-3)
        if (voice := next(free, None)) is not None:
            voice.append(made)
        else:
            voices.append([made])
    return voices


def _end(group: _Group) -> float:
    return group.start + group.length


def _key(notes: Sequence[Note], things: Sequence[Named]) -> int | None:
    """The first key that the prompt names and all notes belong to."""
    return next(
        (
            at
            for at, thing in enumerate(things)
            if isinstance(thing, Key) and all(thing.degree(note.midi) is not None for note in notes)
        ),
        None,
    )


class _Pitches:
    """Writes pitches, and knows which of the named ones are written already."""

    def __init__(self, things: Sequence[Named], key: Named | None) -> None:
        self._things, self._key = things, key
        self._left = set(range(len(things)))

    def written(self, pitches: tuple[int, ...], before: int | None, *, last: bool) -> str:
        """One item. before: the pitch before it; last: it is its voice's last one, which may come home."""
        if len(pitches) > 1:
            return self._letter([Key], pitches) or "+".join(map(pitch_name, pitches))
        [pitch] = pitches
        if isinstance(self._key, Key) and before is not None:
            letter = self._letter([Pitch], pitches) if last else None
            return letter or _step((self._key.degree(pitch) or 0) - (self._key.degree(before) or 0))
        if letter := self._letter([Pitch], pitches):
            return letter
        roots = {} if not isinstance(self._key, Key) else {self._key.root + base: name for name, base in _ROOTS.items()}
        return roots.get(pitch) or pitch_name(pitch)

    def _letter(self, kinds: Sequence[type], pitches: tuple[int, ...]) -> str | None:
        same = [at for at, thing in enumerate(self._things) if type(thing) in kinds and _pitches(thing) == pitches]
        if not same:
            return None
        at = next((at for at in same if at in self._left), same[-1])
        self._left.discard(at)
        return LETTERS[at]


def _step(steps: int) -> str:
    return f"{'d' if steps < 0 else 'u'}{'' if abs(steps) == 1 else abs(steps)}"


def _pitches(thing: Named) -> tuple[int, ...]:
    return (thing.midi,) if isinstance(thing, Pitch) else thing.chord if isinstance(thing, Key) else ()


def _dynamics(voice: Sequence[_Group]) -> str:
    first, last = voice[0].level, voice[-1].level
    if last >= SWELL * first or first >= SWELL * last:
        return "louder" if last > first else "softer"
    mean = sum(group.level for group in voice) / len(voice)
    return "soft" if mean < (SOFT + PLAIN) / 2 else "loud" if mean > (PLAIN + LOUD) / 2 else ""


def _read_music(text: str, things: Sequence[Named]) -> Json:
    head, *voices = text.split("\n")
    found = re.fullmatch(rf"play (\S+)(?: in ([{LETTERS}]))?", head)
    if found is None or not voices:
        raise Rejected(UNREADABLE, "the text isn't one of music")
    tempo = _value(found[1], things)
    key = None if found[2] is None else value(found[2], things)
    if not 20 <= tempo <= 600 or (key is not None and not isinstance(key, Key)):
        raise Rejected(UNREADABLE, f"{plain(tempo)} isn't a tempo, or what is named isn't a key")
    notes: list[Json] = []
    for voice in voices:
        manner, _, items = voice.partition(":")
        wave, _, dynamics = manner.partition(" ")
        if wave not in WAVES or dynamics not in ("", "louder", "softer", "soft", "loud"):
            raise Rejected(UNREADABLE, f"'{manner[:30]}' isn't a sound")
        groups = list(_groups(items.split(), things, key, 60 / tempo))
        for number, group in enumerate(groups):
            level = _level(dynamics, number / max(1, len(groups) - 1)) / len(group.pitches) ** 0.5
            loudness = round(min(max(level, LOUDNESSES[0]), LOUDNESSES[1]), 3)
            same = {
                "start": round(group.start, 4),
                "length": round(group.length, 4),
                "loudness": loudness,
                "wave": wave,
            }
            notes += [{"pitch": pitch_name(pitch), **same} for pitch in group.pitches]
        if len(notes) > MAX_NOTES:
            raise Rejected(TOO_MUCH, f"more than {MAX_NOTES} notes are too many")
    return {"kind": MUSIC, "notes": notes}


def _groups(items: Sequence[str], things: Sequence[Named], key: Key | None, beat: float) -> Iterator[_Group]:
    now, count = 0.0, 0
    before: int | None = None
    for item in items:
        found = _ITEM.fullmatch(item)
        if found is None:
            raise Rejected(UNREADABLE, f"'{item[:20]}' isn't a note")
        time = float(found[2] or 1)
        for _ in range(int(found[3] or 1)):
            if found[1] != "_":
                pitches = _sounding(found[1], things, key, before)
                before, count = pitches[0], count + 1
                if count > MAX_NOTES:
                    raise Rejected(TOO_MUCH, f"more than {MAX_NOTES} notes are too many")
                yield _Group(pitches, now * beat, max(MIN_LENGTH, SHARE * time * beat), 0, "")
            now += time


def _sounding(text: str, things: Sequence[Named], key: Key | None, before: int | None) -> tuple[int, ...]:
    if step := re.fullmatch(r"([ud])(\d{0,2})", text):
        at = None if key is None or before is None else key.degree(before)
        if key is None or at is None:
            raise Rejected(UNREADABLE, f"'{text}' is a step without a scale")
        return (key.pitch(at + int(step[2] or 1) * (1 if step[1] == "u" else -1)),)
    if text in _ROOTS:
        if key is None:
            raise Rejected(UNREADABLE, f"'{text}' is a root without a key")
        return (key.root + _ROOTS[text],)
    if len(text) == 1 and text in LETTERS:
        if pitches := _pitches(value(text, things)):
            return pitches
        raise Rejected(UNREADABLE, f"'{text}' isn't the name of a note")
    pitches = tuple(midi for name in text.split("+") if (midi := midi_of(name)) is not None)
    if len(pitches) != text.count("+") + 1:
        raise Rejected(UNREADABLE, f"'{text[:20]}' isn't a note")
    return pitches


def _level(dynamics: str, along: float) -> float:
    match dynamics:
        case "louder":
            return FROM + (TO - FROM) * along
        case "softer":
            return TO - (TO - FROM) * along
        case _:
            return {"soft": SOFT, "loud": LOUD}.get(dynamics, PLAIN)


def _number(number: float, things: Sequence[Named]) -> str:
    at = next((at for at, thing in enumerate(things) if isinstance(thing, float) and thing == number), None)
    return plain(number) if at is None else LETTERS[at]


def _value(text: str, things: Sequence[Named]) -> float:
    if re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text):
        return float(text)
    thing = value(text, things) if len(text) == 1 else None
    if not isinstance(thing, float):
        raise Rejected(UNREADABLE, f"'{text[:20]}' isn't a number")
    return thing
