"""Preferences for DPO out of a teacher: critique and revise by written rules (arXiv 2212.08073), and debate of two answers
(arXiv 1805.00899). One object per line, in the conversational form that TRL reads too."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.errors import AskFailed, DataError, TeacherStopped
from trainer_host.teacher.parse import AnswerRefused, read_answer
from trainer_host.teacher.protocol import Json, Message, Request, Teacher
from trainer_host.workspace import write_atomic

WINDOW = 16  # questions in work at a time; the teacher's limiter decides how many requests are open
_VERDICT: Json = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 600},
        "winner": {"type": "string", "enum": ["first", "second"]},
    },
    "required": ["reason", "winner"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Rule:
    """A rule of a constitution. name: a word that critiques use. text: the rule. passes: decides it, where code can."""

    name: str
    text: str
    passes: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Preference:
    """A question (the last message of a conversation), a better and a worse answer, and how they came about."""

    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    source: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """As TRL's preference datasets have it."""
        prompt = [{"role": message.role, "content": message.text} for message in self.messages]
        answers = {
            name: [{"role": "assistant", "content": text}]
            for name, text in (("chosen", self.chosen), ("rejected", self.rejected))
        }
        return {"prompt": prompt, **answers, "source": self.source}


@dataclass(frozen=True)
class Preferences:
    """What came of the questions. dropped: why others gave none, counted. stopped: why the teacher gave up early."""

    made: tuple[Preference, ...]
    dropped: Counter[str]
    stopped: TeacherStopped | None = None


class _Dropped(Exception):
    """A question gives no preference; the text is the reason that is counted."""


async def constitutional(
    teacher: Teacher,
    questions: Sequence[str],
    rules: Sequence[Rule],
    *,
    answer: Callable[[str], Awaitable[str]] | None = None,
) -> Preferences:
    """An answer that breaks a rule, and its revision that breaks none, for each question where there are such.

    answer: whose answers are criticised, as the student's own; by default the teacher's. A rule with `passes` is decided
    by it, before and after; the others by the teacher's critique, which must name none after the revision.
    """
    if not rules or len({rule.name for rule in rules}) < len(rules):
        raise DataError("A constitution needs rules, each with a name of its own.")

    async def one(question: str) -> Preference:
        asked = (Message("user", question),)
        first = await answer(question) if answer is not None else await _text(teacher, Request(asked))
        broken, why = await _critique(teacher, question, first, rules)
        if not broken:
            raise _Dropped("breaks no rule")
        told = "\n".join(f"- {rule.name}: {rule.text}" for rule in rules if rule.name in broken)
        wish = f"Your answer breaks these rules:\n{told}\n{why}\nWrite the answer again so that it breaks none. Only the answer."
        revised = await _text(teacher, Request((*asked, Message("assistant", first), Message("user", wish))))
        if revised == first:
            raise _Dropped("not revised")
        left, _ = await _critique(teacher, question, revised, rules)
        if left:
            raise _Dropped("revision breaks a rule")
        source: Json = {"by": "critique and revision", "broken": sorted(broken), "why": why, "model": teacher.model}
        return Preference(asked, revised, first, source)

    return await _all(questions, one)


async def debate(teacher: Teacher, questions: Sequence[str], *, rounds: int = 1) -> Preferences:
    """Two answers of the teacher to each question argue `rounds` times; a judge, asked in both orders, prefers one.

    A pair is kept only where the judge prefers the same answer in both orders: what it prefers for its place teaches
    nothing.
    """

    async def one(question: str) -> Preference:
        asked = (Message("user", question),)
        first, second = [await _text(teacher, Request(asked, sample=number)) for number in (0, 1)]
        if first == second:
            raise _Dropped("same answers")
        said: list[str] = []
        for number in range(rounds):
            for mine, other in ((first, second), (second, first)):
                case = f"Question: {question}\n\nYour answer: {mine}\n\nThe other answer: {other}\n\n"
                before = "".join(f"Said before: {text}\n" for text in said)
                system = "You defend your answer against another one. In two sentences, name the most serious flaw of the other."
                said.append(await _text(teacher, Request((Message("user", case + before),), system, sample=number)))
        winners = []
        for turned in (False, True):
            a, b = (second, first) if turned else (first, second)
            names = ("second", "first") if turned else ("first", "second")
            argued = "".join(f"For the {names[place % 2]} answer: {text}\n" for place, text in enumerate(said))
            case = f"Question: {question}\n\nFirst answer: {a}\n\nSecond answer: {b}\n\n{argued}"
            system = "You judge which of two answers is more correct and helpful. Arguments may mislead: check them."
            found = await _object(teacher, Request((Message("user", case),), system, _VERDICT, temperature=0.0))
            winners.append(a if found["winner"] == "first" else b)
        if winners[0] != winners[1]:
            raise _Dropped("judge follows the order")
        loser = second if winners[0] == first else first
        return Preference(asked, winners[0], loser, {"by": "debate", "rounds": rounds, "model": teacher.model})

    return await _all(questions, one)


