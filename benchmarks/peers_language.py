"""A small language model that was taught nothing of ours, beside the students that write: SmolLM2 in llama.cpp."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.peers_known import Peer
from edge_runtime.errors import EdgeError
from trainer_host.errors import TrainerError
from trainer_host.evaluation.answers import Answered
from trainer_host.release.own_gguf import asked
from trainer_host.tasks import task_spec
from trainer_host.teacher.local.models import weights_for
from trainer_host.workspace import Workspace

Json = dict[str, object]
NAME = "SmolLM2 135M (Q4_1, llama.cpp)"
ROWS = 60  # it needs a second or so for each
MOST_TOKENS = 160
_FENCED = re.compile(r"```(?:python)?\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:/\d+)?(?: ?%)?")


def small_model(workspace: Workspace, answers: Sequence[Answered]) -> Peer:
    """Its answers to the first `ROWS` of these held-out rows of chat, code or math, asked in words, without examples."""
    said, read = WRITES[answers[0].task]
    times, scores = [], []
    try:
        weights = weights_for(workspace)
        with asked(weights.path) as model:
            for answer in answers[:ROWS]:
                request: Json = {"messages": said(answer.asked), "max_tokens": MOST_TOKENS, "temperature": 0}
                began = time.process_time()
                reply = str(model.run(request)["reply"])
                times.append((time.process_time() - began) * 1000)
                scores.append(task_spec(answer.task).score(answer.wanted, read(answer.asked, reply)))
    except (EdgeError, TrainerError) as cause:
        return Peer(f"{NAME}: {cause}")
    name = NAME if len(answers) <= ROWS else f"{NAME}, the first {ROWS} rows"
    return Peer(name, weights.path.stat().st_size, float(np.median(times)), float(np.mean(scores)))


def _chat(given: Json) -> list[Json]:
    messages = given["messages"]
    assert isinstance(messages, list)
    return messages


def _reply(given: Json, reply: str) -> Json:
    return {"reply": reply.strip()}


def _code(given: Json) -> list[Json]:
    said = f"Write this Python function, and nothing else. {given['prompt']}\n{given.get('signature') or ''}"
    return [{"role": "user", "content": said}]


def _function(given: Json, reply: str) -> Json:
    """What it put in a fence, or all of it; where it left out the first line, that."""
    fenced = _FENCED.search(reply)
    code = fenced.group(1) if fenced else reply
    signature = str(given.get("signature") or "")
    if signature and "def " not in code:
        code = "\n".join([signature, *(f"    {line.strip()}" for line in code.splitlines() if line.strip())])
    return {"code": code}


def _math(given: Json) -> list[Json]:
    return [{"role": "user", "content": f"{given['question']} Answer with the result alone."}]


def _result(given: Json, reply: str) -> Json:
    """The last number that it names."""
    found = _NUMBER.findall(reply)
    return {"answer": found[-1] if found else reply.strip()}


WRITES: dict[str, tuple[Callable[[Json], list[Json]], Callable[[Json, str], Json]]] = {
    "chat": (_chat, _reply),
    "code": (_code, _function),
    "math": (_math, _result),
}
