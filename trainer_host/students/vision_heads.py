"""The student of the task vision for several datasets at once: one encoder, and a head for each that names what it learnt."""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.tasks import Specialist, vision
from edge_runtime.vision.heads import MAX_HEADS
from edge_runtime.vision.pixels import framed
from trainer_host.data.combos import DRAWN, HEAD
from trainer_host.data.dataset import open_dataset
from trainer_host.errors import DataError
from trainer_host.media.scatter import KINDS
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, telling
from trainer_host.students.vision_classifier import COOLEST, SMOOTHING, logits_of, majority, nearest_mean
from trainer_host.students.vision_data import (
    MAX_BYTES,
    Pictures,
    Seen,
    is_whole,
    labels_of,
    load_pictures,
    seen_rows,
    small_png,
)
from trainer_host.students.vision_fit import fit, held_back, planned
from trainer_host.students.vision_net import SIZES, ClassifierNet, Shape, fold_norms, look_for_edges, multiplications
from trainer_host.students.vision_plan import MANY, MIN_ROWS, RECIPES, Plan, for_many, read_plan
from trainer_host.students.vision_practice import CHECKED, PRACTISED, drawn_around, joined
from trainer_host.training.calibration import calibrate
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.uncertainty import calibration_error
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG, KIND = "config.json", "heads"
ByHead = dict[str, list[Seen]]


@dataclass(frozen=True)
class Head:
    """What one head names, and when it doubts; see `edge_runtime.vision.heads.Naming`."""

    name: str
    labels: tuple[str, ...]
    unsure: float = 0.0
    likely: float = 0.0
    platt: tuple[float, float] = (1.0, 0.0)


@dataclass(frozen=True)
class HeadsConfig:
    """What the network's shape and its answers depend on; saved beside the weights."""

    heads: tuple[Head, ...]
    side: int
    size: str
    early: bool = False
    kind: str = KIND

    @property
    def ends(self) -> list[int]:
        """Where each head's labels begin among all, and where the last ones end."""
        return np.cumsum([0, *(len(head.labels) for head in self.heads)]).tolist()

    @property
    def shape(self) -> Shape:
        """The network's shape."""
        return Shape(self.ends[-1], self.side, self.size, self.early)

    @property
    def network(self) -> HeadsNet:
        """A network of that shape, untrained."""
        return HeadsNet(self.shape, self.ends)


class HeadsNet(ClassifierNet):
    """pixels uint8 [1, side, side, 3] -> probabilities float32 [1, labels of all heads]; those of each head have the sum 1.

    Each label's logit is divided by the temperature of its head, once it is `cooled`.
    """

    def __init__(self, shape: Shape, ends: Sequence[int]) -> None:
        super().__init__(shape)
        self.ends = list(ends)
        self.register_buffer("temperature", torch.ones(shape.labels))

    def cooled(self) -> HeadsNet:
        """Itself, the temperatures put into the last layer: a graph of int8 can't hold a number for each label besides."""
        with torch.no_grad():
            self.out.weight.div_(self.temperature[:, None])
            self.out.bias.div_(self.temperature)
            self.temperature.fill_(1.0)
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Of a network that is `cooled`."""
        logits = self.logits(pixels.permute(0, 3, 1, 2).float() * (1 / 127.5) - 1)
        return torch.cat([torch.softmax(logits[:, first:last], -1) for first, last in pairwise(self.ends)], 1)


def heads_loss(net: nn.Module, pixels: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy in the head of each picture's label; what shows nothing known must leave every head undecided."""
    assert isinstance(net, HeadsNet)
    logits = net.logits(pixels).float()
    wanted = labels[:, 0]
    total = torch.zeros((), dtype=logits.dtype)
    for first, last in pairwise(net.ends):
        own = (wanted >= first) & (wanted < last)
        count = last - first
        known = functional.one_hot((wanted - first).clamp(0, count - 1), count) * (1 - SMOOTHING) + SMOOTHING / count
        target = torch.where((wanted < 0)[:, None], torch.full_like(known, 1 / count), known)
        each = -(target * torch.log_softmax(logits[:, first:last], -1)).sum(1)
        shares = own.float() + (wanted < 0).float() / (len(net.ends) - 1)
        total = total + (each * shares).sum()
    return total / len(labels)


