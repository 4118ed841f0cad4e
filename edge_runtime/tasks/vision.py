"""Task `vision`: a picture gives the objects in it with their boxes, one label for all of it, or the answer to a question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import read_media
from edge_runtime.tasks import Steps, driven
from edge_runtime.tasks.confidence import Platt, adjusted, chance, read_platt
from edge_runtime.tasks.familiar import FILE as FAMILIAR
from edge_runtime.tasks.familiar import familiarity, read_known
from edge_runtime.vision.boxes import objects_in
from edge_runtime.vision.heads import LISTED, Heads, Naming, read_heads
from edge_runtime.vision.looks import Looks, read_looks
from edge_runtime.vision.pixels import LARGEST, MAX_BYTES, TYPES, framed
from edge_runtime.vision.questions import MAX_CHARACTERS, WORDS_FILE, Vocabulary, read_vocabulary

NAME = "vision"
INPUT = "pixels"  # uint8 [1, side, side, 3], see `edge_runtime.vision.pixels.framed`
QUESTION = "words"  # int32 [1, length], what is asked, see `edge_runtime.vision.questions`
# A classifier, and what answers questions, gives PROBABILITIES float32 [1, labels]; a detector SCORES float32 [1, cells, labels] and BOXES float32
# [1, cells, 4]: left, top, right and bottom edge in shares of the square.
PROBABILITIES, SCORES, BOXES = "probabilities", "scores", "boxes"
# float32 [1, numbers] each, of a classifier whose bundle has looks; joined in the graph, an int8 file would round both alike.
LOOK = "middle", "last"
KINDS = ("classifier", "heads", "detector", "questions")
NO_LABEL = ("",)  # all questions are familiar to the same thing
TOLERANCE = 0.1  # on a confidence, between int8 runtimes that round differently
SHIFTED = 0.6  # intersection over union of the same object in two runtimes, at least

REQUEST_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "image": {"description": "PNG or JPEG: base64, or a data: URL", "contentMediaType": TYPES[0]},
        "question": {
            "description": "where the specialist answers questions: what is asked about the picture",
            "type": "string",
            "maxLength": MAX_CHARACTERS,
        },
        "head": {
            "description": "where the specialist has several heads: which of them is asked; all, where none is named",
            "type": "string",
        },
    },
    "required": ["image"],
    "additionalProperties": False,
}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_OBJECT = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "box": {"type": "array", "items": _SHARE, "minItems": 4, "maxItems": 4},
        "confidence": _SHARE,
    },
    "required": ["label", "box", "confidence"],
}
_LABEL = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "confidence": _SHARE},
    "required": ["label", "confidence"],
}
_ANSWER = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "confidence": _SHARE},
    "required": ["answer", "confidence"],
}
RESPONSE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "objects": {"type": "array", "items": _OBJECT},
        "unsure": {"type": "boolean"},
        "label": {"type": "string"},
        "confidence": _SHARE,
        "labels": {"type": "array", "items": _LABEL},
        "likely": {"type": "array", "items": {"type": "string"}},
        "answer": {"type": "string"},
        "answers": {"type": "array", "items": _ANSWER},
        "familiar": _SHARE,
        "unknown": {"type": "array", "items": {"type": "string"}},
        "head": {"type": "string"},
        "heads": {"type": "object", "additionalProperties": {"type": "object"}},
    },
    "required": ["unsure"],
}


class Classifier:
    """Answers `{"image"}` with one label for the whole picture, and the likeliest labels.

    Where the bundle keeps from which chance on a label may be the right one, the answer names those labels. Where it keeps
    looks, a picture that is less like those of the training than `familiar` is unsure.
    """

    def __init__(
        self, naming: Naming, side: int, engine: Engine, looks: Looks | None = None, familiar: float = 0.0
    ) -> None:
        self._naming = naming
        self._side = side
        self._engine = engine
        self._looks = looks
        self._familiar = familiar

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Name what one picture shows."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: dict[str, object]) -> Steps:
        """See `Stepwise`."""
        _only(request, "image")
        pixels, _ = framed(_image(request), self._side)
        made = yield {INPUT: pixels[None]}
        chances = _checked(made, PROBABILITIES, (1, len(self._naming.labels)))[0]
        answer = self._naming.answer(chances)
        if self._looks is None:
            return answer
        parts = [made[name] for name in LOOK if name in made]
        joined = {"look": np.concatenate(parts, 1)} if parts else {}
        look = _checked(joined, "look", (1, self._looks.numbers))
        likeness = self._looks.likeness(float(self._looks.distances(look)[0]), float(chances.max()))
        return {
            **answer,
            "unsure": bool(answer["unsure"]) or likeness < self._familiar,
            "familiar": round(likeness, 4),
        }


class Several:
    """Answers `{"image", "head"}` as the classifier of that head does, and `{"image"}` with the answers of all heads.

    However many are asked, the network runs once. Without "head", `unsure` says that one of them is.
    """

    def __init__(self, heads: Heads, side: int, engine: Engine) -> None:
        self._heads = heads
        self._side = side
        self._engine = engine

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Name what one picture shows."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: dict[str, object]) -> Steps:
        """See `Stepwise`."""
        _only(request, "image", "head")
        head = request.get("head")
        if head is not None and not (isinstance(head, str) and head in self._heads.named):
            raise BadRequest(f'"head" must be one of {", ".join(self._heads.named)}; without it all of them answer.')
        pixels, _ = framed(_image(request), self._side)
        made = yield {INPUT: pixels[None]}
        answers = self._heads.answers(_checked(made, PROBABILITIES, (1, self._heads.count))[0])
        if head is not None:
            return {"head": head, **answers[str(head)]}
        return {"heads": answers, "unsure": any(answer["unsure"] for answer in answers.values())}


class Detector:
    """Answers `{"image"}` with the objects that it is sure enough of, the surest first.

    scale, shift: a score's log-odds become those of being right (Platt 1999). shown: confidence from which an object
    is one. unsure: below it, an object is doubtful, and so is the answer. nearly: confidence from which that also holds for what
    isn't shown: in noise there is much of that beside what looks like an object. None of bundles from before, whose answers
    are doubtful for it only where nothing is shown.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        thresholds: tuple[float, float, float | None],
        platt: tuple[float, float],
        side: int,
        cells: int,
        engine: Engine,
    ) -> None:
        self._labels = labels
        self._shown, self._unsure, self._nearly = thresholds
        self._platt = platt
        self._side = side
        self._cells = cells
        self._engine = engine

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Find the objects of one picture; unsure where one of them is doubtful, or something else nearly was one."""
        objects = self.candidates(request)
        chances = [float(str(item["confidence"])) for item in objects]
        sure = [item for item, found in zip(objects, chances, strict=True) if found >= self._shown]
        least = self._nearly
        if least is None:
            least = self._shown if sure else self._shown / 2
        return {"objects": sure, "unsure": any(least <= found < self._unsure for found in chances)}

    def candidates(self, request: dict[str, object]) -> list[dict[str, object]]:
        """All objects that might be there, also those that `run` doesn't show, the surest first."""
        _only(request, "image")
        pixels, frame = framed(_image(request), self._side)
        made = self._engine.run({INPUT: pixels[None]})
        scores = _checked(made, SCORES, (1, self._cells, len(self._labels)))[0]
        boxes = _checked(made, BOXES, (1, self._cells, 4))[0]
        return [
            {
                "label": self._labels[item.label],
                "box": [round(edge, 4) for edge in item.box],
                "confidence": confidence(item.score, *self._platt),
            }
            for item in objects_in(scores, boxes, frame, self._side)
        ]


