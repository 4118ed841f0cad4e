"""Short and free requests for sounds: few words, and defaults for what they leave open.

Stated defaults: 120 beats a minute, a sine wave, a scale of eight notes that rises from the octave of C4, an arpeggio of
four; a woman's voice, said plainly.
"""

from __future__ import annotations

import random

from edge_runtime.media.notes import CHORDS, WAVES, pitch_name
from edge_runtime.media.sound_words import EMOTIONS, KNOWN, asked, doubt
from edge_runtime.media.speech import VOICES, Utterance
from trainer_host.media import music_sampler, speech_sampler
from trainer_host.media.music_facts import (
    ROOTS,
    Chords,
    Contour,
    Dynamics,
    EndsOn,
    InKey,
    MusicFact,
    Notes,
    Played,
    StartsOn,
    Tempo,
    Tune,
    root_of,
)
from trainer_host.media.picture_words import NUMBERS
from trainer_host.media.slips import SHARE, casual, slipped
from trainer_host.media.speech_facts import LEVELS, Emotion, Manner, Says, SpeechFact, SpokenBy

TEMPO, WAVE, VOICE = 120, "sine", "woman"  # where nothing is said
_TRIES = 30
_PLAY = ("", "", "", "play ", "play me ", "please play ", "can you play ", "could you play ", "I'd like to hear ", "I want to hear ", "make ", "pls play ")  # fmt: skip
_WAYS = {
    "rising": ("rising ", "", "upward ", "ascending "),
    "falling": ("falling ", "descending ", "downward "),
    "rising and then falling": ("rising and then falling ",),
}
_AFTER = {
    "rising": (" going up", " upwards", "", " rising", ", ascending"),
    "falling": (" going down", " downwards", ", falling", " descending"),
    "rising and then falling": (" going up and then down", ", up and down"),
}
_LOUDER = (", getting louder", " with a crescendo", ", from soft to loud", " that gets louder", ", louder and louder")
_SOFTER = (", getting softer", " with a diminuendo", ", from loud to quiet", " that gets softer", ", getting quieter")


def music(rng: random.Random) -> music_sampler.Sample:
    """One piece of music, asked for in free words."""
    for _ in range(_TRIES):
        made = _music(rng)
        if doubt(made.notes, asked(made.request)) is None:
            return made
    raise AssertionError("no words were found for music")


def speech(rng: random.Random) -> speech_sampler.Sample:
    """One utterance, asked for in free words."""
    for _ in range(_TRIES):
        made = _speech(rng)
        if doubt(made.utterance, asked(made.request)) is None:
            return made
    raise AssertionError("no words were found for speech")


def _music(rng: random.Random) -> music_sampler.Sample:
    kind = rng.choice(music_sampler.KINDS)
    root, mode = rng.choice(ROOTS), rng.choice([*CHORDS])
    facts: list[MusicFact] = []
    groups: list[list[int]]
    if kind == "chords":
        names = music_sampler.progression(rng, root, mode)
        groups = [music_sampler.chord(name) for name in names]
        facts.append(Chords(tuple(names)))
        body = rng.choice(
            (
                f"the chords {', '.join(names)}",
                f"{' then '.join(f'a {name} chord' for name in names)}",
                f"{', '.join(names[:-1])} and {names[-1]} chords",
                f"chords: {', '.join(names)}",
            )
        )
    else:
        pitches, body = _line(rng, kind, root, mode, facts)
        groups = [[pitch] for pitch in pitches]
    wave, tempo, tails = WAVE, TEMPO, []
    if rng.random() < 0.35:
        wave = rng.choice(WAVES)
        facts.append(Played(wave))
        tails.append(rng.choice((f" with a {wave} wave", f", {wave} wave", f" as {wave} waves", f" with {wave} waves")))
    if rng.random() < 0.35:
        tempo = rng.choice((60, 72, 80, 90, 100, 110, 132, 144, 160))
        facts.append(Tempo(tempo))
        tails.append(rng.choice((f" at {tempo} bpm", f" at {tempo} beats per minute", f", tempo {tempo}", f" at a tempo of {tempo}", f", {tempo} bpm")))  # fmt: skip
    rng.shuffle(tails)
    dynamics = "even"
    if len(groups) > 3 and rng.random() < 0.25:
        dynamics = rng.choice(("louder", "softer"))
        facts.append(Dynamics(dynamics))
        tails.insert(0, rng.choice(_LOUDER if dynamics == "louder" else _SOFTER))
    said = rng.choice(_PLAY) + body + "".join(tails)
    said = _ended(said, rng)
    notes = music_sampler.played(groups, 60 / tempo, wave, dynamics, rng.uniform(0.6, 0.95))
    return music_sampler.Sample(kind, 0.3, said, tuple(facts), notes)


