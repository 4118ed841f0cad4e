"""Text to one label per head: hashed words and n-grams, a bag of embeddings, one hidden layer, calibrated ends; where it helps,
what pretrained vectors of words say is added.

The family of `router` (one head) and `avatar` (several).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime.tasks.pieces import Pieces
from edge_runtime.tasks.text import Features, encode
from trainer_host.data.curriculum import available
from trainer_host.errors import DataError
from trainer_host.students.word_scores import WordScores
from trainer_host.training.calibration import Calibration, calibrate
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps


class Aside(NamedTuple):
    """Rows that calibrate: of `parts` equal ones, `models` of them are left out in turn by a model each."""

    parts: int
    models: int


# A row's calibration comes from a model that hasn't seen it, nor its group. A model that has seen much less than the last one
# errs more and is less sure, and a bundle would promise less than it keeps; so little is left out at a time. Of few rows every
# one calibrates: what the likely labels hold errs by 1.8 points with the 200 templates of half of a thousand rows, by 1.35 with
# all (standard errors by a bootstrap of whole templates). Even so the last model's hold it 0.9 points more often than those of
# the models that calibrate (nine splits, standard error 0.2). A short budget goes to learning instead.
FEW, SHORT, MANY = Aside(10, 10), Aside(10, 5), Aside(5, 1)
_COMMON = 0.05  # the rarity of a feature that nearly all texts have; below it, what a table says can't be undone
CROSS_UP_TO = 3000  # rows that are few
# A student plans by steps, so that the result doesn't depend on how fast the machine is.
STEPS_PER_SECOND = 150
MIN_STEPS, MAX_STEPS = 240, 2500
Progress = Callable[[int, float], None]
SCORES = ("scores.weight", "shift")  # of a net's weights, what pieces say
TUNED = 0.25  # of the rate and of the steps, where a model begins with another one


@dataclass(frozen=True)
class Shape:
    """What the network's shape depends on. heads: how many labels each has. pieces: of a vocabulary, 0 without one."""

    heads: tuple[int, ...]
    features: Features
    width: int = 32
    hidden: int = 64
    pieces: int = 0


