"""One table of commands: its rules, its keys, who may run what, and what the command line makes of it."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion_app import headless
from companion_app.arguments import ArgumentError, read_arguments
from companion_app.chords import FUNCTION_KEYS, MODIFIERS, chord, chord_of, may_bind, shown, written
from companion_app.core_commands import commands
from companion_app.registry import Command, CommandError, Registry, covers, why_not
from companion_app.screens.chat.commands import commands as chat_commands
from companion_app.services.remember import Memory, RememberedHost
from companion_app.start import Options, Services
from companion_app.state.host import Host
from companion_app.state.model import AppState
from companion_app.state.preferences import Preferences, read_preferences
from tests.edge_runtime.api.test_access import MATRIX
from trainer_host.server.access import scope_of

from . import samples
from .fake_host import TOKEN, FakeHost

# What each command asks of a device or a host, as the API names it.
ON_DEVICE = {
    "device.ask": ("POST", "/v1/run/{specialist}"),
    "device.push": ("POST", "/v1/bundles"),
    "device.switch": ("POST", "/v1/switch/{specialist}"),
    "device.rollback": ("POST", "/v1/rollback/{specialist}"),
    "device.sample": ("GET", "/v1/samples/{specialist}"),
    "device.pipeline": ("POST", "/v1/pipelines/{pipeline}/start"),
    "device.updates": ("POST", "/v1/updates/check"),
    "device.restart": ("POST", "/v1/restart"),
    "device.reboot": ("POST", "/v1/restart"),
    "device.journal": ("GET", "/v1/updates/journal"),
}
ON_HOST = {
    "host.lessons": ("GET", "/v1/lessons"),
    "lesson.generate": ("POST", "/v1/lessons"),
    "lesson.cancel": ("POST", "/v1/lessons/x/cancel"),
    "lesson.resume": ("POST", "/v1/lessons/x/resume"),
    "host.keys": ("GET", "/v1/keys"),
    "key.use": ("POST", "/v1/keys/use"),
    "key.delete": ("DELETE", "/v1/keys/openai/work"),
    "key.export": ("POST", "/v1/keys/export"),
    "key.import": ("POST", "/v1/keys/import"),
    "question.answer": ("POST", "/v1/questions/mails"),
    "data.add": ("POST", "/v1/imports/x"),
    "question.undo": ("POST", "/v1/questions/mails/undo"),
    "question.take": ("POST", "/v1/questions/mails/take"),
    "sign.look": ("GET", "/v1/signatures"),
    "sign.update": ("POST", "/v1/signatures"),
    "release.make": ("POST", "/v1/releases"),
    "release.publish": ("POST", "/v1/releases"),
    "release.cancel": ("POST", "/v1/releases/x/cancel"),
    "bundle.list": ("GET", "/v1/bundles"),
    "bundle.save": ("GET", "/v1/bundles/x"),
    "bundle.push": ("GET", "/v1/bundles/x"),
    "rollout.begin": ("POST", "/v1/rollouts"),
    "rollout.pause": ("POST", "/v1/rollouts/x/pause"),
    "rollout.abort": ("POST", "/v1/rollouts/x/abort"),
    "train.start": ("POST", "/v1/trainings"),
    "train.vote": ("POST", "/v1/comparisons/x/vote"),
    "train.run": ("GET", "/v1/runs/1"),
    "train.map": ("GET", "/v1/runs/x/confusion"),
    "data.edit": ("GET", "/v1/datasets/x/rows"),
    "data.save": ("POST", "/v1/datasets/x/edits"),
}
# What is no action of a person's, or none that a command could be: each with the reason.
NO_COMMANDS = {
    "looking around in a screen": (
        "chats.show_list", "files.up", "files.enter", "rows.close_row", "rows.need", "training.close_run", "training.open_job",
        "training.pick_figure", "training.pick_part", "commands.watch", "devices.find_pictures", "devices.stop_scanning",
        "questions.look", "questions.pick", "upkeep.pick_backup", "chats.pick", "chats.search", "chats.delete_ask", "chats.knobs_seen",
    ),
    "what is typed, and kept until it is sent": ("rows.change", "rows.search", "chats.edit_begin", "chats.typed", "upkeep.forget_dropped", "upkeep.forget_backup"),
    "an answer to what is on the screen alone": ("files.take", "files.take_folder", "files.end", "upkeep.restore_backup"),
    "secrets, which belong into no palette and no list of a shell's commands": (
        "hosting.save_key", "hosting.export_keys", "hosting.import_keys", "upkeep.save_backup", "upkeep.open_backup",
    ),
    "what a camera sees, drawn by the screen itself": ("devices.scan",),
    "held or drawn by a finger": ("robots.drive", "robots.hold", "robots.move_corner"),
    "keys of the keyboard, which the table of shortcuts asks for": ("choosing.bind", "choosing.unbind"),
    "turning local-only mode off, which nobody does by accident": ("choosing.change",),
}  # fmt: skip
SERVICES = "accounts|bundles|chats|choosing|commands|devices|files|hosting|judging|questions|robots|rows|signing|training|upkeep"


@pytest.fixture
def registry(app_state: AppState, tmp_path: Path) -> Registry:
    found = Registry(lambda: app_state)
    found.add(*commands(Services(Options(config=tmp_path))))
    return found


def test_a_name_and_keys_are_for_one_command() -> None:
    registry = Registry()
    registry.add(Command("a.b", "A", print, shortcut="ctrl+k"))
    with pytest.raises(ValueError, match=r"two commands a\.b"):
        registry.add(Command("a.b", "Another", print))
    with pytest.raises(ValueError, match=r"ctrl\+k is for a\.b and for c\.d"):
        registry.add(Command("c.d", "C", print, shortcut="ctrl+k"))
    for keys in ("Ctrl+J", "shift+ctrl+j", "j", "ctrl+c", "tab"):
        with pytest.raises(ValueError, match="can't be a shortcut"):
            registry.add(Command("e.f", "E", print, shortcut=keys))


def test_scopes_are_those_of_the_apis(registry: Registry) -> None:
    for name, (method, path) in ON_HOST.items():
        assert (registry[name].of, registry[name].scope) == ("host", scope_of(method, path)), name
    for name, route in ON_DEVICE.items():
        assert registry[name].scope == MATRIX[route], name


def test_whatever_a_button_does_the_palette_and_the_keyboard_can_do(registry: Registry, tmp_path: Path) -> None:
    """Screens ask the services for nothing that isn't a command, but for what is none."""
    called = re.compile(rf"(?:\b(?:app|self|root)|app\(\))\.({SERVICES})\.([a-z_]+)\(")
    run = re.compile(r"""(?:registry\.run|ask_for)\(\s*"([a-z_.]+)\"""")
    none = {call for calls in NO_COMMANDS.values() for call in calls}
    found, named = set[str](), set[str]()
    for file in sorted((Path(headless.__file__).parent / "screens").rglob("*")):
        if file.suffix in (".py", ".kv"):
            text = file.read_text(encoding="utf-8")
            found |= {f"{service}.{method}" for service, method in called.findall(text)}
            named |= set(run.findall(text))
    assert found - none == set(), "these do something that has no command"
    assert none - found == set(), "these are asked for nowhere"
    registry.add(*chat_commands(Services(Options(config=tmp_path))))
    assert named <= {command.name for command in registry}


