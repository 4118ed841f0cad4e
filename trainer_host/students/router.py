"""The router's student: one head of the text family, and its baselines."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.tasks import Specialist, router
from edge_runtime.tasks.confidence import OPTION, Platt, checked_platt
from edge_runtime.tasks.familiar import FILE, Usual, checked_usual
from edge_runtime.tasks.familiar import OPTION as USUAL
from edge_runtime.tasks.pieces import FILE as PIECES
from edge_runtime.tasks.pieces import SCHEME as WITH_PIECES
from edge_runtime.tasks.pieces import Pieces, file_of, read_pieces
from edge_runtime.tasks.text import SCHEME, Features
from trainer_host.data.curriculum import ordered
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, begins_with
from trainer_host.students.baselines import majority_accuracy, naive_bayes_accuracy
from trainer_host.students.familiar import familiarities, known_of, usual_of
from trainer_host.students.practice import ROWS, STEPS, groups_of, practice
from trainer_host.students.text_heads import (
    SCORES,
    HeadsNet,
    Recipe,
    Shape,
    WithEmbedding,
    encoded,
    planned,
    train_heads,
)
from trainer_host.students.word_vectors import SOURCE, piece_vectors
from trainer_host.training.calibration import Calibration
from trainer_host.training.steps import Steps
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
WIDTH, HIDDEN = 64, 128  # of what practises: more sentences, more meanings


@dataclass(frozen=True)
class RouterConfig:
    """Everything that the network's shape and its answers depend on; saved beside the weights."""

    labels: tuple[str, ...]
    unsure: float
    features: Features
    width: int = 32
    hidden: int = 64
    familiar: float | None = None  # None of a run from before routers knew what is familiar to them
    likely: float | None = None  # the same
    platt: Platt | None = None  # the same
    usual: Usual | None = None  # the same
    pieces: int = 0  # of the vocabulary of pretrained vectors, 0 of a run that doesn't use them

    @property
    def shape(self) -> Shape:
        """The network's shape."""
        return Shape((len(self.labels),), self.features, self.width, self.hidden, self.pieces)


