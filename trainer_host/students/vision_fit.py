"""How a network of the task vision is trained: steps planned ahead, each batch in two halves on two threads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer_host.errors import DataError
from trainer_host.students.vision_data import Pictures, Variation, varied
from trainer_host.students.vision_net import Shape
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Part, State, Steps

HALVES = 2  # of a batch, each with its own batch statistics: the result is the same on one core and on many
HELD_BACK = 0.1  # of the rows: temperature and thresholds are chosen on what the network hasn't seen
LEAST_BACK, MOST_BACK = 20, 400
MORE_BACK = 0.02  # of very many rows
# Million multiplications that a second of two cores learns with, forward alone counted (AMD EPYC, 2026). A student plans by
# steps, so that the result doesn't depend on how fast the machine is.
PER_SECOND = 9000
MIN_STEPS, MAX_STEPS = 60, 12000
USUAL_SECONDS = 240.0

Progress = Callable[[int, float], None]
# A replica, pixels, boxes and labels of half a batch -> its mean loss.
Loss = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How it is trained: `steps`, of which the first `tiled` see tiles of `tile` pixels, `tiles` of them at once.

    batch: whole pictures of a step. rate: the highest. tiled_share: of the budget, for the tiles. momentum: of stochastic
    gradient descent, which learns better from very many pictures; without, AdamW. per_second: see `PER_SECOND`. short_floats: whether
    a processor that multiplies bfloat16 quicker does. growing: share of the steps in which whole pictures grow from half
    their side, which spares most of these steps' work.
    """

    steps: int = 0
    tiled: int = 0
    tile: int = 64
    tiles: int = 32
    tiled_share: float = 0.0
    batch: int = 8
    rate: float = 0.004
    decay: float = 0.02
    warm: float = 0.1  # share of the steps in which the rate grows
    momentum: float | None = None
    per_second: float = PER_SECOND
    short_floats: bool = False
    growing: float = 0.0

    def side_at(self, step: int, side: int) -> int:
        """Of the whole pictures that a step sees, in pixels: a multiple of an eighth of `side`, from half of it on."""
        share = 1.0 if not self.growing else min(1.0, step / (self.growing * self.steps))
        return side * (4 + int(4 * share)) // 8


def planned(recipe: Recipe, shape: Shape, cost: float, seconds: float | None, shown: float | None = None) -> Recipe:
    """The recipe with the steps that a budget of seconds allows on two cores, or that show so many pictures.

    cost: multiplications of one whole picture, in millions. Raises `DataError` for a budget that is too short to learn in.
    """
    if seconds is not None and seconds < 1:
        raise DataError("Training takes at least 1 second; give more --seconds.")
    budget = (USUAL_SECONDS if seconds is None else seconds) * recipe.per_second
    most = MAX_STEPS
    if shown is not None:
        budget, most = shown * cost / (1 - recipe.tiled_share), round(shown)
    tile = min(recipe.tile, shape.side)
    tiled = int(budget * recipe.tiled_share / (recipe.tiles * cost * (tile / shape.side) ** 2))
    whole = int(budget * (1 - recipe.tiled_share) / (recipe.batch * cost))
    tiled = min(tiled, most) if recipe.tiled_share else 0
    return replace(recipe, tile=tile, tiled=tiled, steps=tiled + min(max(whole, MIN_STEPS), most))


