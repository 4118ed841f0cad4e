"""Task `chat` with tools of one's own: what people say, and the call that it wants, valid by its tool's JSON Schema.

The call is drawn first, from the schema; then a request for it is put into words, plainly here or by a teacher. `NONE_SHARE`
of the built-in rows want no call: what no offered tool does, requests that leave out what is required, greetings, and
questions about a tool, which must not act.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence

from trainer_host.tasks import Example, Json, Prompt, Rejected
from trainer_host.tasks.chat import ChatSpec
from trainer_host.tasks.tool_schemas import Call, Tools, value_words, values_of
from trainer_host.tasks.tools_invented import invented

CANNOT = "None of the tools that I have does that."
NOT_ASKED = "You didn't ask me to do it, so I did nothing."
MISSING = "I need more for that: tell me what is missing."
HELLO = "Hello! What can I do for you?"
NONE_SHARE = 0.45  # of the rows, those that want no call: with fewer, a model that calls well also acts on questions
INVENTED_SHARE = 0.5  # of the rows, those about invented tools: so a model reads tools, and learns none by heart
OFFERED = 5  # tools that a row shows at most
_ACTS = (
    "Please {what}.", "{What}.", "{What}", "{What} please", "{What}, please.", "Can you {what}?", "Could you {what}?",
    "Would you {what} for me?", "Will you please {what}?", "I want you to {what}.", "I'd like you to {what}",
    "I need you to {what} now.", "Now {what}!", "Go ahead and {what}.", "Let's {what}.", "It's time to {what}.",
    "Hey, {what}", "You should {what} now.", "Okay, {what}.", "Quickly {what}!", "Can you please {what}", "Just {what}.",
)  # fmt: skip
_ABOUT = (
    "What does '{what}' mean?", "Can you explain what happens if I ask you to {what}?", "Did I ask you to {what}?",
    "Why would anybody {what}?", "How do I {what}?", "Is it possible to {what}?", "Do you know how to {what}?",
    "Should I {what}?", "What happens when I {what}?", "Who told you to {what}?", "I don't want you to {what}.",
    "Don't {what}.", "Never {what}!", "Did somebody {what}?", "Tell me what '{what}' does.",
    "If I said '{what}', what would you do?", "Yesterday I asked somebody to {what}.", "Would it be wise to {what}?",
    "I already told my brother to {what}.", "Explain how you {what}.", "What would you need to {what}?",
)  # fmt: skip
_GREETINGS = ("Hello", "Hi there!", "Good morning.", "Thank you.", "Thanks a lot!", "How are you?", "Good night", "Hey")
# How a tool is named together with its values.
_JOINTS = ((" with ", ", "), (" with ", " and "), (", ", ", "), (": ", ", "), (" ", " "), (" (", ", "), (" to ", ", "))
_SYSTEM = (
    "You write requests as people speak them, as JSON. request: what a person says to an assistant so that it calls the "
    "tool with exactly these arguments. Say every value as it stands; never name the tool."
)
_ANSWER: Json = {
    "type": "object",
    "properties": {"request": {"type": "string"}},
    "required": ["request"],
    "additionalProperties": False,
}


class ToolChat(ChatSpec):
    """See the module. tools: OpenAI's form, or its inner part alone; invented_share: of the built-in rows."""

    prompt_version = "chat-tools-2"
    answer_schema = _ANSWER
    max_tokens = 200

    def __init__(self, schemas: Sequence[Json], invented_share: float = INVENTED_SHARE) -> None:
        super().__init__()
        self._invented = invented_share
        self.prompt_version = "chat-tools-2"
        self._tools = Tools(schemas)

    def draw(self, rng: random.Random) -> Json:
        """A call, and the tools that are offered."""
        call = self._tools.draw(rng, rng.choice(sorted(self._tools.schemas)))
        return {"name": call.name, "arguments": call.arguments, "offered": self._offered(rng, call.name, self._tools)}

    def prompt(self, drawn: Json) -> Prompt:
        """The tool and the arguments."""
        shown = json.dumps(self._tools.schemas[str(drawn["name"])], ensure_ascii=False)
        return Prompt(
            _SYSTEM, f"The tool: {shown}\nIts arguments: {json.dumps(drawn['arguments'], ensure_ascii=False)}"
        )

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """The request must name every value (a model can't know what nobody said), and not the tool."""
        text = str(answers[0]["request"]).strip()
        arguments = drawn["arguments"]
        assert isinstance(arguments, dict)
        call = Call(str(drawn["name"]), arguments)
        check_request(text, call)
        example = self._called(text, call, [str(name) for name in _listed(drawn["offered"])], self._tools)
        self.check(example)
        return example

    def judge(self, example: Example) -> Prompt | None:
        """None: the call was drawn, and the request is checked word by word."""
        return None

    def built_in(self, rng: random.Random) -> Example:
        """A request in plain words, or one that wants no call; about these tools, or about invented ones."""
        tools = self._tools if rng.random() >= self._invented else Tools(invented(rng, OFFERED + 1))
        name = rng.choice(sorted(tools.schemas))
        schema = tools.schemas[name]
        call = tools.draw(rng, name)
        offered = self._offered(rng, name, tools)
        if rng.random() >= NONE_SHARE:
            return self._called(_asked(rng, self.acting(rng), _said(rng, schema, call)), call, offered, tools)
        kind = rng.choices(("not offered", "about", "missing", "greeting"), (4, 10, 2, 1))[0]
        required = sorted(call.arguments.keys() & set(schema.get("parameters", {}).get("required", ())))
        if kind == "missing" and required:
            left_out = rng.choice(required)
            less = Call(name, {key: value for key, value in call.arguments.items() if key != left_out})
            return self._still(_asked(rng, self.acting(rng), _said(rng, schema, less)), offered, MISSING, tools)
        if kind == "greeting":
            return self._still(rng.choice(_GREETINGS), offered, HELLO, tools)
        if kind == "not offered" and len(offered) > 1:
            offered.remove(name)
            return self._still(_asked(rng, self.acting(rng), _said(rng, schema, call)), offered, CANNOT, tools)
        return self._still(_asked(rng, self.talking(rng), _said(rng, schema, call)), offered, NOT_ASKED, tools)

    def acting(self, rng: random.Random) -> str:
        """A sentence that wants a call, with a place for {what} or {What}."""
        return rng.choice(_ACTS)

    def talking(self, rng: random.Random) -> str:
        """A sentence that must not act."""
        return rng.choice(_ABOUT)

    def group(self, example: Example) -> str | None:
        """None: rows are told apart by what they say."""
        return None

    def _offered(self, rng: random.Random, name: str, tools: Tools) -> list[str]:
        others = sorted(set(tools.schemas) - {name})
        names = [name, *rng.sample(others, rng.randint(min(1, len(others)), min(OFFERED - 1, len(others))))]
        return rng.sample(names, len(names))

    def _called(self, text: str, call: Call, offered: Sequence[str], tools: Tools) -> Example:
        tools.check(call)
        calls = [{"name": call.name, "arguments": call.arguments}]
        return _example(text, offered, {"reply": "", "tool_calls": calls}, tools)

    def _still(self, text: str, offered: Sequence[str], reply: str, tools: Tools) -> Example:
        return _example(text, offered, {"reply": reply}, tools)


