"""What the tasks share whose answers a language model writes: from a request to its messages, and from text to an answer."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge_runtime.arithmetic.steps import wrong_steps
from edge_runtime.errors import BadRequest
from edge_runtime.tasks.written_confidence import Doubt

if TYPE_CHECKING:
    from edge_runtime.language.generate import Piece
    from edge_runtime.language.sampling import Sampling
    from edge_runtime.language.specialist import LanguageSpecialist

Json = dict[str, object]
ROLES = ("system", "user", "assistant", "tool")
MAX_MESSAGES = 64
MOST_TOOLS = 64
MAX_CHARACTERS = 32_000  # of all messages; what doesn't fit the model's context is refused by its tokens
# How much two runtimes' texts must have in common: int8 kernels round differently, and one other word changes the rest.
LEAST_ALIKE = 0.5
OPTIONS: Json = {
    "max_tokens": {"type": "integer", "minimum": 1},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "seed": {"type": "integer"},
}
FIGURES: Json = {
    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    "unsure": {"type": "boolean"},
    "finish": {"type": "string", "enum": ["stop", "length"]},
    "tokens": {"type": "integer"},
}


class TextTask(Protocol):
    """A task's module, as far as its texts go. The host trains on what the device asks and reads: both use these."""

    NAME: str
    PLAIN: bool  # whether what the model writes is the answer, as it stands
    MAX_TOKENS: int  # of an answer, unless the request says otherwise

    def messages(self, request: Json) -> list[Json]:
        """The messages [{"role", "content"}] of a request; raises `BadRequest`."""

    def reply(self, request: Json, output: Json) -> str:
        """What the model must write to a request, for the output of its row in a dataset."""

    def answer(self, request: Json, text: str) -> Json:
        """The answer that a text stands for; "unsure" is true in it where it can't be used."""


class Writer:
    """A loaded specialist whose answers are written. `language` is the model below, which can stream."""

    def __init__(self, language: LanguageSpecialist, task: TextTask, doubt: Doubt) -> None:
        self.language = language
        self.plain = frozenset({task.NAME} if task.PLAIN else ())  # tasks that a chat can be held with
        self._task = task
        self._doubt = doubt

    def run(self, request: Json) -> Json:
        """The task's answer, with "confidence" (see `Doubt`), "unsure", "finish"."""
        return written(self.language, self._task, request, self._doubt)


def written(language: LanguageSpecialist, task: TextTask, request: Json, doubt: Doubt) -> Json:
    """Let the model write the answer to a request; raises `BadRequest`."""
    own = {key: value for key, value in request.items() if key not in OPTIONS}
    sampling, most = wishes(request, task.MAX_TOKENS)
    text, thought, figures = collected(
        language.stream(
            task.messages(own),
            task=task.NAME,
            tools=read_tools(own.get("tools", [])),
            sampling=sampling,
            max_tokens=most,
            logprobs=True,
        )
    )
    made = task.answer(own, text)
    doubted = made.get("unsure") is True or figures.finish != "stop" or figures.asks
    doubted = doubted or bool(wrong_steps(thought))  # what follows from a wrong sum is no answer to rely on
    confidence = doubt.confidence(figures.confidence, figures.tokens, doubted)
    unsure = doubted or confidence < doubt.least
    return {**made, **figures.to_json(), "confidence": round(confidence, 4), "unsure": unsure}


@dataclass(frozen=True)
class Figures:
    """How an answer came about. confidence: the geometric mean of the tokens' probabilities. chance, asks: see `Piece`."""

    confidence: float
    finish: str
    tokens: int
    chance: float | None = None
    asks: bool = False

    def to_json(self) -> Json:
        """For the answer."""
        wanted: Json = {} if self.chance is None else {"chance": round(self.chance, 4)}
        return {"confidence": round(self.confidence, 4), "finish": self.finish, "tokens": self.tokens, **wanted}


def wishes(request: Json, most: int) -> tuple[Sampling, int]:
    """How the answer is drawn, and its most tokens (default: `most`); raises `BadRequest`."""
    from edge_runtime.language.sampling import Sampling

    limit = whole(request, "max_tokens", most, 1)
    temperature = request.get("temperature", 0.0)
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        raise BadRequest("`temperature` must be a number from 0 to 2.")
    seed = None if request.get("seed") is None else whole(request, "seed", 0, None)
    return Sampling(temperature=float(temperature), seed=seed), limit


