"""Files, addresses, what devices answer, and the connection that comes back."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from companion_app.services.commands import Commands, clean_address, role_of
from companion_app.services.link import LAST_RETRY, Link, backoff, sentence_of
from companion_app.services.remember import Memory, Remembered, RememberError, Settings
from companion_app.services.wire import answer_from, as_number, event_from, request_for, specialist_from
from companion_app.state import actions as act
from companion_app.state.inventory import Inventory
from companion_app.state.model import AppState, Device, Phase
from companion_app.state.preferences import Preferences
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient
from edge_runtime.errors import DeviceUnreachable, NotFound
from tests.edge_runtime.conftest import edge

from . import samples

DEVICE = Remembered(samples.KITCHEN, "Kitchen Pi", "releaser", "secret-token")


# --- files ---


def test_tokens_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "new" / "config")
    memory.keep_devices((DEVICE,))
    assert memory.devices() == (DEVICE,)
    file = tmp_path / "new" / "config" / "devices.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["devices.json"]
    assert "secret-token" not in repr(DEVICE)


@pytest.mark.parametrize("content", ["{", "[]", '{"devices": 3}', '{"devices": [{"address": 1}]}', "[" * 100_000])
def test_a_damaged_file_is_kept_aside_and_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "devices.json").write_text(content)
    memory = Memory(tmp_path)
    with pytest.raises(RememberError, match="pair your devices again"):
        memory.devices()
    assert (tmp_path / "devices.damaged").read_text() == content
    assert memory.devices() == ()


def test_settings_survive_and_nonsense_does_not(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    assert memory.settings() == Settings()
    chosen = Settings(
        Preferences("light", 1.5, "de", shortcuts=(("app.quit", "ctrl+w"),)), "/home.json", samples.KITCHEN
    )
    memory.keep_settings(chosen)
    assert memory.settings() == chosen
    (tmp_path / "settings.json").write_text('{"theme": 7, "inventory": []}')
    assert memory.settings() == Settings()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RememberError, match="--config"):
        Memory(tmp_path / "file" / "config").keep_devices(())


# --- addresses ---


@pytest.mark.parametrize(
    ("typed", "clean"),
    [
        ("192.168.1.20", "https://192.168.1.20:8765"),
        (" kitchen.local:9000/ ", "https://kitchen.local:9000"),
        ("https://pi.example", "https://pi.example:443"),
        ("HTTP://Pi:80", "http://pi:80"),
        ("::1", "http://[::1]:8765"),
        ("[fe80::1]:99", "https://[fe80::1]:99"),
        ("https://pi", "https://pi:443"),
    ],
)
def test_addresses_are_understood(typed: str, clean: str) -> None:
    assert clean_address(typed) == clean


@pytest.mark.parametrize(
    "typed",
    ["", " ", "pi:port", "pi:99999", "ftp://pi", "http://a/b", "http://u:p@pi", "two words", "http://", "[x"],
)
def test_what_is_no_address_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(ValueError, match=r"192\.168\.1\.20:8765"):
        clean_address(typed)


# --- the wire ---


def test_an_answer_names_things_as_people_do(home: Inventory) -> None:
    answer = answer_from(samples.ROBOT_ANSWER, home, 4.0)
    (call,) = answer.calls
    assert call.arguments == (("brightness", "30"),)
    assert call.targets == (("light.reading_lamp", "Reading Lamp"), ("light.gone", "light.gone"))
    assert (answer.confidence, answer.unsure, answer.question, answer.ms) == (0.97, False, None, 0.83)


def test_a_router_answer_lists_the_best_labels(home: Inventory) -> None:
    raw: dict[str, object] = {
        "label": "b",
        "confidence": 0.6,
        "scores": {"a": 0.1, "b": 0.6, "c": 0.2, "d": 0.1},
    }
    answer = answer_from(raw, home, 1.0)
    assert answer.label == "b"
    assert [name for name, _ in answer.scores][:2] == ["b", "c"]


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"calls": 3, "scores": [], "confidence": "x", "question": 4},
        {"calls": [None, {"arguments": [], "targets": "light.a"}], "ms": True},
        {"calls": [{"name": "x" * 10_000, "targets": [1, None]}]},
    ],
)
def test_strange_answers_do_not_stop_the_app(home: Inventory, raw: dict[str, object]) -> None:
    answer = answer_from(raw, home, 1.0)
    assert all(len(call.name) <= 300 for call in answer.calls)


@pytest.mark.parametrize("raw", [{}, {"metrics": 3, "bytes": "x"}, {"metrics": {"a": True, "b": 1}}])
def test_strange_specialists_do_not_stop_the_app(raw: dict[str, object]) -> None:
    assert specialist_from(raw).size == 0


@pytest.mark.parametrize(
    ("raw", "text", "bad"),
    [
        ({"type": "install", "stage": "receiving", "bytes": 5, "total": 10}, "50 %", False),
        ({"type": "install", "stage": "receiving"}, "0 %", False),
        ({"type": "install", "stage": "dreaming"}, "dreaming", False),
        (
            {"type": "activated", "specialist": "a", "version": "1", "runtime": "onnxruntime"},
            "a 1 now",
            False,
        ),
        ({"type": "error", "message": "Bad signature."}, "Bad signature.", True),
        ({"type": "unheard_of"}, "unheard_of", False),
        ({"time": 1e300}, "Something", False),
        ({"time": True, "type": "stopping"}, "stopping", False),
    ],
)
def test_events_are_lines_that_people_read(raw: dict[str, object], text: str, bad: bool) -> None:
    event = event_from(raw)
    assert text in event.text
    assert event.bad is bad
    assert re.fullmatch(r"\d+:\d\d:\d\d\s[AP]M", event.at)


def test_a_request_holds_what_its_task_takes(home: Inventory) -> None:
    assert request_for("router", "hi", home, "kitchen") == {"text": "hi"}
    request = request_for("robot", "hi", home, "kitchen")
    assert request["context"] == {"area": "kitchen"}
    assert json.dumps(request["inventory"]) == json.dumps(home.document)
    assert "context" not in request_for("robot", "hi", home, None)


def test_our_role_is_that_of_the_newest_pairing_of_our_name() -> None:
    paired = [
        {"name": "me", "scope": "operator", "created": "2026-01-02"},
        {"name": "me", "scope": "releaser", "created": "2026-03-01"},
        {"name": "you", "scope": "operator", "created": "2026-04-01"},
    ]
    assert role_of({"paired": paired}, "me") == "releaser"
    assert role_of({}, "me") == "operator"


# --- the connection ---


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_waiting_grows_and_ends_at_a_limit(chance: float) -> None:
    waits = [backoff(attempt, chance) for attempt in range(40)]
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert waits[-1] <= LAST_RETRY * 1.25


def test_every_failure_is_one_sentence() -> None:
    assert sentence_of(TimeoutError()).endswith("?")
    assert "denied" in sentence_of(PermissionError(13, "Permission denied"))
    with pytest.raises(ZeroDivisionError):
        sentence_of(ZeroDivisionError())


async def wait_for(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the store tells listeners, not events
            await asyncio.sleep(0.02)


def online(store: Store) -> bool:
    device = store.state.device
    return device is not None and device.link.phase is Phase.ONLINE


def heard(store: Store, words: str) -> bool:
    device = store.state.device
    return device is not None and any(words in event.text for event in device.link.events)


async def test_a_link_follows_a_device_through_its_restart(
    home: Inventory, start_device: Callable, bundles: dict[str, Path]
) -> None:
    device = start_device()
    store = Store(AppState(inventory=home, devices=(Device(device.url, "d", "releaser"),), selected=device.url))
    client = DeviceClient(device.url)
    await client.pair(await asyncio.to_thread(samples.one_time_code, device.state, "operator"), "test")
    link = Link(client, device.url, store.dispatch)
    running = asyncio.get_running_loop().create_task(link.run())
    try:
        await wait_for(lambda: online(store))
        assert store.state.chosen is None
        assert (await asyncio.to_thread(device.push, bundles["v1"])).status == 200
        await wait_for(lambda: store.state.chosen)
        assert store.state.chosen is not None
        assert (store.state.chosen.version, store.state.chosen.task) == ("1.0.0", "router")
        assert store.state.chosen.size > 0
        await wait_for(lambda: heard(store, "now answers"))
        device.kill()
        await wait_for(lambda: not online(store))
        assert store.state.chosen is not None, "what it last said stays visible"
        again = start_device(listen=f"127.0.0.1:{device.port}")
        await wait_for(lambda: running.done() or online(store))
        assert online(store), running
        await asyncio.to_thread(again.stop)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.client.close()


class Breaking:
    """A device whose events break off when `gate` is set."""

    token = "t"
    certificate = None

    def __init__(self) -> None:
        self.gate, self.closed = asyncio.Event(), 0

    async def models(self) -> list[dict[str, object]]:
        return []

    async def ready(self) -> bool:
        return True

    async def status(self) -> dict[str, object]:
        raise NotFound("There is nothing at this address.")

    async def events(self) -> AsyncIterator[dict[str, object]]:
        await self.gate.wait()
        raise DeviceUnreachable("The connection broke; connect again.")
        yield {}

    async def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("turns", range(7))
async def test_a_link_ends_when_it_is_told_to_also_while_its_connection_breaks(turns: int) -> None:
    """turns: of the event loop between the two."""
    device, told = Breaking(), []
    running = asyncio.create_task(Link(device, "http://kitchen:1", told.append).run())  # type: ignore[arg-type]
    await wait_for(lambda: any(isinstance(action, act.LinkUpdated) for action in told))
    device.gate.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=60)
    assert running.cancelled()


async def test_a_device_on_this_machine_is_followed_without_a_token(
    home: Inventory, start_device: Callable, bundles: dict[str, Path], tmp_path: Path
) -> None:
    device = start_device()
    store = Store(AppState(inventory=home))
    commands = Commands(store, Memory(tmp_path))
    try:
        commands.pair(device.url, "")
        await wait_for(lambda: online(store))
        assert (await asyncio.to_thread(device.push, bundles["v1"])).status == 200
        await wait_for(lambda: store.state.chosen)
        assert online(store)
        commands.ask("turn on the light")
        await wait_for(lambda: store.state.exchanges and not store.state.exchanges[0].pending)
        assert store.state.exchanges[0].answer is not None
    finally:
        await commands.close()


async def test_what_a_qr_code_holds_pairs_and_the_device_is_known_again_after_it_renewed_its_certificate(
    home: Inventory, start_device: Callable, tmp_path: Path
) -> None:
    pytest.importorskip("segno")
    device = start_device(listen="0.0.0.0:0")
    printed = await asyncio.to_thread(
        edge, "pair", "--qr", "--address", "127.0.0.1", "--scope", "operator", "--state", device.state
    )
    text = printed.stdout.splitlines()[-1]
    store, memory = Store(AppState(inventory=home)), Memory(tmp_path)
    commands = Commands(store, memory)
    try:
        commands.pair(text[:-1], "")
        assert "copy all of it" in (store.state.pairing.error or "")
        commands.pair(text, "")
        await wait_for(lambda: online(store))
        (before,) = memory.devices()
        assert before.certificate.endswith(".0") and before.token
        assert (await asyncio.to_thread(edge, "certificate", "renew", "--state", device.state)).returncode == 0
        commands.forget("another")  # nothing of this device
        await commands.close()
        commands = Commands(store, memory)
        commands.start(memory.devices())
        await wait_for(lambda: memory.devices()[0].certificate.endswith(".1"))
        await wait_for(lambda: online(store))
    finally:
        await commands.close()


async def test_commands_report_failures_as_sentences(home: Inventory, tmp_path: Path) -> None:
    store = Store(AppState(inventory=home))
    commands = Commands(store, Memory(tmp_path))
    try:
        commands.ask("hello")
        assert store.state.notice == "Pair with a device first; then it can answer."
        commands.push("/nowhere.enigma")
        assert "Pair with a device" in (store.state.push.message or "")
        commands.pair("not an address", "x")
        assert "192.168.1.20:8765" in (store.state.pairing.error or "")
        # Port 9 (discard) is closed nearly everywhere; whatever happens, it ends with a sentence.
        commands.pair("127.0.0.1:9", "123456")
        assert store.state.pairing.busy
        await wait_for(lambda: not store.state.pairing.busy)
        assert (store.state.pairing.error or "").endswith(".")
        assert not commands.load_home(str(tmp_path / "none.json"))
        assert "none.json" in (store.state.notice or "")
        store.dispatch(act.Paired(Device(samples.KITCHEN, "k", "releaser")))
        commands.push(str(tmp_path / "none.enigma"))
        assert "none.enigma" in (store.state.push.message or "")
        commands.ask("x" * 501)
        assert "500" in (store.state.notice or "")
    finally:
        await commands.close()


def test_a_number_that_no_float_holds_is_none() -> None:
    """What is made of these is turned into whole numbers, and drawn."""
    assert [as_number(value) for value in (2, 2.5, True, "2", None)] == [2.0, 2.5, 0.0, 0.0, 0.0]
    for beyond in (10**400, float("inf"), float("nan")):  # 1e400 is read as infinity
        assert as_number(beyond) == 0.0
        assert specialist_from({"name": "home", "bytes": beyond}).size == 0
