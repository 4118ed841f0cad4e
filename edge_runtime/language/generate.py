"""Writes an answer token by token: streaming, stops, constraints, hidden thoughts, a kept prefix, speculation."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from edge_runtime.engines.language import FeedsTogether
from edge_runtime.errors import BadRequest, EngineError
from edge_runtime.language.sampling import Sampler, Sampling
from edge_runtime.language.shown import Bracket, Shown
from edge_runtime.language.speculative import Draft, DraftModel, Patient, common_prefix, rewind_to
from edge_runtime.language.template import THOUGHT
from edge_runtime.language.together import Together
from edge_runtime.language.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from edge_runtime.engines.language import LanguageEngine

_PREFILL = 64  # tokens of a prompt between two looks at whether the answer is still wanted
Finish = Literal["stop", "length", "cancelled"]


class Constraint(Protocol):
    """Which tokens may come next; see `edge_runtime.language.grammar`."""

    @property
    def done(self) -> bool:
        """Whether the text is complete and nothing may follow."""

    def mask(self) -> np.ndarray | None:
        """bool [V], which tokens may follow; None for all."""

    def accept(self, token: int) -> None:
        """Take the next token."""


@dataclass(frozen=True)
class Bracketed:
    """What an answer writes between two marks must keep to a constraint, made anew for each time: tool calls."""

    begin: str
    end: str
    make: Callable[[], Constraint]


@dataclass(frozen=True)
class Usage:
    """Tokens of an answer. cached: of the prompt, those that were in the cache already; thought: of the answer."""

    prompt: int
    cached: int
    answer: int
    thought: int


@dataclass(frozen=True)
class Piece:
    """One token and the text that it set free, which may be none: a part of a character, or of a stop string.

    thought: the same of a chain of thought; hidden: whether the token is of one. logprob: natural logarithm of the token's probability under the model,
    before temperature and masks; only where asked for, and never of tokens that were forced. top: the likeliest tokens
    with theirs. finish and usage: of the last piece alone. chance: of the last piece of a call, the probability that it is
    wanted, where that is known; unsure: the answer asks back instead.
    """

    text: str
    token: int | None = None
    thought: str = ""
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()
    finish: Finish | None = None
    usage: Usage | None = None
    hidden: bool = False
    chance: float | None = None
    unsure: bool = False


@dataclass(frozen=True)
class Options:
    """How to write, beyond the sampling.

    stop_strings: end the answer, and aren't part of it. constraint: for the whole answer, which ends with it.
    frequency, presence: subtracted from the logits of tokens that the answer has, times their count and once (OpenAI's
    penalties). logprobs: whether to give them; top: and of how many of the likeliest. reasoning_budget: most tokens of
    a chain of thought, after which its end is forced; None for no limit. thinking: the prompt ended within a thought.
    draft: guesses ahead. cancelled: asked before each token; the answer may wait in it for its turn. priority: the less
    the more urgent; answers that wait are read along with one that is less urgent or as much, see `Together`.
    """

    max_tokens: int | None = None
    stop_ids: frozenset[int] = frozenset()
    stop_strings: tuple[str, ...] = ()
    constraint: Constraint | None = None
    bracketed: Bracketed | None = None
    frequency: float = 0.0
    presence: float = 0.0
    logprobs: bool = False
    top: int = 0
    reasoning_budget: int | None = None
    thinking: bool = False
    draft: Draft | None = None
    cancelled: Callable[[], bool] = field(default=lambda: False)
    priority: int = 0


class _Text:
    """A cache of an engine's: what it holds, and the answer that has it now."""

    def __init__(self, engine: LanguageEngine) -> None:
        self.engine = engine
        self.fed: list[int] = []  # what the engine's cache holds, or a beginning of it
        self.draft: DraftModel | None = None  # the one that guesses ahead in this text
        self.turn = 0  # of the answer that has it; 0 for none
        self.thread = 0  # that writes it
        self.used = 0  # the last answer's turn

    def feed(self, tokens: list[int], wanted: int) -> np.ndarray:
        """See `LanguageEngine.feed`."""
        logits = self.engine.feed(tokens, wanted)
        self.fed += tokens
        return logits

    def back(self, length: int) -> None:
        """Forget what is behind."""
        # What was interrupted may have left more in the cache than is known of.
        if length < self.engine.length:
            rewind_to(self.engine, self.fed, length)

    def close(self) -> None:
        """Free the cache."""
        self.engine.close()
        if self.draft is not None:
            self.draft.close()


