"""From end to end with a model of our own as the teacher: a device's OpenAI API, a dataset, a student's training."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import cast

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model file is made by the trainer's export")

from tests.edge_runtime.api import chatty
from tests.edge_runtime.conftest import RunningDevice, trust
from tests.trainer_host.teacher.test_generate import Here
from trainer_host.tasks.chat import ChatSpec
from trainer_host.teacher.api import ApiTeacher
from trainer_host.teacher.audit import AuditLog
from trainer_host.teacher.budget import Budget
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.generate import Generated, Order, generate
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.prices import price_of
from trainer_host.teacher.protocol import Json, Key, Secret
from trainer_host.teacher.providers import Endpoint
from trainer_host.teacher.teach import dataset_of_examples
from trainer_host.training.run import train_run
from trainer_host.workspace import Workspace

THINGS = ("kettle", "lantern", "ladder", "violin", "parrot", "umbrella", "carpet", "mirror")
SAID = tuple(f"Where did you leave my {thing} before the storm?" for thing in THINGS)
REPLIES = tuple(f"Your {thing} is where the wind can't reach it." for thing in THINGS)


FORM: Json = {
    "type": "object",
    "properties": {
        "earlier": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
        "message": {"type": "string", "enum": list(SAID)},
        "reply": {"type": "string", "enum": list(REPLIES)},
    },
    "required": ["earlier", "message", "reply"],
    "additionalProperties": False,
}


class Form(ChatSpec):
    """The device's model has random weights: the schema holds it to sentences, among which it chooses."""

    answer_schema = FORM
    max_tokens = 200

    def draw(self, rng: random.Random) -> Json:
        return {**super().draw(rng), "turns": 1, "length": "one sentence"}


def test_what_a_device_says_of_its_answers_is_learnt_by_a_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chatty, "CONTEXT", 2048)  # a letter is about a token there
    for module in ("trainer_host.tasks.task_spec", "trainer_host.teacher.generate.task_spec", "trainer_host.teacher.examples.task_spec"):  # fmt: skip
        monkeypatch.setattr(module, lambda task, options=None: Form())
    trust(tmp_path / "device")
    device = RunningDevice(tmp_path / "device")
    try:
        assert device.push(chatty.make_bundle(tmp_path)).status == 200
        endpoint = Endpoint("device", "openai", f"{device.url}/v1", "chatty")
        found = asyncio.run(taught(endpoint, (Key("owner", Secret(device.token)),), tmp_path))
    finally:
        assert device.stop() == 0
    assert len(found.made) >= 4 and found.tally.soft == found.tally.accepted, found.tally
    for made in found.made:
        at = cast(dict[str, list[list[list[list[object]]]]], made.meta["soft"])["at"]
        assert "".join(str(chances[0][0]) for _, chances in at) == made.example.output["reply"]
        assert all(0 <= float(str(chance)) <= 1 for _, chances in at for _, chance in chances)
        assert all(len(chances) >= 2 for _, chances in at)

    workspace = Workspace(tmp_path / "home")
    lesson = Lesson("own", ("chat",), len(found.made), "device", logprobs=True)
    dataset = dataset_of_examples(workspace, lesson, order(len(found.made)), found, "device/chatty")
    run, report = train_run(
        workspace,
        dataset,
        "student",
        seed=1,
        seconds=None,
        settings={"size": "nano", "rows": 1, "epochs": 1},
        on_progress=lambda share, values: None,
    )
    assert run.task == "chat" and report.figures["soft targets"] > 0.5


def order(wanted: int) -> Order:
    return Order("chat", wanted, 1, 30, judge=False, logprobs=True)


async def taught(endpoint: Endpoint, owner: tuple[Key, ...], folder: Path) -> Generated:
    """Six examples at most; their replies' probabilities are those of the device's model."""
    with ReplyCache(folder / "replies.sqlite") as cache:
        budget = Budget(None, price_of(endpoint, None))
        teacher = ApiTeacher(endpoint, owner, cache, budget, AuditLog(folder / "audit.jsonl"), concurrency=2)
        try:
            return await generate(order(6), teacher, Here(), window=2)
        finally:
            await teacher.close()
