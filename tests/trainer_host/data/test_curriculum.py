from __future__ import annotations

import random

from trainer_host.data.curriculum import available, difficulty, ordered
from trainer_host.data.dataset import Row


def row(text: str, hard: float | None = None) -> Row:
    return Row({"text": text}, {"label": "x"}, {} if hard is None else {"difficulty": hard})


def test_the_order_is_by_difficulty_and_reproducible() -> None:
    rng = random.Random(3)
    rows = [row(f"text {i}", rng.choice((0.1, 0.5, 0.9))) for i in range(50)]
    order = ordered(rows)
    assert sorted(order) == list(range(50))
    hard = [difficulty(rows[position]) for position in order]
    assert hard == sorted(hard)
    assert order == ordered(rows)
    same = [position for position in order if rows[position].meta["difficulty"] == 0.5]
    assert same == sorted(same)


def test_rows_without_a_difficulty_are_ordered_by_length() -> None:
    assert ordered([row("a much longer text than the other ones here"), row("hi"), row("a longer text")]) == [1, 2, 0]


def test_more_rows_become_available_until_all_are() -> None:
    counts = [available(step / 100, 1000) for step in range(101)]
    assert counts[0] == 200 and counts[-1] == 1000
    assert counts == sorted(counts)
    assert available(0.0, 1) == 1