def collected(pieces: Iterable[Piece]) -> tuple[str, str, Figures]:
    """All of an answer that comes with its log-probabilities, and of the thought before it, which isn't shown."""
    texts: list[str] = []
    thoughts: list[str] = []
    chances: list[float] = []
    finish, asks = "length", False
    chance: float | None = None
    for piece in pieces:
        texts.append(piece.text)
        thoughts.append(piece.thought)
        if piece.logprob is not None:
            chances.append(piece.logprob)
        finish = piece.finish or finish
        asks = asks or piece.unsure
        chance = piece.chance if piece.chance is not None else chance
    confidence = math.exp(sum(chances) / len(chances)) if chances else 0.0
    return "".join(texts), "".join(thoughts), Figures(confidence, finish, len(chances), chance, asks)


def whole(request: Json, name: str, default: int, least: int | None) -> int:
    """A whole number of a request; raises `BadRequest`."""
    value = request.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        raise BadRequest(f"`{name}` must be a whole number{'' if least is None else f' from {least} on'}.")
    return value


def conversation(raw: object) -> list[Json]:
    """Checked messages; raises `BadRequest` naming the first thing that is wrong."""
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_MESSAGES:
        raise BadRequest(f"`messages` must be a list of 1 to {MAX_MESSAGES} messages.")
    made: list[Json] = []
    for number, item in enumerate(raw):
        role, content = (item.get("role"), item.get("content")) if isinstance(item, dict) else (None, None)
        if role not in ROLES or not isinstance(content, str):
            raise BadRequest(
                f'messages[{number}] must be {{"role", "content"}} with a role of {", ".join(ROLES)} and a text.'
            )
        made.append({"role": role, "content": content})
    if sum(len(str(message["content"])) for message in made) > MAX_CHARACTERS:
        raise BadRequest(f"The messages have more than {MAX_CHARACTERS:,} characters; send fewer of them.")
    if made[-1]["role"] not in ("user", "tool"):
        raise BadRequest("The last message must be the user's; that is what is answered.")
    return made


def read_tools(raw: object) -> list[Json]:
    """Checked tools in OpenAI's form, {"type": "function", "function": {"name", "description", "parameters"}}.

    Raises `BadRequest` naming the first thing that is wrong.
    """
    if not isinstance(raw, list):
        raise BadRequest("`tools` must be a list of tools.")
    if len(raw) > MOST_TOOLS:
        raise BadRequest(f"`tools` has {len(raw)} tools; send at most {MOST_TOOLS}.")
    return [_tool(item, f"tools[{number}]") for number, item in enumerate(raw)]


def _tool(raw: object, where: str) -> Json:
    function = raw.get("function") if isinstance(raw, dict) and raw.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(name := function.get("name"), str) or not name:
        raise BadRequest(
            f'{where} must be {{"type": "function", "function": {{"name", "description", "parameters"}}}}.'
        )
    if name in ("auto", "none", "required"):
        raise BadRequest(f"{where} can't be called '{name}'; that is a choice of tools.")
    if not isinstance(function.get("parameters", {}), dict):
        raise BadRequest(f"{where}.function.parameters must be a JSON Schema.")
    kept = {key: function[key] for key in ("name", "description", "parameters") if function.get(key) is not None}
    return {"type": "function", "function": kept}


def text_of(request: Json, name: str, most: int) -> str:
    """A text of a request; raises `BadRequest`."""
    text = request.get(name)
    if not isinstance(text, str) or not text.strip():
        raise BadRequest(f"`{name}` must be a text that isn't empty.")
    if len(text) > most:
        raise BadRequest(f"`{name}` has {len(text)} characters; send at most {most}.")
    return text


def prompt_of(request: Json, most: int) -> str:
    """The "prompt" of a request that has no other field; "text" is another name for it. Raises `BadRequest`."""
    name = "prompt" if "prompt" in request or "text" not in request else "text"
    only(request, name)
    return text_of(request, name, most)


def only(request: Json, *names: str) -> None:
    """Raise `BadRequest` for a field that a task doesn't read."""
    if extra := sorted(request.keys() - set(names)):
        raise BadRequest(f"This task doesn't read `{extra[0][:40]}`; it reads {', '.join(names)}.")


def alike(expected: object, got: object) -> bool:
    """Whether two texts are the same answer of two runtimes."""
    if not isinstance(expected, str) or not isinstance(got, str):
        return expected == got
    return expected == got or difflib.SequenceMatcher(None, expected, got).ratio() >= LEAST_ALIKE
