"""Preference tuning: direct preference optimisation (DPO, arXiv 2305.18290) on pairs of a better and a worse answer.

The loss is ours, some lines, and equals TRL's (a test compares them). TRL's trainer would need a copy of the model as a
transformers model, its tokenizer and its data as theirs, with our masks, schedules and adapters made a second time.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from edge_runtime.language.template import Template, encode_chat
from edge_runtime.language.tokenizer import Tokenizer
from trainer_host.errors import DataError
from trainer_host.students.language.model import LanguageModel

Json = Mapping[str, object]
OnStep = Callable[[int, dict[str, float]], None]  # called with the step (from 1) and its figures
Text = tuple[Sequence[int], Sequence[int]]  # the tokens of a prompt and of an answer
LEAST_PAIRS = 8


@dataclass(frozen=True)
class Pair:
    """Tokens of a prompt, of the answer that is preferred, and of the other; each answer with its end mark."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True)
class DpoSettings:
    """beta: how dear it is to leave the model that it began as. smoothing: the share of pairs that may be labelled wrongly
    (conservative DPO). keep: weight of the chosen answers' own likelihood (arXiv 2404.19733), against both answers growing
    unlikely. most_drift: nats per token of an answer; a model that went further away than this is taken back, and training
    ends. rate: highest learning rate, after a tenth of the steps; then it falls to nothing.
    """

    epochs: int = 1
    batch: int = 8
    rate: float = 1e-4
    beta: float = 0.1
    smoothing: float = 0.0
    keep: float = 0.0
    most_drift: float = 1.0
    check_every: int = 25
    seed: int = 1


@dataclass(frozen=True)
class DpoReport:
    """On held-out pairs: the share whose chosen answer gained more than the other, by how much (nats), the drift.

    drift: KL(model now || at first), nats per token of the chosen answers. stopped: whether `most_drift` ended it.
    """

    steps: int
    loss: float
    preferred: float
    margin: float
    drift: float
    stopped: bool


def encode_pair(
    tokenizer: Tokenizer,
    template: Template,
    messages: Sequence[Json],
    chosen: str,
    rejected: str,
    *,
    task: str | None = None,
    tools: Sequence[Json] = (),
) -> Pair:
    """A preference as tokens, by the template that the device uses; raises `DataError` for equal answers.

    What comes behind the end mark is left out: the model never writes it.
    """
    opened, better = encode_answer(tokenizer, template, messages, chosen, task=task, tools=tools)
    _, worse = encode_answer(tokenizer, template, messages, rejected, task=task, tools=tools)
    if better == worse:
        raise DataError("The better answer and the worse one are the same; leave the pair out.")
    return Pair(opened, better, worse)


