"""Chats to tokens: one table that travels in the bundle and one function, the same in training and on the device."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.language.tokenizer import TextTokenizer

Json = Mapping[str, object]

FORMAT = 1
THINK = "<think>"
THOUGHT = "</think>"
TOOL_CALL = "<tool_call>"
TOOL_CALLED = "</tool_call>"
MARKED = "{marks}"  # in the place of a text about tools: they are read in marks, see `edge_runtime.language.tool_marks`
CODE = "code"  # the task that may be read in marks


@dataclass(frozen=True)
class Template:
    """How a chat is written: `open role between content end after` per message.

    begin: special token before everything ("" for none). open, end: special tokens around a message; `between` and
    `after` are plain text. roles: how the template spells each role it knows; another role is refused.
    system: the system message of a chat that has none ("" for none). tools: what follows the system message where
    there are tools, with {tools} for their list, one JSON object a line ("": this model knows no tools), or `MARKED`.
    result: how a tool's answer is written, with {content}. stops: special tokens that end an answer. marks: the task
    whose requests are read in marks, see `edge_runtime.language.code_marks` ("": none are).
    """

    name: str
    begin: str
    open: str
    between: str
    end: str
    after: str
    roles: Mapping[str, str]
    system: str
    tools: str
    result: str
    stops: tuple[str, ...]
    marks: str = ""

    def to_json(self) -> dict[str, object]:
        """The table for template.json."""
        table = {"format": FORMAT, **dataclasses.asdict(self), "roles": dict(self.roles), "stops": list(self.stops)}
        return table if self.marks else {key: value for key, value in table.items() if key != "marks"}

    @staticmethod
    def from_json(table: object) -> Template:
        """Read a template.json; raises `BundleError` with what is wrong."""
        if not isinstance(table, dict) or table.get("format") != FORMAT:
            raise BundleError(f"template.json isn't a chat template of format {FORMAT}; update Enigma.")
        table = {"marks": "", **table}  # older than these
        wanted = {field.name for field in dataclasses.fields(Template)}
        if set(table) != wanted | {"format"}:
            odd = sorted(set(table) ^ (wanted | {"format"}))
            raise BundleError(f"template.json is damaged: {odd[0]} is missing or unknown.")
        roles, stops = table["roles"], table["stops"]
        if not _texts(roles.values() if isinstance(roles, dict) else None) or not _texts(stops):
            raise BundleError("template.json is damaged: roles must be an object and stops a list, both of texts.")
        rest = {name: table[name] for name in wanted - {"roles", "stops"}}
        if not _texts(list(rest.values())):
            raise BundleError("template.json is damaged: one of its entries isn't a text.")
        if table["marks"] not in ("", CODE):
            raise BundleError("template.json reads requests in a way that isn't known here; update Enigma.")
        return Template(**rest, roles=roles, stops=tuple(stops))

    def reads(self, task: str | None) -> bool:
        """Whether requests of a task are read in marks; None for the only one of a model."""
        return bool(self.marks) and task in (None, self.marks)


CHATML = Template(
    name="chatml",
    begin="",
    open="<|im_start|>",
    between="\n",
    end="<|im_end|>",
    after="\n",
    roles={"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"},
    system="",
    # Shorter than Hermes' text, which costs a small model 100 tokens of each chat; the call's form is the same.
    tools='Tools:\n{tools}\nTo call one: <tool_call>{"name": NAME, "arguments": {}}</tool_call>',
    result="{content}",
    stops=("<|im_end|>",),
)

# What models that begin from nothing read and write where they are taught tools: the chat is the same without any.
CHATML_MARKED = dataclasses.replace(CHATML, name="chatml-marked", tools=MARKED)

SMOLLM2 = Template(
    name="smollm2",
    begin="",
    open="<|im_start|>",
    between="\n",
    end="<|im_end|>",
    after="\n",
    roles={"system": "system", "user": "user", "assistant": "assistant", "tool": "user"},
    system="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    # Hermes' form (github.com/NousResearch/Hermes-Function-Calling), which Qwen's and SmolLM2-1.7B's templates follow.
    tools=(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{tools}\n</tools>\n\n"
        "For each function call, return a json object with function name and arguments within "
        "<tool_call></tool_call> XML tags:\n<tool_call>\n"
        '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
    ),
    result="<tool_response>\n{content}\n</tool_response>",
    stops=("<|im_end|>", "<|endoftext|>"),
)


def encode_chat(
    tokenizer: TextTokenizer,
    template: Template,
    messages: Sequence[Json],
    *,
    task: str | None = None,
    tools: Sequence[Json] = (),
    answering: bool,
    wanted: bool | None = None,
) -> tuple[list[int], list[bool]]:
    """The tokens of a chat, and which of them a model learns: an assistant's message and its end mark.

    messages: {"role", "content", and of an assistant "tool_calls"? and "reasoning"?}. Content is always plain text:
    one that spells a special token doesn't become one. Reasoning is kept only in the chat's last message, as it is
    hidden later; an earlier message that had some is context and isn't learnt. task: puts <|task:NAME|> in front, for
    a model of several tasks. answering: ends with the beginning of the assistant's next message. wanted: see `Reading`.
    Raises `BadRequest` for a message that can't be written, `BundleError` for a tokenizer without the special tokens.
    """
    if tools and template.tools == MARKED:
        from edge_runtime.language.tool_marks import Reading

        messages, tools = Reading(messages, tools, wanted).messages(), ()
    elif not tools and template.reads(task):
        from edge_runtime.language.code_marks import marked_chat

        messages = marked_chat(messages)
    written = _Written(tokenizer)
    if template.begin:
        written.special(template.begin)
    if task is not None:
        written.special(task_token(task))
    chat = _with_system(template, messages, tools)
    for i, message in enumerate(chat):
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or role not in template.roles:
            raise BadRequest(f"A message's role is {role!r}; use {', '.join(sorted(template.roles))}.")
        if content is None and message.get("tool_calls"):
            content = ""  # as OpenAI's API writes a message that only calls tools
        if not isinstance(content, str):
            raise BadRequest(f"The content of the message of {role} isn't a text.")
        written.special(template.open)
        if role == "assistant":
            last = i + 1 == len(chat) and not answering
            reasoning = message.get("reasoning")
            written.text(template.roles[role] + template.between)
            learn = last or not reasoning
            thought = f"{THINK}{reasoning}{THOUGHT}" if reasoning and last else ""
            written.text(thought + content + render_tool_calls(message.get("tool_calls")), learn)
            written.special(template.end, learn)
        else:
            if role == "tool":
                content = template.result.replace("{content}", content)
            written.text(template.roles[role] + template.between + content)
            written.special(template.end)
        written.text(template.after)
    if answering:
        written.special(template.open)
        written.text(template.roles["assistant"] + template.between)
    return written.ids, written.learn


def task_token(task: str) -> str:
    """The special token that tells a model of several tasks which one is meant."""
    return f"<|task:{task}|>"


def stop_ids(tokenizer: TextTokenizer, template: Template) -> frozenset[int]:
    """The ids of the tokens that end an answer; `BundleError` where the tokenizer has none of them."""
    found = frozenset(tokenizer.special[stop] for stop in template.stops if stop in tokenizer.special)
    if not found:
        raise BundleError(f"The tokenizer has none of {', '.join(template.stops)}, so an answer would never end.")
    return found


def render_tool_calls(calls: object) -> str:
    """Calls as a model writes them: <tool_call>{"name": ..., "arguments": {...}}</tool_call>, one after the other.

    calls: [{"name", "arguments"}] or OpenAI's [{"function": {"name", "arguments": JSON text}}]; None for none.
    """
    if calls is None:
        return ""
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        raise BadRequest("tool_calls must be a list.")
    return "".join(f"{TOOL_CALL}{_json(tool_call(call))}{TOOL_CALLED}" for call in calls)


def listed_tools(template: Template, tools: Sequence[object]) -> str:
    """What a template says about tools."""
    return template.tools.replace("{tools}", "\n".join(map(_json, tools)))


@dataclass(frozen=True)
class Reply:
    """A model's text in its parts. `broken`: the texts within <tool_call> that weren't calls."""

    content: str
    tool_calls: tuple[dict[str, object], ...]
    reasoning: str = ""
    broken: tuple[str, ...] = ()


def parse_tool_calls(text: str) -> Reply:
    """Take the tool calls out of an answer; {"name": str, "arguments": dict} each, in order.

    What stands within the marks and isn't such an object is `broken`: it is neither called nor shown.
    """
    reasoning, answer = split_reasoning(text)
    parts, calls, broken = [], [], []
    rest = answer
    while (at := rest.find(TOOL_CALL)) >= 0:
        parts.append(rest[:at])
        inner, closed, rest = rest[at + len(TOOL_CALL) :].partition(TOOL_CALLED)
        try:
            call = strict_json.loads_object(inner.encode())
            calls.append(tool_call(call))
        except (BadRequest, UnicodeEncodeError):
            broken.append(inner)
        if not closed:
            break
    return Reply("".join([*parts, rest]).strip() if parts else answer, tuple(calls), reasoning, tuple(broken))


def split_reasoning(text: str) -> tuple[str, str]:
    """(the chain of thought, the answer) of a model's text; an unfinished thought has no answer yet."""
    splitter = ReasoningSplitter()
    thought, answer = splitter.push(text)
    more, rest = splitter.finish()
    return thought + more, answer + rest