@dataclass(frozen=True)
class Doubt:
    """When an answer is unsure: below the chance `unsure`, or where the question is less familiar than `familiar`.

    known: the words and pairs of words of the questions that were learnt. likely, platt: see `Classifier`.
    """

    unsure: float
    familiar: float
    known: np.ndarray
    likely: float
    platt: Platt | None


class Answerer:
    """Answers `{"image", "question"}` with one of the answers that it learnt, and the likeliest of them.

    A question with a word that no question of the training had is always unsure, and the answer names those words.
    """

    def __init__(self, answers: tuple[str, ...], words: Vocabulary, doubt: Doubt, side: int, engine: Engine) -> None:
        self._answers = answers
        self._words = words
        self._doubt = doubt
        self._side = side
        self._engine = engine

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Answer one question about one picture."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: dict[str, object]) -> Steps:
        """See `Stepwise`."""
        _only(request, "image", "question")
        question = request.get("question")
        if not isinstance(question, str):
            raise BadRequest(
                'This specialist needs a "question" about the picture, as in "How many people are there?".'
            )
        read = self._words.read(question)
        pixels, _ = framed(_image(request), self._side)
        made = yield {INPUT: pixels[None], QUESTION: read.ids}
        chances = adjusted(_checked(made, PROBABILITIES, (1, len(self._answers)))[0], self._doubt.platt)
        order = np.argsort(-chances, kind="stable")[:LISTED]
        listed = [{"answer": self._answers[i], "confidence": _share(chances[i])} for i in order]
        familiar = familiarity(self._doubt.known, question, NO_LABEL, 0)
        doubtful = float(chances[order[0]]) < self._doubt.unsure or familiar < self._doubt.familiar
        return {
            **listed[0],
            "unsure": doubtful or bool(read.unknown),
            "answers": listed,
            "likely": [self._answers[i] for i in order if float(chances[i]) >= self._doubt.likely],
            "familiar": round(familiar, 4),
            **({"unknown": list(read.unknown)} if read.unknown else {}),
        }


