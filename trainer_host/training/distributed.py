"""A step's rows shared among the processes of torchrun: DDP, or FSDP2 with checkpoints that any number can read.

Each process packs the same batches and works on its share of the parts, so that the global batch, and with it the
result, is that of one process. A process that was killed needs TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 and
--max-restarts to come back (pytorch#135712).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint import load as load_shards
from torch.distributed.checkpoint import save as save_shards
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_model_state_dict,
    set_state_dict,
)

from trainer_host.errors import DataError
from trainer_host.training import checkpoints
from trainer_host.training.checkpoints import Checkpoint, Policy
from trainer_host.training.gradients import SHARDS, LossModule, Micro, restore_plain, save_plain

# The others wait that long for one that saves; a dead one is noticed by torchrun at once.
_WAIT = timedelta(minutes=10)


def join(device: torch.device | None = None) -> None:
    """Meet the other processes that torchrun started; each has its own GPU where there are any."""
    on_gpu = torch.cuda.is_available() if device is None else device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_WAIT)


class RankGradients:
    """See `Gradients`; one of several processes."""

    def __init__(self, loss: LossModule, device: torch.device, precision: torch.dtype, parallel: str) -> None:
        """parallel: ddp or fsdp. Raises `DataError` for another one."""
        if parallel not in ("ddp", "fsdp"):
            raise DataError(f"There is no way '{parallel[:20]}' to share a training; there are ddp and fsdp.")
        self._owns = not dist.is_initialized()
        if self._owns:
            join(device)
        self.rank, self._world = dist.get_rank(), dist.get_world_size()
        self._device, self._precision, self._model = device, precision, loss.model
        self._sharded = parallel == "fsdp"
        self.loss: nn.Module
        if self._sharded:
            from torch.distributed.fsdp import fully_shard

            for layer in loss.model.layers:
                fully_shard(layer)
            fully_shard(loss)
            self.loss = loss
        else:
            from torch.nn.parallel import DistributedDataParallel

            self.loss = DistributedDataParallel(loss)
        self.parameters = [parameter for parameter in loss.parameters() if parameter.requires_grad]

    def compute(self, parts: Sequence[Micro], factor: float) -> float:
        """See `Gradients`. Raises `DataError` where the parts can't be shared evenly."""
        if len(parts) % self._world:
            raise DataError(
                f"A step of {len(parts)} parts can't be shared by {self._world} processes; set rows to a multiple of "
                f"{self._world} times micro."
            )
        mine = parts[self.rank :: self._world]
        total = torch.zeros((), dtype=torch.float64)
        for number, part in enumerate(mine):
            last = number == len(mine) - 1
            with (
                self._quiet(last),
                torch.autocast(self._device.type, self._precision, enabled=self._precision != torch.float32),
            ):
                loss = self.loss(part)
            with self._quiet(last):
                # Both take the mean over the processes, where we want the sum.
                (loss * (factor * self._world)).backward()
            total += float(loss.detach())
        total = total.to(self._device)
        dist.all_reduce(total)
        return float(total)

    def clip(self, most: float) -> float:
        """See `Gradients`."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, most)
        full = getattr(norm, "full_tensor", None)
        return float(full() if full is not None else norm)

    def save(
        self, run: Path, step: int, optimiser: torch.optim.Optimizer, meta: Mapping[str, object], policy: Policy
    ) -> None:
        """See `Gradients`; the first process writes the folder, and with FSDP all of them its shards."""
        if self._sharded:
            self._save_shards(run, step, optimiser, meta, policy)
        elif self.rank == 0:
            save_plain(self._model, run, step, optimiser, meta, policy)
        dist.barrier()

    def restore(self, found: Checkpoint, optimiser: torch.optim.Optimizer) -> None:
        """See `Gradients`; the shards of another number of processes are spread anew."""
        if not (found.folder / SHARDS).is_dir():
            if self._sharded:
                raise DataError(
                    "This checkpoint was made by one process or ddp, so fsdp can't continue it; leave out --shard."
                )
            restore_plain(self._model, found, optimiser)
            return
        if not self._sharded:
            raise DataError(
                "This checkpoint was made by fsdp, so ddp can't continue it; add --shard, or use one process."
            )
        read_shards(self._model, found, optimiser)

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """See `Gradients`."""
        options = StateDictOptions(full_state_dict=True)
        set_model_state_dict(
            self._model, {name: value.to(self._device) for name, value in weights.items()}, options=options
        )

    def close(self) -> None:
        """See `Gradients`."""
        if self._owns:
            dist.destroy_process_group()

    @contextlib.contextmanager
    def _quiet(self, last: bool) -> Iterator[None]:
        """Gradients are exchanged once, with the last part."""
        if isinstance(self.loss, nn.parallel.DistributedDataParallel):
            with contextlib.nullcontext() if last else self.loss.no_sync():
                yield
        else:
            self.loss.set_requires_gradient_sync(last)  # type: ignore[operator]
            yield

    def _save_shards(
        self, run: Path, step: int, optimiser: torch.optim.Optimizer, meta: Mapping[str, object], policy: Policy
    ) -> None:
        whole = get_model_state_dict(self._model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        tensors = cast(dict[str, Tensor], whole)
        model, moments = get_state_dict(self._model, optimiser)
        # The shards are written beside the checkpoints by all, and taken into the folder by the first process, which
        # alone names it: a half-written one is never a checkpoint.
        part = run / checkpoints.FOLDER / f".step-{step:08d}.shards.part"
        if self.rank == 0:
            shutil.rmtree(part, ignore_errors=True)  # of a training that was killed here
            part.mkdir(parents=True)
        dist.barrier()
        save_shards({"model": model, "optimiser": moments}, storage_writer=FileSystemWriter(part))
        dist.barrier()
        if self.rank == 0:

            def take(folder: Path) -> None:
                part.rename(folder / SHARDS)

            checkpoints.save(run, step, {checkpoints.WEIGHTS: tensors}, meta, policy, take, spare=part)


def read_shards(model: nn.Module, found: Checkpoint, optimiser: torch.optim.Optimizer) -> None:
    """The weights and moments of a sharded checkpoint, into a model of one process or of any number of shards."""
    weights, moments = get_state_dict(model, optimiser)
    state = {"model": weights, "optimiser": moments}
    alone = not dist.is_initialized()
    with warnings.catch_warnings():
        # That one process continues is what is wanted.
        warnings.filterwarnings("ignore", message="torch.distributed is disabled", category=UserWarning)
        load_shards(state, storage_reader=FileSystemReader(found.folder / SHARDS), no_dist=alone)
    set_state_dict(model, optimiser, model_state_dict=weights, optim_state_dict=moments)