def test_every_command_takes_what_it_asks_for(registry: Registry) -> None:
    for command in registry:
        inspect.signature(command.run).bind(
            **dict.fromkeys(command.arguments)
        )  # raises TypeError, naming what is wrong
        assert set(command.choices) <= set(command.arguments), command.name


def test_what_cannot_run_says_why(registry: Registry, app_state: AppState) -> None:
    push = registry["device.push"]
    assert why_not(push, app_state) == ""
    assert "releaser" in why_not(push, replace(app_state, selected=samples.ATTIC))
    assert why_not(push, replace(app_state, devices=(), selected=None)) == "Pair with a device first."
    assert why_not(registry["key.delete"], app_state) == "Pair with a host first."
    host = Host("http://127.0.0.1:1", "studio", scope="viewer")
    assert "owner" in why_not(registry["key.delete"], replace(app_state, host=host))
    assert why_not(registry["key.delete"], replace(app_state, host=replace(host, scope=""))) == "", "the host decides"
    assert covers("open", "operator") and not covers("open", "releaser")


def test_keys_can_be_changed_and_none_is_taken_twice(app_state: AppState, tmp_path: Path) -> None:
    states = [app_state]
    registry = Registry(lambda: states[0])
    registry.add(*commands(Services(Options(config=tmp_path))))
    assert registry.command_of("ctrl+plus") is registry["text.larger"]
    assert "Larger letters" in registry.binding_problem("device.ask", "ctrl+plus")
    assert registry.binding_problem("text.larger", "ctrl+plus") == "", "its own"
    assert "can't be" in registry.binding_problem("device.ask", "ctrl+c")
    states[0] = replace(app_state, preferences=Preferences(shortcuts=(("device.ask", "ctrl+plus"), ("gone", "f9"))))
    assert registry.command_of("ctrl+plus") is registry["device.ask"], "what a person chose comes first"
    assert "text.larger" not in registry.bindings()


