"""How the network of the task voice is trained: its parts learn spellings, lengths and frames from what a teacher told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_runtime.media.script import (
    ALPHABET,
    GAP,
    INNER,
    LONGEST,
    MARGIN,
    MARKED,
    SOUNDS,
    STEP,
    marked,
    placed,
)
from edge_runtime.media.vocoder import BANDS, PITCH, WIDTH
from trainer_host.speech.analysis import frames_of
from trainer_host.speech.voice_rows import Said
from trainer_host.students.vision_fit import Draws, rate_at
from trainer_host.students.voice_net import VoiceNet
from trainer_host.training.steps import Steps

SPOKEN_BATCH, SPELT_BATCH = 8, 128
RATE, SPELT_RATE = 0.002, 0.004
Tell = Callable[[str, int, float], None]
# Of a frame's values, how much each counts: the pitch as much as ten bands.
_WEIGHTS = np.concatenate([np.ones(BANDS), [10.0], np.full(WIDTH - PITCH - 1, 2.0)]).astype(np.float32)


@dataclass(frozen=True)
class Learnt:
    """A sentence as the network sees it. told: float32 [steps, STEP * WIDTH], the teacher's frames."""

    ids: np.ndarray
    marks: np.ndarray
    steps: np.ndarray
    lengths: np.ndarray
    frames: np.ndarray


def learnt_of(said: Said, ids: dict[str, int]) -> Learnt:
    """What a sentence teaches."""
    frames = frames_of(said.samples)
    count = min(int(said.steps.sum()), len(frames) // STEP)
    steps = said.steps.copy()
    over = int(steps.sum()) - count
    while over > 0:  # the last sounds end with the recording
        last = np.flatnonzero(steps)[-1]
        taken = min(over, int(steps[last]))
        steps[last] -= taken
        over -= taken
    return Learnt(
        np.array([ids[sound] for sound in said.script.sounds], np.int32),
        marked(said.script),
        steps,
        said.lengths.astype(np.float32),
        frames[: count * STEP].reshape(count, STEP * WIDTH),
    )


def fit_letters(
    net: VoiceNet, words: Sequence[tuple[str, Sequence[int]]], steps: int, seed: int, tell: Tell, kept: Steps
) -> None:
    """words: each with the spelling of each of its letters."""
    optimiser = torch.optim.AdamW(net.letters.parameters(), lr=SPELT_RATE, weight_decay=0.02, betas=(0.9, 0.98))
    draws = Draws(np.arange(len(words)), False, seed)
    letters = np.zeros((len(words), LONGEST + GAP), np.int64)
    wanted = np.full((len(words), LONGEST + GAP), -1, np.int64)
    for number, (word, own) in enumerate(words):
        letters[number, : len(word)] = [ALPHABET.index(letter) + 1 for letter in word]
        wanted[number, : len(word)] = own
    for step in kept.of("letters", steps, net, optimiser, draws):
        chosen = draws.next(SPELT_BATCH, step / steps)
        long = int((letters[chosen] > 0).sum(1).max())
        made = net.letters(torch.from_numpy(letters[chosen, :long]))
        loss = functional.cross_entropy(
            made.reshape(-1, made.shape[2]), torch.from_numpy(wanted[chosen, :long].reshape(-1)), ignore_index=-1
        )
        _step(optimiser, loss, net, SPELT_RATE * rate_at(step / steps, 0.05))
        tell("letters", step + 1, float(loss.detach()))


def fit_spoken(net: VoiceNet, said: Sequence[Learnt], steps: int, seed: int, tell: Tell, kept: Steps) -> None:
    """Lengths and frames together."""
    every = np.concatenate([one.frames for one in said])
    mean, spread = every.mean(0), every.std(0) + 1e-3
    net.frames.mean.copy_(torch.from_numpy(mean))
    net.frames.spread.copy_(torch.from_numpy(spread))
    learning = [*net.sounds.parameters(), *net.frames.parameters()]
    optimiser = torch.optim.AdamW(learning, lr=RATE, weight_decay=0.02, betas=(0.9, 0.98))
    draws = Draws(np.arange(len(said)), False, seed)
    weights = torch.from_numpy(np.tile(_WEIGHTS / _WEIGHTS.mean(), STEP))
    for step in kept.of("voice", steps, net, optimiser, draws):
        some = [said[at] for at in draws.next(SPOKEN_BATCH, step / steps)]
        ids = np.zeros((len(some), SOUNDS), np.int64)
        marks = np.zeros((len(some), SOUNDS, MARKED), np.float32)
        wanted = np.zeros((len(some), SOUNDS), np.float32)
        for number, one in enumerate(some):
            count = len(one.ids)
            ids[number, :count], marks[number, :count] = one.ids, one.marks
            wanted[number, :count] = np.log(np.maximum(one.lengths, 0.5))
        there = torch.from_numpy((ids > 0).astype(np.float32))
        lasting, told = net.sounds(torch.from_numpy(ids), torch.from_numpy(marks))
        long = ((lasting - torch.from_numpy(wanted)).abs() * there).sum() / there.sum()
        given, frames, within = _placed(some, told)
        made = net.frames.plain(given)
        near = (made - (frames - net.frames.mean) / net.frames.spread).abs() * weights * within
        loss = near.sum() / (within.sum() * near.shape[2]) + 0.5 * long
        _step(optimiser, loss, net, RATE * rate_at(step / steps, 0.03))
        tell("voice", step + 1, float(loss.detach()))


def _placed(some: Sequence[Learnt], told: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is told of each sound at its steps, the teacher's frames, and where there are any; as `script.placed` does it."""
    longest = max(int(one.steps.sum()) for one in some) + MARGIN
    rows, frames = [], torch.zeros(len(some), longest, STEP * WIDTH)
    within = torch.zeros(len(some), longest, 1)
    for number, one in enumerate(some):
        inner = placed(np.zeros((len(one.steps), 0), np.float32), one.steps)
        sound = torch.from_numpy(np.repeat(np.arange(len(one.steps)), one.steps))
        row = torch.cat([told[number, sound], torch.from_numpy(inner)], 1)
        rows.append(functional.pad(row, (0, 0, 0, longest - len(row))))
        frames[number, : len(row)] = torch.from_numpy(one.frames)
        within[number, : len(row)] = 1
    assert rows[0].shape[1] == told.shape[2] + INNER
    return torch.stack(rows), frames, within


def _step(optimiser: torch.optim.Optimizer, loss: Tensor, net: VoiceNet, rate: float) -> None:
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()
