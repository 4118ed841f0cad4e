"""How often a labeller is asked, and what of its answers is believed: with one that says what each test wants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_runtime.home.lexicon import ACTIONS, KINDS, TAGS
from edge_runtime.home.read import Logits, read

TWO = ["turn", "on", "the", "lamp", "and", "open", "the", "blind"]
Say = Callable[[int, int], list[tuple[str, float, bool]]]


class Labeller:
    """Says per token an action, the log odds that a clause begins, and whether it is excluded."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> Logits:
        self.asked.append((start, stop))
        sizes = {"begin": 2, "action": len(ACTIONS), "tag": len(TAGS), "excluded": 2, "kind": len(KINDS)}
        out = {head: np.zeros((stop - start, size), np.float32) for head, size in sizes.items()}
        out["tag"][:, 0] = out["kind"][:, 0] = 9.0
        for i, (action, begins, excluded) in enumerate(self._say(start, stop)):
            out["action"][i, ACTIONS.index(action)] = 4.0
            out["begin"][i, 1] = begins
            out["excluded"][i, int(excluded)] = 4.0
        return out


def actions(tokens: list[str], labeller: Labeller) -> list[tuple[int, str]]:
    return [(clause.start, clause.action) for clause in read(tokens, labeller)[0]]


def test_a_sentence_of_one_clause_without_doubts_is_read_once() -> None:
    labeller = Labeller(lambda start, stop: [("on", 9.0 if i == 0 else -9.0, False) for i in range(stop - start)])
    assert actions(TWO[:4], labeller) == [(0, "on")]
    assert labeller.asked == [(0, 4)]


def test_what_the_sentence_mixes_up_is_mended_by_reading_its_clauses_alone() -> None:
    def say(start: int, stop: int) -> list[tuple[str, float, bool]]:
        alone = {(0, 4): "on", (4, 8): "open"}.get((start, stop), "on")  # the sentence as a whole: all of it "on"
        return [(alone, 9.0 if i in (0, 4) else -9.0, False) for i in range(start, stop)]

    assert actions(TWO, Labeller(say)) == [(0, "on"), (4, "open")]


@pytest.mark.parametrize("odds", [-1.0, 1.0])
def test_a_doubtful_beginning_is_where_the_clauses_alone_say_most_surely_what(odds: float) -> None:
    def two(start: int, stop: int) -> list[tuple[str, float, bool]]:
        sure = {(0, 4): "on", (4, 8): "open"}.get((start, stop))
        return [(sure or ("close", "open")[i % 2], odds if i == 4 else -9.0, False) for i in range(start, stop)]

    def one(start: int, stop: int) -> list[tuple[str, float, bool]]:
        sure = {(0, 8): "on"}.get((start, stop))
        return [(sure or ("on", "off")[i % 2], odds if i == 4 else -9.0, False) for i in range(start, stop)]

    assert actions(TWO, Labeller(two)) == [(0, "on"), (4, "open")]
    assert actions(TWO, Labeller(one)) == [(0, "on")]


def test_only_behind_a_word_that_excludes_is_anything_left_out() -> None:
    def names(sentence: str) -> list[bool]:
        tokens = sentence.split()

        def label(start: int, stop: int) -> Logits:
            labeller = Labeller(lambda a, b: [("off", -9.0, a + i >= 4) for i in range(b - a)])
            out = labeller(start, stop)
            out["tag"][:, 0], out["tag"][:, TAGS.index("I-NAME")] = 0.0, 9.0
            return out

        return [span.excluded for clause in read(tokens, label)[0] for span in clause.spans]

    assert names("all the lights off except the hall") == [False, True]
    assert names("all the lights off excpet the hall") == [False, True]  # a slip of the finger
    assert names("all the lights off in the hall") == [False]


def test_a_sentence_cut_to_pieces_is_read_once() -> None:
    labeller = Labeller(lambda start, stop: [("on", 0.5, False) for _ in range(start, stop)])
    assert len(read(["on"] * 40, labeller)[0]) == 40
    assert labeller.asked == [(0, 40)]