def _line(rng: random.Random, kind: str, root: str, mode: str, facts: list[MusicFact]) -> tuple[list[int], str]:
    """Pitches one after the other and the words for them; their facts are added."""
    home = root_of(root)
    octave = rng.choice((3, 4, 4, 5))
    named = rng.random() < 0.35
    start = 12 * (octave + 1) + home if named else 60 + home
    first = pitch_name(start, flats=music_sampler.in_flats(root, mode))
    key = f"{root} {mode}"
    match kind:
        case "scale" | "arpeggio":
            up = _up(kind, root, mode, start)
            many = rng.random() < 0.3
            if kind == "scale" and many:
                up = up[: rng.choice((5, 6, 8))]
            way = rng.choice(("rising", "rising", "falling", "rising and then falling"))
            pitches = {"rising": up, "falling": up[::-1]}.get(way, [*up, *up[-2::-1]])
            before = rng.random() < 0.5
            adjective = rng.choice(_WAYS[way]) if before else ""
            after = "" if before else rng.choice(_AFTER[way])
            noun = rng.choice(
                (f"{adjective}{key} {kind}", f"{adjective}{kind} in {key}", f"{adjective}{kind} of {key}")
            )
            facts += [InKey(root, mode), Contour({"rising": "rising", "falling": "falling"}.get(way, "arch"))]
            tail = ""
            if many:
                facts.append(Notes(len(pitches)))
                tail = rng.choice(
                    (f" of {_count(len(pitches), rng)} notes", f" with {_count(len(pitches), rng)} notes")
                )
            if named:
                begin = pitch_name(pitches[0], flats=music_sampler.in_flats(root, mode))
                facts.append(StartsOn(begin))
                tail += rng.choice((f" from {begin}", f" starting on {begin}", f" that starts on {begin}"))
            return pitches, f"{_article(noun, rng)}{noun}{tail}{after}"
        case "tune":
            scale = music_sampler.scale(root, mode, start - 3, start + 12)
            pitches = [rng.choice(scale) for _ in range(rng.randint(3, 8))]
            names = [pitch_name(pitch) for pitch in pitches]
            facts += [Notes(len(pitches)), Tune(tuple(names))]
            if all(60 <= pitch < 72 for pitch in pitches) and rng.random() < 0.6:
                names = [name[:-1] for name in names]
            written = rng.choice((" ".join(names), ", ".join(names), f"{', '.join(names[:-1])} and {names[-1]}"))
            if rng.random() < 0.15 and names[0][-1].isdigit():
                written = written.lower()
            return pitches, rng.choice((written, f"the notes {written}", f"notes: {written}"))
        case "melody":
            count = rng.randint(5, 11)
            scale = music_sampler.scale(root, mode, start - 5, start + 12)
            pitches = [start]
            at = scale.index(start)
            while len(pitches) < count - 1:
                at = max(0, min(len(scale) - 1, at + rng.choice((-2, -1, -1, 1, 1, 2))))
                pitches.append(scale[at])
            pitches.append(start)
            facts += [Notes(count), InKey(root, mode)]
            noun = rng.choice(("melody", "tune"))
            body = rng.choice((f"a {noun} of {_count(count, rng)} notes in {key}", f"a {_count(count, rng)} note {noun} in {key}", f"a {noun} in {key} with {_count(count, rng)} notes"))  # fmt: skip
            if named:
                facts += [StartsOn(first), EndsOn(first)]
                body += rng.choice((f" that starts and ends on {first}", f", starting and ending on {first}"))
            return pitches, body
        case _:
            count = rng.randint(3, 10)
            facts += [Notes(count), StartsOn(first)]
            number = _count(count, rng)
            words = rng.choice((f"{first} {number} times", f"{number} times {first}", f"{number} beeps on {first}", f"{number} notes on {first}", f"repeat {first} {number} times", f"{number} equal notes, all {first}"))  # fmt: skip
            return [start] * count, words


def _up(kind: str, root: str, mode: str, start: int) -> list[int]:
    if kind == "arpeggio":
        return [*(start + step for step in CHORDS[mode]), start + 12]
    return music_sampler.scale(root, mode, start, start + 12)


def _article(noun: str, rng: random.Random) -> str:
    if rng.random() < 0.3:
        return ""
    return "an " if noun[0] in "aeiouAEF" and not noun.startswith("up ") else "a "


