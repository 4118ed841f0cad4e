"""The student that reads plain texts and learns how they go on: a base, which other trainings begin with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from edge_runtime.language.template import CHATML, Template
from edge_runtime.tasks import Specialist
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.data.text_corpus import TASK, text_of
from trainer_host.errors import DataError
from trainer_host.students import Json, OnProgress, Recorder, TrainReport
from trainer_host.students.language.config import sized
from trainer_host.students.language.data import Encoded, encode_texts
from trainer_host.students.language.model_card import CARD, Scores, model_card
from trainer_host.students.language.rows import mixed, rows_of
from trainer_host.students.language.run_files import trained_model
from trainer_host.students.language.settings import ADAMW, LanguageSettings
from trainer_host.students.language.student import GOLDEN_MOST, GOLDEN_TOKENS, LanguageStudent
from trainer_host.training.ranks import ranks, share_of
from trainer_host.workspace import write_atomic

if TYPE_CHECKING:
    from edge_runtime.language.specialist import LanguageSpecialist
    from edge_runtime.tasks.base import Base
    from trainer_host.students.language.model import LanguageModel
    from trainer_host.students.language.tokenizers import FastTokenizer
    from trainer_host.training.loop import TrainSettings

# A text's first token must be guessed too, so something stands before it.
TEMPLATE = replace(CHATML, name="chatml-bos", begin="<|bos|>")
EXAMINED_TOKENS = 30_000  # of held-out texts per model file; bits per byte are steady to 1 % by then
_CHUNK = 256  # tokens whose logits are held at once
_STEP_PLACES = 1024  # of a step on a processor: of few tokens, many small steps learn more (docs/log.md)
_GPU_PLACES = 131_072  # on a GPU, where there is time for many steps, and a small one leaves it idle
_LOOKS = 6  # at texts that aren't learnt, over a training
_LOOK_PLACES = 16_384
_MOST_STEPS = 10_000_000


@dataclass(frozen=True)
class Reading:
    """How well texts were foretold. nats: lost over all tokens, ends of texts included; right: tokens that were the most
    likely ones; bytes: of the texts in UTF-8."""

    nats: float = 0.0
    tokens: int = 0
    right: int = 0
    bytes: int = 0

    def __add__(self, other: Reading) -> Reading:
        return Reading(
            self.nats + other.nats, self.tokens + other.tokens, self.right + other.right, self.bytes + other.bytes
        )

    @property
    def bits_per_byte(self) -> float:
        """What an arithmetic coder would need with these probabilities (Shannon 1948); the tokenizer has no part in it."""
        return self.nats / math.log(2) / max(1, self.bytes)


def read_text(language: LanguageSpecialist, text: str) -> Reading:
    """Read a text of any length, each token with at least half a context before it, where the text has that."""
    tokenizer, context, engine = language.tokenizer, language.context, language.engine
    begin, end = (tokenizer.special_id(mark) for mark in (TEMPLATE.begin, TEMPLATE.end))
    ids = [begin, *tokenizer.encode(text), end]
    nats, right = 0.0, 0
    for start, first, stop in _windows(len(ids), context):
        engine.rewind(0)
        for at in range(start, stop - 1, _CHUNK):
            part = ids[at : min(at + _CHUNK, stop - 1)]
            logits = engine.feed(part, len(part)).astype(np.float64)
            after = np.array(ids[at + 1 : at + 1 + len(part)])
            counted = np.arange(at + 1, at + 1 + len(part)) >= first
            logits -= logits.max(axis=1, keepdims=True)
            lost = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(part)), after]
            nats += float(lost[counted].sum())
            right += int((logits.argmax(axis=1) == after)[counted].sum())
    return Reading(nats, len(ids) - 1, right, len(text.encode("utf-8")))


class BaseStudent(LanguageStudent):
    """Learns every token of plain texts, see `trainer_host.data.text_corpus`; otherwise as `LanguageStudent`."""

    template: Template = TEMPLATE

    def __init__(self) -> None:
        super().__init__(TASK)

    def train(
        self,
        dataset: Path,
        run: Path,
        *,
        seed: int,
        seconds: float | None,
        on_progress: OnProgress,
        curriculum: bool = False,
        settings: Json | None = None,
        work: Path | None = None,
        recorder: Recorder | None = None,
    ) -> TrainReport:
        """See `Student.train`; writes a model card too, with the scores on the held-out texts."""
        if curriculum:
            raise DataError("Plain texts have no difficulty to be ordered by; leave out --curriculum.")
        report = super().train(
            dataset,
            run,
            seed=seed,
            seconds=seconds,
            on_progress=on_progress,
            settings={"rows": rows_per_step(LanguageSettings.read(settings)), **(settings or {})},
            work=work,
            recorder=recorder,
        )
        if not ranks().first:
            return report
        texts = [text_of(row) for row in examined(dataset)]
        with self.reference(run) as specialist:
            read = sum((read_text(cast("Base", specialist).language, text) for text in texts), Reading())
        scores = Scores.of(texts, read.bits_per_byte, read.right / read.tokens)
        config, figures, made = trained_model(run)[0], dict(report.figures), open_dataset(dataset)
        card = model_card(run, made, scores, figures, config, seed=seed, settings=settings or {})
        write_atomic(run / CARD, card.encode("utf-8"))
        return replace(report, figures={**report.figures, **scores.figures})

    def assets(self, run: Path) -> dict[str, Path]:
        """What every language model's bundle carries, and the model card."""
        return {**super().assets(run), CARD: run / CARD}

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy`: the share of tokens that were the most likely ones; `bits_per_byte`, `perplexity` per token."""
        rows = examined(dataset, limit)
        read = sum((read_text(cast("Base", specialist).language, text_of(row)) for row in rows), Reading())
        return {
            "accuracy": read.right / read.tokens,
            "bits_per_byte": read.bits_per_byte,
            "perplexity": math.exp(min(50.0, read.nats / read.tokens)),
            "rows": len(rows),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Beginnings of held-out texts; see `Student.golden`."""
        rows = [row for split in ("heldout", "train") for row in mixed(rows_of(dataset, split, self.task))]
        return [{**row.input, "max_tokens": GOLDEN_TOKENS} for row in rows[: min(count, GOLDEN_MOST)]]

    def _encoded(
        self, rows: Sequence[Row], tokenizer: FastTokenizer, template: Template, context: int
    ) -> list[Encoded]:
        pieces = encode_texts(map(text_of, rows), tokenizer, context, task=self.task)
        # In another order, as a look at the first pieces that aren't learnt would be one at the first text.
        return [pieces[at] for at in np.random.default_rng(len(pieces)).permutation(len(pieces))]

    def _said(self, rows: Sequence[Row]) -> list[str]:
        return [text_of(row) for row in rows]

    def _doubts(self, run: Path, unseen: Sequence[Row]) -> tuple[Json, dict[str, float]]:
        """None: no continuation is the right one."""
        return {}, {}

    def _plan(
        self,
        model: LanguageModel,
        texts: Sequence[Encoded],
        chosen: LanguageSettings,
        seed: int,
        seconds: float | None,
        curriculum: bool,
    ) -> TrainSettings:
        """Every text once, unless `epochs` says otherwise; the rate falls to nothing (arXiv 2502.15938).

        By AdamW: in steps as small as those of a processor Muon would cost as much as the gradients.
        """
        import torch

        from trainer_host.training.schedule import Schedule, steps_for

        chosen = replace(chosen, optimizer=chosen.optimizer or ADAMW)
        context = model.config.context
        gpu = torch.cuda.is_available()
        steps = steps_for(
            sum(len(text.ids) for text in texts),
            chosen.rows * context,
            model.config.parameters,
            epochs=chosen.epochs or 1.0,
            seconds=seconds,
            most=_MOST_STEPS,
        )
        return replace(
            super()._plan(model, texts, chosen, seed, None, curriculum),
            steps=steps,
            length=context,
            schedule=Schedule(chosen.schedule, warmup=0.04, cooldown=0.5, floor=0.02),
            # Two parts of a step keep two threads busy; the number of parts must not depend on the machine.
            micro=None if gpu else share_of(chosen.rows, max(1, chosen.rows // 2)),
            examine_every=max(1, -(-steps // _LOOKS)),
            examine_rows=max(4, _LOOK_PLACES // context),
            save_every=max(1, -(-steps // (2 * _LOOKS))),
        )


def rows_per_step(chosen: LanguageSettings) -> int:
    """Packed rows per step where nobody says how many: fewer of long ones."""
    import torch

    context = chosen.context or sized(chosen.size or "nano").context
    return max(2, (_GPU_PLACES if torch.cuda.is_available() else _STEP_PLACES) // context)


def examined(dataset: Path, limit: int | None = None) -> list[Row]:
    """Held-out texts in an order that mixes their kinds, whole ones until there are enough; raises `DataError`."""
    rows: list[Row] = []
    room = EXAMINED_TOKENS * 3  # bytes: a token has about three
    for row in mixed(rows_of(dataset, "heldout", TASK))[:limit]:
        rows.append(row)
        room -= len(text_of(row).encode("utf-8"))
        if room <= 0:
            break
    if not rows:
        raise DataError("The dataset has no held-out texts to examine with; make it again.")
    return rows


def _windows(count: int, context: int) -> Iterator[tuple[int, int, int]]:
    """(first token read, first token counted, end) of the parts in which `count` tokens are read."""
    half = context // 2
    yield 0, 1, min(count, context)
    for start in range(half, count - half, half):
        if start + half < count and start + context - half < count:
            yield start, start + context - half, min(count, start + context)
