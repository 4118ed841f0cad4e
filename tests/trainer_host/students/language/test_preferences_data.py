from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_host.errors import AskFailed, DataError, TeacherStopped
from trainer_host.students.language.preferences_data import (
    Rule,
    constitutional,
    debate,
    read_preferences,
    write_preferences,
)
from trainer_host.teacher.protocol import Reply, Request, Usage

RULES = (
    Rule("shouting", "Don't shout.", lambda text: text != text.upper()),
    Rule("rudeness", "Be polite."),
)


class Scripted:
    """A teacher that answers by a function."""

    name, model = "scripted", "script-1"

    def __init__(self, answer: Callable[[Request], str]) -> None:
        self._answer = answer
        self.asked: list[Request] = []

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        return Reply(self._answer(request), "stop", Usage(), self.model)

    async def close(self) -> None:
        """Nothing to give back."""


def rule_breaker(request: Request) -> str:
    """Shouts at `loud`, is rude at `rude`; its critiques are right, its revisions too, but for `stubborn`."""
    text = request.messages[-1].text
    if request.schema is not None:
        return json.dumps(
            {"why": "As it is.", "broken": ["rudeness"] if "you fool" in text.split("Answer: ")[1] else []}
        )
    if len(request.messages) == 3:
        return "still, you fool" if request.messages[0].text == "stubborn" else "A quiet word."
    return {"loud": "HELLO", "rude": "Go, you fool", "stubborn": "No, you fool"}.get(text, "A kind word.")


async def test_a_broken_rule_is_named_and_the_revision_breaks_none() -> None:
    found = await constitutional(Scripted(rule_breaker), ["loud", "rude", "kind", "stubborn"], RULES)
    assert [(row.messages[0].text, row.rejected, row.chosen) for row in found.made] == [
        ("loud", "HELLO", "A quiet word."),
        ("rude", "Go, you fool", "A quiet word."),
    ]
    assert [row.source["broken"] for row in found.made] == [["shouting"], ["rudeness"]]
    assert found.dropped == {"breaks no rule": 1, "revision breaks a rule": 1}


async def test_the_students_own_answers_can_be_criticised() -> None:
    async def student(question: str) -> str:
        return question.upper()

    (row,) = (await constitutional(Scripted(rule_breaker), ["hi there"], RULES, answer=student)).made
    assert row.rejected == "HI THERE"


def debater(judge: Callable[[str], str]) -> Callable[[Request], str]:
    def answer(request: Request) -> str:
        text = request.messages[-1].text
        if request.schema is not None:
            return json.dumps({"reason": "So it is.", "winner": judge(text)})
        if request.system:
            return "The other is wrong."
        return "same" if text == "equal" else f"{text} {'right' if request.sample else 'wrong'}"

    return answer


async def test_the_judges_choice_in_both_orders_is_the_preference() -> None:
    teacher = Scripted(debater(lambda text: "first" if "First answer: q right" in text else "second"))
    found = await debate(teacher, ["q", "equal"])
    assert [(row.chosen, row.rejected) for row in found.made] == [("q right", "q wrong")]
    assert found.dropped == {"same answers": 1}
    judged = [request.messages[-1].text for request in teacher.asked if request.schema is not None]
    assert ["For the first answer" in text.split("\n\n")[3].split("\n")[0] for text in judged] == [True, False]


async def test_a_judge_that_follows_the_order_teaches_nothing() -> None:
    found = await debate(Scripted(debater(lambda text: "first")), ["q"])
    assert found.made == () and found.dropped == {"judge follows the order": 1}


async def test_failed_questions_are_counted_and_a_stopped_teacher_keeps_what_is_made() -> None:
    def answer(request: Request) -> str:
        if request.messages[0].text == "fails":
            raise AskFailed("No.", "provider error")
        if request.messages[0].text == "stops":
            raise TeacherStopped("The budget is reached.")
        return rule_breaker(request)

    found = await constitutional(Scripted(answer), ["fails", *["loud"] * 20, "stops"], RULES)
    assert found.dropped["provider error"] == 1
    assert len(found.made) == 20 and isinstance(found.stopped, TeacherStopped)


async def test_rows_are_trls_form_and_come_back(tmp_path: Path) -> None:
    made = (await constitutional(Scripted(rule_breaker), ["loud"], RULES)).made
    write_preferences(tmp_path / "p.jsonl", made)
    row = json.loads((tmp_path / "p.jsonl").read_text())
    assert row["prompt"] == [{"role": "user", "content": "loud"}]
    assert row["chosen"] == [{"role": "assistant", "content": "A quiet word."}]
    assert tuple(read_preferences(tmp_path / "p.jsonl")) == made
    (tmp_path / "p.jsonl").write_text('{"prompt": []}\n')
    with pytest.raises(DataError, match="Line 1"):
        list(read_preferences(tmp_path / "p.jsonl"))


async def test_a_constitution_without_rules_is_refused() -> None:
    with pytest.raises(DataError, match="needs rules"):
        await constitutional(Scripted(rule_breaker), ["loud"], [])
