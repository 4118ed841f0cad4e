"""Task `vision`: a picture gives boxes with labels; a teacher that sees is asked twice, and must agree with itself."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.media import reading
from edge_runtime.media.scene import read_scene, write_scene
from trainer_host.errors import DataError
from trainer_host.media import examples
from trainer_host.media.boxes import (
    MAX_LABEL,
    MAX_OBJECTS,
    Box,
    between,
    f1,
    matched,
    objects_schema,
    read_objects,
    write_objects,
)
from trainer_host.media.scatter import KINDS, LIGHTS, NOISES, View, scatter, single, taken, truth
from trainer_host.media.seeing import look_of
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, file_name, vision_questions
from trainer_host.tasks.vision_pictures import (
    chosen,
    content_of,
    folder_of,
    looks,
    picture_name,
    pictures_in,
    png,
    read,
    unchanged,
)

if TYPE_CHECKING:
    from PIL import Image

OPTIONS = ("images", "labels", "whole", "questions", "landmarks", "models")
MAX_LABELS = 100
HEAD = "head"  # of a row of several datasets at once, see `trainer_host.data.combos`
WHOLE: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
SYSTEM_WHOLE = """You say what a picture shows and answer as JSON: one object, whose label says best what the picture \
is of, with the box [0, 0, 1, 1], which is the whole picture."""
SYSTEM = """You find objects in a picture and answer as JSON. For each object: its label, and its box [x0, y0, x1, y1]: \
left, top, right and bottom edge as shares of the picture's width and height, 0 to 1, from its top left corner. Boxes \
are tight. Name each object once, and only what can be seen; where there is nothing, the list is empty."""


def spec(options: Json) -> TaskSpec:
    """Options: `images`, a folder of PNG and JPEG pictures; `labels`, a list of those allowed; `whole`, true for
    pictures with one label for all of each, which a classifier learns from; `questions`, true for questions about
    pictures, or a list of those that are asked about the folder's; `landmarks` and `models`, see `vision_landmarks`.

    Without a folder, pictures are drawn, of shapes whose boxes are known; labels are then among their kinds.
    Raises `DataError`.
    """
    if extra := options.keys() - set(OPTIONS):
        raise DataError(f"The task vision has no option '{min(extra)}'; it has {', '.join(OPTIONS)}.")
    whole = options.get("whole", False)
    if not isinstance(whole, bool):
        raise DataError("The option whole of vision must be true or false.")
    examples.needs("PIL", "Pictures")
    folder = folder_of("vision", options)
    if "landmarks" in options:
        from trainer_host.tasks import vision_landmarks

        return vision_landmarks.spec(options, folder, whole)
    if "models" in options:
        raise DataError(
            "The option models of vision belongs to landmarks; say what they find, as in vision.landmarks=faces."
        )
    if options.get("questions", False) is not False:
        return vision_questions.spec(options, folder)
    labels = _labels(options.get("labels"))
    if folder is None:
        unknown = [label for label in labels if label not in KINDS]
        if unknown:
            raise DataError(
                f"Drawn pictures have no '{unknown[0]}'; name a folder with the option images, or use {', '.join(KINDS)}."
            )
    return Vision(folder, labels, whole)


