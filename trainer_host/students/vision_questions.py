"""The student of the task vision for datasets of questions: a picture and a question give one of the answers that were learnt."""

from __future__ import annotations

import base64
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.tasks import Specialist, vision
from edge_runtime.tasks.confidence import Platt
from edge_runtime.tasks.familiar import FILE as FAMILIAR
from edge_runtime.tasks.familiar import familiarity
from edge_runtime.vision.pixels import LARGEST, framed
from edge_runtime.vision.questions import LENGTH, WORDS_FILE, Vocabulary, write_vocabulary
from trainer_host.data.dataset import open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, telling
from trainer_host.students.familiar import known_of
from trainer_host.students.vision_data import plain, small_png
from trainer_host.students.vision_fit import held_back
from trainer_host.students.vision_net import fold_norms, multiplications_of
from trainer_host.students.vision_questions_data import (
    Asked,
    Asking,
    asking_rows,
    coded_drawn,
    drawn_asked,
    joined,
    load_asked,
    words_of,
)
from trainer_host.students.vision_questions_fit import blind, fit, planned
from trainer_host.students.vision_questions_net import SIZES, QuestionNet, Shape
from trainer_host.tasks.vision_questions import ASKS, UNSEEN
from trainer_host.training.calibration import Calibration, calibrate, conformal_threshold
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.uncertainty import calibration_error
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
KIND = "questions"
MIN_ROWS = 40
MOST_ANSWERS = 1000
SIDE = 64  # pixels: what is a sixth of a picture has some ten of them
PRACTISED, CHECKED = 2500, 250  # drawn pictures that it learns from, and to know when it errs
FAMILIAR_SHARE = 0.95  # of questions like those of the training that are familiar
PARTS = 5  # that questions are left out in
MOST_FAMILIAR = 0.8  # of its words and pairs of words: that much of any question must be known


@dataclass(frozen=True)
class QuestionConfig:
    """What the network's shape and its answers depend on; saved beside the weights."""

    labels: tuple[str, ...]
    words: tuple[str, ...]
    side: int
    size: str
    unsure: float = 0.0
    familiar: float = 0.0
    likely: float = 0.0
    platt: Platt = (1.0, 0.0)
    kind: str = KIND

    @property
    def network(self) -> QuestionNet:
        """A network of that shape, untrained."""
        return QuestionNet(Shape(len(self.labels), len(Vocabulary(self.words)), LENGTH, self.side, self.size))


