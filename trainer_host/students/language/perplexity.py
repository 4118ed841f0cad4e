"""How well a language model foretells the answers of rows that it hasn't seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.language.template import Template, encode_chat
from trainer_host.students.language.data import Conversation
from trainer_host.students.language.run_files import TOKENIZER, read_template
from trainer_host.students.language.tokenizers import FastTokenizer

if TYPE_CHECKING:
    from edge_runtime.language.file_template import FileTemplate
    from edge_runtime.language.specialist import LanguageSpecialist


def perplexity(run: Path, talks: Iterable[Conversation], language: LanguageSpecialist, *, combo: bool) -> float:
    """exp of the mean loss in nats over the answers' tokens, inf where there are none. combo: tasks have tokens.

    Where the model brings its own template, over the last answer of each.
    """
    encode = _encoder(run, combo) if isinstance(language.template, Template) else _by_file(language.template)
    total, count = 0.0, 0
    for talk in talks:
        ids, mask = encode(talk)
        ids, mask = ids[: language.context], mask[: language.context]
        first = next((at for at, learn in enumerate(mask) if learn), len(ids))
        if first in (0, len(ids)):
            continue
        losses, keep = language.losses(ids, first), np.array(mask[first:])
        total, count = total + float(losses[keep].sum()), count + int(keep.sum())
    return math.exp(min(50.0, total / count)) if count else math.inf


def _encoder(run: Path, combo: bool) -> Callable[[Conversation], tuple[list[int], list[bool]]]:
    template = read_template(run)
    tokenizer = FastTokenizer((run / TOKENIZER).read_text(encoding="utf-8"))

    def encode(talk: Conversation) -> tuple[list[int], list[bool]]:
        task = talk.task if combo else None
        return encode_chat(
            tokenizer,  # type: ignore[arg-type]
            template,
            talk.messages,
            task=task,
            tools=talk.tools,
            answering=False,
        )

    return encode


def _by_file(template: FileTemplate) -> Callable[[Conversation], tuple[list[int], list[bool]]]:
    return lambda talk: template.answered(talk.messages, talk.tools)
