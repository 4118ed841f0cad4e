"""Asks a teacher for verified examples of a task: draw, ask, verify, repair once, accept or count the reason.

Everything about example number i follows from the seed and i, and replies come from the cache where it has them.
So a run that was killed is resumed by running it again, and the examples that are kept, in which order, don't depend
on which reply came first.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol, TypeVar

from trainer_host.errors import AskFailed, TeacherStopped
from trainer_host.executor import Executor
from trainer_host.tasks import JUDGE_PASSES, JUDGE_SCHEMA, Example, Json, Prompt, TaskSpec, task_spec
from trainer_host.teacher.examples import Known, Refused, Verified, built_in_chunk, draw, short, verify
from trainer_host.teacher.parse import AnswerRefused, read_answer
from trainer_host.teacher.protocol import Image, Message, Reply, Request, Teacher, Usage
from trainer_host.teacher.soft import ALTERNATIVES, SOFT, soft_answer

T = TypeVar("T")
logger = logging.getLogger(__name__)

WINDOW = 256  # examples in work at a time; the teacher's limiter decides how many requests are open
JUDGE_MAX_TOKENS = 300
FAILURES_IN_A_ROW = 20  # that many requests failing one after the other is no bad luck
BUILT_IN = "built-in"
BUILT_IN_CHUNK = 64  # examples per call to a worker: a call costs about as much as making a few of them


@dataclass(frozen=True)
class Order:
    """What is asked for. draws: at most so many examples are begun, accepted or not. judge: ask about what can't
    be executed, where the task has such a question. logprobs: ask how likely the answers' pieces were, too."""

    task: str
    wanted: int
    seed: int
    draws: int
    options: Json = field(default_factory=dict)
    judge: bool = True
    logprobs: bool = False


@dataclass(frozen=True)
class Made:
    """An accepted example with what is known about it. meta: provenance, as it goes into the dataset's rows.

    exchange: the messages that a teacher was asked, and the answer that became the example; None without a teacher, or
    where it was shown a picture.
    """

    index: int
    example: Example
    key: str
    stratum: str | None
    group: str | None
    meta: Json
    exchange: tuple[tuple[Json, ...], str] | None = None


@dataclass
class Tally:
    """Figures of a run so far. failed: of the rejected, those whose request failed for good, not their answer.
    soft: of the accepted, those with a teacher's probabilities, see `trainer_host.teacher.soft`.

    ahead: examples that are verified and accepted as soon as the draws before them are done, unless they repeat one.
    """

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    ahead: int = 0
    repaired: int = 0
    soft: int = 0
    requests: int = 0
    from_cache: int = 0
    tokens: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    unpriced: int = 0

    def figures(self) -> Json:
        """A plain object for the dataset's card."""
        begun = self.accepted + self.rejected.total()
        return {
            "accepted": self.accepted,
            "rejected": dict(sorted(self.rejected.items())),
            "repaired": self.repaired,
            **({"with_probabilities": self.soft} if self.soft else {}),
            "yield": round(self.accepted / begun, 4) if begun else 0.0,
            "requests": self.requests,
            "input_tokens": self.tokens.input,
            "output_tokens": self.tokens.output,
            "cost_usd": str(self.cost) if not self.unpriced else None,
        }


@dataclass(frozen=True)
class Generated:
    """What came out. stopped: why it ended early, None where all that was wanted is there or draws ran out."""

    made: list[Made]
    tally: Tally
    stopped: TeacherStopped | None = None


class Index(Protocol):
    """What tells new questions from known ones; trainer_host.data.dedup has one for near-duplicates.

    repeated: the reason that a known one is counted under.
    """

    repeated: str

    def add(self, key: str) -> bool:
        """Whether the key is new; then it is remembered."""


class Seen:
    """Accepts each question once."""

    repeated = "duplicate"

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def add(self, key: str) -> bool:
        """See `Index`."""
        new = key not in self._keys
        self._keys.add(key)
        return new


OnTally = Callable[[Tally], None]


