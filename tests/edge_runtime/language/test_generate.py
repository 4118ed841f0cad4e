"""Writing answers: streams, stops, cancellation, the kept prefix, constraints, thoughts and penalties."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest, EngineError
from edge_runtime.language.generate import Bracketed, Generator, Options, Piece
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.tokenizer import Tokenizer
from tests.edge_runtime.language.engines import NumpyEngine, random_engine, tokenizer_table, writing_engine

TOKENIZER = Tokenizer(tokenizer_table())
END = TOKENIZER.special["<|im_end|>"]
STOPS = frozenset({END})
PROMPT = TOKENIZER.encode("Where is the cat?")


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def writes(script: str | list[int], options: Options, prompt: list[int] = PROMPT) -> list[Piece]:
    """What comes of a model that would write `script`."""
    ids = TOKENIZER.encode(script) if isinstance(script, str) else script
    engine = writing_engine(TOKENIZER, len(prompt), ids)
    return list(Generator(engine, TOKENIZER).generate(prompt, Sampling(), options))


class Spelled:
    """A constraint that allows one text."""

    def __init__(self, text: str) -> None:
        self._left = TOKENIZER.encode(text)

    @property
    def done(self) -> bool:
        return not self._left

    def mask(self) -> np.ndarray:
        return np.arange(TOKENIZER.size) == self._left[0]

    def accept(self, token: int) -> None:
        assert token == self._left.pop(0)


def test_the_pieces_joined_are_what_the_model_writes_until_its_end_mark() -> None:
    pieces = writes("on the mat 🙂 in Köln", Options(stop_ids=STOPS))
    assert text_of(pieces) == "on the mat 🙂 in Köln"
    assert [piece.finish for piece in pieces] == [None] * (len(pieces) - 1) + ["stop"]
    assert pieces[-1].token == END
    usage = pieces[-1].usage
    assert usage is not None and (usage.prompt, usage.answer, usage.thought) == (len(PROMPT), len(pieces), 0)


def test_no_piece_holds_half_a_character() -> None:
    pieces = writes("🙂é", Options(stop_ids=STOPS))
    assert [piece.text for piece in pieces] == ["", "", "", "🙂", "", "é", ""]


def test_an_answer_ends_at_max_tokens_and_at_the_context() -> None:
    pieces = writes("on the mat", Options(max_tokens=3, stop_ids=STOPS))
    assert len(pieces) == 3 and pieces[-1].finish == "length"
    engine = random_engine(TOKENIZER.size, context=len(PROMPT) + 5)
    pieces = list(Generator(engine, TOKENIZER).generate(PROMPT, Sampling(), Options(max_tokens=50)))
    assert len(pieces) == 5 and pieces[-1].finish == "length"


def test_a_prompt_without_room_for_an_answer_is_refused_at_once_with_its_size() -> None:
    generator = Generator(random_engine(TOKENIZER.size, context=len(PROMPT)), TOKENIZER)
    with pytest.raises(BadRequest, match=rf"has {len(PROMPT)} tokens, and the model reads {len(PROMPT)}"):
        generator.generate(PROMPT, Sampling(), Options())
    with pytest.raises(BadRequest, match="nothing to answer"):
        generator.generate([], Sampling(), Options())


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_stop_string_ends_the_answer_before_it_and_no_part_of_it_is_shown(script: str, stops: list[str]) -> None:
    pieces = writes(script, Options(stop_ids=STOPS, stop_strings=tuple(stops)))
    # Token by token, the first place at which a stop string is complete decides.
    shown = script
    for end in range(len(script) + 1):
        found = [at for stop in stops if (at := script[:end].find(stop)) >= 0]
        if found:
            shown = script[: min(found)]
            break
    assert text_of(pieces) == shown
    assert pieces[-1].finish == "stop"


def test_text_is_held_back_only_while_a_stop_string_may_still_come() -> None:
    pieces = writes("ab1ab2", Options(stop_ids=STOPS, stop_strings=("ab2",)))
    assert [piece.text for piece in pieces] == ["", "", "ab1", "", "", ""]
    assert text_of(writes("xab", Options(stop_ids=STOPS, stop_strings=("ab2",)))) == "xab"


def test_after_cancelling_no_token_is_computed() -> None:
    for after in (0, 1, 5):
        engine = random_engine(TOKENIZER.size)
        calls = itertools.count()
        options = Options(cancelled=lambda calls=calls, after=after: next(calls) >= after)  # type: ignore[misc]
        pieces = list(Generator(engine, TOKENIZER).generate(PROMPT, Sampling(), options))
        assert len(pieces) == after + 1 and pieces[-1].finish == "cancelled"
        assert len(engine.fed) == after


def test_a_long_prompt_is_left_unread_once_cancelled() -> None:
    engine = random_engine(TOKENIZER.size, context=2000)
    calls = itertools.count()
    pieces = Generator(engine, TOKENIZER).generate(PROMPT * 100, Sampling(), Options(cancelled=lambda: next(calls) > 1))
    assert [piece.finish for piece in pieces] == ["cancelled"]
    assert engine.length < 200


def test_leaving_the_iterator_computes_nothing_more_and_the_next_answer_is_right() -> None:
    engine = random_engine(TOKENIZER.size)
    generator = Generator(engine, TOKENIZER)
    pieces = generator.generate(PROMPT, Sampling(), Options(max_tokens=20))
    first = [next(pieces), next(pieces)]
    pieces.close()  # type: ignore[attr-defined]
    assert len(engine.fed) == 2
    again = list(generator.generate(PROMPT, Sampling(), Options(max_tokens=20)))
    assert [piece.token for piece in again[:2]] == [piece.token for piece in first]


def test_two_answers_at_once_are_an_error_and_not_nonsense() -> None:
    generator = Generator(random_engine(TOKENIZER.size), TOKENIZER)
    first = generator.generate(PROMPT, Sampling(), Options(max_tokens=9))
    next(first)
    fresh = list(generator.generate(PROMPT[:4], Sampling(), Options(max_tokens=9)))
    assert len(fresh) == 9
    with pytest.raises(EngineError, match="Another answer was begun"):
        next(first)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), min_size=1, max_size=5))
def test_the_kept_prefix_changes_no_answer_and_is_not_read_again(prompts: list[list[int]]) -> None:
    kept = Generator(random_engine(TOKENIZER.size), TOKENIZER)
    for prompt in prompts:
        before = list(kept.engine.cache)  # type: ignore[attr-defined]
        got = list(kept.generate(prompt, Sampling(), Options(max_tokens=6)))
        fresh = Generator(random_engine(TOKENIZER.size), TOKENIZER).generate(prompt, Sampling(), Options(max_tokens=6))
        assert [piece.token for piece in got] == [piece.token for piece in fresh]
        common = next((i for i, (a, b) in enumerate(zip(before, prompt, strict=False)) if a != b), None)
        usage = got[-1].usage
        assert usage is not None
        assert usage.cached == min(len(prompt) - 1, min(len(before), len(prompt)) if common is None else common)


class Forgetful(NumpyEngine):
    """As one whose layers look back a window: going back more than 3 tokens leaves nothing."""

    def rewind(self, length: int) -> None:
        super().rewind(length if self.length - length <= 3 else 0)


def test_an_engine_that_cannot_go_back_so_far_is_read_anew_and_answers_the_same() -> None:
    whole = random_engine(TOKENIZER.size)
    generator = Generator(Forgetful(whole._predict, whole.vocabulary), TOKENIZER)
    for prompt, cached in (([1, 2, 3, 4], 0), ([1, 2, 3, 4, 5], 0), ([7, 8], 0), ([7, 8, 9], 0)):
        got = list(generator.generate(prompt, Sampling(), Options(max_tokens=6)))
        fresh = Generator(random_engine(TOKENIZER.size), TOKENIZER).generate(prompt, Sampling(), Options(max_tokens=6))
        assert [piece.token for piece in got] == [piece.token for piece in fresh]
        assert got[-1].usage is not None and got[-1].usage.cached == cached
    again = [7, 8, 9, *(piece.token for piece in got[:-1] if piece.token is not None)]  # the conversation goes on
    last = list(generator.generate(again, Sampling(), Options(max_tokens=2)))[-1]
    assert last.usage is not None and last.usage.cached >= len(again) - 1


def test_an_interruption_between_feeding_and_noting_leaves_a_right_cache() -> None:
    engine = random_engine(TOKENIZER.size)
    generator = Generator(engine, TOKENIZER)
    list(generator.generate(PROMPT, Sampling(), Options(max_tokens=5)))
    engine.feed([1, 2, 3])  # as if Ctrl-C had come right after this
    again = list(generator.generate(PROMPT, Sampling(), Options(max_tokens=5)))
    fresh = list(
        Generator(random_engine(TOKENIZER.size), TOKENIZER).generate(PROMPT, Sampling(), Options(max_tokens=5))
    )
    assert [piece.token for piece in again] == [piece.token for piece in fresh]


def test_a_seed_gives_the_same_answer_again() -> None:
    def once(seed: int) -> list[int | None]:
        generator = Generator(random_engine(TOKENIZER.size), TOKENIZER)
        sampling = Sampling(temperature=1.0, seed=seed)
        return [piece.token for piece in generator.generate(PROMPT, sampling, Options(max_tokens=20))]

    assert once(1) == once(1) != once(2)


def test_logprobs_are_those_of_the_model_and_the_likeliest_come_first() -> None:
    engine = random_engine(TOKENIZER.size)
    options = Options(max_tokens=4, logprobs=True, top=3)
    pieces = list(Generator(engine, TOKENIZER).generate(PROMPT, Sampling(), options))
    tokens = list(PROMPT)
    for piece in pieces:
        fresh = random_engine(TOKENIZER.size)
        logits = fresh.feed(tokens)[0].astype(np.float64)
        wanted = logits - np.log(np.exp(logits).sum())
        assert piece.token is not None and piece.logprob == pytest.approx(wanted[piece.token])
        assert piece.top[0] == (piece.token, piece.logprob)  # greedy
        assert [logprob for _, logprob in piece.top] == pytest.approx(sorted(wanted)[:-4:-1])
        tokens.append(piece.token)


def test_a_constraint_holds_from_the_first_token_and_ends_the_answer() -> None:
    pieces = writes("something else", Options(stop_ids=STOPS, constraint=Spelled('{"a": 1}')))
    assert text_of(pieces) == '{"a": 1}' and pieces[-1].finish == "stop"


@pytest.mark.parametrize("written", ['Well. <tool_call>{"nam', "Well. <tool_call>xyz"])
def test_between_the_marks_the_constraint_holds_even_where_a_token_would_go_over_the_first_mark(written: str) -> None:
    assert TOKENIZER.token_bytes(TOKENIZER.encode('>{"')[0]) == b'>{"'  # so the mark's end is inside a token
    made: list[Spelled] = []

    def make() -> Spelled:
        made.append(Spelled('{"name": "f"}'))
        return made[-1]

    bracketed = Bracketed("<tool_call>", "</tool_call>", make)
    script = TOKENIZER.encode(written)
    pieces = writes(script + [END] * 40, Options(stop_ids=STOPS, bracketed=bracketed))
    assert text_of(pieces) == 'Well. <tool_call>{"name": "f"}</tool_call>'
    assert len(made) == 1 and pieces[-1].finish == "stop"


def test_a_thought_is_apart_from_the_answer_and_counted() -> None:
    pieces = writes("<think>hm, so</think>\non it", Options(stop_ids=STOPS, stop_strings=("hm",)))
    assert text_of(pieces) == "on it"
    assert "".join(piece.thought for piece in pieces) == "hm, so"
    assert pieces[-1].usage is not None and pieces[-1].usage.thought > 0


@pytest.mark.parametrize("budget", [0, 1, 7])
def test_a_thought_that_uses_its_budget_up_is_ended_and_the_answer_follows(budget: int) -> None:
    # By places, the model would think on for 60 tokens, and then say "yes".
    script = [*TOKENIZER.encode("<think>"), *TOKENIZER.encode("z" * 60), *TOKENIZER.encode("yes")]
    pieces = writes(script, Options(stop_ids=STOPS, reasoning_budget=budget))
    thought = "".join(piece.thought for piece in pieces)
    assert thought == "z" * budget
    answer = text_of(pieces)
    assert answer.endswith("zyes") and "<" not in answer
    assert text_of(writes(script, Options(stop_ids=STOPS))) == ""  # without a budget it is all a thought


def test_penalties_lower_what_was_written_before() -> None:
    def flat(tokens: Sequence[int]) -> np.ndarray:
        logits = np.zeros(8, np.float32)
        logits[5], logits[6] = 2.0, 1.5
        return logits

    def tokens(**options: float) -> Iterator[int | None]:
        generator = Generator(NumpyEngine(flat, 8), TOKENIZER)
        made = generator.generate([1], Sampling(), Options(max_tokens=5, **options))  # type: ignore[arg-type]
        return (piece.token for piece in made)

    assert list(tokens()) == [5, 5, 5, 5, 5]
    assert list(tokens(frequency=0.4)) == [5, 5, 6, 5, 6]
    assert list(tokens(presence=1.0)) == [5, 6, 5, 5, 5]
