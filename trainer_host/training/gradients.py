"""Loss and gradients of a language model: only what is learnt gets logits, and threads share a step's rows.

The sum of the parts is taken in their order, so the number of threads changes nothing but the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trainer_host.students.language.data import Batch
from trainer_host.students.language.model import LanguageModel
from trainer_host.training import checkpoints
from trainer_host.training.checkpoints import Checkpoint, Policy
from trainer_host.training.devices import numbers_at_once
from trainer_host.training.distil import Soft, linear_distillation

_RNG = "generator"
SHARDS = "shards"  # the folder of a checkpoint that several processes wrote with FSDP


@dataclass(frozen=True)
class Micro:
    """Rows that are handled at once, int64: tokens, positions and segments [rows, length]; places and targets [n].

    places: where in the flattened rows a token to learn comes next. soft: several targets for each, int64 [n, k], and
    their shares, float32 [n, k]; None where each has one.
    """

    tokens: Tensor
    positions: Tensor
    segments: Tensor
    places: Tensor
    targets: Tensor
    soft: tuple[Tensor, Tensor] | None = None

    @classmethod
    def of(cls, batch: Batch, rows: slice, device: torch.device) -> Micro:
        """These rows of a batch, without the columns behind the last token."""
        used = batch.segments[rows]
        length = max(1, int(np.flatnonzero(used.any(0)).max(initial=0)) + 1)

        def part(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values[rows, :length])).to(device, non_blocking=True)

        places = np.flatnonzero(batch.learn[rows, :length])
        targets = batch.targets[rows, :length].reshape(-1)[places]
        soft = None
        if batch.soft is not None:
            several, shares = (values[rows, :length].reshape(-1, values.shape[-1])[places] for values in batch.soft)
            soft = torch.from_numpy(several).to(device), torch.from_numpy(shares).to(device)
        return cls(
            part(batch.tokens),
            part(batch.positions),
            part(batch.segments),
            torch.from_numpy(places).to(device),
            torch.from_numpy(targets).to(device),
            soft,
        )


class LossModule(nn.Module):
    """Micro -> sum of the cross entropies of its targets, float32 [].

    With a teacher it is the sum of the distillation losses while it trains, else that of the cross entropies with all
    targets that the rows have; what is examined is the cross entropy with one.
    """

    def __init__(self, model: LanguageModel, soft: Soft | None = None) -> None:
        super().__init__()
        self.model = model
        self._soft = soft

    def forward(self, part: Micro) -> Tensor:
        hidden = self.model.hidden(part.tokens, positions=part.positions, segments=part.segments)
        chosen = hidden.reshape(-1, hidden.shape[-1]).index_select(0, part.places)
        table = self.model.embed_tokens.weight if self.model.lm_head is None else self.model.lm_head.weight
        if not self.training:
            return linear_cross_entropy(chosen, table, part.targets)
        if self._soft is None:
            return linear_cross_entropy(chosen, table, *(part.soft or (part.targets,)))
        soft = self._soft
        known = soft.hidden(part.tokens, part.positions, part.segments, part.places)
        return linear_distillation(chosen, table, part.targets, known, soft.table, soft.share, soft.temperature)


def linear_cross_entropy(hidden: Tensor, table: Tensor, targets: Tensor, shares: Tensor | None = None) -> Tensor:
    """Sum over rows of the cross entropy of `hidden @ table.T` with `targets`, float32 [].

    hidden: float [n, width]; table: float [vocabulary, width]; targets: int64 [n], or [n, k] with their shares, float32
    [n, k], each row of which sums to 1. The logits are never held whole: their gradient is made with them, a chunk at a
    time (as in Liger, arXiv 2410.10989).
    """
    made: Tensor = _LinearCrossEntropy.apply(hidden, table, targets, shares)
    return made


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        hidden: Tensor,
        table: Tensor,
        targets: Tensor,
        shares: Tensor | None,
    ) -> Tensor:
        kind = torch.get_autocast_dtype(hidden.device.type)
        cast = torch.is_autocast_enabled(hidden.device.type)
        needed = any(ctx.needs_input_grad[:2])  # type: ignore[attr-defined]
        with torch.autocast(hidden.device.type, enabled=False):
            h, w = (hidden.to(kind), table.to(kind)) if cast else (hidden, table)
            rows = max(16, numbers_at_once(hidden.device) // table.shape[0])
            several = 1 if shares is None else shares.shape[1]
            total = torch.zeros((), dtype=torch.float32, device=hidden.device)
            back = torch.empty_like(h) if needed else h
            down = torch.zeros_like(table, dtype=torch.float32) if needed else table
            for start in range(0, len(h), rows):
                part, wanted = h[start : start + rows], targets[start : start + rows].view(-1, several)
                logits = (part @ w.T).float()
                logits -= logits.amax(1, keepdim=True)
                right = logits.gather(1, wanted)
                if shares is not None:
                    share = shares[start : start + rows]
                    right = (right * share).sum(1, keepdim=True)
                logits.exp_()
                mass = logits.sum(1, keepdim=True)
                total += (mass.log() - right).sum()
                if needed:
                    logits /= mass
                    minus = logits.new_full((), -1.0).expand_as(wanted) if shares is None else -share
                    logits.scatter_add_(1, wanted, minus)
                    slope = logits.to(h.dtype)
                    torch.mm(slope, w, out=back[start : start + rows])
                    if cast:
                        down += (slope.T @ part).float()
                    else:
                        down.addmm_(slope.T, part)
        if needed:
            ctx.save_for_backward(back, down)
        return total

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        back, down = ctx.saved_tensors  # type: ignore[attr-defined]
        return back * grads[0].to(back.dtype), down * grads[0], None, None


class Gradients(Protocol):
    """How the gradients of a step come about, here or in several processes."""

    loss: nn.Module
    parameters: list[nn.Parameter]
    rank: int

    def compute(self, parts: Sequence[Micro], factor: float) -> float:
        """Set each parameter's gradient to that of factor * loss; the sum of the losses, without the factor."""

    def clip(self, most: float) -> float:
        """Scale all gradients to a norm of at most `most`; the norm that they had."""

    def save(
        self,
        run: Path,
        step: int,
        optimiser: torch.optim.Optimizer,
        meta: Mapping[str, object],
        policy: Policy,
    ) -> None:
        """Write a checkpoint."""

    def restore(self, found: Checkpoint, optimiser: torch.optim.Optimizer) -> None:
        """Set weights, the optimiser's state and the generators to those of a checkpoint."""

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Set the weights, by the model's names."""

    def close(self) -> None:
        """End threads or the group of processes."""


