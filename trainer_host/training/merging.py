"""Merges models of one shape into one: average, SLERP, TIES, DARE. Sums are in float32, SLERP's in float64.

Source of each is named at its function. Weights are shares: they are scaled so that they add up to 1. With the same
weights mergekit 0.1.5 makes the same numbers to 1e-5: its linear, slerp, ties and dare_linear with what these have by
default, and with one seed what DARE drops is the same too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer_host.errors import DataError

METHODS = ("average", "slerp", "ties", "dare")
NEED_BASE = ("ties", "dare")  # they merge what each model learned since it was the base
DENSITY = {
    "ties": 0.2,
    "dare": 0.5,
}  # what is kept: TIES' best in its paper (its figure 3); DARE bears far less in large models
_PARALLEL = 1 - 1e-6  # cosine above which the arc is a line in float64

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Recipe:
    """How models are merged.

    weights: one for each model, 0 or above, scaled to add up to 1; empty: all the same. density: the share of what a
    model learned that is kept (TIES, DARE), None for the method's own. seed: for what DARE drops.
    """

    method: str
    weights: tuple[float, ...] = ()
    density: float | None = None
    seed: int = 1

    def shares(self, count: int) -> tuple[float, ...]:
        """The weights of `count` models; raises `DataError` where they can't be."""
        given = self.weights or (1.0,) * count
        if len(given) != count:
            raise DataError(f"{count} models need {count} weights, not {len(given)}; give one for each, as in 0.7,0.3.")
        if any(not 0 <= weight < float("inf") for weight in given) or not any(given):
            raise DataError("Every weight must be 0 or above, and one of them above 0, as in 0.7,0.3.")
        return tuple(weight / sum(given) for weight in given)

    @property
    def kept(self) -> float:
        """The density that is used."""
        return DENSITY.get(self.method, 1.0) if self.density is None else self.density


def merge(states: Sequence[State], recipe: Recipe, base: State | None = None) -> dict[str, Tensor]:
    """The merged weights, in the dtype of the first model's; raises `DataError` in one sentence for what can't be merged.

    states: two models or more with the same names and shapes. base: what all of them were before they went apart,
    for TIES and DARE.
    """
    if recipe.method not in METHODS:
        raise DataError(f"There is no merging '{recipe.method[:40]}'; there are {', '.join(METHODS)}.")
    if len(states) < 2:
        raise DataError("Name two models or more to merge.")
    if recipe.method == "slerp" and len(states) != 2:
        raise DataError(
            f"SLERP goes from one model to another, so it takes two, not {len(states)}; average them instead."
        )
    if recipe.method in NEED_BASE and base is None:
        raise DataError(
            f"{recipe.method.upper()} needs the model that all of them were made from; name it with --base."
        )
    if not 0 < recipe.kept <= 1:
        raise DataError(f"The density must be above 0 and at most 1, not {recipe.kept:g}.")
    for number, state in enumerate((*states[1:], *((base,) if base is not None else ())), 2):
        _check_alike(states[0], state, f"model {number}" if number <= len(states) else "the base")
    shares = torch.tensor(recipe.shares(len(states)), dtype=torch.float64)
    generator = torch.Generator().manual_seed(recipe.seed)
    merged: dict[str, Tensor] = {}
    for name in sorted(states[0]):
        tensors = [state[name].detach().cpu() for state in states]
        wide = torch.stack([tensor.float() for tensor in tensors])
        if recipe.method == "slerp":
            made = slerp(wide[0], wide[1], float(shares[1]))
        elif recipe.method == "average" or base is None:
            made = _weighted(wide, shares)
        else:
            root = base[name].detach().cpu().float()
            combine = ties if recipe.method == "ties" else _dare(generator)
            made = root + combine(wide - root, shares, recipe.kept)
        if not bool(torch.isfinite(made).all()):
            raise DataError(f"The weights {name} aren't finite numbers; train the model that holds them again.")
        merged[name] = made.to(tensors[0].dtype).contiguous()
    return merged