def held_back(strata: Sequence[object], seed: int) -> np.ndarray:
    """Which rows are kept from the training, bool [rows]: the same share of each stratum."""
    count = len(strata)
    wanted = min(max(LEAST_BACK, round(count * HELD_BACK)), max(MOST_BACK, round(count * MORE_BACK)), count // 4)
    order = np.random.default_rng([seed, 1]).permutation(count)
    order = order[np.argsort([str(strata[i]) for i in order], kind="stable")]
    back = np.zeros(count, bool)
    back[order[np.linspace(0, count - 1, wanted).round().astype(int)]] = True
    return back


def fit(
    net: nn.Module,
    loss: Loss,
    pictures: Pictures,
    rows: np.ndarray,
    variation: Variation,
    recipe: Recipe,
    seed: int,
    on_progress: Progress,
    order: Sequence[int] | None = None,
    boxed: np.ndarray | None = None,
    steps: Steps | None = None,
) -> None:
    """Train `net` in place on these rows. order: the rows' places, easy ones first, for a curriculum.

    boxed: those that tiles are cut of, where not all are; the others have no box but the whole picture's. steps: where it
    keeps how far it is.
    """
    prepare(seed)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.train()
    replicas = [net, *(_replica(net) for _ in range(HALVES - 1))]
    parameters = list(net.parameters())
    matrices = [p for p in parameters if p.dim() > 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimiser: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=recipe.rate)
    if recipe.momentum is not None:
        optimiser = torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, nesterov=True)
    short = recipe.short_floats and bool(torch.cpu.get_capabilities().get("amx_bf16"))
    draws = Draws(rows if order is None else np.asarray(order), order is not None, seed)
    tile_draws = draws if boxed is None else Draws(boxed, False, seed)

    def half(number: int, step: int, chosen: np.ndarray) -> tuple[float, tuple[Tensor, ...]]:
        draw = np.random.default_rng([seed, step, number])
        tile = recipe.tile if step < recipe.tiled else None
        pixels, boxes, labels = varied(pictures, chosen, variation, draw, tile)
        side = recipe.side_at(step, pictures.pixels.shape[1])
        if tile is None and side < pixels.shape[-1]:
            pixels = functional.interpolate(pixels, size=(side, side), mode="area")
        with torch.autocast("cpu", torch.bfloat16, enabled=short):
            found = loss(replicas[number], pixels, boxes, labels)
        return float(found.detach()), torch.autograd.grad(found, parameters)

    with ThreadPoolExecutor(HALVES, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        parts: list[Part] = [*replicas, optimiser, draws, *([] if tile_draws is draws else [tile_draws])]
        for step in (steps or Steps(None)).of("pictures", recipe.steps, *parts):
            batch = recipe.tiles if step < recipe.tiled else recipe.batch
            chosen = (tile_draws if step < recipe.tiled else draws).next(
                max(1, batch // HALVES) * HALVES, step / recipe.steps
            )
            made = list(workers.map(half, range(HALVES), [step] * HALVES, np.split(chosen, HALVES)))
            for parameter, *grads in zip(parameters, *(grads for _, grads in made), strict=True):
                parameter.grad = torch.stack(grads).mean(0)
            torch.nn.utils.clip_grad_norm_(parameters, 5.0)
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * rate_at(step / recipe.steps, recipe.warm)
            optimiser.step()
            on_progress(step + 1, sum(value for value, _ in made) / HALVES)
    _share_statistics(net, replicas)
    net.eval()


class Draws:
    """Rows in ever new orders; with a curriculum, of a part that grows from the easy end."""

    def __init__(self, rows: np.ndarray, eased: bool, seed: int) -> None:
        self._rows = rows
        self._eased = eased
        self._draw = np.random.default_rng([seed, 2])
        self._left = np.empty(0, np.int64)

    def state_dict(self) -> State:
        """See `Stateful`."""
        return {"draw": self._draw.bit_generator.state, "left": torch.from_numpy(self._left)}

    def load_state_dict(self, state: State) -> None:
        """See `Stateful`."""
        self._draw.bit_generator.state = cast(State, state["draw"])
        self._left = cast(Tensor, state["left"]).numpy()

    def next(self, count: int, share: float) -> np.ndarray:
        while len(self._left) < count:
            open_ = self._rows
            if self._eased:  # all of them from the middle on
                open_ = self._rows[
                    : max(min(len(self._rows), count), int(len(self._rows) * min(1.0, 0.3 + 1.4 * share)))
                ]
            self._left = np.concatenate([self._left, self._draw.permutation(open_)])
        taken, self._left = self._left[:count], self._left[count:]
        return taken


def rate_at(share: float, warm: float) -> float:
    """Grows, then falls as a cosine to nothing."""
    if share < warm:
        return 0.05 + 0.95 * share / warm
    return float(0.5 * (1 + np.cos(np.pi * (share - warm) / (1 - warm))))


def _replica(net: nn.Module) -> nn.Module:
    """The same parameters with batch statistics of its own, so that two threads may use them at once."""
    made = copy.deepcopy(net)
    for ours, theirs in zip(net.modules(), made.modules(), strict=True):
        for name, parameter in ours.named_parameters(recurse=False):
            setattr(theirs, name, parameter)
    return made


def _share_statistics(net: nn.Module, replicas: Sequence[nn.Module]) -> None:
    with torch.no_grad():
        for buffers in zip(*(replica.buffers() for replica in replicas), strict=True):
            if buffers[0].is_floating_point():
                buffers[0].copy_(torch.stack(list(buffers)).mean(0))