class LocalGradients:
    """In this process: on a GPU, or in threads of the processor, each with one thread per operator.

    Torch's own threads wait for each other in every operator (docs/log.md, 2026-11-23).
    """

    rank = 0

    def __init__(self, loss: LossModule, device: torch.device, precision: torch.dtype, workers: int) -> None:
        self.loss: nn.Module = loss
        self._model, self._device, self._precision = loss.model, device, precision
        self.parameters = [parameter for parameter in loss.parameters() if parameter.requires_grad]
        self._count = workers if device.type == "cpu" else 1
        self._workers = ThreadPoolExecutor(self._count, initializer=torch.set_num_threads, initargs=(1,))

    def compute(self, parts: Sequence[Micro], factor: float) -> float:
        """See `Gradients`."""
        total = 0.0
        parts = [part for part in parts if len(part.targets)]
        for parameter in self.parameters:
            parameter.grad = None
        for loss, grads in self._made(parts, factor):
            total += loss
            if self.parameters[0].grad is None:
                for parameter, grad in zip(self.parameters, grads, strict=True):
                    parameter.grad = grad
            else:
                torch._foreach_add_([p.grad for p in self.parameters if p.grad is not None], grads)
        return total

    def clip(self, most: float) -> float:
        """See `Gradients`."""
        return float(torch.nn.utils.clip_grad_norm_(self.parameters, most))

    def save(
        self, run: Path, step: int, optimiser: torch.optim.Optimizer, meta: Mapping[str, object], policy: Policy
    ) -> None:
        """See `Gradients`."""
        save_plain(self._model, run, step, optimiser, meta, policy)

    def restore(self, found: Checkpoint, optimiser: torch.optim.Optimizer) -> None:
        """See `Gradients`; also what several processes wrote."""
        if (found.folder / SHARDS).is_dir():
            from trainer_host.training.distributed import read_shards

            read_shards(self._model, found, optimiser)
        else:
            restore_plain(self._model, found, optimiser)

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """See `Gradients`."""
        self._model.load_state_dict(dict(weights))

    def close(self) -> None:
        """See `Gradients`."""
        self._workers.shutdown()

    def _made(self, parts: Sequence[Micro], factor: float) -> Iterator[tuple[float, tuple[Tensor, ...]]]:
        """Loss and gradients of each part, in order; no more at once than there are threads."""
        for start in range(0, len(parts), self._count):
            some = parts[start : start + self._count]
            if len(some) == 1:
                yield self._one(some[0], factor)
            else:
                yield from self._workers.map(self._one, some, [factor] * len(some))

    def _one(self, part: Micro, factor: float) -> tuple[float, tuple[Tensor, ...]]:
        with torch.autocast(self._device.type, self._precision, enabled=self._precision != torch.float32):
            loss = self.loss(part)
        grads = torch.autograd.grad(loss * factor, self.parameters)
        return float(loss.detach()), grads


def save_plain(
    model: nn.Module,
    run: Path,
    step: int,
    optimiser: torch.optim.Optimizer,
    meta: Mapping[str, object],
    policy: Policy,
) -> None:
    """A checkpoint of one process: weights, moments and generators as safetensors."""
    moments: dict[str, Tensor] = {_RNG: torch.get_rng_state()}
    if torch.cuda.is_available():
        moments[f"{_RNG}.cuda"] = torch.cuda.get_rng_state()
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            moments[f"{key}:{name}"] = value
    tensors = {checkpoints.WEIGHTS: model.state_dict(), checkpoints.OPTIMISER: moments}
    checkpoints.save(run, step, tensors, meta, policy)


def restore_plain(model: nn.Module, found: Checkpoint, optimiser: torch.optim.Optimizer) -> None:
    """What `save_plain` wrote; its moments go to the parameters of the same names."""
    model.load_state_dict(checkpoints.read_tensors(found.folder / checkpoints.WEIGHTS))
    moments = checkpoints.read_tensors(found.folder / checkpoints.OPTIMISER)
    torch.set_rng_state(moments.pop(_RNG))
    cuda = moments.pop(f"{_RNG}.cuda", None)
    if cuda is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda)
    named = dict(model.named_parameters())
    for key, value in moments.items():
        kind, _, name = key.partition(":")
        parameter = named[name]
        optimiser.state[parameter][kind] = value.to(parameter.device)  # the count of steps too: AdamW is fused
