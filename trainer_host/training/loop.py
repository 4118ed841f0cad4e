"""The training of a language student: a plain loop in PyTorch, whose result depends on rows, settings and seed alone.

Run by `torchrun` it works in several processes, see `trainer_host.training.distributed`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from trainer_host.errors import DataError, TrainerError
from trainer_host.students.language.data import Batch, Draws, Encoded, Mixture, Packer, digest, in_order
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.settings import ADAMW, MUON, OPTIMIZERS
from trainer_host.training import checkpoints
from trainer_host.training.checkpoints import Checkpoint, Policy
from trainer_host.training.determinism import prepare
from trainer_host.training.devices import CACHED_PLACES, device_for, places_at_once, precision_for
from trainer_host.training.distil import Soft
from trainer_host.training.gradients import Gradients, LocalGradients, LossModule, Micro
from trainer_host.training.optimizers import optimizer_for
from trainer_host.training.pausing import Pausing, TrainingPaused
from trainer_host.training.ranks import share_of
from trainer_host.training.schedule import Schedule

Json = dict[str, object]
OnProgress = Callable[[float, dict[str, float]], None]

_SKIPPED = 16  # steps in a row without a finite gradient, at ever smaller scales of float16, are no accident
_GROW = 1000  # steps until float16's scale is tried twice as large


class TrainingStopped(TrainerError):
    """A training can't go on; its last checkpoint is kept."""

    exit_code = 1


@dataclass(frozen=True)
class TrainSettings:
    """Everything that a training depends on but its rows and the model that it begins with.

    rows: packed rows per step, over all processes. length: places per row (default: the model's context).
    micro: rows handled at once (default: as many as the device has room for). optimizer: see `optimizers`. rate: the highest. decay: of matrices alone.
    precision: auto is bfloat16 or float16 where a GPU has them, else float32. examine_every: steps between looks at
    the held-out rows; patience: looks without a gain that end the training. save_every: steps between checkpoints.
    workers: threads on a processor (default: its cores); they change nothing but the time.
    """

    steps: int
    rows: int = 16
    length: int | None = None
    micro: int | None = None
    optimizer: str = ADAMW
    rate: float = 1e-3
    decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = 1e-8
    clip: float = 1.0
    schedule: Schedule = field(default_factory=Schedule)
    mixture: Mixture = field(default_factory=Mixture)
    precision: str = "auto"
    checkpointing: bool = False
    examine_every: int = 50
    examine_rows: int = 256
    patience: int | None = None
    save_every: int = 100
    keep: Policy = field(default_factory=Policy)
    seed: int = 1
    device: str = "auto"
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rows < 1 or self.save_every < 1 or self.examine_every < 1:
            raise DataError("Steps, rows, save_every and examine_every must be 1 or more.")
        if self.optimizer not in OPTIMIZERS:
            raise DataError(f"There is no optimizer '{self.optimizer[:20]}'; there are {' and '.join(OPTIMIZERS)}.")
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise DataError(f"There is no precision '{self.precision[:20]}'; there are auto, fp32, bf16 and fp16.")

    def recipe(self) -> Json:
        """What the result depends on; a checkpoint made with another one isn't continued."""
        left_out = ("workers", "keep", "save_every")
        return {key: value for key, value in asdict(self).items() if key not in left_out}


@dataclass(frozen=True)
class Trained:
    """What came of a training; the model holds the weights of `step`, the best one where held-out rows tell.

    loss: of the last step; held_out: at `step`, None without held-out rows; stopped: "done" or "patience".
    tokens: learnt and read ones, without padding; padding: its share of all places; seconds: of this process.
    """

    step: int
    steps: int
    loss: float
    held_out: float | None
    tokens: int
    padding: float
    seconds: float
    stopped: str
    weights: Path

    @property
    def figures(self) -> dict[str, float]:
        """For a report; no times among them."""
        made = {"steps": float(self.steps), "best step": float(self.step), "loss": round(self.loss, 4)}
        if self.held_out is not None:
            made["held-out loss"] = round(self.held_out, 4)
        return made | {"tokens": float(self.tokens), "padding": round(self.padding, 4)}


class Recorder(Protocol):
    """Where the figures of each step go, see `trainer_host.training.runs`."""

    def record(self, step: int, values: dict[str, float]) -> None:
        """Keep what was measured in a step."""


@dataclass
class _Standing:
    """What a checkpoint holds besides tensors."""

    step: int = 0
    tokens: int = 0
    places: int = 0
    worse: int = 0  # looks since the best one
    best: float | None = None
    held_out: float | None = None
    loss: float = math.nan
    scale: float = 1.0
    good: int = 0  # steps since float16's scale changed
    skipped: int = 0


