"""Task `vision` with small networks of others as the teacher: they find faces or hands in a person's pictures, and agree with themselves in the mirror."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import DataError
from trainer_host.media.boxes import Box, matched
from trainer_host.media.landmarks import FACES, GESTURES, HANDS, Finder
from trainer_host.tasks import Example, Json, Prompt, Rejected
from trainer_host.tasks.vision import WHOLE, Vision, example_of
from trainer_host.tasks.vision_pictures import chosen, content_of, read

if TYPE_CHECKING:
    from PIL import Image

LABELS = {FACES: ("face",), HANDS: GESTURES}
NONE = {FACES: "no face", HANDS: "no hand"}


def spec(options: Json, folder: str | None, whole: bool) -> Landmarks:
    """See `trainer_host.tasks.vision.spec`. Raises `DataError`."""
    what, models = options["landmarks"], options.get("models")
    if what not in LABELS:
        raise DataError(f"The option landmarks of vision must be {' or '.join(LABELS)}, not '{str(what)[:40]}'.")
    if options.keys() & {"labels", "questions"}:
        raise DataError("Faces and hands have labels of their own; leave out the options labels and questions.")
    if folder is None or not isinstance(models, str):
        raise DataError(
            f"To find {what}, name your pictures with --images, and with --option vision.models= a wheel of mediapipe 0.10.21 or a "
            "folder of its .tflite files."
        )
    return Landmarks(folder, str(what), Path(models), whole)


class Landmarks(Vision):
    """As `Vision`: boxes of faces, or of hands by what they show; or with `whole` one label, "no face" and "no hand" among them."""

    def __init__(self, folder: str, what: str, models: Path, whole: bool) -> None:
        labels = LABELS[what]
        super().__init__(folder, (*labels, NONE[what]) if whole else labels, whole)
        self._pictures, self._what, self._models = Path(folder), what, models
        _finder(models, what)  # what can't be used is said before the first picture

    def prompt(self, drawn: Json) -> Prompt:
        """Raises `DataError`: nobody else is asked."""
        raise DataError("The networks that find faces and hands are the teacher themselves; leave out --provider.")

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`."""
        return self.built_in_at(rng.getrandbits(31), 0)

    def built_in_at(self, seed: int, number: int) -> Example:
        """See `TaskSpec`: each picture once; raises `Rejected` where the mirrored picture shows something else."""
        from PIL import ImageOps

        drawn = chosen(self._pictures, seed, number)
        picture = read(content_of(self._pictures, drawn))
        found, again = self._found(picture), tuple(map(_mirrored, self._found(ImageOps.mirror(picture))))
        if len(matched(found, again)) < max(len(found), len(again)):
            raise Rejected(
                "answers differ", f"the picture has {len(found)} {self._what}, and {len(again)} in the mirror"
            )
        return example_of(picture, found)

    def _found(self, picture: Image.Image) -> tuple[Box, ...]:
        found = _finder(self._models, self._what).find(picture)
        if not self._whole:
            return found
        shown = {box.label for box in found}
        if len(shown) > 1:
            raise Rejected("not one label", f"the picture shows {' and '.join(sorted(shown))}")
        return (Box(next(iter(shown), NONE[self._what]), *WHOLE),)


def _mirrored(box: Box) -> Box:
    return Box(box.label, 1 - box.x1, box.y0, 1 - box.x0, box.y1)


@functools.lru_cache(maxsize=2)
def _finder(models: Path, what: str) -> Finder:
    return Finder(models, what)
