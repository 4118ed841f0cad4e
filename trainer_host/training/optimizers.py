"""What changes the weights of a language model, step by step: AdamW, or Muon for its matrices and AdamW for the rest."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from trainer_host.students.language.settings import MUON

if TYPE_CHECKING:
    from trainer_host.students.language.model import LanguageModel
    from trainer_host.training.loop import TrainSettings

MOMENTUM = 0.95
_MOMENTUM = "momentum"  # its name in a parameter's state, and in checkpoints
_EPSILON = 1e-7
_STEPS = 5
_TOGETHER = 1 << 24  # numbers of matrices that are worked on at once: 64 MB, and as much again twice
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, from the page named below


class MuonAdamW(torch.optim.AdamW):
    """Muon for groups with "orthogonal", AdamW (arXiv 1711.05101) for the others.

    Muon replaces the momentum of a matrix by the nearest matrix whose singular values are all about one
    (kellerjordan.github.io/posts/muon), scaled so that AdamW's learning rate and decay suit it (arXiv 2502.16982,
    section 2.2). torch's own Muon computes in bfloat16 alone, which takes 25 times as long and more on processors that
    lack it, and whose rounding makes several processes differ from one. So this one computes in float32, matrices of one
    shape together.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change all parameters by their gradients."""
        everything = self.param_groups
        for group in everything:
            if group.get("orthogonal"):
                self._orthogonal(group)
        self.param_groups = [group for group in everything if not group.get("orthogonal")]
        try:
            return super().step(closure)
        finally:
            self.param_groups = everything

    def _orthogonal(self, group: dict[str, object]) -> None:
        alike: defaultdict[torch.Size, list[Tensor]] = defaultdict(list)
        for parameter in group["params"]:  # type: ignore[attr-defined]
            if parameter.grad is not None:
                alike[parameter.shape].append(parameter)
        rate, decay = float(group["lr"]), float(group["weight_decay"])  # type: ignore[arg-type]
        for shape, parameters in alike.items():
            count = max(1, _TOGETHER // shape.numel())
            for some in (parameters[at : at + count] for at in range(0, len(parameters), count)):
                changes = orthogonal(torch.stack([self._wanted(one) for one in some]))
                for parameter, change in zip(some, changes, strict=True):
                    parameter.mul_(1 - rate * decay)
                    parameter.add_(change, alpha=-rate * 0.2 * math.sqrt(max(shape)))

    def _wanted(self, parameter: Tensor) -> Tensor:
        """The gradient with its momentum, as Nesterov takes it."""
        state, gradient = self.state[parameter], cast(Tensor, parameter.grad)
        if _MOMENTUM not in state:
            state[_MOMENTUM] = torch.zeros_like(parameter)
        state[_MOMENTUM].lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(state[_MOMENTUM], MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest matrices whose singular values are about one (.7 to 1.2), by five steps of Newton and Schulz.

    matrices: float32, (count, rows, columns); so is what is given.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT.contiguous() if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_EPSILON)
    for _ in range(_STEPS):
        square = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def optimizer_for(model: LanguageModel, settings: TrainSettings) -> torch.optim.Optimizer:
    """The optimizer that the settings name. Only matrices are decayed: norms have no scale to lose."""
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    matrices = [name for name, parameter in parameters.items() if parameter.ndim >= 2]
    turned = [name for name in matrices if settings.optimizer == MUON and name.startswith("layers.")]
    groups = [
        ({"orthogonal": True, "weight_decay": settings.decay}, turned),
        ({"weight_decay": settings.decay}, [name for name in matrices if name not in turned]),
        ({"weight_decay": 0.0}, [name for name in parameters if name not in matrices]),
    ]
    made = MuonAdamW if settings.optimizer == MUON else torch.optim.AdamW
    return made(
        [{**group, "params": [parameters[name] for name in names]} for group, names in groups if names],
        lr=settings.rate,
        betas=settings.betas,
        eps=settings.epsilon,
        fused=True,
    )
