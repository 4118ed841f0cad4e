from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer_host.data.dataset import Row
from trainer_host.data.labelled import Labelled
from trainer_host.data.split import deduplicate, split
from trainer_host.errors import DataError


def row(text: str, label: str | None = "a", group: str | None = None) -> Labelled:
    return Labelled(Row({"text": text}, {"label": label}), text, str(label), label, group)


def balanced(count: int, labels: int = 3) -> list[Labelled]:
    return [row(f"text {i}", f"label {i % labels}") for i in range(count)]


def keys(rows: list[Labelled]) -> set[str]:
    return {item.key for item in rows}


def test_every_label_is_examined_in_its_share() -> None:
    made = split(balanced(300), 0.2, seed=1)
    assert len(made.heldout) == 60
    assert {item.stratum for item in made.heldout} == {"label 0", "label 1", "label 2"}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    share=st.floats(0.05, 0.5),
    groups=st.lists(st.integers(0, 40), min_size=60, max_size=120),
)
def test_no_group_stands_on_both_sides(seed: int, share: float, groups: list[int]) -> None:
    rows = [row(f"text {i}", None, f"group {group}") for i, group in enumerate(groups)]
    try:
        made = split(rows, share, seed)
    except DataError:
        return
    assert not {item.group for item in made.train} & {item.group for item in made.heldout}
    assert len(made.train) + len(made.heldout) == len(rows)


def test_the_side_of_a_row_does_not_depend_on_the_order_of_the_file() -> None:
    rows = balanced(120)
    assert keys(split(rows, 0.2, 7).heldout) == keys(split(rows[::-1], 0.2, 7).heldout)
    assert keys(split(rows, 0.2, 7).heldout) != keys(split(rows, 0.2, 8).heldout)


def test_repeated_questions_are_kept_once_and_contradictions_are_found() -> None:
    found = deduplicate([row("one"), row("two"), row("one"), row("two", "b")])
    assert [item.key for item in found.rows] == ["one", "two"]
    assert found.duplicates == 2
    assert found.conflicts == [(1, 3)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (balanced(30), "at least 40"),
        ([row(f"text {i}") for i in range(60)], "two or more labels"),
        ([*balanced(60), row("odd", "rare")], "'rare' \\(1\\)"),
    ],
)
def test_too_little_to_learn_from_is_said(rows: list[Labelled], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(rows, 0.2, 1)


def test_a_label_that_lies_in_one_group_cannot_be_split() -> None:
    rows = balanced(60) + [row(f"lone {i}", "lone", "the only one") for i in range(10)]
    with pytest.raises(DataError, match="groups of the label 'lone'"):
        split(rows, 0.2, 1)
