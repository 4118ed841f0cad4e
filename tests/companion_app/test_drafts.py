"""What a person types stays while screens are built anew, on every screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from companion_app.state import actions as act
from companion_app.state import fleet_actions as fact
from companion_app.state import rows_actions as ract
from companion_app.state.drafts import MAX_DRAFTS, Drafted
from companion_app.state.model import AppState, Device, Screen
from companion_app.state.reduce import reduce
from companion_app.state.rows import WholeRow
from companion_app.state.upkeep import BackupPicked

from . import furnished, window

if TYPE_CHECKING:
    from companion_app.app import Options

# Fields whose draft is named by what they are about, once that is known.
NAMED_BY_CODE = {"device": ("group", "tags"), "imports": ("dataset",), "data": ("area",)}
APP = Path(__file__).parents[2] / "companion_app"


def test_a_used_code_and_what_was_emptied_are_drafts_no_more(app_state: AppState) -> None:
    state = reduce(app_state, Drafted("pair.code", "123456"))
    assert reduce(state, Drafted("pair.code", "123456")) is state
    assert reduce(state, act.PairingFailed("No.")).drafts == {"pair.code": "123456"}, "it may be mistyped"
    assert reduce(state, act.Paired(Device("10.0.0.9:8731", "New", "owner"))).drafts == {}
    assert reduce(state, Drafted("pair.code", "")).drafts == {}
    emptied = reduce(state, Drafted("pair.code", "", emptied=True))
    assert emptied.drafts == {"pair.code": ""} and reduce(emptied, Drafted("pair.code", "")).drafts == {}
    picked = reduce(state, fact.PairingPicked("10.0.0.7:8731"))
    assert picked.drafts["pair.address"] == picked.fleet.invited == "10.0.0.7:8731"
    for number in range(MAX_DRAFTS + 5):
        state = reduce(state, Drafted(f"field {number}", "x"))
    assert len(state.drafts) == MAX_DRAFTS and "field 4" not in state.drafts


def test_every_field_of_every_screen_keeps_its_text_somewhere() -> None:
    """Each has a name as a draft, tells the state what is typed, or takes a secret."""
    loose = []
    for path in sorted(APP.glob("screens/**/*.kv")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            kind = line.strip()
            if kind not in ("Select:", "Field:", "PathField:", "Entry:", "Area:", "MessageEntry:", "Stepper:"):
                continue
            depth = len(line) - len(line.lstrip())
            own = []
            for below in lines[number + 1 :]:
                if below.strip() and len(below) - len(below.lstrip()) <= depth:
                    break
                own.append(below.strip())
            named = [one.removeprefix("id: ") for one in own if one.startswith("id: ")]
            told = any(one.startswith(("draft: ", "on_text: root.typed(")) for one in own)
            told = told or (kind == "Select:" and "on_pick: self.value = args[1]" not in own)
            if not told and named[0] not in NAMED_BY_CODE.get(path.parent.name, ()):
                loose.append(f"{path.parent.name}: {named}")
    assert loose == []


@pytest.mark.usefixtures("display")
async def test_a_change_of_language_keeps_every_text_and_every_secret(options: Options) -> None:
    from companion_app.shell import KEPT  # here: it brings Kivy, which must find the window's settings

    async with window.opened(options, (420, 800)) as driver:
        app = driver.app
        furnished.furnish(app.store)
        app.store.dispatch(ract.RowOpened(WholeRow("train", 3, '{"text": "to bed"}', '{"label": "sleep"}', "{}")))
        app.store.dispatch(BackupPicked("save"))
        typed: dict[Screen, list[str]] = {}
        picked: set[tuple[Screen, str]] = set()
        # Screens of each kind, those whose fields other code fills too; the test above looks at all.
        for screen in (Screen.PAIR, Screen.HOME, Screen.DATA, Screen.TRAIN, Screen.SETTINGS):
            app.open(screen)
            await driver.settle()
            if screen is Screen.TRAIN:
                furnished.furnish_training(app.store)  # what no host answered
                app.training.pick_part("compare")
                await driver.settle()
            entries = [entry for entry in driver.find_all("Entry") if not entry.disabled]
            for number, entry in enumerate(entries):
                entry.text = "" if entry.given else f"{number}1"  # what the state has can be emptied, too
            typed[screen] = [entry.text for entry in entries]
            for select in (one for one in driver.find_all("Select") if one.draft):
                select.value = "picked"
                picked.add((screen, select.draft))
        entries[0].focus = True
        app.choosing.change(language="es")
        assert app.store.state.screen is Screen.SETTINGS and app.memory.settings().preferences.language == "es"
        assert driver.find("NavItem", text="Enseñar")
        for screen in reversed(typed):
            app.open(screen)
            await driver.settle()
            found = [entry for entry in driver.find_all("Entry") if not entry.disabled]
            assert [entry.text for entry in found] == typed[screen], screen
            again = {(screen, one.draft) for one in driver.find_all("Select") if one.draft and one.value == "picked"}
            assert again == {one for one in picked if one[0] is screen}
            assert screen is not Screen.SETTINGS or (found[0].focus and len(found) == 3)
        assert picked and "" in typed[Screen.DATA]
        # The passphrases were on the screen alone, and went with it.
        app.open(Screen.SETTINGS)
        await driver.settle()
        assert all(not entry.text for entry in driver.find_all("SecretEntry"))

        # Out of sight for long, a screen is let go of; made anew, it stands where it stood.
        app.open(Screen.TRAIN)
        await driver.settle()
        driver.find("Page").scroll_y = 0.25
        await driver.settle()
        above = driver.find("Page").above
        for screen in (Screen.MORE, Screen.PUSH, Screen.HOME, Screen.PAIR, Screen.JOURNAL):
            app.open(screen)
            await driver.settle()
        kept = {screen.name for screen in app.shell.manager.screens}
        assert len(kept) == KEPT and "train" not in kept
        app.open(Screen.TRAIN)
        await driver.settle()
        assert above > 100 and abs(driver.find("Page").above - above) < 2
