"""The classifier of the task vision: its loss, its calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer_host.students.vision_data import Pictures, plain
from trainer_host.students.vision_net import ClassifierNet
from trainer_host.training.calibration import Calibration, calibrate

SMOOTHING = 0.05
# Of the temperature: with a lower one 95 % of digits had the highest probability there is, and 96 % their label among the
# likely ones, where 90 % are promised; with this one 90 % (measured on logits of one network, in 40 ways to part them).
COOLEST = 0.5


def classifier_loss(net: nn.Module, pixels: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy; pictures with the label -1 show nothing known, and must leave it undecided."""
    assert isinstance(net, ClassifierNet)
    logits = net.logits(pixels).float()
    wanted = labels[:, 0]
    count = logits.shape[1]
    known = functional.one_hot(wanted.clamp(min=0), count) * (1 - SMOOTHING) + SMOOTHING / count
    target = torch.where((wanted < 0)[:, None], torch.full_like(logits, 1 / count), known.to(logits.dtype))
    return functional.cross_entropy(logits, target)


@torch.inference_mode()
def logits_of(net: ClassifierNet, pictures: Pictures, rows: np.ndarray) -> np.ndarray:
    """float32 [rows, labels], before the temperature."""
    parts = np.array_split(rows, max(1, len(rows) // 64))
    return np.concatenate([net.logits(plain(pictures.pixels[part])).numpy() for part in parts])


def calibrated(net: ClassifierNet, pictures: Pictures, rows: np.ndarray) -> Calibration:
    """Choose temperature and threshold on pictures that the network hasn't seen, and keep the first in it."""
    found = calibrate(logits_of(net, pictures, rows), pictures.labels[rows, 0], coolest=COOLEST)
    with torch.no_grad():
        net.temperature.fill_(found.temperature)
    return found


def majority(train: Sequence[str], heldout: Sequence[str]) -> float:
    """The baseline: how often the most frequent label of train is right."""
    if not train or not heldout:
        return 0.0
    most = Counter(train).most_common(1)[0][0]
    return sum(label == most for label in heldout) / len(heldout)


def nearest_mean(pictures: Pictures, heldout: Pictures) -> float:
    """A stronger baseline: the label whose mean picture is nearest."""
    if not len(pictures) or not len(heldout):
        return 0.0
    labels = pictures.labels[:, 0]
    known = np.unique(labels)
    flat = pictures.pixels.reshape(len(pictures), -1)
    means = np.stack([flat[labels == label].mean(0, dtype=np.float32) for label in known])
    right = 0
    for pixels, label in zip(heldout.pixels, heldout.labels[:, 0], strict=True):
        right += known[((means - pixels.reshape(-1)) ** 2).sum(1).argmin()] == label
    return float(right / len(heldout))
