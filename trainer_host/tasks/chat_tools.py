"""Task `chat` with tools of one's own: what people say, and the call that it wants, valid by its tool's JSON Schema.

The call is drawn first, from the schema; then a request for it is put into words, plainly here or by a teacher. A quarter
of the rows want no call: what no offered tool does, and questions about a tool, which must not act.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from trainer_host.tasks import Example, Json, Prompt, Rejected
from trainer_host.tasks.chat import ChatSpec
from trainer_host.tasks.tool_schemas import Call, Tools, call_words, values_of

CANNOT = "None of the tools that I have does that."
NONE_SHARE = 0.25  # of the rows, those that want no call
OFFERED = 5  # tools that a row shows at most
_OPENINGS = ("Please {what}", "Can you {what}", "I want you to {what}", "{What}", "Could you {what}", "Now {what}")
_ABOUT = (
    "What does '{what}' mean?",
    "Can you explain what happens if I ask you to {what}?",
    "Did I ask you to {what}?",
)
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
    """See the module. tools: OpenAI's form, or its inner part alone."""

    prompt_version = "chat-tools-1"
    answer_schema = _ANSWER
    max_tokens = 200

    def __init__(self, schemas: Sequence[Json]) -> None:
        super().__init__()
        self.prompt_version = "chat-tools-1"
        self._tools = Tools(schemas)

    def draw(self, rng: random.Random) -> Json:
        """A call, and the tools that are offered."""
        call = self._tools.draw(rng, rng.choice(sorted(self._tools.schemas)))
        return {"name": call.name, "arguments": call.arguments, "offered": self._offered(rng, call.name)}

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
        example = self._called(text, call, [str(name) for name in _listed(drawn["offered"])])
        self.check(example)
        return example

    def judge(self, example: Example) -> Prompt | None:
        """None: the call was drawn, and the request is checked word by word."""
        return None

    def built_in(self, rng: random.Random) -> Example:
        """A request in plain words, or one that wants no call."""
        name = rng.choice(sorted(self._tools.schemas))
        call = self._tools.draw(rng, name)
        what = call_words(self._tools.schemas[name], call)
        if rng.random() >= NONE_SHARE:
            said = rng.choice(_OPENINGS).format(what=what, What=what[:1].upper() + what[1:])
            return self._called(said + rng.choice((".", "", "!")), call, self._offered(rng, name))
        if rng.random() < 0.5 and len(self._tools.schemas) > 1:  # the tool isn't offered
            others = sorted(set(self._tools.schemas) - {name})
            offered = rng.sample(others, min(OFFERED, len(others)))
            return self._example(rng.choice(_OPENINGS[:3]).format(what=what) + ".", offered, {"reply": CANNOT})
        about = str(self._tools.schemas[name].get("description") or name.replace("_", " ")).rstrip(".")
        reply = f"That is about this: {about}. I did nothing."
        return self._example(rng.choice(_ABOUT).format(what=what), self._offered(rng, name), {"reply": reply})

    def group(self, example: Example) -> str | None:
        """None: rows are told apart by what they say."""
        return None

    def _offered(self, rng: random.Random, name: str) -> list[str]:
        others = sorted(set(self._tools.schemas) - {name})
        names = [name, *rng.sample(others, min(OFFERED - 1, len(others)))]
        return rng.sample(names, len(names))

    def _called(self, text: str, call: Call, offered: Sequence[str]) -> Example:
        self._tools.check(call)
        calls = [{"name": call.name, "arguments": call.arguments}]
        return self._example(text, offered, {"reply": "", "tool_calls": calls})

    def _example(self, text: str, offered: Sequence[str], output: Json) -> Example:
        tools = [{"type": "function", "function": self._tools.schemas[name]} for name in offered]
        return Example({"messages": [{"role": "user", "content": text}], "tools": tools}, output)


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