def confidence(score: float, scale: float, shift: float) -> float:
    """The chance, 0 to 1, that an object of this score is right."""
    return round(chance(score, (scale, shift)), 4)


def load(manifest: Manifest, folder: Path, engine: Engine) -> Classifier | Detector | Several | Answerer:
    """A classifier, one with several heads, a detector or what answers questions, as the manifest's options say: `kind`, `side`, `heads`, and
    a detector's `cells` and `platt`. For questions, the bundle holds `words.json` and `familiar.bin` too.
    """
    options = manifest.options
    side, kind = options.get("side"), options.get("kind")
    if not manifest.labels or "unsure" not in manifest.thresholds:
        raise _wrong("labels and the threshold 'unsure'")
    if not isinstance(side, int) or not 8 <= side <= LARGEST:
        raise _wrong(f"the option 'side', from 8 to {LARGEST}")
    unsure = manifest.thresholds["unsure"]
    if kind == "classifier":
        naming = Naming(manifest.labels, unsure, manifest.thresholds.get("likely"), read_platt(options))
        looks = read_looks(options, folder)
        if looks is not None and "familiar" not in manifest.thresholds:
            raise _wrong("the threshold 'familiar'")
        return Classifier(naming, side, engine, looks, manifest.thresholds.get("familiar", 0.0))
    if kind == "heads":
        return Several(read_heads(options), side, engine)
    if kind == "questions":
        if not {"familiar", "likely"} <= manifest.thresholds.keys():
            raise _wrong("the thresholds 'familiar' and 'likely'")
        doubt = Doubt(
            unsure,
            manifest.thresholds["familiar"],
            read_known(folder / FAMILIAR),
            manifest.thresholds["likely"],
            read_platt(options),
        )
        return Answerer(manifest.labels, read_vocabulary(folder / WORDS_FILE), doubt, side, engine)
    if kind != "detector":
        raise _wrong(f"the option 'kind': {' or '.join(KINDS)}")
    platt, cells = options.get("platt"), options.get("cells")
    fits = isinstance(platt, list) and len(platt) == 2 and all(isinstance(x, int | float) for x in platt)
    if not fits or not isinstance(platt, list) or not isinstance(cells, int) or "shown" not in manifest.thresholds:
        raise _wrong("the options 'cells' and 'platt', two numbers, and the threshold 'shown'")
    thresholds = manifest.thresholds["shown"], unsure, manifest.thresholds.get("nearly")
    return Detector(manifest.labels, thresholds, (float(platt[0]), float(platt[1])), side, cells, engine)


