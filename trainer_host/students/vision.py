"""The student of the task vision: a classifier where every picture has one label for all of it, a detector where it has boxes.

What answers questions is in `vision_questions`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.tasks import Specialist, vision
from edge_runtime.vision import looks
from edge_runtime.vision.pixels import framed
from trainer_host.data.curriculum import ordered
from trainer_host.data.dataset import open_dataset
from trainer_host.errors import DataError
from trainer_host.media.boxes import Box
from trainer_host.media.scatter import KINDS as DRAWN
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, telling
from trainer_host.students.vision_classifier import calibrated, classifier_loss, majority, nearest_mean
from trainer_host.students.vision_data import (
    Pictures,
    Seen,
    is_whole,
    labels_of,
    load_pictures,
    seen_rows,
    small_png,
    strata_of,
)
from trainer_host.students.vision_detector import (
    NEARLY,
    candidates,
    chosen_thresholds,
    constant_answer,
    detector_loss,
    mean_average_precision,
    mean_f1,
    outcomes,
)
from trainer_host.students.vision_fit import fit, held_back, planned
from trainer_host.students.vision_heads import HeadsStudent
from trainer_host.students.vision_kinds import ByKind
from trainer_host.students.vision_looks import looks_of
from trainer_host.students.vision_net import (
    SIZES,
    ClassifierNet,
    DetectorNet,
    Shape,
    fold_norms,
    look_for_edges,
    multiplications,
)
from trainer_host.students.vision_plan import MANY, MIN_ROWS, RECIPES, Plan, for_many, read_plan
from trainer_host.students.vision_practice import CHECKED, PRACTISED, drawn_around, joined
from trainer_host.students.vision_questions import QuestionStudent
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.uncertainty import calibration_error
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
MOST_LABELS = 1000


@dataclass(frozen=True)
class VisionConfig:
    """What the network's shape and its answers depend on; saved beside the weights. platt: scale and shift."""

    kind: str
    labels: tuple[str, ...]
    side: int
    size: str
    unsure: float = 0.0
    shown: float = 0.0
    platt: tuple[float, float] = (1.0, 0.0)
    early: bool = False  # see `Shape`; runs from before there was a choice don't say it
    likely: float | None = None  # of a classifier, None of one from before they knew what is likely
    looks: Json | None = None  # of a classifier, see `edge_runtime.vision.looks`; None of one from before they kept any
    familiar: float = 0.0

    @property
    def shape(self) -> Shape:
        """The network's shape."""
        return Shape(len(self.labels), self.side, self.size, self.early)

    @property
    def network(self) -> ClassifierNet | DetectorNet:
        """A network of that shape, untrained."""
        return ClassifierNet(self.shape) if self.kind == "classifier" else DetectorNet(self.shape)


