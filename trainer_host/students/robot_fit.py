"""Fits the robot's network: Muon for its layers, Adam for its tables and heads, each batch halved between two threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from edge_runtime.tasks.robot import HEADS
from trainer_host.students.robot_data import Arrays, Augmenter
from trainer_host.training.steps import State, Steps

if TYPE_CHECKING:
    from trainer_host.students import OnProgress
    from trainer_host.students.robot_model import RobotNet

BATCH = 192
PADDED = -100  # label of a cell without a word
RARE = {"excluded": 2.0, "begin": 1.5}  # weight of a rare label against its opposite
WORKERS = 2  # part of the result: the halves of a batch draw their own chance
_MUON_RATE, _ADAM_RATE = 0.02, 4e-3
_WARM = 0.05  # of all steps; from then on the rates fall to nothing in a line
_MOMENTUM, _DECAY = 0.95, 0.01
_ROUNDS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024, "Muon"


def fit(
    net: RobotNet,
    arrays: Arrays,
    vocabulary: list[str],
    seed: int,
    epochs: int,
    on_progress: OnProgress,
    rates: float = 1.0,
    steps: Steps | None = None,
) -> float:
    """Train `net` in place; returns the last epoch's mean loss. rates: share of the usual ones. steps: where it keeps
    how far it is.

    A batch is halved between two Python threads with one torch thread each. Torch's own threads wait at a barrier in
    every operator, which on two busy cores cost up to eight times the whole training (docs/log.md, 2026-11-23).
    """
    net.train()
    named = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    parameters = [p for _, p in named]
    layers = [(name, p) for name, p in named if p.ndim > 1 and not name.startswith(("heads", "learned", "ngrams"))]
    inside = {name for name, _ in layers}
    muon = Muon([p for _, p in layers], [3 if "qkv" in name else 1 for name, _ in layers])
    adam = torch.optim.AdamW(
        [p for name, p in named if name not in inside], lr=_ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )
    augment, course = Augmenter(vocabulary, seed), _Course(arrays.lengths, seed)
    count = epochs * course.each
    chances = [torch.Generator().manual_seed(seed * WORKERS + i) for i in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        for step in (steps or Steps(None)).of("sentences", count, net, adam, muon, augment, course, *chances):
            batch = course.next()
            inputs = [_inputs(arrays, part, augment) for part in np.array_split(batch, WORKERS) if len(part)]
            results = list(workers.map(_gradients, [net] * len(inputs), inputs, chances))
            for i, parameter in enumerate(parameters):
                parameter.grad = sum((grads[i] for _, grads in results[1:]), results[0][1][i]) / len(results)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            share = rates * rate(step, count)
            for group in adam.param_groups:
                group["lr"] = _ADAM_RATE * share
            adam.step()
            muon.step(_MUON_RATE * share)
            loss = sum(value for value, _ in results) / len(results)
            course.total += loss
            if (step + 1) % 20 == 0:
                on_progress((step + 1) / count, {"loss": loss})
    mean = course.total / course.each
    on_progress(1.0, {"loss": mean})
    return mean


class _Course:
    """The batches of all epochs, one after the other; total: of the losses of the current epoch."""

    def __init__(self, lengths: np.ndarray, seed: int) -> None:
        self._lengths = lengths
        self._rng = np.random.default_rng(seed)
        self.each = len(batches(lengths, np.random.default_rng(0)))  # batches of an epoch
        self.total = 0.0
        self._open()

    def next(self) -> np.ndarray:
        """The next batch, rows' places."""
        if self._place == len(self._parts):
            self._open()
        self._place += 1
        return self._parts[self._place - 1]

    def _open(self) -> None:
        self._before = self._rng.bit_generator.state
        self._parts = batches(self._lengths, self._rng)
        self._place, self.total = 0, 0.0

    def state_dict(self) -> State:
        """See `Stateful`."""
        return {"before": self._before, "place": self._place, "total": self.total}

    def load_state_dict(self, state: State) -> None:
        """See `Stateful`."""
        self._rng.bit_generator.state = cast(State, state["before"])
        self._open()
        self._place, self.total = cast(int, state["place"]), cast(float, state["total"])


def rate(step: int, steps: int) -> float:
    """Share of the highest rate in a step: it rises, and then falls, in a line each."""
    warm = max(1.0, _WARM * steps)
    return min((step + 1) / warm, (steps - step) / max(1.0, steps - warm), 1.0)


