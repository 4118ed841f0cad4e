"""Devices in the state and in the services: sorted, looked at, told to do things, read from pictures; against a real one."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from companion_app.services.device_code import CodeError, newest_pictures, read_camera, read_picture
from companion_app.services.device_commands import asked, reading
from companion_app.services.device_journal import update_line
from companion_app.services.device_look import (
    DeviceLook,
    middle,
    paired_from,
    pipelines_from,
    updates_from,
    versions_from,
    vitals_from,
)
from companion_app.services.discovery import Nearby
from companion_app.state import actions as act
from companion_app.state import fleet_actions as fact
from companion_app.state.fleet import Coming, Detail, Figures, Found, Label, Sample, Updates, Vitals
from companion_app.state.fleet_words import (
    figures_line,
    filters,
    label_line,
    sample_line,
    shown_devices,
    spares_itself,
    update_lines,
    update_word,
    vitals_line,
)
from companion_app.state.inventory import Inventory
from companion_app.state.model import AppState
from companion_app.state.reduce import reduce
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient, EdgeError, Forbidden, NotFound
from edge_runtime.discovery import Found as Announced
from tests.edge_runtime.conftest import RunningDevice, edge

from . import samples
from .reconnecting import Companion, cycles, reopened

PIPELINE = """
[source]
kind = "topic"
topic = "said"
[[models]]
specialist = "tiny"
[[sinks]]
kind = "event"
"""


def with_labels(state: AppState) -> AppState:
    state = reduce(state, fact.Labelled(samples.KITCHEN, Label("Ground floor", ("robot", "test"))))
    return reduce(state, fact.Labelled(samples.ATTIC, Label("", ("test",))))


def test_devices_are_found_by_words_groups_and_tags(app_state: AppState) -> None:
    state = with_labels(app_state)
    assert [device.name for device in shown_devices(state)] == ["Kitchen Pi", "Attic"]  # a group comes first
    assert filters(state.fleet) == ("Ground floor", "robot", "test")
    assert label_line(state.fleet, samples.KITCHEN) == "Ground floor  #robot  #test"
    for words, names in (("attic", ["Attic"]), ("10.0.0", ["Attic"]), ("kit floor", ["Kitchen Pi"]), ("kit attic", [])):
        assert [one.name for one in shown_devices(reduce(state, fact.Searched(words)))] == names, words
    state = reduce(state, act.LinkUpdated(samples.ATTIC, True, (samples.TICKETS,)))
    assert [one.name for one in shown_devices(reduce(state, fact.Searched("tickets")))] == ["Attic"]
    state = reduce(state, fact.Filtered("robot"))
    assert [one.name for one in shown_devices(state)] == ["Kitchen Pi"]
    state = reduce(state, fact.Labelled(samples.KITCHEN, Label()))  # the last of that tag
    assert state.fleet.filter == "" and len(shown_devices(state)) == 2


def test_nothing_of_a_forgotten_device_is_left(app_state: AppState) -> None:
    state = with_labels(app_state)
    state = reduce(state, fact.DetailSeen(samples.KITCHEN, Detail(Vitals("1"))))
    state = reduce(state, fact.CommandBegun(samples.KITCHEN, "restart"))
    state = reduce(state, fact.SampleSeen(samples.KITCHEN, "tickets", Sample()))
    state = reduce(state, act.DeviceForgotten(samples.KITCHEN))
    assert samples.KITCHEN not in repr(state.fleet) and samples.ATTIC in state.fleet.labels


def test_a_command_under_way_is_busy_until_its_sentence(app_state: AppState) -> None:
    state = reduce(app_state, fact.CommandBegun(samples.KITCHEN, "switch a"))
    assert state.fleet.busy == {(samples.KITCHEN, "switch a")}
    state = reduce(state, fact.CommandEnded(samples.KITCHEN, "switch a", "Done.", failed=True))
    assert state.fleet.busy == frozenset() and state.fleet.notes[samples.KITCHEN] == ("Done.", True)


def test_what_a_device_tells_is_said_in_words() -> None:
    detail = Detail(
        Vitals("1.2.0", celsius=61.4, battery=17, load="sparing", reasons=("17 % of battery",)),
        updates=Updates(True, coming=(Coming("mail", "staged", "it waits for 22:00-06:00"),)),
    )
    assert vitals_line(detail) == "61 °C  ·  17 % battery  ·  Enigma 1.2.0"
    assert spares_itself(detail) == "It spares itself: 17 % of battery." and not spares_itself(Detail(Vitals()))
    assert update_word(detail) == "Update available" and update_word(Detail(updates=Updates(True))) == ""
    assert update_lines(detail.updates) == ("mail: an update waits for its moment. It waits for 22:00-06:00",)
    for updates in (None, Updates(), Updates(True), Updates(True, "no network", (Coming("a", "new_state"),))):
        assert all(line.strip() for line in update_lines(updates))
    assert "0.83 ms" in figures_line(Figures(0.83, 1, 2_000_000)) and "1 answer " in figures_line(Figures(0.83, 1, 1))
    assert sample_line(Sample(False, "hi", "a", "a", 12.3)).endswith("as where it was made")
    assert "b" in sample_line(Sample(False, "hi", "b", "a", 123.0)) and sample_line(Sample(False, error="x")) == ""


@pytest.mark.parametrize(
    "raw", [{}, {"governor": 3, "pipelines": 4, "paired": [1]}, {"specialists": {"a": 1, "b": [2]}}]
)
def test_strange_answers_of_a_device_do_not_stop_the_app(raw: dict[str, object]) -> None:
    assert vitals_from(raw).version == "" and update_line(raw).at == 0.0
    assert all(one.state == "" for one in updates_from(raw).coming) and not any(versions_from(raw).values())
    assert pipelines_from(raw) == () and all(one.name == "" for one in paired_from(raw))


def test_the_middle_answer_lies_in_its_bucket() -> None:
    assert middle({}) is None and middle({0.001: 0, float("inf"): 0}) is None
    assert middle({0.001: 10, 0.01: 10, float("inf"): 10}) == pytest.approx(0.5)
    assert middle({0.001: 0, 0.01: 4, float("inf"): 8}) == pytest.approx(10.0)
    assert middle({0.001: 0, 0.01: 0, float("inf"): 8}) == pytest.approx(10.0)  # beyond the last bound


class Old:
    """A device of before there were these routes, or one that may not say: each answer is what it has, or a refusal."""

    token, certificate = "t", None

    def __init__(self, **answers: object) -> None:
        self.answers = answers

    async def _answer(self, name: str) -> object:
        if name not in self.answers:
            raise NotFound("There is nothing at this address.")
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def status(self) -> object:
        return await self._answer("status")

    async def updates(self) -> object:
        return await self._answer("updates")

    async def versions(self) -> object:
        return await self._answer("versions")

    async def metrics(self) -> object:
        return await self._answer("metrics")


async def test_an_older_device_is_shown_with_what_it_has() -> None:
    assert await DeviceLook(Old()).look(True) == Detail()  # type: ignore[arg-type]
    seen = await DeviceLook(Old(status={"version": "0.1"}, updates=Forbidden("no"))).look(True)  # type: ignore[arg-type]
    assert seen.vitals is not None and (seen.vitals.version, seen.versions, seen.updates) == ("0.1", None, None)


async def test_live_figures_are_of_what_came_since_the_look_before() -> None:
    line = 'enigma_specialist_seconds_bucket{{specialist="a",le="{}"}} {}\n'
    rest = 'enigma_specialist_seconds_count{{specialist="a"}} {}\nenigma_model_memory_bytes{{specialist="a"}} 5e6\n'

    def text(fast: int, all_: int) -> str:
        return line.format("0.001", fast) + line.format("0.01", all_) + line.format("+Inf", all_) + rest.format(all_)

    device = Old(status={}, metrics=text(10, 10))
    look = DeviceLook(device)  # type: ignore[arg-type]
    first = (await look.look(True)).figures["a"]
    assert (first.p50_ms, first.answered, first.memory) == (pytest.approx(0.5), 10, 5_000_000)
    assert (await look.look(True)).figures["a"] == first  # nothing new: as before
    device.answers["metrics"] = text(10, 20)
    assert (await look.look(True)).figures["a"].p50_ms == pytest.approx(5.5)
    device.answers["metrics"] = text(2, 2)  # it was started again
    assert (await look.look(True)).figures["a"].p50_ms == pytest.approx(0.5)


# --- codes ---


def test_a_code_is_read_from_a_picture_and_everything_else_is_one_sentence(tmp_path: Path) -> None:
    segno = pytest.importorskip("segno")
    pytest.importorskip("zxingcpp")
    text = f"enigma://192.168.1.20:8765/482913?certificate={'A' * 43}"
    good = tmp_path / "code.png"
    segno.make(text).save(str(good), scale=4, border=4)
    assert read_picture(good) == text
    segno.make("https://example.org").save(str(tmp_path / "other.png"), scale=4)
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:200])
    (tmp_path / "words.png").write_text("not a picture")
    (tmp_path / "huge.png").touch()
    with (tmp_path / "huge.png").open("r+b") as file:
        file.truncate(2_000_000_000)  # sparse
    image = pytest.importorskip("PIL.Image")
    image.new("L", (300, 300), 255).save(tmp_path / "white.png")
    (tmp_path / "folder.png").mkdir()
    for name, said in {
        "other": "something else",
        "cut": "can't be read",
        "words": "can't be read",
        "huge": "too large",
        "white": "no code",
        "none": "can't be opened",
        "folder": "can't be opened",
    }.items():
        with pytest.raises(CodeError, match=said) as refused:
            read_picture(tmp_path / f"{name}.png")
        assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_the_newest_pictures_can_be_picked(tmp_path: Path) -> None:
    for age, name in enumerate(("Pictures/a.png", "Downloads/b.JPG", "Downloads/c.txt", "Desktop/d.webp/e.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert [Path(path).name for path in newest_pictures(tmp_path)] == ["a.png", "b.JPG"]  # a folder is no picture
    for number in range(9):
        (tmp_path / "Pictures" / f"{number}.png").touch()
    assert len(newest_pictures(tmp_path)) == 5 and newest_pictures(tmp_path / "none") == ()


def test_a_code_is_read_from_a_camera(tmp_path: Path) -> None:
    segno = pytest.importorskip("segno")
    pytest.importorskip("zxingcpp")
    pytest.importorskip("cv2")
    from threading import Event

    from PIL import Image

    text = f"enigma://192.168.1.20:8765/482913?certificate={'A' * 43}"
    segno.make(text).save(str(tmp_path / "code.png"), scale=4, border=4)
    code = Image.open(tmp_path / "code.png").convert("RGB")
    for number in range(3):  # a film whose last picture has the code
        picture = Image.new("RGB", (400, 300), (90, 120, 90))
        if number == 2:
            picture.paste(code.resize((240, 240)), (60, 30))
        picture.save(tmp_path / f"film_{number}.png")
    seen: list[tuple[int, int, int]] = []
    film = str(tmp_path / "film_%d.png")
    assert read_camera(Event(), lambda *one: seen.append((*one[:2], len(one[2]))), film) == text
    assert seen == [(320, 240, 320 * 240 * 3)] * 2
    (tmp_path / "film_2.png").unlink()
    with pytest.raises(CodeError, match="camera stopped"):
        read_camera(Event(), lambda *one: None, film)
    with pytest.raises(CodeError, match="no camera"):
        read_camera(Event(), lambda *one: None, str(tmp_path / "none.mp4"))
    stop = Event()
    stop.set()
    assert read_camera(stop, lambda *one: None, film) == ""


# --- near us ---


async def test_devices_near_us_are_listed_while_somebody_looks(
    app_state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("companion_app.services.discovery.SETTLED_SECONDS", 0.0)
    monkeypatch.setattr("companion_app.services.discovery.AGAIN_SECONDS", 0.01)
    store, woken, looks = Store(app_state), list[str](), list[float]()

    async def find(seconds: float) -> list[Announced]:
        looks.append(seconds)
        if len(looks) > 2:
            raise EdgeError("To look for devices the package zeroconf is needed; install enigma[discovery].")
        return [Announced("Shed", "abc", "https://192.168.1.9:8765", "1.0")]

    nearby = Nearby(store, woken.append, find)
    nearby.want(True)
    async with asyncio.timeout(60):
        while not store.state.fleet.look_problem:  # noqa: ASYNC110 - the store tells listeners, not events
            await asyncio.sleep(0.01)
    assert woken == ["https://192.168.1.9:8765"] * 2 and len(looks) == 3
    assert not store.state.fleet.found and "zeroconf" in store.state.fleet.look_problem
    nearby.want(False)
    assert not store.state.fleet.looking
    nearby.want(True)
    await nearby.close()
    assert reduce(app_state, fact.NearbyLooked(False, (Found("a", "b", "c"),))).fleet.found == (Found("a", "b", "c"),)


# --- a real device ---


@pytest.fixture
def device(start_device: Callable, two_versions: Path) -> RunningDevice:
    """A daemon with two versions, of which the second serves, and a pipeline."""
    (two_versions / "pipelines").mkdir()
    (two_versions / "pipelines" / "words.toml").write_text(PIPELINE)
    with socket.socket() as probe:  # a port of its own, as a restart must come back to it
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return start_device(listen=f"127.0.0.1:{port}")


async def paired(companion: Companion, device: RunningDevice, scope: str = "owner") -> None:
    code = await asyncio.to_thread(samples.one_time_code, device.state, scope)
    companion.commands.pair(device.url, code)
    await companion.until(lambda: companion.online, "the pairing")


async def test_a_device_is_steered_and_loses_no_request_while_it_switches(
    home: Inventory, device: RunningDevice, tmp_path: Path
) -> None:
    companion = Companion(home, tmp_path)
    store, devices = companion.store, companion.devices
    try:
        await paired(companion, device)
        address = device.url

        def detail() -> Detail:
            return store.state.fleet.details.get(address, Detail())

        companion.commands.watch(address)
        await companion.until(lambda: detail().versions, "the versions")
        assert [one.version for one in (detail().versions or {})["tiny"]] == ["2.0.0", "1.0.0"]
        assert detail().vitals is not None and detail().paired[0].scope == "owner"

        # S030: fifty at a time, and the switch in the middle of them.
        asked_with = DeviceClient(address, device.token)
        expected = {}
        for version in ("2.0.0", "1.0.0"):
            expected[version] = (await asked_with.run("tiny", {"text": "turn on the light"}))["scores"]
            if version == "2.0.0":
                devices.roll_back("tiny")
                await companion.until(lambda: companion.version == "1.0.0" and not store.state.fleet.busy, "the switch")
        assert expected["2.0.0"] != expected["1.0.0"]
        requests = [asyncio.create_task(asked_with.run("tiny", {"text": "turn on the light"})) for _ in range(50)]
        devices.switch("tiny", next(one.bundle for one in (detail().versions or {})["tiny"] if one.version == "2.0.0"))
        while (address, "switch tiny") in store.state.fleet.busy:
            # Fifty at a time, as S030 has it: a device's queue holds 64.
            waiting = sum(not request.done() for request in requests)
            requests += [
                asyncio.create_task(asked_with.run("tiny", {"text": "turn on the light"})) for _ in range(50 - waiting)
            ]
            await asyncio.sleep(0.005)
        answers = await asyncio.gather(*requests)
        await asked_with.close()
        assert all(answer["scores"] in expected.values() for answer in answers)
        assert store.state.fleet.notes[address] == ("tiny 2.0.0 answers now.", False)
        await companion.until(lambda: companion.version == "2.0.0", "the news")

        devices.sample("tiny")
        await companion.until(lambda: not store.state.fleet.samples[address, "tiny"].busy, "the sample")
        tried = store.state.fleet.samples[address, "tiny"]
        assert tried.answer == tried.expected and tried.asked and not tried.error and tried.ms > 0
        devices.sample("tiny", "play some jazz")
        await companion.until(lambda: store.state.fleet.samples[address, "tiny"].asked == "play some jazz", "typed")
        await companion.until(lambda: not store.state.fleet.samples[address, "tiny"].busy, "the sample")
        await companion.until(lambda: detail().figures["tiny"].p50_ms, "live figures")

        assert [(one.name, one.on) for one in detail().pipelines or ()] == [("words", True)]
        devices.pipeline("words", False)
        await companion.until(lambda: not (detail().pipelines or ())[0].on, "the pipeline to stop")
        devices.read_log()
        await companion.until(lambda: store.state.fleet.log.lines, "the journal")
        assert {line.kind for line in store.state.fleet.log.lines} >= {"log", "request"}
        devices.check_updates()
        await companion.until(lambda: store.state.fleet.notes.get(address, ("", False))[1], "the refusal")
        assert "follows no repository" in store.state.fleet.notes[address][0]

        devices.label("  Ground   floor ", "#robot, test robot")
        assert json.loads((tmp_path / "labels.json").read_text())["labels"][address] == {
            "group": "Ground floor",
            "tags": ["robot", "test"],
        }
        started = detail().vitals
        devices.restart()
        await companion.until(
            lambda: started and detail().vitals and detail().vitals.started > started.started, "the restart"
        )
        assert device.process.poll() is None
        again = Companion(home, tmp_path)
        again.devices.start()
        assert again.store.state.fleet.labels[address].tags == ("robot", "test")
        await again.close()
    finally:
        await companion.close()


async def test_a_device_that_is_killed_in_the_middle_of_commands_does_each_once(
    home: Inventory, device: RunningDevice, tmp_path: Path
) -> None:
    companion = Companion(home, tmp_path)
    try:
        await paired(companion, device)
        told = await cycles(companion, device, 5, seed=1)
        await companion.close()
        assert len(await reopened(home, tmp_path, 3)) == 3
        assert companion.device is not None
        await asyncio.to_thread(companion.device.stop)
        assert told.wrong == [] and len(told.seconds) == 5
    finally:
        await companion.close()


async def test_who_stands_in_between_gets_nothing_and_an_ended_token_is_said(
    home: Inventory, start_device: Callable, state: Path, tmp_path: Path
) -> None:
    device = start_device(listen="0.0.0.0:0")
    companion = Companion(home, tmp_path)
    try:
        printed = await asyncio.to_thread(
            edge, "pair", "--qr", "--address", f"127.0.0.1:{device.port}", "--state", state
        )
        text = printed.stdout.splitlines()[-1]
        where, _, digest = text.partition("certificate=")
        other = ("B" if digest[0] == "A" else "A") + digest[1:]
        companion.commands.pair(f"{where}certificate={other}", "")
        await companion.until(lambda: companion.store.state.pairing.error, "the refusal")
        assert "stands in between" in (companion.store.state.pairing.error or "")
        assert '"tries":5' in (state / "identity" / "pairing.json").read_text()
        companion.commands.pair(text, "")
        await companion.until(lambda: companion.online, "the pairing")
        listed = await asyncio.to_thread(edge, "paired", "--state", state)
        await asyncio.to_thread(edge, "paired", "remove", listed.stdout.split()[0], "--state", state)
        await companion.until(lambda: companion.store.state.device.link.refused, "the end of the token")  # type: ignore[union-attr]
        assert "pair" in (companion.store.state.device.link.error or "")  # type: ignore[union-attr]
        companion.devices.sample("tiny", "hello")
        await companion.until(
            lambda: companion.store.state.fleet.samples[companion.store.state.selected or "", "tiny"].error,
            "a sentence",
        )
    finally:
        await companion.close()


def test_answers_and_requests_are_read_as_people_do() -> None:
    assert reading({"label": "mail", "scores": {}, "ms": 1}) == "mail"
    assert reading(samples.ROBOT_ANSWER) == "HassLightSet light.reading_lamp, light.gone"
    assert reading({"calls": [], "question": "Which?"}) == "Which?" and reading({"answer": "84"}) == "84"
    assert reading({"boxes": [1], "ms": 3}) == '{"boxes": [1]}' and len(reading({"boxes": ["x" * 999]})) <= 300
    assert asked({"text": "hi", "inventory": {}}) == "hi" and "inventory" not in asked({"inventory": {}, "x": 1})
