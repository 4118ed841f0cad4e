"""The chat template that a model's file brings: its own Jinja, rendered in a sandbox, and llama.cpp's tokens of it.

What the template lacks is put in plain words where it has a place for them: a system message and tools before the first
message of the user, a tool's answer as a message of the user. So every model takes every chat, however well it was
trained to understand it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.language.gguf_words import GgufTokenizer
from edge_runtime.language.jinja_sandbox import ChatJinja, Refused
from edge_runtime.language.speculative import common_prefix
from edge_runtime.language.template import SMOLLM2, THINK, TOOL_CALL, listed_tools, render_tool_calls, tool_call

Json = Mapping[str, object]

# For a file that has none, as llama.cpp does.
PLAIN = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# A template that asks for the date is always told the same, so that answers come again: Llama 3.1's own, where it is
# told none.
_DATE = (2024, 7, 26)
_JOINER = "\u2060"  # is put into what spells a special token, so that a message can't write one
_ROLES = ("system", "user", "assistant", "tool")
_TOOL: Json = {
    "type": "function",
    "function": {"name": "probe_tool", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
_ASK: Json = {"role": "user", "content": "probe_user"}


class FileTemplate:
    """How a file's model is asked. `tools` and `reads` are as `Template` has them: nothing is read in marks."""

    tools = ""

    def __init__(self, tokenizer: GgufTokenizer, jinja: str | None) -> None:
        """jinja: None for a file without a template. Raises `BundleError` where it can't write the simplest chat."""
        self._tokenizer = tokenizer
        self._jinja = ChatJinja(jinja or PLAIN)
        self._dated = jinja is not None and "strftime_now" in jinja and "strftime_now is defined" not in jinja
        names = sorted((name for name in tokenizer.special if len(name) > 1), key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, names))) if names else None
        try:
            simple = self._render([_ASK], (), True)
        except (BadRequest, Refused) as cause:
            raise BundleError(
                f"The file's chat template can't write one message ({cause}); use another file."
            ) from None
        if "probe_user" not in simple:
            raise BundleError("The file's chat template leaves the message out; use another file.")
        told: Json = {"role": "system", "content": "probe_system"}
        self._has_system = "probe_system" in self._tried([told, _ASK], ())
        with_tool = self._tried([_ASK], (_TOOL,))
        # Only calls that are written in these marks are read here; a template with others is told of ours in words.
        self._has_tools = "probe_tool" in with_tool and TOOL_CALL in with_tool

    @property
    def stops(self) -> frozenset[int]:
        """The tokens that end an answer."""
        return self._tokenizer.stops

    def plain(self, text: str) -> list[int]:
        """The tokens of a text without a chat around it."""
        return self._tokenizer.begin(text)

    def reads(self, task: str | None) -> bool:
        """False: see `Template.reads`."""
        return False

    def prompt(self, messages: Sequence[Json], tools: Sequence[Json]) -> tuple[list[int], bool]:
        """The tokens of a chat with the beginning of its answer, and whether that begins within a thought.

        What spells a special token is text, and gets a sign without width (U+2060) to be so. Raises `BadRequest`
        for a chat that the template has no place for, with its words.
        """
        text = self._write(messages, tools, True)
        return self._tokenizer.begin(text, marks=True), text.rstrip().endswith(THINK)

    def answered(self, messages: Sequence[Json], tools: Sequence[Json]) -> tuple[list[int], list[bool]]:
        """The tokens of a chat that ends with an answer, and which of them are of that answer and its end."""
        whole = self._tokenizer.begin(self._write(messages, tools, False), marks=True)
        first = common_prefix(whole, self._tokenizer.begin(self._write(messages[:-1], tools, True), marks=True))
        return whole, [at >= first for at in range(len(whole))]

    def _write(self, messages: Sequence[Json], tools: Sequence[Json], answering: bool) -> str:
        chat = [self._message(message) for message in messages]
        if not chat:
            raise BadRequest("There is nothing to answer; send a message.")
        plain = [self._plain(tool) for tool in tools]
        if plain and not self._has_tools:
            chat, plain = _told_in_words(chat, plain), []
        if not self._has_system:
            chat = _joined(chat)
        try:
            return self._render(chat, plain, answering)
        except Refused:
            pass
        try:  # most that refuse want user and assistant to take turns, or no system message in this place
            return self._render(_joined(chat), plain, answering)
        except Refused as cause:
            raise BadRequest(f"The model's chat template refuses this chat: {cause}.") from None

    def _message(self, message: Json) -> dict[str, object]:
        role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls")
        if role not in _ROLES:
            raise BadRequest(f"A message's role is {role!r}; use {', '.join(sorted(_ROLES))}.")
        if content is None and calls:
            content = ""
        if not isinstance(content, str):
            raise BadRequest(f"The content of the message of {role} isn't a text.")
        made: dict[str, object] = {"role": role, "content": content}
        if calls:
            render_tool_calls(calls)  # says what is wrong with them
            made["tool_calls"] = [{"type": "function", "function": tool_call(call)} for call in calls]  # type: ignore[attr-defined]
        if role == "assistant" and message.get("reasoning"):
            made["reasoning_content"] = message["reasoning"]
        if not self._has_tools:
            made = _in_words(made)
        made = {key: self._plain(value) for key, value in made.items()}
        return made

    def _plain(self, value: object) -> object:
        """The same with nothing in it that spells a special token."""
        if isinstance(value, str):
            if self._marks is None:
                return value
            return self._marks.sub(lambda mark: mark[0][0] + _JOINER + mark[0][1:], value)
        if isinstance(value, Mapping):
            return {self._plain(key): self._plain(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(each) for each in value]
        return value

    def _tried(self, messages: Sequence[Json], tools: Sequence[Json]) -> str:
        try:
            return self._render(messages, tools, True)
        except (BadRequest, Refused):
            return ""

    def _render(self, messages: Sequence[Json], tools: Sequence[object], answering: bool) -> str:
        given: dict[str, object] = {
            "messages": list(messages),
            "tools": list(tools) or None,
            "add_generation_prompt": answering,
            "bos_token": self._tokenizer.first,
            "eos_token": self._tokenizer.last,
        }
        if self._dated:
            given["strftime_now"] = _date
        return self._jinja.render(**given)


def _told_in_words(chat: list[dict[str, object]], tools: Sequence[object]) -> list[dict[str, object]]:
    """The chat with the tools in its system message."""
    listed = listed_tools(SMOLLM2, tools)
    if chat[0]["role"] == "system":
        return [{**chat[0], "content": f"{chat[0]['content']}\n\n{listed}"}, *chat[1:]]
    return [{"role": "system", "content": listed}, *chat]


def _in_words(message: dict[str, object]) -> dict[str, object]:
    """A message with its calls in its text; a tool's answer as one of the user."""
    if message["role"] == "tool":
        return {"role": "user", "content": SMOLLM2.result.replace("{content}", str(message["content"]))}
    calls = message.pop("tool_calls", None)
    return message | {"content": str(message["content"]) + render_tool_calls(calls)} if calls else message


def _joined(chat: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """The same with system messages before what the user says next, and neighbours of one role in one message."""
    made: list[dict[str, object]] = []
    for message in chat:
        message = {**message, "role": "user"} if message["role"] == "system" else message
        if (
            made
            and made[-1]["role"] == message["role"]
            and not (made[-1].keys() | message.keys()) - {"role", "content"}
        ):
            made[-1] = {**message, "content": f"{made[-1]['content']}\n{message['content']}"}
        else:
            made.append(message)
    return made


def _date(form: str) -> str:
    import datetime

    return datetime.date(*_DATE).strftime(form)
