"""Several specialists behind one name: an ensemble, a cascade, a comparison; and candidates in the shadow of one."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from edge_runtime.errors import BadRequest, EdgeError
from edge_runtime.serving.turns import PRIORITIES, Urgency
from edge_runtime.serving.worker import Answer

if TYPE_CHECKING:
    from edge_runtime.serving.plan import Group

Json = dict[str, object]
Ask = Callable[[str, Json, Urgency], Awaitable[Answer]]


async def ask_group(name: str, group: Group, request: Json, urgency: Urgency, ask: Ask) -> Answer:
    """A group's answer, with "answered_by" in it; raises what its members raise where none of them answers."""
    if group.kind == "ensemble":
        return await _ensemble(name, group.members, request, urgency, ask)
    if group.kind == "cascade":
        return await _cascade(group.members, request, urgency, ask)
    chosen = group.members[random.random() < group.share]
    return _by(await ask(chosen, request, urgency), chosen)


async def _cascade(members: Sequence[str], request: Json, urgency: Urgency, ask: Ask) -> Answer:
    """The first one's answer where it is sure, else the second's; where that fails, the first's unsure one stands."""
    first, then = members
    try:
        answer = await ask(first, request, urgency)
    except BadRequest:
        raise
    except EdgeError:
        return _by(await ask(then, request, urgency), then)
    if answer.value.get("unsure") is not True:
        return _by(answer, first)
    try:
        better = await ask(then, request, urgency)
    except EdgeError:
        return _by(answer, first)
    return _by(Answer(better.value, answer.seconds + better.seconds), then)


async def _ensemble(name: str, members: Sequence[str], request: Json, urgency: Urgency, ask: Ask) -> Answer:
    """The mean of the members' probabilities, all asked at once; who fails is left out and named in "missing".

    It takes as long as the slowest member where as many may compute at once, and as all together where one may.
    """
    urgency = dataclasses.replace(urgency, beside=True)
    found = await asyncio.gather(*(ask(member, request, urgency) for member in members), return_exceptions=True)
    answers: dict[str, Answer] = {}
    failures: list[EdgeError] = []
    for member, one in zip(members, found, strict=True):
        if isinstance(one, Answer):
            answers[member] = one
        elif isinstance(one, EdgeError):
            failures.append(one)
        else:
            raise one
    if wrong := next((each for each in failures if isinstance(each, BadRequest)), None):
        raise wrong
    if not answers:
        raise failures[0]
    scores = [_scores(name, member, one.value) for member, one in answers.items()]
    labels = list(scores[0])
    if any(each.keys() != scores[0].keys() for each in scores):
        raise BadRequest(f"The members of '{name}' have other labels than one another; they can't be averaged.")
    mean = {label: sum(each[label] for each in scores) / len(scores) for label in labels}
    best = max(labels, key=mean.__getitem__)
    value: Json = {
        "label": best,
        "confidence": round(mean[best], 4),
        # As doubtful as most of its members.
        "unsure": 2 * sum(one.value.get("unsure") is True for one in answers.values()) > len(answers),
        "scores": {label: round(share, 4) for label, share in mean.items()},
        "answered_by": list(answers),
    }
    if missing := [member for member in members if member not in answers]:
        value["missing"] = missing
    return Answer(value, max(one.seconds for one in answers.values()))


def _scores(name: str, member: str, value: Json) -> dict[str, float]:
    """Probabilities by label: a router's, or those that a classifier lists."""
    scores = value.get("scores")
    if isinstance(scores, dict) and scores and all(isinstance(share, int | float) for share in scores.values()):
        return {str(label): float(share) for label, share in scores.items()}
    raise BadRequest(f"'{member}' in the ensemble '{name}' answers no scores of labels; only such can be averaged.")


def _by(answer: Answer, member: str) -> Answer:
    return Answer({**answer.value, "answered_by": member}, answer.seconds, answer.together)


def alike(one: Json, other: Json) -> bool:
    """Whether a candidate chose the same: the answers without their figures."""

    def chosen(value: Json) -> Json:
        return {key: each for key, each in value.items() if key not in ("confidence", "scores", "unsure", "labels")}

    return chosen(one) == chosen(other)


IN_THE_SHADOW = Urgency(PRIORITIES["low"])  # a candidate never makes a client wait