class Taught(NamedTuple):
    """A trained network, what calibrates each head, and what it was calibrated on.

    left: int64 [rows left out], their positions. logits: float32 [rows left out, labels] of each head, by models that hadn't
    seen them.
    """

    model: HeadsNet
    found: list[Calibration]
    left: np.ndarray
    logits: list[np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    steps: int
    batch: int = 64
    rate: float = 0.004
    decay: float = 0.05
    smoothing: float = 0.05
    drop: float = 0.5  # of features: a sentence must be told by more than one word
    noise: float = 0.4  # share of each batch that is random features, which must leave it undecided
    aside: Aside | None = None  # what calibrates; None: what the number of rows asks for


class HeadsNet(nn.Module):
    """tokens int32 [1, length] (0 pads) -> probabilities float32 [1, labels] per head, divided by its temperature.

    rows: of the table, 0 among them; a training holds only the rows that its texts use. With pieces, tokens are [1, length +
    `edge_runtime.tasks.pieces.LENGTH`], and what the pieces' scores come to is added to the logits of the only head.
    """

    many_rows = True  # sixteen texts in one run take an eighth of sixteen runs (measured)
    temperature: Tensor

    def __init__(self, shape: Shape, rows: int) -> None:
        super().__init__()
        self.heads = shape.heads
        self.table = nn.Embedding(rows, shape.width, padding_idx=0)
        self.hidden = nn.Linear(shape.width, shape.hidden)
        self.out = nn.Linear(shape.hidden, sum(shape.heads))
        self.length = shape.features.length
        self.scores = nn.Embedding(shape.pieces + 1, sum(shape.heads), padding_idx=0) if shape.pieces else None
        self.shift = nn.Parameter(torch.zeros(sum(shape.heads))) if shape.pieces else None
        self.register_buffer("temperature", torch.ones(len(shape.heads)))
        with torch.no_grad():
            self.table.weight.mul_(0.1)
            self.table.weight[0] = 0

    def logits(self, tokens: Tensor, weights: Tensor | None = None) -> tuple[Tensor, ...]:
        """float32 [batch, labels] per head, before the temperature; weights [rows, 1] scale the table's rows."""
        return self.from_bag(self.bag(tokens, weights), tokens)

    def bag(self, tokens: Tensor, weights: Tensor | None = None) -> Tensor:
        """float32 [batch, width]: the sum of the tokens' rows, by the root of their count; what the text is about."""
        if self.scores is not None:
            tokens = tokens[:, : self.length]
        count = (tokens != 0).to(torch.float32).sum(1, keepdim=True)
        rows = self.table(tokens)
        if weights is not None:
            rows = rows * weights[tokens]
        made: Tensor = rows.sum(1) * torch.rsqrt(count + 1)
        return made

    def from_bag(self, bag: Tensor, tokens: Tensor) -> tuple[Tensor, ...]:
        """float32 [batch, labels] per head, of a bag; tokens: where pieces are read."""
        out: Tensor = self.out(torch.relu(self.hidden(bag)))
        if self.scores is not None and self.shift is not None:
            pieces = tokens[:, self.length :]
            count = (pieces != 0).to(torch.float32).sum(1, keepdim=True)
            out = out + self.scores(pieces).sum(1) * torch.rsqrt(count + 1) + self.shift
        return out.split(self.heads, 1) if len(self.heads) > 1 else (out,)

    def forward(self, tokens: Tensor) -> Tensor | tuple[Tensor, ...]:
        made = tuple(torch.softmax(part / self.temperature[i], dim=-1) for i, part in enumerate(self.logits(tokens)))
        return made if len(made) > 1 else made[0]


class WithEmbedding(nn.Module):
    """A net of one head that says more: probabilities; its bag, float32 [1, width] of length 1, for searches by likeness; and
    its energy, float32 [1, 1], see `edge_runtime.tasks.familiar`."""

    many_rows = True
    # The energy tells how far the logits reach; LiteRT's calibration would cut off what few rows reach.
    full_ranges = True

    def __init__(self, net: HeadsNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bag = self.net.bag(tokens)
        (logits,) = self.net.from_bag(bag, tokens)
        length = torch.rsqrt((bag * bag).sum(1, keepdim=True) + 1e-12)  # of no text: nothing, not NaN
        energy = torch.logsumexp(logits, 1, keepdim=True)
        return torch.softmax(logits / self.net.temperature[0], dim=-1), bag * length, energy


def encoded(texts: Sequence[str], features: Features, pieces: Pieces | None = None) -> Tensor:
    """Tokens of texts, int32 [texts, length]; those of pieces behind them."""
    made = np.concatenate([encode(text, features).ids for text in texts])
    if pieces is not None:
        made = np.concatenate([made, np.concatenate([pieces.ids(text) for text in texts])], axis=1)
    return torch.from_numpy(made)


def train_heads(
    shape: Shape,
    tokens: Tensor,
    wanted: Tensor,
    strata: Sequence[object],
    recipe: Recipe,
    seed: int,
    on_progress: Progress,
    order: Sequence[int] | None = None,
    groups: Sequence[object] | None = None,
    start: HeadsNet | None = None,
    steps: Steps | None = None,
    vectors: np.ndarray | None = None,
) -> Taught:
    """Calibrate on models that haven't seen the rows, then train on all of them.

    tokens int32 [rows, length]; wanted int64 [rows, heads]; strata: one per row, spread evenly over the folds.
    order: positions of the rows, easy ones first, for a curriculum; None for the plain order. groups: one per row, as
    the template that it was made from: those of one group calibrate together, unseen; None: each row is its own.
    start: what the last one begins with, and is then changed little; it may have seen the rows, so that those which
    calibrate begin with nothing. steps: where each model keeps how far it is. vectors: float32 [pieces + 1, columns] of the
    pieces whose ids stand behind those of the features, for one head; they are kept where they make unseen rows likelier, or where
    there is a start: it had them.
    """
    steps = steps or Steps(None)
    eased = order is not None
    positions = np.arange(len(tokens)) if order is None else np.array(order)
    if order is not None:  # from here on, rows stand in the order of their difficulty
        tokens, wanted, strata = tokens[list(order)], wanted[list(order)], [strata[i] for i in order]
        groups = groups and [groups[i] for i in order]
    aside = recipe.aside or _aside(len(tokens), None)
    fold_of = _folds(strata, groups or range(len(tokens)), seed, aside.parts)
    done = 0

    def progress(step: int, loss: float) -> None:
        on_progress(done * recipe.steps + step, loss)

    words = (
        None if vectors is None else WordScores(torch.from_numpy(vectors), tokens[:, shape.features.length :].long())
    )
    tokens = tokens[:, : shape.features.length]
    seen: list[tuple[Tensor, ...]] = []
    left: list[Tensor] = []
    for fold in range(aside.models):
        back = fold_of == fold
        model = _fit(
            shape, tokens[~back], wanted[~back], recipe, seed + 1 + fold, progress, eased, steps, f"fold {fold}"
        )
        with torch.inference_mode():
            seen.append(tuple(part.clone() for part in model.logits(tokens[back])))
        if words is not None:
            words.examine(back, wanted[:, 0], seen[-1][0], seed + 1 + fold)
        left.append(torch.nonzero(back)[:, 0])
        done += 1
    places = torch.cat(left)
    labels = wanted[places].numpy()
    logits = [torch.cat([part[head] for part in seen]).numpy() for head in range(len(shape.heads))]
    if words is not None:
        added = words.added(logits[0])
        if start is None and not words.helps(logits[0], added, labels[:, 0]):
            words = None
        else:
            logits[0] = added
    alike = None if groups is None else [groups[place] for place in places.tolist()]
    found = [calibrate(logits[head], labels[:, head], alike) for head in range(len(shape.heads))]
    if start is not None:
        recipe = replace(recipe, steps=max(1, int(recipe.steps * TUNED)), rate=recipe.rate * TUNED)
    model = _fit(shape, tokens, wanted, recipe, seed, progress, eased, steps, "whole", start)
    if words is not None:
        model = _with_scores(model, shape, words, wanted[:, 0], seed, start)
    with torch.no_grad():
        model.temperature.copy_(torch.tensor([item.temperature for item in found]))
    return Taught(model, found, positions[places.numpy()], logits)


def _with_scores(
    model: HeadsNet, shape: Shape, words: WordScores, wanted: Tensor, seed: int, start: HeadsNet | None
) -> HeadsNet:
    """The net with scores of all rows, or with those of `start` where it has them: as few bytes as can be shall change."""
    whole = HeadsNet(replace(shape, pieces=words.pieces), shape.features.buckets + 1)
    begun = start.state_dict() if start is not None and start.scores is not None else words.fitted(wanted, seed)
    with torch.no_grad():
        whole.load_state_dict({**model.state_dict(), **{name: begun[name] for name in SCORES}})
    return whole.eval()


def planned(rows: int, seconds: float | None, what: str) -> tuple[Recipe, int]:
    """How the models for so many rows are trained, and how many they are, the last one among them.

    Raises `DataError` for a budget that is too small.
    """
    aside = _aside(rows, seconds)
    models = aside.models + 1
    steps = min(max(MIN_STEPS, rows * 30 // Recipe(0).batch), MAX_STEPS)
    if seconds is not None:
        allowed = int(seconds * STEPS_PER_SECOND / models)
        if allowed < MIN_STEPS // 3:
            raise DataError(
                f"{what} can't be trained in {seconds:g} seconds; allow at least "
                f"{models * MIN_STEPS / 3 / STEPS_PER_SECOND:.0f}."
            )
        steps = min(steps, allowed)
    return Recipe(steps, aside=aside), models


def _aside(rows: int, seconds: float | None) -> Aside:
    if rows > CROSS_UP_TO:
        return MANY
    return FEW if seconds is None or seconds * STEPS_PER_SECOND >= MIN_STEPS * (FEW.models + 1) else SHORT


def _folds(strata: Sequence[object], groups: Sequence[object], seed: int, count: int) -> Tensor:
    """One of `count` folds for each row: whole groups, those of every stratum spread evenly, and then all rows."""
    size = Counter(groups)
    met: dict[object, list[int]] = {}
    chosen: dict[object, int] = {}
    filled = [0] * count
    fold = torch.zeros(len(strata), dtype=torch.int64)
    for position in np.random.default_rng(seed).permutation(len(strata)):
        stratum, group = strata[position], groups[position]
        if group not in chosen:
            there = met.setdefault(stratum, [0] * count)
            place = min(range(count), key=lambda number: (there[number], filled[number]))
            there[place] += 1
            filled[place] += size[group]
            chosen[group] = place
        fold[position] = chosen[group]
    return fold


def _fit(
    shape: Shape,
    tokens: Tensor,
    wanted: Tensor,
    recipe: Recipe,
    seed: int,
    progress: Progress,
    eased: bool,
    steps: Steps,
    name: str,
    start: HeadsNet | None = None,
) -> HeadsNet:
    prepare(seed)
    used, rows = torch.unique(tokens, return_inverse=True)
    if used[0] != 0:  # no text is shorter than the model's length, so padding doesn't occur
        used, rows = torch.cat([torch.zeros(1, dtype=used.dtype), used]), rows + 1
    # Rare features tell more (inverse document frequency); the factor becomes part of the table below.
    present = torch.zeros(len(used))
    for part in rows.split(4096):  # all at once would take rows x features
        present += torch.zeros(len(part), len(used)).scatter_(1, part, 1.0).sum(0)
    rarity = torch.log(len(tokens) / present.clamp(min=1)).unsqueeze(1)
    model = HeadsNet(shape, len(used))
    if start is not None:
        begun = {name: value for name, value in start.state_dict().items() if name not in SCORES}
        model.load_state_dict({**begun, "table.weight": begun["table.weight"][used.long()] / rarity.clamp(min=_COMMON)})
    model = _descend(model, rows, wanted, rarity, recipe, seed, progress, eased, steps, name)
    whole = HeadsNet(shape, shape.features.buckets + 1)
    with torch.no_grad():
        state = model.state_dict()
        small = state.pop("table.weight")
        # A bucket that no text of the training uses says nothing, or what it said.
        large = torch.zeros_like(whole.table.weight) if start is None else start.table.weight.clone()
        large[used.long()] = small * rarity
        whole.load_state_dict({**state, "table.weight": large})
    return whole.eval()


def _descend(
    model: HeadsNet,
    rows: Tensor,
    wanted: Tensor,
    rarity: Tensor,
    recipe: Recipe,
    seed: int,
    progress: Progress,
    eased: bool,
    steps: Steps,
    name: str,
) -> HeadsNet:
    """Train on `rows`, int64 [texts, length]: positions in the table of used features. eased: the first ones first."""
    model.train()
    shuffle = torch.Generator().manual_seed(seed)
    table, *rest = model.parameters()
    groups: list[dict[str, object]] = [{"params": [table], "weight_decay": recipe.decay}, {"params": rest}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate, fused=True)  # one pass over a table of words, not ten
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps)
    noisy = int(recipe.batch * recipe.noise)
    last = len(rarity)
    met = rows[rows != 0]
    # What no text reaches is padding, which says nothing, and most of the length. Chance is drawn for all of it, so that
    # one long text more doesn't change what the others draw.
    length, reached = rows.shape[1], int((rows != 0).any(0).nonzero().max()) + 1 if len(met) else 1
    rows = rows[:, :reached]
    # Half of the noise is drawn as features occur: what a foreign text has in common with the rows are the usual ones.
    usual = (torch.arange(noisy) % 2 == 0)[:, None]
    undecided = [torch.full((noisy, labels), 1.0 / labels) for labels in model.heads]
    for step in steps.of(name, recipe.steps, model, optimizer, schedule, shuffle):
        most = available(step / recipe.steps, len(rows)) if eased else len(rows)
        chosen = torch.randint(most, (recipe.batch - noisy,), generator=shuffle)
        clean = rows[chosen]
        keep = torch.rand(len(clean), length, generator=shuffle)[:, :reached] >= recipe.drop
        random = torch.randint(1, last, (noisy, length), generator=shuffle)[:, :reached]
        occurring = torch.randint(len(met), (noisy, length), generator=shuffle)[:, :reached]
        random = torch.where(usual, met[occurring], random)
        # As many random features as real texts have, so that the count alone tells nothing.
        random = random * (clean[torch.arange(noisy) % len(clean)] != 0)
        losses = []
        for head, logits in enumerate(model.logits(torch.cat([clean * keep, random]), rarity)):
            labels = model.heads[head]
            target = nn.functional.one_hot(wanted[chosen, head], labels).to(torch.float32)
            target = target * (1 - recipe.smoothing) + recipe.smoothing / labels
            losses.append(nn.functional.cross_entropy(logits, torch.cat([target, undecided[head]])))
        loss = torch.stack(losses).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 25 == 24 or step + 1 == recipe.steps:
            progress(step + 1, float(loss.detach()))
    return model
