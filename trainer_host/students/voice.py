"""The student of the task voice: a network learns to speak from a teacher's voice that tells its sounds and their lengths."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.media.script import (
    ALPHABET,
    FRAMES,
    INNER,
    LETTERS,
    LINKED,
    LONGEST,
    MARKED,
    PAUSE,
    SOUNDS,
    STEP,
    lettered,
    placed,
)
from edge_runtime.media.vocoder import BANDS, WIDTH
from edge_runtime.tasks import Specialist, driven, voice
from edge_runtime.tasks.voice import LASTING, LEXICON, MARKS, PLACED, SCRIPT, SPELLING, SPELT, TOLD, VOICED
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.speech.voice_rows import MADE, Said, lexicon_of, said_of
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport
from trainer_host.students.voice_fit import SPELT_BATCH, SPOKEN_BATCH, Learnt, fit_letters, fit_spoken, learnt_of
from trainer_host.students.voice_net import SIZES, Shape, VoiceNet
from trainer_host.students.voice_spelling import aligned, spellings_of
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

_One = TypeVar("_One")
CONFIG = "config.json"
MIN_ROWS = 40
# Million multiplications, forward alone counted, that a second of one core learns with (AMD EPYC, 2026).
PER_SECOND = 9500
# A large network learns more of many sentences than a small one, and takes longer; of few it wasn't measured.
MANY_ROWS = 1000
USUAL_SECONDS = {"tiny": 900.0}
FEWER_SECONDS = 240.0
_LETTERS_SHARE = 0.08  # of the time
MIN_STEPS, MAX_STEPS = 30, 100_000
_UNHEARD = 20  # one word of so many isn't learnt, but examined
EXAMINED = 40


@dataclass(frozen=True)
class VoiceConfig:
    """What the network's shape and its answers depend on; saved beside the weights."""

    size: str
    sounds: list[str]
    spellings: list[str]
    teacher: str

    @property
    def shape(self) -> Shape:
        """The network's shape."""
        return Shape(self.size, len(self.sounds), len(self.spellings))

    @property
    def ids(self) -> dict[str, int]:
        """Each sound's number; 0 is none."""
        return {sound: number for number, sound in enumerate(self.sounds, 1)}


