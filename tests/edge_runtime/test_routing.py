"""Which specialist is asked; the specialists are stand-ins, their manifests and the router's form are the device's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from edge_runtime.errors import BadRequest, NotFound
from edge_runtime.routing import Json, Routed, route
from edge_runtime.serving.worker import Answer
from edge_runtime.tasks import task_module
from edge_runtime.tasks.dialogue import TextTask

TASKS = ("chat", "math", "robot", "avatar")


class Device:
    """Specialists by name: (task, labels, tasks of a combo). The router says the first word of a text, surely."""

    def __init__(self, **specialists: tuple[str, tuple[str, ...], tuple[str, ...]]) -> None:
        self.asked: list[tuple[str, Json]] = []
        self._made = specialists
        self.serving = self

    def names(self) -> list[str]:
        return sorted(self._made)

    def current(self, name: str) -> object:
        if name not in self._made:
            raise NotFound(f"There is no specialist '{name}'.")
        task, labels, tasks = self._made[name]
        manifest = SimpleNamespace(task=task, labels=labels, options={"tasks": list(tasks)} if tasks else {})
        return SimpleNamespace(loaded=SimpleNamespace(manifest=manifest))

    async def run(self, name: str, request: Json, urgency: object = None) -> Answer:
        self.asked.append((name, request))
        if self._made[name][0] == "router":
            word = str(request["text"]).split()[0]
            return Answer({"label": word, "confidence": 0.9, "unsure": word == "hm"}, 0.001)
        return Answer({"said": name, "unsure": False}, 0.002)


ROUTER = ("router", TASKS, ())


async def routed(device: Device, **request: object) -> Routed:
    return await route(device, request)  # type: ignore[arg-type]


async def test_the_task_s_own_specialist_is_asked_before_a_combo_and_gets_what_its_task_reads() -> None:
    device = Device(router=ROUTER, both=("combo", (), ("chat", "math")), sums=("math", (), ()), home=("robot", (), ()))
    found = await routed(device, text="math 2 + 2?", inventory={"areas": []})
    assert (found.task, found.specialist) == ("math", "sums")
    assert found.answer is not None and found.answer.value["said"] == "sums"
    assert found.seconds == pytest.approx(0.003)
    assert device.asked == [("router", {"text": "math 2 + 2?"}), ("sums", {"text": "math 2 + 2?"})]
    await routed(device, text="robot light off", inventory={"areas": []})
    assert device.asked[-1] == ("home", {"text": "robot light off", "inventory": {"areas": []}})
    await routed(device, text="chat hello")
    assert device.asked[-1] == ("both", {"task": "chat", "request": {"text": "chat hello"}})


@pytest.mark.parametrize("task", ("chat", "code", "math", "image_gen", "video_gen", "audio_gen", "3d_gen"))
def test_every_task_that_is_written_reads_the_text_that_a_router_hands_on(task: str) -> None:
    module = cast(TextTask, task_module(task))
    (message,) = module.messages({"text": "a cube that spins"})
    assert message["role"] == "user" and "cube" in str(message["content"])


async def test_doubt_and_a_task_that_nobody_does_reach_no_specialist() -> None:
    device = Device(router=ROUTER, sums=("math", (), ()))
    for text in ("hm what", "avatar smile"):
        found = await routed(device, text=text)
        assert (found.specialist, found.answer) == (None, None)
    assert {name for name, _ in device.asked} == {"router"}


async def test_only_a_router_of_tasks_routes_and_one_of_several_must_be_named() -> None:
    mail = ("router", ("invoice", "complaint"), ())
    with pytest.raises(NotFound, match="no router whose labels are tasks"):
        await routed(Device(mail=mail, sums=("math", (), ())), text="math")
    several = Device(mail=mail, one=ROUTER, two=ROUTER, sums=("math", (), ()))
    with pytest.raises(BadRequest, match="there are one, two"):
        await routed(several, text="math")
    assert (await routed(several, text="math", router="two")).specialist == "sums"
    assert several.asked[0][0] == "two"
    with pytest.raises(BadRequest, match="'mail' is no router whose labels are tasks"):
        await routed(several, text="math", router="mail")
    with pytest.raises(NotFound, match="no specialist 'gone'"):
        await routed(several, text="math", router="gone")
    with pytest.raises(BadRequest, match="must be the name"):
        await routed(several, text="math", router=3)
