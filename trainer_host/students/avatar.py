"""The avatar's student: five heads of the text family, one per choice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.avatar.vocabulary import HEADS
from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.tasks import Specialist, avatar
from edge_runtime.tasks.confidence import OPTION, Platt, checked_platt
from edge_runtime.tasks.text import SCHEME, Features, encode
from trainer_host.data.curriculum import ordered
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, begins_with
from trainer_host.students.baselines import majority_accuracy, naive_bayes_accuracy
from trainer_host.students.practice import ROWS, STEPS, groups_of, practice
from trainer_host.students.text_heads import HeadsNet, Shape, encoded, planned, train_heads
from trainer_host.tasks import Example
from trainer_host.training.steps import Steps
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
SCORED = ("emotion", "gesture", "gaze")
MIN_ROWS = 40  # fewer rows than that can't teach twelve emotions and twenty gestures
# A command names what it wants in one or two words: fewer of them may be dropped than where a whole text tells.
DROP = 0.3
# A gesture that is more likely right than not is made; a text unlike all others ends up below.
MOST_CAREFUL = 0.6
# Goes with the first golden request, so that a device shows before it serves that it moves rigs as this version does.
_GOLDEN_RIG: Json = {
    "expressions": ["happy", "Sad", "mouthSmile_L", "mouthSmile_R", "eye_blink.L", "eye_blink.R"],
    "bones": [
        "Head", "mixamorig:RightArm", {"name": "forearm.R", "limits": {"y": [0, 120]}}, "hand_r", "J_Bip_L_UpperArm",
        "lowerarm_l", "LeftHand", "spine_01", "hips",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class AvatarConfig:
    """What the network's shape and its answers depend on; saved beside the weights."""

    unsure: float
    features: Features
    width: int = 48
    hidden: int = 96
    platt: dict[str, Platt] = field(default_factory=dict)  # by head; empty of a run from before they knew

    @property
    def shape(self) -> Shape:
        """The network's shape."""
        return Shape(tuple(map(len, HEADS.values())), self.features, self.width, self.hidden)