async def generate(
    order: Order,
    teacher: Teacher,
    executor: Executor,
    *,
    index: Index | None = None,
    on_tally: OnTally | None = None,
    window: int = WINDOW,
) -> Generated:
    """Get `order.wanted` examples, distinct by `index`, in the order of their draws; `window` are in work at a time.

    Never raises for the teacher: where it can't go on, `stopped` says why and `made` holds what is complete up to
    there. Cancelling it cancels the requests that are open.
    """
    spec = task_spec(order.task, order.options)
    there = spec.different()
    draws = order.draws if there is None else min(order.draws, there)
    tally, seen = Tally(), index if index is not None else Seen()
    made: list[Made] = []
    waiting: dict[asyncio.Task[_Outcome], int] = {}
    done: dict[int, _Outcome] = {}
    launched = committed = failures = provisional = 0
    stopped: TeacherStopped | None = None
    try:
        while True:
            while (
                stopped is None
                and launched < draws
                and len(waiting) < window
                and len(made) + provisional + len(waiting) < order.wanted
            ):
                work = _one(order, spec, launched, teacher, executor, tally)
                waiting[asyncio.create_task(work)] = launched
                launched += 1
            if not waiting:
                break
            finished, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                number = waiting.pop(task)
                try:
                    outcome = task.result()
                except TeacherStopped as cause:
                    stopped = stopped or cause
                    continue
                done[number] = outcome
                provisional += outcome.made is not None
                failures = failures + 1 if outcome.failed else 0
                if failures >= FAILURES_IN_A_ROW and stopped is None:
                    stopped = TeacherStopped(f"{failures} requests in a row failed ({outcome.detail}).")
            if stopped is not None:
                await _cancel(waiting)
                waiting.clear()
            # Which of two alike examples stays is decided in the order of draws, not of replies.
            while committed in done:
                provisional -= done[committed].made is not None
                _commit(done.pop(committed), made, tally, seen)
                committed += 1
            tally.ahead = provisional
            if on_tally is not None:
                on_tally(tally)
    finally:
        await _cancel(waiting)
    for number in sorted(done):  # behind a gap that the stop left
        _commit(done.pop(number), made, tally, seen)
    tally.ahead = 0
    return Generated(made, tally, stopped)


@dataclass(frozen=True)
class _Outcome:
    """Of one draw: an example, or why there is none. failed: the request itself failed, not the answer."""

    made: Made | None
    reason: str = ""
    detail: str = ""
    failed: bool = False
    repaired: bool = False


def _commit(outcome: _Outcome, made: list[Made], tally: Tally, seen: Index) -> None:
    if outcome.made is None:
        tally.rejected[outcome.reason] += 1
        tally.failed += outcome.failed
    elif not seen.add(outcome.made.key):
        tally.rejected[seen.repeated] += 1
    else:
        tally.accepted += 1
        tally.repaired += outcome.repaired
        tally.soft += SOFT in outcome.made.meta
        made.append(outcome.made)


