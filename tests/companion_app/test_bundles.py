"""Bundles from the host: fetched in pieces, gone on with after a break, begun anew, checked, cancelled; by the app and by the command line."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from companion_app import headless
from companion_app.services import bundle_commands
from companion_app.services.bundle_commands import BundleCommands
from companion_app.services.bundle_wire import bundles_from, exports_from
from companion_app.services.host_client import HostClient
from companion_app.services.remember import Memory, RememberedHost
from companion_app.services.train_wire import rollout_body
from companion_app.start import Options
from companion_app.state import bundles as bact
from companion_app.state import host_actions as hact
from companion_app.state.bundles import Bundles, FetchPhase, HostBundle
from companion_app.state.host import Host, Offer
from companion_app.state.model import AppState
from companion_app.state.rollout_plan import (
    USUAL_DONE,
    USUAL_FAILURES,
    Known,
    Plan,
    hours_problem,
    reach_words,
    switch_words,
    tags_problem,
    toggled,
    when_words,
    words_of,
)
from companion_app.state.rollout_words import plan_words, rollout_terms, size_words, stage_state, stages_words
from companion_app.state.store import Store
from companion_app.state.training import Rollout, Stage
from edge_runtime.update.desired import Where

from .test_train_state import JSON

CONTENT = bytes(at % 251 for at in range(1_000_000))
SHA = hashlib.sha256(CONTENT).hexdigest()
BUNDLE = HostBundle(SHA, "home-en", "1.4.0", "robot", len(CONTENT), 1.7e9, True)
MODEL = HostBundle(SHA, "tickets", "", "router", len(CONTENT), 1.7e9, model="model.int8.onnx")
DEADLINE = 60.0
Answer = Callable[[web.Request, int], Awaitable[web.StreamResponse]]


@dataclass
class Shelf:
    """A host that has one bundle. answers: how it answers the first requests; those behind get what they ask for."""

    answers: list[Answer] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    url: str = ""

    async def send(self, request: web.Request) -> web.StreamResponse:
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.begun.append(start)
        return await (self.answers.pop(0) if self.answers else whole)(request, start)


async def sent(request: web.Request, start: int, content: bytes, *, partly: bool = True) -> web.StreamResponse:
    """This content from a byte on, however long it is."""
    response = web.StreamResponse(status=206 if start and partly else 200)
    if start and partly:
        response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    await response.prepare(request)
    await response.write(content[start if partly else 0 :])
    return response


async def whole(request: web.Request, start: int) -> web.StreamResponse:
    return await sent(request, start, CONTENT)


async def from_zero(request: web.Request, start: int) -> web.StreamResponse:
    """As a host that knows nothing of ranges."""
    return await sent(request, start, CONTENT, partly=False)


async def damaged(request: web.Request, start: int) -> web.StreamResponse:
    return await sent(request, start, CONTENT[:-1] + b"x")


async def endless(request: web.Request, start: int) -> web.StreamResponse:
    return await sent(request, start, CONTENT + b"and more")


async def broken(request: web.Request, start: int) -> web.StreamResponse:
    """Two fifths, and the line is cut."""
    response = web.StreamResponse(
        status=206 if start else 200, headers={"Content-Range": f"bytes {start}-999999/1000000"}
    )
    response.content_length = len(CONTENT) - start
    await response.prepare(request)
    await response.write(CONTENT[start : start + 400_000])
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.fixture
async def shelf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    monkeypatch.setattr(bundle_commands, "AGAIN_SECONDS", 0.0)
    made = Shelf()
    app = web.Application()
    app.router.add_get(f"/v1/bundles/{SHA}", made.send)
    app.router.add_get(f"/v1/exports/{SHA}", made.send)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


class App:
    """The commands over a store, without a window. pushed: the files that were carried on."""

    def __init__(self, state: AppState, shelf: Shelf, folder: Path) -> None:
        self.store, self.folder, self.pushed = Store(state), folder / "config", list[str]()
        self.client = HostClient(shelf.url, "token")
        self.store.dispatch(hact.HostPaired(Host(shelf.url, "Tower")))
        self.store.dispatch(hact.HostUpdated(Offer(), ()))
        self.store.dispatch(bact.BundlesTold((BUNDLE,)))
        self.bundles = BundleCommands(
            self.store, self.folder, lambda: self.client, self.pushed.append, lambda name: None
        )

    async def ended(self) -> bact.Fetch:
        """How the fetch stands that was begun last, once it has ended."""
        assert self.bundles._fetching is not None
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(self.bundles._fetching, return_exceptions=True)
        fetch = self.store.state.bundles.fetch
        assert fetch is not None and not fetch.open
        return fetch

    @property
    def left(self) -> list[str]:
        return sorted(file.name for file in (self.folder / "bundles").iterdir())


@pytest.fixture
async def app(app_state: AppState, shelf: Shelf, tmp_path: Path) -> AsyncIterator[App]:
    made = App(app_state, shelf, tmp_path)
    yield made
    await made.bundles.close()
    await made.client.close()


async def test_a_break_is_gone_on_with_and_the_file_is_the_hosts(app: App, shelf: Shelf, tmp_path: Path) -> None:
    shelf.answers = [broken, broken]
    app.bundles.save("home-en", str(tmp_path))
    fetch = await app.ended()
    assert fetch.phase is FetchPhase.DONE and fetch.message == f"Saved as {tmp_path / 'home-en-1.4.0.enigma'}."
    assert (tmp_path / "home-en-1.4.0.enigma").read_bytes() == CONTENT
    first, second, third = shelf.begun
    assert 0 == first < second < third, "it never begins anew by itself"
    # A second time it is here already; a file of that name is never written over.
    app.bundles.push(SHA)
    assert (await app.ended()).phase is FetchPhase.DONE and len(shelf.begun) == 3
    assert [Path(file).read_bytes() for file in app.pushed] == [CONTENT]
    app.bundles.save(SHA, str(tmp_path))
    assert (await app.ended()).file == str(tmp_path / "home-en-1.4.0 2.enigma")
    assert oct((tmp_path / "home-en-1.4.0 2.enigma").stat().st_mode & 0o777) == "0o600"


async def test_what_an_earlier_start_of_the_app_left_is_gone_on_with_or_begun_anew(app: App, shelf: Shelf, tmp_path: Path) -> None:  # fmt: skip
    part = app.folder / "bundles" / f"{SHA}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:600_000])
    shelf.answers = [from_zero]
    app.bundles.save(SHA, str(tmp_path / "a.enigma"))
    assert (await app.ended()).phase is FetchPhase.DONE and shelf.begun == [600_000]
    part.write_bytes(b"?" * 600_000)  # the disk lied: the hash says so, and all of it comes anew
    (app.folder / "bundles" / "home-en-1.4.0.enigma").unlink()
    app.bundles.save(SHA, str(tmp_path / "b.enigma"))
    assert (await app.ended()).phase is FetchPhase.DONE and shelf.begun[1:] == [600_000, 0]
    assert (tmp_path / "a.enigma").read_bytes() == (tmp_path / "b.enigma").read_bytes() == CONTENT


async def test_what_isnt_the_bundle_is_dropped(app: App, shelf: Shelf, tmp_path: Path) -> None:
    for answer, words in ((damaged, "isn't the bundle that the host listed"), (endless, "sends more than it said")):
        shelf.answers = [answer, answer]
        app.bundles.save(SHA, str(tmp_path / "none.enigma"))
        fetch = await app.ended()
        assert fetch.phase is FetchPhase.FAILED and words in fetch.message
        assert not (tmp_path / "none.enigma").exists()
        assert all((app.folder / "bundles" / name).stat().st_size == 0 for name in app.left)
    huge = replace(BUNDLE, bytes=2**40)
    app.store.dispatch(bact.BundlesTold((huge,)))
    app.bundles.save(SHA, str(tmp_path))
    assert "larger than a bundle may be" in (await app.ended()).message
    app.bundles.save("nothing-of-it")
    await app.ended()
    assert (app.store.state.notice or "").startswith("The host has no bundle nothing-of-it")


async def test_a_model_file_is_kept_where_a_person_says_and_nowhere_else(
    app: App, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.store.dispatch(bact.ExportsTold((replace(MODEL, bytes=2**40, sha256="0" * 64), MODEL)))
    shelf.answers = [broken]
    app.bundles.save_model("tickets model.int8.onnx", str(tmp_path))
    assert "no room here for tickets model.int8.onnx" in (await app.ended()).message
    app.bundles.save_model(SHA, str(tmp_path))
    fetch = await app.ended()
    assert fetch.file == str(tmp_path / "tickets.model.int8.onnx") and len(shelf.begun) == 2
    assert (tmp_path / "tickets.model.int8.onnx").read_bytes() == CONTENT and app.left == []
    shelf.answers = [damaged, damaged]
    app.bundles.save_model(SHA, str(tmp_path))
    assert "isn't the model file that the host listed" in (await app.ended()).message and app.left == []
    app.bundles.save_model("gone model.onnx")
    await app.ended()
    assert (app.store.state.notice or "").startswith("The host has no model file gone model.onnx")


async def test_a_fetch_is_held_cancelled_and_leaves_nothing(app: App, shelf: Shelf, tmp_path: Path) -> None:
    goes_on = asyncio.Event()

    async def held(request: web.Request, start: int) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(CONTENT[:300_000])
        await goes_on.wait()
        return response

    shelf.answers = [held]
    app.bundles.save(SHA, str(tmp_path))
    async with asyncio.timeout(DEADLINE):
        while (fetch := app.store.state.bundles.fetch) is None or not fetch.got:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    app.bundles.save(SHA, str(tmp_path))
    assert "wait until it is here" in (app.store.state.notice or "")
    app.bundles.cancel()
    assert app.store.state.bundles.fetch is None and app.left == []
    goes_on.set()
    app.bundles.save(SHA, str(tmp_path / "a.enigma"))
    assert (await app.ended()).phase is FetchPhase.DONE and shelf.begun[-1] == 0


async def test_the_command_line_lists_and_saves_what_a_real_host_made(tmp_path: Path) -> None:
    from tests.trainer_host.fleet.samples import Devices, published
    from tests.trainer_host.server.conftest import serving
    from tests.trainer_host.server.test_exports import a_run
    from trainer_host.fleet.database import open_store
    from trainer_host.fleet.rollouts import Plan as HostPlan
    from trainer_host.fleet.rollouts import percent
    from trainer_host.workspace import Workspace

    home, config = tmp_path / "home", tmp_path / "config"
    home.mkdir()
    devices = Devices({"d1": ("kitchen",)})
    devices.look(published(home, "1.0.0", "1.1.0"))
    with open_store(Workspace(home)) as store:
        devices.tell(store, 1e9)
    async with serving(Workspace(home)) as client:
        Memory(config).prepare()
        Memory(config).keep_host(RememberedHost(client.url, "tower", client.token or "", scope="owner"))
        options = Options(config)
        told = json.loads(await headless.run(options, "bundle.list", []))
        assert {one["name"] for one in told} == {"easy 1.0.0", "easy 1.1.0"} and all(one["published"] for one in told)
        run = a_run(Workspace(home), "mails", 1e9)
        files = json.loads(await headless.run(options, "run.files", []))
        assert [one["name"] for one in files] == ["mails model.fp32.onnx", "mails model.int8.onnx"]
        await headless.run(options, "run.save", ["--file", files[1]["name"], "--path", str(tmp_path)])
        kept = tmp_path / "mails.model.int8.onnx"
        assert kept.read_bytes() == (run / "model.int8.onnx").read_bytes()
        said = await headless.run(options, "bundle.save", ["--bundle", "easy 1.0.0", "--path", str(tmp_path)])
        assert said == f"Saved as {tmp_path / 'easy-1.0.0.enigma'}."
        assert (tmp_path / "easy-1.0.0.enigma").read_bytes() == b"bundle 1.0.0"
        limits = ["--any", "Kitchen hall", "--when", "idle,22:00-06:00", "--most-failures", "5 %", "--least_done=50%"]
        asked = ["--specialist", "easy", "--version", "1.1.0", *limits]
        begun = json.loads(await headless.run(options, "rollout.begin", asked))
        assert (begun["specialist"], begun["version"], begun["state"]) == ("easy", "1.1.0", "running")
        with open_store(Workspace(home)) as store, store.reading() as session:
            [course] = session.courses()
        assert course.where == Where(any=("kitchen", "hall")) and course.when == ("idle", "22:00-06:00")
        assert (course.plan.most_failures, course.plan.least_done) == (500, 5000)
        usual = HostPlan()
        assert (percent(usual.most_failures), percent(usual.least_done)) == (USUAL_FAILURES, USUAL_DONE)
        assert begun["terms"].startswith(
            "Devices with one of kitchen, hall  ·  while nobody uses it, from 22:00 to 06:00"
        )
        for tags, kept in (("attic, Hall", ["kitchen", "attic", "hall"]), ("", ["kitchen"])):
            told = json.loads(await headless.run(options, "fleet.tag", ["--device", "d1", "--tags", tags]))
            assert told == [{"name": "name-d1", "tags": kept}]
        with pytest.raises(headless.CommandError, match="can't be a tag"):
            await headless.run(options, "fleet.tag", ["--device", "d1", "--tags", "Küche"])
        paused = json.loads(await headless.run(options, "rollout.pause", ["--id", str(begun["id"])]))
        assert paused["state"] == "paused"
        refused = headless.run(options, "rollout.begin", ["--specialist", "easy", "--version", "9.0.0"])
        with pytest.raises(headless.CommandError, match=r"9\.0\.0"):
            await refused


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(("bundles", "damaged", "exports")), JSON))
def test_whatever_a_host_sends_makes_bundles_of_the_apps_own(answer: dict[str, object]) -> None:
    found, sentences = bundles_from(answer)
    assert all(one.sha256 for one in (*found, *exports_from(answer))) and all(isinstance(one, str) for one in sentences)


def test_only_what_can_be_a_files_name_here_is_a_bundle() -> None:
    good = {"sha256": SHA, "specialist": "home-en", "version": "1.4.0", "bytes": 9, "made": 1.0, "published": True}
    wrong: list[dict[str, object]] = [
        {"sha256": "../x"},
        {"specialist": "../../x"},
        {"version": "1/2"},
        {"specialist": None},
    ]
    found, _ = bundles_from({"bundles": [good, *({**good, **one} for one in wrong), 7]})
    assert [one.name for one in found] == ["home-en 1.4.0"]
    file = {"sha256": SHA, "run": "mails", "file": "model.q8_0.gguf", "bytes": 9, "current": True}
    strange = [{"file": name} for name in ("../x.onnx", ".onnx", "a/b.onnx", "x" * 300, "model", 7)]
    exported = exports_from({"exports": [file, *({**file, **one} for one in [*strange, {"run": "../x"}])]})
    assert [(one.name, one.kept_as) for one in exported] == [("mails model.q8_0.gguf", ("mails.model.q8_0", "gguf"))]


def test_versions_are_offered_the_newest_first_and_found_by_any_name() -> None:
    def made(specialist: str, version: str, published: bool) -> HostBundle:
        return HostBundle(f"{specialist}{version}", specialist, version, published=published)

    bundles = Bundles(True, False, (made("talk", "2.0.0", False), made("home", "1.1.0", True), made("talk", "1.0.0", True), made("home", "1.0.0", True)))  # fmt: skip
    assert bundles.specialists() == ("home", "talk")
    assert [one.version for one in bundles.versions("home")] == ["1.1.0", "1.0.0"]
    for words, version in (
        ("home", "1.1.0"),
        ("home 1.0.0", "1.0.0"),
        ("home-1.0.0.enigma", "1.0.0"),
        ("talk", "2.0.0"),
    ):
        found = bundles.find(words)
        assert found is not None and found.version == version, words
    assert bundles.find("nobody") is None


def test_what_is_typed_of_a_plan_is_read_and_told() -> None:
    assert words_of("Kitchen, floor:2  kitchen") == ("kitchen", "floor:2")
    assert toggled(toggled("a", "b"), "a") == "b" and toggled("", "a") == "a"
    assert tags_problem("hall, floor:2") == hours_problem("") == hours_problem("22:00-06:00 23:00-01:00") == ""
    assert "küche" in tags_problem("hall Küche") and "22:00-06:00" in hours_problem("24:00-06:00")
    known = Known(5, ((("hall", "beta"), 1), (("hall",), 2), (("kitchen",), 2)))
    assert known.tags() == ("hall", "kitchen", "beta")
    assert known.meant(Where(any=("hall", "kitchen"), none=("beta",))) == 4 and known.meant(Where()) == 5
    assert replace(known, devices=900).meant(Where()) is None, "the host told of the largest groups alone"
    assert reach_words(replace(known, devices=900), Where()) == reach_words(None, Where()) == ""
    assert reach_words(known, Where(all=("attic",))) == "No device that the host knows has these tags."
    assert reach_words(known, Where(all=("beta",))) == "1 of 5 devices that the host knows is meant."
    assert "knows no device yet" in reach_words(Known(), Where())
    assert when_words(("docked", "later")) == "while it is docked, later" and switch_words(()) == ""
    rollout = Rollout(
        "r", state="running", where=Where(all=("hall",), none=("beta",)), most_failures="2%", least_done="90%"
    )
    assert rollout_terms(rollout).startswith(
        "Devices with hall; without beta  ·  It pauses where more than 2 % of a stage"
    )
    assert rollout_terms(Rollout("r", state="done", most_failures="2%", least_done="90%")) == ""
    assert rollout_body(Plan("home", " 1.0.0 ", soak="1 h", when="idle", all="A,b")) == {
        "specialist": "home", "version": "1.0.0", "soak": "1h", "when": ["idle"], "all": ["a", "b"],
    }  # fmt: skip


def test_a_plan_and_its_stages_are_told_in_words() -> None:
    assert plan_words("1,5%,25%,100%", "1h") == "It goes to 1 device, then 5 %, then 25 %, then all. Each stage is watched for 1 hour before the next begins."  # fmt: skip
    assert "1,5%,25%,100%" in plan_words("some", "1h") and stages_words("3,,100%") == ""
    assert size_words("3 devices") == "3 devices" and size_words("2.5%") == "2.5 %"
    stages = (Stage("1 device", 1, 1, 0), Stage("5%", 4, 2, 0), Stage("100%", 40, 2, 0))
    rollout = Rollout("r", "home", "1.1.0", state="running", stage=1, stages=stages)
    assert [stage_state(rollout, at)[0] for at in range(3)] == ["Done", "Running", "Waiting"]
    assert stage_state(replace(rollout, soaking=True), 1)[0] == "Watching"
    assert [stage_state(replace(rollout, state="paused"), at)[0] for at in range(3)] == ["Done", "Paused", "Waiting"]
    assert [stage_state(replace(rollout, state="aborted"), at)[0] for at in range(3)] == ["Done", "", ""]
