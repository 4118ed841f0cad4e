"""What the student of the task wake_word learns from: clips of features with the phrase in them, or without."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, HOP, Frontend
from edge_runtime.audio.wake import STRIDE
from trainer_host.data.dataset import Row
from trainer_host.speech.acoustics import NOISES, Scene, heard, noise, placed
from trainer_host.speech.kinds import MORE, NEAR, PHRASE, TALK
from trainer_host.speech.recordings import is_recorded, recorded_sound
from trainer_host.speech.rows import speaker_of
from trainer_host.speech.voices import say, side_by_side
from trainer_host.students.wake_mix import Noises, log_energies, noises
from trainer_host.workspace import write_atomic

CLIP_STEPS = 80  # of 30 ms
_CLIP = CLIP_STEPS * STRIDE * HOP  # samples that a clip's features tell of
BEFORE = 0.6  # seconds whose features aren't looked at: normalisation has settled then
BEFORE_FRAMES = round(BEFORE * RATE / HOP)
_LATEST_END = 2.0  # seconds into a clip at which the phrase ends
_EARLIEST_END = 1.4
_FOLLOWED, _PRECEDED = 0.4, 0.35  # shares of phrases behind or before which more is said
_GAP = (0.03, 0.35)  # seconds between the two
MOST_PHRASE = 1.8  # seconds: what the network remembers
_OTHERS = 80  # rows of talk that are kept, to be said before or behind a phrase
_BABBLE = 24  # of these, to mix crowds from
_CROWD = 60  # rows of talk that the crowds of a whole training are mixed from
_NOISE_EACH = 20  # rows of talk: then as much noise without it
OnStep = Callable[[float], None]
Ear = Callable[[np.random.Generator, np.ndarray, Sequence[np.ndarray], Scene, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Clips:
    """features: float16 [clips, frames, 40], or log energies. ends: float32 [clips], seconds of the phrase's end, or -1."""

    features: np.ndarray
    ends: np.ndarray


@dataclass(frozen=True)
class Heard:
    """A sound as a device hears it: float32 [n] at 16 kHz. end: seconds at which the phrase ends, or -1."""

    kind: str
    samples: np.ndarray
    end: float
    by_people: bool = False


@dataclass(frozen=True)
class Material:
    """phrases and near: `Clips`. talk: long features or log energies, float16 [frames, 40] each."""

    phrases: Clips
    near: Clips
    talk: list[np.ndarray]

    @property
    def hours(self) -> float:
        """Of talk."""
        return sum(len(one) for one in self.talk) * HOP / RATE / 3600


