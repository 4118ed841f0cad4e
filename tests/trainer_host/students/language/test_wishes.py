"""What a training learns of requests, and of what must not act."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.language.specialist import WISHES_FILE
from edge_runtime.language.tool_marks import Reading
from edge_runtime.language.wishes import Wishes
from tests.trainer_host.tasks.test_chat_tools import TOOLS
from trainer_host.data.dataset import Row
from trainer_host.students.language import wishes
from trainer_host.students.language.wishes import LEAST, MOST, fitted, learn_wishes, practised, threshold
from trainer_host.tasks import task_spec


@pytest.fixture(scope="module")
def samples() -> list[wishes.Sample]:
    return practised(450, 1)


def test_requests_are_told_from_talk_about_tools_that_no_row_had(samples: list[wishes.Sample]) -> None:
    judge = fitted(samples, 1)

    def mean(*texts: str) -> float:
        return float(np.mean([judge.chance(Reading([{"role": "user", "content": text}], TOOLS)) for text in texts]))

    asked = mean(
        "could you set the lamp in the hall to 33?", "set the hall lamp to 33 please", "please heat the room to 20"
    )
    talk = mean(
        "did you set the lamp in the hall to 33?", "why did they heat the room to 20", "we don't heat the room to 20"
    )
    assert asked > 0.6 and asked - talk > 0.15


def test_the_threshold_is_of_words_that_were_not_learnt(samples: list[wishes.Sample]) -> None:
    samples = samples[:200]
    act, share = threshold(samples, 1)
    assert LEAST < act <= MOST and 0.05 < share < 0.95
    assert threshold([], 1) == (LEAST, 0.0)
    known = fitted(samples, 1)
    learnt = np.mean([known.chance_of(ids) >= act for ids, wanted, _ in samples if not wanted])
    assert learnt <= wishes.ACTED_ON


def test_a_run_keeps_what_was_learnt_and_rows_of_a_person_are_not_practised_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        wishes, "practised", lambda count, seed: pytest.fail("these rows aren't the built-in teacher's")
    )
    spec = task_spec("chat", {"tools": TOOLS})
    rows = [Row(one.input, one.output, {}) for one in (spec.built_in(random.Random(number)) for number in range(40))]
    act, figures = learn_wishes(rows, "chat", tmp_path, 1)
    assert LEAST <= act <= MOST and figures["acts from"] == act
    assert np.abs(Wishes.read(tmp_path / WISHES_FILE).weights).max() > 0
