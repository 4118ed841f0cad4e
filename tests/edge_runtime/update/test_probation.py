"""A new model's trial: what makes it pass, and what is told where it fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest
from edge_runtime.update.probation import LEAST_TIMES, Outcome, Probation, Rules, rules_of

RULES = Rules(requests=5, seconds=60, boots=3, p95_ms=40, memory_mb=60)


def begun(rules: Rules = RULES) -> Probation:
    probation = Probation(rules)
    probation.golden(8, 8, [10.0] * 8)
    probation.memory(30)
    return probation


def test_it_passes_after_so_many_requests_or_so_long_whichever_is_first() -> None:
    by_requests, by_time = begun(), begun()
    for _ in range(4):
        by_requests.request(12)
        by_time.request(12)
    assert by_requests.verdict().outcome is by_time.verdict().outcome is Outcome.PENDING
    by_requests.request(12)
    by_time.passes(60)
    for probation, requests in ((by_requests, 5), (by_time, 4)):
        verdict = probation.verdict()
        assert (verdict.outcome, verdict.cause) == (Outcome.PASSED, "")
        assert verdict.evidence["golden"] == {"passed": 8, "of": 8}
        assert verdict.evidence["requests"] == requests
        assert verdict.evidence["p95_ms"] == 12


def test_without_golden_vectors_nothing_passes() -> None:
    probation = Probation(RULES)
    probation.passes(1e6)
    assert probation.verdict().outcome is Outcome.PENDING


def test_one_golden_vector_answered_otherwise_fails() -> None:
    probation = Probation(RULES)
    probation.golden(7, 8)
    assert probation.verdict().outcome is Outcome.FAILED
    assert probation.verdict().cause.startswith("1 of 8 golden vectors")


def test_a_fault_in_a_live_request_fails_and_the_first_cause_stays() -> None:
    probation = begun()
    probation.request(5, "the graph gave NaN.")
    probation.memory(999)
    probation.request(1)
    verdict = probation.verdict()
    assert (verdict.outcome, verdict.cause) == (Outcome.FAILED, "A live request failed: the graph gave NaN.")
    assert verdict.evidence["requests"] == 0


def test_more_memory_than_was_signed_fails() -> None:
    probation = begun()
    probation.memory(60.1)
    assert "60.1 MB of memory, and its budget is 60.0 MB" in probation.verdict().cause


def test_slow_answers_fail_but_one_slow_answer_among_many_does_not() -> None:
    probation = begun(Rules(requests=200, p95_ms=40))
    for i in range(100):
        probation.request(500 if i % 25 == 24 else 10)  # 4 %
    assert probation.verdict().outcome is Outcome.PENDING
    for _ in range(20):
        probation.request(500)
    assert "95 % of answers take up to 500.0 ms, and the budget is 40.0 ms" in probation.verdict().cause


def test_few_slow_answers_are_judged_at_the_end() -> None:
    probation = Probation(RULES)
    probation.golden(1, 1)
    probation.request(500)
    assert probation.verdict().outcome is Outcome.PENDING
    probation.passes(60)
    assert probation.verdict().outcome is Outcome.FAILED


def test_three_starts_that_never_came_through_fail() -> None:
    for boots, outcome in ((0, Outcome.PENDING), (2, Outcome.PENDING), (3, Outcome.FAILED)):
        probation = Probation(RULES, boots)
        assert probation.verdict().outcome is outcome
    assert "started 3 times" in probation.verdict().cause


def test_after_the_verdict_nothing_changes() -> None:
    probation = begun()
    probation.passes(60)
    passed = probation.verdict()
    probation.request(9000)
    probation.request(1, "late.")
    assert probation.verdict() == passed


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=600))
def test_p95_is_the_value_that_95_percent_are_not_above(times: list[float]) -> None:
    probation = Probation(Rules(requests=10**6))
    probation.golden(1, 1, times)
    kept = times[-512:]
    p95 = probation.p95_ms
    assert p95 is not None
    assert sum(t <= p95 for t in kept) >= 0.95 * len(kept)
    assert sum(t < p95 for t in kept) < 0.95 * len(kept)


def test_budgets_come_from_the_signed_target() -> None:
    custom = {"budgets": {"p95_ms": 40.0, "memory_mb": 60}}
    assert rules_of(custom, 5, 60, 3) == RULES
    assert rules_of({}, 5, 60, 3) == Rules(5, 60, 3)
    assert LEAST_TIMES >= 20
    bad: object
    for bad in ([], {"p95_ms": "40"}, {"p95_ms": -1}, {"memory_mb": float("nan")}, {"joules": 3}, {"p95_ms": True}):
        with pytest.raises(BadRequest):
            rules_of({"budgets": bad}, 5, 60, 3)
