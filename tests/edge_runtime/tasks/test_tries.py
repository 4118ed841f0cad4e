"""Where a device doubts what a model wrote, it looks at other answers, and takes none that it doubts too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from edge_runtime.language.generate import Piece
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.tasks import video_gen
from edge_runtime.tasks.dialogue import Json, TextTask
from edge_runtime.tasks.tries import TRIES, TryingWriter
from edge_runtime.tasks.written_confidence import Doubt

ASKED: Json = {"prompt": "A red circle moves left"}
RIGHT, WRONG, UNREADABLE = "- - ; A moves left", "- - ; A moves right", "moves"


class Model:
    """Writes the first text where it takes the likeliest tokens, and one of the others for each seed."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.asked: list[Sampling] = []

    def stream(self, messages: list[Json], *, sampling: Sampling, **rest: object) -> Iterator[Piece]:
        self.asked.append(sampling)
        yield Piece(self.texts[0 if sampling.seed is None else 1 + sampling.seed % (len(self.texts) - 1)], logprob=0.0)
        yield Piece("", finish="stop")


def writer(model: Model) -> TryingWriter:
    return TryingWriter(cast(LanguageSpecialist, model), cast(TextTask, video_gen), Doubt())


def test_what_is_not_doubted_is_written_once() -> None:
    model = Model(RIGHT, WRONG)
    assert writer(model).run(dict(ASKED))["unsure"] is False
    assert len(model.asked) == 1


def test_a_doubted_answer_gives_way_to_the_first_other_one_that_does_what_was_asked() -> None:
    model = Model(WRONG, UNREADABLE, WRONG, RIGHT, WRONG)
    got = writer(model).run(dict(ASKED))
    assert got["unsure"] is False and got["problem"] is None
    assert [shape["motion"][0]["keys"][-1]["value"] < 0.5 for shape in got["scene"]["shapes"]] == [True]  # type: ignore[index]
    assert len(model.asked) == 4 and writer(Model(WRONG, UNREADABLE, WRONG, RIGHT, WRONG)).run(dict(ASKED)) == got


def test_where_all_are_doubted_the_likeliest_stays_and_is_unsure() -> None:
    model = Model(WRONG, UNREADABLE)
    got = writer(model).run(dict(ASKED))
    assert got["unsure"] is True and got["scene"] is not None and len(model.asked) == 1 + TRIES


@pytest.mark.parametrize("wish", [{"temperature": 0.5}, {"seed": 3}])
def test_a_request_that_says_how_to_draw_is_answered_once(wish: Json) -> None:
    model = Model(WRONG, RIGHT)
    writer(model).run({**ASKED, **wish})
    assert len(model.asked) == 1
