"""How often a wake word is missed, and how often other talk wakes it, over hours of speakers that it never heard.

    python benchmarks/wake_word.py --home HOME RUN [--hours 5] [--phrases 500] [--peer-hours 1] [--file model.int8.tflite]

RUN is a run of the task wake_word ('enigma wakeword teach'). Its int8 files listen, in their runtimes, to one stream of
sentences, of texts that this machine has (Python's manual, licences), of words without meaning, of noise and of music,
said by held-out voices in rooms and noise; and to held-out voices that say the phrase. Beside it, where they are
installed (pip install --no-deps pymicro-wakeword pymicro-features), the models of microWakeWord, each on its own
phrase and on the first hours of the same stream. All speakers are synthetic: nothing here was measured on people.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from edge_runtime.audio.files import RATE
from edge_runtime.audio.wake import STEP_SECONDS, WakeSession
from edge_runtime.tasks.wake_word import WakeWord
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import Row
from trainer_host.speech.acoustics import NOISES, Scene, heard, noise
from trainer_host.speech.kinds import PHRASE, TALK
from trainer_host.speech.phrases import holds
from trainer_host.speech.rows import speaker_of
from trainer_host.speech.texts import foreign, paragraph
from trainer_host.speech.voices import ESPEAK, FLITE, HELD_OUT, Speaker, draw_speaker, require_speech, say_all
from trainer_host.students import student_of
from trainer_host.students.wake_data import heard_rows
from trainer_host.students.wake_fit import alarms
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace

RATES_AN_HOUR = (0.5, 1.0, 2.0, 5.0)
LATE, EARLY = 0.8, 0.3  # seconds after and before a phrase's end in which a detection is right
FRAME = RATE // 100
TIMED_SECONDS = 20


class Ear(Protocol):
    """Listens to one stream: gives a confidence for each step that is complete."""

    def __call__(self, samples: np.ndarray) -> list[float]:
        """float32 [n] at 16 kHz -> confidences."""


@dataclass
class Listener:
    """A wake word in a runtime. trace: confidences of the whole stream. speakers: the program that said each phrase."""

    name: str
    phrase: str
    bytes: int
    threshold: float
    open: Callable[[], Ear]
    trace: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    stream: Ear | None = None

    def report(self, hours: float) -> str:
        """One line of the table, without the time that it takes."""
        trace, peaks = np.array(self.trace), np.array(self.peaks)
        cells = [
            self.name,
            self.phrase,
            f"{self.bytes / 1000:.0f}",
            f"{(peaks < self.threshold).mean() * 100:.1f}",
            f"{alarms(trace, self.threshold) / hours:.2f}",
            f"{hours:.2f}",
        ]
        cells += [f"{(peaks < threshold_for(trace, hours, rate)).mean() * 100:.1f}" for rate in RATES_AN_HOUR]
        said_by = np.array(self.speakers)
        for program in (ESPEAK, FLITE):
            those = peaks[said_by == program]
            cells.append(f"{(those < self.threshold).mean() * 100:.1f} of {len(those)}" if len(those) else "-")
        return " | ".join(cells)


HEADER = "file | phrase | kB | missed % | alarms/h | hours | " + " | ".join(
    f"missed % at {rate:g}/h" for rate in RATES_AN_HOUR
)
HEADER += f" | missed %, {ESPEAK} | {FLITE} | ms of 10"


def ours(word: WakeWord) -> Callable[[], Ear]:
    """Sessions of a specialist, as a device has them."""

    def begin() -> Ear:
        told: list[float] = []
        session = WakeSession(word.model, told.append)

        def ear(samples: np.ndarray) -> list[float]:
            told.clear()
            session.feed(samples)
            return list(told)

        return ear

    return begin


def peers() -> list[Listener]:
    """The models that microWakeWord's package brings, none where it isn't installed."""
    if importlib.util.find_spec("pymicro_wakeword") is None or importlib.util.find_spec("pymicro_features") is None:
        return []
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

    def opener(model: object) -> Callable[[], Ear]:
        def begin() -> Ear:
            word, features = MicroWakeWord.from_builtin(model), MicroWakeWordFeatures()
            place = 0

            def ear(samples: np.ndarray) -> list[float]:
                nonlocal place
                made = []
                data = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
                for frame in features.process_streaming(data):
                    found = word.process_streaming_prob(frame)
                    place += 1
                    if place % word.stride == 0:
                        made.append(float(found or 0.0))
                return made

            return ear

        return begin

    made = []
    for model in Model:
        word = MicroWakeWord.from_builtin(model)
        path = Path(word.tflite_model)
        phrase = word.wake_word.lower()
        made.append(Listener(path.name, phrase, path.stat().st_size, word.probability_cutoff, opener(model)))
    return made


def machine_texts() -> list[str]:
    """Sentences of Python's manual and of the licences that Debian has."""
    from pydoc_data.topics import topics

    whole = " ".join(topics.values())
    for path in sorted(Path("/usr/share/common-licenses").glob("*")):
        whole += path.read_text(encoding="utf-8", errors="replace")
    found = (" ".join(part.split()) for part in re.split(r"[.:;]\s", whole))
    return sorted({text for text in found if 30 < len(text) < 200 and re.fullmatch(r"[A-Za-z ,'()-]+", text)})