def agrees(expected: dict[str, object], got: dict[str, object]) -> bool:
    """The same labels in nearly the same places, or the same answer, confidences within `TOLERANCE`, the same doubt."""
    if "heads" in expected:
        mine, theirs = expected["heads"], got.get("heads")
        if not isinstance(mine, dict) or not isinstance(theirs, dict) or mine.keys() != theirs.keys():
            return False
        return all(agrees(answer, theirs[name]) for name, answer in mine.items())
    if expected.get("head") != got.get("head"):
        return False
    if expected.get("label") != got.get("label"):
        return False
    # A detector's doubt follows from confidences; what is hardly there isn't in its answer, and rounds differently.
    follows = _hardly_familiar(expected, got) if "label" in expected else "objects" in expected
    if expected.get("unsure") != got.get("unsure") and not follows:
        return False
    if "answer" in expected:
        near = abs(float(str(expected["confidence"])) - float(str(got.get("confidence", -1)))) <= TOLERANCE
        return expected["answer"] == got.get("answer") and near
    wanted, given = expected.get("objects"), got.get("objects")
    if not isinstance(wanted, list) or not isinstance(given, list) or len(wanted) != len(given):
        return False
    left = list(given)
    for item in wanted:
        twin = next((other for other in left if _same(item, other)), None)
        if twin is None:
            return False
        left.remove(twin)
    return True


def _hardly_familiar(one: dict[str, object], other: dict[str, object]) -> bool:
    """Whether both say that hardly any picture of the training is so unlike the rest: what rounds differently may doubt it or not."""
    return max(float(str(answer.get("familiar", 1.0))) for answer in (one, other)) <= TOLERANCE


def _same(one: object, other: object) -> bool:
    if not isinstance(one, dict) or not isinstance(other, dict) or one.get("label") != other.get("label"):
        return False
    if abs(float(one["confidence"]) - float(other["confidence"])) > TOLERANCE:
        return False
    (a0, b0, a1, b1), (c0, d0, c1, d1) = one["box"], other["box"]
    shared = max(0.0, min(a1, c1) - max(a0, c0)) * max(0.0, min(b1, d1) - max(b0, d0))
    return bool(shared >= SHIFTED * ((a1 - a0) * (b1 - b0) + (c1 - c0) * (d1 - d0) - shared))


def _only(request: dict[str, object], *fields: str) -> None:
    if extra := sorted(request.keys() - set(fields)):
        known = " and ".join(f'"{field}"' for field in fields)
        raise BadRequest(f'This specialist of the task vision reads only {known}; leave out "{extra[0][:40]}".')


def _image(request: dict[str, object]) -> bytes:
    if "image" not in request:
        raise BadRequest('The task vision needs an "image": a PNG or JPEG as base64, a data: URL, or as the body.')
    return read_media(request["image"], "image", TYPES, MAX_BYTES).content


def _checked(made: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    value = made.get(name)
    if value is None or value.shape != shape or not np.isfinite(value).all():
        raise EngineError(
            f"The model gave no usable '{name}' of shape {list(shape)}; build the bundle again with this version."
        )
    return value


def _share(value: float) -> float:
    return round(min(max(float(value), 0.0), 1.0), 4)


def _wrong(what: str) -> BundleError:
    return BundleError(f"A bundle of the task vision needs {what}; build it again.")
