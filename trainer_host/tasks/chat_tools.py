"""Task `chat` with tools of one's own: what people say, and the call that it wants, valid by its tool's JSON Schema.

The call is drawn first, from the schema; then a request for it is put into words, plainly here or by a teacher. `NONE_SHARE`
of the built-in rows want no call: what no offered tool does, requests that leave out what is required, greetings, and
questions about a tool, which must not act.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import cast

from edge_runtime.errors import BadRequest
from edge_runtime.language.marked_calls import question
from edge_runtime.language.tool_marks import Reading
from trainer_host.tasks import Example, Json, Prompt, Rejected
from trainer_host.tasks.chat import ChatSpec
from trainer_host.tasks.chat_built_in import talk
from trainer_host.tasks.phrases import TEMPLATE, Grouped
from trainer_host.tasks.tool_schemas import Call, Tools, values_of
from trainer_host.tasks.tool_wording import ACTING, TALKING, said, sentence
from trainer_host.tasks.tools_invented import invented

CANNOT = "None of the tools that I have does that."
NOT_ASKED = "You didn't ask me to do it, so I did nothing."
MISSING = "I need more for that: tell me what is missing."
HELLO = "Hello! What can I do for you?"
NONE_SHARE = 0.45  # of the rows, those that want no call: with fewer, a model that calls well also acts on questions
INVENTED_SHARE = 0.5  # of the rows, those about invented tools: so a model reads tools, and learns none by heart
WANTED = "wanted"  # in a built-in row's meta: whether it is a request, also of what no tool does
OFFERED = 5  # tools that a row shows at most
_ASKED_BACK = 0.04  # of the rows, those that answer a device's "Do you want this?"
_TRIES = 8  # sentences for one call, until a device reads in it what is wanted
_GREETINGS = ("Hello", "Hi there!", "Good morning.", "Thank you.", "Thanks a lot!", "How are you?", "Good night", "Hey")
_YES = (
    "Yes", "Yes, please.", "yes do it", "Sure", "exactly", "Right.", "That's right", "Go ahead.", "okay", "Do it", "of course",
    "please do", "yep", "Yeah, that", "Yes!", "correct", "I do", "yes I want that", "That's what I want.", "Sure, go on",
)  # fmt: skip
_NO = (
    "No", "No, thanks.", "don't", "no, leave it", "Never mind.", "not now", "nope", "stop", "forget it", "No!", "no way",
    "I didn't ask for that", "I don't", "Not that", "certainly not", "no, nothing", "leave it", "I only asked.", "wrong",
)  # fmt: skip
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

    prompt_version = "chat-tools-3"
    answer_schema = _ANSWER
    max_tokens = 200

    def __init__(self, schemas: Sequence[Json], invented_share: float = INVENTED_SHARE) -> None:
        super().__init__()
        self._invented = invented_share
        self.prompt_version = "chat-tools-3"
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
        offered = [str(name) for name in _listed(drawn["offered"])]
        made = self._called("", text, call, offered, self._tools)
        self.check(made)
        return Example(made.input, made.output)

    def judge(self, example: Example) -> Prompt | None:
        """None: the call was drawn, and the request is checked word by word."""
        return None

    def built_in(self, rng: random.Random) -> Example:
        """A request in one of many wordings, or what wants no call; about these tools, or about invented ones."""
        tools = self._tools if rng.random() >= self._invented else Tools(invented(rng, OFFERED + 1), own=True)
        name = rng.choice(sorted(tools.schemas))
        schema, acts = tools.schemas[name], rng.random() >= NONE_SHARE
        call = tools.draw(rng, name)
        offered = self._offered(rng, name, tools)
        if rng.random() < _ASKED_BACK:
            return self._answered(rng, schema, call, offered, tools)
        if acts:
            for _ in range(_TRIES):
                made = self._called(*self.acting(rng, schema, call), call, offered, tools)
                if readable(made):
                    break
                call = tools.draw(rng, name)
            return made
        kind = rng.choices(("talking", "not offered", "missing", "small talk"), (12, 2, 2, 2))[0]
        required = sorted(call.arguments.keys() & set(schema.get("parameters", {}).get("required", ())))
        if kind == "missing" and required:
            left_out = rng.choice(required)
            less = Call(name, {key: value for key, value in call.arguments.items() if key != left_out})
            return self._still(*self.acting(rng, schema, less), offered, MISSING, tools, wanted=True)
        if kind == "small talk":
            if rng.random() < 0.3:
                return self._still("greeting", rng.choice(_GREETINGS), offered, HELLO, tools)
            return self._still("small talk", talk(rng).texts[0], offered, CANNOT, tools)
        if kind == "not offered" and len(offered) > 1:
            offered.remove(name)
            return self._still(*self.acting(rng, schema, call), offered, CANNOT, tools, wanted=True)
        return self._still(*self.talking(rng, schema, call), offered, NOT_ASKED, tools)

    def _answered(self, rng: random.Random, schema: Json, call: Call, offered: Sequence[str], tools: Tools) -> Grouped:
        """What is said when a device asked back: yes, or no."""
        _, text = rng.choice((self.acting, self.talking))(rng, schema, call)
        calls: list[Json] = [{"name": call.name, "arguments": call.arguments}]
        before: list[Json] = [{"role": "user", "content": text}, {"role": "assistant", "content": question(calls)}]
        if rng.random() < 0.4:
            return _example("no", rng.choice(_NO), offered, {"reply": NOT_ASKED}, tools, False, before)
        return _example("yes", rng.choice(_YES), offered, {"reply": "", "tool_calls": calls}, tools, True, before)

    def acting(self, rng: random.Random, schema: Json, call: Call) -> tuple[str, str]:
        """(template, sentence) that wants a call."""
        return sentence(rng, ACTING, said(rng, schema, call))

    def talking(self, rng: random.Random, schema: Json, call: Call) -> tuple[str, str]:
        """(template, sentence) that is about a call, and must not act."""
        return sentence(rng, TALKING, said(rng, schema, call))

    def group(self, example: Example) -> str | None:
        """None: rows are told apart by what they say, and all templates are learnt."""
        return None

    def _offered(self, rng: random.Random, name: str, tools: Tools) -> list[str]:
        others = sorted(set(tools.schemas) - {name})
        names = [name, *rng.sample(others, rng.randint(min(1, len(others)), min(OFFERED - 1, len(others))))]
        return rng.sample(names, len(names))

    def _called(self, group: str, text: str, call: Call, offered: Sequence[str], tools: Tools) -> Grouped:
        tools.check(call)
        calls = [{"name": call.name, "arguments": call.arguments}]
        return _example(group, text, offered, {"reply": "", "tool_calls": calls}, tools, True)

    def _still(
        self, group: str, text: str, offered: Sequence[str], reply: str, tools: Tools, *, wanted: bool = False
    ) -> Grouped:
        return _example(group, text, offered, {"reply": reply}, tools, wanted)


def readable(example: Example) -> bool:
    """Whether a device reads in marks the calls that a row wants: some texts must stand in quotes for that."""
    messages, shown, calls = (cast("list[Json]", one) for one in (
        example.input["messages"], example.input["tools"], example.output["tool_calls"],
    ))  # fmt: skip
    reading = Reading(messages, shown)
    try:
        written = [reading.written(str(call["name"]), cast(Json, call["arguments"])) for call in calls]
        return reading.called("\n".join(written)) == calls
    except BadRequest:
        return False


def _example(
    group: str, text: str, offered: Sequence[str], output: Json, tools: Tools, wanted: bool, before: Sequence[Json] = ()
) -> Grouped:
    shown = [{"type": "function", "function": tools.schemas[name]} for name in offered]
    messages = [*before, {"role": "user", "content": text}]
    meta: Json = {TEMPLATE: group, WANTED: wanted}
    return Grouped({"messages": messages, "tools": shown}, output, group=group, meta=meta)


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
