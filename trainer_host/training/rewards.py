"""Learning from a verifier: group relative policy optimisation (GRPO, arXiv 2402.03300) on the model's own answers.

Several answers to a question are drawn, the task's verifier gives each a reward, and those above their group's mean grow
likelier. No value model and no reward model. The loss is that of the paper and equals TRL's (a test compares them).
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from trainer_host.errors import DataError
from trainer_host.students.language.model import Cache, LanguageModel
from trainer_host.tasks import Json, Rejected, TaskSpec
from trainer_host.training.preference import OnStep, apply_step, log_probabilities, optimizer_for, padded

T = TypeVar("T")
_TOGETHER = 64  # answers that are drawn at the same time; more need more memory for their keys and values
_EPSILON = 1e-4  # keeps a group's spread from being zero, as in TRL


@dataclass(frozen=True)
class Question(Generic[T]):
    """Tokens of a prompt that ends with the opening of an answer, and what the verifier needs to judge one."""

    prompt: tuple[int, ...]
    about: T


@dataclass(frozen=True)
class GrpoSettings:
    """group: answers to one question. questions: in one step. beta: weight of the distance to the model at first.
    clip: how far a token's probability may move within `passes` over the same answers. max_tokens: of an answer.
    """

    steps: int = 100
    questions: int = 8
    group: int = 8
    rate: float = 1e-4
    beta: float = 0.0
    clip: float = 0.2
    passes: int = 1
    max_tokens: int = 64
    temperature: float = 1.0
    seed: int = 1


@dataclass(frozen=True)
class GrpoReport:
    """Mean rewards of greedy answers to held-out questions before and after; idle: groups whose rewards were all alike."""

    steps: int
    before: float
    after: float
    idle: float


Reward = Callable[[T, Sequence[int]], float]  # 0 to 1 for the tokens of an answer, its end mark included


def task_reward(
    spec: TaskSpec, text: Callable[[Sequence[int]], str], read: Callable[[str], Json | None]
) -> Reward[Json]:
    """The reward by a task's own metric; what it is asked about is the output that is wanted.

    text: tokens of an answer to its text. read: the text to the task's output, None where it has no form. An answer
    without form, or that the verifier refuses, gets 0.
    """

    def reward(wanted: Json, answer: Sequence[int]) -> float:
        got = read(text(answer))
        if got is None:
            return 0.0
        try:
            return spec.score(wanted, got)
        except Rejected:
            return 0.0

    return reward


@torch.no_grad()
def sample(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    stops: frozenset[int],
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[tuple[int, ...]]:
    """An answer to each prompt; each ends with the first stop token or at `max_tokens`.

    Prompts of one length are answered together. temperature 0: the most likely tokens. Raises `DataError` where prompt
    and answer pass the context.
    """
    longest = max(map(len, prompts), default=0)
    if longest + max_tokens > model.config.context:
        raise DataError(
            f"A prompt of {longest} tokens and an answer of {max_tokens} are more than the context of "
            f"{model.config.context}; shorten them."
        )
    answers: dict[int, tuple[int, ...]] = {}
    for length in sorted({len(prompt) for prompt in prompts}):
        alike = [place for place, prompt in enumerate(prompts) if len(prompt) == length]
        for start in range(0, len(alike), _TOGETHER):
            places = alike[start : start + _TOGETHER]
            asked = torch.tensor([list(prompts[place]) for place in places])
            found = _answered(model, asked, max_tokens, stops, temperature, generator)
            answers |= dict(zip(places, found, strict=True))
    return [answers[place] for place in range(len(prompts))]


def _answered(
    model: LanguageModel,
    tokens: Tensor,
    max_tokens: int,
    stops: frozenset[int],
    temperature: float,
    generator: torch.Generator | None,
) -> list[tuple[int, ...]]:
    """Answers to prompts of one length, int64 [rows, length]."""
    device = next(model.parameters()).device
    tokens, cache = tokens.to(device), Cache(model.config.layers)
    answers: list[list[int]] = [[] for _ in tokens]
    unfinished = set(range(len(answers)))
    for _ in range(max_tokens):
        logits = model.logits(model.hidden(tokens, cache=cache)[:, -1])
        if temperature == 0:
            drawn = logits.argmax(-1)
        else:  # on the CPU, so that a seed draws the same on every device
            chances = torch.softmax(logits / temperature, -1).cpu()
            drawn = torch.multinomial(chances, 1, generator=generator)[:, 0].to(device)
        for row in tuple(unfinished):
            answers[row].append(int(drawn[row]))
            if answers[row][-1] in stops:
                unfinished.discard(row)
        if not unfinished:
            break
        tokens = drawn[:, None]
    return [tuple(answer) for answer in answers]


def advantages(rewards: Tensor) -> Tensor:
    """How far each reward lies above its group's mean, in its group's deviations; float [groups, group]."""
    return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + _EPSILON)


def grpo_loss(
    now: Tensor,
    old: Tensor,
    mask: Tensor,
    advantage: Tensor,
    clip: float,
    first: Tensor | None = None,
    beta: float = 0.0,
) -> Tensor:
    """Equation 3 of the paper: clipped ratios and, with `beta`, its unbiased estimate of the KL to the model at first.

    now, old, first: log-probabilities [answers, length] under the model, when drawn, at first. mask: bool, the answers'
    tokens. advantage: [answers]. Means over the tokens of an answer, then over answers.
    """
    ratio = torch.exp(now - old)
    column = advantage[:, None]
    loss = -torch.min(ratio * column, ratio.clamp(1 - clip, 1 + clip) * column)
    if first is not None and beta:
        loss = loss + beta * (torch.exp(first - now) - (first - now) - 1)
    return ((loss * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def tune_grpo(
    model: LanguageModel,
    questions: Sequence[Question[T]],
    held_out: Sequence[Question[T]],
    reward: Reward[T],
    stops: frozenset[int],
    settings: GrpoSettings = GrpoSettings(),
    on_step: OnStep | None = None,
) -> GrpoReport:
    """Train the model's trainable weights in place with the verifier's reward; examined on `held_out`.

    Raises `DataError` without questions, and where the loss isn't a number (then the weights are those before that step).
    """
    if not questions or not held_out:
        raise DataError("There are no questions to learn from or to examine with; give some of both.")
    if settings.group < 2:
        raise DataError("A group has two answers at the least: they are compared with each other.")
    model.eval()
    before = mean_reward(model, held_out, reward, stops, settings.max_tokens)
    first = copy.deepcopy(model).requires_grad_(False) if settings.beta else None
    optimizer = optimizer_for(model, settings.rate)
    rng = random.Random(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    device = next(model.parameters()).device
    idle = 0
    for step in range(1, settings.steps + 1):
        asked = [q for q in rng.choices(questions, k=settings.questions) for _ in range(settings.group)]
        drawn = sample(
            model,
            [question.prompt for question in asked],
            max_tokens=settings.max_tokens,
            stops=stops,
            temperature=settings.temperature,
            generator=generator,
        )
        texts = [(question.prompt, answer) for question, answer in zip(asked, drawn, strict=True)]
        rewards = [reward(question.about, answer) for question, answer in zip(asked, drawn, strict=True)]
        gained = torch.tensor(rewards).reshape(settings.questions, settings.group)
        idle += int((gained.std(1) == 0).sum())
        if bool((gained.std(1) > 0).any()):  # else no answer is better than another, and there is nothing to learn
            tokens, mask = padded(texts, device)
            advantage = advantages(gained).flatten().to(device)
            with torch.no_grad():
                old = log_probabilities(model, tokens, mask, settings.temperature)
                reference = log_probabilities(first, tokens, mask, settings.temperature) if first is not None else None
            for _ in range(settings.passes):
                now = log_probabilities(model, tokens, mask, settings.temperature)
                loss = grpo_loss(now, old, mask[:, 1:], advantage, settings.clip, reference, settings.beta)
                apply_step(optimizer, loss, step, settings.steps, settings.rate)
        if on_step is not None:
            on_step(step, {"reward": float(gained.mean())})
    after = mean_reward(model, held_out, reward, stops, settings.max_tokens)
    return GrpoReport(settings.steps, before, after, idle / (settings.steps * settings.questions))


def mean_reward(
    model: LanguageModel, questions: Sequence[Question[T]], reward: Reward[T], stops: frozenset[int], max_tokens: int
) -> float:
    """The mean reward of greedy answers."""
    prompts = [question.prompt for question in questions]
    answers = sample(model, prompts, max_tokens=max_tokens, stops=stops, temperature=0)
    return sum(reward(q.about, answer) for q, answer in zip(questions, answers, strict=True)) / len(questions)