def _count(count: int, rng: random.Random) -> str:
    return rng.choice((NUMBERS[count], str(count))) if count < len(NUMBERS) else str(count)


_SAY = (
    "say",
    "say",
    "say",
    "please say",
    "can you say",
    "read out",
    "read aloud",
    "announce",
    "speak",
    "tell me",
    "pronounce",
)
_SHORT = ("hello everyone", "good morning", "good night", "the door is open", "see you later", "welcome home", "happy birthday to you", "dinner is on the table", "how are you today", "welcome to the museum", "please wait here", "I will be back soon")  # fmt: skip
_VOICES = {
    "man": ("in a man's voice", "in a male voice", "as a man", "by a man"),
    "woman": ("in a woman's voice", "in a female voice", "as a woman", "by a woman"),
}


def _speech(rng: random.Random) -> speech_sampler.Sample:
    text = rng.choice(_SHORT) if rng.random() < 0.4 else speech_sampler.sentence(rng)
    facts: list[SpeechFact] = [Says(text)]
    levels = dict.fromkeys(LEVELS, 0)
    hows: list[str] = []
    case = rng.random()
    if case < 0.35:
        emotion = rng.choice([*EMOTIONS])
        facts.append(Emotion(emotion))
        levels = dict(zip(LEVELS, EMOTIONS[emotion], strict=True))
        hows.append(rng.choice(_FEELINGS[emotion]))
    elif case < 0.7:
        for of in rng.sample([*LEVELS], rng.choice((1, 1, 2))):
            levels[of] = rng.choice((-1, 1))
            level = LEVELS[of][levels[of] + 1]
            facts.append(Manner(of, level))
            hows.append(rng.choice(_MANNERS[level]))
    voice = VOICE
    by = ""
    if rng.random() < 0.35:
        voice = rng.choice([*VOICES])
        facts.append(SpokenBy(voice))
        by = rng.choice(_VOICES[voice])
    how = " and ".join(hows)
    quoted = f'"{text}"' if rng.random() < 0.75 or "," in text else text.rstrip(".")
    ways = [part for part in (how, by) if part]
    said = rng.choice(
        (
            " ".join((rng.choice(_SAY), quoted, *ways)),
            " ".join((rng.choice(_SAY), quoted, *ways)),
            " ".join((*ways[:1], rng.choice(("say", "say", "read")), quoted, *ways[1:])),
        )
    )
    if quoted[0] == '"' and rng.random() < 0.3:
        colon = [", ".join(ways) + f": {quoted}"] if ways else []
        who = [f"a {voice} saying {quoted} {how}".strip(), f"a {voice} says {quoted} {how}".strip()] if by else []
        hear = [
            " ".join(("I want to hear", quoted, *ways)),
            " ".join((f"{quoted},", "said", *ways)) if ways else quoted,
        ]
        said = rng.choice([*colon, *who, *hear, f"say: {quoted} {' '.join(ways)}".strip()])
    utterance = Utterance(text, voice, **{of: speech_sampler.setting(of, level, rng) for of, level in levels.items()})
    return speech_sampler.Sample("free", 0.3, _ended(said, rng), tuple(facts), utterance)


_FEELINGS = {
    "neutral": ("in a neutral way", "without any emotion", "in a neutral voice", "matter-of-factly"),
    "happy": ("happily", "in a happy way", "in a happy voice", "with joy", "cheerfully"),
    "sad": ("sadly", "in a sad way", "in a sad voice", "in a sad tone"),
    "angry": ("angrily", "in an angry voice", "with anger", "in an angry way"),
    "afraid": ("fearfully", "as if you were afraid", "in a frightened voice", "as if scared"),
}
_MANNERS = {
    "slow": ("slowly", "at a slow pace"),
    "fast": ("fast", "quickly", "rapidly"),
    "low": ("in a deep voice", "in a low voice", "with a low pitch"),
    "high": ("in a high voice", "with a high pitch", "in a high tone"),
    "soft": ("softly", "quietly", "in a quiet voice"),
    "loud": ("loudly", "with a loud voice", "in a loud voice"),
}


def _ended(said: str, rng: random.Random) -> str:
    said = said[0].upper() + said[1:] + "."
    if '"' not in said and any(letter.isupper() for letter in said[1:]):
        said = said if rng.random() < 0.4 else said.rstrip(".")  # small letters would hide keys and notes
    else:
        said = casual(said, rng)
    return slipped(said, KNOWN, rng) if rng.random() < SHARE else said