def write_preferences(path: Path, rows: Sequence[Preference]) -> None:
    """One JSON object per line."""
    write_atomic(path, b"".join(json.dumps(row.to_json(), ensure_ascii=False).encode() + b"\n" for row in rows))


def read_preferences(path: Path) -> Iterator[Preference]:
    """What `write_preferences` wrote; raises `DataError` with the line's number."""
    with path.open("rb") as source:
        for number, line in enumerate(source, 1):
            try:
                raw = strict_json.loads_object(line, f"Line {number} of {path.name}")
                messages = tuple(Message(item["role"], str(item["content"])) for item in raw["prompt"])  # type: ignore[attr-defined]
                chosen, rejected = (raw[name][0]["content"] for name in ("chosen", "rejected"))  # type: ignore[index]
                made = raw.get("source", {})
                yield Preference(messages, str(chosen), str(rejected), made if isinstance(made, dict) else {})
            except (BadRequest, KeyError, IndexError, TypeError):
                raise DataError(
                    f"Line {number} of {path.name} isn't a preference with prompt, chosen and rejected."
                ) from None


@dataclass(frozen=True)
class Opinion:
    """A question (the last message of a conversation), an answer, and whether somebody found it good."""

    messages: tuple[Message, ...]
    answer: str
    good: bool
    source: Json = field(default_factory=dict)


def read_opinions(path: Path) -> Iterator[Opinion]:
    """Opinions as TRL's unpaired datasets have them: prompt, completion, label; raises `DataError` with the line's number."""
    with path.open("rb") as source:
        for number, line in enumerate(source, 1):
            try:
                raw = strict_json.loads_object(line, f"Line {number} of {path.name}")
                messages = tuple(Message(item["role"], str(item["content"])) for item in raw["prompt"])  # type: ignore[attr-defined]
                answer, label, made = raw["completion"][0]["content"], raw["label"], raw.get("source", {})  # type: ignore[index]
                if not isinstance(label, bool):
                    raise TypeError
                yield Opinion(messages, str(answer), label, made if isinstance(made, dict) else {})
            except (BadRequest, KeyError, IndexError, TypeError):
                raise DataError(
                    f"Line {number} of {path.name} isn't an opinion with prompt, completion and label."
                ) from None


async def _all(questions: Sequence[str], one: Callable[[str], Awaitable[Preference]]) -> Preferences:
    """The preferences in the questions' order; ends early where the teacher does, with what was made until then."""
    made: list[Preference] = []
    dropped: Counter[str] = Counter()
    for start in range(0, len(questions), WINDOW):
        found = await asyncio.gather(*(one(q) for q in questions[start : start + WINDOW]), return_exceptions=True)
        stopped: TeacherStopped | None = None
        for result in found:
            if isinstance(result, Preference):
                made.append(result)
            elif isinstance(result, _Dropped):
                dropped[str(result)] += 1
            elif isinstance(result, AskFailed | AnswerRefused):
                dropped[result.reason] += 1
            elif isinstance(result, TeacherStopped):
                stopped = stopped or result
            else:
                raise result
        if stopped is not None:
            return Preferences(tuple(made), dropped, stopped)
    return Preferences(tuple(made), dropped)


async def _critique(teacher: Teacher, question: str, answer: str, rules: Sequence[Rule]) -> tuple[set[str], str]:
    """The names of the rules that an answer breaks, and the critique in words."""
    broken = {rule.name for rule in rules if rule.passes is not None and not rule.passes(answer)}
    schema: Json = {
        "type": "object",
        "properties": {
            "why": {"type": "string", "maxLength": 600},
            "broken": {"type": "array", "items": {"type": "string", "enum": [rule.name for rule in rules]}},
        },
        "required": ["why", "broken"],
        "additionalProperties": False,
    }
    told = "\n".join(f"- {rule.name}: {rule.text}" for rule in rules)
    system = (
        f"You examine answers by these rules:\n{told}\nName the rules that the answer breaks, none if it breaks none."
    )
    case = f"Question: {question}\n\nAnswer: {answer}"
    found = await _object(teacher, Request((Message("user", case),), system, schema, temperature=0.0))
    named = found["broken"]
    by_words = {rule.name for rule in rules if rule.passes is None}
    return broken | (set(map(str, named)) & by_words if isinstance(named, list) else set()), str(found["why"])


async def _text(teacher: Teacher, request: Request) -> str:
    reply = await teacher.ask(request)
    if reply.finish != "stop" or not reply.text.strip():
        raise _Dropped("refused" if reply.finish == "refusal" else "answer not finished")
    return reply.text.strip()


async def _object(teacher: Teacher, request: Request) -> Json:
    reply = await teacher.ask(request)
    return read_answer(reply.text, request.schema)
