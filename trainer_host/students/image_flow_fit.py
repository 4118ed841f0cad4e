"""How the network that makes pictures of captions is trained: pictures become sums of parts, and noise learns its way to their shares."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_runtime.tasks.image_flow import moment
from trainer_host.students.image_flow_net import KEPT, MEANT, SHARP, FlowNet
from trainer_host.students.vision_fit import Draws, Progress, rate_at
from trainer_host.training.steps import Steps

STEPS = 4  # of the device, from noise to a picture
BATCH = 128
RATE = 0.002
AVERAGED = 0.995  # the weights that are kept are a mean of the last steps'
_UNSAID = 0.8  # of a caption's words and pieces are left out, so that none alone stands for a picture
_MOST_COMPARED = 4096  # pictures whose products give the parts: those of 50,000 with each other would be 20 GB
_LEAST = 1e-6  # of the largest part's variance: smaller parts are left out


@dataclass(frozen=True)
class Parts:
    """What pictures are sums of, by principal component analysis.

    shares: float32 [pictures, parts], each part's of variance 1. parts: float32 [parts, values], of pictures of -1 to 1. mean: float32
    [values]. counts: float32 [parts], how much a part counts for pixels; 1 on average.
    """

    shares: np.ndarray
    parts: np.ndarray
    mean: np.ndarray
    counts: np.ndarray


def parts_of(pictures: np.ndarray, count: int) -> Parts:
    """pictures: float32 [pictures, values]; where there are fewer parts than `count`, the rest are empty.

    The parts are those of `_MOST_COMPARED` pictures at most, from all places of the list.
    """
    mean = pictures.mean(0)
    away = pictures - mean
    many = len(away) > _MOST_COMPARED
    some = away[np.linspace(0, len(away) - 1, _MOST_COMPARED).round().astype(int)] if many else away
    # Of fewer pictures than values: the eigenvectors of their products are the parts' shares in each picture.
    sizes, vectors = np.linalg.eigh((some @ some.T).astype(np.float64))
    kept = np.argsort(-sizes)[: min(count, len(some) - 1)]
    kept = kept[sizes[kept] > _LEAST * max(float(sizes.max()), 1e-12)]
    lengths = np.sqrt(sizes[kept])
    spread = lengths / np.sqrt(len(some))
    ways = (vectors[:, kept] / lengths).T @ some
    shares, parts = np.zeros((len(pictures), count), np.float32), np.zeros((count, pictures.shape[1]), np.float32)
    shares[:, : len(kept)] = away @ ways.T / spread if many else vectors[:, kept] * np.sqrt(len(pictures))
    parts[: len(kept)] = ways * spread[:, None]
    counts = np.zeros(count, np.float32)
    counts[: len(kept)] = spread**2 / max(float((spread**2).sum()), 1e-12) * count
    return Parts(shares, parts, mean, counts)


def remember(net: FlowNet, ids: Tensor, shares: Tensor) -> Tensor:
    """Fill the network's memory; returns what it has of each caption's nearest others, float32 [pictures, parts].

    ids: int32 [pictures, length]. shares: float32 [pictures, parts].
    """
    chosen = torch.linspace(0, len(ids) - 1, net.memory.captions.out_features).round().long()
    bags = torch.zeros(len(chosen), net.memory.features.num_embeddings)
    bags.scatter_add_(1, ids[chosen].long(), torch.ones(len(chosen), ids.shape[1]))
    rare = torch.log((len(bags) + 1) / ((bags > 0).sum(0) + 1))
    rare[0] = 0
    _, _, meant = torch.svd_lowrank(functional.normalize(bags * rare, dim=1), min(MEANT, *bags.shape), niter=4)
    with torch.no_grad():
        net.memory.features.weight.zero_()
        net.memory.features.weight[:, : meant.shape[1]] = rare[:, None] * meant
        said = net.memory.features(ids).sum(1)
        net.memory.captions.weight.copy_(functional.normalize(said[chosen], dim=1))
        net.memory.pictures.weight.copy_(shares[chosen].T)
        near = []
        for part in ids.split(1024):
            alike = net.memory.alike(part)
            for at, row in enumerate(part):  # nothing is learnt from a caption's own picture
                alike[at, (ids[chosen] == row).all(1)] = -2
            near.append(net.memory.pictures(torch.softmax(alike / SHARP, 1)))
        return torch.cat(near)


def fit(net: FlowNet, found: Parts, ids: Tensor, steps: int, seed: int, on_progress: Progress, kept: Steps) -> FlowNet:
    """Train `net` in place; the mean of its last steps' weights is the network to keep. ids: int32 [pictures, length]."""
    with torch.no_grad():
        net.picture.weight.copy_(torch.from_numpy(found.parts.T))
        net.picture.bias.copy_(torch.from_numpy(found.mean))
        near = remember(net, ids, torch.from_numpy(found.shares))
    average = copy.deepcopy(net)
    learning, averages = ([one for one in each.parameters() if one.requires_grad] for each in (net, average))
    optimiser = torch.optim.AdamW(learning, lr=RATE, weight_decay=0.02, betas=(0.9, 0.98))
    draws = Draws(np.arange(len(ids)), False, seed)
    shares, counts = torch.from_numpy(found.shares), torch.from_numpy(found.counts)
    moments = torch.from_numpy(np.concatenate([moment(step / STEPS) for step in range(STEPS)]))
    for step in kept.of("flow", steps, net, average, optimiser, draws):
        draw = np.random.default_rng([seed, step])
        chosen = draws.next(BATCH, step / steps)
        clean, said = shares[chosen], ids[chosen]
        said = said * torch.from_numpy(draw.random(said.shape) >= _UNSAID)
        which = draw.integers(0, STEPS, len(chosen))
        noise = torch.from_numpy(draw.standard_normal(clean.shape, np.float32))
        share = torch.from_numpy((KEPT + (1 - KEPT) * which / STEPS).astype(np.float32))[:, None]
        made = net.guess(noise + (clean - noise) * share, moments[which], said, near[chosen])
        loss = ((made - clean) ** 2 * counts).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate_at(step / steps, 0.05)
        optimiser.step()
        with torch.no_grad():
            for mean, parameter in zip(averages, learning, strict=True):
                mean.lerp_(parameter, max(1 - AVERAGED, 1 / (step + 1)))
        on_progress(step + 1, float(loss.detach()))
    return average.eval()