def _labels(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LABELS:
        raise DataError(f"The option labels of vision must be a list of 1 to {MAX_LABELS} labels.")
    for label in value:
        if not isinstance(label, str) or not label.strip() or len(label) > MAX_LABEL or not label.isprintable():
            raise DataError(
                f"A label of vision must be a text of 1 to {MAX_LABEL} characters, not {str(label)[:40]!r}."
            )
    labels = tuple(label.strip() for label in value)
    if len(set(labels)) < len(labels):
        raise DataError("The option labels of vision names the same label twice; name each once.")
    return labels


class Vision(TaskSpec):
    """input: {"image"}, the name of a file of the example. output: {"objects": [{"label", "box"}]}."""

    name = "vision"
    prompt_version = "1"
    metric = "F1 of boxes at an overlap of 0.5"
    samples = 2

    def __init__(self, folder: str | None, labels: tuple[str, ...], whole: bool = False) -> None:
        self._folder = folder
        self._whole = whole
        self._given = labels
        self._labels = labels if labels or folder is not None else KINDS
        self.answer_schema = reading.strict_object(objects=objects_schema(self._labels))
        self.example_schema = reading.strict_object(
            input=reading.strict_object(image=reading.STRING),
            output=reading.strict_object(objects={**objects_schema(labels), "maxItems": MAX_OBJECTS}),
        )
        named = (
            f"Labels: {', '.join(self._labels)}." if self._labels else "A label is one or two words, in the singular."
        )
        self._system = f"{SYSTEM_WHOLE if whole else SYSTEM}\n{named}"
        self._asked = "What does this picture show?" if whole else "Find the objects in this picture."

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: a picture of the folder by its name and hash, or a scene with its light and noise."""
        if self._folder is not None:
            return chosen(Path(self._folder), rng.getrandbits(31), 0)
        view = self.view(rng)
        return {
            "light": view.light,
            "noise": view.noise,
            "seed": view.seed,
            "things": len(view.scene.shapes),
            "scene": write_scene(view.scene),
        }

    def draw_at(self, seed: int, number: int) -> Json:
        """See `TaskSpec`."""
        return super().draw_at(seed, number) if self._folder is None else chosen(Path(self._folder), seed, number)

    def different(self) -> int | None:
        """See `TaskSpec`: one for each of a person's pictures."""
        return None if self._folder is None else pictures_in(Path(self._folder))

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`; the picture goes along. Raises `DataError` where it has changed since it was drawn."""
        with unchanged():
            picture, _ = self._picture(drawn)
        return Prompt(self._system, self._asked, (png(picture),))

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: two answers must find the same, and where the picture was drawn, what was drawn.

        The example has the true boxes where they are known, else those in the middle of the two answers'.
        """
        picture, known = self._picture(drawn)
        one, other = (
            self._one(read_objects(reading.fields(answer, "the answer", ("objects",))["objects"], self._labels))
            for answer in answers
        )
        pairs = matched(one, other)
        if len(pairs) < max(len(one), len(other)):
            raise Rejected(
                "answers differ",
                f"two answers found {_listed(one)} and {_listed(other)}, of which only {len(pairs)} are in the same place; "
                "look again and give every box exactly",
            )
        if known is not None:
            _compare(one, known)
        found = known if known is not None else tuple(between(one[i], other[j]) for i, j in pairs)
        return example_of(picture, found)

    def check(self, example: Example) -> None:
        """See `TaskSpec`: the picture can be read, boxes and labels are in range."""
        if vision_questions.QUESTION in example.input:
            vision_questions.check(example)
            return
        given = reading.fields(example.input, "input", ("image",), (HEAD,))
        name = reading.text(given["image"], "image", 200)
        if HEAD in given:
            reading.text(given[HEAD], HEAD, 200)
        output = reading.fields(example.output, "output", ("objects",))
        content = example.files.get(name)
        if content is None:
            raise Rejected("no picture", f"the picture '{name[:60]}' isn't there")
        read(content)
        self._one(read_objects(output["objects"], self._given))

    def key(self, example: Example) -> str:
        """See `TaskSpec`: what the picture looks like, in words of which like pictures share most."""
        if vision_questions.QUESTION in example.input:
            return vision_questions.key(example)
        name = str(example.input["image"])
        content = example.files.get(name)
        look = name if content is None else " ".join(looks(read(content)))
        # Two heads may be asked about one picture.
        return f"{example.input[HEAD]} {look}" if HEAD in example.input else look

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: F1 at an overlap of 0.5 (PASCAL VOC), 0 for boxes that can't be read."""
        if vision_questions.ANSWER in wanted:
            return vision_questions.score(wanted, got)
        objects = got.get("objects")
        if isinstance(objects, list):  # a device says of each how sure it is, too
            objects = [
                {key: value for key, value in item.items() if key != "confidence"} if isinstance(item, dict) else item
                for item in objects
            ]
        try:
            found = read_objects(objects, ())
        except Rejected:
            return 0.0
        return f1(read_objects(wanted["objects"], ()), found)

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: a drawn picture with its true boxes; raises `DataError` with a folder of pictures."""
        if self._folder is not None:
            raise DataError("Without a teacher nobody knows what the pictures show; leave out the option images.")
        view = self.view(rng)
        return example_of(taken(view), self.truth(view))

    def view(self, rng: random.Random) -> View:
        """A picture to be drawn, of the shapes that were asked for."""
        return single(rng, self._labels) if self._whole else scatter(rng, self._labels)

    def truth(self, view: View) -> tuple[Box, ...]:
        """What it shows: its shapes in their boxes, or the one shape as the whole picture's label."""
        if self._whole:
            return tuple(Box(look_of(view.scene, shape), *WHOLE) for shape in view.scene.shapes)
        return truth(view.scene)

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: more objects are harder."""
        objects = example.output.get("objects")
        return min(1.0, len(objects) / 8) if isinstance(objects, list) else 0.5

    def render(self, example: Example) -> dict[str, bytes]:
        """See `TaskSpec`: the picture with its boxes, as PNG; none where the file isn't at hand, or has no boxes."""
        if vision_questions.QUESTION in example.input:
            return {}
        content = example.files.get(str(example.input["image"]))
        if content is None:
            return {}
        marked = png(_marked(read(content), read_objects(example.output["objects"], ())))
        return {file_name(marked, ".png"): marked}

    def stratum(self, example: Example) -> str | None:
        """See `TaskSpec`: the label of a whole picture."""
        if not self._whole:
            return None
        return read_objects(example.output["objects"], ())[0].label

    def _one(self, objects: tuple[Box, ...]) -> tuple[Box, ...]:
        """The objects themselves; raises `Rejected` where a whole picture has none or several."""
        if self._whole and (len(objects) != 1 or (objects[0].x0, objects[0].y0, objects[0].x1, objects[0].y1) != WHOLE):
            raise Rejected("not one label", "give exactly one object, with the box [0, 0, 1, 1]")
        return objects

    def _picture(self, drawn: Json) -> tuple[Image.Image, tuple[Box, ...] | None]:
        """The picture of a draw and, where it was drawn, its true boxes; raises `Rejected`."""
        if self._folder is None:
            view = View(
                read_scene(drawn["scene"], film=False),
                reading.choice(drawn["light"], "light", LIGHTS),
                reading.choice(drawn["noise"], "noise", NOISES),
                reading.integer(drawn["seed"], "seed", 0, 2**31),
            )
            return taken(view), self.truth(view)
        return read(content_of(Path(self._folder), drawn)), None


def example_of(picture: Image.Image, objects: tuple[Box, ...]) -> Example:
    """A picture with its objects."""
    content = png(picture)
    name = picture_name(content)
    return Example({"image": name}, {"objects": write_objects(objects)}, {name: content})


def _compare(found: tuple[Box, ...], known: tuple[Box, ...]) -> None:
    """Raises `Rejected` where boxes aren't those that were drawn."""
    pairs = matched(found, known)
    if len(pairs) == len(found) == len(known):
        return
    hits = {i for i, _ in pairs}
    wrong = [box for number, box in enumerate(found) if number not in hits]
    if wrong:
        raise Rejected("not there", f"there is no {wrong[0].label} in the box that you gave for it")
    missed = len(known) - len(pairs)
    raise Rejected("missed objects", f"{missed} more object{'s' if missed > 1 else ''} can be seen")


def _listed(boxes: tuple[Box, ...]) -> str:
    return ", ".join(box.label for box in boxes[:8]) or "nothing"


def _marked(picture: Image.Image, boxes: tuple[Box, ...]) -> Image.Image:
    from PIL import ImageDraw

    marked = picture.copy()
    pen = ImageDraw.Draw(marked)
    for box in boxes:
        left, top = box.x0 * picture.width, box.y0 * picture.height
        right, bottom = box.x1 * picture.width - 1, box.y1 * picture.height - 1
        pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="black")
        pen.rectangle((left, top, right, bottom), outline="white")
        corner = (left + 1, max(0.0, top - 12))
        pen.rectangle(pen.textbbox(corner, box.label), fill="black")
        pen.text(corner, box.label, fill="white")
    return marked