class VoiceStudent:
    """See `Student`."""

    task = voice.NAME
    family = "graph"
    limits: ClassVar[dict[str, float]] = {"bytes": 16_000_000, "p50_ms": 2000.0, "lost_points": 2.0}

    def train(
        self,
        dataset: Path,
        run: Path,
        *,
        seed: int,
        seconds: float | None,
        on_progress: OnProgress,
        curriculum: bool = False,
        settings: Json | None = None,
        work: Path | None = None,
        recorder: Recorder | None = None,
    ) -> TrainReport:
        """See `Student.train`. settings: `size`, one of `SIZES`; by the number of rows where it isn't said."""
        started = time.perf_counter()
        if curriculum:
            raise DataError("A voice has no curriculum; leave out --curriculum.")
        card = open_dataset(dataset)
        rows = list(card.rows("train"))
        size = _size(dict(settings or {}), len(rows))
        if len(rows) < MIN_ROWS:
            raise DataError(f"The dataset has {len(rows)} rows to train; a voice needs at least {MIN_ROWS} sentences.")
        words = lexicon_of(dataset)
        unheard = set(_unheard(words))
        ways = aligned({**_spelt(words), **lexicon_of(dataset, MADE)})
        said = [said_of(dataset, row) for row in rows]
        sounds = {sound for own in words.values() for sound in own} | {s for one in said for s in one.script.sounds}
        config = VoiceConfig(size, sorted(sounds | {PAUSE}), spellings_of(ways), str(card.params.get("voice")))
        places = {own: number for number, own in enumerate(config.spellings)}
        spelt = [
            (word, [places[own] for own in way])
            for word, way in sorted(ways.items())
            if word not in unheard and len(word) <= LONGEST and all(own in places for own in way)
        ]
        prepare(seed)
        net = VoiceNet(config.shape)
        learnt = [learnt_of(one, config.ids) for one in said]
        first, then = _planned(net, learnt, USUAL_SECONDS.get(size, FEWER_SECONDS) if seconds is None else seconds)

        def tell(part: str, step: int, loss: float) -> None:
            done = step if part == "letters" else first + step
            share = (
                _LETTERS_SHARE * step / first
                if part == "letters"
                else _LETTERS_SHARE + (1 - _LETTERS_SHARE) * step / then
            )
            on_progress(share, {f"{part}_loss": round(loss, 4)})
            if recorder is not None:
                recorder.record(done, {f"{part}_loss": loss})

        steps = Steps(work)
        fit_letters(net, spelt, first, seed, tell, steps)
        fit_spoken(net, learnt, then, seed, tell, steps)
        save_weights(run, net)
        write_atomic(run / LEXICON, _lexicon(words, config))
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        parameters = float(sum(p.numel() for p in net.parameters()))
        return TrainReport(time.perf_counter() - started, {"parameters": parameters, "steps": float(first + then)})

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """All parts at once; see `Student.module`."""
        config = load_config(run)
        net = VoiceNet(config.shape)
        load_weights(run, net)
        examples = (
            torch.zeros(1, LETTERS, dtype=torch.int32),
            torch.zeros(1, SOUNDS, dtype=torch.int32),
            torch.zeros(1, SOUNDS, MARKED),
            torch.zeros(1, FRAMES, config.shape.told + INNER),
        )
        return net.eval(), examples, ModelIO([SPELLING, SCRIPT, MARKS, PLACED], [SPELT, LASTING, TOLD, VOICED])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Sentences of the train split with words of its lexicon; see `Student.calibration`."""
        config = load_config(run)
        net, _, _ = self.module(run)
        assert isinstance(net, VoiceNet)
        rows = list(open_dataset(dataset).rows("train"))
        rows = rows[:: max(1, len(rows) // limit)][:limit]
        words = sorted(lexicon_of(dataset))
        draw = np.random.default_rng(1)
        for row in rows:
            said = said_of(dataset, row)
            one = learnt_of(said, config.ids)
            ids, marks = np.zeros((1, SOUNDS), np.int32), np.zeros((1, SOUNDS, MARKED), np.float32)
            ids[0, : len(one.ids)], marks[0, : len(one.ids)] = one.ids, one.marks
            with torch.inference_mode():
                _, told = net.sounds(torch.from_numpy(ids), torch.from_numpy(marks))
            given = np.zeros((1, FRAMES, config.shape.told + INNER), np.float32)
            steps = placed(told[0, : len(one.ids)].numpy(), one.steps)[:FRAMES]
            given[0, : len(steps)] = steps
            some = [words[int(at)] for at in draw.integers(0, len(words), 10)]
            letters, _ = next(lettered([word for word in some if set(word) <= set(ALPHABET)]))
            yield {SPELLING: letters, SCRIPT: ids, MARKS: marks, PLACED: given}

    def assets(self, run: Path) -> dict[str, Path]:
        """How words are said."""
        return {LEXICON: run / LEXICON}

    def manifest_fields(self, run: Path) -> Json:
        """What the device does around the graph; see `Student.manifest_fields`."""
        config = load_config(run)
        options = {"sounds": config.sounds, "spellings": config.spellings, "told": config.shape.told}
        return {
            "labels": [],
            "thresholds": {},
            "options": {**options, "learnt_from": config.teacher},
            "tokenizer": None,
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """On held-out sentences, with the teacher's own lengths. `accuracy`: the share of the teacher's spectrum that is said
        as it does, by the mean difference of bands: 0 for its mean frame, 1 for the same.

        Besides: `by_sound`, the same of each sound's mean frame in the training, whatever stands around it; `pitch`, the mean difference in
        semitones; `lengths`, the mean factor between lengths, less 1; `spelt`, how many unheard words are spelt as the teacher says
        them.
        """
        assert isinstance(specialist, voice.Voice)
        config = load_config(run)
        plain, rows = _examined(str(dataset), open_dataset(dataset).content, tuple(config.sounds))
        rows = _spread(rows, limit or EXAMINED)
        far = {"mean": 0.0, "made": 0.0, "sound": 0.0}
        pitches, lengths = [], []
        for said, one in rows:
            wanted = one.frames.reshape(-1, WIDTH)
            frames = _said(specialist, said, one)
            owner = np.repeat(np.repeat(one.ids, one.steps), STEP)
            for name, other in (("mean", plain[0][None]), ("made", frames), ("sound", plain[owner])):
                far[name] += float(np.abs(wanted[:, :BANDS] - other[:, :BANDS]).sum())
            voiced = wanted[:, BANDS + 1] > 0.5
            pitches += list(np.abs(wanted[voiced, BANDS] - frames[voiced, BANDS]) * 12 / math.log(2))
            told = driven(specialist.engine, specialist.lasting(said.script))
            lengths += list(np.abs(told - np.log(np.maximum(one.lengths, 0.5))))
        unheard = _spread(list(_unheard(lexicon_of(dataset)).items()), 200)
        spelt = driven(specialist.engine, specialist.spelt([word for word, _ in unheard]))
        return {
            "accuracy": max(0.0, 1 - far["made"] / far["mean"]) if far["mean"] else 0.0,
            "by_sound": 1 - far["sound"] / far["mean"] if far["mean"] else 0.0,
            "pitch": float(np.mean(pitches)) if pitches else 0.0,
            "lengths": float(np.exp(np.mean(lengths)) - 1) if lengths else 0.0,
            "spelt": float(np.mean([spelt[word] == own for word, own in unheard])) if unheard else 0.0,
            "rows": float(len(rows)),
        }

    def likeness(self, run: Path, dataset: Path, row: Row, specialist: Specialist) -> float:
        """How like the teacher's a sentence is said, 0 to 1; see `evaluate`."""
        assert isinstance(specialist, voice.Voice)
        said = said_of(dataset, row)
        one = learnt_of(said, load_config(run).ids)
        wanted, made = one.frames.reshape(-1, WIDTH), _said(specialist, said, one)
        mean = np.abs(wanted[:, :BANDS] - wanted[:, :BANDS].mean(0)).sum()
        return max(0.0, 1 - float(np.abs(wanted[:, :BANDS] - made[:, :BANDS]).sum() / max(mean, 1e-9)))

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out sentences; see `Student.golden`."""
        rows = open_dataset(dataset).rows("heldout")
        return [{"prompt": str(row.input["prompt"])} for row, _ in zip(rows, range(count), strict=False)]


def load_config(run: Path) -> VoiceConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        made = VoiceConfig(**strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG))  # type: ignore[arg-type]
        if made.size in SIZES and PAUSE in made.sounds:
            return made
    except (OSError, BadRequest, TypeError):
        pass  # said below
    raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.")


def _said(specialist: voice.Voice, said: Said, one: Learnt) -> np.ndarray:
    """What the specialist says in the teacher's time."""
    return driven(specialist.engine, specialist.voiced(said.script, steps=one.steps))


