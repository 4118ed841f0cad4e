"""More pictures of the built-in teacher for a classifier of drawn shapes, drawn while it trains on few.

What is examined stays unseen: no picture of the dataset is practised.
"""

from __future__ import annotations

import io
import random
from collections.abc import Mapping, Sequence

import numpy as np

from edge_runtime.media.draw import outline
from edge_runtime.vision.pixels import framed
from trainer_host.media.scatter import View, taken
from trainer_host.students.vision_data import Pictures
from trainer_host.tasks import task_spec
from trainer_host.tasks.vision import Vision

# Pictures that a classifier of drawn shapes learns from besides its rows, and those behind them that tell when it errs.
PRACTISED, CHECKED = 2000, 400


def drawn_around(
    options: object, labels: Sequence[str], side: int, count: int, seed: int, known: Sequence[Pictures]
) -> Pictures:
    """`count` pictures with one of `labels` each, boxed as the shape lies; the same for the same options and seed.

    options: those that the rows were drawn with. known: pictures of that side of which none comes up again.
    """
    spec = task_spec("vision", dict(options) if isinstance(options, Mapping) else {})
    assert isinstance(spec, Vision)
    met = {pixels.tobytes() for some in known for pixels in some.pixels}
    rng = random.Random(f"pictures {seed}")
    pixels: list[np.ndarray] = []
    frames, boxes, numbers = [], [], []
    while len(pixels) < count:
        view = spec.view(rng)
        box = spec.truth(view)[0]
        if box.label not in labels:
            continue
        square, frame = framed(_png(view), side)
        if square.tobytes() in met:
            continue
        met.add(square.tobytes())
        pixels.append(square)
        frames.append(frame)
        corners = np.array(outline(view.scene, view.scene.shapes[0])) * frame.width / view.scene.width
        boxes.append(np.concatenate([corners.min(0), corners.max(0)]) + [frame.left, frame.top] * 2)
        numbers.append(labels.index(box.label))
    return Pictures(
        np.stack(pixels) if pixels else np.empty((0, side, side, 3), np.uint8),
        tuple(frames),
        (np.array(boxes, np.float32).reshape(-1, 1, 4) / side).astype(np.float32),
        np.array(numbers, np.int64)[:, None],
    )


def joined(first: Pictures, second: Pictures) -> Pictures:
    """Both, of one object a picture."""
    return Pictures(
        np.concatenate([first.pixels, second.pixels]),
        first.frames + second.frames,
        np.concatenate([first.boxes, second.boxes]),
        np.concatenate([first.labels, second.labels]),
    )


def _png(view: View) -> bytes:
    """The picture as a file that loses nothing and is quickly written."""
    out = io.BytesIO()
    taken(view).save(out, "PNG", compress_level=1)
    return out.getvalue()
