"""Answers of a provider that knows the lesson, for tests that go through a socket: right ones for several tasks."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.trainer_host.teacher.fake_api import Asked
from trainer_host.selftest import practice
from trainer_host.tasks import Json, Rejected, TaskSpec, task_spec
from trainer_host.teacher.examples import draw

TRIES = 60


def answers(tasks: tuple[str, ...], draws: int, seed: int = 1) -> Callable[[Asked], Json | str]:
    """For `FakeApi(answer=...)`: the right answer to each of the first draws of each task, by the prompt's text."""
    known: dict[str, Json] = {}
    for task in tasks:
        spec = task_spec(task)
        for number in range(draws):
            drawn, prompt = draw(task, {}, seed, number)
            found = right_answer(spec, drawn, random.Random(f"{task} {number}"))
            if found is not None:
                known[prompt.user] = found

    def answer(asked: Asked) -> Json | str:
        if asked.schema is not None and "level" in str(asked.schema.get("required")):
            return {"reason": "It answers what was asked, in plain words.", "level": 5}
        return known.get(asked.text, "I have no answer to that.")

    return answer


def right_answer(spec: TaskSpec, drawn: Json, rng: random.Random) -> Json | None:
    """One that passes the task's verifier, from its built-in examples; None where none of some tries does."""
    if spec.name == "code":  # right as it is drawn; whoever is answered runs it anyway, in a process of its own
        return _code(spec, rng)
    if spec.name != "chat":
        return practice.answer_to(spec, drawn, rng)
    for _ in range(TRIES):
        answer = _chat(spec, drawn, rng)
        try:
            spec.verify(drawn, [answer])
        except Rejected:
            continue
        return answer
    return None


def _code(spec: TaskSpec, rng: random.Random) -> Json:
    example = spec.built_in(rng)
    return {**example.input, **example.output}


def _chat(spec: TaskSpec, drawn: Json, rng: random.Random) -> Json:
    made = [spec.built_in(rng) for _ in range(8)]
    said = [(str(e.input["messages"][-1]["content"]), str(e.output["reply"])) for e in made]  # type: ignore[index]
    turns = int(str(drawn["turns"]))
    earlier = [{"person": person, "assistant": reply} for person, reply in said[: turns - 1]]
    person = said[turns - 1][0]
    reply = " ".join(reply for _, reply in said[turns - 1 : turns - 1 + rng.randint(1, 5)])
    return {"earlier": earlier, "message": person, "reply": reply}