class ReasoningSplitter:
    """Parts a stream of text into <think>thought</think> and answer. Only what begins the reply is a thought."""

    def __init__(self, thinking: bool = False) -> None:
        """thinking: the thought had begun before."""
        self._held = ""
        self._state = "thought" if thinking else "begin"  # then "thought", or at once "answer"

    @property
    def thinking(self) -> bool:
        """Whether a thought has begun and not ended."""
        return self._state == "thought"

    def push(self, text: str) -> tuple[str, str]:
        """(more of the thought, more of the answer); holds back what may be the beginning of a mark."""
        self._held += text
        thought = ""
        if self._state == "begin":
            start = self._held.lstrip()
            if start.startswith(THINK):
                self._state, self._held = "thought", start[len(THINK) :]
            elif THINK.startswith(start):
                return "", ""
            else:
                self._state = "answer"
        if self._state == "thought":
            inner, closed, rest = self._held.partition(THOUGHT)
            if not closed:
                keep = _overlap(inner, THOUGHT)
                self._held = inner[len(inner) - keep :]
                return inner[: len(inner) - keep], ""
            thought, self._held, self._state = inner, rest, "after"
        if self._state == "after":
            self._held = self._held.lstrip()
            if not self._held:
                return thought, ""
            self._state = "answer"
        answer, self._held = self._held, ""
        return thought, answer

    def finish(self) -> tuple[str, str]:
        """What was held back, now that nothing follows."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "thought" else ("", held)


class _Written:
    """Tokens so far, and which are learnt."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self.ids: list[int] = []
        self.learn: list[bool] = []

    def special(self, token: str, learn: bool = False) -> None:
        self.ids.append(self._tokenizer.special_id(token))
        self.learn.append(learn)

    def text(self, text: str, learn: bool = False) -> None:
        more = self._tokenizer.encode(text)
        self.ids += more
        self.learn += [learn] * len(more)


