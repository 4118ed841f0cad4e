"""How well a language model foretells the answers of rows that it hasn't seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.language.template import encode_chat
from trainer_host.students.language.data import Conversation
from trainer_host.students.language.run_files import TOKENIZER, read_template
from trainer_host.students.language.tokenizers import FastTokenizer

if TYPE_CHECKING:
    from edge_runtime.language.specialist import LanguageSpecialist


def perplexity(run: Path, talks: Iterable[Conversation], language: LanguageSpecialist, *, combo: bool) -> float:
    """exp of the mean loss in nats over the answers' tokens, inf where there are none. combo: tasks have tokens."""
    template = read_template(run)
    tokenizer = FastTokenizer((run / TOKENIZER).read_text(encoding="utf-8"))
    total, count = 0.0, 0
    for talk in talks:
        ids, mask = encode_chat(
            tokenizer,  # type: ignore[arg-type]
            template,
            talk.messages,
            task=talk.task if combo else None,
            tools=talk.tools,
            answering=False,
        )
        ids, mask = ids[: language.context], mask[: language.context]
        first = next((at for at, learn in enumerate(mask) if learn), len(ids))
        if first in (0, len(ids)):
            continue
        losses, keep = language.losses(ids, first), np.array(mask[first:])
        total, count = total + float(losses[keep].sum()), count + int(keep.sum())
    return math.exp(min(50.0, total / count)) if count else math.inf
