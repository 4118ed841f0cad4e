"""The detector of the task vision: its loss, its calibration, how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.tasks.vision import confidence
from edge_runtime.vision.boxes import objects_in
from trainer_host.media.boxes import Box, f1, matched
from trainer_host.students.vision_data import Pictures, plain
from trainer_host.students.vision_net import STRIDE, DetectorNet, cell_centres
from trainer_host.training.calibration import platt_of, threshold_of

NEAR = 0.2  # of an object's width and height around its middle: cells there are its own
# What has so much of a chance of being there, yet isn't sure, makes an answer unsure, shown or not. Of 300 pictures without objects
# (noise, patterns, photographs, text) none is sure so, 9 where only what is shown counts, and 97 of others where "shown" is 0.58.
NEARLY = 0.1
LEAST_NEAR = 1.01  # cells: a small object has nine, which is what makes small ones learnable (docs/log.md)


@dataclass(frozen=True)
class Thresholds:
    """What a detector's answers depend on besides its weights, see `edge_runtime.tasks.vision.Detector`."""

    scale: float
    shift: float
    shown: float
    unsure: float


def detector_loss(net: nn.Module, pixels: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
    """Mean over objects: quality focal loss of "there" (arXiv 2006.04388), cross entropy of the label, GIoU of the box."""
    assert isinstance(net, DetectorNet)
    there, label, found = net.parts(pixels)
    side = pixels.shape[-1]
    owner = owners(cell_centres(side), boxes, labels, STRIDE / side)
    mine = owner >= 0
    count = max(1, int(mine.sum()))
    rows = torch.arange(len(boxes))[:, None].expand_as(owner)[mine]
    wanted = boxes[rows, owner[mine]]
    overlap, generalised = overlaps(found[mine], wanted)
    target = torch.zeros_like(there)
    target[mine] = overlap.detach().clamp(0, 1)
    chance = torch.sigmoid(there)
    focus = (target - chance).abs().square()
    presence = (focus * functional.binary_cross_entropy_with_logits(there, target, reduction="none")).sum() / count
    named = (
        functional.cross_entropy(label[mine], labels[rows, owner[mine]], label_smoothing=0.02, reduction="sum") / count
    )
    placed = (1 - generalised).sum() / count
    return presence + named + 2 * placed


def owners(places: Tensor, boxes: Tensor, labels: Tensor, cell: float) -> Tensor:
    """Which object each cell belongs to, int64 [batch, cells], -1 for none; the smallest where there are several.

    places [cells, 2]; boxes [batch, most, 4]; labels [batch, most], -1 where there is none. cell: its side; all in shares.
    """
    middle, span = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    reach = (NEAR * span).clamp(min=LEAST_NEAR * cell)
    near = ((places[None, :, None] - middle[:, None]).abs() <= reach[:, None]).all(-1) & (labels >= 0)[:, None]
    area = (span[..., 0] * span[..., 1])[:, None].expand(near.shape)
    smallest, owner = torch.where(near, area, torch.inf).min(2)
    return torch.where(torch.isfinite(smallest), owner, -1)


def overlaps(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union and its generalised form (arXiv 1902.09630), [n], of boxes [n, 4]."""
    low, high = torch.maximum(one[:, :2], other[:, :2]), torch.minimum(one[:, 2:], other[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    both = (one[:, 2:] - one[:, :2]).prod(1) + (other[:, 2:] - other[:, :2]).prod(1) - shared
    hull = (torch.maximum(one[:, 2:], other[:, 2:]) - torch.minimum(one[:, :2], other[:, :2])).prod(1)
    share = shared / both.clamp(min=1e-9)
    return share, share - (hull - both) / hull.clamp(min=1e-9)


@torch.inference_mode()
def candidates(
    net: DetectorNet, pictures: Pictures, rows: np.ndarray, labels: Sequence[str]
) -> list[list[tuple[Box, float]]]:
    """Objects of each picture with their scores, as the device finds them, also the unlikely ones."""
    found: list[list[tuple[Box, float]]] = []
    for part in np.array_split(rows, max(1, len(rows) // 32)):
        there, label, boxes = net.parts(plain(pictures.pixels[part]))
        scores = torch.softmax(label, -1) * torch.sigmoid(there)[:, :, None]
        for place, row in enumerate(part):
            objects = objects_in(scores[place].numpy(), boxes[place].numpy(), pictures.frames[row], net.side)
            found.append([(Box(labels[item.label], *item.box), item.score) for item in objects])
    return found


def chosen_thresholds(found: Sequence[Sequence[tuple[Box, float]]], wanted: Sequence[Sequence[Box]]) -> Thresholds:
    """Choose on pictures that the network hasn't seen: what a score says, what is shown, what is doubtful."""
    scores, right = outcomes(found, wanted)
    scale, shift = platt_of(scores, right)
    sure = [[(box, confidence(score, scale, shift)) for box, score in objects] for objects in found]
    shown = max(
        np.linspace(0.2, 0.7, 26),
        key=lambda least: (mean_f1(sure, wanted, float(least)), -abs(float(least) - 0.45)),
    )
    chances = np.array([confidence(float(score), scale, shift) for score in scores])
    above = chances >= shown
    unsure = threshold_of(chances[above], right[above]) if above.any() else float(shown)
    return Thresholds(round(scale, 6), round(shift, 6), round(float(shown), 4), max(unsure, round(float(shown), 4)))


def mean_f1(found: Sequence[Sequence[tuple[Box, float]]], wanted: Sequence[Sequence[Box]], least: float) -> float:
    """The task's own metric over pictures, of the objects whose confidence is at least `least`."""
    each = [
        f1(true, [box for box, sure in objects if sure >= least]) for objects, true in zip(found, wanted, strict=True)
    ]
    return float(np.mean(each)) if each else 0.0


def mean_average_precision(
    found: Sequence[Sequence[tuple[Box, float]]], wanted: Sequence[Sequence[Box]], labels: Sequence[str]
) -> float:
    """mAP at an overlap of 0.5, the area under each label's precision-recall curve (PASCAL VOC 2010 and later)."""
    scores = []
    for label in labels:
        total = sum(box.label == label for true in wanted for box in true)
        ours = [[(box, sure) for box, sure in objects if box.label == label] for objects in found]
        sure, right = outcomes(ours, [[box for box in true if box.label == label] for true in wanted])
        if not total:
            continue
        order = np.argsort(-sure, kind="stable")
        hits = np.cumsum(right[order])
        precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
        recall = np.concatenate([[0.0], hits / total])
        scores.append(float((np.diff(recall) * precision).sum()))
    return float(np.mean(scores)) if scores else 0.0


def constant_answer(train: Sequence[Sequence[Box]], heldout: Sequence[Sequence[Box]]) -> float:
    """The baseline: F1 of always answering the most frequent label in the mean box."""
    boxes = [box for true in train for box in true]
    if not boxes or not heldout:
        return 0.0
    names = [box.label for box in boxes]
    most = max(sorted(set(names)), key=names.count)
    edges = np.mean([(box.x0, box.y0, box.x1, box.y1) for box in boxes], axis=0)
    return float(np.mean([f1(true, [Box(most, *edges.tolist())]) for true in heldout]))


def outcomes(
    found: Sequence[Sequence[tuple[Box, float]]], wanted: Sequence[Sequence[Box]]
) -> tuple[np.ndarray, np.ndarray]:
    """The score or confidence of each object, float64 [objects], and whether it is right, bool [objects]."""
    scores: list[float] = []
    right: list[bool] = []
    for objects, true in zip(found, wanted, strict=True):
        hits = {place for place, _ in matched([box for box, _ in objects], true)}
        scores += [score for _, score in objects]
        right += [place in hits for place in range(len(objects))]
    return np.array(scores, np.float64), np.array(right, bool)
