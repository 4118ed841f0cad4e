"""Recordings of one speaker as what a voice learns from: checked, cut, and aligned with what is said in them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edge_runtime.audio.files import MAX_BYTES, MAX_SECONDS, RATE, SILENT, read_sound
from edge_runtime.errors import BadRequest
from edge_runtime.media import spoken
from edge_runtime.media.script import LONGEST, SOUNDS
from edge_runtime.media.vocoder import HOP
from trainer_host.speech.aligner import FRAME, LATE, Aligner, Heard, Way
from trainer_host.speech.analysis import pitch_of
from trainer_host.speech.told import PAUSE
from trainer_host.speech.transcripts import Listed

SHORTEST, LONGEST_CLIP = 1.0, 15.0  # seconds of speech
QUIETEST = 20.0  # decibels between speech and what is heard in its pauses: below, sounds' borders are lost
_LOUD_PAUSE = 12.0  # decibels below its speech: what is louder, where the text has a pause, is said too
_LONG_PAUSE = 15  # frames of it
_EDGE = 0.15  # seconds of silence that are kept before and behind
_MARGIN = 0.3  # seconds of it that are aligned, without which a sound takes it in
_FRAME = RATE // 50
_ABOVE_NOISE, _BELOW_PEAK = 3.0, 0.03  # times what the quietest tenth has, and of the loudest: more is speech
_PAUSE = 8  # frames: less silence is a stop's closure, or no pause
_STOPS = frozenset(("p", "b", "t", "d", "k", "g", "ch", "jh"))
_LEVEL, _PEAK = 0.08, 0.95  # of full scale: what all clips' speech is brought to, and what none exceeds
# How much less likely than the speaker's usual, in logs of a frame's likelihood, a clip or its worst word may be. With one word
# of a text replaced, 80 to 90 of 100 clips lie below, of right ones 1 to 4.
_UNLIKE, _UNLIKE_WORD, _SPREADS = 20.0, 25.0, 4.0
_NEVER = -60.0  # what texts of other sentences have
_HEARD = 1.5  # seconds of each clip whose pitch is looked for
_OTHER = 7.0  # semitones from the speaker's usual pitch


@dataclass(frozen=True)
class Piece:
    """A clip, or what lies between two of its pauses. ends: seconds, of the sounds. samples: float32 at `RATE`."""

    text: str
    words: tuple[str, ...]
    sounds: tuple[str, ...]
    ends: tuple[float, ...]
    owners: tuple[int, ...]
    marks: tuple[str, ...]
    samples: np.ndarray


@dataclass(frozen=True)
class Clip:
    """A recording. score: how likely its text is, by the log of a frame's likelihood; worst: of its worst word. pitch: Hz.

    besides: the second at which something is said that the text lacks; None for nothing.
    """

    file: str
    text: str
    pieces: tuple[Piece, ...]
    score: float
    worst: float
    worst_word: str
    pitch: float
    besides: float | None

    @property
    def seconds(self) -> float:
        """Of sound."""
        return sum(len(piece.samples) for piece in self.pieces) / RATE


@dataclass(frozen=True)
class Left:
    """A recording that isn't taken, or is to be listened to, and why."""

    file: str
    why: str
    detail: str = ""


@dataclass(frozen=True)
class Clips:
    """What was read. doubts: kept, but to be listened to. pitch: Hz, of the lowest twentieth, the middle, the highest twentieth."""

    kept: tuple[Clip, ...]
    left: tuple[Left, ...]
    doubts: tuple[Left, ...]
    pitch: tuple[float, float, float]
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def minutes(self) -> float:
        """Of sound."""
        return sum(clip.seconds for clip in self.kept) / 60