def test_a_few_letters_find_what_is_meant(registry: Registry) -> None:
    assert registry.matching("push")[0].name == "device.push"
    assert registry.matching("letters larg")[0].name == "text.larger"
    assert {command.name for command in registry.matching("")} == {command.name for command in registry}
    assert registry.matching("quantum chromodynamics") == []


@settings(max_examples=40)
@given(
    st.sets(st.sampled_from(MODIFIERS)),
    st.sampled_from([*"abcdefghijklmnopqrstuvwxyz0123456789", *FUNCTION_KEYS, "plus", "minus", ",", "left"]),
)
def test_keys_read_as_they_were_written(held: set[str], key: str) -> None:
    keys = chord(key, held)
    assert written(keys) == written(keys.upper()) == keys
    assert shown(keys)
    assert not may_bind(keys) or held & {"ctrl", "alt", "meta"} or key in FUNCTION_KEYS


def test_a_sign_is_itself_on_every_keyboard() -> None:
    assert chord_of("/", "?", ["shift"]) == chord_of("ß", "?", ["shift", "numlock"]) == "?"
    assert chord_of("=", "=", ["ctrl"]) == chord_of("+", "+", ["ctrl", "shift"]) == "ctrl+plus"
    assert chord_of("k", None, ["ctrl", "capslock"]) == chord_of("k", "K", ["ctrl"]) == "ctrl+k"
    for wrong in ("", "ctrl+", "ctrl+ctrl+a", "hyper+a"):
        with pytest.raises(ValueError, match="names no keys"):
            written(wrong)


def test_arguments_are_read_by_their_schema() -> None:
    schema = {
        "name": {"type": "string", "maxLength": 4},
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
        "share": {"type": "number", "default": 0.5},
        "kind": {"enum": ["a", "b"], "default": "a"},
        "sure": {"type": "boolean"},
    }
    assert read_arguments(schema, {"name": "x", "count": "3", "share": "0.1", "kind": " b ", "sure": "yes"}) == {
        "name": "x", "count": 3, "share": 0.1, "kind": "b", "sure": True,
    }  # fmt: skip
    assert read_arguments(schema, {"name": "x"})["count"] == 2
    with pytest.raises(ArgumentError) as caught:
        read_arguments(
            schema, {"name": "xxxxx", "count": "0", "share": "much", "kind": "c", "sure": "perhaps", "no": ""}
        )
    assert set(caught.value.problems) == {*schema, "no"}
    for none in ("nan", "inf", "-1e999"):
        with pytest.raises(ArgumentError, match="share: A number"):
            read_arguments(schema, {"name": "x", "share": none})


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from([*vars(Preferences()), "x"]),
        st.one_of(st.none(), st.text(), st.floats(), st.lists(st.lists(st.text()))),
    )
)
def test_any_file_of_settings_gives_preferences(document: dict[str, object]) -> None:
    found = read_preferences(document)
    assert 0.8 <= found.font_scale <= 3.0
    assert read_preferences(json.loads(json.dumps(vars(found)))) == found