@functools.lru_cache(maxsize=1)
def _examined(dataset: str, content: str, sounds: tuple[str, ...]) -> tuple[np.ndarray, list[tuple[Said, Learnt]]]:
    """The mean frame of each sound in the training, float32 [sounds + 1, WIDTH], the first that of all; and the held-out sentences.

    The gate asks for them once for each model file.
    """
    folder = Path(dataset)
    ids = {sound: number for number, sound in enumerate(sounds, 1)}
    sums, counts = np.zeros((len(sounds) + 1, WIDTH)), np.zeros(len(sounds) + 1)
    for row in _spread(list(open_dataset(folder).rows("train")), EXAMINED):
        one = learnt_of(said_of(folder, row), ids)
        owner = np.repeat(np.repeat(one.ids, one.steps), STEP)
        np.add.at(sums, owner, one.frames.reshape(-1, WIDTH))
        np.add.at(counts, owner, 1)
    sums[0], counts[0] = sums.sum(0), counts.sum()
    means = sums / np.maximum(counts, 1)[:, None]
    means[counts == 0] = means[0]
    held = [said_of(folder, row) for row in _spread(list(open_dataset(folder).rows("heldout")), EXAMINED)]
    return means.astype(np.float32), [(said, learnt_of(said, ids)) for said in held]


def _unheard(words: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Words of the lexicon that the network doesn't learn to spell."""
    return {word: own for number, (word, own) in enumerate(sorted(_spelt(words).items())) if number % _UNHEARD == 7}


def _spelt(words: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Those that are spelt as they are named, see `LINKED`."""
    return {word: own for word, own in words.items() if not word.endswith(LINKED)}


def _spread(rows: Sequence[_One], most: int) -> list[_One]:
    """At most so many, from all over."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _lexicon(words: dict[str, tuple[str, ...]], config: VoiceConfig) -> bytes:
    return "".join(f"{word} {' '.join(own)}\n" for word, own in sorted(words.items())).encode("ascii")


def _planned(net: VoiceNet, learnt: Sequence[Learnt], seconds: float) -> tuple[int, int]:
    """How many steps of letters and of speech a budget of seconds of one core allows."""
    if seconds < 1:
        raise DataError("Training takes at least 1 second; give more --seconds.")
    weights = {
        name: sum(layer.weight.numel() for layer in part.modules() if isinstance(layer, nn.Linear))
        for name, part in net.named_children()
    }
    long = float(np.mean([one.steps.sum() for one in learnt]))
    spoken = SPOKEN_BATCH * (weights["frames"] * long * 1.3 + weights["sounds"] * SOUNDS)
    letters = SPELT_BATCH * weights["letters"] * 12
    budget = seconds * PER_SECOND * 1e6
    return (
        min(max(round(budget * _LETTERS_SHARE / letters), MIN_STEPS), MAX_STEPS),
        min(max(round(budget * (1 - _LETTERS_SHARE) / spoken), MIN_STEPS), MAX_STEPS),
    )


def _size(settings: Json, rows: int) -> str:
    size = str(settings.pop("size", None) or ("tiny" if rows >= MANY_ROWS else "micro"))
    if settings:
        raise DataError(f"A voice has no --{min(settings).replace('_', '-')}; it has --size.")
    if size not in SIZES:
        raise DataError(f"A voice has no size '{size[:20]}'; it has {', '.join(SIZES)}.")
    return size


STUDENT = cast(object, VoiceStudent())