class Unusable(Exception):
    """A recording that isn't taken: why, and about what in it."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.why, self.detail = why, detail


@dataclass(frozen=True)
class Readable:
    """A text as words, those behind which a mark stands."""

    text: str
    words: tuple[str, ...]
    marks: dict[int, str]


def readable(text: str) -> Readable:
    """Raises `Unusable`."""
    reading = spoken.read(text)
    if reading.foreign is not None:
        raise Unusable("its text holds what isn't read", reading.foreign)
    words: list[str] = []
    marks: dict[int, str] = {}
    for phrase in (phrase for one in reading.sentences for phrase in one):
        words += phrase.words
        marks[len(words) - 1] = phrase.mark
    if not words:
        raise Unusable("its text has no words")
    if longest := next((word for word in words if len(word) > LONGEST), None):
        raise Unusable("its text has a word that is too long", longest)
    return Readable(text, tuple(words), marks)


def read_clips(
    listed: Sequence[Listed], folder: Path, ways: Mapping[str, Mapping[Way, Way]], told: Callable[[int], object]
) -> Clips:
    """Align recordings; told: is called with how many are done."""
    aligner = Aligner({word: list(own) for word, own in ways.items()})
    kept: list[Clip] = []
    left: list[Left] = []
    pitches: list[np.ndarray] = []
    for number, one in enumerate(listed, 1):
        file = one.path.relative_to(folder).as_posix() if one.path.is_relative_to(folder) else one.path.name
        try:
            made, heard = _clip(one, file, aligner, ways)
            kept.append(made)
            pitches.append(heard)
        except Unusable as cause:
            left.append(Left(file, cause.why, cause.detail))
        told(number)
    kept, unlike = _alike(kept)
    left += unlike
    hertz = np.concatenate(pitches) if pitches else np.zeros(0)
    low, middle, high = (float(at) for at in np.percentile(hertz, (5, 50, 95))) if len(hertz) else (0.0, 0.0, 0.0)
    return Clips(
        tuple(kept),
        tuple(sorted(left, key=lambda one: one.file)),
        tuple(_doubts(kept)),
        (low, middle, high),
        dict(sorted(Counter(one.why for one in left).items())),
    )


def _clip(one: Listed, file: str, aligner: Aligner, ways: Mapping[str, Mapping[Way, Way]]) -> tuple[Clip, np.ndarray]:
    read = readable(one.text)
    if unknown := [word for word in read.words if word not in ways]:
        raise Unusable("it has words that aren't known", ", ".join(unknown[:3]))
    margin = round(_MARGIN * RATE)
    samples = np.pad(_sound(one.path), margin)
    first, last = _speech(samples)
    whole = samples[first - margin : last + margin]
    seconds = (last - first) / RATE
    if seconds < SHORTEST:
        raise Unusable(f"less than {SHORTEST:g} second of speech")
    if seconds > LONGEST_CLIP:
        raise Unusable(f"more than {LONGEST_CLIP:g} seconds of speech")
    heard = aligner.align(whole, read.words)
    if heard is None:
        raise Unusable("its text isn't heard in it")
    noise = _above_noise(samples, first - margin, last + margin, heard)
    if noise < QUIETEST:
        raise Unusable("too noisy", f"{noise:.0f} dB")
    loud = _said_besides(whole, heard)
    besides = None if loud is None else max(0.0, (first - margin) / RATE + loud - _MARGIN)
    score, worst, at = _scores(heard)
    hertz = _pitch(whole)
    pieces = tuple(_pieces(_level(whole, heard), heard, read, ways))
    if not pieces:
        raise Unusable(f"no pause among more than {SOUNDS - 2} sounds")
    middle = float(np.median(hertz)) if len(hertz) else 0.0
    return Clip(file, one.text, pieces, score, worst, read.words[at], middle, besides), hertz


def _sound(path: Path) -> np.ndarray:
    """Raises `Unusable`."""
    try:
        with path.open("rb") as source:
            content = source.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Unusable("no such file") from None
    except OSError:
        raise Unusable("file can't be opened") from None
    if len(content) > MAX_BYTES:
        raise Unusable(f"longer than {MAX_SECONDS / 60:g} minutes")
    try:
        sound = read_sound(content)
    except BadRequest as cause:
        raise Unusable(
            f"longer than {MAX_SECONDS / 60:g} minutes" if " lasts " in str(cause) else "no WAV, or a damaged one"
        ) from None
    if sound.problem is not None:
        raise Unusable(sound.problem)
    samples = np.asarray(sound.samples - np.median(sound.samples), np.float32)
    if float(np.sqrt(np.square(samples, dtype=np.float64).mean())) < SILENT:  # it was loud by its offset alone
        raise Unusable("silent")
    return samples


def _speech(samples: np.ndarray) -> tuple[int, int]:
    """First and last sample of what is said; raises `Unusable`. samples: with `_MARGIN` of silence around them."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if len(frames) < 5:
        raise Unusable(f"less than {SHORTEST:g} second of speech")
    loud = np.sqrt(np.square(frames, dtype=np.float64).mean(1))
    floor = min(float(np.quantile(loud, 0.1)) * _ABOVE_NOISE, float(loud.max()) * 0.1)
    heard = np.flatnonzero(loud > max(floor, float(loud.max()) * _BELOW_PEAK))
    margin = round(_MARGIN * RATE)
    return max(margin, int(heard[0]) * _FRAME), min(len(samples) - margin, (int(heard[-1]) + 1) * _FRAME)


