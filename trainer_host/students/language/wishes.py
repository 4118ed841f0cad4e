"""Learns whether a message wants anything done, see `edge_runtime.language.wishes`, and from which chance on a tool is called."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.language.specialist import WISHES_FILE
from edge_runtime.language.tool_marks import Reading
from edge_runtime.language.wishes import BUCKETS, Wishes, features
from edge_runtime.tasks.dialogue import read_tools
from trainer_host.data.dataset import Row
from trainer_host.students.language.rows import request_of, task_of, text_task, wants
from trainer_host.tasks import Json
from trainer_host.tasks.chat_tools import OFFERED, WANTED, ToolChat
from trainer_host.tasks.phrases import TEMPLATE, Grouped
from trainer_host.tasks.tools_invented import invented

PRACTISED = 12_000  # messages about invented tools that are learnt from besides, where the built-in teacher wrote rows
# Share of what must not act, in the words of a template that isn't learnt, that a tool is called for. Those are harder than
# free sentences: on tests/exams/tools_en_dev it is a third of this.
ACTED_ON = 0.15
LEAST, MOST = 0.5, 0.999  # what is less likely than not is never called; above, hardly anything would be
_FOLDS = 5
_EPOCHS, _ROWS, _RATE = 6, 128, 0.02
_DECAY = 1e-4
_LEFT_OUT = 0.5  # share of the features, anew each time, so that none is relied on alone
_PASS = 50_000_000  # seeds of what is practised lie far from those of rows

Sample = tuple[np.ndarray, bool, object]


def learn_wishes(rows: Sequence[Row], task: str, run: Path, seed: int) -> tuple[float, dict[str, float]]:
    """Write the weights into a run's folder; gives the threshold "act", and figures."""
    own = [row for row in rows if request_of(row, task).get("tools")]
    samples = [_sample(row, task, number) for number, row in enumerate(own)]
    if any(WANTED in row.meta for row in own):
        samples += practised(PRACTISED, seed)
    act, share = threshold(samples, seed)
    np.save(run / WISHES_FILE, fitted(samples, seed).weights)
    return act, {"acts from": act, "requests acted on, in unseen words": share}


def practised(count: int, seed: int) -> list[Sample]:
    """Messages about invented tools."""
    spec = ToolChat(invented(random.Random(seed), OFFERED + 1), invented_share=1.0)
    rng = random.Random(_PASS + seed)
    made = (spec.built_in(rng) for _ in range(count))
    return [_sample(Row(one.input, one.output, one.meta), "chat", 0) for one in made if isinstance(one, Grouped)]


def fitted(samples: Sequence[Sample], seed: int) -> Wishes:
    """Logistic regression, by Adam; features are left out at random."""
    import torch

    weights = torch.nn.EmbeddingBag(BUCKETS, 1, mode="sum")
    torch.nn.init.zeros_(weights.weight)
    bias = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([weights.weight, bias], lr=_RATE)
    rng = np.random.default_rng(seed)
    for epoch in range(_EPOCHS):
        optimiser.param_groups[0]["lr"] = _RATE * (1 - epoch / _EPOCHS)
        order = rng.permutation(len(samples))
        for start in range(0, len(order), _ROWS):
            some = [samples[at] for at in order[start : start + _ROWS]]
            kept = [ids[rng.random(len(ids)) >= _LEFT_OUT] for ids, _, _ in some]
            offsets = np.cumsum([0, *(len(ids) for ids in kept[:-1])])
            sums = weights(torch.from_numpy(np.concatenate(kept)), torch.from_numpy(offsets))[:, 0] + bias
            labels = torch.tensor([float(wanted) for _, wanted, _ in some])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(sums, labels)
            loss = loss + _DECAY * (weights.weight**2).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    flat = weights.weight.detach().numpy()[:, 0]
    return Wishes(np.append(flat, bias.detach().numpy()).astype(np.float32))


def threshold(samples: Sequence[Sample], seed: int) -> tuple[float, float]:
    """(the chance from which on a tool is called, the share of requests that reach it), in words that weren't learnt.

    Each group of samples, a template's or a row of its own, is judged by what was learnt from the others.
    """
    groups = sorted({str(group) for _, _, group in samples})
    random.Random(seed).shuffle(groups)
    folds = {group: number % _FOLDS for number, group in enumerate(groups)}
    still: list[float] = []
    wanted: list[float] = []
    for fold in range(_FOLDS):
        known = [one for one in samples if folds[str(one[2])] != fold]
        if not known:
            continue
        judge = fitted(known, seed)
        for ids, wants_it, group in samples:
            if folds[str(group)] == fold:
                (wanted if wants_it else still).append(judge.chance_of(ids))
    ordered = sorted(still)
    place = math.ceil((len(ordered) + 1) * (1 - ACTED_ON))  # split conformal prediction, arXiv 2107.07511, section 1
    reached = ordered[min(place, len(ordered)) - 1] if ordered else 0.0
    act = min(MOST, max(LEAST, math.ceil(reached * 1e4) / 1e4))
    return act, float(np.mean(np.array(wanted) >= act)) if wanted else 0.0


def _sample(row: Row, task: str, number: int) -> Sample:
    request = request_of(row, task)
    messages = text_task(task_of(row, task)).messages(request)
    reading = Reading(messages, read_tools(cast(Json, request).get("tools", [])))
    return features(reading), wants(row, task), row.meta.get(TEMPLATE, number)
