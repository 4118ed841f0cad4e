"""The student of the task wake_word: synthetic speakers say a phrase, and a small network learns to wait for it."""

from __future__ import annotations

import base64
import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.audio.files import RATE, read_sound, write_sound
from edge_runtime.audio.frontend import BANDS, Frontend
from edge_runtime.audio.wake import FRAMES, KEPT, LOGIT, MEMORY, SMOOTH, SMOOTH_BEFORE, STRIDE
from edge_runtime.errors import BadRequest
from edge_runtime.tasks import Specialist, wake_word
from trainer_host.data.dataset import Dataset, Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.speech.acoustics import Scene
from trainer_host.speech.kinds import MORE, NEAR, PHRASE, TALK
from trainer_host.speech.recordings import is_recorded
from trainer_host.speech.rows import phrase_of
from trainer_host.speech.voices import CHECK, TRAIN
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport
from trainer_host.students.wake_data import (
    Heard,
    Material,
    OnStep,
    heard_rows,
    kept,
    material,
    more_talk,
    spoken,
    surroundings,
    talk_alone,
)
from trainer_host.students.wake_fit import (
    Course,
    alarms,
    begun,
    hardest,
    learn_from_several,
    mean_of,
    peaks,
    planned,
    traces,
)
from trainer_host.students.wake_mix import Noises
from trainer_host.students.wake_net import THROATS, WIDTHS, Shape, WakeNet, WakeStep, memories
from trainer_host.training.calibration import platt
from trainer_host.training.steps import Steps
from trainer_host.training.uncertainty import calibration_error
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
ALLOWED_AN_HOUR = 0.5  # alarms by other talk
UNSURE_AN_HOUR = 6.0  # as many sounds may be doubtful
LEAST_ROWS = 8  # of phrases, and of near misses
_VERSIONS = (3, 2)  # of each phrase, and of each near miss, that are learnt from: rooms, and talk around them
_SAID, _TRAINED = 0.12, 0.66  # shares of the work: speech, the steps of all rounds; the rest is more talk between these
_MARGIN = 0.4  # of log-odds above what the rate allows: hours of other speakers hold worse than those that were seen
_PEOPLE_SHARE, _MOST_REPEATED = 0.25, 40  # of the phrases that are learnt from, by people; and how often one may come
_LATE, _EARLY = 0.8, 0.3  # seconds after and before a phrase's end in which a detection is right
_CALIBRATED = 8  # rows of a kind
_CANDIDATES, _GOLDEN_TALK = 24, 4  # rows that golden requests are chosen from, and of talk before and behind them
_GOLDEN = 12  # requests: each is a sound of 27 kB
_GOLDEN_SPAN = (1.5, 0.25)  # seconds of a clip before and behind the phrase's end that a request keeps
_PIECE = RATE  # samples


@dataclass(frozen=True)
class WakeConfig:
    """What the network's shape and its answers depend on; saved beside the weights. See `edge_runtime.audio.wake`."""

    phrase: str
    size: str
    threshold: float = 0.5
    unsure: float = 0.5
    scale: float = 1.0
    shift: float = 0.0
    people: int = 0  # recordings of the phrase by people, among what was learnt from and examined
    throats: int = 1  # a run of before has one
    smooth: int = SMOOTH_BEFORE

    @property
    def shape(self) -> Shape:
        """The network's shape."""
        return Shape(WIDTHS[self.size], self.throats)