async def _cancel(tasks: Iterable[asyncio.Task[T]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _one(
    order: Order, spec: TaskSpec, number: int, teacher: Teacher, executor: Executor, tally: Tally
) -> _Outcome:
    drawn, prompt = await executor.submit(draw, order.task, order.options, order.seed, number)
    alternatives = ALTERNATIVES if order.logprobs else 0
    requests = [request_for(spec, prompt, sample, alternatives) for sample in range(spec.samples)]
    first = requests[0]
    found: Verified | Refused | None = None
    for attempt in range(2):
        try:
            replies = await asyncio.gather(*(_asked(teacher, request, tally) for request in requests))
        except AskFailed as cause:
            return _Outcome(None, cause.reason, str(cause), failed=True)
        found = await _verified(order, spec, drawn, replies, executor)
        if isinstance(found, Verified):
            break
        if attempt == 0:
            refused = found
            requests = [
                _repair(request, reply, refused.detail) for request, reply in zip(requests, replies, strict=True)
            ]
    if not isinstance(found, Verified):
        assert found is not None
        return _Outcome(None, found.reason, found.detail)
    meta = provenance(spec, teacher, drawn, replies, found, repaired=attempt > 0)
    if order.logprobs and (soft := soft_answer(order.task, found.example, replies[0])) is not None:
        meta[SOFT] = soft
    if order.judge and found.judge is not None:
        try:
            level = await _judged(found.judge, spec, teacher, tally)
        except AskFailed as cause:
            return _Outcome(None, cause.reason, str(cause), failed=True)
        if level < JUDGE_PASSES:
            return _Outcome(None, "judged poor", f"the judge gave it level {level}")
        meta["judge"] = level
    exchange = _exchange(first, replies[0], spec)
    accepted = Made(number, found.example, found.key, found.stratum, found.group, meta, exchange)
    return _Outcome(accepted, repaired=attempt > 0)


def _exchange(request: Request, reply: Reply, spec: TaskSpec) -> tuple[tuple[Json, ...], str] | None:
    """What was asked first, and the answer that passed in the end: who learns from it needn't be mended."""
    if any(message.images for message in request.messages):
        return None
    asked: list[Json] = [{"role": "system", "content": request.system}] if request.system else []
    asked += [{"role": message.role, "content": message.text} for message in request.messages]
    return tuple(asked), json.dumps(read_answer(reply.text, spec.answer_schema), ensure_ascii=False)


async def _asked(teacher: Teacher, request: Request, tally: Tally) -> Reply:
    reply = await teacher.ask(request)
    tally.requests += 1
    tally.from_cache += reply.cached
    used, sofar = reply.usage, tally.tokens
    tally.tokens = Usage(
        sofar.input + used.input,
        sofar.output + used.output,
        sofar.cache_read + used.cache_read,
        sofar.cache_write + used.cache_write,
    )
    if reply.cost is None:
        tally.unpriced += 1
    else:
        tally.cost += reply.cost
    return reply


async def _judged(question: Prompt, spec: TaskSpec, teacher: Teacher, tally: Tally) -> int:
    reply = await _asked(teacher, judging(question, spec), tally)
    try:
        return int(str(read_answer(reply.text, JUDGE_SCHEMA)["level"]))
    except AnswerRefused:
        return 0  # a judge that can't answer hasn't passed it


async def _verified(
    order: Order, spec: TaskSpec, drawn: Json, replies: list[Reply], executor: Executor
) -> Verified | Refused:
    answers: list[Json] = []
    for reply in replies:
        if reply.finish == "refusal":
            return Refused("declined", "you declined; the example is harmless, write it")
        if reply.finish == "length":
            return Refused("cut off", f"your answer was longer than {spec.max_tokens} tokens; write a shorter one")
        try:
            answers.append(read_answer(reply.text, spec.answer_schema))
        except AnswerRefused as cause:
            return Refused(cause.reason, str(cause))
    try:
        return await executor.submit(verify, order.task, order.options, drawn, answers)
    except TimeoutError:
        return Refused("verifier ran out of time", "your answer takes too long to check; write a simpler one")


def _repair(request: Request, reply: Reply, detail: str) -> Request:
    ask = f"That can't be used: {detail.rstrip('.')}. Write the whole answer again, mended."
    messages = (*request.messages, Message("assistant", reply.text), Message("user", ask))
    return Request(
        messages,
        request.system,
        request.schema,
        request.max_tokens,
        request.temperature,
        request.sample,
        request.task,
        request.alternatives,
    )


def request_for(spec: TaskSpec, prompt: Prompt, sample: int = 0, alternatives: int = 0) -> Request:
    """The request that a prompt of a task becomes; alternatives: see `Request`."""
    images = tuple(Image("image/png", content) for content in prompt.images)
    return Request(
        (Message("user", prompt.user, images),),
        prompt.system,
        spec.answer_schema,
        spec.max_tokens,
        spec.temperature,
        sample,
        spec.name,
        alternatives,
    )


def judging(question: Prompt, spec: TaskSpec) -> Request:
    """The request that a task's question to a judge becomes."""
    images = tuple(Image("image/png", content) for content in question.images)
    return Request(
        (Message("user", question.user, images),),
        question.system,
        JUDGE_SCHEMA,
        JUDGE_MAX_TOKENS,
        temperature=0.0,
        task=spec.name,
    )


def provenance(
    spec: TaskSpec, teacher: Teacher, drawn: Json, replies: list[Reply], found: Verified, *, repaired: bool
) -> Json:
    """What a dataset's row says about where it comes from."""
    costs = [reply.cost for reply in replies]
    return {
        "teacher": teacher.name,
        "model": replies[0].model,
        "prompt": spec.prompt_version,
        "drawn": {key: value for key, value in drawn.items() if isinstance(value, str | int | float | bool)},
        "verified": True,
        "repaired": repaired,
        "cost_usd": None if None in costs else str(sum(cost for cost in costs if cost is not None)),
        "difficulty": round(found.difficulty, 4),
    }


async def generate_built_in(
    order: Order, executor: Executor, *, index: Index | None = None, on_tally: OnTally | None = None
) -> Generated:
    """As `generate`, from the task's built-in generator: no teacher, no key, no network."""
    spec = task_spec(order.task, order.options)
    tally, seen = Tally(), index if index is not None else Seen()
    made: list[Made] = []
    begun = 0
    known: frozenset[bytes] = frozenset()
    there = spec.different()
    draws = order.draws if there is None else min(order.draws, there)
    meta: Json = {"teacher": BUILT_IN, "model": BUILT_IN, "prompt": spec.prompt_version, "verified": True}
    while len(made) < order.wanted and begun < draws:
        count = min(order.wanted - len(made), draws - begun)
        size = max(1, min(BUILT_IN_CHUNK, count // executor.capacity))
        starts = range(begun, begun + count, size)
        calls = [
            asyncio.create_task(
                executor.submit(
                    built_in_chunk,
                    order.task,
                    order.options,
                    order.seed,
                    start,
                    min(size, begun + count - start),
                    known,
                )
            )
            for start in starts
        ]
        try:
            for start, work in zip(starts, calls, strict=True):
                for offset, found in enumerate(await work):
                    if isinstance(found, Refused):
                        outcome = _Outcome(None, found.reason, found.detail)
                    elif isinstance(found, Known):
                        outcome = _Outcome(None, seen.repeated)
                    else:
                        about = {**meta, "difficulty": round(found.difficulty, 4)}
                        number = start + offset
                        outcome = _Outcome(Made(number, found.example, found.key, found.stratum, found.group, about))
                    _commit(outcome, made, tally, seen)
                if on_tally is not None:
                    on_tally(tally)
        finally:
            await _cancel(calls)
        begun += count
        known = frozenset(map(short, (item.key for item in made)))
    return Generated(made, tally)