class Muon:
    """Momentum whose steps are made orthogonal (Jordan et al. 2024), in float32: bfloat16 is slow on most processors."""

    def __init__(self, parameters: Sequence[Tensor], stacked: Sequence[int]) -> None:
        """stacked: how many matrices lie above each other in each parameter (queries, keys and values)."""
        self._parameters = list(parameters)
        self._shapes = [(n, p.shape[0] // n, p[0].numel()) for p, n in zip(parameters, stacked, strict=True)]
        self._moments = [torch.zeros_like(p) for p in parameters]
        self._alike: dict[tuple[int, int], list[int]] = {}  # matrices of one shape are multiplied together
        for i, (_, *shape) in enumerate(self._shapes):
            self._alike.setdefault((shape[0], shape[1]), []).append(i)

    def state_dict(self) -> State:
        """See `Stateful`."""
        return {"moments": self._moments}

    def load_state_dict(self, state: State) -> None:
        """See `Stateful`."""
        self._moments = list(cast("list[Tensor]", state["moments"]))

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step by the gradients that the parameters hold."""
        for (rows, columns), places in self._alike.items():
            wanted = []
            for i in places:
                gradient = self._parameters[i].grad
                assert gradient is not None
                self._moments[i].mul_(_MOMENTUM).add_(gradient)
                wanted.append((gradient + _MOMENTUM * self._moments[i]).reshape(self._shapes[i]))
            made = orthogonal(torch.cat(wanted)).split([len(one) for one in wanted])
            for i, one in zip(places, made, strict=True):
                parameter = self._parameters[i]
                parameter.mul_(1 - rate * _DECAY)
                parameter.add_(one.reshape(parameter.shape), alpha=-rate * max(1.0, rows / columns) ** 0.5)


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest matrices with singular values of about one, float [N, rows, columns], by Newton-Schulz rounds."""
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    high = x.shape[-2] > x.shape[-1]
    x = x.mT if high else x
    a, b, c = _QUINTIC
    for _ in range(_ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.mT if high else x


def batches(lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Batches of sentences of about equal length, in random order: padding would cost half of the time."""
    order = rng.permutation(len(lengths))
    made: list[np.ndarray] = []
    pool = BATCH * 20
    for start in range(0, len(order), pool):
        chunk = order[start : start + pool]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        parts = [chunk[i : i + BATCH] for i in range(0, len(chunk), BATCH)]
        made.extend(parts[i] for i in rng.permutation(len(parts)))
    return made


Inputs = tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]


def _inputs(arrays: Arrays, batch: np.ndarray, augment: Augmenter) -> Inputs:
    """Augmented words, n-grams and features of a part of a batch, and its labels, cut to its longest sentence."""
    length = int(arrays.lengths[batch].max())
    tags = arrays.labels["tag"][batch, :length]
    words, ngrams = augment(arrays.words[batch, :length], arrays.ngrams[batch, :length], tags)
    padding = arrays.words[batch, :length] == 0
    labels = {}
    for head in HEADS:
        table = arrays.labels[head][batch, :length].astype(np.int64)
        table[padding] = PADDED
        labels[head] = torch.from_numpy(table.reshape(-1))
    features = torch.from_numpy(arrays.features[batch, :length].astype(np.float32))
    return torch.from_numpy(words), torch.from_numpy(ngrams.astype(np.int32)), features, labels


def _gradients(net: RobotNet, inputs: Inputs, chance: torch.Generator) -> tuple[float, tuple[Tensor, ...]]:
    """Loss of a part of a batch and the gradients of all parameters; writes nothing, so parts may run side by side."""
    words, ngrams, features, labels = inputs
    loss = torch.zeros(())
    for head, scores in zip(HEADS, net(words, ngrams, features, chance), strict=True):
        # Few words are excluded ("except the hall") or begin a clause; missing one turns the sentence round.
        weight = torch.tensor([1.0, RARE[head]]) if head in RARE else None
        loss = loss + cross_entropy(
            scores.flatten(0, 1), labels[head], weight=weight, label_smoothing=0.02, ignore_index=PADDED
        )
    return float(loss.detach()), torch.autograd.grad(loss, [p for p in net.parameters() if p.requires_grad])
