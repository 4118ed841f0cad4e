"""What is told of widgets, by the tree that screen readers get and by the app's own voice."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import companion_app
from companion_app.a11y.nodes import Edited, Node, Number
from companion_app.a11y.words import sentence_of
from companion_app.state import actions as act
from companion_app.state.model import Screen
from companion_app.theme.accessible import ROLES

from . import furnished, window

if TYPE_CHECKING:
    from companion_app.app import Options

TAB = 9

pytestmark = pytest.mark.usefixtures("display")


# --- one node ---


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (Node("button", "Pair", disabled=True), "Pair. button. can't be used now"),
        (Node("checkbox", "Chat", checked=True, description="trained"), "Chat. check box. on. trained"),
        (Node("textbox", "Address", edited=Edited("pi", 2, 2)), "Address. text field. pi"),
        (Node("password", "Key", edited=Edited("•••", 3, 3)), "Key. text field, hidden. filled in"),
        (Node("slider", "Sign it", number=Number(0.4, 0, 1, 0.2)), "Sign it. slider. 40 percent"),
        (Node("combobox", "Teacher", value="openai", expanded=False), "Teacher. list to choose from. openai, closed"),
        (Node("link", "Ask", selected=True), "Ask. link. chosen"),
        (Node("textbox", "Code", invalid=True, edited=Edited("", 0, 0)), "Code. text field. empty, not right"),
    ],
)
def test_a_sentence_says_name_kind_and_state(node: Node, said: str) -> None:
    assert sentence_of(node) == said


def test_every_role_is_one_of_accesskit_s() -> None:
    pytest.importorskip("accesskit")
    from companion_app.a11y.accesskit_nodes import ROLES as told

    assert set(told) == set(ROLES)


@pytest.mark.parametrize("text", ["", "a", "two words", "  led by blanks", "Überall 🙂 auf", "one line\nand another\n"])
def test_a_text_is_told_letter_by_letter(text: str) -> None:
    pytest.importorskip("accesskit")
    from companion_app.a11y.accesskit_nodes import tree_update

    edited = Edited(text, len(text), len(text))
    update = tree_update([(7, Node("textbox", "Text", edited=edited))], 7, None)
    *runs, (number, field) = update.nodes
    assert number == 7
    assert field.children == [line for line, _ in runs]
    assert "".join(run.value for _, run in runs) == text
    for _, run in runs:
        assert sum(run.character_lengths) == len(run.value.encode())
        assert sum(run.word_lengths) == len(run.value)
    # The caret is behind the last letter.
    assert field.text_selection.focus.node == runs[-1][0]
    assert field.text_selection.focus.character_index == len(runs[-1][1].value)


# --- the tree ---


async def test_only_what_changed_is_told_again(options: Options) -> None:
    from kivy.core.window import Window

    from companion_app.a11y.tree import Tree

    async with window.opened(options, (420, 480)) as driver:
        driver.app.open(Screen.MORE)
        await driver.settle()
        asked: list[int] = []
        tree = Tree(lambda: asked.append(1))
        ids, first = tree.update(Window.children[::-1])
        assert set(first) == set(tree.nodes)
        reachable = [*ids]
        for number in reachable:
            reachable += tree.nodes[number].children
        assert sorted(reachable) == sorted(tree.nodes)  # a tree: each once, none astray
        assert tree.update(Window.children[::-1])[1] == {}
        assert not asked

        driver.app.frame.device = "Another name"
        await driver.settle()
        assert len(asked) == 1
        changed = tree.update(Window.children[::-1])[1]
        assert {node.name for node in changed.values()} <= {"Another name", driver.app.frame.title}  # which it moves

        page = driver.find("Page")
        rows = driver.find_all("PlaceRow")
        page.scroll_y = 0.4
        await driver.settle()
        changed = tree.update(Window.children[::-1])[1]
        assert list(changed) == [page.uid]  # what it holds stays where it is in it
        assert places(tree.nodes, ids)[rows[4].uid] == pytest.approx(rows[4].to_window(rows[4].x, rows[4].y))

        rows[1].parent.remove_widget(rows[1])
        await driver.settle()
        tree.update(Window.children[::-1])
        assert rows[1].uid not in tree.nodes
        assert tree.widget(rows[1].uid) is None
        assert tree.widget(rows[2].uid) is rows[2]
        tree.close()
        driver.app.frame.device = "A third name"
        rows[1].spoken = "Nobody listens any more"
        assert len(asked) == 3


def places(
    nodes: dict[int, Node], ids: tuple[int, ...], x: float = 0.0, y: float = 0.0
) -> dict[int, tuple[float, float]]:
    """Left and bottom of each node in the window, as a screen reader works them out."""
    found = {}
    for number in ids:
        node = nodes[number]
        right, up = x + node.shift[0], y + node.shift[1]
        found[number] = node.box[0] + right, node.box[1] + up
        found |= places(nodes, node.children, right, up)
    return found


async def test_kinds_of_widgets_say_what_they_are(options: Options) -> None:
    from companion_app.a11y.describe import describe

    async with window.opened(options) as driver:
        from companion_app.theme.forms import Check, SecretField, Select, Stepper
        from companion_app.theme.slide import Slide
        from companion_app.theme.widgets import Fact, Field, Meter, RoundAct

        def told(widget: object) -> Node:
            return describe(widget, (), (0, 0))

        check = told(Check(text="Chat", note="trained", on=True))
        assert (check.role, check.name, check.description, check.checked) == ("checkbox", "Chat", "trained", True)
        field = Field(label="Address", problem="Type one.")
        field.entry.text = "pi"
        entry = told(field.entry)
        assert (entry.role, entry.name, entry.description, entry.invalid) == ("textbox", "Address", "Type one.", True)
        assert entry.edited == Edited("pi", 2, 2)
        secret = SecretField(label="Key")
        secret.entry.text = "sk-secret"
        assert told(secret.entry).role == "password"
        assert "sk-secret" not in repr(told(secret.entry))
        secret.hidden = False
        assert told(secret.entry).value == "sk-secret"
        select = Select(label="Teacher", options=[("a", "openai", "")], value="a")
        box = told(select.ids.box)
        assert (box.role, box.name, box.value, box.expanded) == ("combobox", "Teacher", "openai", False)
        assert told(Stepper(label="How many").entry).name == "How many"
        slide = Slide(text="Sign it", value=0.4)
        assert told(slide).number == Number(0.4, 0.0, 1.0, 0.2)
        assert told(Meter(value=0.3)).number == Number(0.3, 0.0, 1.0)
        assert told(RoundAct(icon="close", text="Forget this")).name == "Forget this"
        assert told(RoundAct(icon="close", text="x", spoken="Forget Kitchen Pi")).name == "Forget Kitchen Pi"
        fact = Fact(name="Size", value="2 MB")
        driver.find("Page").column.add_widget(fact)
        await driver.settle()
        assert told(fact).name == "Size, 2 MB"


# --- the voice ---


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A speech command in the place of the system's: writes down what it is given, one text a line."""
    record = tmp_path / "said.txt"
    for name in ("espeak-ng", "say"):
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/sh\n{{ printf "%s " "$@"; cat; echo; }} >> {record}\n')
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return record


