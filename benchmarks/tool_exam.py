"""Sentences of people's own about the ten tools of a `ToolSet`: what an answer called, by kind of sentence.

A case of `tests/exams/tools_*/cases.jsonl` is {"kind", "text", "about", "call"}: about is the tool that is spoken of, call
what is wanted, or null for what must not act. With it four other tools are offered, which ones its text decides.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tool_sets import ToolSet
from trainer_host.tasks import Json

OFFERED = 5
REQUEST = "request"


@dataclass(frozen=True)
class Case:
    """A sentence, and the call that it wants, or None. kind: "request", or why it must not act."""

    kind: str
    text: str
    about: str
    call: Json | None


def read_cases(path: Path) -> list[Case]:
    """Those of a file."""
    return [Case(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def request_of(case: Case, tools: ToolSet) -> Json:
    """What the device is asked."""
    schemas = {str(one["function"]["name"]): one for one in (*tools.seen, *tools.unseen)}  # type: ignore[index]
    rng = random.Random(case.text)
    names = [case.about, *rng.sample(sorted(schemas.keys() - {case.about}), OFFERED - 1)]
    offered = [schemas[name] for name in rng.sample(names, len(names))]
    return {"messages": [{"role": "user", "content": case.text}], "tools": offered}


def examine(
    cases: Sequence[Case], tools: ToolSet, run: Callable[[Json], Json], tell: Callable[[Case, Json], None] | None = None
) -> dict[str, float]:
    """The figures of a specialist. tell: gets every wrong answer."""
    counts: Counter[str] = Counter()
    for case in cases:
        answer = run(request_of(case, tools))
        calls = answer.get("tool_calls") or []
        assert isinstance(calls, list)
        right = calls == ([] if case.call is None else [case.call])
        counts[case.kind] += 1
        counts["right"] += right and case.call is not None
        if case.call is not None:
            counts["named"] += bool(calls) and calls[0]["name"] == case.call["name"]
            counts["asked back"] += asked_back(answer)
            counts["sure wrong"] += not right and not answer["unsure"]
        else:
            counts["asked about"] += asked_back(answer)
            counts[f"acted: {case.kind}"] += bool(calls)
            counts["acted"] += bool(calls)
        if not right and tell is not None:
            tell(case, answer)
    requests, others = counts[REQUEST], len(cases) - counts[REQUEST]
    kinds = sorted({case.kind for case in cases} - {REQUEST})
    return {
        "requests": requests,
        "exact": counts["right"] / requests,
        "name right": counts["named"] / requests,
        "asked back": counts["asked back"] / requests,
        "wrong and sure": counts["sure wrong"] / requests,
        "must not act": others,
        "acted on": counts["acted"] / others,
        "asked about": counts["asked about"] / others,
        **{f"acted on, {kind}": counts[f"acted: {kind}"] / counts[kind] for kind in kinds},
    }


def asked_back(answer: Json) -> bool:
    """Whether a device asks if a call is wanted, instead of making it."""
    return "chance" in answer and not answer["tool_calls"]
