"""The cheapest way to a release that is open on a device."""

from __future__ import annotations

from typing import Any

import pytest

from edge_runtime.update.ways import MOST_WAYS, Way, ways

TARGET, HERE, GONE = "models/router/tiny-2.0.0.enigma", "a" * 64, "b" * 64
WHOLE = Way(TARGET, 1000)


def source(target: str, base: str | None, count: Any, scheme: str = "sub8", memory: Any = 8) -> dict[str, object]:
    return {"target": target, "base": base, "scheme": scheme, "bytes": count, "memory_mb": memory}


def found(*sources: object, free_mb: float = 64, most: int = 10**9) -> list[str]:
    listed = ways(TARGET, 1000, {"sources": list(sources)}, lambda base: base == HERE, free_mb, lambda n: n <= most)
    return [way.target for way in listed]


def test_the_smallest_whose_base_is_here_comes_first_and_the_whole_file_last() -> None:
    assert found(source("packed", None, 500, "xz"), source("near", HERE, 100), source("far", GONE, 50)) == [
        "near",
        "packed",
        TARGET,
    ]


def test_what_the_memory_or_the_budget_does_not_allow_is_no_way() -> None:
    heavy, light = source("heavy", HERE, 100, "bsdiff4", 500), source("light", HERE, 300)
    assert found(heavy, light) == ["light", TARGET]
    assert found(heavy, light, free_mb=0) == ["heavy", "light", TARGET]  # the kernel doesn't say
    assert found(heavy, light, most=200) == []
    assert found(light, most=300) == ["light"]


def test_what_would_cost_more_than_the_whole_file_is_left_out() -> None:
    assert found(source("large", HERE, 1000)) == [TARGET]


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        source("x", "short", 10),
        source("x", HERE, 0),
        source("x", HERE, True),
        source("x", HERE, 1.5),
        source("x", HERE, 10, "zip"),
        source("x", HERE, 10, memory=-1),
        source("x", HERE, 10, memory="8"),
        {**source("x", HERE, 10), "target": 5},
    ],
)
def test_what_cannot_be_read_leaves_the_whole_file(raw: object) -> None:
    assert found(raw) == [TARGET]
    assert [way.target for way in ways(TARGET, 1000, {"sources": raw}, bool, 0, lambda n: True)] == [TARGET]


def test_a_list_without_end_is_read_up_to_its_bound() -> None:
    assert len(found(*[source(f"s{i}", HERE, 10 + i) for i in range(1000)])) == MOST_WAYS + 1