def talk(seed: int, phrases: list[str], programs: list[str]) -> Iterator[tuple[np.random.Generator, np.ndarray]]:
    """Sounds without any of the phrases, each with the generator of its room; without end."""
    rng, texts = np.random.default_rng([seed, 1]), machine_texts()

    def rows() -> Iterator[tuple[Speaker, str]]:
        while True:
            kind = float(rng.random())
            if kind < 0.15:
                yield draw_speaker(rng, HELD_OUT, programs, phonemes=True), foreign(rng, 24)
                continue
            text = paragraph(rng, 5) if kind < 0.5 else ". ".join(rng.choice(texts, 3)) + "."
            if not any(holds(text, phrase) for phrase in phrases):
                yield draw_speaker(rng, HELD_OUT, programs), text

    for number, sound in enumerate(say_all(rows())):
        yield np.random.default_rng([seed, 2, number]), sound


def stream(seed: int, hours: float, phrases: list[str], programs: list[str]) -> Iterator[np.ndarray]:
    """Float32 pieces of some ten seconds, until the hours are over."""
    babble: list[np.ndarray] = []
    left = hours * 3600 * RATE
    for number, (rng, sound) in enumerate(talk(seed, phrases, programs)):
        if len(babble) < 20:
            babble.append(sound)
        pause = np.zeros(int(rng.uniform(0.2, 1.5) * RATE), np.float32)
        line = np.concatenate([sound, pause])
        made = heard(rng, line, babble, Scene(), np.abs(line) > 0.01)
        if number % 20 == 0:  # and noise or music alone
            kind = NOISES[number // 20 % len(NOISES)]
            alone = noise(rng, kind, 10 * RATE, babble)
            made = np.concatenate([made, alone * np.float32(0.2 / max(float(np.abs(alone).max()), 1e-9))])
        made = made[: int(left)]
        left -= len(made)
        yield made
        if left < 1:
            return


def said(seed: int, phrase: str, count: int, programs: list[str]) -> Iterator[tuple[np.ndarray, float, str]]:
    """Clips in which held-out speakers say a phrase, the second at which it ends, and the program that says it."""
    rng = np.random.default_rng([seed, 3])

    def row(text: str, kind: str) -> Row:
        return Row({"text": text, "voice": draw_speaker(rng, HELD_OUT, programs).__dict__}, {}, {"kind": kind})

    rows = [row(phrase, PHRASE) for _ in range(count)] + [row(paragraph(rng, 3), TALK) for _ in range(30)]
    clips = (one for one in heard_rows(rows, Path(), seed, Scene(), (1, 1), lambda share: None) if one.kind == PHRASE)
    for asked, one in zip(rows[:count], clips, strict=True):
        yield one.samples, one.end, speaker_of(asked).program


def threshold_for(trace: np.ndarray, hours: float, rate: float) -> float:
    """The least threshold that wakes at most `rate` times an hour on this stream (a point of its DET curve)."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if alarms(trace, middle) <= rate * hours else (middle, high)
    return high


def milliseconds(ear: Ear) -> float:
    """Of one core, for a frame of 10 ms: features and network, fed frame by frame."""
    sound = np.random.default_rng(1).normal(0, 0.05, TIMED_SECONDS * RATE).astype(np.float32)
    for start in range(0, RATE, FRAME):
        ear(sound[start : start + FRAME])
    began = time.process_time()
    for start in range(0, len(sound), FRAME):
        ear(sound[start : start + FRAME])
    return (time.process_time() - began) * 1000 / (len(sound) / FRAME)


def examine(listeners: list[Listener], hours: float, phrases: int, seed: int) -> None:
    """Let all listen, and print a line of each. Phrases are said by as many speakers for each listener."""
    programs = require_speech()
    for listener in listeners:
        listener.stream = listener.open()
    for clips in {listener.phrase for listener in listeners}:
        those = [listener for listener in listeners if listener.phrase == clips]
        for samples, end, program in said(seed, clips, phrases, programs):
            first, last = int((end - EARLY) / STEP_SECONDS), int((end + LATE) / STEP_SECONDS)
            for listener in those:
                listener.peaks.append(max(listener.open()(samples)[first : last + 1]))
                listener.speakers.append(program)
    heard_hours = 0.0
    for piece in stream(seed, hours, sorted({listener.phrase for listener in listeners}), programs):
        for listener in listeners:
            assert listener.stream is not None
            listener.trace += listener.stream(piece)
        before, heard_hours = heard_hours, heard_hours + len(piece) / RATE / 3600
        if int(heard_hours) > int(before):  # hours take long: what is known by now is worth a line
            for listener in listeners:
                print(f"  so far: {listener.report(heard_hours)}", file=sys.stderr, flush=True)
    for listener in listeners:
        print(f"{listener.report(hours)} | {milliseconds(listener.open()):.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the run's name")
    parser.add_argument("--home", type=Path, required=True, help="the home folder that the run is in")
    parser.add_argument("--hours", type=float, default=5.0, help="of other talk (default: 5)")
    parser.add_argument("--phrases", type=int, default=500, help="times that the phrase is said (default: 500)")
    parser.add_argument("--peer-hours", type=float, default=1.0, help="for the peers; 0: without them (default: 1)")
    parser.add_argument("--file", action="append", help="listen with this model file (default: each int8 file)")
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    run = open_run(Workspace(args.home).run(args.run))
    student = student_of(run)
    print(HEADER, flush=True)
    files = [item for item in exported(run) if (item.file in args.file if args.file else item.precision == "int8")]
    with ExitStack() as stack:
        listeners = []
        for item in files:
            word = stack.enter_context(loaded(run, student, item, item.runtimes[0]))
            assert isinstance(word, WakeWord)
            threshold = word.model.decision.threshold
            listeners.append(Listener(item.file, word.phrase, item.bytes, threshold, ours(word)))
        examine(listeners, args.hours, args.phrases, args.seed)
    if args.peer_hours > 0 and (others := peers()):
        examine(others, args.peer_hours, max(50, args.phrases // 5), args.seed)


if __name__ == "__main__":
    main()
