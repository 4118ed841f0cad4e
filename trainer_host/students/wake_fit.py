"""Trains a `WakeNet`: phrases, what sounds nearly like them, and other talk, the hardest of it more often."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, HOP
from edge_runtime.audio.wake import LIMIT, PAUSE_SECONDS, SMOOTH, STEP_SECONDS, STRIDE
from trainer_host.speech.acoustics import Scene
from trainer_host.students.wake_data import BEFORE, BEFORE_FRAMES, CLIP_STEPS, Clips, Material, windows
from trainer_host.students.wake_mix import SILENCE, Noises, mixed
from trainer_host.students.wake_net import Shape, WakeNet
from trainer_host.students.wake_warp import warped
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Arrays, Steps

OnProgress = Callable[[int, float], None]
# Seconds behind a phrase's end in which the network says yes; around them it isn't asked.
_YES = (0.03, 0.30)
_UNASKED = (-0.25, 0.60)
_HIGHEST_OF = 5  # steps whose mean must be low in a clip without the phrase; a device takes that of some more
_EASY, _HARD, _HARDEST = (
    0.15,
    (3.0, 8),
    (20.0, 64),
)  # how often clips are drawn: in any case, and by powers of their rank
_ROWS_AT_ONCE = 128
_SOUNDS_AT_ONCE, _KEPT = 500, 0.125  # sounds among which the hardest clips are looked for, and the share of these
_OTHERWISE = 2  # times that each is said otherwise, to be looked at
_FRAMES = BEFORE_FRAMES + CLIP_STEPS * STRIDE  # of a clip
SECONDS_A_STEP = 0.07  # of one thread, in the smallest usual size; only to plan by
_SCENE = Scene()  # rooms and clipping are in what was said


@dataclass(frozen=True)
class Recipe:
    """One round of training.

    clips: with the phrase, nearly with it, and of other talk, in a step. looks: shares of the steps after which hard clips
    are looked for. masks: how often bands are left out of a clip, and fewer than how many.
    """

    steps: int = 5_000
    clips: tuple[int, int, int] = (16, 8, 24)
    rate: float = 4e-3
    decay: float = 1e-2
    warm: float = 0.05
    looks: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    masks: tuple[int, int] = (1, 6)


# Later rounds begin with the hardest talk, and leave out more: some voices lack whole formants. Each ends somewhere else, and
# the mean of their ends misses less than any of them.
_LATER = Recipe(1_500, rate=2e-3, looks=(0.0, 0.5), masks=(2, 9))
ROUNDS = (Recipe(), *(_LATER,) * 4)
# Networks that began elsewhere err elsewhere: the mean of three misses a third less than one, and half of that one network
# of the same size learns from them (Hinton et al. 2015). The mean of its ends is nearer to theirs than either, again.
OTHERS = ((Recipe(), _LATER),) * 2
LAST = (Recipe(2_500, rate=2e-3, looks=(0.0, 0.5)),) * 2
_TEMPERATURE, _OWN = 3.0, 0.3  # of what teachers say; and the weight of what is known without them


@dataclass(frozen=True)
class Plan:
    """rounds: of the first network. others: of each other one. last: those in which the first learns from all of them."""

    rounds: list[Recipe]
    others: list[list[Recipe]]
    last: list[Recipe]

    @property
    def steps(self) -> int:
        """Of all networks."""
        return sum(one.steps for one in (*self.rounds, *(one for other in self.others for one in other), *self.last))


USUAL = Plan(list(ROUNDS), [list(other) for other in OTHERS], list(LAST))


def planned(seconds: float | None) -> Plan:
    """The usual plan, with as many steps as the seconds allow; where they are few, the first network has all of them."""
    if seconds is None:
        return USUAL
    alone = Plan(USUAL.rounds, [], [])
    usual = USUAL if seconds >= alone.steps * SECONDS_A_STEP else alone
    least = 2 * len(usual.rounds)
    share = min(max(seconds / SECONDS_A_STEP, least), 50_000) / usual.steps

    def scaled(some: list[Recipe]) -> list[Recipe]:
        return [replace(one, steps=max(2, int(share * one.steps))) for one in some]

    return Plan(scaled(usual.rounds), [scaled(other) for other in usual.others], scaled(usual.last))


def fit(
    net: WakeNet,
    material: Material,
    around: Noises,
    recipe: Recipe,
    seed: int,
    on_progress: OnProgress,
    steps: Steps | None = None,
    name: str = "sounds",
    teachers: Sequence[WakeNet] = (),
) -> None:
    """Train `net` in place on `spoken` material, and leave it in eval mode.

    steps: where it keeps how far it is, by this name. teachers: trained networks, the mean of whose log-odds it learns.
    """
    prepare(seed)
    net.train()
    draw = np.random.default_rng([seed, 3])
    places = windows(material.talk, _FRAMES)
    weights = Arrays(
        talk=np.full(len(places), 1 / max(1, len(places))),
        near=np.full(len(material.near.ends), 1 / len(material.near.ends)),
    )
    matrices = [p for p in net.parameters() if p.dim() > 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.decay},
        {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate)
    looks = {int(share * recipe.steps) for share in recipe.looks}
    for step in (steps or Steps(None)).of(name, recipe.steps, net, optimiser, weights, draw):
        if step in looks:
            weights["talk"], weights["near"] = _harder(net, material, places, around, draw)
        counts = recipe.clips
        phrases = draw.integers(0, len(material.phrases.ends), counts[0])
        near = draw.choice(len(weights["near"]), counts[1], p=weights["near"])
        parts = [material.phrases.features[phrases], material.near.features[near]]
        ends = [material.phrases.ends[phrases], material.near.ends[near]]
        if len(places):
            chosen = places[draw.choice(len(places), counts[2], p=weights["talk"])]
            parts.append(_cut(material.talk, chosen))
            ends.append(np.full(counts[2], -1.0, np.float32))
        spoken, at = warped(draw, np.concatenate(parts).astype(np.float32), np.concatenate(ends))
        features = _masked(draw, _heard(draw, spoken, around), recipe.masks)
        logits, wanted = net(torch.from_numpy(features)), torch.from_numpy(np.where(at >= 0, at - BEFORE, at))
        loss = _loss(logits, wanted)
        if teachers:
            with torch.inference_mode():
                said = torch.stack([one(torch.from_numpy(features)) for one in teachers]).mean(0)
            loss = _taught(logits, said.clone(), wanted) + _OWN * loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _rate(step / recipe.steps, recipe.warm)
        optimiser.step()
        on_progress(step + 1, float(loss.detach()))
    net.eval()


def begun(shape: Shape, seed: int) -> WakeNet:
    """A network that has learnt nothing yet."""
    prepare(seed)
    return WakeNet(shape)


@dataclass
class Course:
    """The fits of one training, one after another.

    told: gets the share of all steps and of more talk that are done, the step and its loss. mined: that share of more talk.
    """

    material: Material
    around: Noises
    steps: Steps
    total: int
    told: Callable[[float, float, int, float], None]
    done: int = 0
    fits: int = 0
    mined: float = 0.0

    @property
    def share(self) -> float:
        """Of the steps."""
        return self.done / self.total

    def learn(self, net: WakeNet, recipe: Recipe, seed: int, teachers: Sequence[WakeNet] = ()) -> dict[str, Tensor]:
        """`fit`; gives the weights at its end."""
        before, self.fits = self.done, self.fits + 1

        def tell(step: int, loss: float) -> None:
            self.told((before + step) / self.total, self.mined, before + step, loss)

        fit(net, self.material, self.around, recipe, seed, tell, self.steps, f"sounds {self.fits}", teachers)
        self.done += recipe.steps
        return {name: one.clone() for name, one in net.state_dict().items()}


def learn_from_several(net: WakeNet, plan: Plan, course: Course, seed: int) -> None:
    """Train the other networks of the plan, and let this one learn what they and itself say in the mean."""
    teachers = [copy.deepcopy(net)]
    for number, recipes in enumerate(plan.others, 1):
        other = begun(net.shape, seed + 1_000 * number)
        for place, recipe in enumerate(recipes):
            course.learn(other, recipe, seed + 1_000 * number + 10 * place)
        teachers.append(other)
    last = seed + 1_000 * len(teachers)
    ends = [course.learn(net, recipe, last + 10 * place, teachers) for place, recipe in enumerate(plan.last)]
    net.load_state_dict(mean_of(ends))


def hardest(net: WakeNet, talk: Iterable[np.ndarray], around: Noises, seed: int) -> Iterator[np.ndarray]:
    """The clips of talk, log energies float16 [frames, 40], that sound most like the phrase to a trained network.

    Each is `warped` some ways, and given as it was when it sounded most like it.
    """
    draw, pending = np.random.default_rng([seed, 6]), iter(talk)
    while some := list(islice(pending, _SOUNDS_AT_ONCE)):
        places = windows(some, _FRAMES)
        clips, found = _cut(some, places), np.full(len(places), -np.inf, np.float32)
        for start in range(0, len(places), _ROWS_AT_ONCE):
            few = slice(start, start + _ROWS_AT_ONCE)
            said = clips[few].astype(np.float32)
            for _ in range(_OTHERWISE):
                other, _ends = warped(draw, said, np.full(len(said), -1.0, np.float32))
                peak = _peak(net, _heard(draw, other, around))
                more = peak > found[few]
                clips[few][more], found[few][more] = other[more], peak[more]
        yield from clips[np.sort(np.argsort(-found)[: round(_KEPT * len(found))])]


def mean_of(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of networks that are near each other, as those at the ends of rounds are (Izmailov et al. 2018)."""
    return {
        name: torch.stack([one[name].double() for one in states]).mean(0).to(first.dtype)
        for name, first in states[0].items()
    }


