"""How the network for questions is trained: drawn pictures teach it first what is where, then questions what to do with it.

Drawn pictures know where each shape is and which ones a question is about; rows of a person have questions and answers alone,
which teach everything at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.vision.questions import PAD, UNKNOWN
from trainer_host.errors import DataError
from trainer_host.media.picture_questions import SIDES, WAYS
from trainer_host.students.vision_data import plain
from trainer_host.students.vision_fit import Draws, Progress, rate_at
from trainer_host.students.vision_questions_data import NOWHERE, THINGS, Asked
from trainer_host.students.vision_questions_net import OPEN, READS, SHUT, QuestionNet
from trainer_host.training.steps import Steps

# Million multiplications of a picture's cells, forward alone counted, that a second of one core learns with (AMD EPYC, 2026).
PER_SECOND = 5500
USUAL_SECONDS = 240.0
MIN_STEPS, MAX_STEPS = 40, 12_000
_SHARES = (0.25, 0.15, 0.6)  # of the budget: what is where, questions over cells that stay, both together
_COSTS = (1.0, 1.0, 1.75)  # of a step of each
SMOOTHING = 0.02
SLOWLY = 0.3  # times the rate: what cells learnt before the questions
_HINTS = 0.3  # how much what is where counts beside the answers
# Of what is seen, what each kind of question reads: what it names is read by those alone that ask what it is like.
_READ = {"count": "count", "exists": "count", "compare": "more", **dict.fromkeys(SIDES, "apart")}
_UNKNOWN = 0.02  # of the words that are learnt are taken for unknown ones, which new questions have
_READING = torch.tensor([[OPEN if _READ.get(way, "found") == part else SHUT for part in READS] for way in WAYS])
BLIND_STEPS, BLIND_BATCH = 200, 128


@dataclass(frozen=True)
class Plan:
    """How many steps of each part. batch: pictures of a step, each: questions about one. rate: the highest."""

    looking: int
    asking: int
    both: int
    batch: int = 16
    each: int = 10
    rate: float = 0.004
    decay: float = 0.02

    @property
    def total(self) -> int:
        """All steps."""
        return self.looking + self.asking + self.both


def planned(cost: float, seconds: float | None, hints: bool) -> Plan:
    """What a budget of seconds of one core allows. cost: multiplications of a picture's cells, in millions.

    hints: whether it is known what is where; else all steps learn both together. Raises `DataError`.
    """
    if seconds is not None and seconds < 1:
        raise DataError("Training takes at least 1 second; give more --seconds.")
    step = Plan(0, 0, 0).batch * cost / PER_SECOND  # seconds
    budget = USUAL_SECONDS if seconds is None else seconds
    looking, asking, both = (
        min(max(round(budget * share / (step * more)), MIN_STEPS), MAX_STEPS)
        for share, more in zip(_SHARES if hints else (0.0, 0.0, 1.0), _COSTS, strict=True)
    )
    return Plan(looking, asking, both) if hints else Plan(0, 0, both)


@dataclass(frozen=True)
class _Part:
    """A part of the training. slowly: what learns at `SLOWLY` times the rate; still: what doesn't learn at all."""

    name: str
    steps: int
    begun: int  # steps of all parts before it
    slowly: bool
    still: bool


