"""`--estimate`: asks a few examples of each task for real and tells what all of them would take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from trainer_host.executor import Executor, executor_for
from trainer_host.tasks import Rejected, TaskSpec, task_spec
from trainer_host.teacher.estimate import Estimate, Yield, estimate, summed
from trainer_host.teacher.examples import draw
from trainer_host.teacher.generate import Order, generate, judging, request_for
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.opening import Opened
from trainer_host.teacher.prices import batch_price
from trainer_host.teacher.protocol import Reply, Request, Teacher, Usage
from trainer_host.teacher.teach import run_async

DRAWN = 20  # prompts that are looked at where nothing is asked


@dataclass
class _Noting:
    """A teacher that notes what was asked and what it took."""

    teacher: Teacher
    asked: list[tuple[Request, Usage | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name, self.model = self.teacher.name, self.teacher.model

    async def ask(self, request: Request) -> Reply:
        """See `Teacher`."""
        reply = await self.teacher.ask(request)
        self.asked.append((request, reply.usage))
        return reply

    async def close(self) -> None:
        """See `Teacher`."""
        await self.teacher.close()


def estimates(
    lesson: Lesson, opened: Opened, sample: int, *, on_task: Callable[[str, float], None]
) -> tuple[dict[str, Estimate], Estimate]:
    """An estimate per task and their sum. sample: examples of each task that are really asked; 0 asks nothing.

    What a sample cost isn't lost: its replies are in the cache, and the lesson begins with the same draws.
    """
    return run_async(_estimates(lesson, opened, sample, on_task))


async def _estimates(
    lesson: Lesson, opened: Opened, sample: int, on_task: Callable[[str, float], None]
) -> tuple[dict[str, Estimate], Estimate]:
    executor = executor_for(None)
    teacher = opened.teacher() if sample else None
    found: dict[str, Estimate] = {}
    try:
        for number, task in enumerate(lesson.tasks):
            on_task(task, number / len(lesson.tasks))
            found[task] = await _one(lesson, opened, task, sample, teacher, executor)
    finally:
        await executor.close()
        if teacher is not None:
            await teacher.close()
    return found, summed(list(found.values()))


async def _one(
    lesson: Lesson, opened: Opened, task: str, sample: int, teacher: Teacher | None, executor: Executor
) -> Estimate:
    options = lesson.options.get(task, {})
    price, half = opened.price, batch_price(opened.endpoint, opened.price)
    model = opened.endpoint.model
    if teacher is None:
        spec = task_spec(task, options)
        prompts = [draw(task, options, lesson.seed, number)[1] for number in range(min(DRAWN, lesson.examples))]
        drawn: list[tuple[Request, Usage | None]] = [
            (request_for(spec, prompt, part), None) for prompt in prompts for part in range(spec.samples)
        ]
        if lesson.judge:
            drawn += [(request, None) for request in _judgements(spec, lesson.seed, len(prompts))]
        outcome = Yield(len(prompts), len(prompts))
        return estimate(drawn, lesson.examples, price, batch=half, outcome=outcome, model=model)
    noting = _Noting(teacher)
    order = Order(task, sample, lesson.seed, sample, options, lesson.judge, lesson.logprobs)
    result = await generate(order, noting, executor)
    if result.stopped is not None:
        raise result.stopped
    tally = result.tally
    outcome = Yield(tally.accepted + tally.rejected.total(), tally.accepted, tally.repaired)
    return estimate(noting.asked, lesson.examples, price, batch=half, outcome=outcome, model=model)


def _judgements(spec: TaskSpec, seed: int, draws: int) -> list[Request]:
    if type(spec).judge is TaskSpec.judge:
        return []
    made: list[Request] = []
    for number in range(draws):
        try:
            question = spec.judge(spec.stand_in(seed, number))
        except Rejected:
            continue
        if question is not None:
            made.append(judging(question, spec))
    return made