# --- without a window ---


async def test_the_command_line_pairs_with_a_real_device_pushes_and_asks(
    start_device: Callable, bundles: dict[str, Path], tmp_path: Path
) -> None:
    device, options = start_device(), Options(config=tmp_path)

    async def run(name: str, *words: str) -> object:
        return json.loads(await headless.run(options, name, words))

    code = samples.one_time_code(device.state, "releaser")
    paired = await run("device.pair", "--address", f"http://127.0.0.1:{device.port}", "--code", code)
    assert paired == {"address": f"http://127.0.0.1:{device.port}", "scope": "releaser"}
    pushed = await headless.run(options, "device.push", ["--path", str(bundles["v1"])])
    assert "tiny 1.0.0" in pushed
    told = await run("device.status")
    assert isinstance(told, dict)
    assert [one["name"] for one in told["specialists"]] == ["tiny"]
    answer = await run("device.ask", "--sentence=is it warm")
    assert isinstance(answer, dict)
    assert answer["specialist"] == "tiny"
    assert await run("device.forget", "--address", f"http://127.0.0.1:{device.port}", "--yes") == []


async def test_the_command_line_asks_a_host(tmp_path: Path) -> None:
    async with FakeHost() as host:
        Memory(tmp_path).keep_host(RememberedHost(host.url, "studio", TOKEN, scope="owner"))
        assert isinstance(json.loads(await headless.run(Options(config=tmp_path), "host.lessons", [])), list)


async def test_the_command_line_begins_a_training_on_a_real_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.trainer_host.server.conftest import serving
    from tests.trainer_host.training.small_talk import small_talk
    from trainer_host.workspace import Workspace

    monkeypatch.setattr("trainer_host.server.job_queue.JobQueue.start", lambda queue: None)  # what is begun waits
    workspace, config = Workspace(tmp_path / "home"), tmp_path / "config"
    small_talk(workspace, tmp_path)
    async with serving(workspace) as client:
        Memory(config).prepare()
        Memory(config).keep_host(RememberedHost(client.url, "tower", client.token or "", scope="operator"))
        words = ["--dataset", "talk", "--size=nano", "--epochs", "2.5", "--name", "small"]
        begun = json.loads(await headless.run(Options(config), "train.start", words))
        assert (begun["run"], begun["state"]) == ("small", "waiting")
        [job] = (await client.get("/v1/trainings"))["trainings"]
        assert job["commands"] == ["enigma train --data=talk --task=chat --name=small --size=nano --epochs=2.5"], job[
            "commands"
        ]
        for refused, sentence in (
            (["--dataset", "none"], "none"),
            ([], "what to train on"),
            (["--dataset", "talk", "--seed", "x"], "seed"),
        ):
            with pytest.raises(CommandError, match=sentence):
                await headless.run(Options(config), "train.start", refused)


@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("device.fly", [], "no command device.fly"),
        ("open.ask", [], "no command open.ask"),
        ("theme.toggle", [], "needs the window"),
        ("device.ask", [], "sentence: This is needed"),
        ("device.ask", ["hello"], "--name value"),
        ("device.ask", ["--sentence", "hello"], "Pair with a device first"),
        ("device.forget", ["--address", "x"], "--yes"),
        ("home.load", ["--path", "/nowhere.json"], "nowhere.json"),
    ],
)
async def test_the_command_line_says_what_is_wrong(tmp_path: Path, name: str, words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError) as caught:
        await asyncio.wait_for(headless.run(Options(config=tmp_path), name, words), 10)
    assert sentence in str(caught.value)


def test_the_list_names_what_runs_without_a_window(tmp_path: Path) -> None:
    lines = headless.listed(Options(config=tmp_path)).splitlines()
    assert any(line.startswith("device.ask --sentence …") for line in lines)
    assert not any(line.startswith("theme.toggle") for line in lines)