def slerp(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Along the arc between two tensors, each read as one vector (Shoemake 1985); `share` is that of the second.

    The angle is that of the directions; lengths are those of the tensors themselves, as in mergekit, which however
    goes along the straight line from a cosine of 0.9995 on: up to 1.3e-4 of a weight away from the arc.
    """
    a, b = first.double().flatten(), second.double().flatten()
    lengths = a.norm() * b.norm()
    cosine = float(torch.dot(a, b) / lengths) if float(lengths) > 0 else 1.0
    if abs(cosine) > _PARALLEL:  # one direction (or opposite ones, which have no single arc)
        return torch.lerp(a, b, share).reshape(first.shape).float()
    angle = torch.arccos(torch.tensor(cosine, dtype=torch.float64))
    made = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
    return made.reshape(first.shape).float()


def ties(learned: Tensor, shares: Tensor, density: float) -> Tensor:
    """Trim, elect a sign, mean of those that agree (arXiv 2306.01708, algorithm 1), with lambda 1.

    learned: float [models, ...], what each learned since the base. The `density` largest of a tensor stay. The sign is
    that of the weighted sum; the mean is weighted, over the models whose value has that sign.
    """
    trimmed = torch.stack([_largest(one, density) for one in learned])
    weights = _column(shares, learned)
    sign = torch.where((trimmed * weights).sum(0) >= 0, 1.0, -1.0)
    agrees = (trimmed.sign() == sign) * weights
    return (trimmed * agrees).sum(0) / agrees.sum(0).clamp(min=torch.finfo(torch.float32).tiny)


def dare(learned: Tensor, shares: Tensor, density: float, generator: torch.Generator) -> Tensor:
    """Drop at random and rescale (arXiv 2311.03099), then the weighted sum; learned: float [models, ...].

    What is left of each model is rescaled to the sum of magnitudes that it had, as mergekit does; the paper's factor,
    1 / density, is what that comes to in large tensors.
    """
    kept = torch.stack([torch.bernoulli(torch.full(one.shape, density), generator=generator) for one in learned])
    pruned = learned * kept
    before, left = (tensor.abs().reshape(len(learned), -1).sum(1, dtype=torch.float64) for tensor in (learned, pruned))
    factors = torch.where(left > 0, before / left, 0.0)
    return _weighted(pruned * _column(factors, pruned), shares)


def _dare(generator: torch.Generator) -> Callable[[Tensor, Tensor, float], Tensor]:
    return lambda learned, shares, density: dare(learned, shares, density, generator)


def _weighted(tensors: Tensor, shares: Tensor) -> Tensor:
    return (tensors * _column(shares, tensors)).sum(0)


def _column(shares: Tensor, tensors: Tensor) -> Tensor:
    return shares.to(tensors.dtype).reshape(-1, *(1,) * (tensors.dim() - 1))


def _largest(tensor: Tensor, density: float) -> Tensor:
    flat = tensor.flatten()
    kept = torch.zeros_like(flat)
    places = torch.topk(flat.abs(), max(1, int(density * flat.numel()))).indices
    kept[places] = flat[places]
    return kept.reshape(tensor.shape)


def _check_alike(first: State, other: State, which: str) -> None:
    """Raises `DataError` where names or shapes differ."""
    if different := sorted(first.keys() ^ other.keys()):
        raise DataError(
            f"The first model and {which} don't have the same layers ({different[0]}); only models of one size merge."
        )
    for name, tensor in first.items():
        if tensor.shape == other[name].shape:
            continue
        if name in ("embed_tokens.weight", "lm_head.weight") and tensor.shape[1:] == other[name].shape[1:]:
            raise DataError(
                f"The first model has a vocabulary of {tensor.shape[0]:,} and {which} one of {other[name].shape[0]:,}; "
                "only models with the same tokenizer merge."
            )
        shapes = " and ".join("x".join(map(str, one.shape)) for one in (tensor, other[name]))
        raise DataError(
            f"The first model and {which} differ in shape ({name}: {shapes}); only models of one size merge."
        )
