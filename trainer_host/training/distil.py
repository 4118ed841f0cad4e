"""Distillation: a small model learns from a bigger one's probabilities (arXiv 1503.02531)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trainer_host.errors import DataError
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.run_files import TOKENIZER, trained_model
from trainer_host.training.devices import numbers_at_once
from trainer_host.training.weights import FILE as WEIGHTS

# A share of 1 leaves the rows' own answers out. At a temperature above 1 a student has to learn logits that are as many times
# as large before it is as sure as its teacher, and in a short training it isn't: docs/log.md has figures.
TEMPERATURE, SHARE = 1.0, 0.7


@dataclass(frozen=True, eq=False)
class Soft:
    """A model whose probabilities are learnt beside the rows' own answers. address: the hash of its weights.

    share: see `linear_distillation`. It is no part of a module: its weights are never trained or saved.
    """

    model: LanguageModel
    address: str
    share: float = SHARE
    temperature: float = TEMPERATURE

    @torch.no_grad()
    def hidden(self, tokens: Tensor, positions: Tensor, segments: Tensor, places: Tensor) -> Tensor:
        """What it has at the flattened `places` before its table, float [places, its width]."""
        made = self.model.hidden(tokens, positions=positions, segments=segments)
        return made.reshape(-1, made.shape[-1]).index_select(0, places)

    @property
    def table(self) -> Tensor:
        """What turns that into logits, float [vocabulary, its width]."""
        head = self.model.lm_head
        return (self.model.embed_tokens.weight if head is None else head.weight).detach()


def linear_distillation(
    hidden: Tensor,
    table: Tensor,
    targets: Tensor,
    known: Tensor,
    teacher_table: Tensor,
    share: float,
    temperature: float,
) -> Tensor:
    """Summed over rows, float32 []: share * T^2 * KL(teacher || student), both at temperature T, and the rest cross-entropy.

    T^2 keeps the gradients of both parts alike at every temperature (section 2.1 of the paper). Logits are never held whole.
    hidden: float [n, width], table: float [vocabulary, width], targets: int64 [n]; known and teacher_table: the
    teacher's, of its own width. Where its table has more or fewer rows, as tables are rounded up, both are compared
    over those that both have.
    """
    made: Tensor = _LinearDistillation.apply(hidden, table, targets, known, teacher_table, share, temperature)
    return made


class _LinearDistillation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        hidden: Tensor,
        table: Tensor,
        targets: Tensor,
        known: Tensor,
        teacher_table: Tensor,
        share: float,
        temperature: float,
    ) -> Tensor:
        needed = any(ctx.needs_input_grad[:2])  # type: ignore[attr-defined]
        both = min(len(table), len(teacher_table))
        rows = max(16, numbers_at_once(hidden.device) // len(table))
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        back = torch.empty_like(hidden)
        down = torch.zeros_like(table, dtype=torch.float32)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), rows):
                part, wanted = hidden[start : start + rows], targets[start : start + rows, None]
                logits = (part @ table.to(part.dtype).T).float()
                theirs = known[start : start + rows] @ teacher_table[:both].to(known.dtype).T
                theirs = torch.log_softmax(theirs.float() / temperature, -1)
                mine = torch.log_softmax(logits[:, :both] / temperature, -1)
                hard = torch.log_softmax(logits, -1)
                likely = theirs.exp()
                total += share * temperature**2 * (likely * (theirs - mine)).sum()
                total -= (1 - share) * hard.gather(1, wanted).sum()
                if needed:
                    slope = (1 - share) * hard.exp_()
                    slope.scatter_add_(1, wanted, slope.new_full((), share - 1).expand_as(wanted))
                    slope[:, :both] += share * temperature * (mine.exp_() - likely)
                    back[start : start + rows] = slope.to(part.dtype) @ table.to(part.dtype)
                    down += (slope.to(part.dtype).T @ part).float()
        if needed:
            ctx.save_for_backward(back, down)
        return total

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *grads: Tensor
    ) -> tuple[Tensor, Tensor, None, None, None, None, None]:
        back, down = ctx.saved_tensors  # type: ignore[attr-defined]
        return back * grads[0].to(back.dtype), down * grads[0], None, None, None, None, None


def check_tokenizers(student: str, teacher: str) -> None:
    """Raises `DataError` unless two tokenizer.json texts are the same: logits are compared place by place."""
    if student != teacher:
        raise DataError(
            "The teacher has another tokenizer than the student, so their probabilities can't be compared; leave out "
            "--init, and the student gets the teacher's tokenizer; or let the teacher write the rows: 'enigma teach' "
            "with a local teacher."
        )


def read_teacher(run: Path, student: LanguageConfig, tokenizer: str, share: float, temperature: float) -> Soft:
    """A run of ours as a teacher; raises `DataError` where it can't teach a student of this shape and tokenizer."""
    check_tokenizers(tokenizer, (run / TOKENIZER).read_text(encoding="utf-8"))
    config, model = trained_model(run)
    if config.context < student.context:
        raise DataError(
            f"The teacher '{run.name}' reads {config.context} tokens and the student {student.context}; add "
            f"--context {config.context}."
        )
    with (run / WEIGHTS).open("rb") as source:
        address = f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
    return Soft(model.requires_grad_(False), address, share, temperature)
