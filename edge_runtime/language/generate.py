"""Writes an answer token by token: streaming, stops, constraints, hidden thoughts, a kept prefix, speculation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from edge_runtime.errors import BadRequest, EngineError
from edge_runtime.language.sampling import Sampler, Sampling
from edge_runtime.language.speculative import Draft, Patient, common_prefix, rewind_to
from edge_runtime.language.template import THINK, THOUGHT, TOOL_CALL, TOOL_CALLED, ReasoningSplitter
from edge_runtime.language.tokenizer import StreamDecoder, TextTokenizer

if TYPE_CHECKING:
    from edge_runtime.engines.language import LanguageEngine

_PREFILL = 64  # tokens of a prompt between two looks at whether the answer is still wanted
MARKS = (THINK, THOUGHT, TOOL_CALL, TOOL_CALLED)
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
    with theirs. finish and usage: of the last piece alone.
    """

    text: str
    token: int | None = None
    thought: str = ""
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()
    finish: Finish | None = None
    usage: Usage | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Options:
    """How to write, beyond the sampling.

    stop_strings: end the answer, and aren't part of it. constraint: for the whole answer, which ends with it.
    frequency, presence: subtracted from the logits of tokens that the answer has, times their count and once (OpenAI's
    penalties). logprobs: whether to give them; top: and of how many of the likeliest. reasoning_budget: most tokens of
    a chain of thought, after which its end is forced; None for no limit. thinking: the prompt ended within a thought.
    draft: guesses ahead.
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


class Generator:
    """Writes answers over one engine, one at a time; keeps the cache, so that a conversation is read only once."""

    def __init__(self, engine: LanguageEngine, tokenizer: TextTokenizer) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self._fed: list[int] = []  # what the engine's cache holds, or a beginning of it
        self._turn = 0

    def generate(self, prompt: Sequence[int], sampling: Sampling, options: Options) -> Iterator[Piece]:
        """The pieces of the answer to a prompt; the last one has a `finish`.

        Work is done only while pieces are asked for: one token each, and the prompt before the first. Leaving the
        iterator ends the answer. Raises `BadRequest` where the prompt leaves no room in the context, at once.
        """
        prompt = list(prompt)
        room = self.engine.context - len(prompt)
        if not prompt:
            raise BadRequest("There is nothing to answer; send a text.")
        if room < 1:
            raise BadRequest(
                f"The text has {len(prompt)} tokens, and the model reads {self.engine.context} with its answer; "
                "send less of it, or fewer messages."
            )
        most = room if options.max_tokens is None else min(options.max_tokens, room)
        if most < 1:
            raise BadRequest("max_tokens must be 1 or more.")
        self._turn += 1
        return self._pieces(prompt, Sampler(sampling), options, most, self._turn)

    def losses(self, tokens: Sequence[int], first: int) -> np.ndarray:
        """How surprising a text is: float64, minus the logarithm of the probability of each token from `first` on."""
        if not 1 <= first < len(tokens) <= self.engine.context:
            raise BadRequest(f"A text of 2 to {self.engine.context} tokens can be examined, from its second on.")
        self._turn += 1
        self._back(0)
        logits = self._feed(list(tokens[:-1]), len(tokens) - first).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        chosen = logits[np.arange(len(logits)), np.array(tokens[first:])]
        lost: np.ndarray = np.log(np.exp(logits).sum(axis=1)) - chosen
        return lost

    def _pieces(self, prompt: list[int], sampler: Sampler, options: Options, most: int, turn: int) -> Iterator[Piece]:
        answer = _Answer(self.tokenizer, sampler, options, prompt, most)
        draft = Patient(options.draft) if options.draft is not None else None
        self._check(turn)
        del self._fed[self.engine.length :]  # somebody may have used the engine meanwhile, and left it empty
        answer.cached = min(common_prefix(self._fed, prompt), len(prompt) - 1)
        self._back(answer.cached)
        answer.cached = self.engine.length  # less where the model can't go back so far
        for start in range(answer.cached, len(prompt), _PREFILL):
            if options.cancelled():
                yield answer.cancelled()
                return
            rows = self._feed(prompt[start : start + _PREFILL], int(start + _PREFILL >= len(prompt)))
        guessed: list[int] = []
        at = 0  # how many of the guessed tokens were right
        while True:
            piece = answer.next(rows[at])
            yield piece
            if piece.finish:
                return
            if options.cancelled():
                yield answer.cancelled()
                return
            self._check(turn)
            token = answer.tokens[-1]
            if at < len(guessed) and guessed[at] == token:
                at += 1
                continue
            if draft is not None:
                draft.learn(len(guessed), at)
            self._back(len(answer.tokens) - 1)
            left = most - answer.count - 1  # beyond the token that the next row gives in any case
            guessed = answer.forced[:left] if answer.forced or draft is None else draft.propose(answer.tokens, left)
            # All that isn't in the cache: the token alone, but where the model had to forget more.
            rows, at = self._feed([*answer.tokens[self.engine.length :], *guessed], 1 + len(guessed)), 0

    def _feed(self, tokens: list[int], wanted: int) -> np.ndarray:
        logits = self.engine.feed(tokens, wanted)
        self._fed += tokens
        return logits

    def _back(self, length: int) -> None:
        # What was interrupted may have left more in the cache than is known of.
        if length < self.engine.length:
            rewind_to(self.engine, self._fed, length)

    def _check(self, turn: int) -> None:
        if turn != self._turn:
            raise EngineError("Another answer was begun with this model, so this one can't go on.")


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
        self._text = _Text(tokenizer, options.stop_strings, options.thinking)
        self._constraint = options.constraint
        self._bracket = _Bracket(options.bracketed, tokenizer) if options.bracketed else None
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


class _Text:
    """From tokens to the text that may be shown: whole characters, thoughts apart, stop strings held back."""

    def __init__(self, tokenizer: TextTokenizer, stops: tuple[str, ...], thinking: bool) -> None:
        self._decoder = StreamDecoder(tokenizer)
        # A tokenizer may have the marks as special tokens, which stand for no text elsewhere.
        self._marks = marks_of(tokenizer)
        self._splitter = ReasoningSplitter(thinking)
        self._stops = stops
        self._held = ""
        self.stopped = False

    @property
    def thinking(self) -> bool:
        return self._splitter.thinking

    def push(self, token: int) -> tuple[str, str]:
        """(more of the thought, more of the answer)."""
        mark = self._marks.get(token)
        thought, text = self._splitter.push(self._decoder.push(token) if mark is None else mark)
        return thought, self._until_stop(text)

    def finish(self) -> tuple[str, str]:
        """What was held back, now that nothing follows; after a stop string, nothing."""
        if self.stopped:
            return "", ""
        thought, text = self._splitter.push(self._decoder.finish())
        more, rest = self._splitter.finish()
        shown = self._until_stop(text + rest)
        held, self._held = ("" if self.stopped else self._held), ""
        return thought + more, shown + held

    def _until_stop(self, text: str) -> str:
        if not self._stops:
            return text
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            shown, self._held = self._held[: min(found)], ""
            return shown
        keep = max(_begun(self._held, stop) for stop in self._stops)
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown


class _Bracket:
    """Watches for the first mark, gives the constraint for what follows, and then forces the second mark."""

    def __init__(self, rule: Bracketed, tokenizer: TextTokenizer) -> None:
        self._rule = rule
        self._tokenizer = tokenizer
        self._marks = {number: text.encode() for number, text in marks_of(tokenizer).items()}
        self._tail = b""
        self.constraint: Constraint | None = None

    def within(self, token: int) -> tuple[int, list[int]]:
        """The token, or what takes its place and must follow where it would go on behind the first mark.

        A tokenizer may have joined the mark's end with what follows; the constraint must see that from its beginning.
        """
        if self.constraint is not None or token in self._marks:
            return token, []
        begin = self._rule.begin.encode()
        text = self._tail + self._tokenizer.token_bytes(token)
        at = text.find(begin)
        if at < 0 or at + len(begin) == len(text):
            return token, []
        first, *rest = self._tokenizer.encode(text[len(self._tail) : at + len(begin)].decode("utf-8", "replace"))
        return first, rest

    def take(self, token: int) -> list[int]:
        """Note a token; the tokens that must follow, where it completes what stands between the marks."""
        if self.constraint is not None:
            self.constraint.accept(token)
            if not self.constraint.done:
                return []
            self.constraint = None
            return self._tokenizer.encode(self._rule.end)
        begin = self._rule.begin.encode()
        self._tail += self._marks.get(token) or self._tokenizer.token_bytes(token)
        if self._tail.endswith(begin):
            self._tail, self.constraint = b"", self._rule.make()
        self._tail = self._tail[-len(begin) + 1 :]
        return []


def marks_of(tokenizer: TextTokenizer) -> Mapping[int, str]:
    """The marks of thoughts and calls that a tokenizer has as special tokens, by their ids."""
    return {tokenizer.special[mark]: mark for mark in MARKS if mark in tokenizer.special}


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
