"""A provider on loopback that knows the lesson: it speaks the OpenAI wire, wants a key, and now and then misbehaves.

It draws what the lesson draws, and answers with the task's own grammar, in other words than the prompt shows. So a
whole lesson runs over a real socket without a network, a key or a model; its answers are no better than the grammar.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from edge_runtime.avatar.vocabulary import HEADS
from trainer_host.errors import TrainerError
from trainer_host.tasks import Json, Rejected, TaskSpec, task_spec
from trainer_host.tasks.avatar_grammar import FACES, LOOKS, MOVES, SPEEDS, STRENGTHS
from trainer_host.teacher.examples import draw
from trainer_host.teacher.lesson import Lesson

MODEL = "practice-1"
TRIES = 400
START_SECONDS = 20.0
EVERY_NTH_FAILS = 17  # one request in so many is told to come back, one is answered with half of its JSON


@dataclass
class Practice:
    """What the provider saw. keys: those that came, each with its count; only `key` is taken."""

    key: str
    answers: dict[str, Json]  # by the prompt's text
    keys: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    unknown: int = 0
    throttled: int = 0


def answers_for(lesson: Lesson) -> dict[str, Json]:
    """An answer for every draw that a lesson can make, by the prompt's text; draws that none is found for lack."""
    found: dict[str, Json] = {}
    for task in lesson.tasks:
        spec = task_spec(task, lesson.options.get(task, {}))
        for number in range(min(lesson.draws, 2 * lesson.examples)):
            drawn, prompt = draw(task, lesson.options.get(task, {}), lesson.seed, number)
            answer = answer_to(spec, drawn, random.Random(f"practice {task} {number}"))
            if answer is not None:
                found[prompt.user] = answer
    return found


def answer_to(spec: TaskSpec, drawn: Json, rng: random.Random) -> Json | None:
    """An answer that passes the task's verifier; None where none is found."""
    for _ in range(TRIES):
        answer = _propose(spec, drawn, rng)
        try:
            spec.verify(drawn, [answer] * spec.samples)
        except Rejected:
            continue
        return answer
    return None


def _propose(spec: TaskSpec, drawn: Json, rng: random.Random) -> Json:
    if spec.name == "router":
        while True:
            example = spec.built_in(rng)
            if example.output["label"] == drawn["label"]:
                return {"text": example.input["text"]}
    if spec.name == "robot":
        said = str(drawn["sentence"])
        before = rng.choice(
            ("please ", "could you ", "can you please ", "hey, ", "okay, ", "I need you to ", "would you ")
        )
        after = rng.choice(("", "", " for me", " please", " now", ", thanks", " right away"))
        return {"text": f"{before}{said.rstrip('.!?')}{after}"}
    if spec.name == "avatar":
        parts = [rng.choice(FACES[str(drawn["emotion"])])]
        parts[0] += f" {rng.choice(STRENGTHS[str(drawn['intensity'])])}" if drawn["intensity"] in STRENGTHS else ""
        if drawn["gesture"] in MOVES:
            speed = f" {rng.choice(SPEEDS[str(drawn['timing'])])}" if drawn["timing"] in SPEEDS else ""
            parts.append(rng.choice(MOVES[str(drawn["gesture"])]) + speed)
        parts.append(rng.choice(LOOKS[str(drawn["gaze"])]))
        rng.shuffle(parts)
        opening = rng.choice(("please ", "now ", "for the photo, ", "when I count to three, ", "in this scene, ", ""))
        return {"text": f"{opening}{', '.join(parts[:-1])} and {parts[-1]}", **{head: drawn[head] for head in HEADS}}
    raise TrainerError(
        f"The practice provider can't answer for the task {spec.name}; it knows router, robot and avatar."
    )


@contextmanager
def practising(lesson: Lesson, key: str) -> Iterator[tuple[str, Practice]]:
    """The provider's base URL and what it sees, for as long as the block runs."""
    practice = Practice(key, answers_for(lesson))
    ready: list[str] = []
    started, loop = threading.Event(), asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(_listening(practice, ready))
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, name="practice provider", daemon=True)
    thread.start()
    try:
        if not started.wait(START_SECONDS):
            raise TrainerError("The practice provider doesn't start; is there a loopback interface?")
        yield ready[0], practice
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_SECONDS)


async def _listening(practice: Practice, ready: list[str]):  # type: ignore[no-untyped-def]
    from aiohttp import web

    async def completions(request: web.Request) -> web.Response:
        practice.asked += 1
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        practice.keys[given] += 1
        if given != practice.key:
            return web.json_response({"error": {"message": "Incorrect API key provided"}}, status=401)
        turn = practice.asked % EVERY_NTH_FAILS
        if turn == 3:
            practice.throttled += 1
            error = {"error": {"message": "Rate limit reached", "type": "requests"}}
            return web.json_response(error, status=429, headers={"Retry-After": "0"})
        body = await request.json()
        asked = next(m["content"] for m in body["messages"] if m["role"] == "user")
        text = asked if isinstance(asked, str) else " ".join(part.get("text", "") for part in asked)
        answer = practice.answers.get(text)
        if answer is None:
            practice.unknown += 1
        said = json.dumps(answer if answer is not None else {"text": "I have no idea"}, ensure_ascii=False)
        if turn == 7 and len(body["messages"]) < 4:
            said = said[: len(said) // 2]
        usage = {"prompt_tokens": len(text) // 4 + 40, "completion_tokens": len(said) // 4 + 4}
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        return web.json_response({"id": "practice", "model": MODEL, "choices": [choice], "usage": usage})

    app = web.Application(client_max_size=4 * 2**20)
    app.router.add_post("/v1/chat/completions", completions)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    ready.append(f"http://{host}:{port}/v1")
    return runner
