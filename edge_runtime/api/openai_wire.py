"""OpenAI's requests and answers as data: what is asked, checked field by field, and the JSON of what is answered.

Nothing is ignored that would change an answer: a field is honoured, or refused with a sentence. The shapes are those of
the API reference of platform.openai.com (chat completions, completions, models).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edge_runtime.errors import BadRequest, EdgeError

Json = dict[str, object]
T = TypeVar("T")
MOST_STOPS = 16  # OpenAI takes 4
MOST_TOP = 20
MOST_MESSAGES = 256
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
# Fields that tell something about the caller or the service, and not about the answer.
_WITHOUT_EFFECT = frozenset(
    {"user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "store"}
)


@dataclass(frozen=True)
class Draw:
    """How tokens are drawn, as in `edge_runtime.language.sampling.Sampling`, and OpenAI's penalties."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition: float
    seed: int | None
    frequency: float
    presence: float


@dataclass(frozen=True)
class ChatRequest:
    """A checked body of POST /v1/chat/completions."""

    model: str
    messages: list[Json]
    draw: Draw
    max_tokens: int | None
    stop: tuple[str, ...]
    stream: bool
    include_usage: bool
    logprobs: bool
    top: int
    tools: list[Json]
    tool_choice: str  # "auto", "required", or a name
    one_call: bool
    schema: Json | None
    reasoning_budget: int | None
    include_reasoning: bool
    task: str | None

    @property
    def forced_call(self) -> bool:
        """Whether the answer is one call and nothing else."""
        return bool(self.tools) and self.tool_choice != "auto"


@dataclass(frozen=True)
class TextRequest:
    """A checked body of POST /v1/completions."""

    model: str
    prompt: str
    draw: Draw
    max_tokens: int
    stop: tuple[str, ...]
    stream: bool
    include_usage: bool
    logprobs: bool
    top: int


