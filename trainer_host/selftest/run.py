"""The steps of `enigma selftest`; any that fails ends it with one sentence."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from trainer_host import asking
from trainer_host.data import Dataset, open_dataset
from trainer_host.data.dataset import Json
from trainer_host.errors import TrainerError
from trainer_host.presentation import Presenter
from trainer_host.selftest.practice import MODEL, Practice, practising
from trainer_host.teacher.lesson import Lesson, checked_lesson
from trainer_host.workspace import Workspace

PROVIDER = "practice"
TASKS = ("router", "robot", "avatar")
EXAMPLES = 60  # per task from the provider: enough to see that asking, verifying and repairing work
BUILT_IN = {"router": 1500, "avatar": 3000, "robot": 24_000}  # what a specialist that is worth signing takes
LEAST_ACCURACY = {"router": 0.6, "avatar": 0.6, "robot": 0.5}  # far above any baseline; the gate has its own limits
# What each specialist must answer through the device, and what its answer must hold.
QUESTIONS: dict[str, tuple[tuple[str, str, object], ...]] = {
    "router": (("what is 17 plus 25", "label", "math"), ("draw a picture of a cat with a hat", "label", "image_gen")),
    "avatar": (("look at me and wave", "gesture", "wave"), ("please smile", "emotion", "happy")),
    "robot": (("turn off the kitchen light", "calls", "HassTurnOff"), ("lock the front door", "calls", "HassTurnOn")),
}


class SelftestFailed(TrainerError):
    """A step didn't do what it must."""

    exit_code = 1


@dataclass
class Outcome:
    """Seconds and figures per step."""

    steps: dict[str, Json] = field(default_factory=dict)


def selftest(workspace: Workspace, show: Presenter, tasks: tuple[str, ...] = TASKS, seed: int = 1) -> Outcome:
    """Keys, asking, verifying, training, compressing, gate, signature, push, answer: each for real, on this machine."""
    outcome = Outcome()
    # No judge: a provider that knows the lesson has nothing to say about its own answers.
    lesson = checked_lesson(Lesson("practice", tasks, EXAMPLES, PROVIDER, MODEL, seed, judge=False))
    key = f"sk-practice-{secrets.token_hex(16)}"
    with _step(outcome, show, "practice", "A provider on loopback that knows the lesson"):
        provider = practising(lesson, key)
        url, practice = provider.__enter__()
    try:
        with _step(outcome, show, "keys", "Keys: stored encrypted, loaded again") as figures:
            _keys(workspace, url, key)
            figures["files_with_the_key"] = 0
        with _step(outcome, show, "teach", "Teach: ask, verify, repair, resume without asking again") as figures:
            figures |= _teach(workspace, lesson, practice, key, show)
    finally:
        provider.__exit__(None, None, None)
    for task in tasks:
        with _step(outcome, show, task, f"{task}: train, compress, gate, sign, push, ask") as figures:
            figures |= _specialist(workspace, task, seed, show)
    return outcome


def _keys(workspace: Workspace, url: str, key: str) -> None:
    from trainer_host import keys

    keys.store_endpoint(PROVIDER, url, model=MODEL, home=workspace.home)
    keys.store_api_key(PROVIDER, key, "selftest", replace=True, home=workspace.home)
    if keys.get_api_key(PROVIDER, home=workspace.home) != key:
        raise SelftestFailed("The stored key isn't the one that was given.")
    for path in workspace.home.rglob("*"):
        if path.is_file() and key.encode() in path.read_bytes():
            raise SelftestFailed(f"The key lies readable in {path}.")


