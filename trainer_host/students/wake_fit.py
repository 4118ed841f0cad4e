"""Trains a `WakeNet`: phrases, what sounds nearly like them, and other talk, the hardest of it more often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, HOP
from edge_runtime.audio.wake import LIMIT, PAUSE_SECONDS, SMOOTH, STEP_SECONDS, STRIDE
from trainer_host.students.wake_data import CLIP_STEPS, Clips, Material, windows
from trainer_host.students.wake_net import WakeNet
from trainer_host.students.wake_warp import warped
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Arrays, Steps

OnProgress = Callable[[int, float], None]
# Seconds behind a phrase's end in which the network says yes; around them it isn't asked.
_YES = (0.03, 0.30)
_UNASKED = (-0.25, 0.60)
_LOOKS = (0.35, 0.6, 0.8)  # shares of the steps after which hard clips are looked for
_ROWS_AT_ONCE = 256
SECONDS_A_STEP = 0.05  # of one thread, in the smallest usual size; only to plan by


@dataclass(frozen=True)
class Recipe:
    """third: clips of each kind in a step."""

    steps: int = 5_000
    third: int = 16
    rate: float = 4e-3
    decay: float = 1e-2
    warm: float = 0.05


def planned(recipe: Recipe, seconds: float | None) -> Recipe:
    """The recipe, with as many steps as the seconds allow."""
    if seconds is None:
        return recipe
    steps = min(max(int(seconds / SECONDS_A_STEP), 2), 20_000)
    return Recipe(steps, recipe.third, recipe.rate, recipe.decay, recipe.warm)


def fit(
    net: WakeNet,
    material: Material,
    recipe: Recipe,
    seed: int,
    on_progress: OnProgress,
    steps: Steps | None = None,
) -> None:
    """Train `net` in place, and leave it in eval mode. steps: where it keeps how far it is."""
    prepare(seed)
    net.train()
    draw = np.random.default_rng([seed, 3])
    places = windows(material.talk)
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
    looks = {int(share * recipe.steps) for share in _LOOKS}
    for step in (steps or Steps(None)).of("sounds", recipe.steps, net, optimiser, weights, draw):
        if step in looks:
            weights["talk"], weights["near"] = _harder(net, material, places)
        phrases = draw.integers(0, len(material.phrases.ends), recipe.third)
        near = draw.choice(len(weights["near"]), recipe.third, p=weights["near"])
        parts = [material.phrases.features[phrases], material.near.features[near]]
        ends = [material.phrases.ends[phrases], material.near.ends[near]]
        if len(places):
            chosen = places[draw.choice(len(places), recipe.third, p=weights["talk"])]
            parts.append(_cut(material, chosen))
            ends.append(np.full(recipe.third, -1.0, np.float32))
        features, at = warped(draw, np.concatenate(parts).astype(np.float32), np.concatenate(ends))
        loss = _loss(net(torch.from_numpy(_masked(draw, features))), torch.from_numpy(at))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _rate(step / recipe.steps, recipe.warm)
        optimiser.step()
        on_progress(step + 1, float(loss.detach()))
    net.eval()


def means_of(logits: np.ndarray) -> np.ndarray:
    """What a device's session makes of log-odds [steps]: the mean of the last ones, float64 [steps]."""
    padded = np.concatenate([np.full(SMOOTH - 1, -LIMIT), np.clip(logits, -LIMIT, LIMIT)])
    made: np.ndarray = np.convolve(padded, np.full(SMOOTH, 1 / SMOOTH), "valid")
    return made


def traces(net: WakeNet, features: list[np.ndarray]) -> list[np.ndarray]:
    """`means_of` each sound's log-odds, from its float16 [frames, 40]."""
    with torch.inference_mode():
        return [
            means_of(net(torch.from_numpy(one[None, : len(one) // STRIDE * STRIDE].astype(np.float32)))[0].numpy())
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


def peaks(net: WakeNet, clips: Clips) -> np.ndarray:
    """The highest mean of each clip (of one with a phrase, near its end), float64 [clips]."""
    made = []
    for one, end in zip(traces(net, list(clips.features)), clips.ends, strict=True):
        first, last = (_step(end - 0.2), _step(end + 0.7)) if end >= 0 else (0, len(one))
        made.append(float(one[first:last].max()))
    return np.array(made)


def _loss(logits: Tensor, ends: Tensor) -> Tensor:
    """Steps behind a phrase's end against 1, all others against 0, and the highest mean of a clip without it too."""
    times = (torch.arange(logits.shape[1]) + 1) * STEP_SECONDS
    since = times[None, :] - ends[:, None]
    holds = (ends >= 0)[:, None]
    yes = holds & (since >= _YES[0]) & (since <= _YES[1])
    asked = yes | ~holds | (since < _UNASKED[0]) | (since > _UNASKED[1])
    each = functional.binary_cross_entropy_with_logits(logits, yes.to(logits.dtype), reduction="none")
    found = each[yes].mean() if bool(yes.any()) else logits.sum() * 0
    missed = each[asked & ~yes].mean()
    smooth = functional.avg_pool1d(logits[:, None], SMOOTH, 1)[:, 0]
    highest = functional.softplus(smooth[~holds[:, 0]].amax(1)).mean()
    return found + missed + 0.5 * highest


def _harder(net: WakeNet, material: Material, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chances of clips of talk and of near misses: the higher, the more they sound like the phrase now."""
    net.eval()
    highest: list[np.ndarray] = []
    with torch.inference_mode():
        for start in range(0, len(places), _ROWS_AT_ONCE):
            some = _cut(material, places[start : start + _ROWS_AT_ONCE]).astype(np.float32)
            highest.append(net(torch.from_numpy(some)).amax(1).numpy())
        near = [
            net(torch.from_numpy(material.near.features[start : start + _ROWS_AT_ONCE].astype(np.float32))).amax(1)
            for start in range(0, len(material.near.ends), _ROWS_AT_ONCE)
        ]
    net.train()
    talk_peaks = np.concatenate(highest) if highest else np.zeros(0)
    return _chances(talk_peaks), _chances(torch.cat(near).numpy())


def _chances(peaks_now: np.ndarray) -> np.ndarray:
    order = np.argsort(np.argsort(peaks_now)) / max(1, len(peaks_now))
    weight = 0.15 + order**8 * 3  # half of the draws are among the hardest eighth
    made: np.ndarray = weight / weight.sum() if len(weight) else weight
    return made


def _cut(material: Material, places: np.ndarray) -> np.ndarray:
    """Clips of talk: float16 [places, frames, 40]; the end of a sound is followed by silence."""
    made = np.zeros((len(places), CLIP_STEPS * STRIDE, BANDS), np.float16)
    for number, (row, start) in enumerate(places):
        some = material.talk[row][start : start + CLIP_STEPS * STRIDE]
        made[number, : len(some)] = some
    return made


def _masked(draw: np.random.Generator, features: np.ndarray) -> np.ndarray:
    """With some bands left out (SpecAugment; Park et al. 2019), and a little louder or softer."""
    for clip in features:
        width = int(draw.integers(0, 6))
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
