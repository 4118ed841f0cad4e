"""A person looks for a file: in the system's dialog, or in the app's own where there is none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.services import file_commands, system_dialog
from companion_app.services.file_commands import FileCommands, listed
from companion_app.state.files import ANY, OPEN, SAVE, Wanted
from companion_app.state.inventory import Inventory
from companion_app.state.model import AppState, Screen
from companion_app.state.store import Store

from . import window

if TYPE_CHECKING:
    from companion_app.app import Options

BUNDLE = Wanted("push.path", OPEN, "Bundle file", (".enigma",))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with files; no desktop around it."""
    (tmp_path / "models" / "old").mkdir(parents=True)
    for name in ("b.enigma", "A.ENIGMA", "notes.txt", ".hidden.enigma"):
        (tmp_path / "models" / name).write_bytes(b"x" * 1500)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "models"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a state has no event to wait for
            await asyncio.sleep(0.01)


def test_a_folder_shows_what_can_be_used_folders_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items, more = listed(folder, BUNDLE)
    assert [(item.name, item.folder) for item in items] == [("old", True), ("A.ENIGMA", False), ("b.enigma", False)]
    assert items[1].size == 1500 and items[1].changed > 0 and not more
    assert len(listed(folder, Wanted("x"))[0]) == 4, "all but hidden ones"
    monkeypatch.setattr(file_commands, "MAX_ITEMS", 2)
    assert listed(folder, BUNDLE)[1] == 1


async def test_the_apps_own_dialog_walks_and_takes(folder: Path, home: Inventory) -> None:
    store = Store(AppState(inventory=home))
    files = FileCommands(store)
    filled: list[str] = []
    files.filled = filled.append
    files.browse(BUNDLE, str(folder / "b.enigma"))
    await until(lambda: store.state.browsing)
    assert store.state.browsing is not None and store.state.browsing.folder == str(folder)
    files.take("old")
    await until(lambda: store.state.browsing and store.state.browsing.folder == str(folder / "old"))
    files.take("nothing.enigma")
    assert store.state.browsing is not None and "nothing.enigma" in store.state.browsing.problem
    files.enter("/no/such/folder")
    await until(lambda: store.state.browsing and "/no/such/folder" in store.state.browsing.problem)
    files.up()
    await until(lambda: store.state.browsing and store.state.browsing.folder == str(folder))
    files.take("b.enigma")
    assert store.state.browsing is None and store.state.drafts == {"push.path": str(folder / "b.enigma")}
    assert filled == ["push.path"]
    # A new file lies in a folder that is there; a folder can be what is wanted.
    files.browse(Wanted("backup.file", SAVE, "Where", (".backup",)), str(folder))
    await until(lambda: store.state.browsing)
    files.take("nowhere/all.backup")
    assert store.state.browsing is not None and "nowhere" in store.state.browsing.problem
    files.take("all.backup")
    assert store.state.drafts["backup.file"] == str(folder / "all.backup")
    files.browse(Wanted("imports.path", ANY), str(folder))
    await until(lambda: store.state.browsing)
    files.take_folder()
    assert store.state.drafts["imports.path"] == str(folder)
    await files.close()


async def test_the_systems_dialog_is_asked_where_there_is_one(
    folder: Path, home: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, chosen = tmp_path / "bin", folder / "b.enigma"
    programs.mkdir()
    zenity = programs / "zenity"
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    store = Store(AppState(inventory=home))
    files = FileCommands(store)
    for script, outcome in (
        (f'[ "$1" = --file-selection ] && [ "$2" = "--title=Bundle file" ] && echo {chosen}', str(chosen)),
        ("exit 1", None),  # a person closed it
        ("exit 5", "own"),  # no screen, say
    ):
        zenity.write_text(f"#!/bin/sh\n{script}\n")
        zenity.chmod(0o755)
        store = Store(AppState(inventory=home))
        files = FileCommands(store)
        files.browse(BUNDLE, str(folder))
        assert files._asking is not None
        await files._asking
        assert (store.state.browsing is not None) is (outcome == "own")
        assert store.state.drafts == ({"push.path": outcome} if outcome == str(chosen) else {})
        await files.close()
    zenity.write_text("#!/bin/sh\nexec sleep 60\n")
    files = FileCommands(store)
    files.browse(BUNDLE, str(folder))
    await asyncio.sleep(0.05)
    await files.close()  # takes the dialog away, and waits for nobody


@pytest.mark.parametrize(
    ("platform", "program", "has"),
    [("darwin", "osascript", "Bundle file"), ("win32", "powershell", "-STA")],
)
def test_each_system_is_asked_in_its_way(
    platform: str, program: str, has: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_dialog.sys, "platform", platform)
    call = system_dialog.call_for(BUNDLE, Path("/home/a"), "", {})
    assert call is not None and call.words[0] == program and has in call.words
    hostile = Wanted("x", SAVE, "'; rm -rf ~; echo '", (".age",))
    call = system_dialog.call_for(hostile, Path("/home/a"), "$(reboot).age", {})
    assert call is not None
    code = next(word for word in call.words if "\n" in word)
    assert "rm -rf" not in code and "reboot" not in code, "what a person typed is no part of a script"
    assert system_dialog.call_for(Wanted("x", ANY), Path("/home/a"), "", {"DISPLAY": ":0"}) is None


@pytest.mark.usefixtures("display")
async def test_a_bundle_is_found_by_touch_and_by_keys(folder: Path, options: Options) -> None:
    async with window.opened(options, (420, 800)) as driver:
        app = driver.app
        app.open(Screen.PUSH)
        await driver.settle()
        field = driver.find("PathField")
        await driver.write(field.entry, str(folder))
        await driver.touch(driver.find("StepAct", text="Choose a file"))
        await driver.until(lambda: app.over.shown is not None, "the dialog")
        assert {row.text for row in driver.find_all("ItemRow")} == {"old", "A.ENIGMA", "b.enigma"}
        assert all(row.height >= 44 for row in driver.find_all("ItemRow"))
        await driver.touch(driver.find("ItemRow", text="b.enigma"))
        await driver.until(lambda: app.over.shown is None, "the end of the dialog")
        assert field.entry.text == str(folder / "b.enigma")
        app.registry.run("file.choose")
        await driver.until(lambda: app.over.shown is not None, "the dialog")
        await driver.type("old")
        await driver.press(13, "\r")
        await driver.until(lambda: app.store.state.browsing.folder == str(folder / "old"), "the folder")
        await driver.press(27)
        assert app.over.shown is None and app.store.state.browsing is None
        assert field.entry.text == str(folder / "b.enigma"), "nothing was chosen"
