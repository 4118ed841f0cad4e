"""What a classifier's device keeps of the looks of its training's pictures, to tell strangers; see `edge_runtime.vision.looks`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from edge_runtime.vision.looks import Looks, rooted
from trainer_host.students.vision_data import Pictures, plain
from trainer_host.students.vision_net import ClassifierNet
from trainer_host.training.calibration import conformal_threshold, softmax

SHARE = 0.95  # of pictures like those of the training that count as familiar
QUANTILES = 41
MOST_ROWS = 4000  # that spread and middles are taken from
# The spread that all looks share is drawn to even spread by so much, as few pictures say little about a hundred numbers.
EVEN = 0.05
# Of the distance to all labels together: not the whole, or whatever differs in what no label is told by would be no stranger at all.
RELATIVE = 0.7
# Of the largest number: what spreads less is rounding on an int8 device, whose step is a 255th.
LEAST_SPREAD = 0.01


@dataclass(frozen=True)
class Found:
    """looks, as the device keeps them. familiar: likeness below which a picture is a stranger."""

    looks: Looks
    familiar: float


def looks_of(net: ClassifierNet, pictures: Pictures, learnt: np.ndarray, checked: np.ndarray) -> Found:
    """Where the looks of each label lie, by pictures that it learnt from, and how far those are that it hasn't seen."""
    some = learnt[np.linspace(0, len(learnt) - 1, min(len(learnt), MOST_ROWS)).round().astype(int)]
    looks, labels = rooted(_seen(net, pictures, some)[1]), pictures.labels[some, 0]
    centre = looks.mean(0)
    spread = np.maximum(looks.std(0), LEAST_SPREAD * float(np.abs(looks).max()) + 1e-6)
    even = (looks - centre) / spread
    known = np.unique(labels)
    middles = np.stack([even[labels == label].mean(0) for label in known])
    rest = (even - middles[np.searchsorted(known, labels)]).astype(np.float64)
    shared = rest.T @ rest / len(rest)
    shared = (1 - EVEN) * shared + EVEN * max(float(np.trace(shared)) / len(shared), 1e-6) * np.eye(len(shared))
    whiten = np.linalg.cholesky(np.linalg.inv(shared))
    # As the device will have them, with fewer digits.
    centre, table = (_short(one) for one in (centre, whiten / spread[:, None]))
    middles = _short(middles @ whiten)
    found = Looks(centre, table, middles, (0.0, 1.0), (0.0, 1.0), RELATIVE)
    chances, own = _seen(net, pictures, checked)
    distances = found.distances(own)
    found = replace(found, distance=_quantiles(distances), chance=_quantiles(chances))
    likeness = [found.likeness(float(far), float(best)) for far, best in zip(distances, chances, strict=True)]
    return Found(found, float(np.floor(conformal_threshold(np.array(likeness), SHARE) * 1e4) / 1e4))


@torch.inference_mode()
def _seen(net: ClassifierNet, pictures: Pictures, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best chance float64 [rows], and look float32 [rows, numbers]."""
    parts = [net.seen(plain(pictures.pixels[part])) for part in np.array_split(rows, max(1, len(rows) // 64))]
    logits, middle, last = (np.concatenate([part[place].numpy() for part in parts]) for place in (0, 1, 2))
    chances = softmax(logits.astype(np.float64) / float(net.temperature)).max(1)
    return chances, np.concatenate([middle, last], 1)


def _short(values: np.ndarray) -> np.ndarray:
    made: np.ndarray = values.astype(np.float16).astype(np.float32)
    return made


def _quantiles(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(one), 6) for one in np.quantile(values, np.linspace(0, 1, QUANTILES)))
