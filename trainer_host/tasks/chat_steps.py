"""Task `chat` with a chain of thought: what is asked must be worked out, and the lines that lead there come before the reply.

A device doesn't show them unless it is asked to. Each line that computes is computed again here, and on the device: an answer
that follows from a wrong line counts as unsure there (Wei et al. 2022, arXiv 2201.11903; line by line as in Cobbe et al. 2021,
arXiv 2110.14168).
"""

from __future__ import annotations

import random
from typing import cast

from edge_runtime.arithmetic.steps import check_steps
from trainer_host.tasks import Example, Json, Prompt, Rejected
from trainer_host.tasks.chat import ChatSpec
from trainer_host.tasks.phrases import Grouped
from trainer_host.tasks.wording import text_of

FEWEST, MOST = 2, 8  # numbers of a built-in sum
_LARGEST = 9
_ASKS = (
    "What is {s}?", "How much is {s}?", "Please work out {s}.", "Can you calculate {s}?", "{s} makes what?",
    "Tell me what {s} is.",
)  # fmt: skip
_REPLIES = ("It is {n}.", "That is {n}.", "The result is {n}.")
_KINDS = (
    "asks for a sum of several prices", "wants to know how long something takes in all", "shares something among several people",
    "compares two offers", "changes a recipe to another number of people", "counts what is left after several days",
    "asks a riddle about ages", "plans when to leave to be in time", "asks which of three people is first, from a few hints",
)  # fmt: skip
_SYSTEM = (
    " reasoning: the lines of thought that lead to the reply, each on its own line, short; whatever is computed stands as "
    "3 + 4 = 7, one operation a line, without words behind it. Every line is checked. The reply gives the result alone."
)


class StepsChat(ChatSpec):
    """See the module."""

    metric = "answers that are right"
    max_tokens = 1200

    def __init__(self) -> None:
        super().__init__()
        self.prompt_version = "chat-steps-1"
        schema = cast(dict[str, Json], super().answer_schema)
        self.answer_schema = {
            **schema,
            "properties": {**schema["properties"], "reasoning": {"type": "string"}},
            "required": ["earlier", "message", "reasoning", "reply"],
        }

    def draw(self, rng: random.Random) -> Json:
        """As for a chat, but about something that must be worked out."""
        return {**super().draw(rng), "kind": rng.choice(_KINDS), "turns": 1, "length": "one sentence"}

    def prompt(self, drawn: Json) -> Prompt:
        """See `ChatSpec.prompt`."""
        plain = super().prompt(drawn)
        return Prompt(plain.system + _SYSTEM, plain.user)

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `ChatSpec.verify`; the reasoning has at least one line that computes, and none that is wrong."""
        plain = super().verify(drawn, answers)
        thought = text_of(answers[0].get("reasoning"), "reasoning").strip()
        example = Example(plain.input, {"reasoning": thought, **plain.output})
        self.check(example)
        if not any(line.holds for line in check_steps(thought)):
            raise Rejected("no steps", "No line of the reasoning computes anything; write each sum as 3 + 4 = 7.")
        return example

    def built_in(self, rng: random.Random) -> Example:
        """A sum of `FEWEST` to `MOST` numbers, worked out from the left."""
        return sum_of(rng, rng.randint(FEWEST, MOST))

    def stratum(self, example: Example) -> str:
        """How many lines it takes."""
        return f"{str(example.output.get('reasoning', '')).count(chr(10)) + 1} steps"

    def difficulty(self, example: Example) -> float:
        """Grows with the lines that it takes."""
        lines = str(example.output.get("reasoning", "")).count("\n") + 1
        return min(1.0, lines / MOST)


def sum_of(rng: random.Random, numbers: int) -> Grouped:
    """A sum of so many numbers from 1 to 9, whose results are never below zero, with its steps."""
    value = rng.randint(1, _LARGEST)
    asked, lines = [str(value)], []
    for _ in range(numbers - 1):
        number = rng.randint(1, _LARGEST)
        sign = "-" if number <= value and rng.random() < 0.3 else "+"
        result = value + number if sign == "+" else value - number
        lines.append(f"{value} {sign} {number} = {result}")
        asked.append(f"{sign} {number}")
        value = result
    question, reply = rng.choice(_ASKS), rng.choice(_REPLIES)
    return Grouped(
        {"messages": [{"role": "user", "content": question.format(s=" ".join(asked))}]},
        {"reasoning": "\n".join(lines), "reply": reply.format(n=value)},
        group=" ".join(asked),
    )
