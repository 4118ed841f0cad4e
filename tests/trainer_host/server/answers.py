"""What a provider writes for the tasks router and avatar: answers that follow from the prompt, most of which pass."""

from __future__ import annotations

import random
import re

from tests.trainer_host.teacher.fake_api import Asked
from trainer_host.tasks.avatar_grammar import FACES, LOOKS, MOVES, SPEEDS, STRENGTHS
from trainer_host.tasks.phrases import fill, fillers, templates
from trainer_host.tasks.router import TASK_LABELS
from trainer_host.tasks.router_reading import PACKAGE
from trainer_host.tasks.wording import words
from trainer_host.teacher.protocol import Json

_HEADS = re.compile(r"It goes with (.+?)\.$", re.MULTILINE)
_THINGS = ("kettle", "lantern", "ladder", "violin", "parrot", "bicycle", "umbrella", "carpet", "mirror", "basket")
_PLACES = ("harbour", "attic", "garden", "station", "bakery", "forest", "museum", "valley", "bridge", "market")


def passing(asked: Asked) -> Json | str:
    """An answer that the task's verifier takes, nearly always."""
    properties = (asked.schema or {}).get("properties")
    if isinstance(properties, dict) and "level" in properties:
        return {"reason": "It fits.", "level": 5}
    messages = asked.body["messages"]
    assert isinstance(messages, list)
    prompt = next(str(message["content"]) for message in messages if message["role"] == "user")  # also of a repair
    rng = random.Random(asked.digest)
    if found := _HEADS.search(prompt):
        heads = dict(part.split(" ", 1) for part in found[1].split(", "))
        return {"text": _command(heads, rng) if "a command" in prompt else _line(rng), **heads}
    label = next(label for label, wish in TASK_LABELS.items() if f"They want to {wish}" in prompt)
    lines = templates(PACKAGE, f"{label}.txt")
    while True:
        text = fill(rng.choice(lines), fillers(PACKAGE), rng)
        if 4 <= len(words(text)) <= 18:
            return {"text": text}


def _command(heads: dict[str, str], rng: random.Random) -> str:
    face = f"{rng.choice(FACES[heads['emotion']])} {rng.choice(STRENGTHS.get(heads['intensity'], ('',)))}".strip()
    move = f"{rng.choice(MOVES.get(heads['gesture'], ('',)))} {rng.choice(SPEEDS.get(heads['timing'], ('',)))}".strip()
    look = rng.choice(LOOKS[heads["gaze"]])
    return f"when I count to {rng.randint(3, 900)}, {face}, {move} and {look}".replace(", and", " and").replace(
        ", ,", ","
    )


def _line(rng: random.Random) -> str:
    one, other = rng.sample(_THINGS, 2)
    return f"my {one} fell behind the {rng.choice(_PLACES)} with {rng.randint(2, 900)} others and your {other}"