def _with_system(template: Template, messages: Sequence[Json], tools: Sequence[Json]) -> list[Json]:
    """The messages with the template's system message, and with the tools in it."""
    has_system = bool(messages) and messages[0].get("role") == "system"
    if not has_system and ((template.system and messages) or tools):
        messages = [{"role": "system", "content": template.system}, *messages]
    if not tools:
        return list(messages)
    if not template.tools:
        raise BadRequest("This model knows no tools; leave them out.")
    listed = listed_tools(template, tools)
    system = messages[0].get("content")
    if not isinstance(system, str):
        raise BadRequest("The content of the message of system isn't a text.")
    return [{"role": "system", "content": f"{system}\n\n{listed}" if system else listed}, *messages[1:]]


def tool_call(call: object) -> dict[str, object]:
    """{"name", "arguments"} of a call in our form or OpenAI's."""
    inner = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        raise BadRequest("A tool call needs a name, and arguments as a JSON object.")
    arguments = inner.get("arguments", {})
    if isinstance(arguments, str):
        arguments = strict_json.loads_object(arguments.encode(), "The arguments of a tool call")
    if not isinstance(arguments, Mapping):
        raise BadRequest("The arguments of a tool call must be a JSON object.")
    return {"name": inner["name"], "arguments": dict(arguments)}


def _json(value: object) -> str:
    """As Hugging Face's templates write JSON (`tojson`): spaces after colons and commas, no escapes but JSON's own."""
    return json.dumps(value, ensure_ascii=False)


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of `text` begin `mark`."""
    return next((n for n in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:n])), 0)


def _texts(values: object) -> bool:
    return values is not None and all(isinstance(value, str) for value in values)  # type: ignore[attr-defined]