def _teach(workspace: Workspace, lesson: Lesson, practice: Practice, key: str, show: Presenter) -> Json:
    from trainer_host.teacher.audit import audit_path
    from trainer_host.teacher.audit_check import verify
    from trainer_host.teacher.opening import opened
    from trainer_host.teacher.teach import give

    with opened(workspace, lesson) as found, show.working("asking") as step:
        result = give(workspace, lesson, found, on_task=lambda task, tally: step(tally.accepted / EXAMPLES, task))
    asked = practice.asked
    if set(practice.keys) != {key}:
        raise SelftestFailed("Requests came without the stored key.")
    with opened(workspace, lesson) as found:
        again = give(workspace, lesson, found)
    if practice.asked != asked:
        raise SelftestFailed(f"The same lesson sent {practice.asked - asked} requests again.")
    for first, second in zip(result.taught, again.taught, strict=True):
        if first.dataset.content != second.dataset.content:
            raise SelftestFailed(f"The same lesson gave another dataset for {first.task}.")
        if first.tally.accepted < EXAMPLES:
            reasons = ", ".join(first.tally.rejected)
            raise SelftestFailed(f"{first.task} got {first.tally.accepted} of {EXAMPLES} examples ({reasons}).")
    checked = verify(audit_path(workspace))
    if not checked.ok:
        raise SelftestFailed(f"The audit log isn't whole: {checked.sentence()}")
    repaired = sum(item.tally.repaired for item in result.taught)
    show.say(
        f"  {asked} requests, {practice.throttled} of them throttled, {repaired} answers repaired, none sent again"
    )
    return {"requests": asked, "throttled": practice.throttled, "repaired": repaired}


def _specialist(workspace: Workspace, task: str, seed: int, show: Presenter) -> Json:
    from trainer_host.release import devices
    from trainer_host.release.edge_process import edge_running, pairing_code
    from trainer_host.release.keys import signing_key
    from trainer_host.trainer_ai import TrainerAI

    mixed = _mixed(workspace, task, seed, show)
    trainer = TrainerAI(workspace.home)
    with show.working(task) as step:
        made = trainer.train(mixed.name, seed=seed, on_progress=lambda what, share: step(share, what))
    if made.bundle is None:
        raise SelftestFailed(f"The gate refused {task}:\n{made.refused}")
    if made.accuracy < LEAST_ACCURACY[task]:
        raise SelftestFailed(f"{task} is right in {made.accuracy:.1%} of its held-out rows, fewer than expected.")
    workspace.device.mkdir(parents=True, exist_ok=True)
    with edge_running(workspace.device, workspace.home / "device.log") as url:
        known = {device.name for device in devices.known_devices(workspace)}
        if devices.LOCAL not in known:
            devices.pair(workspace, url, pairing_code(workspace.device), devices.LOCAL, signing_key(workspace))
        target = devices.device_named(workspace, devices.LOCAL)
        devices.push(target, made.bundle, lambda sent, total: None)
        requests = [asking.make_request(task, text) for text, _, _ in QUESTIONS[task]]
        answers = devices.ask(target, mixed.name, requests)
    for (text, name, wanted), answer in zip(QUESTIONS[task], answers, strict=True):
        found = answer.get(name)
        names = {str(call.get("name")) for call in found} if isinstance(found, list) else {str(found)}
        if wanted not in names:
            raise SelftestFailed(f"Asked '{text}', the device answers {asking.describe(task, answer)!r}.")
        show.say(f"  {text} -> {asking.describe(task, answer)}")
    return {"accuracy": made.accuracy, "bundle": made.bundle.name, "rows": sum(mixed.counts.values())}


def _mixed(workspace: Workspace, task: str, seed: int, show: Presenter) -> Dataset:
    """What the provider gave and what the built-in teacher knows, as one dataset."""
    from trainer_host.data.derive import mix
    from trainer_host.quickstart import teach_home
    from trainer_host.teacher.teach import give

    with show.working("built-in teacher") as step:
        if task == "robot":
            own = teach_home(workspace, "built-in-robot", examples=BUILT_IN[task], seed=seed, on_step=step)
        else:
            lesson = checked_lesson(Lesson("built-in", (task,), BUILT_IN[task], "built-in", seed=seed))
            own = give(workspace, lesson, None).taught[0].dataset
    asked = open_dataset(workspace.dataset(f"practice-{task}"))
    return mix(workspace, f"selftest-{task}", [own, asked])


@contextmanager
def _step(outcome: Outcome, show: Presenter, name: str, title: str) -> Iterator[Json]:
    show.stage(title)
    figures: Json = {}
    began = time.perf_counter()
    yield figures
    seconds = round(time.perf_counter() - began, 2)
    outcome.steps[name] = {"seconds": seconds, **figures}
    show.say(f"  passed in {seconds:.1f} s")