class Generator:
    """Writes answers over one model; keeps what was read, so that a conversation is read only once.

    It has one cache, and with `widen` more. Each answer takes a free one, that with its conversation where there is
    one, else that which nobody used for the longest time. A thread writes one answer at a time: the next one that it
    begins ends the one before. So as many threads may write as there are caches; where the engine can, the tokens of
    those that wait for one another are read together.
    """

    def __init__(self, engine: LanguageEngine, tokenizer: TextTokenizer) -> None:
        self.tokenizer = tokenizer
        self.engine, self.context = engine, engine.context
        self._texts = [_Text(engine)]
        self._lock = threading.Lock()
        self._turns = itertools.count(1)
        self._latest = threading.local()  # the turn of the answer that this thread began last
        self._together = Together(engine) if isinstance(engine, FeedsTogether) else None

    @property
    def reads_together(self) -> bool:
        """Whether next tokens of several answers are read in one run."""
        return self._together is not None

    def widen(self) -> None:
        """Have one cache more; raises `EngineError` where there is no memory for it."""
        made = _Text(self._texts[0].engine.another())
        with self._lock:
            self._texts.append(made)

    def narrow(self) -> None:
        """Free a cache that no answer has, where there is more than one."""
        with self._lock:
            free = [text for text in self._texts[1:] if not text.turn]
            if not free:
                return
            text = min(free, key=lambda each: each.used)
            self._texts.remove(text)
        text.close()

    def lose(self, thread: int) -> None:
        """A thread didn't come back from the runtime: answers that it read along fail."""
        if self._together is not None:
            self._together.lose(thread)

    def generate(self, prompt: Sequence[int], sampling: Sampling, options: Options) -> Iterator[Piece]:
        """The pieces of the answer to a prompt; the last one has a `finish`.

        Work is done only while pieces are asked for: one token each, and the prompt before the first. Leaving the
        iterator ends the answer. Raises `BadRequest` where the prompt leaves no room in the context, at once.
        """
        prompt = list(prompt)
        room = self.context - len(prompt)
        if not prompt:
            raise BadRequest("There is nothing to answer; send a text.")
        if room < 1:
            raise BadRequest(
                f"The text has {len(prompt)} tokens, and the model reads {self.context} with its answer; "
                "send less of it, or fewer messages."
            )
        most = room if options.max_tokens is None else min(options.max_tokens, room)
        if most < 1:
            raise BadRequest("max_tokens must be 1 or more.")
        return self._pieces(prompt, Sampler(sampling), options, most, self._next())

    def losses(self, tokens: Sequence[int], first: int) -> np.ndarray:
        """How surprising a text is: float64, minus the logarithm of the probability of each token from `first` on."""
        if not 1 <= first < len(tokens) <= self.context:
            raise BadRequest(f"A text of 2 to {self.context} tokens can be examined, from its second on.")
        text = self._take(tokens, self._next())
        try:
            text.back(0)
            logits = text.feed(list(tokens[:-1]), len(tokens) - first).astype(np.float64)
        finally:
            text.turn = 0
        logits -= logits.max(axis=1, keepdims=True)
        chosen = logits[np.arange(len(logits)), np.array(tokens[first:])]
        lost: np.ndarray = np.log(np.exp(logits).sum(axis=1)) - chosen
        return lost

    def _pieces(self, prompt: list[int], sampler: Sampler, options: Options, most: int, turn: int) -> Iterator[Piece]:
        text = self._take(prompt, turn)
        try:
            yield from self._written(text, prompt, sampler, options, most, turn)
        finally:
            if text.turn == turn:
                text.turn = 0

    def _written(
        self, text: _Text, prompt: list[int], sampler: Sampler, options: Options, most: int, turn: int
    ) -> Iterator[Piece]:
        engine = text.engine
        answer = _Answer(self.tokenizer, sampler, options, prompt, most)
        draft = Patient(self._own(text, options.draft)) if options.draft is not None else None
        del text.fed[engine.length :]  # somebody may have used the engine meanwhile, and left it empty
        answer.cached = min(common_prefix(text.fed, prompt), len(prompt) - 1)
        text.back(answer.cached)
        answer.cached = engine.length  # less where the model can't go back so far
        for start in range(answer.cached, len(prompt), _PREFILL):
            if options.cancelled():
                yield answer.cancelled()
                return
            rows = text.feed(prompt[start : start + _PREFILL], int(start + _PREFILL >= len(prompt)))
        guessed: list[int] = []
        at = 0  # how many of the guessed tokens were right
        while True:
            piece = answer.next(rows[at])
            yield piece
            if piece.finish:
                return
            token = answer.tokens[-1]
            known = at < len(guessed) and guessed[at] == token
            if self._together is not None and not known and not answer.forced and draft is None:
                row = self._next_row(self._together, text, answer.tokens, options, turn)
                if row is None:
                    yield answer.cancelled()
                    return
                rows, guessed, at = row[None], [], 0
                continue
            if options.cancelled():
                yield answer.cancelled()
                return
            self._check(text, turn)
            if known:
                at += 1
                continue
            if draft is not None:
                draft.learn(len(guessed), at)
            text.back(len(answer.tokens) - 1)
            left = most - answer.count - 1  # beyond the token that the next row gives in any case
            guessed = answer.forced[:left] if answer.forced or draft is None else draft.propose(answer.tokens, left)
            # All that isn't in the cache: the token alone, but where the model had to forget more.
            rows, at = text.feed([*answer.tokens[engine.length :], *guessed], 1 + len(guessed)), 0

    def _next_row(
        self, together: Together, text: _Text, tokens: list[int], options: Options, turn: int
    ) -> np.ndarray | None:
        """What follows the last token, float32 [V], read together with other answers; None once it isn't wanted."""
        text.back(len(tokens) - 1)
        behind = tokens[text.engine.length : -1]  # where the model had to forget more
        if behind:
            text.feed(behind, 0)
        asked = together.ask(text.engine, tokens[-1], options.priority)
        try:
            cancelled = options.cancelled()  # others have their turn meanwhile, and may read ours along
            self._check(text, turn)
        except BaseException:
            together.withdraw(asked)
            raise
        if cancelled:
            together.withdraw(asked)
            return None
        row = together.answer(asked)
        text.fed.append(tokens[-1])
        return row

    def _next(self) -> int:
        """The turn of an answer that this thread begins."""
        turn = self._latest.turn = next(self._turns)
        return turn

    def _take(self, prompt: Sequence[int], turn: int) -> _Text:
        """A cache for an answer of this thread; raises `EngineError` where another one was begun here since."""
        thread = threading.get_ident()
        with self._lock:
            if getattr(self._latest, "turn", turn) != turn:
                raise _ended()
            free = [text for text in self._texts if not text.turn or text.thread == thread]
            if not free:
                raise EngineError("As many answers are being written as the model has caches for; ask again.")
            kept = {id(text): common_prefix(text.fed, prompt) for text in free}
            known = [text for text in free if 2 * kept[id(text)] >= max(1, len(text.fed))]
            if known:  # most of what it holds is of use
                text = max(known, key=lambda each: (kept[id(each)], each.used))
            else:
                text = min(free, key=lambda each: each.used)
            for each in free:
                each.turn = 0
            text.turn, text.thread, text.used = turn, thread, turn
        return text

    def _own(self, text: _Text, draft: Draft) -> Draft:
        """A model that guesses has a cache too: the first text uses the one that was given, the others their own."""
        if not isinstance(draft, DraftModel) or text is self._texts[0]:
            return draft
        if text.draft is None:
            text.draft = draft.another()
        return text.draft

    def _check(self, text: _Text, turn: int) -> None:
        if text.turn != turn or getattr(self._latest, "turn", turn) != turn:
            raise _ended()


