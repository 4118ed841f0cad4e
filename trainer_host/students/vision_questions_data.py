"""Questions about pictures as arrays: a dataset's rows, in which questions share pictures, and drawn pictures to practise with."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.errors import BadRequest
from edge_runtime.media import Media, Rejected
from edge_runtime.tasks.text import words
from edge_runtime.vision.pixels import Frame, framed
from edge_runtime.vision.questions import LENGTH, Vocabulary
from trainer_host.data.dataset import Json, Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.media.picture_questions import COLOURS, KINDS, MOST, WAYS, Question, kind_of, questions, scene_of
from trainer_host.media.scatter import View, taken
from trainer_host.students.vision_questions_net import STRIDE
from trainer_host.tasks.vision_questions import plain, read_question

THINGS = 1 + len(KINDS) * len(COLOURS)  # what a cell can show: nothing, or a kind in a colour
NOWHERE = -1
ASKED_EACH = 40  # questions about a picture to practise with
MAX_BYTES = 2**30  # of pixels that are held at once


@dataclass(frozen=True)
class Asking:
    """A row: its picture's file, the question, the answer. meta: of a built-in row, what it asks for."""

    path: Path
    question: str
    answer: str
    meta: Json

    @property
    def request(self) -> Json:
        """The row as a device is asked it."""
        kind = "image/png" if self.path.suffix == ".png" else "image/jpeg"
        return {"image": Media(kind, self.path.read_bytes()), "question": self.question}


@dataclass(frozen=True)
class Asked:
    """pixels: uint8 [pictures, side, side, 3]. rows: the places of each picture's questions in the next three.

    words: int64 [questions, LENGTH]; answers: int64 [questions], -1 for one that isn't among those learnt. ways: int64
    [questions], which of `WAYS` each is, `NOWHERE` where nobody knows. about: int8 [questions, 2, MOST], 1 for the shapes that are asked about and those that they are compared with, 0 for the others,
    `NOWHERE` where nobody knows. cells: int64 [pictures, MOST], where the shapes' middles are, `NOWHERE` for none;
    things: int64 [pictures, side / 4, side / 4], what each cell shows.
    """

    pixels: np.ndarray
    rows: tuple[np.ndarray, ...]
    words: np.ndarray
    answers: np.ndarray
    ways: np.ndarray
    about: np.ndarray
    cells: np.ndarray
    things: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)


def asking_rows(dataset: Path, split: str) -> list[Asking]:
    """The rows of a split; raises `DataError` where they aren't questions about pictures, or a file is missing."""
    folder = dataset / "files"

    def read(number: int, row: Row) -> Asking:
        path = folder / str(row.input["image"])
        if not path.is_file():
            raise DataError(f"Row {number} of {split} names {path.name}, which isn't in {folder}; import it again.")
        try:
            return Asking(path, read_question(row.input["question"]), plain(str(row.output["answer"])), row.meta)
        except Rejected as cause:
            raise DataError(f"Row {number} of {split} can't be learnt from: {cause.detail}.") from None

    try:
        return [read(number, row) for number, row in enumerate(open_dataset(dataset).rows(split), 1)]
    except KeyError as cause:
        raise DataError(
            f"The dataset has a row without {cause}; either all rows have a question about their picture, or none has."
        ) from None


