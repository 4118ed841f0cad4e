"""What pretrained word vectors say for each label, as one score per label and piece of a vocabulary.

A linear classifier over a sum of vectors is a sum of scores: its weights folded into the vectors leave a table of
[pieces, labels], some 0.3 MB in int8 where the vectors have 8. Its logits are added to those of the hashed features, which
are trained alone: both together from the start lean on the features, and gain a third of it (docs/log.md, 2026-11-27).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from trainer_host.training.calibration import best_temperature, softmax

SHARE = 0.5  # of the spread of the other logits, that the scores' logits get
_DROP = 0.5  # of pieces: as of features
_SMOOTHING = 0.05
_NOISE = 0.4  # share of each batch that is random pieces, which must leave it undecided
_MOST_RARITY = 3.0  # of a piece; what no example has would count most, and say least
_COPIES = 6  # of each row, with other pieces dropped
_STEPS, _BATCH, _RATE, _DECAY = 300, 128, 0.02, 0.05


def fit_scores(rows: Tensor, wanted: Tensor, labels: int, vectors: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """(float32 [pieces + 1, labels], float32 [labels]): scores, and what is added to their sum.

    A text's logits are its scores' sum by the root of how many they are (and one), plus the second. rows: int64 [texts,
    length], pieces from 1 on, 0 is padding. wanted: int64 [texts]. vectors: float32 [pieces + 1, columns], row 0 zero.
    """
    chance = torch.Generator().manual_seed(seed)
    met = rows[rows != 0]
    present = torch.bincount(torch.cat([torch.unique(row) for row in rows]), minlength=len(vectors)).clamp(min=1)
    rarity = torch.log(len(rows) / present).clamp(max=_MOST_RARITY)
    weighted = vectors * (rarity / rarity[met].mean() if len(met) else rarity)[:, None]
    copies = rows.repeat(_COPIES, 1)
    clean = copies * (torch.rand(copies.shape, generator=chance) >= _DROP)
    # Half of the noise is drawn as pieces occur: what a foreign text has in common with the rows are the usual ones.
    noise = torch.randint(1, len(vectors), copies.shape, generator=chance)
    usual = (torch.arange(len(noise)) % 2 == 0)[:, None] & (len(met) > 0)
    if len(met):
        noise = torch.where(usual, met[torch.randint(len(met), noise.shape, generator=chance)], noise)
    noise = noise * (copies != 0)  # as many as real texts have
    bags, foreign = bag(clean, weighted), bag(noise, weighted)
    even = nn.functional.one_hot(wanted.repeat(_COPIES), labels).to(torch.float32)
    even = even * (1 - _SMOOTHING) + _SMOOTHING / labels
    noisy = int(_BATCH * _NOISE)
    undecided = torch.full((noisy, labels), 1.0 / labels)
    weights = torch.zeros(vectors.shape[1], labels, requires_grad=True)
    shift = torch.zeros(labels, requires_grad=True)
    optimizer = torch.optim.AdamW([weights, shift], lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS)
    for _ in range(_STEPS):
        own = torch.randint(len(bags), (_BATCH - noisy,), generator=chance)
        other = torch.randint(len(foreign), (noisy,), generator=chance)
        logits = torch.cat([bags[own], foreign[other]]) @ weights + shift
        loss = nn.functional.cross_entropy(logits, torch.cat([even[own], undecided]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return weighted @ weights, shift.clone()


def bag(rows: Tensor, table: Tensor) -> Tensor:
    """float32 [texts, columns]: the sum of a table's rows, by the root of how many they are and one."""
    count = (rows != 0).sum(1, keepdim=True).to(torch.float32)
    made: Tensor = nn.functional.embedding_bag(rows, table, mode="sum") * torch.rsqrt(count + 1)
    return made


class WordScores:
    """Scores that are added to the logits of a net of one head, and whether they help it.

    vectors: float32 [pieces + 1, columns]; rows: int64 [texts, length], the pieces of all texts.
    """

    def __init__(self, vectors: Tensor, rows: Tensor) -> None:
        self._vectors, self._rows = vectors, rows
        self._seen: list[np.ndarray] = []
        self._shares: list[float] = []

    @property
    def pieces(self) -> int:
        """How many there are."""
        return len(self._vectors) - 1

    def examine(self, back: Tensor, wanted: Tensor, others: Tensor, seed: int) -> None:
        """Learn from all texts but `back`, bool [texts], and keep what that says of those.

        others: the net's own logits of them, float32 [texts left out, labels]; they settle how much the scores count.
        """
        table, shift = fit_scores(self._rows[~back], wanted[~back], others.shape[1], self._vectors, seed)
        logits = (bag(self._rows[back], table) + shift).numpy()
        self._shares.append(SHARE * float(others.numpy().std()) / max(float(logits.std()), 1e-6))
        self._seen.append(logits * self._shares[-1])

    def added(self, others: np.ndarray) -> np.ndarray:
        """The net's logits, float32 [texts left out, labels], with what was kept of each."""
        made: np.ndarray = others + np.concatenate(self._seen)
        return made

    def helps(self, others: np.ndarray, added: np.ndarray, wanted: np.ndarray) -> bool:
        """Whether unseen texts' labels are likelier with the scores than without, by more than chance would make them.

        In a language that the vectors hardly know they aren't. Chance: twice the standard error of the texts' difference.
        """
        gain = _losses(others, wanted) - _losses(added, wanted)
        return float(gain.mean()) > 2 * float(gain.std()) / len(gain) ** 0.5

    def fitted(self, wanted: Tensor, seed: int) -> dict[str, Tensor]:
        """The scores of all texts, as a net's weights."""
        table, shift = fit_scores(self._rows, wanted, int(wanted.max()) + 1, self._vectors, seed)
        share = float(np.mean(self._shares))
        return {"scores.weight": table * share, "shift": shift * share}


def _losses(logits: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Each text's negative log likelihood at the best temperature."""
    chances = softmax(logits / best_temperature(logits.astype(np.float64), wanted))
    made: np.ndarray = -np.log(chances[np.arange(len(wanted)), wanted] + 1e-12)
    return made