def fit(
    net: QuestionNet,
    asked: Asked,
    pictures: np.ndarray,
    plan: Plan,
    seed: int,
    on_progress: Progress,
    steps: Steps,
) -> None:
    """Train `net` in place on these pictures, by their places in `asked`. steps: where it keeps how far it is."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    hint = nn.Conv2d(net.cells.wide, THINGS, 1)
    net.train()
    if plan.looking:
        _look(net, hint, asked, pictures, plan, seed, on_progress, steps)
    begun = plan.looking
    for part in (
        _Part("questions", plan.asking, begun, slowly=True, still=True),
        _Part("both", plan.both, begun + plan.asking, slowly=plan.looking > 0, still=False),
    ):
        if part.steps:
            _ask(net, hint, asked, pictures, plan, part, seed, on_progress, steps)
    net.eval()


def blind(net: QuestionNet, words: np.ndarray, answers: np.ndarray, asked: np.ndarray, seed: int) -> np.ndarray:
    """What a network that reads questions alone answers, int64 [asked]: the part of `net` that reads them, trained by itself.

    words: int64 [questions, length], answers: int64 [questions], to learn from; asked: int64 [n, length].
    """
    model = nn.Sequential(net.wording, nn.Linear(net.wording.out.out_features, net.out.out_features))
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.003)
    draw = np.random.default_rng([seed, 2])
    for _ in range(BLIND_STEPS):
        rows = draw.integers(len(words), size=BLIND_BATCH)
        loss = functional.cross_entropy(model(torch.from_numpy(words[rows])), torch.from_numpy(answers[rows]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        made: np.ndarray = model(torch.from_numpy(asked)).argmax(1).numpy()
    return made


def _look(
    net: QuestionNet,
    hint: nn.Module,
    asked: Asked,
    pictures: np.ndarray,
    plan: Plan,
    seed: int,
    tell: Progress,
    steps: Steps,
) -> None:
    """Teach the cells what is where."""
    known = pictures[(asked.things[pictures] != NOWHERE).all((1, 2))]
    parameters = [*net.cells.parameters(), *net.there.parameters(), *hint.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=plan.rate, weight_decay=plan.decay)
    draws = Draws(known, False, seed)
    for step in steps.of("looking", plan.looking, net, hint, optimiser, draws):
        draw = np.random.default_rng([seed, step])
        chosen = draws.next(plan.batch, 0.0)
        axes = [axis for axis in (0, 1) if draw.random() < 0.5]
        pixels = _lit(asked.pixels[chosen], draw).flip([axis + 2 for axis in axes])
        things, middles = (grid.flip([axis + 1 for axis in axes]) for grid in _grids(asked, chosen))
        loss = _seen(net, hint, net.cells(pixels), things, middles)
        _learn(optimiser, parameters, loss, plan.rate * rate_at(step / plan.looking, 0.05))
        tell(step + 1, float(loss.detach()))


def _ask(
    net: QuestionNet,
    hint: nn.Module,
    asked: Asked,
    pictures: np.ndarray,
    plan: Plan,
    part: _Part,
    seed: int,
    tell: Progress,
    steps: Steps,
) -> None:
    """Teach answers, and where to look for them."""
    seeing = [*net.cells.parameters(), *net.there.parameters(), *hint.parameters()]
    known = {id(parameter) for parameter in seeing}
    others = [parameter for parameter in net.parameters() if id(parameter) not in known]
    learning = others if part.still else [*others, *seeing]
    groups = [{"params": others, "share": 1.0}]
    if not part.still:
        groups.append({"params": seeing, "share": SLOWLY if part.slowly else 1.0})
    for parameter in seeing:
        parameter.requires_grad_(not part.still)
    net.cells.train(not part.still)
    optimiser = torch.optim.AdamW(groups, lr=plan.rate, weight_decay=plan.decay)
    draws = Draws(pictures, False, seed + 1)
    both = plan.asking + plan.both
    for step in steps.of(part.name, part.steps, net, hint, optimiser, draws):
        draw = np.random.default_rng([seed, 1, part.begun + step])
        chosen = draws.next(plan.batch, 0.0)
        rows = np.concatenate(
            [draw.choice(asked.rows[at], plan.each, len(asked.rows[at]) < plan.each) for at in chosen]
        )
        cells = net.cells(_lit(asked.pixels[chosen], draw))
        logits, points, manners, reads = net.looked(cells, _words(asked, rows, draw), plan.each)
        answers = torch.from_numpy(asked.answers[rows])
        loss = functional.cross_entropy(logits, answers, label_smoothing=SMOOTHING)
        loss = loss + _pointed(points, asked, np.repeat(chosen, plan.each), rows)
        ways = torch.from_numpy(asked.ways[rows])
        if (ways != NOWHERE).any():
            loss = loss + _HINTS * functional.cross_entropy(manners, ways, ignore_index=NOWHERE)
            loss = loss + _HINTS * functional.mse_loss(reads[ways != NOWHERE], _READING[ways[ways != NOWHERE]])
        things, middles = _grids(asked, chosen)
        if not part.still:
            loss = loss + _HINTS * _seen(net, hint, cells, things, middles)
        share = (part.begun - plan.looking + step) / both
        _learn(optimiser, learning, loss, plan.rate * rate_at(share, 0.05))
        tell(part.begun + step + 1, float(loss.detach()))


def _learn(optimiser: torch.optim.Optimizer, parameters: list[nn.Parameter], loss: Tensor, rate: float) -> None:
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 5.0)
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("share", 1.0)
    optimiser.step()


def _lit(pixels: np.ndarray, draw: np.random.Generator) -> Tensor:
    """Pixels as the network reads them, darker or brighter."""
    return plain(pixels) * float(draw.uniform(0.8, 1.2)) + float(draw.uniform(-0.15, 0.15))


def _words(asked: Asked, rows: np.ndarray, draw: np.random.Generator) -> Tensor:
    ids = asked.words[rows]
    return torch.from_numpy(np.where((ids > PAD) & (draw.random(ids.shape) < _UNKNOWN), UNKNOWN, ids))


def _grids(asked: Asked, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
    """What each cell shows, int64 [pictures, side, side], `NOWHERE` where nobody knows; and 1.0 where a middle is."""
    things = asked.things[chosen]
    middles = np.zeros(things.reshape(len(chosen), -1).shape, np.float32)
    rows, numbers = np.nonzero(asked.cells[chosen] != NOWHERE)
    middles[rows, asked.cells[chosen][rows, numbers]] = 1
    return torch.from_numpy(things), torch.from_numpy(middles.reshape(things.shape))


def _seen(net: QuestionNet, hint: nn.Module, cells: Tensor, things: Tensor, middles: Tensor) -> Tensor:
    """How wrong cells are about what they show and where middles are, of the pictures that it is known of."""
    known = (things != NOWHERE).flatten(1).all(1)
    if not known.any():
        return cells.sum() * 0
    cells, things, middles = cells[known], things[known], middles[known]
    weight = torch.where(things > 0, 6.5, 0.5)
    what = (functional.cross_entropy(hint(cells), things, reduction="none") * weight).sum() / weight.sum()
    there = functional.binary_cross_entropy_with_logits(net.there(cells)[:, 0], middles, reduction="sum")
    return what + 0.3 * there / middles.sum().clamp(min=1.0)


def _pointed(points: Tensor, asked: Asked, pictures: np.ndarray, rows: np.ndarray) -> Tensor:
    """How wrong the glimpses that point are, at the middles of shapes of which it is known whether they are meant."""
    about = asked.about[rows]  # [questions, POINTING, MOST]
    which, glimpse, shape = np.nonzero(about != NOWHERE)
    if not len(which):
        return points.sum() * 0
    cells = asked.cells[pictures][which, shape]
    meant = torch.from_numpy(about[which, glimpse, shape].astype(np.float32))
    return functional.binary_cross_entropy_with_logits(points[which, glimpse, cells], meant)
