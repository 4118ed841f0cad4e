"""Task `chat`: a conversation of one to four turns, and the reply to its last message.

The answer's shape is right by construction: turns come as pairs, so roles can't be mixed up. What can be checked
cheaply is checked here; whether a reply is true and helpful is a judge's question.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from edge_runtime.arithmetic.steps import wrong_steps
from edge_runtime.errors import BadRequest
from edge_runtime.language.shown import MARKS
from edge_runtime.tasks.dialogue import MOST_TOOLS, read_tools
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec
from trainer_host.tasks.chat_built_in import talk
from trainer_host.tasks.chrf import chrf
from trainer_host.tasks.phrases import TEMPLATE, Grouped
from trainer_host.tasks.stop_words import LANGUAGES, SCRIPTS
from trainer_host.tasks.tool_schemas import Call, Tools
from trainer_host.tasks.wording import (
    check_echo,
    check_language,
    check_length,
    check_loops,
    check_piece,
    check_wording,
    text_of,
    words,
)

MAX_TURNS = 20  # messages of a finished row, a person's included
MAX_CHARACTERS = 8_000  # of a whole conversation
_TURNS = (1, 1, 1, 1, 2, 2, 3, 4)
_KINDS = (
    "asks how something works", "asks for a fact", "asks for advice", "wants a word explained", "tells what happened today",
    "asks for help with a short text", "compares two things", "is not sure what to choose", "wants to plan something",
    "asks for an opinion", "makes small talk", "misunderstands something", "asks for a recipe", "wants to be cheered up",
)  # fmt: skip
_TOPICS = (
    "bicycles", "bread", "the moon", "a noisy neighbour", "learning the piano", "tomato plants", "a job interview", "cats",
    "train travel", "saving money", "the sea", "old photographs", "sleep", "volcanoes", "a birthday party", "swimming",
    "coffee", "moving house", "bees", "a lost wallet", "chess", "the weather", "school", "batteries", "tea", "mountains",
    "a broken phone", "grandparents", "dinosaurs", "running", "birds", "a new language", "paper planes", "a rainy weekend",
)  # fmt: skip
_PERSONAS = (
    "a child", "a student", "a nurse", "a retired man", "a shop owner", "a new parent", "a farmer", "a tourist", "a teacher",
    "a bus driver", "an artist", "a grandmother", "a programmer", "a cook",
)  # fmt: skip
_MOODS = ("calm", "curious", "worried", "in a hurry", "cheerful", "a little sad", "annoyed", "polite", "shy")
# How a prompt says the length of the reply, and the words that it may then have.
_LENGTHS = {"one sentence": (2, 40), "two or three sentences": (8, 90), "a short paragraph": (25, 180)}
_SENTENCE = 12  # words from which a reply of one line must end with a mark; shorter ones may be a word or a name
_ENDS = (*".!?…)”\"'»*:。！？", "।")
_OUTPUT = {"reply", "tool_calls", "reasoning"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_ALIKE = 0.9  # chrF at which a reply is what was said before
_SYSTEM = (
    "You write conversations between a person and an assistant. The assistant is friendly, plain and truthful, "
    "answers what is asked, and says so when it does not know. "
    "earlier: the turns before, each with what the person and the assistant said. message: what the person says last. "
    "reply: the assistant's answer to it."
)
_JUDGE = """You examine replies of an assistant. You get a conversation and the reply to its last message.
Level 5: true, answers exactly what was asked, kind, neither too short nor too long.
Level 4: true and answers the question; something small could be said better.
Level 3: partly answers, or holds a detail that is doubtful or made up.
Level 2: says something false, misses the question, or ignores what was said before.
Level 1: harmful, insulting, nonsense, or not a reply at all.
Give the reason in one sentence, then the level."""

_TEXT: Json = {"type": "string"}
_ANSWER: Json = {
    "type": "object",
    "properties": {
        "earlier": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"person": _TEXT, "assistant": _TEXT},
                "required": ["person", "assistant"],
                "additionalProperties": False,
            },
        },
        "message": _TEXT,
        "reply": _TEXT,
    },
    "required": ["earlier", "message", "reply"],
    "additionalProperties": False,
}
_EXAMPLE: Json = {
    "type": "object",
    "properties": {
        "input": {
            "type": "object",
            "properties": {
                "messages": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_TURNS,
                    "items": {
                        "type": "object",
                        "properties": {
                            "role": {"type": "string", "enum": ["user", "assistant"]},
                            "content": {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS},
                        },
                        "required": ["role", "content"],
                        "additionalProperties": False,
                    },
                },
                "tools": {"type": "array", "minItems": 1, "maxItems": MOST_TOOLS, "items": {"type": "object"}},
            },
            "required": ["messages"],
            "additionalProperties": False,
        },
        "output": {
            "type": "object",
            "properties": {
                "reply": {"type": "string", "maxLength": MAX_CHARACTERS},  # empty where tools are called
                "reasoning": {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS},
                "tool_calls": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"name": _TEXT, "arguments": {"type": "object"}},
                        "required": ["name", "arguments"],
                        "additionalProperties": False,
                    },
                },
            },
            "required": ["reply"],
            "additionalProperties": False,
        },
    },
    "required": ["input", "output"],
    "additionalProperties": False,
}


class ChatSpec(TaskSpec):
    """See the module. language: ISO 639-1, see `stop_words.LANGUAGES`."""

    name = "chat"
    metric = "chrF"
    answer_schema = _ANSWER
    example_schema = _EXAMPLE
    max_tokens = 900

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self.prompt_version = f"chat-{language}-1"

    def draw(self, rng: random.Random) -> Json:
        """Who talks about what, in which mood, what they want, how often they speak, and how long the reply is."""
        return {
            "persona": rng.choice(_PERSONAS),
            "mood": rng.choice(_MOODS),
            "kind": rng.choice(_KINDS),
            "topic": rng.choice(_TOPICS),
            "turns": rng.choice(_TURNS),
            "length": rng.choice(tuple(_LENGTHS)),
        }

    def prompt(self, drawn: Json) -> Prompt:
        """One sentence about the person, one about the form."""
        return Prompt(_SYSTEM, self._told(drawn))

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """The conversation with its reply, if turns, lengths, language and wording are as they should be."""
        answer = answers[0]
        texts = _texts(answer, int(str(drawn["turns"])))
        told = f"{_SYSTEM} {self._told(drawn)}"
        for text in texts:
            check_echo(text, told, "conversation")
            check_piece(text, told, "conversation")
        check_length(texts[-1], *_LENGTHS[str(drawn["length"])], "reply")
        example = _example(texts)
        self.check(example)
        return example

    def check(self, example: Example) -> None:
        """Roles in turn, no refusal, leak, loop or cut, and the language; raises `Rejected`."""
        _check_calls(example)
        _check_reasoning(example)
        texts = [text for text in _read(example) if text]
        if sum(map(len, texts)) > MAX_CHARACTERS:
            raise Rejected("too long", f"The conversation must have at most {MAX_CHARACTERS} characters.")
        for number, text in enumerate(texts):
            what = "reply" if number == len(texts) - 1 else "message" if number % 2 == 0 else "earlier reply"
            if not words(text) and number % 2:
                raise Rejected("empty", f"The {what} says nothing.")
            check_wording(text, what, self._language)
        check_language(" ".join(texts), "conversation", self._language)
        check_loops(" ".join(texts[1::2]), "replies")
        if len(texts) % 2 == 0:  # there is a reply, not calls alone
            _check_ending(texts[-1], self._language)
            _check_progress(texts)

    def key(self, example: Example) -> str:
        """All that was said before the reply."""
        return "\n".join(" ".join(words(text)) or text for text in _read(example)[:-1])

    def score(self, wanted: Json, got: Json) -> float:
        """chrF of the replies; 1 or 0 where tools are to be called, or are, for the same calls, and where the reply
        was worked out in steps, for the same number.
        """
        calls, made = wanted.get("tool_calls") or [], got.get("tool_calls") or []
        if calls or made:
            return float(calls == made)
        reply = got.get("reply")
        if wanted.get("reasoning") and isinstance(reply, str):
            return _same_result(str(wanted["reply"]), reply)
        return chrf(str(wanted["reply"]), reply) if isinstance(reply, str) else 0.0

    def judge(self, example: Example) -> Prompt | None:
        """Whether the reply is true and answers what was asked."""
        texts = _read(example)
        said = [f"{'Assistant' if number % 2 else 'Person'}: {text}" for number, text in enumerate(texts[:-1])]
        return Prompt(_JUDGE, "\n".join([*said, "", f"The reply: {texts[-1]}"]))

    def built_in(self, rng: random.Random) -> Example:
        """Facts, sums, units, words or small talk; raises `DataError` where the language isn't English."""
        if self._language != "en":
            raise DataError("The built-in chat speaks English alone; for another language name a teacher.")
        made = talk(rng)
        example = _example(made.texts)
        return Grouped(example.input, example.output, group=made.group, meta={TEMPLATE: made.group})

    def stand_in(self, seed: int, number: int) -> Example:
        """See `TaskSpec`: built-in talk, whatever the language."""
        return _example(talk(random.Random(f"{seed}/{self.name}/stand-in/{number}")).texts)

    def group(self, example: Example) -> str | None:
        """The template of a built-in conversation."""
        return example.group if isinstance(example, Grouped) else None

    def difficulty(self, example: Example) -> float:
        """Grows with turns, and with the length of what is said and answered."""
        texts = _read(example)
        return min(1.0, 0.1 * (len(texts) // 2 - 1) + sum(map(len, texts)) / 2_000)

    def _told(self, drawn: Json) -> str:
        turns = int(str(drawn["turns"]))
        language = "" if self._language == "en" else f" All of it is in {LANGUAGES[self._language]}."
        earlier = "earlier is empty" if turns == 1 else f"earlier has {turns - 1} turn{'s' if turns > 2 else ''}"
        return (
            f"{drawn['persona']} who is {drawn['mood']} {drawn['kind']}; it is about {drawn['topic']}. "
            f"{earlier.capitalize()}; the reply has {drawn['length']}.{language}"
        )


def _texts(answer: Json, turns: int) -> list[str]:
    """What was said, in turn, with the reply last; raises `Rejected` where turns are missing."""
    earlier = answer.get("earlier")
    if not isinstance(earlier, list) or len(earlier) != turns - 1:
        raise Rejected("wrong number of turns", f"earlier must have {turns - 1} turns before the last message.")
    texts: list[str] = []
    for turn in earlier:
        if not isinstance(turn, dict):
            raise Rejected("turn structure", "Each turn of earlier must have person and assistant.")
        texts += [text_of(turn.get("person"), "message"), text_of(turn.get("assistant"), "earlier reply")]
    return [*texts, text_of(answer.get("message"), "message"), text_of(answer.get("reply"), "reply")]


def _example(texts: Sequence[str]) -> Example:
    messages = [
        {"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(texts[:-1])
    ]
    return Example({"messages": messages}, {"reply": texts[-1]})


def _read(example: Example) -> list[str]:
    """What was said, in turn; raises `Rejected` where it isn't a conversation that waits for a reply."""
    messages = example.input.get("messages")
    known = example.input.keys() <= {"messages", "tools"} and {"reply"} <= example.output.keys() <= _OUTPUT
    if not known or not isinstance(messages, list):
        raise Rejected(
            "wrong format",
            "A row holds messages (and tools) as input, a reply (and tool_calls, reasoning) as output, no more.",
        )
    if not 1 <= len(messages) <= MAX_TURNS or len(messages) % 2 == 0:
        raise Rejected("turn structure", f"A conversation has 1 to {MAX_TURNS} messages and ends with the user's.")
    texts = []
    for number, message in enumerate(messages):
        role = "assistant" if number % 2 else "user"
        if not isinstance(message, dict) or message.keys() != {"role", "content"} or message["role"] != role:
            raise Rejected("turn structure", f"Message {number + 1} must have the role {role}, and content.")
        texts.append(text_of(message["content"], "message"))
    if example.output.get("tool_calls") and example.output["reply"] == "":
        return [*texts, ""]
    return [*texts, text_of(example.output["reply"], "reply")]


def _check_calls(example: Example) -> None:
    """Tools can be used, and every call is valid by its tool's schema; raises `Rejected`."""
    tools, calls = example.input.get("tools"), example.output.get("tool_calls", [])
    if tools is None:
        if calls:
            raise Rejected("unknown tool", "A row without tools has no tool_calls.")
        return
    try:
        known = Tools(read_tools(tools))
    except (BadRequest, DataError) as cause:
        raise Rejected("wrong tools", str(cause)) from None
    if not isinstance(calls, list) or not all(
        isinstance(call, dict) and isinstance(call.get("arguments"), dict) for call in calls
    ):
        raise Rejected("wrong format", 'tool_calls must be a list of {"name", "arguments"}.')
    for call in calls:
        known.check(Call(str(call.get("name")), call["arguments"]))


def _check_reasoning(example: Example) -> None:
    """What is thought before the reply has no marks of its own, and no line of it that computes is wrong."""
    if "reasoning" not in example.output:
        return
    thought = text_of(example.output["reasoning"], "reasoning")
    if len(thought) > MAX_CHARACTERS:
        raise Rejected("too long", f"The reasoning must have at most {MAX_CHARACTERS} characters.")
    if mark := next((mark for mark in MARKS if mark in thought), None):
        raise Rejected("template leak", f"The reasoning holds {mark}; write the thoughts alone.")
    if wrong := wrong_steps(thought):
        raise Rejected("wrong sum", f"The line {wrong[0][:60]!r} of the reasoning is wrong.")


def _same_result(wanted: str, got: str) -> float:
    """Whether both replies end in the same number; without one, chrF."""
    results = [_NUMBER.findall(text.replace(",", "")) for text in (wanted, got)]
    return float(results[0][-1:] == results[1][-1:]) if results[0] else chrf(wanted, got)


def _check_ending(reply: str, language: str) -> None:
    """A long reply on one line ends with a mark, where the script has one that everybody uses."""
    if language in SCRIPTS and language not in ("ru", "uk", "el"):
        return
    last = reply.rstrip().splitlines()[-1]
    if len(words(last)) >= _SENTENCE and not last.endswith(_ENDS) and last[-1:].isalnum():
        raise Rejected("truncated", f"The reply ends without a mark ({last[-30:]!r}); finish the sentence.")


def _check_progress(texts: Sequence[str]) -> None:
    """Nobody says the same twice, and a reply isn't the message again."""
    replies, messages = texts[1::2], texts[0::2]
    for said in (replies, messages):
        for i, text in enumerate(said):
            if any(len(words(text)) > 3 and chrf(other, text) > _ALIKE for other in said[:i]):
                raise Rejected("repetition", f"{text[:40]!r} is said twice; let the conversation go on.")
    if len(words(texts[-1])) > 3 and chrf(messages[-1], texts[-1]) > _ALIKE:
        raise Rejected("echo", "The reply repeats the message; answer it.")


def spec(options: Json) -> ChatSpec:
    """The chat's spec; option `language`: a code such as "de" (default: "en"); or `tools`: a list of their schemas;
    or `steps`: whether replies are worked out line by line first, see `chat_steps`.

    Raises `DataError`.
    """
    if extra := sorted(options.keys() - {"language", "tools", "steps"}):
        raise DataError(f"The task chat has no option '{extra[0][:40]}'; it knows language, tools and steps.")
    if not isinstance(options.get("steps", False), bool):
        raise DataError("The option steps of chat is true or false.")
    if options.get("steps"):
        from trainer_host.tasks.chat_steps import StepsChat

        if options.keys() != {"steps"}:
            raise DataError("A chat with steps has no option language or tools yet; leave them out.")
        return StepsChat()
    if "tools" in options:
        from trainer_host.tasks.chat_tools import ToolChat

        tools = options["tools"]
        if "language" in options:
            raise DataError("A chat with tools has no option language yet: its plain sentences are English.")
        if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools) or len(tools) > MOST_TOOLS:
            raise DataError(f"The option tools of chat is a list of 1 to {MOST_TOOLS} tools, each with a JSON Schema.")
        return ToolChat(tools)
    language = options.get("language", "en")
    if not isinstance(language, str) or language not in LANGUAGES:
        raise DataError(f"The chat's language must be one of {', '.join(LANGUAGES)}.")
    return ChatSpec(language)