def encode_answer(
    tokenizer: Tokenizer,
    template: Template,
    messages: Sequence[Json],
    text: str,
    *,
    task: str | None = None,
    tools: Sequence[Json] = (),
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A conversation and an answer to it as tokens, by the template that the device uses; see `encode_pair`."""
    opened = tuple(encode_chat(tokenizer, template, messages, task=task, tools=tools, answering=True)[0])
    whole = [*messages, {"role": "assistant", "content": text}]
    ids, mask = encode_chat(tokenizer, template, whole, task=task, tools=tools, answering=False)
    if tuple(ids[: len(opened)]) != opened:
        raise DataError("The chat template writes an answer otherwise than it opens one; make the template again.")
    last = max(place for place, learn in enumerate(mask) if learn)
    return opened, tuple(ids[len(opened) : last + 1])


def padded(texts: Sequence[Text], device: torch.device) -> tuple[Tensor, Tensor]:
    """Prompts with answers as int64 [rows, longest] and the mask of the answers' tokens; padding (0) stands behind."""
    longest = max(len(prompt) + len(answer) for prompt, answer in texts)
    tokens = torch.zeros(len(texts), longest, dtype=torch.int64)
    mask = torch.zeros(len(texts), longest, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(texts):
        whole = [*prompt, *answer]
        tokens[row, : len(whole)] = torch.tensor(whole)
        mask[row, len(prompt) : len(whole)] = True
    return tokens.to(device), mask.to(device)


def log_probabilities(model: LanguageModel, tokens: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probability of each token, float32 [rows, length - 1], that of token t at t - 1; 0 outside the mask."""
    logits = model(tokens[:, :-1]) / temperature
    found = torch.log_softmax(logits, -1).gather(-1, tokens[:, 1:, None])[..., 0]
    return torch.where(mask[:, 1:], found, 0.0)


def dpo_loss(chosen: Tensor, rejected: Tensor, beta: float, smoothing: float = 0.0) -> Tensor:
    """The loss of each pair, [pairs].

    chosen, rejected: by how much the answers' log-probabilities grew since the start (equation 7 of the paper).
    """
    margins = beta * (chosen - rejected)
    return -(1 - smoothing) * F.logsigmoid(margins) - smoothing * F.logsigmoid(-margins)


def tune_dpo(
    model: LanguageModel,
    pairs: Sequence[Pair],
    held_out: Sequence[Pair],
    settings: DpoSettings = DpoSettings(),
    on_step: OnStep | None = None,
) -> DpoReport:
    """Train the model's trainable weights in place; examined on `held_out`, which it never learns from.

    Raises `DataError` for too few pairs, for one longer than the context, and where the loss isn't a number (then the
    weights are those before that step).
    """
    if len(pairs) < LEAST_PAIRS or not held_out:
        raise DataError(
            f"There are {len(pairs)} pairs and {len(held_out)} held out; give {LEAST_PAIRS} and one at the least."
        )
    for number, pair in enumerate((*pairs, *held_out), 1):
        length = len(pair.prompt) + max(len(pair.chosen), len(pair.rejected))
        if length > model.config.context:
            raise DataError(
                f"Pair {number} has {length} tokens, more than the context of {model.config.context}; shorten it."
            )
    first = copy.deepcopy(model).eval().requires_grad_(False)
    kept = [(pair.prompt, pair.chosen) for pair in held_out]
    rng = random.Random(settings.seed)
    optimizer = optimizer_for(model, settings.rate)
    steps = settings.epochs * math.ceil(len(pairs) / settings.batch)
    step, loss_now, stopped = 0, math.nan, False
    good = state_of(model)
    model.train()
    for _ in range(settings.epochs):
        order = rng.sample(range(len(pairs)), len(pairs))
        for start in range(0, len(pairs), settings.batch):
            batch = [pairs[place] for place in order[start : start + settings.batch]]
            chosen, rejected, own = _gains(model, first, batch)
            loss = dpo_loss(chosen, rejected, settings.beta, settings.smoothing).mean()
            if settings.keep:
                loss = loss - settings.keep * own.mean()
            step += 1
            apply_step(optimizer, loss, step, steps, settings.rate)
            loss_now = float(loss.detach())
            if on_step is not None:
                on_step(step, {"loss": loss_now, "margin": float((chosen - rejected).detach().mean())})
            if step % settings.check_every and step != steps:
                continue
            if drift(model, first, kept) > settings.most_drift:
                model.load_state_dict(good)
                stopped = True
                break
            good = state_of(model)
        if stopped:
            break
    model.eval()
    with torch.no_grad():
        chosen, rejected, _ = _gains(model, first, held_out)
    margins = chosen - rejected
    preferred = float((margins > 0).float().mean())
    return DpoReport(step, loss_now, preferred, float(margins.mean()), drift(model, first, kept), stopped)


@torch.no_grad()
def drift(model: LanguageModel, first: LanguageModel, texts: Sequence[Text], limit: int = 64) -> float:
    """Mean KL(model || first) over the tokens of the answers, in nats."""
    device = next(model.parameters()).device
    tokens, mask = padded(texts[:limit], device)
    now, before = (torch.log_softmax(one(tokens[:, :-1]), -1)[mask[:, 1:]] for one in (model, first))
    return float((now.exp() * (now - before)).sum(-1).mean())


def optimizer_for(model: LanguageModel, rate: float) -> torch.optim.Optimizer:
    """AdamW over what is trainable, without decay: tuning shall not pull weights to nothing."""
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    if not trainable:
        raise DataError("The model has no trainable weights; add an adapter (--lora) or train it fully.")
    return torch.optim.AdamW(trainable, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)


def apply_step(optimizer: torch.optim.Optimizer, loss: Tensor, step: int, steps: int, rate: float) -> None:
    """One step at the rate of this place in the schedule; gradients are clipped to a norm of 1.

    Raises `DataError` where the loss isn't a number; the weights are then those of the step before.
    """
    if not bool(torch.isfinite(loss.detach())):
        raise DataError(
            f"The loss of step {step} isn't a number; the weights are kept as before it. Train with a lower rate."
        )
    warm = max(1, steps // 10)
    share = step / warm if step <= warm else max(0.0, (steps - step) / max(1, steps - warm))
    for group in optimizer.param_groups:
        group["lr"] = rate * share
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([w for group in optimizer.param_groups for w in group["params"]], 1.0)
    optimizer.step()


def _gains(model: LanguageModel, first: LanguageModel, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor, Tensor]:
    """Growth of the chosen and the rejected answers' log-probabilities, and the mean one of a chosen token: [pairs]."""
    device = next(model.parameters()).device
    texts = [(pair.prompt, pair.chosen) for pair in pairs] + [(pair.prompt, pair.rejected) for pair in pairs]
    tokens, mask = padded(texts, device)
    now = log_probabilities(model, tokens, mask)
    with torch.no_grad():
        before = log_probabilities(first, tokens, mask)
    chosen, rejected = (now - before).sum(1).chunk(2)
    lengths = mask[: len(pairs), 1:].sum(1)
    return chosen, rejected, now[: len(pairs)].sum(1) / lengths


def state_of(model: LanguageModel) -> dict[str, Tensor]:
    """A copy of its weights."""
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}