class VisionStudent:
    """See `Student`: of pictures with labels or boxes."""

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

        A classifier of the built-in teacher's shapes practises with more of them, unless a curriculum orders its rows.

        settings: `size`, one of `SIZES`; `side`, of the square that the network reads, in pixels, a multiple of 16;
        `mirror`, in which ways a mirrored picture shows the same (`sides` or `all`), and `colours`, whether a recoloured one does (by
        default all of that holds for drawn shapes alone); `epochs`, how often each row is shown, in place of `seconds`.
        """
        started = time.perf_counter()
        rows = seen_rows(dataset, "train")
        held = seen_rows(dataset, "heldout")
        drawn = _drawn(dataset, rows)
        config, plan = _planned(rows, drawn, dict(settings or {}))
        variation = plan.variation
        pictures = load_pictures(rows, config.labels, config.side)
        practises = drawn and config.kind == "classifier" and not curriculum
        prepare(seed)
        net = config.network
        many = config.kind == "classifier" and not drawn and len(rows) >= MANY
        recipe = RECIPES["practice" if practises else "many" if many else config.kind]
        back = held_back(strata_of(rows), seed)
        shows = None if plan.epochs is None else plan.epochs * (~back).sum()
        recipe = planned(recipe, config.shape, multiplications(net, config.side), seconds, shows)
        if many:
            variation = for_many(variation, config.side)
        learnt, checked, shown, boxed = np.flatnonzero(~back), np.flatnonzero(back), pictures, None
        order = None
        if curriculum:
            order = [place for place in ordered(list(open_dataset(dataset).rows("train"))) if not back[place]]
        tell = telling(recipe.steps, on_progress, recorder)
        if practises:
            look_for_edges(net.trunk)
            variation = replace(variation, colours=False)  # they have twelve already, each on any other
            known = pictures, load_pictures(held, config.labels, config.side)
            options = open_dataset(dataset).params.get("options")
            more = drawn_around(options, config.labels, config.side, PRACTISED + CHECKED, seed, known)
            shown, drawn_here = joined(pictures, more), len(rows) + np.arange(len(more))
            # A tenth of a few hundred rows says little about doubt; more of the same can be drawn for it.
            boxed, aside = drawn_here[:PRACTISED], drawn_here[PRACTISED:]
            learnt, checked = np.concatenate([learnt, boxed]), np.concatenate([checked, aside])
        loss = classifier_loss if config.kind == "classifier" else detector_loss
        fit(net, loss, shown, learnt, variation, recipe, seed, tell, order, boxed, Steps(work))
        config, figures = _calibrated(net, config, pictures, rows, (shown, checked), held)
        save_weights(run, net)
        if isinstance(net, ClassifierNet):
            found = looks_of(net, shown, learnt, checked)
            write_atomic(run / looks.FILE, looks.packed(found.looks))
            told = {
                "numbers": found.looks.numbers,
                "distance": list(found.looks.distance),
                "chance": list(found.looks.chance),
                "relative": found.looks.relative,
            }
            config = replace(config, looks=told, familiar=found.familiar)
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        return TrainReport(
            time.perf_counter() - started,
            {
                "parameters": float(sum(p.numel() for p in net.parameters())),
                "steps": float(recipe.steps),
                "practised": float(0 if boxed is None else len(boxed)),
                "side": float(config.side),
                "unsure_below": config.unsure,
                **figures,
            },
        )

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """The network, its batch norms folded into its convolutions, and a grey picture; see `Student.module`."""
        config = load_config(run)
        net = config.network
        load_weights(run, net)
        example = torch.full((1, config.side, config.side, 3), 128, dtype=torch.uint8)
        outputs = [vision.PROBABILITIES] if config.kind == "classifier" else [vision.SCORES, vision.BOXES]
        if isinstance(net, ClassifierNet) and config.looks is not None:
            net.looks = True
            outputs += vision.LOOK
        return fold_norms(net.eval()), (example,), ModelIO([vision.INPUT], outputs)

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Pictures spread evenly over the train split; see `Student.calibration`."""
        side = load_config(run).side
        rows = seen_rows(dataset, "train")
        for row in rows[:: max(1, len(rows) // limit)][:limit]:
            yield {vision.INPUT: framed(row.content, side)[0][None]}

    def assets(self, run: Path) -> dict[str, Path]:
        """A classifier's looks; a picture needs no vocabulary."""
        return {} if load_config(run).looks is None else {looks.FILE: run / looks.FILE}

    def manifest_fields(self, run: Path) -> Json:
        """Labels, thresholds, and what the device does around the graph; see `Student.manifest_fields`."""
        config = load_config(run)
        fields: Json = {"labels": list(config.labels), "thresholds": {"unsure": config.unsure}, "tokenizer": None}
        options: Json = {"kind": config.kind, "side": config.side, "platt": list(config.platt)}
        if config.kind == "detector":
            fields["thresholds"] = {"unsure": config.unsure, "shown": config.shown, "nearly": NEARLY}
            options["cells"] = config.shape.cells
        elif config.likely is not None:
            fields["thresholds"] = {"unsure": config.unsure, "likely": config.likely}
        if config.looks is not None:
            fields["thresholds"] = {**cast(Json, fields["thresholds"]), "familiar": config.familiar}
            options[looks.OPTION] = config.looks
        return {**fields, "options": options}

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy`: a classifier's share of right labels; a detector's mean F1 over pictures, the task's own metric.

        Besides: `ece`, the calibration error; `answered`, the share without doubt; a detector's `map50`, over all that
        it finds (shown or not), and a classifier's `precision` among the answered and `covered`, how often the right label is among the likely ones.
        """
        rows = seen_rows(dataset, "heldout")
        if limit is not None and limit < len(rows):  # imported pictures lie label by label: the first would be of one
            rows = [rows[place] for place in np.linspace(0, len(rows) - 1, limit).round().astype(int)]
        if load_config(run).kind == "classifier":
            return _classified(rows, specialist)
        return _detected(rows, specialist, load_config(run).labels)

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out pictures, then those of train, small and in few colours; see `Student.golden`."""
        side = load_config(run).side
        rows = [*seen_rows(dataset, "heldout"), *seen_rows(dataset, "train")]
        made = dict.fromkeys(small_png(row.content, side) for row in rows[:count])
        return [{"image": base64.b64encode(content).decode("ascii")} for content in made]


def load_config(run: Path) -> VisionConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        labels, platt = cast("list[str]", raw.pop("labels")), cast("list[float]", raw.pop("platt"))
        made = VisionConfig(labels=tuple(labels), platt=(platt[0], platt[1]), **raw)  # type: ignore[arg-type]
        if made.kind in vision.KINDS and made.size in SIZES:
            return made
    except (OSError, BadRequest, KeyError, TypeError, IndexError):
        pass  # said below
    raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.")


def _planned(rows: list[Seen], drawn: bool, settings: Json) -> tuple[VisionConfig, Plan]:
    """What is trained, and how; raises `DataError`."""
    if len(rows) < MIN_ROWS:
        raise DataError(f"The dataset has {len(rows)} rows to train; vision needs at least {MIN_ROWS} pictures.")
    whole, labels = is_whole(rows), labels_of(rows)
    if not labels:
        raise DataError("No picture of the dataset has an object in it; there is nothing to find.")
    if whole and len(labels) < 2:
        raise DataError(f"All pictures show '{labels[0]}'; a classifier needs two labels or more.")
    if len(labels) > MOST_LABELS:
        raise DataError(f"The dataset has {len(labels)} labels; vision takes at most {MOST_LABELS}.")
    plan = read_plan(rows, settings, whole=whole, drawn=drawn)
    config = VisionConfig("classifier" if whole else "detector", labels, plan.side, plan.size, early=plan.early)
    return config, plan


def _drawn(dataset: Path, rows: list[Seen]) -> bool:
    """Whether the pictures are the built-in teacher's: those show the same mirrored, and in any colours."""
    return open_dataset(dataset).teacher == "built-in" and set(labels_of(rows)) <= set(DRAWN)


def _calibrated(
    net: ClassifierNet | DetectorNet,
    config: VisionConfig,
    pictures: Pictures,
    rows: list[Seen],
    aside: tuple[Pictures, np.ndarray],
    held: list[Seen],
) -> tuple[VisionConfig, dict[str, float]]:
    """Thresholds, chosen on what was kept back; figures with the baselines on the held-out rows.

    aside: pictures, and the places among them of those that the network hasn't seen; a detector's are all of `rows`.
    """
    shown, back = aside
    if isinstance(net, ClassifierNet):
        found = calibrated(net, shown, back)
        named = [row.objects[0].label for row in rows], [row.objects[0].label for row in held if row.objects]
        examined = load_pictures(held, config.labels, config.side)
        return replace(config, unsure=found.threshold, likely=found.likely, platt=found.platt), {
            "validation_accuracy": round(found.accuracy, 4),
            "majority_baseline": round(majority(*named), 4),
            "nearest_mean_baseline": round(nearest_mean(pictures, examined), 4),
        }
    objects = candidates(net, pictures, back, config.labels)
    true = [rows[place].objects for place in back]
    chosen = chosen_thresholds(objects, true)
    config = replace(config, unsure=chosen.unsure, shown=chosen.shown, platt=(chosen.scale, chosen.shift))
    sure = [[(box, vision.confidence(score, *config.platt)) for box, score in each] for each in objects]
    baseline = constant_answer([row.objects for row in rows], [row.objects for row in held])
    return config, {
        "validation_f1": round(mean_f1(sure, true, config.shown), 4),
        "constant_baseline": round(baseline, 4),
    }


def _classified(rows: list[Seen], specialist: Specialist) -> dict[str, float]:
    sure, right, answered, covered = [], [], [], []
    for row in rows:
        answer = specialist.run({"image": row.media})
        sure.append(float(cast(float, answer["confidence"])))
        right.append(bool(row.objects) and answer["label"] == row.objects[0].label)
        covered.append(bool(row.objects) and row.objects[0].label in cast("list[str]", answer.get("likely", [])))
        answered.append(not answer["unsure"])
    good, certain = np.array(right, bool), np.array(answered, bool)
    return {
        "accuracy": _mean(good),
        "precision": _mean(good[certain]),
        "answered": _mean(certain),
        "covered": _mean(np.array(covered, bool)),
        "ece": calibration_error(np.array(sure), good) if len(rows) else 0.0,
        "rows": float(len(rows)),
    }


def _detected(rows: list[Seen], specialist: Specialist, labels: tuple[str, ...]) -> dict[str, float]:
    look = cast("Callable[[Json], list[Json]]", cast(vision.Detector, specialist).candidates)
    found: list[list[tuple[Box, float]]] = []
    shown: list[list[tuple[Box, float]]] = []
    answered = []
    for row in rows:
        request: Json = {"image": row.media}
        answer = specialist.run(request)
        found.append(_boxes(look(request)))
        shown.append(_boxes(cast("list[Json]", answer["objects"])))
        answered.append(not answer["unsure"])
    true = [row.objects for row in rows]
    sure, right = outcomes(shown, true)
    total = sum(map(len, true))
    return {
        "accuracy": mean_f1(shown, true, 0.0),
        "map50": mean_average_precision(found, true, labels),
        "precision": _mean(right),
        "recall": float(right.sum()) / total if total else 0.0,
        "answered": _mean(np.array(answered, bool)),
        "ece": calibration_error(sure, right) if len(sure) else 0.0,
        "rows": float(len(rows)),
    }


def _boxes(objects: list[Json]) -> list[tuple[Box, float]]:
    return [
        (Box(str(item["label"]), *cast("list[float]", item["box"])), float(cast(float, item["confidence"])))
        for item in objects
    ]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


STUDENT = ByKind(VisionStudent(), QuestionStudent(), HeadsStudent())
