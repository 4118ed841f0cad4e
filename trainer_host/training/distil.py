"""Distillation: a small model learns from a bigger one's probabilities (arXiv 1503.02531), or from what one writes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer_host.errors import DataError
from trainer_host.students.language.data import Conversation

logger = logging.getLogger(__name__)
TEMPERATURE, SHARE = 2.0, 0.7  # of the paper's range; a share of 1 leaves the rows' own answers out


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


def check_tokenizers(student: Path, teacher: Path) -> None:
    """Raises `DataError` unless two tokenizer.json files are the same: logits are compared place by place."""
    if student.read_bytes() != teacher.read_bytes():
        raise DataError(
            "The teacher has another tokenizer than the student, so their probabilities can't be compared; train the "
            "student with the teacher's tokenizer, or let the teacher write its training rows instead."
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
