from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.media import reading
from tests.trainer_host.media.strictness import nested, quick_and_small, refusal
from trainer_host.errors import DataError
from trainer_host.media import examples
from trainer_host.tasks import Rejected

ANYTHING = st.one_of(
    st.integers(), st.floats(), st.text(), st.sampled_from([None, True, False, [], {}, [1], {"a": 1}, b"1"])
)


@given(ANYTHING)
def test_whatever_is_read_as_a_number_is_finite_and_in_range(value: object) -> None:
    try:
        found = reading.number(value, "it", -5, 5)
    except Rejected:
        return
    assert -5 <= found <= 5 and math.isfinite(found)


@given(ANYTHING)
def test_whatever_is_read_as_text_is_one_short_line(value: object) -> None:
    try:
        found = reading.text(value, "it", 20)
    except Rejected:
        return
    assert 0 < len(found) <= 20 and found.isprintable()
    found.encode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "out of range"),
        (math.inf, "out of range"),
        (10**5000, "out of range"),
        (-(10**400), "out of range"),
        (True, "wrong form"),
        ("1", "wrong form"),
        (None, "wrong form"),
        ({}, "wrong form"),
        (nested(100_000), "wrong form"),
    ],
    ids=["nan", "infinite", "huge", "huge below", "bool", "text", "null", "object", "deep"],
)
def test_what_is_no_number_is_refused_with_a_sentence(value: object, reason: str) -> None:
    assert refusal(lambda: reading.number(value, "width", 0, 10)).reason == reason


def test_a_long_list_is_refused_before_its_items_are_read() -> None:
    items = [object()] * 1_000_000

    def never(item: object, where: str) -> object:
        raise AssertionError

    with quick_and_small():
        assert refusal(lambda: reading.items(items, "shapes", never, 40)).reason == "too much"


def test_objects_must_have_exactly_their_names() -> None:
    assert reading.fields({"a": 1, "b": 2}, "it", ("a", "b")) == {"a": 1, "b": 2}
    assert "lacks 'b'" in refusal(lambda: reading.fields({"a": 1}, "it", ("a", "b"))).detail
    assert "has 'c'" in refusal(lambda: reading.fields({"a": 1, "c": 2}, "it", ("a",))).detail
    assert reading.fields({"a": 1, "c": 2}, "it", ("a",), optional=("c",))


def test_several_problems_become_one_sentence_under_the_first_reason() -> None:
    problems = [Rejected("wrong count", "two are missing"), Rejected("wrong place", "it is left")]
    with pytest.raises(Rejected) as caught:
        reading.refuse(problems)
    assert (caught.value.reason, caught.value.detail) == ("wrong count", "two are missing; it is left")
    reading.refuse([])


def test_a_missing_package_is_named_with_the_extra_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"the package 'pillow'; install Enigma with the extra 'tasks'\.$"):
        examples.needs("PIL", "Pictures")
