"""The twelve tasks as a teacher sees them: one file each, with schema, sampled attributes, prompt, verifier, metric.

`edge_runtime/tasks` has the device's side of those that already have a specialist.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_runtime.media import Rejected as Rejected
from trainer_host.errors import DataError

Json = dict[str, object]

TASKS = (
    "chat",
    "code",
    "vision",
    "avatar",
    "image_gen",
    "audio_gen",
    "video_gen",
    "3d_gen",
    "game",
    "robot",
    "math",
    "router",
)
# What a judge answers; a prompt says what each level means. Examples below `JUDGE_PASSES` are rejected.
JUDGE_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 400},
        "level": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
    },
    "required": ["reason", "level"],
    "additionalProperties": False,
}
JUDGE_PASSES = 4
# The group of examples that are only examined, as those of combinations that no other example shows.
HELD_OUT = "held out"
# Only `3d_gen` can't be the name of a module.
_MODULES = {"3d_gen": "gen_3d"}


@dataclass(frozen=True)
class Prompt:
    """What a teacher is asked. system: the same for all examples of a task. images: PNG files."""

    system: str
    user: str
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Example:
    """One verified example. files: by name (`<hash>.png`), what `input` or `output` names and JSON can't hold."""

    input: Json
    output: Json
    files: Mapping[str, bytes] = field(default_factory=dict)


class TaskSpec(ABC):
    """A task: the schema of its examples, how a teacher is asked for one, how an answer is verified, its metric.

    name: one of `TASKS`. prompt_version: changes whenever the prompt or the attributes change. metric: what
    `score` gives, as in "exact match". answer_schema: JSON Schema of what the teacher writes; all properties
    required and `additionalProperties` false, so that strict providers take it. example_schema: JSON Schema
    with `input` and `output`. samples: how many independent answers `verify` needs for one example.
    """

    name: str
    prompt_version: str
    metric: str
    answer_schema: Json
    example_schema: Json
    samples: int = 1
    max_tokens: int = 1024
    temperature: float = 1.0

    @abstractmethod
    def draw(self, rng: random.Random) -> Json:
        """Sample what must vary (topic, persona, length, difficulty ...) before the teacher is asked.

        Plain JSON; it becomes part of the example's provenance and is all that `prompt` and `verify` get.
        """

    def draw_at(self, seed: int, number: int) -> Json:
        """Draw number `number` of a seed; a task that asks about given things, as pictures, asks about each once."""
        return self.draw(random.Random(f"{seed}/{self.name}/{number}"))

    def different(self) -> int | None:
        """How many draws there are before `draw_at` repeats one; None where that isn't known."""
        return None

    @abstractmethod
    def prompt(self, drawn: Json) -> Prompt:
        """The question for one draw."""

    @abstractmethod
    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """Turn `samples` answers, each valid by `answer_schema`, into an example; raises `Rejected`.

        What can be executed is executed. A pure function of its arguments: it may run in another process, on
        another machine, and again.
        """

    @abstractmethod
    def check(self, example: Example) -> None:
        """The same verification for a finished example, as one that a person wrote; raises `Rejected`."""

    @abstractmethod
    def key(self, example: Example) -> str:
        """A text that is equal for examples that ask the same, and alike for those that nearly do."""

    @abstractmethod
    def score(self, wanted: Json, got: Json) -> float:
        """The metric for one held-out example, 0 to 1: how good output `got` is where `wanted` was right."""

    @abstractmethod
    def built_in(self, rng: random.Random) -> Example:
        """An example without any teacher, from the task's own grammar or generator; passes `check`."""

    def built_in_at(self, seed: int, number: int) -> Example:
        """Example number `number` of a seed, as `draw_at`; raises `Rejected` where that one can't be used."""
        return self.built_in(random.Random(f"{seed}/{self.name}/built-in/{number}"))

    def stratum(self, example: Example) -> str | None:
        """The label whose share must be equal on both sides of a split, None where there is none."""
        return None

    def group(self, example: Example) -> str | None:
        """What must stay on one side of a split together with others of its kind, as a template; None: itself.

        `HELD_OUT` is the side where nothing is learnt.
        """
        return None

    def judge(self, example: Example) -> Prompt | None:
        """A question to a judge about what can't be executed, answered by `JUDGE_SCHEMA`; None: nothing to ask."""
        return None

    def stand_in(self, seed: int, number: int) -> Example:
        """An example about as long as a teacher would make of this draw: what judging it will take is told by that.

        Raises `Rejected` where there is none for this number.
        """
        return self.built_in_at(seed, number)

    def difficulty(self, example: Example) -> float:
        """0 (easy) to 1 (hard), for a curriculum; by default longer questions are harder."""
        return min(1.0, len(self.key(example)) / 400)

    def render(self, example: Example) -> dict[str, bytes]:
        """Files that a person would look at (a .png, .wav, .stl ...), by name; none where text says it all."""
        return {}


def task_names() -> tuple[str, ...]:
    """All twelve, in the product's order."""
    return TASKS


def task_spec(name: str, options: Json | None = None) -> TaskSpec:
    """The spec of a task, imported when asked for; raises `DataError` for an unknown one.

    options: what the person chose for this task (a router's own labels, a folder of pictures); each module's
    `spec(options)` says which it knows and refuses others.
    """
    if name not in TASKS:
        raise DataError(f"There is no task '{name[:40]}'; the tasks are {', '.join(TASKS)}.")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, name)}")
    made: TaskSpec = module.spec(options or {})
    return made


def no_options(task: str, options: Json) -> None:
    """For tasks without options; raises `DataError`."""
    if options:
        raise DataError(f"The task {task} has no option '{min(options)}'; leave it out.")


def file_name(content: bytes, suffix: str) -> str:
    """The name of a file of an example: its hash. suffix: as in ".png"."""
    return f"{hashlib.sha256(content).hexdigest()[:32]}{suffix}"


def canonical(value: object) -> str:
    """JSON with sorted keys, for keys and comparisons."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