class RouterStudent:
    """See `Student`."""

    task = router.NAME
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
        """Calibrate on models that haven't seen the rows, then train on all of them; see `Student.train`.

        Rows of the built-in teacher are practised around, see `practice`, unless a curriculum orders them. settings: init
        names the run of a router that the last model begins with, whose labels may be fewer. Pretrained vectors of words are
        used where they make unseen rows likelier, and by what begins with a router that uses them.
        """
        base = begins_with(self.task, settings, run)
        started = time.perf_counter()
        rows = _rows(dataset, "train")
        labels = tuple(sorted({label for _, label in rows}))
        if len(labels) < 2:
            raise DataError("The dataset has fewer than two labels; a router needs two or more.")
        opened = open_dataset(dataset)
        more = [] if curriculum else practice(opened, ROWS - len(rows), seed)
        more = [example for example in more if example.output["label"] in labels]
        config = RouterConfig(labels, 0.0, Features(), *((WIDTH, HIDDEN) if more else ()))
        if base is not None:
            before = load_config(base)
            config = replace(config, features=before.features, width=before.width, hidden=before.hidden)
        texts, names = zip(*rows, *((example.input["text"], example.output["label"]) for example in more), strict=True)
        wanted = torch.tensor([[labels.index(name)] for name in names])
        hashes, vectors = piece_vectors() if base is None or before.pieces else (None, None)
        recipe, models = planned(len(texts), seconds, "A router")
        if more:
            recipe = replace(recipe, steps=min(recipe.steps, STEPS))
        total = recipe.steps * models
        groups = groups_of(opened, more)
        taught = train_heads(
            config.shape,
            encoded(texts, config.features, None if hashes is None else Pieces(hashes)),
            wanted,
            names,
            recipe,
            seed,
            lambda step, loss: on_progress(step / total, {"loss": round(loss, 4)}),
            ordered(list(opened.rows("train"))) if curriculum else None,
            groups,
            None if base is None else _start(base, labels, seed),
            Steps(work),
            vectors,
        )
        model, [found] = taught.model, taught.found
        save_weights(run, model)
        energy = np.logaddexp.reduce(taught.logits[0], axis=1)
        usual, least = usual_of(familiarities(texts, names, groups, seed), energy, taught.left)
        write_atomic(run / FILE, known_of(texts, names).tobytes())
        if hashes is not None and model.scores is not None:
            write_atomic(run / PIECES, file_of(hashes))
            config = replace(config, pieces=len(hashes))
        config = replace(
            config, unsure=found.threshold, familiar=least, likely=found.likely, platt=found.platt, usual=usual
        )
        _save_config(run, config)
        figures = _figures(model, found, recipe, rows, dataset) | {"practised": float(len(more))}
        return TrainReport(time.perf_counter() - started, figures)

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """The network and one empty text; see `Student.module`."""
        config = load_config(run)
        model = HeadsNet(config.shape, config.features.buckets + 1)
        load_weights(run, model)
        example = encoded(["one two three"], config.features, _pieces(run, config))
        names = ModelIO([router.INPUT], [router.OUTPUT, router.VECTOR, router.ENERGY])
        return WithEmbedding(model).eval(), (example,), names

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Texts of train, mixed by a hash; see `Student.calibration`."""
        config = load_config(run)
        pieces = _pieces(run, config)
        for text, _ in _mixed(_rows(dataset, "train"))[:limit]:
            yield {router.INPUT: encoded([text], config.features, pieces).numpy()}

    def assets(self, run: Path) -> dict[str, Path]:
        """Which words are familiar, and the pieces' hashes; other features are hashed into rows at once."""
        config = load_config(run)
        return ({} if config.familiar is None else {FILE: run / FILE}) | (
            {PIECES: run / PIECES} if config.pieces else {}
        )

    def manifest_fields(self, run: Path) -> Json:
        """Labels, the threshold and the features; see `Student.manifest_fields`."""
        config = load_config(run)
        words = (
            {"scheme": WITH_PIECES, "file": PIECES, "sha256": hashlib.sha256((run / PIECES).read_bytes()).hexdigest()}
            if config.pieces
            else {"scheme": SCHEME, "file": None, "sha256": None}
        )
        return {
            "labels": list(config.labels),
            "thresholds": {
                "unsure": config.unsure,
                **({} if config.familiar is None else {"familiar": config.familiar}),
                **({} if config.likely is None else {"likely": config.likely}),
            },
            "options": {
                "features": asdict(config.features),
                **({} if config.platt is None else {OPTION: list(config.platt)}),
                **({} if config.usual is None else {USUAL: _lists(config.usual)}),
                **({"vectors": SOURCE} if config.pieces else {}),
            },
            "tokenizer": words,
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy` over all, `answered` (the share that is sure), `accuracy_answered` among those, and `covered`: how
        often the right label is among the likely ones.
        """
        rows = _rows(dataset, "heldout")[:limit]
        right = sure = right_sure = covered = 0
        for text, label in rows:
            answer = specialist.run({"text": text})
            hit = answer["label"] == label
            right += hit
            sure += not answer["unsure"]
            right_sure += hit and not answer["unsure"]
            covered += label in cast("list[str]", answer.get("likely", []))
        return {
            "accuracy": right / len(rows),
            "answered": sure / len(rows),
            "accuracy_answered": right_sure / sure if sure else 0.0,
            "covered": covered / len(rows),
            "rows": len(rows),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out texts first, then those of train; see `Student.golden`."""
        rows = _mixed(_rows(dataset, "heldout")) + _mixed(_rows(dataset, "train"))
        return [{"text": text} for text, _ in rows[:count]]


def load_config(run: Path) -> RouterConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        features = Features(**raw.pop("features"))  # type: ignore[arg-type]
        labels: tuple[str, ...] = tuple(raw.pop("labels"))  # type: ignore[arg-type]
        given = raw.pop("platt", None)
        platt = None if given is None else checked_platt(given)
        kept = raw.pop("usual", None)
        usual = None if kept is None else checked_usual(kept)
        return RouterConfig(labels=labels, features=features, platt=platt, usual=usual, **raw)  # type: ignore[arg-type]
    except (OSError, BadRequest, BundleError, KeyError, TypeError):
        raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.") from None


def _save_config(run: Path, config: RouterConfig) -> None:
    usual = None if config.usual is None else _lists(config.usual)
    write_atomic(run / CONFIG, strict_json.dumps({**asdict(replace(config, usual=None)), "usual": usual}))


def _lists(usual: Usual) -> Json:
    return {"words": list(usual.words), "energy": list(usual.energy), "least": usual.least}


def _pieces(run: Path, config: RouterConfig) -> Pieces | None:
    return read_pieces(run / PIECES) if config.pieces else None


def _start(base: Path, labels: tuple[str, ...], seed: int) -> HeadsNet:
    """Another router's network for these labels: what it knows of those that both have, chance for the others.

    Its pieces' scores are there where the labels are the same; others are learnt anew.
    """
    config = load_config(base)
    old = HeadsNet(config.shape, config.features.buckets + 1)
    load_weights(base, old)
    if labels == config.labels:
        return old
    torch.manual_seed(seed)
    new = HeadsNet(replace(config, labels=labels, pieces=0).shape, config.features.buckets + 1)
    state = old.state_dict() | {f"out.{part}": new.state_dict()[f"out.{part}"] for part in ("weight", "bias")}
    for at, label in enumerate(labels):
        if label in config.labels:
            for part in ("weight", "bias"):
                state[f"out.{part}"][at] = old.state_dict()[f"out.{part}"][config.labels.index(label)]
    new.load_state_dict({name: value for name, value in state.items() if name not in SCORES})
    return new


def _rows(dataset: Path, split: str) -> list[tuple[str, str]]:
    def pair(row: Row) -> tuple[str, str]:
        return str(row.input["text"]), str(row.output["label"])

    try:
        return [pair(row) for row in open_dataset(dataset).rows(split)]
    except KeyError as cause:
        raise DataError(f"The dataset has a row without {cause}; its task isn't router.") from None


def _mixed(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(rows, key=lambda row: hashlib.sha256(row[0].encode()).digest())


def _figures(
    model: HeadsNet, found: Calibration, recipe: Recipe, rows: list[tuple[str, str]], dataset: Path
) -> dict[str, float]:
    heldout = _rows(dataset, "heldout")
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": recipe.steps,
        "temperature": round(found.temperature, 4),
        "unsure_below": found.threshold,
        "validation_accuracy": round(found.accuracy, 4),
        "validation_answered": round(found.coverage, 4),
        "validation_precision": round(found.precision, 4),
        "covered_error": round(found.covered_error, 4),
        "majority_baseline": round(majority_accuracy(rows, heldout), 4),
        "naive_bayes_baseline": round(naive_bayes_accuracy(rows, heldout), 4),
    }


STUDENT = RouterStudent()