class HeadsStudent:
    """See `Student`: of pictures of several datasets, each with labels of its own."""

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
        """Train on pictures of all heads alike, however many rows each has, and calibrate each head; see `Student.train`.

        A head of the built-in teacher's shapes practises with more of them, as a classifier of these alone does.

        settings: as a classifier's (`size`, `side`, `mirror`, `epochs`), for all heads.
        """
        if curriculum:
            raise DataError("Several heads have no curriculum; leave out --curriculum.")
        started = time.perf_counter()
        rows, held = (_by_head(dataset, split) for split in ("train", "heldout"))
        config, plan = _planned(rows, dict(settings or {}))
        pictures = _loaded(rows, config)
        prepare(seed)
        net = config.network
        names = [head.name for head in config.heads for _ in rows[head.name]]
        back = _back(rows, config, seed)
        many = len(pictures) >= MANY
        shows = None if plan.epochs is None else plan.epochs * (~back).sum()
        boxed, asked = None, len(pictures)
        more = {} if many else _practice(dataset, config, pictures, held, seed)
        for name, some in more.items():
            pictures = joined(pictures, some)
            names += [name] * len(some)
            back = np.concatenate([back, np.arange(len(some)) >= PRACTISED])
        if more:
            look_for_edges(net.trunk)
            boxed = asked + np.flatnonzero(~back[asked:])
        recipe = RECIPES["many" if many else "classifier" if boxed is None else "practice"]
        recipe = planned(recipe, config.shape, multiplications(net, config.side), seconds, shows)
        variation = for_many(plan.variation, config.side) if many else plan.variation
        tell = telling(recipe.steps, on_progress, recorder)
        fit(net, heads_loss, pictures, _evenly(names, back), variation, recipe, seed, tell, None, boxed, Steps(work))
        config = _calibrated(net, config, pictures, np.array(names), back)
        save_weights(run, net)
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        figures = {
            "parameters": float(sum(p.numel() for p in net.parameters())),
            "steps": float(recipe.steps),
            "practised": float(0 if boxed is None else len(boxed)),
        }
        for head in config.heads:
            figures |= _baselines(head, rows[head.name], held.get(head.name, []), config.side)
        return TrainReport(time.perf_counter() - started, {**figures, "side": float(config.side)})

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """The network, its batch norms folded into its convolutions, and a grey picture; see `Student.module`."""
        config = load_heads(run)
        net = config.network
        load_weights(run, net)
        example = torch.full((1, config.side, config.side, 3), 128, dtype=torch.uint8)
        return fold_norms(net.cooled().eval()), (example,), ModelIO([vision.INPUT], [vision.PROBABILITIES])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Pictures of all heads in turn, spread evenly over the train split; see `Student.calibration`."""
        config = load_heads(run)
        rows = _by_head(dataset, "train")
        each = max(1, limit // len(rows))
        spread = [some[:: max(1, len(some) // each)][:each] for some in rows.values()]
        for row in _in_turn(spread)[:limit]:
            yield {vision.INPUT: framed(row.content, config.side)[0][None]}

    def assets(self, run: Path) -> dict[str, Path]:
        """None: a picture needs no vocabulary."""
        return {}

    def manifest_fields(self, run: Path) -> Json:
        """All heads' labels and doubts, and what the device does around the graph; see `Student.manifest_fields`."""
        config = load_heads(run)
        return {
            "labels": [f"{head.name}: {label}" for head in config.heads for label in head.labels],
            "thresholds": {"unsure": min(head.unsure for head in config.heads)},
            "options": {
                "kind": KIND,
                "side": config.side,
                "heads": [{**asdict(head), "labels": list(head.labels), "platt": list(head.platt)} for head in config.heads],
            },
            "tokenizer": None,
        }  # fmt: skip

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy`: the mean of the heads' shares of right labels, each asked about its own pictures.

        Besides, of each head: `accuracy_NAME`, `answered_NAME`, `covered_NAME`, `ece_NAME` and `rows_NAME`.
        """
        held = _by_head(dataset, "heldout")
        total = sum(map(len, held.values()))
        found: dict[str, float] = {}
        for name, rows in held.items():
            count = len(rows) if limit is None else max(1, min(len(rows), round(limit * len(rows) / total)))
            some = [rows[place] for place in np.linspace(0, len(rows) - 1, count).round().astype(int)]
            found |= {f"{key}_{name}": value for key, value in _examined(name, some, specialist).items()}
        accuracies = [value for key, value in found.items() if key.startswith("accuracy_")]
        return {
            "accuracy": sum(accuracies) / len(accuracies) if accuracies else 0.0,
            **found,
            "rows": sum(value for key, value in found.items() if key.startswith("rows_")),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out pictures of all heads in turn, which all heads are asked about; see `Student.golden`."""
        side = load_heads(run).side
        rows = [row for split in ("heldout", "train") for row in _in_turn(list(_by_head(dataset, split).values()))]
        made = dict.fromkeys(small_png(row.content, side) for row in rows[:count])
        return [{"image": base64.b64encode(content).decode("ascii")} for content in made]


def load_heads(run: Path) -> HeadsConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        heads = tuple(
            replace(Head(**head), labels=tuple(head["labels"]), platt=(head["platt"][0], head["platt"][1]))
            for head in cast("list[dict[str, Any]]", raw.pop("heads"))
        )
        made = HeadsConfig(heads=heads, **raw)  # type: ignore[arg-type]
        if made.kind == KIND and made.size in SIZES:
            return made
    except (OSError, BadRequest, KeyError, TypeError, IndexError):
        pass  # said below
    raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.")


def _by_head(dataset: Path, split: str) -> ByHead:
    """The rows of a split, by their head's name, sorted."""
    names = [str(row.input.get(HEAD, "")) for row in open_dataset(dataset).rows(split)]
    found: ByHead = defaultdict(list)
    for name, row in zip(names, seen_rows(dataset, split), strict=True):
        found[name].append(row)
    return {name: found[name] for name in sorted(found)}


def _planned(rows: ByHead, settings: Json) -> tuple[HeadsConfig, Plan]:
    """What is trained, and how; raises `DataError`."""
    if "" in rows:
        raise DataError("Some rows name no head; make the dataset with 'enigma data combine', not with 'mix'.")
    if not 2 <= len(rows) <= MAX_HEADS:
        raise DataError(
            f"The dataset has {len(rows)} heads; make one of 2 to {MAX_HEADS} datasets with 'enigma data combine'."
        )
    heads = []
    for name, some in rows.items():
        labels = labels_of(some)
        if not is_whole(some) or len(labels) < 2 or len(some) < MIN_ROWS:
            raise DataError(
                f"The head '{name}' needs {MIN_ROWS} pictures or more, each with one label for all of it, and two labels."
            )
        heads.append(Head(name, labels))
    # The largest pictures decide on the square: the others are only blown up.
    plans = [read_plan(some, settings, whole=True, drawn=False) for some in rows.values()]
    plan = max(plans, key=lambda one: one.side)
    return HeadsConfig(tuple(heads), plan.side, plan.size, plan.early), plan


def _loaded(rows: ByHead, config: HeadsConfig) -> Pictures:
    """All pictures, head by head; a label's number is its place among the labels of all heads."""
    if sum(map(len, rows.values())) * config.side**2 * 3 > MAX_BYTES:
        raise DataError(f"The pictures of all heads need more than {MAX_BYTES // 2**20} MB; combine fewer rows.")
    made: Pictures | None = None
    for head, first in zip(config.heads, config.ends, strict=False):
        some = load_pictures(rows[head.name], head.labels, config.side)
        some = replace(some, labels=some.labels + first)
        made = some if made is None else joined(made, some)
    assert made is not None
    return made


def _practice(dataset: Path, config: HeadsConfig, pictures: Pictures, held: ByHead, seed: int) -> dict[str, Pictures]:
    """More pictures for each head that names the built-in teacher's shapes; behind `PRACTISED`, those to calibrate it on."""
    drawn = open_dataset(dataset).params.get(DRAWN)
    made: dict[str, Pictures] = {}
    for head, first in zip(config.heads, config.ends, strict=False):
        if not isinstance(drawn, dict) or head.name not in drawn or not set(head.labels) <= set(KINDS):
            continue
        known = pictures, load_pictures(held.get(head.name, []), head.labels, config.side)
        some = drawn_around(drawn[head.name], head.labels, config.side, PRACTISED + CHECKED, seed, known)
        made[head.name] = replace(some, labels=some.labels + first)
    return made


def _back(rows: ByHead, config: HeadsConfig, seed: int) -> np.ndarray:
    """Which pictures each head is calibrated on, bool [pictures]: a share of its labels' each."""
    return np.concatenate([held_back([row.objects[0].label for row in rows[head.name]], seed) for head in config.heads])


def _evenly(names: Sequence[str], back: np.ndarray) -> np.ndarray:
    """Places of the pictures to learn from, those of heads with fewer pictures as often as those of others."""
    own = np.array(names)
    parts = [np.flatnonzero((own == name) & ~back) for name in dict.fromkeys(names)]
    most = max(map(len, parts))
    return np.concatenate([np.resize(part, most) for part in parts])


def _calibrated(
    net: HeadsNet, config: HeadsConfig, pictures: Pictures, names: np.ndarray, back: np.ndarray
) -> HeadsConfig:
    """Each head's temperature, kept in the network, and its thresholds, on pictures that weren't learnt from."""
    heads = []
    for head, (first, last) in zip(config.heads, pairwise(config.ends), strict=True):
        own = np.flatnonzero((names == head.name) & back)
        logits = logits_of(net, pictures, own)[:, first:last]
        found = calibrate(logits, pictures.labels[own, 0] - first, coolest=COOLEST)
        with torch.no_grad():
            net.temperature[first:last] = found.temperature
        heads.append(replace(head, unsure=found.threshold, likely=found.likely, platt=found.platt))
    return replace(config, heads=tuple(heads))


def _baselines(head: Head, rows: list[Seen], held: list[Seen], side: int) -> dict[str, float]:
    """What each head must beat on its held-out rows: see `trainer_host.students.vision_classifier`."""
    known, asked = (load_pictures(some, head.labels, side) for some in (rows, held))
    named = [row.objects[0].label for row in rows], [row.objects[0].label for row in held]
    return {
        f"majority_{head.name}": round(majority(*named), 4),
        f"nearest_mean_{head.name}": round(nearest_mean(known, asked), 4),
    }


def _examined(name: str, rows: list[Seen], specialist: Specialist) -> dict[str, float]:
    answers = [specialist.run({"image": row.media, "head": name}) for row in rows]
    labels = [row.objects[0].label for row in rows]
    good = np.array([answer["label"] == label for answer, label in zip(answers, labels, strict=True)], bool)
    covered = [label in cast("list[str]", answer["likely"]) for answer, label in zip(answers, labels, strict=True)]
    sure = np.array([float(cast(float, answer["confidence"])) for answer in answers])
    return {
        "accuracy": float(good.mean()),
        "answered": float(np.mean([not answer["unsure"] for answer in answers])),
        "covered": float(np.mean(covered)),
        "ece": calibration_error(sure, good),
        "rows": float(len(rows)),
    }


def _in_turn(parts: Sequence[Sequence[Seen]]) -> list[Seen]:
    return [row for some in zip_longest(*parts) for row in some if row is not None]
