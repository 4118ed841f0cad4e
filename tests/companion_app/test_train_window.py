"""The screens Train and Data in a real window: a curve, a map, a list of 100,000 rows, and a host that is too old."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.state import bundles as bact
from companion_app.state import rows_actions as ract
from companion_app.state import train_actions as tact
from companion_app.state.bundles import Goal, HostBundle
from companion_app.state.rollout_plan import Known, Member, Plan
from companion_app.state.rows import PAGE, DataRow, Filter
from companion_app.state.training import Curve, DatasetCard, Heat, Job, JobState, Part, RunDetails

from . import window
from .fake_host import FakeHost
from .test_teaching_flow import pick

if TYPE_CHECKING:
    from companion_app.app import Options

MISSING = "This host can't train for the companion; update Enigma there."


async def paired(driver: window.Driver, host: FakeHost) -> None:
    driver.app.hosting.pair(host.url, host.code)
    state = driver.app.store
    await driver.until(lambda: state.state.host is not None and state.state.host.phase.value == "online", "the host")


async def test_a_host_without_trainings_is_told_in_one_sentence(options: Options) -> None:
    async with FakeHost() as host, window.opened(options) as driver:
        await paired(driver, host)
        driver.app.open("train")
        await driver.until(lambda: driver.app.store.state.training.problem, "the sentence")
        assert driver.app.screen.empty == MISSING
        driver.app.open("data")
        await driver.settle()
        assert driver.app.screen.empty == MISSING and not driver.clipped()


async def test_curves_maps_and_states_are_drawn_and_told_in_words(options: Options) -> None:
    async with FakeHost() as host, window.opened(options) as driver:
        await paired(driver, host)
        app, dispatch = driver.app, driver.app.store.dispatch
        app.open("train")
        await driver.until(lambda: app.store.state.training.problem, "the first look")
        job = Job("train-1", run="talk", task="chat", data="talk", state=JobState.RUNNING, step=10_000, pausable=True)
        dispatch(tact.HostDataTold((DatasetCard("talk", "chat", train=38),), (job,)))
        steps = tuple(range(1, 10_001))
        dispatch(tact.CurveTold(Curve("train-1", "loss", steps, tuple(5 / step for step in steps), ("loss",)), True))
        await driver.settle()
        plot = driver.find_all("CurvePlot")[0]
        assert plot.spoken == "Loss: 5 at step 1, 5e-04 at step 10000; least 5e-04, greatest 5."
        assert driver.find("Act", text="Pause").disabled is False and not driver.clipped()
        colours = driver.picture().crop(driver.region(plot)).getcolors(100_000)
        accent = tuple(round(255 * part) for part in app.palette.accent[:3])
        assert any(all(abs(a - b) < 12 for a, b in zip(colour, accent, strict=True)) for _, colour in colours)

        dispatch(tact.TrainPartPicked(Part.HISTORY))
        run = RunDetails(app_run(), "enigma train", checkpoints=((5, 0.5), (9, 0.4)), now=5, curves=("loss",))
        dispatch(tact.RunTold(run, None))
        names = ("delivery", "refund")
        dispatch(tact.HeatsTold((Heat("mails", "label", names, ((0.75, 0.25), (0.0, 1.0)), ((3, 1), (0, 4))),)))
        await driver.settle()
        heat = driver.find("HeatMap")
        assert heat.told == '"delivery" was answered as "delivery" in 75.0 % (3 times).'
        heat.focus = True
        await driver.press(275, "right")
        assert heat.told == '"delivery" was answered as "refund" in 25.0 % (1 times).'
        assert driver.find("Act", text="Undo").disabled and not driver.find("Act", text="Redo").disabled

        dispatch(tact.TrainPartPicked(Part.RELEASE))
        await driver.until(lambda: app.store.state.bundles.older, "the answer of a host that knows no bundles")
        await driver.settle()
        assert {field.label for field in driver.find_all("Field")} >= {"Specialist", "Version"}, (
            "what nobody can list is typed"
        )
        newest, older, kept = (HostBundle(digit * 64, name, version, "robot", 100, published=digit != "c") for digit, name, version in (("a", "home", "1.4.0"), ("b", "home", "1.3.0"), ("c", "talk", "2.0.0")))  # fmt: skip
        dispatch(bact.BundlesTold((newest, older, kept)))
        await driver.settle()
        assert driver.find_all("Field", label="Specialist") == [] and len(driver.find_all("BundleRow")) == 3
        assert [value for value, *_ in driver.find("Select", label="Version").options] == ["1.4.0", "1.3.0"]
        begun: list[Plan] = []
        app.training.roll_out = begun.append
        await driver.touch(driver.find("Act", text="Begin"))
        plain = Plan("home", "1.4.0", "1,5%,25%,100%", "1h", most_failures="2%", least_done="90%")
        assert begun == [plain]
        await who_when_and_what_pauses_it(driver)
        await driver.touch(driver.find("Act", text="Begin"))
        asked = {"all": "hall, kitchen", "none": "beta", "when": "idle, 22:00-06:00", "most_failures": "5%"}
        assert begun[1:] == [replace(plain, **asked)]
        dispatch(bact.FetchBegun(newest, Goal.SAVE))
        dispatch(bact.FetchGot(40))
        await driver.settle()
        assert driver.find("BundlesCard").progress == "home 1.4.0: 40 B of 100 B"
        assert all(act.disabled for act in driver.find_all("Act", text="Push")) and not driver.clipped()
        await driver.touch(driver.find("Act", text="Cancel"))
        assert app.store.state.bundles.fetch is None and driver.find_all("Act", text="Cancel") == []


async def test_a_device_of_the_fleet_is_tagged(options: Options) -> None:
    async with FakeHost() as host, window.opened(options) as driver:
        await paired(driver, host)
        app, dispatch = driver.app, driver.app.store.dispatch
        app.open("train")
        await driver.until(lambda: app.store.state.training.problem, "the first look")
        dispatch(tact.HostDataTold((), ()))
        dispatch(tact.TrainPartPicked(Part.RELEASE))
        await driver.until(lambda: app.store.state.bundles.older, "the answer of a host that knows no bundles")
        assert not driver.find_all("TagsCard"), "a host that is too old"
        one, other = Member("d1", "Kitchen Pi", ("hall",), ("beta",)), Member("d2", "Attic")
        dispatch(tact.ReleasesTold((), (), "", Known(2, (), (one, other))))
        await driver.settle()
        card, asked = driver.find("TagsCard"), []
        command = app.registry["fleet.tag"]
        app.registry._commands["fleet.tag"] = replace(command, run=lambda device, tags: asked.append((device, tags)))
        assert driver.find("Act", text="Keep these tags").disabled
        await pick(driver, card.ids.device, "d1")
        assert card.own == "Its own: hall" and card.ids.given.text == "beta"
        for typed, problem, changed in (
            ("Beta", "", False),
            ("beta!", "can't be a tag", False),
            ("beta, attic", "", True),
        ):
            await driver.write(card.ids.given.entry, typed)
            assert problem in card.ids.given.problem and card.changed is changed, typed
        # What the host says of others meanwhile leaves it as it was typed.
        dispatch(tact.ReleasesTold((), (), "", Known(2, (), (one, replace(other, given=("x",))))))
        await driver.settle()
        assert card.ids.given.text == "beta, attic" and not driver.clipped()
        await driver.touch(driver.find("Act", text="Keep these tags"))
        assert asked == [("d1", "beta, attic")]


async def who_when_and_what_pauses_it(driver: window.Driver) -> None:
    """The part of the form that most leave as it is."""
    known = Known(9, ((("hall", "kitchen"), 4), (("hall", "beta", "kitchen"), 2), ((), 3)))
    driver.app.store.dispatch(tact.ReleasesTold((), (), "", known))
    await driver.settle()
    await driver.touch(driver.find("Act", text="Which devices, when, and what pauses it"))
    form = driver.find("RolloutsCard")
    assert "All 9 devices that the host knows are meant." in form.plan
    await driver.touch(driver.find("Choice", text="hall"))
    await driver.touch(driver.find("Choice", text="kitchen"))
    assert form.ids.all.text == "hall, kitchen" and driver.find("Choice", text="hall").on
    assert "6 of 9 devices that the host knows are meant." in form.plan
    for typed, problem in (("Beta!", "beta! can't be a tag"), ("Beta", "")):
        await driver.write(form.ids.none.entry, typed)
        assert problem in form.ids.none.problem and form.planned is not bool(problem)
    form.ids.none.entry.text = "beta"
    assert "4 of 9 devices" in form.plan
    for condition in ("while it charges", "while nobody uses it", "while it charges"):
        await driver.touch(driver.find("Check", text=condition))
    assert [check.on for check in driver.find_all("Check")] == [True, False, False]
    await driver.write(form.ids.hours.entry, "22-6")
    assert form.ids.hours.problem == "Write hours as 22:00-06:00." and driver.find("Act", text="Begin").disabled
    await driver.write(form.ids.hours.entry, "22:00-06:00")
    await pick(driver, form.ids.failures, "5%")
    assert form.plan.endswith(
        "A device fetches it before, and switches while nobody uses it, from 22:00 to 06:00. "
        "It pauses where more than 5 % of a stage fail, and goes on once 90 % of it run the version."
    )
    assert not driver.clipped()
    # Hidden, it counts as before; and what the host says meanwhile doesn't bring it back.
    await driver.touch(driver.find("Act", text="Fewer choices"))
    driver.app.store.dispatch(tact.ReleasesTold((), (), "No news.", known))
    await driver.settle()
    assert driver.find_all("Check") == [] and "switches while nobody uses it" in form.plan


async def test_a_run_is_exported_and_its_files_are_saved(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.trainer_host.server.conftest import serving
    from tests.trainer_host.server.test_exports import MODEL, a_run
    from trainer_host.server.job_queue import JobQueue
    from trainer_host.server.run import pairing_code
    from trainer_host.workspace import Workspace

    monkeypatch.setattr(JobQueue, "start", lambda queue: None)  # what is begun waits
    monkeypatch.setattr("companion_app.services.private_files._downloads", lambda: tmp_path)
    home = Workspace(tmp_path / "home")
    for at, name in enumerate(("mails", "talk")):
        a_run(home, name, 1e9 - at)
    (home.runs / "talk" / "run.json").unlink()  # no run by now, so its files aren't listed
    async with serving(home) as host, window.opened(options) as driver:
        driver.app.hosting.pair(host.url, pairing_code(home, "owner"))
        store = driver.app.store
        await driver.until(lambda: store.state.host and store.state.host.phase.value == "online", "the host")
        driver.app.open("train")
        await driver.until(lambda: store.state.training.known, "what the host has")
        await driver.touch(driver.find("Choice", text="Release"))
        await driver.until(lambda: driver.find_all("ExportRow"), "the files")
        assert [row.title for row in driver.find_all("ExportRow")] == ["mails model.fp32.onnx", "mails model.int8.onnx"]
        card = driver.find("ExportCard").ids
        assert driver.find("Act", text="Write its files").disabled
        await pick(driver, card.run, "mails")
        await pick(driver, card.form, "gguf")
        await driver.touch(driver.find("Act", text="Write its files"))
        await driver.until(lambda: store.state.training.jobs, "the job")
        assert store.state.training.jobs[0].commands == ("enigma export mails --format=gguf",)
        assert driver.find("JobRow").about == "Export of its model files"
        await driver.touch(driver.find("Act", spoken="Save mails model.fp32.onnx as a file"))
        await driver.until(lambda: store.state.bundles.fetch and not store.state.bundles.fetch.open, "the file")
        assert (tmp_path / "mails.model.fp32.onnx").read_bytes() == MODEL
        assert not driver.clipped()


async def test_a_hundred_thousand_rows_scroll_through_a_few_widgets(options: Options) -> None:
    async with FakeHost() as host, window.opened(options) as driver:
        await paired(driver, host)
        app, dispatch = driver.app, driver.app.store.dispatch
        asked: list[int] = []

        def need(place: int) -> None:
            start = place - place % PAGE
            if app.store.state.rows.row(start) is None and start not in asked:
                asked.append(start)
                rows = tuple(DataRow(n, f"row {n}", "a", "person", 0.9) for n in range(start, start + PAGE))
                dispatch(ract.PageTold("many", "train", Filter(), "c", 100_000, start, rows))

        app.rows.need = need
        app.open("data")
        await driver.until(lambda: app.store.state.training.problem, "the first look")
        dispatch(tact.HostDataTold((DatasetCard("many", "router", train=100_000),), ()))
        app.rows.open("many")
        await driver.settle()
        listing = driver.find("RowList")
        assert listing.count == 100_000 and len(driver.find_all("RowView")) <= listing.height / listing.row_height + 3
        listing.focus = True
        await driver.press(279, "end")
        assert {"row 99999"} & {view.text for view in driver.find_all("RowView")}
        last = max((view for view in driver.find_all("RowView") if not view.disabled), key=lambda view: view.place)
        # It stands where it is drawn to the pixel, however far down the list is.
        assert last.y == pytest.approx(listing.y + 4, abs=8) and len(asked) <= 3
        await driver.press(278, "home")
        assert listing.offset == 0 and "row 0" in {view.text for view in driver.find_all("RowView")}
        listing.scroll_to(50_000.25)
        await driver.settle()
        assert "row 50001" in {view.text for view in driver.find_all("RowView")}
        app.rows.delete(50_001)
        await driver.settle()
        marked = next(view for view in driver.find_all("RowView") if view.place == 50_001)
        assert (marked.mark, marked.tone) == ("goes", "bad") and "goes" in marked.spoken
        assert driver.find("Act", text="Save as a new version").disabled is False


def app_run() -> object:
    """A run of the history."""
    from companion_app.services.train_wire import run_from

    return run_from({"id": 1, "name": "mails", "task": "router", "state": "done"})
