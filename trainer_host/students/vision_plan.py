"""What a network of the task vision is trained with: its square, its size, how pictures vary, and the recipe for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from edge_runtime.vision.pixels import LARGEST
from trainer_host.errors import DataError
from trainer_host.students import Json
from trainer_host.students.vision_data import MIRRORS, Mirror, Seen, Variation, usual_side
from trainer_host.students.vision_fit import Recipe
from trainer_host.students.vision_net import SIZES, SMALL_PICTURE, WIDE

MIN_ROWS = 40
DETECTOR_SIDE = 160  # pixels: what is a tenth of a picture has some sixteen of them
# Of a classifier's square, by the longer side of its pictures: small ones gain nothing by being blown up.
CLASSIFIER_SIDES = ((40, 32), (96, 64), (10**9, 96))
# Tiles first: an object costs a sixth of a picture there.
RECIPES = {
    "classifier": Recipe(batch=16),
    "detector": Recipe(tiled_share=0.55, tiles=32),
    "practice": Recipe(batch=16, tiled_share=0.5, tile=48, tiles=32),
    "many": Recipe(
        batch=128, rate=0.15, decay=5e-4, warm=0.2, momentum=0.9, per_second=25000, short_floats=True, growing=0.6
    ),
}
MANY = 5000  # pictures of a classifier, from where on each is seen a few dozen times, not hundreds of times
MOST_EPOCHS = 1000


@dataclass(frozen=True)
class Plan:
    """side: of the square, in pixels. early: see `Shape`. epochs: how often each picture is shown, where that is told."""

    side: int
    size: str
    early: bool
    variation: Variation
    epochs: float | None


def read_plan(rows: Sequence[Seen], settings: Json, *, whole: bool, drawn: bool) -> Plan:
    """What a person chose, and the usual for the rest; raises `DataError`.

    whole: of a classifier. drawn: of the built-in teacher's shapes, which show the same mirrored, and in any colours.
    """
    chosen = dict(settings)
    usual = usual_side(rows)
    side = next(side for most, side in CLASSIFIER_SIDES if usual <= most) if whole else DETECTOR_SIDE
    side = _integer(chosen.pop("side", side))
    size = str(chosen.pop("size", None) or ("nano" if side <= SMALL_PICTURE else "micro"))
    mirror, colours = chosen.pop("mirror", "all" if drawn else None), bool(chosen.pop("colours", drawn))
    epochs = chosen.pop("epochs", None)
    if chosen:
        raise DataError(
            f"The task vision has no --{min(chosen).replace('_', '-')}; it has --size, --mirror and --epochs."
        )
    if size not in SIZES:
        raise DataError(f"The task vision has no size '{size[:20]}'; it has {', '.join(SIZES)}.")
    if not 32 <= side <= LARGEST or side % 16:
        raise DataError(f"The side must be a multiple of 16 from 32 to {LARGEST} pixels, not {side}.")
    if mirror not in (None, *MIRRORS):
        raise DataError(f"--mirror is {' or '.join(MIRRORS)}, not '{str(mirror)[:20]}'.")
    if epochs is not None and not (isinstance(epochs, int | float) and 0 < epochs <= MOST_EPOCHS):
        raise DataError(f"--epochs must be more than 0, and at most {MOST_EPOCHS}.")
    variation = Variation(mirror=cast("Mirror | None", mirror), colours=colours)
    if whole:
        variation = replace(variation, turn=10.0, foreign=0.1)
    early = whole and side <= SMALL_PICTURE and size in WIDE
    return Plan(side, size, early, variation, None if epochs is None else float(epochs))


def for_many(variation: Variation, side: int) -> Variation:
    """Many pictures vary by themselves; what is drawn and written around that would take part of the steps."""
    return replace(variation, light=0.1, shift=0.125, cut=0.25, foreign=0.03, whole_pixels=side <= SMALL_PICTURE)


def _integer(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
