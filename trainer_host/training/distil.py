"""Distillation: a small model learns from a bigger one's probabilities (arXiv 1503.02531), or from what one writes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer_host.errors import DataError
from trainer_host.students.language.data import Conversation
from trainer_host.students.language.model import LanguageModel

logger = logging.getLogger(__name__)
TEMPERATURE, SHARE = 2.0, 0.7  # of the paper's range; a share of 1 leaves the rows' own answers out
_CHUNK = 1 << 20  # logits of each model that are held at once


@dataclass(frozen=True, eq=False)
class Soft:
    """A model whose probabilities are learnt beside the rows' own answers. address: the hash of its weights.

    share: see `distillation_loss`. It is no part of a module: its weights are never trained or saved.
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


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    targets: Tensor,
    mask: Tensor,
    *,
    temperature: float = TEMPERATURE,
    share: float = SHARE,
) -> Tensor:
    """share * T^2 * KL(teacher || student), both at temperature T, and the rest cross-entropy; mean over the mask.

    student, teacher: logits, float [..., vocabulary]. targets: int64 [...], the token that follows. mask: bool [...],
    what is learnt. T^2 keeps the gradients of both parts alike at every temperature (section 2.1 of the paper). Raises
    `DataError` for different vocabularies: equal places would then be different words.
    """
    if student.shape != teacher.shape:
        raise DataError(
            f"The teacher knows {teacher.shape[-1]:,} tokens and the student {student.shape[-1]:,}; "
            "make the student's tokenizer from the teacher's run (--init)."
        )
    if not bool(mask.any()):
        raise DataError("No token of this batch is to be learnt; give the rows answers.")
    mine, theirs = student[mask].float(), teacher[mask].float().detach()
    soft = F.kl_div(
        torch.log_softmax(mine / temperature, -1),
        torch.log_softmax(theirs / temperature, -1),
        reduction="batchmean",
        log_target=True,
    )
    return share * temperature**2 * soft + (1 - share) * F.cross_entropy(mine, targets[mask])


def linear_distillation(
    hidden: Tensor,
    table: Tensor,
    targets: Tensor,
    known: Tensor,
    teacher_table: Tensor,
    share: float,
    temperature: float,
) -> Tensor:
    """Sum over rows of `distillation_loss` of `hidden @ table.T`, float32 []; logits are never held whole.

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
        rows = max(16, _CHUNK // len(table))
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


def written_rows(
    questions: Iterable[Sequence[Mapping[str, object]]],
    generate: Callable[[Sequence[Mapping[str, object]]], str],
    task: str,
    *,
    keep: Callable[[Sequence[Mapping[str, object]], str], bool] | None = None,
) -> tuple[list[Conversation], Counter[str]]:
    """Rows for training out of what a teacher writes (sequence-level distillation, arXiv 1606.07947).

    questions: messages, the last one a user's. generate: the teacher's answer, "" where it has none. keep: the task's
    verifier. Also gives why answers were left out, counted.
    """
    rows: list[Conversation] = []
    left: Counter[str] = Counter()
    for messages in questions:
        answer = generate(messages).strip()
        if not answer:
            left["no answer"] += 1
        elif keep is not None and not keep(messages, answer):
            left["not verified"] += 1
        else:
            said = [dict(message) for message in messages] + [{"role": "assistant", "content": answer}]
            rows.append(Conversation(said, task))
    if left:
        logger.warning(
            "of the teacher's answers, %s were left out", ", ".join(f"{n} ({why})" for why, n in left.items())
        )
    return rows, left