def heard_rows(
    rows: Sequence[Row],
    dataset: Path,
    seed: int,
    scene: Scene,
    versions: tuple[int, int],
    on_step: OnStep,
    ear: Ear = heard,
) -> Iterator[Heard]:
    """Say all rows and let them be heard in rooms and noise: phrases, near misses, then talk.

    dataset: the folder of what people recorded. versions: of each phrase, and of each near miss, every one in another room.
    ear: `heard`, or `placed` where noise is to be added later.
    """
    of_kind = {kind: [row for row in rows if row.meta["kind"] == kind] for kind in (PHRASE, NEAR, TALK)}
    weights = {PHRASE: versions[0] + 1, NEAR: versions[1] + 1, TALK: 4}  # of the work that a row makes, about
    total = sum(weights[kind] * len(some) for kind, some in of_kind.items())
    done = 0

    def did(work: int) -> None:
        nonlocal done
        done += work
        if done // 100 != (done - work) // 100:
            on_step(min(done / total, 1.0))

    others = list(_said(of_kind[TALK][:_OTHERS], dataset))
    babble = others[:_BABBLE]
    for number, (kind, count) in enumerate(((PHRASE, versions[0]), (NEAR, versions[1]))):
        for place, sound in enumerate(_said(of_kind[kind], dataset)):
            by_people = is_recorded(of_kind[kind][place])
            did(1)
            for version in range(count):
                rng = np.random.default_rng([seed, number, version, place])
                samples, end = _clip(rng, sound, others, babble, scene, ear)
                yield Heard(kind, samples, end if kind == PHRASE else -1.0, by_people)
                did(1)
    for place, sound in enumerate(chain(others, _said(of_kind[TALK][_OTHERS:], dataset))):
        rng = np.random.default_rng([seed, place, 9])
        yield Heard(TALK, ear(rng, sound, babble, scene, np.abs(sound) > 0.01), -1.0)
        if place % _NOISE_EACH == 0:
            kind = NOISES[place // _NOISE_EACH % len(NOISES)]
            made = noise(rng, kind, len(sound), babble)
            loud = np.float32(10 ** rng.uniform(-3, -0.7) / max(float(np.abs(made).max()), 1e-9))
            yield Heard(TALK, made * loud, -1.0)
        did(weights[TALK])


def _said(rows: Sequence[Row], dataset: Path) -> Iterator[np.ndarray]:
    def sound(row: Row) -> np.ndarray:
        return recorded_sound(row, dataset) if is_recorded(row) else say(speaker_of(row), str(row.input["text"]))

    return side_by_side(sound, rows)


def material(
    rows: Sequence[Row], dataset: Path, seed: int, scene: Scene, versions: tuple[int, int], on_step: OnStep
) -> Material:
    """The features of `heard_rows`; clips begin where `BEFORE` is over."""
    sounds = heard_rows(rows, dataset, seed, scene, versions, on_step)
    return _gathered(sounds, lambda samples: Frontend().feed(samples).astype(np.float16), BEFORE_FRAMES)


def spoken(
    rows: Sequence[Row], dataset: Path, seed: int, scene: Scene, versions: tuple[int, int], on_step: OnStep
) -> Material:
    """The log energies of `heard_rows` before noise and microphones, for `mixed`; clips begin `BEFORE` earlier."""
    return _gathered(heard_rows(rows, dataset, seed, scene, versions, on_step, placed), log_energies, 0)


def _gathered(sounds: Iterable[Heard], turned: Callable[[np.ndarray], np.ndarray], skipped: int) -> Material:
    """What sounds are `turned` into, the first frames of clips `skipped`."""
    clips: dict[str, list[np.ndarray]] = {PHRASE: [], NEAR: []}
    ends: dict[str, list[float]] = {PHRASE: [], NEAR: []}
    talk: list[np.ndarray] = []
    for one in sounds:
        frames = turned(one.samples)
        if one.kind == TALK:
            talk.append(frames)
            continue
        clips[one.kind].append(frames[skipped:])
        ends[one.kind].append(one.end - skipped * HOP / RATE if one.end >= 0 else -1.0)
    made = {kind: Clips(np.stack(clips[kind]), np.array(ends[kind], np.float32)) for kind in clips}
    return Material(made[PHRASE], made[NEAR], talk)


def more_talk(rows: Sequence[Row], dataset: Path, seed: int, scene: Scene, on_step: OnStep) -> Iterator[np.ndarray]:
    """The log energies of each row of more talk, before noise and microphones: float16 [frames, 40]."""
    chosen = [row for row in rows if row.meta["kind"] == MORE]
    for place, sound in enumerate(_said(chosen, dataset)):
        rng = np.random.default_rng([seed, place, 10])
        yield log_energies(placed(rng, sound, (), scene, np.abs(sound) > 0.01))
        if place % 100 == 0:
            on_step(place / len(chosen))


def talk_alone(talk: list[np.ndarray]) -> Material:
    """Without any clips of the phrase, or nearly of it."""
    none = Clips(np.zeros((0, BEFORE_FRAMES + CLIP_STEPS * STRIDE, BANDS), np.float16), np.zeros(0, np.float32))
    return Material(none, none, talk)


def surroundings(rows: Sequence[Row], dataset: Path, seed: int) -> Noises:
    """`noises`, whose crowds are the first that talk in these rows."""
    talk = [row for row in rows if row.meta["kind"] == TALK]
    return noises(seed, list(_said(talk[:_CROWD], dataset)))


def kept(path: Path | None, make: Callable[[], Material]) -> Material:
    """What `make` gives, from a file where it lies there already; a damaged file is made again."""
    if path is None:
        return make()
    try:
        with np.load(path, allow_pickle=False) as found:
            talk = np.split(found["talk"], np.cumsum(found["lengths"])[:-1]) if len(found["lengths"]) else []
            clips = [Clips(found[kind], found[f"{kind}_ends"]) for kind in (PHRASE, NEAR)]
            return Material(clips[0], clips[1], talk)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # there is none yet, or it was cut off
    made = make()
    buffer = io.BytesIO()
    np.savez(
        buffer,
        talk=np.concatenate(made.talk) if made.talk else np.zeros((0, BANDS), np.float16),
        lengths=np.array([len(one) for one in made.talk], np.int64),
        phrase=made.phrases.features,
        phrase_ends=made.phrases.ends,
        near=made.near.features,
        near_ends=made.near.ends,
    )
    write_atomic(path, buffer.getvalue())
    return made


def windows(talk: Sequence[np.ndarray], frames: int) -> np.ndarray:
    """Where clips of talk of so many frames may begin: int [places, 2] of row and frame, one each two seconds."""
    return np.array(
        [
            (row, start)
            for row, one in enumerate(talk)
            for start in range(0, max(1, len(one) - frames), 2 * RATE // HOP)
        ],
        np.int64,
    )


def _clip(
    rng: np.random.Generator,
    sound: np.ndarray,
    talk: Sequence[np.ndarray],
    babble: Sequence[np.ndarray],
    scene: Scene,
    ear: Ear,
) -> tuple[np.ndarray, float]:
    """A clip as it is heard, in which `sound` ends at the seconds given."""
    sound = sound[: int(MOST_PHRASE * RATE)]
    before = int(BEFORE * RATE)
    total = before + _CLIP + 2 * HOP  # a window is two hops longer than its hop
    end = before + int(rng.uniform(_EARLIEST_END, _LATEST_END) * RATE)
    line = np.zeros(total, np.float32)
    speaking = np.zeros(total, bool)
    line[end - len(sound) : end] = sound
    speaking[end - len(sound) : end] = True
    for share, behind in ((_FOLLOWED, True), (_PRECEDED, False)):
        if talk and rng.random() < share:
            other = talk[int(rng.integers(len(talk)))]
            other = other[int(rng.integers(max(1, len(other) - RATE))) :] * np.float32(rng.uniform(0.5, 1.3))
            gap = int(rng.uniform(*_GAP) * RATE)
            if behind:
                room = total - end - gap
                said = other[:room]
                line[end + gap : end + gap + len(said)] += said
            else:
                room = max(0, end - len(sound) - gap)
                said = other[:room]
                line[room - len(said) : room] += said
    return ear(rng, line, babble, scene, speaking), end / RATE