class QuestionStudent:
    """See `Student`."""

    task = vision.NAME
    family: Literal["graph", "language"] = "graph"

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
        """Train on nine tenths of the rows, calibrate on the rest; see `Student.train`.

        What was drawn by the built-in teacher practises with more of its pictures, in which each shape's place is known.
        settings: `size`, one of `SIZES`; `side`, of the square that the network reads, in pixels, a multiple of 16.
        """
        started = time.perf_counter()
        if curriculum:
            raise DataError("Questions about pictures have no curriculum; leave out --curriculum.")
        rows, held = asking_rows(dataset, "train"), asking_rows(dataset, "heldout")
        size, side = _settings(dict(settings or {}))
        practises = open_dataset(dataset).teacher == "built-in"
        prepare(seed)
        drawn = drawn_asked(PRACTISED + CHECKED, seed, side) if practises else ([], [])
        texts = [row.question for row in rows] + [question.text for some in drawn[1] for question in some]
        answers = [row.answer for row in rows] + [question.answer for some in drawn[1] for question in some]
        config = QuestionConfig(_answers(rows, answers), words_of(texts), side, size)
        vocabulary = Vocabulary(config.words)
        asked = load_asked(rows, vocabulary, config.labels, side)
        own = len(asked)
        back = held_back([""] * own, seed) if not practises else np.zeros(own, bool)
        learnt, checked = np.flatnonzero(~back), np.flatnonzero(back)
        if practises:
            asked = joined(asked, coded_drawn(*drawn, vocabulary, config.labels))
            learnt = np.concatenate([learnt, own + np.arange(PRACTISED)])
            checked = own + PRACTISED + np.arange(CHECKED)
        torch.manual_seed(seed)
        net = config.network
        pixels = torch.zeros(1, 3, side, side)
        plan = planned(multiplications_of(net.cells, pixels), seconds, practises)
        tell = telling(plan.total, on_progress, recorder)
        fit(net, asked, learnt, plan, seed, tell, Steps(work))
        found = _calibrated(net, asked, checked)
        config = replace(config, unsure=found.threshold, likely=found.likely, platt=found.platt)
        config = replace(config, familiar=_familiar([row.question for row in rows], seed))
        save_weights(run, net)
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        write_atomic(run / WORDS_FILE, write_vocabulary(config.words))
        write_atomic(run / FAMILIAR, known_of(texts, _no_labels(texts)).tobytes())
        questions = np.concatenate([asked.rows[at] for at in learnt])
        return TrainReport(
            time.perf_counter() - started,
            {
                "parameters": float(sum(p.numel() for p in net.parameters())),
                "steps": float(plan.total),
                "practised": float(PRACTISED if practises else 0),
                "side": float(side),
                "answers": float(len(config.labels)),
                "unsure_below": config.unsure,
                "validation_accuracy": round(found.accuracy, 4),
                **_baselines(rows, held, asked, questions, vocabulary, config, seed),
            },
        )

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """The network with a grey picture and an empty question; see `Student.module`."""
        config = load_config(run)
        net = config.network
        load_weights(run, net)
        pixels = torch.full((1, config.side, config.side, 3), 128, dtype=torch.uint8)
        question = torch.ones(1, LENGTH, dtype=torch.int32)
        return (
            fold_norms(net.eval()),
            (pixels, question),
            ModelIO([vision.INPUT, vision.QUESTION], [vision.PROBABILITIES]),
        )

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Rows spread evenly over the train split; see `Student.calibration`."""
        config = load_config(run)
        vocabulary = Vocabulary(config.words)
        rows = asking_rows(dataset, "train")
        for row in rows[:: max(1, len(rows) // limit)][:limit]:
            pixels = framed(row.path.read_bytes(), config.side)[0][None]
            yield {vision.INPUT: pixels, vision.QUESTION: vocabulary.read(row.question).ids}

    def assets(self, run: Path) -> dict[str, Path]:
        """The vocabulary, and which words and pairs of words are familiar."""
        return {WORDS_FILE: run / WORDS_FILE, FAMILIAR: run / FAMILIAR}

    def manifest_fields(self, run: Path) -> Json:
        """Answers, thresholds, and what the device does around the graph; see `Student.manifest_fields`."""
        config = load_config(run)
        return {
            "labels": list(config.labels),
            "thresholds": {"unsure": config.unsure, "familiar": config.familiar, "likely": config.likely},
            "options": {"kind": KIND, "side": config.side, "platt": list(config.platt)},
            "tokenizer": None,
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy`: the share of right answers; of built-in rows also by what is asked, and `accuracy unseen`: of combinations
        of a number, a colour and a shape that no training picture shows.

        Besides: `precision` among the answered, `answered` without doubt, `covered`: how often the right one is among
        the likely ones, `ece`: the calibration error.
        """
        rows = asking_rows(dataset, "heldout")[:limit]
        got = [specialist.run(row.request) for row in rows]
        right = np.array([answer["answer"] == row.answer for answer, row in zip(got, rows, strict=True)], bool)
        certain = np.array([not answer["unsure"] for answer in got], bool)
        covered = [row.answer in cast("list[str]", answer["likely"]) for answer, row in zip(got, rows, strict=True)]
        sure = np.array([float(cast(float, answer["confidence"])) for answer in got])
        return {
            "accuracy": _mean(right),
            "precision": _mean(right[certain]),
            "answered": _mean(certain),
            "covered": _mean(np.array(covered, bool)),
            "ece": calibration_error(sure, right) if len(rows) else 0.0,
            "rows": float(len(rows)),
            **_by_kind(rows, right),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out rows, then those of train, their pictures small and in few colours; see `Student.golden`."""
        side = load_config(run).side
        rows = [*asking_rows(dataset, "heldout"), *asking_rows(dataset, "train")]
        made = dict.fromkeys((small_png(row.path.read_bytes(), side), row.question) for row in rows[:count])
        return [{"image": base64.b64encode(content).decode("ascii"), "question": asked} for content, asked in made]


def load_config(run: Path) -> QuestionConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        labels, known = cast("list[str]", raw.pop("labels")), cast("list[str]", raw.pop("words"))
        platt = cast("list[float]", raw.pop("platt"))
        made = QuestionConfig(tuple(labels), tuple(known), platt=(platt[0], platt[1]), **raw)  # type: ignore[arg-type]
        if made.kind == KIND and made.size in SIZES:
            return made
    except (OSError, BadRequest, KeyError, TypeError, IndexError):
        pass  # said below
    raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.")


def _settings(settings: Json) -> tuple[str, int]:
    size, side = str(settings.pop("size", None) or "nano"), settings.pop("side", SIDE)
    if settings:
        raise DataError(f"Questions about pictures have no --{min(settings).replace('_', '-')}; they have --size.")
    if size not in SIZES:
        raise DataError(f"Questions about pictures have no size '{size[:20]}'; they have {', '.join(SIZES)}.")
    if isinstance(side, bool) or not isinstance(side, int) or not 32 <= side <= LARGEST or side % 16:
        raise DataError(f"The side must be a multiple of 16 from 32 to {LARGEST} pixels, not {side}.")
    return size, side


def _answers(rows: Sequence[Asking], answers: Sequence[str]) -> tuple[str, ...]:
    """What can be answered; raises `DataError` where nothing can be learnt from."""
    if len(rows) < MIN_ROWS:
        raise DataError(f"The dataset has {len(rows)} rows to train; vision needs at least {MIN_ROWS} questions.")
    made = tuple(sorted(set(answers)))
    if len(made) < 2:
        raise DataError(f"All questions are answered with '{made[0]}'; there is nothing to learn. Add others.")
    once = sum(count == 1 for count in Counter(answers).values())
    if len(made) > MOST_ANSWERS or once > len(rows) / 2:
        raise DataError(
            f"The rows have {len(made)} different answers, {once} of them once; a specialist chooses among answers that it "
            f"met several times, at most {MOST_ANSWERS}. Write them shorter and alike, as in 'yes', '3', 'red'."
        )
    return made


def _familiar(questions: Sequence[str], seed: int) -> float:
    """How familiar a question must be: `FAMILIAR_SHARE` of those that are left out are that familiar to the others."""
    different = np.array(sorted(set(questions)))
    part = np.random.default_rng(seed).permutation(len(different)) % PARTS
    scores = []
    for number in range(PARTS):
        others = different[part != number].tolist()
        known = known_of(others, _no_labels(others))
        scores += [familiarity(known, text, vision.NO_LABEL, 0) for text in different[part == number].tolist()]
    return float(np.floor(min(conformal_threshold(np.array(scores), FAMILIAR_SHARE), MOST_FAMILIAR) * 1e4) / 1e4)


def _no_labels(texts: Sequence[str]) -> list[str]:
    return [*vision.NO_LABEL] * len(texts)


@torch.inference_mode()
def _calibrated(net: QuestionNet, asked: Asked, pictures: np.ndarray) -> Calibration:
    """Choose temperature and thresholds on pictures that the network hasn't seen, and keep the first in it."""
    logits, answers = [], []
    for at in pictures:
        rows = asked.rows[at]
        cells = net.cells(plain(asked.pixels[at][None]))
        logits.append(net.looked(cells, torch.from_numpy(asked.words[rows]), len(rows))[0].numpy())
        answers.append(asked.answers[rows])
    made, wanted = np.concatenate(logits), np.concatenate(answers)
    found = calibrate(made[wanted >= 0], wanted[wanted >= 0])
    net.temperature.fill_(found.temperature)
    return found


def _baselines(
    rows: Sequence[Asking],
    held: Sequence[Asking],
    asked: Asked,
    questions: np.ndarray,
    vocabulary: Vocabulary,
    config: QuestionConfig,
    seed: int,
) -> dict[str, float]:
    """What is right on the held-out rows without a look at the picture: the most frequent answer to the same question (of all,
    where it is new), and a network that reads the question alone."""
    if not held:
        return {}
    usual = Counter(row.answer for row in rows).most_common(1)[0][0]
    by_question: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        by_question[row.question.casefold()][row.answer] += 1
    guessed = [
        by_question[row.question.casefold()].most_common(1)[0][0] if row.question.casefold() in by_question else usual
        for row in held
    ]
    ids = np.concatenate([vocabulary.read(row.question).ids for row in held]).astype(np.int64)
    blindly = blind(config.network, asked.words[questions], asked.answers[questions], ids, seed)
    return {
        "majority_baseline": round(_mean(np.array([g == row.answer for g, row in zip(guessed, held, strict=True)])), 4),
        "blind_baseline": round(
            _mean(np.array([config.labels[g] == row.answer for g, row in zip(blindly, held, strict=True)])), 4
        ),
    }


def _by_kind(rows: Sequence[Asking], right: np.ndarray) -> dict[str, float]:
    """Accuracies of what built-in rows ask for."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for row, good in zip(rows, right.tolist(), strict=True):
        if ASKS in row.meta:
            groups[str(row.meta[ASKS])].append(good)
        if UNSEEN in row.meta:
            groups["unseen"].append(good)
    return {f"accuracy {name}": _mean(np.array(values, bool)) for name, values in sorted(groups.items())}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