class AvatarStudent:
    """See `Student`."""

    task = avatar.NAME
    family = "graph"

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
        """Calibrate each head on models that haven't seen the rows, then train on all; see `Student.train`.

        Rows of the built-in teacher are practised around, see `practice`, unless a curriculum orders them. settings: init
        names the run of an avatar that the last model begins with.
        """
        base = begins_with(self.task, settings, run)
        started = time.perf_counter()
        rows = _rows(dataset, "train")
        if len(rows) < MIN_ROWS:
            raise DataError(f"The dataset has {len(rows)} rows to train; an avatar needs at least {MIN_ROWS}.")
        config = AvatarConfig(0.0, Features()) if base is None else load_config(base)
        opened = open_dataset(dataset)
        more = [] if curriculum else practice(opened, ROWS - len(rows), seed)
        learnt = [*rows, *(_pair(example) for example in more)]
        texts = [text for text, _ in learnt]
        wanted = torch.tensor([[labels.index(choice[head]) for head, labels in HEADS.items()] for _, choice in learnt])
        recipe, models = planned(len(learnt), seconds, "An avatar")
        recipe = replace(recipe, drop=DROP, steps=min(recipe.steps, STEPS) if more else recipe.steps)
        total = recipe.steps * models
        taught = train_heads(
            config.shape,
            encoded(texts, config.features),
            wanted,
            [choice["gesture"] for _, choice in learnt],
            recipe,
            seed,
            lambda step, loss: on_progress(step / total, {"loss": round(loss, 4)}),
            ordered(list(opened.rows("train"))) if curriculum else None,
            groups_of(opened, more),
            None if base is None else _network(base, config),
            Steps(work),
        )
        model, by_head = taught.model, dict(zip(HEADS, taught.found, strict=True))
        save_weights(run, model)
        # One threshold for all: the most careful of those that act.
        careful = max(by_head[head].threshold for head in SCORED)
        platt = {head: item.platt for head, item in by_head.items()}
        config = replace(config, unsure=min(careful, MOST_CAREFUL), platt=platt)
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        figures = {
            "parameters": float(sum(p.numel() for p in model.parameters())),
            "steps": float(recipe.steps),
            "unsure_below": config.unsure,
            "practised": float(len(more)),
            **{f"validation_{head}": round(item.accuracy, 4) for head, item in by_head.items()},
            **_baselines(rows, _rows(dataset, "heldout")),
        }
        return TrainReport(time.perf_counter() - started, figures)

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """The network and one short text; see `Student.module`."""
        config = load_config(run)
        model = _network(run, config)
        example = torch.from_numpy(encode("one two three", config.features).ids)
        return model.eval(), (example,), ModelIO([avatar.INPUT], list(HEADS))

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Texts spread evenly over the train split; see `Student.calibration`."""
        features = load_config(run).features
        rows = _rows(dataset, "train")
        for text, _ in rows[:: max(1, len(rows) // limit)][:limit]:
            yield {avatar.INPUT: encode(text, features).ids}

    def assets(self, run: Path) -> dict[str, Path]:
        """None: the features are hashed."""
        return {}

    def manifest_fields(self, run: Path) -> Json:
        """Vocabularies, the threshold and the features; see `Student.manifest_fields`."""
        config = load_config(run)
        heads = {head: list(labels) for head, labels in HEADS.items()}
        return {
            "labels": [],
            "thresholds": {"unsure": config.unsure},
            "options": {
                "features": asdict(config.features),
                "heads": heads,
                OPTION: {head: list(pair) for head, pair in config.platt.items()},
            },
            "tokenizer": {"scheme": SCHEME, "file": None, "sha256": None},
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy`: emotion, gesture and gaze all right, also where it makes no gesture for doubt; and each head's."""
        rows = _rows(dataset, "heldout")[:limit]
        right = sure = 0
        each = dict.fromkeys(HEADS, 0)
        for text, choice in rows:
            answer = specialist.run({"text": text})
            right += all(answer[head] == choice[head] for head in SCORED)
            sure += not answer["unsure"]
            for head in HEADS:
                each[head] += answer[head] == choice[head]
        count = max(1, len(rows))
        figures = {"accuracy": right / count, "answered": sure / count, "rows": float(len(rows))}
        return figures | {head: hits / count for head, hits in each.items()}

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out texts first, then those of train, the first one with a rig; see `Student.golden`."""
        rows = [*_rows(dataset, "heldout"), *_rows(dataset, "train")]
        requests: list[Json] = [{"text": text} for text in dict.fromkeys(text for text, _ in rows)]
        return [{**request, "rig": _GOLDEN_RIG} if at == 0 else request for at, request in enumerate(requests[:count])]


def _network(run: Path, config: AvatarConfig) -> HeadsNet:
    model = HeadsNet(config.shape, config.features.buckets + 1)
    load_weights(run, model)
    return model


def load_config(run: Path) -> AvatarConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        features = Features(**raw.pop("features"))  # type: ignore[arg-type]
        given = cast("dict[str, object]", raw.pop("platt", {}))
        platt = {head: checked_platt(pair) for head, pair in given.items()}
        return AvatarConfig(features=features, platt=platt, **raw)  # type: ignore[arg-type]
    except (OSError, BadRequest, BundleError, KeyError, TypeError, AttributeError):
        raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.") from None


def _rows(dataset: Path, split: str) -> list[tuple[str, dict[str, str]]]:
    try:
        return [_pair(row) for row in open_dataset(dataset).rows(split)]
    except KeyError as cause:
        raise DataError(f"The dataset has a row without {cause}; its task isn't avatar.") from None


def _pair(row: Row | Example) -> tuple[str, dict[str, str]]:
    return str(row.input["text"]), {head: str(row.output[head]) for head in HEADS}


def _baselines(rows: list[tuple[str, dict[str, str]]], heldout: list[tuple[str, dict[str, str]]]) -> dict[str, float]:
    """Of guessing all three choices together: the most frequent one, and naive Bayes over words."""
    if not heldout:
        return {}

    def together(found: list[tuple[str, dict[str, str]]]) -> list[tuple[str, str]]:
        return [(text, " ".join(choice[head] for head in SCORED)) for text, choice in found]

    train, held = together(rows), together(heldout)
    return {
        "majority_baseline": round(majority_accuracy(train, held), 4),
        "naive_bayes_baseline": round(naive_bayes_accuracy(train, held), 4),
    }


STUDENT = AvatarStudent()
