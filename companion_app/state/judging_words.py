"""How runs compare, and what people preferred, in words."""

from __future__ import annotations

from companion_app.i18n import ntr, tr
from companion_app.i18n.figures import number
from companion_app.state.describe import human_bytes
from companion_app.state.training import Exam, Examined, Tuning


def exam_facts(model: Examined) -> tuple[tuple[str, str], ...]:
    """What the exam found of one run, as (name, value)."""
    share = f"{number(model.accuracy * 100, '.1f')} ± {number(model.margin * 100, '.1f')} %"
    facts = [(tr("Accuracy"), share), (tr("Size"), human_bytes(model.bytes))]
    if model.p50_ms > 0:
        facts.append((tr("An answer takes"), tr("{ms} ms", ms=number(model.p50_ms, ".3g"))))
    if model.tokens is not None:
        facts.append((tr("Tokens per second"), number(model.tokens, ",.0f")))
    facts.append((tr("Runs in"), model.runtime))
    return tuple((name, value) for name, value in facts if value)


def exam_progress(exam: Exam) -> str:
    """How far it is; empty where the host doesn't tell."""
    if not exam.busy or not exam.answering:
        return ""
    return tr("{run} answers; {share} % is done.", run=exam.answering, share=number(exam.progress * 100, ".0f"))


def exam_line(exam: Exam) -> str:
    """Whether they differ at all; empty before they were examined."""
    if not exam.models:
        return ""
    rows = ntr("{number:,} held-out row", "{number:,} held-out rows", exam.models[0].rows)
    others = [model.run for model in exam.models if model.run != exam.best]
    if exam.worse:
        return tr(
            "{best} is better than {others} ({rows}, 95 %).", best=exam.best, others=", ".join(exam.worse), rows=rows
        )
    return tr(
        "No difference beyond chance between {best} and {others} ({rows}, 95 %).",
        best=exam.best, others=", ".join(others), rows=rows,
    )  # fmt: skip


def preferences_line(tuning: Tuning) -> str:
    """How many preferences of people the host has."""
    votes = [
        ntr("{number:,} vote of the task {task}", "{number:,} votes of the task {task}", count, task=task)
        for task, count in tuning.preferences
    ]
    judged = [
        ntr(
            "{number:,} judged answer of the task {task}",
            "{number:,} judged answers of the task {task}",
            count,
            task=task,
        )
        for task, count in tuning.opinions
    ]
    return "  ·  ".join([*votes, *judged]) or tr(
        "Nobody has judged an answer yet: put thumbs on answers in the chat, or compare two runs above."
    )