class WakeStudent:
    """See `Student`."""

    task = wake_word.NAME
    family = "graph"
    # A golden sound has 175 frames of 10 ms, and each may take 1 ms. At a threshold, a few sounds change sides.
    limits: ClassVar[dict[str, float]] = {"bytes": 100_000, "p50_ms": 175.0, "lost_points": 1.0}

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
        """Train on the speakers of the side "train", and choose the threshold on those of "check"; see `Student.train`.

        settings: `size`, one of `WIDTHS`.
        """
        if curriculum:
            raise DataError("The task wake_word has no curriculum; leave out --curriculum.")
        started = time.perf_counter()
        card = open_dataset(dataset)
        config = WakeConfig(
            phrase_of(card), _size(dict(settings or {})), people=_people(card), throats=THROATS, smooth=SMOOTH
        )
        rows = list(card.rows("train"))
        sides = {side: [row for row in rows if row.meta.get("side") == side] for side in (TRAIN, CHECK)}
        for side, some in sides.items():
            kinds = [row.meta.get("kind") for row in some]
            if min(kinds.count(PHRASE), kinds.count(NEAR)) < LEAST_ROWS:
                raise DataError(f"The dataset has too few rows of the side '{side}'; make it again with more.")
        sides[TRAIN] = _balanced(sides[TRAIN])
        plan = planned(seconds)

        def sounds(name: str, make: Callable[[OnStep], Material], begin: float, end: float) -> Material:
            path = None if work is None else work / f"{name}.npz"
            return kept(path, lambda: make(functools.partial(_tell, on_progress, begin, end)))

        learning, checking = sides[TRAIN], sides[CHECK]
        learnt = sounds("spoken", lambda say: spoken(learning, dataset, seed, Scene(), _VERSIONS, say), 0.0, 0.1)
        checked = sounds("check", lambda say: material(checking, dataset, seed + 1, Scene(), (1, 1), say), 0.1, _SAID)
        around = surroundings(learning, dataset, seed)
        mining = 1 - _SAID - _TRAINED

        def told(share: float, mined: float, step: int, loss: float) -> None:
            on_progress(_SAID + _TRAINED * share + mining * mined, {"loss": round(loss, 4)})
            if recorder is not None:
                recorder.record(step, {"loss": loss})

        course = Course(learnt, around, Steps(work), plan.steps, told)
        more, looks = [row for row in learning if row.meta["kind"] == MORE], len(plan.rounds) - 1
        net, ends = begun(config.shape, seed), list[dict[str, Tensor]]()
        for number, recipe in enumerate(plan.rounds):
            if ends[1:]:
                net.load_state_dict(mean_of(ends[1:]))
            if number:  # by now it is known what is hard
                look = functools.partial(_harder, net, more[number - 1 :: looks], dataset, around, seed + number)
                begin = _SAID + _TRAINED * course.share + mining * course.mined
                harder = sounds(f"harder{number}", look, begin, begin + mining / looks)
                course.material = replace(course.material, talk=[*course.material.talk, *harder.talk])
                course.mined = number / looks
            ends.append(course.learn(net, recipe, seed + 10 * number))
        net.load_state_dict(mean_of(ends[1:]))
        if plan.others:
            learn_from_several(net, plan, course, seed)
        config, figures = _decided(net, config, checked)
        save_weights(run, net)
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        return TrainReport(
            time.perf_counter() - started,
            {
                "parameters": float(sum(p.numel() for p in net.parameters())),
                "steps": float(plan.steps),
                "hours_of_talk": course.material.hours,
                **figures,
            },
        )

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """One step of the network, batch norms folded; see `Student.module`."""
        net = _network(run)
        examples = torch.zeros(1, STRIDE, BANDS), torch.zeros(1, net.shape.memory, net.shape.width)
        return WakeStep(net).eval(), examples, ModelIO([FRAMES, MEMORY], [LOGIT, KEPT])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Steps of sounds of the train split, with what the network remembers then; see `Student.calibration`."""
        card = open_dataset(dataset)
        rows = _some(list(card.rows("train")), _CALIBRATED, TRAIN)
        net = _network(run)
        sounds = list(heard_rows(rows, dataset, 1, Scene(), (1, 1), lambda share: None))
        each = max(1, limit // len(sounds))
        for sound in sounds:
            frames = Frontend().feed(sound.samples[: 4 * RATE])
            steps = len(frames) // STRIDE
            frames = frames[: steps * STRIDE]
            # Most are of the second half, where phrases end and the memory is full.
            kept_at = set(np.linspace(steps // 3, steps - 1, each).astype(int).tolist())
            with torch.inference_mode():
                for place, memory in enumerate(memories(net, torch.from_numpy(frames))):
                    if place in kept_at:
                        now = frames[None, place * STRIDE : (place + 1) * STRIDE]
                        yield {FRAMES: now.copy(), MEMORY: memory.numpy().copy()}

    def assets(self, run: Path) -> dict[str, Path]:
        """None: a sound needs no vocabulary."""
        return {}

    def manifest_fields(self, run: Path) -> Json:
        """The phrase, its thresholds, and what the device does around the graph; see `Student.manifest_fields`."""
        config = load_config(run)
        return {
            "labels": [config.phrase],
            "thresholds": {"wake": config.threshold, "unsure": config.unsure},
            "options": {
                "memory": [config.shape.memory, config.shape.width],
                "smooth": config.smooth,
                "platt": [config.scale, config.shift],
                # A person who reads a manifest must not take synthetic speakers for people.
                "measured_on": "synthetic speakers" + (" and recordings of people" if config.people else ""),
            },
            "tokenizer": None,
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """On held-out speakers. `accuracy`: the mean of phrases that were heard and of near misses that weren't.

        Besides: `miss`, the share of phrases that weren't heard; `near_alarms`, of near misses that were;
        `alarms_per_hour` of other talk, in `hours`; `ece`, the calibration error of clips' confidence; where people
        recorded the phrase, `people_miss` of `people` clips that weren't learnt from.
        """
        assert isinstance(specialist, wake_word.WakeWord)
        found: dict[str, list[tuple[bool, float]]] = {PHRASE: [], NEAR: []}
        by_people: list[bool] = []
        count, samples = 0, 0
        for one in _held_out(str(dataset), open_dataset(dataset).content, limit):
            if one.kind == TALK:
                session = specialist.listen()
                for start in range(0, len(one.samples), _PIECE):
                    count += len(session.feed(one.samples[start : start + _PIECE].astype(np.float32)))
                samples += len(one.samples)
                continue
            session = specialist.listen()
            right = is_right(one, [at.seconds for at in session.feed(one.samples.astype(np.float32))])
            found[one.kind].append((right, session.peak))
            if one.by_people and one.kind == PHRASE:
                by_people.append(right)
        hits, quiet = (np.array([right for right, _ in found[kind]], float) for kind in (PHRASE, NEAR))
        sure = np.array([peak for kind in (PHRASE, NEAR) for _, peak in found[kind]])
        truth = np.array([kind == PHRASE for kind in (PHRASE, NEAR) for _ in found[kind]])
        hours = samples / RATE / 3600
        return {
            "accuracy": float((hits.mean() + quiet.mean()) / 2),
            "miss": float(1 - hits.mean()),
            "near_alarms": float(1 - quiet.mean()),
            "alarms_per_hour": count / hours if hours else 0.0,
            "hours": hours,
            "ece": calibration_error(sure, truth),
            **({"people_miss": 1 - sum(by_people) / len(by_people), "people": len(by_people)} if by_people else {}),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Short sounds of held-out speakers, 8 bits each sample, with the phrase and with near misses.

        Those that the network is clearest about: others may change sides in another runtime.
        """
        net, config = _network(run), load_config(run)
        limit = _mean_at(config)
        rows = _some(list(open_dataset(dataset).rows("heldout")), _CANDIDATES, None, talk=_GOLDEN_TALK)
        found: dict[str, list[tuple[float, str]]] = {PHRASE: [], NEAR: []}
        for one in heard_rows(rows, dataset, 3, Scene(snr_db=(10.0, 30.0), clipped=0.0), (1, 1), lambda share: None):
            if one.kind == TALK:
                continue
            middle = one.end if one.end >= 0 else 2.2
            first, last = int((middle - _GOLDEN_SPAN[0]) * RATE), int((middle + _GOLDEN_SPAN[1]) * RATE)
            content = write_sound(one.samples[first:last], 8)
            frames = Frontend().feed(read_sound(content).samples)
            clear = abs(float(traces(net, [frames], config.smooth)[0].max()) - limit)
            found[one.kind].append((clear, base64.b64encode(content).decode("ascii")))
        clearest = [sorted(found[kind], reverse=True)[: _GOLDEN // 2] for kind in (PHRASE, NEAR)]
        return [{"audio": coded} for pair in zip(*clearest, strict=False) for _, coded in pair][:count]


def is_right(sound: Heard, detections: Sequence[float]) -> bool:
    """Whether the phrase was heard where it ends, or nothing where it isn't said. detections: seconds."""
    if sound.end < 0:
        return not detections
    return any(sound.end - _EARLY <= at <= sound.end + _LATE for at in detections)


def load_config(run: Path) -> WakeConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        made = WakeConfig(**strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG))  # type: ignore[arg-type]
        if made.size in WIDTHS:
            return made
    except (OSError, BadRequest, TypeError):
        pass  # said below
    raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.")


def chosen_threshold(talk: list[np.ndarray], hours: float, an_hour: float) -> float:
    """The least threshold on means [steps] of talk that wakes at most so often, to the nearest whole number of alarms.

    It lies half-way between the peak that must not wake and the next one above, or above them all.
    """
    each = np.sort(np.concatenate([_tops(one) for one in talk]))[::-1] if talk else np.zeros(0)
    allowed = round(an_hour * hours)
    if not len(each):
        return 0.0
    low = float(each[min(allowed, len(each) - 1)])
    high = float(each[allowed - 1]) if 0 < allowed <= len(each) else low
    return (low + high) / 2 if high > low else low + 1e-6


def _harder(net: WakeNet, rows: Sequence[Row], dataset: Path, around: Noises, seed: int, say: OnStep) -> Material:
    """What of more talk than can be kept sounds most like the phrase to a network that has learnt the rest."""
    net.eval()
    return talk_alone(list(hardest(net, more_talk(rows, dataset, seed, Scene(), say), around, seed)))


def _mean_at(config: WakeConfig) -> float:
    """The mean of log-odds that is the threshold."""
    share = min(max(config.threshold, 1e-9), 1 - 1e-9)
    return (math.log(share / (1 - share)) - config.shift) / (config.scale or 1.0)


def _tops(means: np.ndarray) -> np.ndarray:
    """The highest value of each second: no session wakes twice within it."""
    size = 33
    padded = np.pad(means, (0, -len(means) % size), constant_values=-np.inf)
    made: np.ndarray = padded.reshape(-1, size).max(1)
    return made


def _decided(net: WakeNet, config: WakeConfig, checked: Material) -> tuple[WakeConfig, dict[str, float]]:
    """Thresholds and calibration by speakers that weren't trained with, and how these do."""
    means = traces(net, checked.talk, config.smooth)
    yes, no = peaks(net, checked.phrases, config.smooth), peaks(net, checked.near, config.smooth)
    scale, shift = platt(np.concatenate([yes, no]), np.concatenate([np.ones(len(yes), bool), np.zeros(len(no), bool)]))
    wake = chosen_threshold(means, checked.hours, ALLOWED_AN_HOUR) + _MARGIN
    unsure = min(chosen_threshold(means, checked.hours, UNSURE_AN_HOUR), wake)
    made = replace(config, scale=scale, shift=shift)
    decision = wake_word.Decision(0, 0, scale, shift)
    made = replace(made, threshold=decision.confidence(wake), unsure=decision.confidence(unsure))
    return made, {
        "check_miss": float((yes < wake).mean()),
        "check_near_alarms": float((no >= wake).mean()),
        "check_alarms_per_hour": sum(alarms(one, wake) for one in means) / max(checked.hours, 1e-9),
        "check_hours": checked.hours,
        "threshold": made.threshold,
    }


@functools.lru_cache(maxsize=1)
def _held_out(dataset: str, content: str, limit: int | None) -> tuple[Heard, ...]:
    """The held-out rows as they are heard; the gate asks for them once for each model file."""
    rows = list(open_dataset(Path(dataset)).rows("heldout"))
    if limit is not None:
        rows = _some(rows, max(LEAST_ROWS, limit // 3), None)
    return tuple(
        Heard(one.kind, one.samples.astype(np.float16), one.end, one.by_people)
        for one in heard_rows(rows, Path(dataset), 2, Scene(), (1, 1), lambda share: None)
    )


def _some(rows: list[Row], each: int, side: str | None, *, talk: int | None = None) -> list[Row]:
    """At most `each` rows of each kind, or `talk` of talk, spread evenly."""
    made = []
    for kind in (PHRASE, NEAR, TALK):
        of = [row for row in rows if row.meta["kind"] == kind and side in (None, row.meta["side"])]
        most = talk if kind == TALK and talk is not None else each
        made += of[:: max(1, len(of) // most)][:most]
    return made


def _balanced(rows: list[Row]) -> list[Row]:
    """With the few that people recorded as often as makes them a part of all phrases, each time in another room."""
    said = [row for row in rows if row.meta["kind"] == PHRASE]
    people = [row for row in said if is_recorded(row)]
    if not people:
        return rows
    wanted = _PEOPLE_SHARE / (1 - _PEOPLE_SHARE) * (len(said) - len(people))
    return rows + people * (min(_MOST_REPEATED, max(1, round(wanted / len(people)))) - 1)


def _people(card: Dataset) -> int:
    people = card.params.get("people")
    count = people.get("phrases") if isinstance(people, dict) else 0
    return count if isinstance(count, int) else 0


def _network(run: Path) -> WakeNet:
    net = WakeNet(load_config(run).shape)
    load_weights(run, net)
    return net.eval()


def _size(settings: Json) -> str:
    size = str(settings.pop("size", None) or "micro")
    if settings:
        raise DataError(f"The task wake_word has no --{min(settings).replace('_', '-')}; it has --size.")
    if size not in WIDTHS:
        raise DataError(f"The task wake_word has no size '{size[:20]}'; it has {', '.join(WIDTHS)}.")
    return size


def _tell(on_progress: OnProgress, begin: float, end: float, share: float) -> None:
    on_progress(begin + (end - begin) * share, {})


STUDENT = cast(object, WakeStudent())
