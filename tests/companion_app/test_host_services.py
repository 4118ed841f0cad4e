"""The host on the wire, against a small one on loopback: keys that go nowhere else, lessons, a connection that returns."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from aiohttp import web

from companion_app.services import host_commands
from companion_app.services.host_client import HostClient, HostError
from companion_app.services.host_commands import HostCommands, host_address
from companion_app.services.host_link import HostLink
from companion_app.services.host_wire import estimate_from, key_body, lesson_from, lessons_from, offer_from
from companion_app.services.remember import Memory, RememberedHost, RememberError
from companion_app.state import host_actions as hact
from companion_app.state import teaching
from companion_app.state.checks import NewKey
from companion_app.state.host import CUSTOM, Host, Lesson, LessonState, Order
from companion_app.state.inventory import Inventory
from companion_app.state.model import AppState
from companion_app.state.phase import Phase
from companion_app.state.store import Store

from .fake_host import TOKEN, FakeHost

KEY = "sk-proj-Zq9-never-shown-0123456789"


@pytest.fixture
async def host() -> AsyncIterator[FakeHost]:
    """A host that runs."""
    async with FakeHost() as made:
        yield made


@pytest.fixture
async def paired(host: FakeHost, home: Inventory, tmp_path: Path) -> AsyncIterator[HostCommands]:
    """The app's side, paired and online."""
    commands = HostCommands(Store(AppState(inventory=home)), Memory(tmp_path / "config"))
    commands.pair(host.url, host.code)
    try:
        await wait_for(lambda: online(commands))
        yield commands
    finally:
        await commands.close()


def online(commands: HostCommands) -> bool:
    host = state_of(commands).host
    return host is not None and host.phase is Phase.ONLINE


def state_of(commands: HostCommands) -> AppState:
    return commands._store.state


def host_of(commands: HostCommands) -> Host:
    host = state_of(commands).host
    assert host is not None
    return host


async def wait_for(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the store tells listeners, not events
            await asyncio.sleep(0.01)


# --- files and addresses ---


def test_the_token_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "config")
    assert memory.host() is None
    host = RememberedHost("http://192.168.1.9:8770", "studio", "secret-token")
    memory.keep_host(host)
    assert memory.host() == host
    assert stat.S_IMODE((tmp_path / "config" / "host.json").stat().st_mode) == 0o600
    assert "secret-token" not in repr(host)
    memory.keep_host(None)
    assert memory.host() is None
    assert "secret-token" not in (tmp_path / "config" / "host.json").read_text()


@pytest.mark.parametrize("content", ["{", "[]", '{"host": 3}', '{"host": {"address": "x", "name": 1}}', "{}"])
def test_a_damaged_file_is_kept_aside_and_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "host.json").write_text(content)
    memory = Memory(tmp_path)
    with pytest.raises(RememberError, match="pair your host again"):
        memory.host()
    assert (tmp_path / "host.damaged").read_text() == content
    assert memory.host() is None


def test_keys_go_to_hosts_by_a_way_that_keeps_them() -> None:
    assert host_address("192.168.1.9") == host_address("https://192.168.1.9:8770") == "https://192.168.1.9:8770"
    assert host_address("127.0.0.1") == "http://127.0.0.1:8770"
    assert host_address("http://studio.local:9000") == "http://studio.local:9000"  # asked for, and near
    assert host_address("https://studio.example") == "https://studio.example:443"
    for address in ("http://8.8.8.8:8770", "http://studio.example:8770"):
        with pytest.raises(ValueError, match="https"):
            host_address(address)
    with pytest.raises(ValueError, match=r"192\.168\.1\.20:8770"):
        host_address("")


# --- pairing ---


async def test_a_damaged_memory_of_a_certificate_is_one_sentence() -> None:
    async with HostClient("https://127.0.0.1:9", "t", "not a hash") as client:
        with pytest.raises(HostError, match="pair again"):
            await client.health()