def means_of(logits: np.ndarray, smooth: int) -> np.ndarray:
    """What a device's session makes of log-odds [steps]: the mean of the last `smooth`, float64 [steps]."""
    padded = np.concatenate([np.full(smooth - 1, -LIMIT), np.clip(logits, -LIMIT, LIMIT)])
    made: np.ndarray = np.convolve(padded, np.full(smooth, 1 / smooth), "valid")
    return made


def traces(net: WakeNet, features: list[np.ndarray], smooth: int) -> list[np.ndarray]:
    """`means_of` each sound's log-odds, from its float16 [frames, 40]."""
    with torch.inference_mode():
        return [
            means_of(
                net.by_all_throats(torch.from_numpy(one[None, : len(one) // STRIDE * STRIDE].astype(np.float32)))[
                    0
                ].numpy(),
                smooth,
            )
            for one in features
        ]


def alarms(means: np.ndarray, threshold: float) -> int:
    """How often a session with this threshold on the mean would wake; see `WakeSession`."""
    pause, count, quiet_until, armed, last = round(PAUSE_SECONDS / STEP_SECONDS), 0, 0, True, -1
    for place in np.flatnonzero(means >= threshold):
        armed = armed or bool(place > last + 1)
        if armed and place >= quiet_until:
            count, armed, quiet_until = count + 1, False, int(place) + pause
        last = int(place)
    return count


def peaks(net: WakeNet, clips: Clips, smooth: int) -> np.ndarray:
    """The highest mean of each clip (of one with a phrase, near its end), float64 [clips]."""
    made = []
    for one, end in zip(traces(net, list(clips.features), smooth), clips.ends, strict=True):
        first, last = (_step(end - 0.2), _step(end + 0.7)) if end >= 0 else (0, len(one))
        made.append(float(one[first:last].max()))
    return np.array(made)


def _since(logits: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Seconds since the phrase's end [clips, steps], infinite in clips without it, and whether it was said then."""
    times = (torch.arange(logits.shape[1]) + 1) * STEP_SECONDS
    since = torch.where((ends >= 0)[:, None], times[None, :] - ends[:, None], torch.inf)
    return since, (since >= _YES[0]) & (since <= _YES[1])


def _taught(logits: Tensor, said: Tensor, ends: Tensor) -> Tensor:
    """Each step, and the highest mean of each clip to either, against what teachers said, softened."""

    def apart(mine: Tensor, theirs: Tensor) -> Tensor:
        target = torch.sigmoid(theirs / _TEMPERATURE)
        each = functional.binary_cross_entropy_with_logits(mine / _TEMPERATURE, target, reduction="none")
        return _TEMPERATURE * each

    _, yes = _since(logits, ends)
    each = apart(logits, said)
    mine, theirs = (functional.avg_pool1d(one[:, None], SMOOTH, 1)[:, 0] for one in (logits, said))
    highest = torch.stack([mine.argmax(1), theirs.argmax(1)], 1)
    tops = apart(mine.gather(1, highest), theirs.gather(1, highest))
    found = each[yes].mean() if bool(yes.any()) else logits.sum() * 0
    return found + each[~yes].mean() + tops.mean()


def _loss(logits: Tensor, ends: Tensor) -> Tensor:
    """Steps behind a phrase's end against 1, all others against 0, and the highest mean of a clip without it too."""
    (since, yes), holds = _since(logits, ends), (ends >= 0)[:, None]
    asked = yes | ~holds | (since < _UNASKED[0]) | (since > _UNASKED[1])
    each = functional.binary_cross_entropy_with_logits(logits, yes.to(logits.dtype), reduction="none")
    found = each[yes].mean() if bool(yes.any()) else logits.sum() * 0
    missed = each[asked & ~yes].mean()
    smooth = functional.avg_pool1d(logits[:, None], _HIGHEST_OF, 1)[:, 0]
    highest = functional.softplus(smooth[~holds[:, 0]].amax(1)).mean()
    return found + missed + 0.5 * highest


def _heard(draw: np.random.Generator, said: np.ndarray, around: Noises) -> np.ndarray:
    """Features float32 [clips, frames, 40] of log energies, `BEFORE` shorter."""
    made: np.ndarray = mixed(draw, torch.from_numpy(said.astype(np.float32)), around, _SCENE)[:, BEFORE_FRAMES:].numpy()
    return made


def _harder(
    net: WakeNet, material: Material, places: np.ndarray, around: Noises, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Chances of clips of talk and of near misses: the higher, the more they sound like the phrase now."""

    net.eval()
    talk = _peaks(net, len(places), lambda some: _cut(material.talk, places[some]), around, draw)
    near = _peaks(net, len(material.near.ends), lambda some: material.near.features[some], around, draw)
    net.train()
    return _chances(talk, _HARD, _HARDEST), _chances(near, _HARD)


def _peaks(
    net: WakeNet, count: int, cut: Callable[[slice], np.ndarray], around: Noises, draw: np.random.Generator
) -> np.ndarray:
    """The highest log-odds of each clip in some noise, float32 [count]."""
    found = [np.zeros(0, np.float32)]
    for start in range(0, count, _ROWS_AT_ONCE):
        found.append(_peak(net, _heard(draw, cut(slice(start, start + _ROWS_AT_ONCE)), around)))
    return np.concatenate(found)


def _peak(net: WakeNet, features: np.ndarray) -> np.ndarray:
    """The highest log-odds of each of a few clips, float32 [clips]."""
    with torch.inference_mode():
        highest: np.ndarray = net(torch.from_numpy(features)).amax(1).numpy()
    return highest


def _chances(peaks_now: np.ndarray, *powers: tuple[float, int]) -> np.ndarray:
    rank = np.argsort(np.argsort(peaks_now)) / max(1, len(peaks_now))
    hard = np.zeros(len(rank))
    for factor, power in powers:
        hard += factor * rank**power
    weight = _EASY + hard
    made: np.ndarray = weight / weight.sum() if len(rank) else rank
    return made


def _cut(talk: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Clips of talk: float16 [places, frames, 40]; the end of a sound is followed by silence."""
    made = np.full((len(places), _FRAMES, BANDS), SILENCE, np.float16)
    for number, (row, start) in enumerate(places):
        some = talk[row][start : start + _FRAMES]
        made[number, : len(some)] = some
    return made


def _masked(draw: np.random.Generator, features: np.ndarray, masks: tuple[int, int]) -> np.ndarray:
    """With some bands left out (SpecAugment; Park et al. 2019), and a little louder or softer."""
    for clip in features:
        for _ in range(masks[0]):
            width = int(draw.integers(0, masks[1]))
            start = int(draw.integers(0, BANDS - width))
            clip[:, start : start + width] = 0
    scale = draw.uniform(0.85, 1.15, (len(features), 1, 1)).astype(np.float32)
    return np.asarray(features * scale)


def _step(seconds: float) -> int:
    return max(0, round(seconds * RATE / HOP / STRIDE))


def _rate(share: float, warm: float) -> float:
    """Grows, then falls as a cosine to nothing."""
    if share < warm:
        return 0.05 + 0.95 * share / warm
    return float(0.5 * (1 + np.cos(np.pi * (share - warm) / (1 - warm))))
