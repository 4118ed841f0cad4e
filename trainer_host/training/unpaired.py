"""Tuning on single answers that people found good or bad: Kahneman-Tversky optimisation (KTO, arXiv 2402.01306).

No second answer to the same question is needed, as a thumb is about one. The loss is ours and equals TRL's (a test
compares them), for the reasons that `preference` gives.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer_host.errors import DataError
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.preference import (
    Text,
    apply_step,
    drift,
    log_probabilities,
    optimizer_for,
    padded,
    state_of,
)

OnStep = Callable[[int, dict[str, float]], None]  # called with the step (from 1) and its figures
LEAST = 8
MOST_WEIGHT = 10.0  # of the rarer kind; above it a handful of answers would decide all


@dataclass(frozen=True)
class Judged:
    """Tokens of a prompt, and of an answer with its end mark, that somebody found good or bad."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    good: bool


@dataclass(frozen=True)
class KtoSettings:
    """As `DpoSettings`. Both kinds count as much as each other, however many there are of each (section 4.2).

    keep: weight of the good answers' own likelihood: a bad answer's right words would be unlearned with the rest of it.
    """

    epochs: int = 1
    batch: int = 8
    rate: float = 1e-4
    beta: float = 0.1
    keep: float = 0.0
    most_drift: float = 1.0
    check_every: int = 25
    seed: int = 1


@dataclass(frozen=True)
class KtoReport:
    """On held-out answers: the share of good ones that grew likelier, of bad ones that did less than those of others.

    margin: mean growth of good answers less that of bad ones (nats; 0 where one kind is missing). drift: as `DpoReport`.
    """

    steps: int
    loss: float
    agreed: float
    margin: float
    drift: float
    stopped: bool


def kto_loss(
    gained: Tensor, good: Tensor, kl: Tensor, beta: float, weights: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """The loss of each answer, [answers]: equation 7 of the paper, less its constant.

    gained: by how much the log-probability grew since the start; good: bool [answers]; kl: the reference point, a
    number; weights: of good and of bad answers.
    """
    value = torch.sigmoid(beta * torch.where(good, gained - kl, kl - gained))
    return torch.where(good, weights[0], weights[1]) * (1 - value)


def tune_kto(
    model: LanguageModel,
    judged: Sequence[Judged],
    held_out: Sequence[Judged],
    settings: KtoSettings = KtoSettings(),
    on_step: OnStep | None = None,
) -> KtoReport:
    """Train the model's trainable weights in place; examined on `held_out`, which it never learns from.

    Raises `DataError` for too few answers, for none that is good, for one longer than the context, and where the loss
    isn't a number (then the weights are those before that step).
    """
    if len(judged) < LEAST or not held_out:
        raise DataError(
            f"There are {len(judged)} answers and {len(held_out)} held out; give {LEAST} and one at the least."
        )
    good = sum(one.good for one in judged)
    if not good:
        raise DataError("No answer is a good one, so nothing says what to write instead; give some that are.")
    for number, one in enumerate((*judged, *held_out), 1):
        if (length := len(one.prompt) + len(one.answer)) > model.config.context:
            raise DataError(
                f"Answer {number} has {length} tokens, more than the context of {model.config.context}; shorten it."
            )
    bad = len(judged) - good
    weights = (min(MOST_WEIGHT, max(1.0, bad / good)), min(MOST_WEIGHT, max(1.0, good / max(1, bad))))
    first = copy.deepcopy(model).eval().requires_grad_(False)
    rng = random.Random(settings.seed)
    optimizer = optimizer_for(model, settings.rate)
    per_epoch = math.ceil(len(judged) / settings.batch)
    steps, step, loss_now, stopped = settings.epochs * per_epoch, 0, math.nan, False
    known = [(one.prompt, one.answer) for one in held_out if one.good] or [(one.prompt, one.answer) for one in judged]
    kept = state_of(model)
    model.train()
    while step < steps and not stopped:
        if step % per_epoch == 0:
            order = rng.sample(range(len(judged)), len(judged))
        # Batches of nearly the same size: the reference point of a single answer would be its own gain.
        batch = [judged[place] for place in order[step % per_epoch :: per_epoch]]
        gained, kl, own = _gained(model, first, batch)
        labels = torch.tensor([one.good for one in batch], device=gained.device)
        loss = kto_loss(gained, labels, kl, settings.beta, weights).mean()
        if settings.keep and bool(labels.any()):
            loss = loss - settings.keep * own[labels].mean()
        step += 1
        apply_step(optimizer, loss, step, steps, settings.rate)
        loss_now = float(loss.detach())
        if on_step is not None:
            on_step(step, {"loss": loss_now, "kl": float(kl)})
        if step % settings.check_every and step != steps:
            continue
        if drift(model, first, known) > settings.most_drift:
            model.load_state_dict(kept)
            stopped = True
        else:
            kept = state_of(model)
    model.eval()
    with torch.no_grad():
        gained, kl, _ = _gained(model, first, held_out)
    labels = torch.tensor([one.good for one in held_out], device=gained.device)
    agreed = float(torch.where(labels, gained > kl, gained < kl).float().mean())
    kinds = [gained[labels], gained[~labels]]
    margin = float(kinds[0].mean() - kinds[1].mean()) if all(len(kind) for kind in kinds) else 0.0
    return KtoReport(step, loss_now, agreed, margin, drift(model, first, known), stopped)


def _gained(model: LanguageModel, first: LanguageModel, batch: Sequence[Judged]) -> tuple[Tensor, Tensor, Tensor]:
    """Growth of each answer's log-probability, [answers]; the reference point; the mean log-probability of a token, [answers].

    The point is the mean growth of answers that belong to other prompts of the batch, never below 0, without a gradient
    (section 4.1). A single answer has the point 0.
    """
    device = next(model.parameters()).device
    texts: list[Text] = [(one.prompt, one.answer) for one in batch]
    tokens, mask = padded(texts, device)
    now = log_probabilities(model, tokens, mask)
    with torch.no_grad():
        before = log_probabilities(first, tokens, mask)
    gained, own = (now - before).sum(1), now.sum(1) / mask[:, 1:].sum(1)
    if len(batch) == 1:
        return gained, torch.zeros((), device=device), own
    context = model.config.context
    others: list[Text] = []
    for place, one in enumerate(batch):
        answer = batch[place - 1].answer
        others.append((one.prompt, answer[: max(1, context - len(one.prompt))]))
    tokens, mask = padded(others, device)
    with torch.no_grad():
        moved = log_probabilities(model, tokens, mask) - log_probabilities(first, tokens, mask)
    return gained, moved.sum(1).mean().clamp(min=0.0), own