def train_language(
    model: LanguageModel,
    rows: Sequence[Encoded],
    held_out: Sequence[Encoded],
    folder: Path,
    settings: TrainSettings,
    on_progress: OnProgress,
    *,
    old: Sequence[Encoded] = (),
    recorder: Recorder | None = None,
    parallel: str = "ddp",
    soft: Soft | None = None,
) -> Trained:
    """Train `model`, and leave in it the weights that were best.

    folder: keeps the checkpoints; a training that was ended there goes on where it stood, bit for bit. old: rows of
    earlier trainings, of which `settings.mixture.replay` is drawn. parallel: ddp or fsdp, under torchrun. soft: a
    teacher with the same tokenizer, whose probabilities are learnt too; `loss` is that of both then. Told to end by
    SIGTERM, it saves a checkpoint and raises `TrainingPaused`.
    Raises `DataError` for rows that don't fit, `TrainingStopped` for a loss that isn't a number, and `TrainerError`
    where a checkpoint can't be written.
    """
    started = time.perf_counter()
    prepare(settings.seed)
    texts = [*rows, *old]
    _check(model, texts)
    length = min(settings.length or model.config.context, model.config.context)
    packer = Packer(texts, Draws(rows, old, settings.mixture, settings.seed), settings.rows, length)
    device = device_for(settings.device)
    precision = precision_for(settings.precision, device)
    model.to(device).train()
    model.checkpointing = settings.checkpointing
    places = places_at_once(model.config, device)
    micro = settings.micro or share_of(settings.rows, max(1, places // length))
    address = _address(model, rows, old, settings, soft)
    gradients = _gradients(model, settings, device, precision, parallel, soft)
    pausing = Pausing()
    try:
        optimiser = optimizer_for(model, settings)
        standing = _Standing(scale=65536.0 if precision == torch.float16 else 1.0)
        found = checkpoints.load(folder)
        if found is not None:
            standing = _resume(found, gradients, optimiser, packer, address)
        enough = settings.patience is not None and standing.worse >= settings.patience
        stopped = "patience" if enough else "done"  # one that had ended isn't begun again
        while not enough and standing.step < settings.steps:
            share = standing.step / settings.steps
            batch = packer.next(share)
            values = _step(batch, micro, gradients, optimiser, settings, standing, device, precision)
            standing.step += 1
            last = standing.step == settings.steps
            if held_out and (last or standing.step % settings.examine_every == 0):
                standing.held_out = examine(
                    gradients.loss, held_out[: settings.examine_rows], length, device, precision, places
                )
                values["held_out"] = standing.held_out
                better = standing.best is None or standing.held_out < standing.best
                standing.worse = 0 if better else standing.worse + 1
                standing.best = standing.held_out if better else standing.best
                if settings.patience is not None and standing.worse >= settings.patience:
                    stopped = "patience"
            end = last or stopped != "done"
            # A look that is the best so far must be kept, or "best" would mean the best of those that happened to be.
            best = "held_out" in values and standing.worse == 0
            paused = pausing.asked
            if end or best or paused or standing.step % settings.save_every == 0:
                fresh = standing.held_out if "held_out" in values else None
                _save(folder, gradients, optimiser, packer, standing, settings, address, fresh)
            if gradients.rank == 0:
                if recorder is not None:
                    recorder.record(standing.step, values)
                on_progress(standing.step / settings.steps, values)
            if end:
                break
            if paused:
                raise TrainingPaused(standing.step)
        chosen = (checkpoints.best(folder) if settings.keep.best else None) or checkpoints.load(folder)
        assert chosen is not None  # the last step was saved
        gradients.put(checkpoints.read_tensors(chosen.folder / checkpoints.WEIGHTS))
    finally:
        pausing.close()
        gradients.close()
    return Trained(
        chosen.step,
        standing.step,
        standing.loss,
        chosen.loss,
        standing.tokens,
        1 - standing.tokens / max(1, standing.places),
        time.perf_counter() - started,
        stopped,
        chosen.folder / checkpoints.WEIGHTS,
    )


def examine(
    loss: torch.nn.Module,
    rows: Sequence[Encoded],
    length: int,
    device: torch.device,
    precision: torch.dtype,
    places: int = CACHED_PLACES,
) -> float:
    """Mean loss in nats over the tokens to learn of all rows, `places` at once, without training on them."""
    total, count = 0.0, 0
    training = loss.training
    loss.eval()
    with torch.no_grad(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
        for batch in in_order(rows, max(1, places // length), length):
            part = Micro.of(batch, slice(None), device)
            if len(part.targets):
                total += float(loss(part))
                count += len(part.targets)
    loss.train(training)
    return total / max(1, count)


def _step(
    batch: Batch,
    micro: int,
    gradients: Gradients,
    optimiser: torch.optim.Optimizer,
    settings: TrainSettings,
    standing: _Standing,
    device: torch.device,
    precision: torch.dtype,
) -> dict[str, float]:
    """One step; changes nothing where the loss isn't a number."""
    begun = time.perf_counter()
    count = int(batch.learn.sum())
    parts = [Micro.of(batch, slice(start, start + micro), device) for start in range(0, len(batch.tokens), micro)]
    loss = gradients.compute(parts, standing.scale / max(1, count)) / max(1, count)
    if not math.isfinite(loss):
        raise TrainingStopped(_not_a_number(standing, batch, loss))
    rate = settings.rate * settings.schedule.factor(standing.step, settings.steps)
    for group in optimiser.param_groups:
        group["lr"] = rate
    scaled = precision == torch.float16  # it has no number below 6e-8, so small gradients would be lost
    if scaled:
        torch._foreach_div_([p.grad for p in gradients.parameters if p.grad is not None], standing.scale)
    norm = gradients.clip(settings.clip)
    if math.isfinite(norm):
        optimiser.step()
        standing.good, standing.skipped = standing.good + 1, 0
        if scaled and standing.good >= _GROW:
            standing.scale, standing.good = standing.scale * 2, 0
    else:
        standing.skipped += 1
        if not scaled or standing.skipped > _SKIPPED:
            raise TrainingStopped(_not_a_number(standing, batch, norm))
        standing.scale, standing.good = standing.scale / 2, 0
    optimiser.zero_grad(set_to_none=True)
    tokens = int((batch.segments > 0).sum())
    standing.tokens, standing.places, standing.loss = (
        standing.tokens + tokens,
        standing.places + batch.segments.size,
        loss,
    )
    seconds = time.perf_counter() - begun
    return {"loss": loss, "rate": rate, "norm": norm, "tokens_per_second": tokens / seconds}


def _not_a_number(standing: _Standing, batch: Batch, value: float) -> str:
    numbers = sorted({number + 1 for number in batch.members})
    some = ", ".join(map(str, numbers[:12])) + (f" and {len(numbers) - 12} more" if len(numbers) > 12 else "")
    return (
        f"The loss became {value:g} in step {standing.step + 1}, whose rows were {some}; the checkpoint before it is "
        "kept. Look at these rows, or train with a lower rate."
    )


def _check(model: LanguageModel, texts: Sequence[Encoded]) -> None:
    if not texts:
        raise DataError("There are no rows to learn from; add rows to the dataset.")
    for number, text in enumerate(texts, 1):
        if len(text.ids) and int(text.ids.max()) >= model.config.vocabulary:
            raise DataError(
                f"Row {number} has the token {int(text.ids.max())}, and the model knows {model.config.vocabulary}: "
                "the tokenizer doesn't belong to this model; use the one that lies beside its weights."
            )


def _gradients(
    model: LanguageModel,
    settings: TrainSettings,
    device: torch.device,
    precision: torch.dtype,
    parallel: str,
    soft: Soft | None,
) -> Gradients:
    if soft is not None:
        soft.model.to(device).eval()
    if "RANK" in os.environ:
        from trainer_host.training.distributed import RankGradients

        if parallel == "fsdp" and settings.optimizer == MUON:
            raise DataError("Muon needs whole matrices, which fsdp shares out; train with adamw there.")
        return RankGradients(LossModule(model, soft), device, precision, parallel)
    return LocalGradients(LossModule(model, soft), device, precision, settings.workers or os.cpu_count() or 1)


def _address(
    model: LanguageModel,
    rows: Sequence[Encoded],
    old: Sequence[Encoded],
    settings: TrainSettings,
    soft: Soft | None,
) -> dict[str, str]:
    taught = {"teacher": [soft.address, soft.share, soft.temperature]} if soft is not None else {}
    recipe = json.dumps(settings.recipe() | taught, sort_keys=True)
    shape = json.dumps(model.config.to_json(), sort_keys=True)
    return {
        "model": hashlib.sha256(shape.encode()).hexdigest(),
        "settings": hashlib.sha256(recipe.encode()).hexdigest(),
        "rows": digest([*rows, *old]),
    }


def _save(
    folder: Path,
    gradients: Gradients,
    optimiser: torch.optim.Optimizer,
    packer: Packer,
    standing: _Standing,
    settings: TrainSettings,
    address: dict[str, str],
    loss: float | None,
) -> None:
    meta = {
        "loss": loss,
        "standing": {key: value for key, value in asdict(standing).items() if value == value},
        "sampler": packer.state,
        "address": address,
        "settings": settings.recipe(),
    }
    gradients.save(folder, standing.step, optimiser, meta, settings.keep)


def _resume(
    found: Checkpoint, gradients: Gradients, optimiser: torch.optim.Optimizer, packer: Packer, address: dict[str, str]
) -> _Standing:
    meta = found.meta
    before = meta.get("address")
    for part, what in (("model", "another shape of the model"), ("rows", "other rows"), ("settings", "other settings")):
        if not isinstance(before, dict) or before.get(part) != address[part]:
            raise DataError(f"The checkpoints in {found.folder.parent} were made with {what}; start a new run.")
    sampler, standing = meta.get("sampler"), meta.get("standing")
    if not isinstance(sampler, dict) or not isinstance(standing, dict):
        raise DataError(f"The checkpoint {found.folder} is damaged; go back with 'enigma runs undo'.")
    packer.restore(sampler)
    gradients.restore(found, optimiser)
    return _Standing(**standing)