@pytest.mark.skipif(sys.platform != "linux", reason="the words before the text are those of espeak-ng")
async def test_what_has_the_focus_is_said_and_so_is_news(options: Options, said: Path) -> None:
    from companion_app.a11y.describe import name_of
    from companion_app.theme.focus import focus

    async with window.opened(options) as driver:
        await driver.press(TAB)
        await driver.settle()
        assert not said.exists()  # off as long as nobody wants it
        driver.app.registry.run("speech.toggle")

        async def heard(text: str) -> None:
            await driver.until(lambda: said.exists() and text in said.read_text(), f"{text!r} to be said")

        await heard(f"--stdin -v en {name_of(focus.widget)}. button")
        await driver.press(TAB)
        await heard(f"{name_of(focus.widget)}. ")
        driver.app.store.dispatch(act.Noticed("Something happened."))
        await heard("Something happened.\n")
        driver.app.open(Screen.SETTINGS)
        await driver.settle()
        check = driver.find("SettingsScreen").ids.motion
        check.focus = True
        await heard(f"{check.text}. check box. off")
        await driver.press(13)
        await heard("en on\n")
        driver.app.registry.run("speech.toggle")
        assert not driver.app.assist.speaker.on
    from companion_app.services.remember import Memory

    assert Memory(options.config).settings().preferences.reduced_motion


@pytest.mark.skipif(sys.platform != "linux", reason="the words before the text are those of espeak-ng")
async def test_by_tab_alone_the_voice_says_all_of_a_screen_in_the_order_in_which_it_is_read(
    options: Options, said: Path
) -> None:
    from companion_app.a11y.describe import name_of
    from companion_app.theme.focus import focus, stops

    async with window.opened(options) as driver:
        furnished.furnish(driver.app.store)
        driver.app.registry.run("speech.toggle")

        async def hears(text: str, after: int) -> None:
            await driver.until(lambda: said.exists() and text in said.read_text()[after:], f"{text!r} to be said")

        for screen in (Screen.DEVICES, Screen.SETTINGS):
            driver.app.open(screen)
            await driver.settle()
            order = [name_of(one) for one in stops(driver.app.shell)]
            heard = []
            for _ in order:
                before = len(said.read_text()) if said.exists() else 0
                await driver.press(TAB)
                name = name_of(focus.widget)
                await hears(f"{name}. ", before)
                heard.append(name)
            first = order.index(heard[0])
            assert len(order) > 8 and heard == [*order[first:], *order[:first]]


async def test_a_machine_without_a_voice_stays_silent(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    from companion_app.a11y import voice

    monkeypatch.setenv("PATH", "/nonexistent")
    assert voice.speech_command("de") is None
    speaker = voice.Voice(lambda: voice.speech_command("de"))
    speaker.say("nothing")
    await speaker.close()


# --- stillness ---


async def test_nothing_moves_where_that_is_asked_for(options: Options) -> None:
    from companion_app.theme.motion import Still, motion, move

    async with window.opened(options) as driver:
        page = driver.find("Page")
        assert not issubclass(page.effect_cls, Still)
        driver.app.registry.run("motion.toggle")
        assert motion.reduced
        assert issubclass(page.effect_cls, Still)
        driver.app.open(Screen.PAIR)
        await driver.settle()
        assert not driver.find("PairScreen").ids.address.entry.cursor_blink
        move(page, 0.5, opacity=0.5)
        assert page.opacity == 0.5
        driver.app.registry.run("motion.toggle")
        move(page, 0.5, opacity=1.0)
        assert page.opacity == 0.5


def test_only_one_module_animates() -> None:
    root = Path(companion_app.__file__).parent
    names = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "kivy.animation"
    }
    assert names == {"theme/motion.py"}
    assert not [path for path in root.rglob("*.kv") if "Animation" in path.read_text()]


def test_whoever_takes_the_focus_does_it_our_way() -> None:
    root = Path(companion_app.__file__).parent
    widgets = [path for part in ("screens", "theme") for path in (root / part).rglob("*.py")]
    assert [path.name for path in widgets if "FocusBehavior" in path.read_text()] == ["focus.py"]