def _ended() -> EngineError:
    return EngineError("Another answer was begun with this model, so this one can't go on.")


class _Answer:
    """An answer as it grows: chooses each token, and gives the text that may be shown."""

    def __init__(
        self, tokenizer: TextTokenizer, sampler: Sampler, options: Options, prompt: list[int], most: int
    ) -> None:
        self._tokenizer = tokenizer
        self._sampler = sampler
        self._options = options
        self._most = most
        self._prompt = len(prompt)
        self._text = Shown(tokenizer, options.stop_strings, options.thinking)
        self._constraint = options.constraint
        self._bracket = Bracket(options.bracketed, tokenizer) if options.bracketed else None
        self._counts: dict[int, int] = {}
        self._thoughts = 0
        self.tokens = list(prompt)  # and the answer's
        self.forced: list[int] = []  # the next tokens, whatever the model thinks
        self.cached = 0

    @property
    def count(self) -> int:
        """Tokens of the answer."""
        return len(self.tokens) - self._prompt

    def next(self, logits: np.ndarray) -> Piece:
        """Choose the token that follows, from float32 [V]."""
        logits = logits[: self._tokenizer.size]  # checkpoints round their tables up; those rows are no tokens
        forced = bool(self.forced)
        token = self.forced.pop(0) if forced else self._choose(logits)
        if self._bracket is not None and not forced:
            token, self.forced = self._bracket.within(token)
        logprob, top = (None, ()) if forced or not self._options.logprobs else self._chances(logits, token)
        self.tokens.append(token)
        self._counts[token] = self._counts.get(token, 0) + 1
        if token in self._options.stop_ids and not forced:
            return self._last(Piece("", token, "", logprob, top), "stop")
        hidden = self._text.thinking
        thought, text = self._text.push(token)
        hidden = hidden or self._text.thinking
        self._thoughts += hidden
        self._constrain(token)
        piece = Piece(text, token, thought, logprob, top, hidden=hidden)
        if self._text.stopped or (self._constraint is not None and self._constraint.done):
            return self._last(piece, "stop")
        if self.count >= self._most:
            return self._last(piece, "length")
        budget = self._options.reasoning_budget
        if budget is not None and self._text.thinking and self._thoughts > budget and not self.forced:
            self.forced = self._tokenizer.encode(THOUGHT)
        return piece

    def cancelled(self) -> Piece:
        """The last piece of an answer that nobody wants any more."""
        return Piece("", finish="cancelled", usage=self._usage())

    def _choose(self, logits: np.ndarray) -> int:
        options = self._options
        if self._counts and (options.frequency or options.presence):
            logits = logits.copy()
            seen = np.fromiter(self._counts, np.int64, len(self._counts))
            times = np.fromiter(self._counts.values(), np.float32, len(self._counts))
            logits[seen] -= times * np.float32(options.frequency) + np.float32(options.presence)
        inner = self._bracket.constraint if self._bracket is not None else None
        constraint = inner if inner is not None else self._constraint
        allowed = constraint.mask() if constraint is not None else None
        recent = self.tokens if self._sampler.sampling.repetition != 1 else ()
        return self._sampler.choose(logits, recent, allowed)

    def _constrain(self, token: int) -> None:
        if self._constraint is not None:
            self._constraint.accept(token)
        if self._bracket is not None:
            self.forced += self._bracket.take(token)

    def _chances(self, logits: np.ndarray, token: int) -> tuple[float, tuple[tuple[int, float], ...]]:
        scores = logits.astype(np.float64)
        scores -= scores.max()
        scores -= np.log(np.exp(scores).sum())
        top: tuple[tuple[int, float], ...] = ()
        if self._options.top:
            best = np.argsort(-scores, kind="stable")[: self._options.top]
            top = tuple((int(i), float(scores[i])) for i in best)
        return float(scores[token]), top

    def _last(self, piece: Piece, finish: Finish) -> Piece:
        thought, text = self._text.finish()
        return dataclasses.replace(
            piece, text=piece.text + text, thought=piece.thought + thought, finish=finish, usage=self._usage()
        )

    def _usage(self) -> Usage:
        return Usage(self._prompt, self.cached, self.count, self._thoughts)