class Body:
    """Takes fields out of a body, checked; None counts as absent. What is left at the end is unknown."""

    def __init__(self, raw: Mapping[str, object]) -> None:
        self._left = {name: value for name, value in raw.items() if value is not None and name not in _WITHOUT_EFFECT}
        if raw.get("store") not in (None, False):
            raise BadRequest("`store` must be false: a device keeps no answers.")

    def take(self, name: str, kind: type[T], words: str) -> T | None:
        """A field of a kind; None where it is absent."""
        value = self._left.pop(name, None)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            raise BadRequest(f"`{name}` must be {words}.")
        return value

    def any(self, name: str) -> object:
        """A field of whatever kind."""
        return self._left.pop(name, None)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.take(name, bool, "true or false")
        return default if value is None else value

    def whole(self, name: str, low: int, high: int | None = None) -> int | None:
        """A whole number within bounds, the outer ones included; None where it is absent."""
        value = self.take(name, int, "a whole number")
        if value is not None and (value < low or (high is not None and value > high)):
            raise BadRequest(
                f"`{name}` must be {low} or more." if high is None else f"`{name}` must be {low} to {high}."
            )
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number within bounds."""
        value = self._left.pop(name, None)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise BadRequest(f"`{name}` must be a number from {low:g} to {high:g}.")
        return float(value)

    def only(self, name: str, fine: Sequence[object], why: str) -> None:
        """Take a field that must have one of these values, or be absent."""
        value = self._left.pop(name, None)
        if value is not None and not any(value == good and type(value) is type(good) for good in fine):
            raise BadRequest(f"`{name}`: {why}")

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._left:
            raise BadRequest(f"This device doesn't know `{min(self._left)[:64]}`; leave it out.")


def read_chat(raw: Json) -> ChatRequest:
    """Check a body of POST /v1/chat/completions; raises `BadRequest` with the field that is wrong."""
    body = Body(raw)
    stream, include_usage = _stream(body)
    choice, tools = _tools(body)
    schema = _schema(body.take("response_format", dict, "an object"))
    if schema is not None and tools:
        raise BadRequest("`response_format` with `tools` isn't supported: a call is JSON by its own schema.")
    made = ChatRequest(
        model=_model(body),
        messages=_messages(body.any("messages")),
        draw=_draw(body),
        max_tokens=_max_tokens(body),
        stop=_stops(body.any("stop")),
        stream=stream,
        include_usage=include_usage,
        logprobs=body.flag("logprobs"),
        top=body.whole("top_logprobs", 0, MOST_TOP) or 0,
        tools=tools,
        tool_choice=choice,
        one_call=not body.flag("parallel_tool_calls", True),
        schema=schema,
        reasoning_budget=body.whole("reasoning_budget", 0),
        include_reasoning=body.flag("include_reasoning"),
        task=body.take("task", str, "a text"),
    )
    if made.top and not made.logprobs:
        raise BadRequest("`top_logprobs` needs `logprobs`: true.")
    body.only("modalities", [["text"]], "this device writes text only.")
    body.end()
    return made


def read_text(raw: Json) -> TextRequest:
    """Check a body of POST /v1/completions; raises `BadRequest` with the field that is wrong."""
    body = Body(raw)
    stream, include_usage = _stream(body)
    prompt = body.any("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise BadRequest("`prompt` must be one text that isn't empty.")
    top = body.whole("logprobs", 0, MOST_TOP)
    made = TextRequest(
        model=_model(body),
        prompt=prompt,
        draw=_draw(body),
        max_tokens=body.whole("max_tokens", 1) or 16,  # OpenAI's default here
        stop=_stops(body.any("stop")),
        stream=stream,
        include_usage=include_usage,
        logprobs=top is not None,
        top=top or 0,
    )
    body.only("echo", [False], "the prompt isn't repeated; leave it out.")
    body.only("suffix", [""], "texts aren't filled in; leave it out.")
    body.only("best_of", [1], "there is one answer; leave it out.")
    body.end()
    return made


def _model(body: Body) -> str:
    model = body.take("model", str, "a specialist's name")
    if not model:
        raise BadRequest("`model` must be the name of a specialist; GET /v1/models lists them.")
    return model


def _stream(body: Body) -> tuple[bool, bool]:
    stream = body.flag("stream")
    options = body.take("stream_options", dict, "an object")
    if options is None:
        return stream, False
    if not stream:
        raise BadRequest("`stream_options` needs `stream`: true.")
    inner = Body(options)
    include = inner.flag("include_usage")
    inner.only("include_obfuscation", [False, True], "it must be true or false.")  # padding, which we never send
    inner.end()
    return stream, include


def _draw(body: Body) -> Draw:
    body.only("n", [1], "there is one answer; ask again for another.")
    body.only("logit_bias", [{}], "tokens can't be favoured here; leave it out.")
    return Draw(
        # OpenAI's default is 1; a small model's likeliest answer is its best one.
        temperature=body.number("temperature", 0.0, 0, 2),
        top_p=body.number("top_p", 1.0, 1e-6, 1),
        top_k=body.whole("top_k", 0) or 0,
        min_p=body.number("min_p", 0.0, 0, 1),
        repetition=body.number("repetition_penalty", 1.0, 0.01, 10),
        seed=body.take("seed", int, "a whole number"),
        frequency=body.number("frequency_penalty", 0.0, -2, 2),
        presence=body.number("presence_penalty", 0.0, -2, 2),
    )


def _max_tokens(body: Body) -> int | None:
    old, new = body.whole("max_tokens", 1), body.whole("max_completion_tokens", 1)
    if old is not None and new is not None and old != new:
        raise BadRequest("`max_tokens` and `max_completion_tokens` are the same; send one of them.")
    return old if new is None else new


def _stops(raw: object) -> tuple[str, ...]:
    stops = [raw] if isinstance(raw, str) else raw if raw is not None else []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise BadRequest("`stop` must be a text, or a list of texts, none of them empty.")
    if len(stops) > MOST_STOPS:
        raise BadRequest(f"`stop` has {len(stops)} texts; send at most {MOST_STOPS}.")
    return tuple(stops)


def _messages(raw: object) -> list[Json]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MOST_MESSAGES:
        raise BadRequest(f"`messages` must be a list of 1 to {MOST_MESSAGES} messages.")
    return [_message(item, f"messages[{number}]") for number, item in enumerate(raw)]


def _message(raw: object, where: str) -> Json:
    if not isinstance(raw, dict) or raw.get("role") not in ROLES:
        raise BadRequest(f'{where} must be {{"role", "content"}} with a role of {", ".join(ROLES)}.')
    role = ROLES[raw["role"]]
    known = {"role", "content", "name", "refusal"}
    known |= {"assistant": {"tool_calls"}, "tool": {"tool_call_id"}}.get(role, set())
    if extra := sorted(name for name, value in raw.items() if value is not None and name not in known):
        raise BadRequest(f"{where} has `{extra[0][:40]}`, which this device doesn't read; leave it out.")
    calls = raw.get("tool_calls")
    made: Json = {"role": role, "content": _content(raw.get("content"), f"{where}.content", bool(calls))}
    if calls:
        made["tool_calls"] = calls
    return made


def _content(raw: object, where: str, may_lack: bool) -> str:
    if isinstance(raw, str):
        return raw
    if raw is None and may_lack:
        return ""
    if isinstance(raw, list) and raw:
        texts = [part.get("text") for part in raw if isinstance(part, dict) and part.get("type") == "text"]
        if len(texts) == len(raw) and all(isinstance(text, str) for text in texts):
            return "".join(str(text) for text in texts)
    raise BadRequest(f"{where} must be a text, or a list of parts of the type text: this model reads nothing else.")


def _tools(body: Body) -> tuple[str, list[Json]]:
    """(the choice, the tools), no tools where none may be called."""
    from edge_runtime.tasks.dialogue import read_tools

    tools = read_tools(body.take("tools", list, "a list of tools") or [])
    choice = body.any("tool_choice")
    if isinstance(choice, dict):
        function = choice.get("function")
        choice = function.get("name") if choice.get("type") == "function" and isinstance(function, dict) else None
        if not isinstance(choice, str) or choice not in {_name(tool) for tool in tools}:
            raise BadRequest("`tool_choice` must name one of the `tools`.")
        return choice, tools
    if choice not in (None, "none", "auto", "required"):
        raise BadRequest('`tool_choice` must be "none", "auto", "required", or {"type": "function", ...}.')
    if choice == "required" and not tools:
        raise BadRequest("`tool_choice` needs `tools`.")
    return ("required" if choice == "required" else "auto"), ([] if choice == "none" else tools)


def _name(tool: Json) -> object:
    function = tool["function"]
    return function.get("name") if isinstance(function, dict) else None


def _schema(raw: dict[str, object] | None) -> Json | None:
    kind = "text" if raw is None else raw.get("type")
    if raw is None or kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    inner = raw.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise BadRequest(
            '`response_format` must be {"type": "text"}, {"type": "json_object"} or '
            '{"type": "json_schema", "json_schema": {"name", "schema"}}.'
        )
    return schema


def error_json(error: EdgeError) -> Json:
    """An error in OpenAI's shape, which holds ours."""
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
    kind = kinds.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": error.code}}


def model_json(name: str, since: float) -> Json:
    """A model in OpenAI's list."""
    return {"id": name, "object": "model", "created": int(since), "owned_by": "enigma"}


def call_json(identity: str, call: Json) -> Json:
    """A tool call {"name", "arguments"} as OpenAI writes it."""
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    return {"id": identity, "type": "function", "function": {"name": call["name"], "arguments": arguments}}