def _above_noise(samples: np.ndarray, first: int, last: int, heard: Sequence[Heard]) -> float:
    """Decibels that speech has above what lies around and between; infinite where nothing does, or it is silent."""
    quiet: list[np.ndarray] = [samples[:first], samples[last:]]
    loud: list[np.ndarray] = []
    for one in heard:
        part = samples[first + _sample(one.begin) : first + _sample(one.end)]
        (quiet if one.word < 0 else loud).append(part)
    around, speech = np.concatenate(quiet), np.concatenate(loud)
    if len(around) < RATE // 10 or not len(speech):
        return float("inf")
    # The quietest fifth: a breath is no noise of the room, nor is a sound's end.
    frames = around[: len(around) // HOP * HOP].reshape(-1, HOP)
    power = np.square(frames, dtype=np.float64).mean(1)
    power = np.sort(power[power > 0])  # what was put around it has none
    if len(power) < 10:
        return float("inf")
    noise = float(power[: len(power) // 5 + 1].mean())
    return float(10 * np.log10(np.square(speech, dtype=np.float64).mean() / max(noise, 1e-12)))


def _said_besides(samples: np.ndarray, heard: Sequence[Heard]) -> float | None:
    """The second at which something as loud as speech is where the text has a pause; None for none."""
    speech = [samples[_sample(one.begin) : _sample(one.end)] for one in heard if one.word >= 0]
    least = float(np.square(np.concatenate(speech), dtype=np.float64).mean()) * 10 ** (-_LOUD_PAUSE / 10)
    for one in _joined(heard):
        part = samples[_sample(one.begin) : _sample(one.end)]
        if one.word < 0 and one.end - one.begin >= _LONG_PAUSE:
            frames = part[: len(part) // _FRAME * _FRAME].reshape(-1, _FRAME)
            power = np.square(frames, dtype=np.float64).mean(1)
            if np.count_nonzero(power > least) * _FRAME > _LONG_PAUSE * FRAME * RATE * 0.67:
                return one.begin * FRAME
    return None


def _scores(heard: Sequence[Heard]) -> tuple[float, float, int]:
    """Of all sounds' frames, of the worst word's, and that word's place."""
    sums: dict[int, list[float]] = {}
    for one in heard:
        if one.word >= 0:
            own = sums.setdefault(one.word, [0.0, 0.0])
            own[0] += one.score * (one.end - one.begin)
            own[1] += one.end - one.begin
    each = {word: total / max(1.0, frames) for word, (total, frames) in sums.items()}
    at = min(each, key=lambda word: each[word])
    return sum(total for total, _ in sums.values()) / max(1.0, sum(n for _, n in sums.values())), each[at], at


def _alike(clips: Sequence[Clip]) -> tuple[list[Clip], list[Left]]:
    """Those whose text is about as likely as the speaker's usual ones, and the others."""
    if not clips:
        return [], []
    score = float(np.median([clip.score for clip in clips]))
    least = max(_NEVER, score - max(_UNLIKE, _SPREADS * _spread([clip.score for clip in clips])))
    worsts = [clip.worst for clip in clips if clip.score >= least]
    worst = float(np.median(worsts)) - max(_UNLIKE_WORD, _SPREADS * _spread(worsts)) if worsts else 0.0
    kept, left = [], []
    for clip in clips:
        if clip.score < least:
            left.append(Left(clip.file, "its text isn't heard in it", f"score {clip.score:.0f}, usual {score:.0f}"))
        elif clip.worst < worst:
            left.append(
                Left(clip.file, "a word of its text isn't heard in it", f"{clip.worst_word} ({clip.worst:.0f})")
            )
        elif clip.besides is not None:
            left.append(Left(clip.file, "something is said that its text lacks", f"at {clip.besides:.1f} s"))
        else:
            kept.append(clip)
    return kept, left


def _spread(values: Sequence[float]) -> float:
    """The middle distance from the middle."""
    return float(np.median(np.abs(np.array(values) - np.median(values)))) if len(values) else 0.0


def _doubts(clips: Sequence[Clip]) -> Iterator[Left]:
    voiced = [clip.pitch for clip in clips if clip.pitch]
    if not voiced:
        return
    usual = float(np.median(voiced))
    for clip in clips:
        off = 12 * np.log2(clip.pitch / usual) if clip.pitch else 0.0
        if abs(off) > _OTHER:
            yield Left(clip.file, "another pitch than the others: another speaker?", f"{clip.pitch:.0f} Hz")


def _pitch(samples: np.ndarray) -> np.ndarray:
    """Hz of the voiced frames in the middle of a clip."""
    long = round(_HEARD * RATE)
    begin = max(0, (len(samples) - long) // 2)
    part = samples[begin : begin + long]
    hertz, sure = pitch_of(part, len(part) // HOP)
    return np.asarray(hertz[sure > 0])


def _level(samples: np.ndarray, heard: Sequence[Heard]) -> np.ndarray:
    """As loud as all clips are."""
    speech = np.concatenate([samples[_sample(one.begin) : _sample(one.end)] for one in heard if one.word >= 0])
    loud = float(np.sqrt(np.square(speech, dtype=np.float64).mean()))
    gain = min(_LEVEL / max(loud, 1e-6), _PEAK / max(float(np.abs(samples).max()), 1e-6))
    return np.asarray(samples * np.float32(gain), np.float32)


def _pieces(
    samples: np.ndarray, heard: Sequence[Heard], read: Readable, ways: Mapping[str, Mapping[Way, Way]]
) -> Iterator[Piece]:
    """A clip as pieces of at most `SOUNDS` sounds, parted at its pauses; stretches without pause that are longer are left out."""
    sounds = _named(_joined(heard), read.words, ways)
    pauses = [place for place, one in enumerate(sounds) if one.word < 0]
    at = 0
    while at < len(pauses) - 1:
        end = max((number for number in range(at + 1, len(pauses)) if pauses[number] - pauses[at] < SOUNDS), default=at)
        if end > at:
            some = sounds[pauses[at] : pauses[end] + 1]
            yield _piece(samples, some, read, whole=at == 0 and end == len(pauses) - 1)
        at = max(end, at + 1)


def _piece(samples: np.ndarray, some: Sequence[Heard], read: Readable, *, whole: bool) -> Piece:
    edge = round(_EDGE / FRAME)
    begin = max(some[0].begin, some[0].end - edge)
    end = min(some[-1].end, some[-1].begin + edge)
    ends = [one.end for one in some[:-1]] + [end]
    first, last = some[1].word, some[-2].word
    words = read.words[first : last + 1]
    marks = [read.marks.get(one.word, ",") for one, after in itertools.pairwise(some) if after.word < 0]
    told = [
        word + (read.marks.get(first + number, "") if first + number < last else "")
        for number, word in enumerate(words)
    ]
    return Piece(
        read.text if whole else " ".join(told) + marks[-1],
        words,
        tuple(one.sound for one in some),
        tuple(round((at - begin) * FRAME, 3) for at in ends),
        tuple(one.word - first if one.word >= 0 else -1 for one in some),
        tuple(marks),
        samples[_sample(begin) : _sample(end)],
    )


def _joined(heard: Sequence[Heard]) -> list[Heard]:
    """With one pause before and behind all, one between where it is long enough, and else none."""
    made: list[Heard] = []
    for one in heard:
        before = made[-1] if made else None
        if before is None or before.word >= 0:
            made.append(one)
        elif one.word < 0:
            made[-1] = replace(before, end=one.end)
        elif len(made) > 1 and before.end - before.begin < _PAUSE:
            if one.sound in _STOPS:
                made[-1] = replace(one, begin=before.begin)
            else:
                made[-2:] = [replace(made[-2], end=before.end), one]
        else:
            made.append(one)
    if made[0].word >= 0:
        made.insert(0, Heard(PAUSE, -1, made[0].begin, made[0].begin, 0.0))
    if made[-1].word >= 0:
        made.append(Heard(PAUSE, -1, made[-1].end, made[-1].end, 0.0))
    return made


def _named(heard: Sequence[Heard], words: Sequence[str], ways: Mapping[str, Mapping[Way, Way]]) -> list[Heard]:
    """With a voice's names instead of pocketsphinx's."""
    own: dict[int, list[str]] = {}
    for one in heard:
        if one.word >= 0:
            own.setdefault(one.word, []).append(one.sound)
    names = {word: iter(ways[words[word]].get(tuple(way), tuple(way))) for word, way in own.items()}
    return [replace(one, sound=next(names[one.word])) if one.word >= 0 else one for one in heard]


def _sample(frame: int) -> int:
    return max(0, round((frame * FRAME + LATE) * RATE))