async def test_a_host_is_paired_remembered_and_forgotten(host: FakeHost, home: Inventory, tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    commands = HostCommands(Store(AppState(inventory=home)), memory)
    try:
        for address, code, hint in (("not an address", "123456", "192.168.1.20"), (host.url, " ", "one-time code")):
            commands.pair(address, code)
            assert hint in (state_of(commands).host_pairing.error or "")
        assert not host.asked
        commands.pair(host.url, f"{(int(host.code) + 1) % 10**6:06}")
        await wait_for(lambda: state_of(commands).host_pairing.error)
        assert "wrong" in (state_of(commands).host_pairing.error or "")
        assert memory.host() is None
        commands.pair(host.url, host.code)
        await wait_for(lambda: online(commands))
        kept = memory.host()
        assert kept is not None and date.fromisoformat(kept.since)
        assert replace(kept, since="") == RememberedHost(host.url, "127.0.0.1", TOKEN, scope="owner")
        assert TOKEN not in repr(state_of(commands))
        commands.forget()
        await wait_for(lambda: memory.host() is None)
        assert state_of(commands).host is None
    finally:
        await commands.close()


async def test_a_host_that_is_not_there_is_a_sentence(home: Inventory, tmp_path: Path) -> None:
    commands = HostCommands(Store(AppState(inventory=home)), Memory(tmp_path))
    try:
        commands.pair("127.0.0.1:9", "123456")
        await wait_for(lambda: state_of(commands).host_pairing.error)
        assert "enigma serve" in (state_of(commands).host_pairing.error or "")
    finally:
        await commands.close()


# --- keys ---


async def test_a_key_reaches_the_host_and_nothing_else(
    host: FakeHost, paired: HostCommands, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []
    paired._store.listen(lambda state: heard.append(repr(state)))
    paired.save_key(NewKey("openai", " work "), f" {KEY}\n")
    await wait_for(lambda: state_of(paired).key_form.saved)
    assert host.secrets == {("openai", "work"): KEY}
    await wait_for(lambda: host_of(paired).offer.keys)
    assert host_of(paired).offer.keys[0].tail == "…6789"
    assert KEY not in "".join(heard)
    assert KEY not in caplog.text
    assert not any(KEY in file.read_text() for file in tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("new", "key", "fields"),
    [
        (NewKey("openai", ""), KEY, {"name"}),
        (NewKey("openai", "work"), "", {"key"}),
        (NewKey("openai", "work"), "  ", {"key"}),
        (NewKey("", "work"), KEY, {"provider"}),
        (NewKey(CUSTOM, "", "nas", "http://nas.example/v1", model="m"), "", {"base_url"}),
    ],
)
async def test_what_is_missing_is_said_and_nothing_is_sent(
    host: FakeHost, paired: HostCommands, new: NewKey, key: str, fields: set[str]
) -> None:
    paired.save_key(new, key)
    assert dict(state_of(paired).key_form.problems).keys() == fields
    await asyncio.sleep(0.05)
    assert not host.sent("POST", "/v1/keys") and not host.sent("POST", "/v1/providers")


async def test_a_name_that_is_taken_can_be_replaced(host: FakeHost, paired: HostCommands) -> None:
    host.add_key("openai", "work", "sk-old")
    paired._look_again()
    await wait_for(lambda: host_of(paired).offer.keys)
    paired.save_key(NewKey("openai", "work"), KEY)
    await wait_for(lambda: state_of(paired).key_form.refused)
    assert state_of(paired).key_form.taken
    assert host.secrets["openai", "work"] == "sk-old"
    paired.save_key(NewKey("openai", "work"), KEY, replacing=True)
    await wait_for(lambda: state_of(paired).key_form.saved)
    assert host.secrets["openai", "work"] == KEY


async def test_a_host_that_repeats_a_key_does_not_make_it_shown(host: FakeHost, paired: HostCommands) -> None:
    host.faults["/v1/keys"] = (422, f"'{KEY}' is no key.")
    paired.save_key(NewKey("openai", "work"), KEY)
    await wait_for(lambda: state_of(paired).key_form.refused)
    assert state_of(paired).key_form.refused == "'…' is no key."


async def test_keys_are_used_and_deleted(host: FakeHost, paired: HostCommands) -> None:
    for name in ("default", "a/b c"):
        host.add_key("openai", name)
    paired.use_key("openai", "a/b c")
    await wait_for(lambda: [key.in_use for key in host_of(paired).offer.keys] == [False, True])
    paired.delete("openai", "a/b c")
    await wait_for(lambda: [key.name for key in host_of(paired).offer.keys] == ["default"])
    assert list(host.secrets) == [("openai", "default")]
    paired.delete("openai", "gone")
    await wait_for(lambda: state_of(paired).notice)
    assert state_of(paired).notice == "There is no such key."


async def test_a_custom_provider_comes_with_a_key_or_without(host: FakeHost, paired: HostCommands) -> None:
    nas = NewKey(CUSTOM, "", "nas", "http://192.168.1.5:11434/v1", "openai", "llama3.2")
    paired.save_key(nas, "")
    await wait_for(lambda: state_of(paired).key_form.saved)
    assert host.sent("POST", "/v1/providers") == [
        {"name": "nas", "base_url": "http://192.168.1.5:11434/v1", "wire": "openai", "model": "llama3.2"}
    ]
    await wait_for(lambda: teaching.keyless(host_of(paired)))
    paired.delete("nas")
    await wait_for(lambda: not teaching.keyless(host_of(paired)))
    gate = NewKey(CUSTOM, "team", "gate", "https://gateway.example/v1", "anthropic", "big")
    paired.save_key(gate, KEY)
    await wait_for(lambda: host.secrets)
    sent = host.sent("POST", "/v1/keys")[-1]
    assert sent == key_body(gate, KEY, False)
    assert sent["provider"] == "gate"


# --- what it costs ---


def choose(commands: HostCommands, *actions: object) -> None:
    for action in actions:
        commands._store.dispatch(action)  # type: ignore[arg-type]


async def test_the_cost_is_asked_once_for_what_stands_still(host: FakeHost, paired: HostCommands) -> None:
    host.add_key("openai", "default")
    paired._look_again()
    await wait_for(lambda: host_of(paired).offer.keys)
    choose(paired, hact.TeacherPicked("openai"), hact.PresetPicked("all"), hact.ExamplesTyped("5"))
    choose(paired, *(hact.ExamplesTyped(str(number)) for number in (50, 500, 10, 20)), hact.TaskToggled("chat"))
    await wait_for(lambda: teaching.estimate_of(state_of(paired)))
    sent = host.sent("POST", "/v1/estimates")
    assert [(len(body["tasks"]), body["examples_per_task"]) for body in sent] == [(11, 20)]  # type: ignore[arg-type]
    assert teaching.why_not(state_of(paired)) == ""
    estimate = teaching.estimate_of(state_of(paired))
    assert estimate is not None
    assert (estimate.likely, estimate.low, estimate.high) == (0.44, 0.22, 0.88)
    choose(paired, hact.BudgetTyped("2.00"), hact.LessonTold(lesson()))
    await asyncio.sleep(host_commands.PAUSE * 1.5)
    assert len(host.sent("POST", "/v1/estimates")) == 1, "what does not change the cost asks nothing"


def lesson(id: str = "a") -> Lesson:
    return Lesson(id, id, ("chat",), 10, "openai", LessonState.RUNNING)


async def test_a_cost_that_cannot_be_told_keeps_the_lesson_from_beginning_until_asked_again(
    host: FakeHost, paired: HostCommands
) -> None:
    host.faults["/v1/estimates"] = (422, "There is no such model.")
    choose(paired, hact.TeacherPicked("ollama"), hact.PresetPicked("basic"))
    await wait_for(lambda: teaching.estimate_of(state_of(paired)))
    assert teaching.why_not(state_of(paired)) == "There is no such model."
    paired.generate()
    await asyncio.sleep(0.05)
    assert not host.sent("POST", "/v1/lessons")
    host.faults.clear()
    choose(paired, hact.EstimateWanted())
    await wait_for(lambda: not teaching.why_not(state_of(paired)))


async def test_a_host_that_is_busy_with_an_estimate_is_asked_again(
    host: FakeHost, paired: HostCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_commands, "BUSY_PAUSE", 0.05)
    host.faults["/v1/estimates"] = (503, "Another estimate is being made; ask again.")
    choose(paired, hact.TeacherPicked("ollama"), hact.PresetPicked("basic"))
    await wait_for(lambda: len(host.sent("POST", "/v1/estimates")) > 2)
    assert "cost" in teaching.why_not(state_of(paired))
    host.faults.clear()
    await wait_for(lambda: not teaching.why_not(state_of(paired)))


# --- lessons ---


async def begin(commands: HostCommands, *actions: object) -> None:
    choose(commands, hact.TeacherPicked("ollama"), hact.PresetPicked("basic"), hact.ExamplesTyped("10"), *actions)
    await wait_for(lambda: not teaching.why_not(state_of(commands)))
    commands.generate()
    commands.generate()  # a second press of an impatient finger
    await wait_for(lambda: host_of(commands).lessons)


async def test_what_was_chosen_arrives_unchanged_and_once(host: FakeHost, paired: HostCommands) -> None:
    await begin(paired, hact.ModelTyped(" big "), hact.BudgetTyped("2.00"))
    assert host.sent("POST", "/v1/lessons") == [
        {
            "tasks": ["chat", "code", "math", "router"],
            "examples_per_task": 10,
            "provider": "ollama",
            "model": "big",
            "budget": "2.00",
        }
    ]
    await wait_for(lambda: host_of(paired).lessons[0].state is LessonState.DONE)
    assert host_of(paired).lessons[0].progress == 1.0
    assert dict(host_of(paired).lessons[0].datasets)["math"] == "ollama-1-math"


async def test_a_lesson_is_cancelled_and_resumed(host: FakeHost, paired: HostCommands) -> None:
    host.pace = 0.1
    await begin(paired)
    id = host_of(paired).lessons[0].id
    await wait_for(lambda: host_of(paired).lessons[0].accepted)
    paired.cancel(id)
    assert host_of(paired).lessons[0].cancelling
    await wait_for(lambda: host_of(paired).lessons[0].state is LessonState.CANCELLED)
    kept = host_of(paired).lessons[0].accepted
    assert 0 < kept < 40
    host.pace = 0.01
    paired.resume(id)
    await wait_for(lambda: host_of(paired).lessons[0].state is LessonState.DONE)
    paired.cancel(id)
    await wait_for(lambda: state_of(paired).notice)
    assert state_of(paired).notice == "This lesson doesn't run."
    assert not host_of(paired).lessons[0].cancelling


async def test_a_list_that_was_late_does_not_undo_what_a_lesson_told(host: FakeHost, paired: HostCommands) -> None:
    host.add_lesson("a", progress=0.4)
    listed = asyncio.Event()

    async def meanwhile() -> None:
        await host.tell("a", state="done", progress=1.0)
        await wait_for(lambda: host_of(paired).lessons and host_of(paired).lessons[0].state is LessonState.DONE)
        host.meanwhile = None
        listed.set()

    host.meanwhile = meanwhile
    paired._look_again()
    await listed.wait()
    await asyncio.sleep(0.1)
    assert host_of(paired).lessons[0].state is LessonState.DONE


async def test_a_lesson_that_the_host_refuses_is_said(host: FakeHost, paired: HostCommands) -> None:
    host.faults["/v1/lessons"] = (503, "The host is stopping.")
    choose(paired, hact.TeacherPicked("ollama"), hact.PresetPicked("basic"))
    await wait_for(lambda: not teaching.why_not(state_of(paired)))
    paired.generate()
    await wait_for(lambda: state_of(paired).teach.refused)
    assert state_of(paired).teach.refused == "The host is stopping."
    assert not state_of(paired).teach.starting


# --- the connection ---


async def test_a_host_that_restarts_is_found_again(host: FakeHost, paired: HostCommands) -> None:
    host.add_lesson("old", state="stopped", progress=0.3, message="The budget is spent.")
    port = host.port
    await host.stop()
    await wait_for(lambda: not online(paired))
    await host.start(port)
    await wait_for(lambda: online(paired) and host_of(paired).lessons)
    assert host_of(paired).lessons[0].message == "The budget is spent."


async def test_a_token_that_was_taken_back_is_said(host: FakeHost, home: Inventory) -> None:
    store = Store(AppState(inventory=home, host=Host(host.url, "studio")))
    link = HostLink(HostClient(host.url, "another token"), store.dispatch)
    running = asyncio.get_running_loop().create_task(link.run())
    try:
        await wait_for(lambda: store.state.host and store.state.host.error)
        assert store.state.host is not None
        assert "pair with it again" in (store.state.host.error or "")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.client.close()


async def misbehaving(answer: Callable[[web.Request], web.StreamResponse]) -> tuple[web.AppRunner, str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, "http://{}:{}".format(*runner.addresses[0][:2])


@pytest.mark.parametrize(
    "response",
    [
        {"body": b"<html>hello"},
        {"body": b"[1]"},
        {"body": b'{"keys": 3}'},
        {"body": b"[" * 100_000},
        {"body": b"x" * 3_000_000},
        {"status": 500, "body": b"oops"},
        {"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}},
        {"status": 409, "body": b'{"message": 7}'},
    ],
)
async def test_what_is_no_host_is_a_sentence(response: dict[str, object]) -> None:
    runner, url = await misbehaving(lambda request: web.Response(**response))  # type: ignore[arg-type]
    try:
        async with HostClient(url, "token") as client:
            with pytest.raises(HostError) as refused:
                await client.keys()
            assert str(refused.value).endswith(".")
            with pytest.raises(HostError):
                async with client.listening():
                    pass
    finally:
        await runner.cleanup()


async def test_a_token_and_a_key_do_not_follow_a_redirect() -> None:
    heard: list[str] = []

    def answer(request: web.Request) -> web.StreamResponse:
        heard.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    runner, url = await misbehaving(answer)
    try:
        async with HostClient(url, TOKEN) as client:
            with pytest.raises(HostError):
                await client.add_key({"provider": "openai", "name": "x", "key": KEY})
    finally:
        await runner.cleanup()
    assert heard == ["/v1/keys"]


# --- the wire ---


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"id": 7, "tasks": "chat", "rejected": [1], "datasets": 3, "state": "dreaming", "progress": "x"},
        {"id": "a", "progress": 1e400, "accepted": -5, "errors": True, "cost_usd": "nan", "eta_s": float("inf")},
        {"id": "a", "tasks": [None, {"x": 1}], "rejected": {"r": None}, "examples_per_task": [], "message": {"a": 1}},
    ],
)
def test_strange_lessons_do_not_stop_the_app(raw: dict[str, object]) -> None:
    found = lesson_from(raw)
    assert 0 <= found.progress <= 1
    assert found.accepted >= 0
    json.dumps([found.cost, found.rate, found.eta], allow_nan=False)
    assert teaching.lesson_facts(found)


def test_strange_offers_do_not_stop_the_app() -> None:
    offer = offer_from({"tasks": [1, {"name": "x"}], "presets": {"all": 3}}, [None, {}], [{"tail": 4}, "x"])
    assert [task.title for task in offer.tasks] == ["x"]
    assert offer.presets == (("all", ()),)
    assert lessons_from([{}, 3, {"id": "a"}])[0].id == "a"
    assert offer_from({}, [], []) == type(offer)()


def test_money_is_read_as_text_and_as_a_number() -> None:
    order = Order(("chat",), 10, "openai")
    cost = {"likely": "0.500000", "low": 0.25, "high": None}
    estimate = estimate_from(order, {"cost_usd": cost, "sentences": ["So."]})
    assert (estimate.likely, estimate.low, estimate.high, estimate.sentences) == (0.5, 0.25, None, ("So.",))
    assert estimate_from(order, {"cost_usd": None, "sentences": None}).likely is None