def _example(text: str, offered: Sequence[str], output: Json, tools: Tools) -> Example:
    shown = [{"type": "function", "function": tools.schemas[name]} for name in offered]
    return Example({"messages": [{"role": "user", "content": text}], "tools": shown}, output)


def _asked(rng: random.Random, frame: str, what: str) -> str:
    made = frame.format(what=what, What=what[:1].upper() + what[1:])
    return made if rng.random() < 0.8 else made.rstrip(".")


def _said(rng: random.Random, schema: Json, call: Call) -> str:
    """What a call does, by its tool's description or name, and its arguments in any order."""
    about = str(schema.get("description") or "").strip().rstrip(".")
    if not about or rng.random() < 0.3:
        about = " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", call.name)).lower()
    kinds = Counter(type(value) for value in call.arguments.values())
    parts = []
    for key, value in call.arguments.items():
        listed = schema["parameters"]["properties"].get(key, {})  # type: ignore[index]
        plain = "enum" in listed or (isinstance(value, int | float | str) and kinds[type(value)] == 1)
        parts.append(_argument(rng, key, value, plain and not isinstance(value, bool)))
    rng.shuffle(parts)
    first, between = rng.choice(_JOINTS)
    details = first + between.join(parts) + (")" if first == " (" else "") if parts else ""
    return about[:1].lower() + about[1:] + details


def _argument(rng: random.Random, key: str, value: object, plain: bool) -> str:
    """A value with the name of its parameter, or without where it is `plain` which one is meant."""
    name = key.replace("_", " ")
    if isinstance(value, bool):
        return f"{name} {rng.choice(('on', 'yes') if value else ('off', 'no'))}"
    text = value_words(value)
    if isinstance(value, str) and " " in value and rng.random() < 0.5:
        text = f'"{value}"'
    if plain and rng.random() < 0.4:
        return text
    return rng.choice(
        (f"{name} {text}", f"{name} {text}", f"{text} as the {name}", f"the {name} {text}", f"{name} = {text}")
    )


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def check_request(text: str, call: Call) -> None:
    """Raises `Rejected` where a request leaves out a value of its call, or names the tool."""
    said = text.lower()
    if call.name.lower() in said:
        raise Rejected("names the tool", "Say what is wanted without the tool's name.")
    for value in values_of(call.arguments):
        if not isinstance(value, bool) and str(value).lower() not in said:
            raise Rejected("value not said", f"Say the value {value!r} as it stands.")