def words_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The vocabulary of questions, sorted."""
    return tuple(sorted({word for text in texts for word in words(text)}))


def load_asked(rows: Sequence[Asking], vocabulary: Vocabulary, answers: Sequence[str], side: int) -> Asked:
    """Read rows as the device does, each picture once; raises `DataError` for a damaged one, or too many to hold."""
    paths = list(dict.fromkeys(row.path for row in rows))
    if len(paths) * side * side * 3 > MAX_BYTES:
        raise DataError(
            f"{len(paths)} pictures of {side} pixels a side need more than {MAX_BYTES // 2**20} MB; choose fewer."
        )
    pixels = np.empty((len(paths), side, side, 3), np.uint8)
    for place, path in enumerate(paths):
        try:
            pixels[place], _ = framed(path.read_bytes(), side)
        except BadRequest as cause:
            raise DataError(f"{path.name}: {cause}") from None
    number = {path: place for place, path in enumerate(paths)}
    owners = np.array([number[row.path] for row in rows], np.int64)
    cells = side // STRIDE
    return Asked(
        pixels,
        _by_picture(owners, len(paths)),
        *_coded([(row.question, row.answer) for row in rows], vocabulary, answers),
        np.full(len(rows), NOWHERE, np.int64),
        np.full((len(rows), 2, MOST), NOWHERE, np.int8),
        np.full((len(paths), MOST), NOWHERE, np.int64),
        np.full((len(paths), cells, cells), NOWHERE, np.int64),
    )


def drawn_asked(count: int, seed: int, side: int) -> tuple[list[tuple[View, np.ndarray, Frame]], list[list[Question]]]:
    """`count` pictures of the built-in teacher without unseen combinations, and `ASKED_EACH` questions about each."""
    rng = random.Random(f"asked to practise {seed}")
    pictures, asked = [], []
    for _ in range(count):
        view = scene_of(rng, examined=False)
        out = io.BytesIO()
        taken(view).save(out, "PNG", compress_level=0)
        pictures.append((view, *framed(out.getvalue(), side)))
        some: list[Question] = []
        while len(some) < ASKED_EACH:
            some += questions(rng, view.scene)
        asked.append(some[:ASKED_EACH])
    return pictures, asked


def coded_drawn(
    pictures: Sequence[tuple[View, np.ndarray, Frame]],
    asked: Sequence[Sequence[Question]],
    vocabulary: Vocabulary,
    answers: Sequence[str],
) -> Asked:
    """Drawn pictures and questions as arrays, with what is known of their shapes."""
    side = pictures[0][1].shape[0]
    cells = side // STRIDE
    middles = np.full((len(pictures), MOST), NOWHERE, np.int64)
    things = np.zeros((len(pictures), cells, cells), np.int64)
    centres = np.arange(cells) + 0.5
    for place, (view, _, frame) in enumerate(pictures):
        for number, shape in enumerate(view.scene.shapes):
            x, y = (frame.left + shape.x * frame.width) / STRIDE, (frame.top + shape.y * frame.height) / STRIDE
            reach = 0.3 * shape.width * min(frame.width, frame.height) / STRIDE
            what = 1 + KINDS.index(kind_of(shape)) * len(COLOURS) + COLOURS.index(shape.colour)
            inside = (centres[:, None] - y) ** 2 + (centres[None] - x) ** 2 <= reach**2
            things[place][inside] = what
            things[place, int(y), int(x)] = what
            middles[place, number] = int(y) * cells + int(x)
    flat = [question for some in asked for question in some]
    about = np.full((len(flat), 2, MOST), NOWHERE, np.int8)
    for place, question in enumerate(flat):
        shapes = len(pictures[place // ASKED_EACH][0].scene.shapes)
        for which, theirs in enumerate(question.about):
            if theirs is not None:
                about[place, which, :shapes] = 0
                about[place, which, list(theirs)] = 1
    return Asked(
        np.stack([pixels for _, pixels, _ in pictures]),
        _by_picture(np.repeat(np.arange(len(pictures)), ASKED_EACH), len(pictures)),
        *_coded([(question.text, question.answer) for question in flat], vocabulary, answers),
        np.array([WAYS.index(question.way) for question in flat], np.int64),
        about,
        middles,
        things,
    )


def joined(first: Asked, second: Asked) -> Asked:
    """Both; the second's pictures and questions come after the first's."""
    return Asked(
        np.concatenate([first.pixels, second.pixels]),
        (*first.rows, *(rows + len(first.words) for rows in second.rows)),
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("words", "answers", "ways", "about", "cells", "things")
        ),
    )


def _by_picture(owners: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    order = np.argsort(owners, kind="stable")
    return tuple(np.split(order, np.searchsorted(owners[order], np.arange(1, count))))


def _coded(
    asked: Sequence[tuple[str, str]], vocabulary: Vocabulary, answers: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    number = {answer: place for place, answer in enumerate(answers)}
    ids = [vocabulary.read(question).ids[0] for question, _ in asked]
    made = np.stack(ids).astype(np.int64) if ids else np.empty((0, LENGTH), np.int64)
    return made, np.array([number.get(answer, -1) for _, answer in asked], np.int64)
