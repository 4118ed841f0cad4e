"""The command palette: type a few letters of what you want, Enter runs it, and asks for what it has to know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kivy.clock import Clock
from kivy.lang import Builder
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty
from kivy.uix.widget import Widget

from companion_app.arguments import ArgumentError, read_arguments
from companion_app.chords import shown
from companion_app.i18n import ntr, tr
from companion_app.registry import Command
from companion_app.theme.accessible import Role
from companion_app.theme.children import arrange
from companion_app.theme.forms import Check, Select
from companion_app.theme.over import Overlay
from companion_app.theme.slide import Slide
from companion_app.theme.widgets import Act, Column, Entry, Field, IconText

if TYPE_CHECKING:
    from companion_app.app import CompanionApp

# As many as a person looks through; more letters find the others.
MOST = 10


class PaletteEntry(Entry):
    """Where the letters go; up and down move among what was found, and the letters stay."""

    move = ObjectProperty(None, allownone=True)

    def keyboard_on_key_down(
        self, window: object, keycode: tuple[int, str], text: str | None, modifiers: list[str]
    ) -> bool:
        if keycode[1] in ("up", "down") and self.move is not None:
            self.move(-1 if keycode[1] == "up" else 1)
            return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))


class CommandLine(IconText):
    """A command that was found. `on`: Enter runs this one. `reason`: why it can't run now."""

    role = Role("option")
    name = StringProperty("")
    keys = StringProperty("")
    reason = StringProperty("")
    on = BooleanProperty(False)


class Search(Column):
    """The first view: what was found."""


class Asked(Column):
    """The second view: what a command has to know."""

    title = StringProperty("")


class Palette(Overlay):
    """Lies over the window."""

    def __init__(self, app: CompanionApp, name: str = "", **kwargs: object) -> None:
        self.app = app
        super().__init__(**kwargs)
        self.spoken = tr("All commands")
        self._search = Search()
        self._asked = Asked()
        self._command: Command | None = None
        self._inputs: dict[str, Field | Select | Check] = {}
        self._lines: list[CommandLine] = []
        self._made: list[CommandLine] = []
        entry = self._entry = PaletteEntry(move=self.move)
        entry.bind(text=lambda *_: self.find(), on_text_validate=lambda *_: self.enter())
        if name:
            self.ask(app.registry[name])
        else:
            self.ids.head.add_widget(entry)
            self.ids.body.add_widget(self._search)
            self.find()
        Clock.schedule_once(lambda *_: self._take_focus(), 0)

    def find(self) -> None:
        """List what the letters may mean."""
        registry = self.app.registry
        text = self._entry.text
        found = [command for command in registry.matching(text) if command.name != "app.palette"]
        keys = registry.bindings()
        self._lines = []
        for at, command in enumerate(found[:MOST]):
            line = self._line(at)
            line.name, line.text, line.icon = command.name, tr(command.title), command.icon
            line.keys = shown(keys[command.name]) if command.name in keys else ""
            line.reason, line.on = registry.why_not(command), at == 0
            self._lines.append(line)
        arrange(self._search.ids.lines, list(self._lines))
        more = len(found) - len(self._lines)
        self._search.ids.more.text = (
            ntr("{number} more; type on.", "{number} more; type on.", more) if more > 0 else ""
        ) or ("" if found else tr("Nothing is called like that."))

    def _line(self, at: int) -> CommandLine:
        """The line of a place: they are used again with every letter, as making them would take longer than typing."""
        while len(self._made) <= at:
            line = CommandLine()
            line.bind(on_release=lambda line: self.run(line.name))
            self._made.append(line)
        return self._made[at]

    def move(self, steps: int) -> None:
        """Go to another line."""
        if self._lines:
            at = next(at for at, line in enumerate(self._lines) if line.on)
            self._lines[at].on = False
            line = self._lines[(at + steps) % len(self._lines)]
            line.on = True
            self.ids.page.scroll_to(line, animate=False)

    def enter(self) -> None:
        """Run the line that is on."""
        line = next((line for line in self._lines if line.on), None)
        if line is not None:
            self.run(line.name)

    def run(self, name: str) -> None:
        """Run a command, or ask for what it has to know; one that can't run says why, and stays."""
        command = self.app.registry[name]
        line = next((line for line in self._lines if line.name == name), None)
        if line is not None and line.reason:
            self._search.ids.more.text = line.reason
        elif command.arguments or command.dangerous:
            self.ask(command)
            self._take_focus()
        else:
            self.dispatch("on_close")
            self.app.registry.run(name)

    def ask(self, command: Command) -> None:
        """Show a field for each thing that a command has to know."""
        self._command = command
        asked = self._asked
        asked.title = tr(command.title)
        asked.ids.inputs.clear_widgets()
        self._inputs = {}
        for name, rules in command.arguments.items():
            made = self._input(command, name, rules)
            self._inputs[name] = made
            asked.ids.inputs.add_widget(made)
        go: Widget
        if command.dangerous:
            go = Slide(text=tr("Slide to do it"))
            go.bind(on_confirm=lambda *_: self.go())
        else:
            go = Act(text=tr("Do it"))
            go.bind(on_release=lambda *_: self.go())
        asked.ids.go.clear_widgets()
        asked.ids.go.add_widget(go)
        self.ids.head.clear_widgets()
        self.ids.body.clear_widgets()
        self.ids.body.add_widget(asked)

    def go(self) -> None:
        """Run the command with what was typed; what is wrong is said beside its field."""
        assert self._command is not None
        try:
            arguments = read_arguments(
                self._command.arguments, {name: _text(one) for name, one in self._inputs.items()}
            )
        except ArgumentError as error:
            for name, made in self._inputs.items():
                if not isinstance(made, Check):
                    made.problem = error.problems.get(name, "")
            return
        self.dispatch("on_close")
        self.app.registry.run(self._command.name, **arguments)

    def _input(self, command: Command, name: str, rules: object) -> Field | Select | Check:
        assert isinstance(rules, dict)
        label = tr(str(rules.get("title") or name.replace("_", " ").capitalize()))
        default = rules.get("default")
        if rules.get("type") == "boolean":
            check = Check(text=label, on=default is True)
            check.bind(on_release=lambda check: setattr(check, "on", not check.on))
            return check
        choices = command.choices.get(name)
        if choices is not None or isinstance(rules.get("enum"), list):
            options = choices(self.app.store.state) if choices else [(value, str(value)) for value in rules["enum"]]
            select = Select(label=label, options=[(value, tr(title), "") for value, title in options])
            select.value = str(default) if default is not None else options[0][0] if len(options) == 1 else ""
            select.bind(on_pick=lambda select, value: setattr(select, "value", value))
            return select
        field = Field(label=label)
        field.entry.text = "" if default is None else str(default)
        field.bind(on_enter=lambda *_: self._next(field))
        return field

    def _next(self, field: Field) -> None:
        """Enter in a field: the next one that is empty, else all is typed."""
        empty = [one for one in self._inputs.values() if isinstance(one, Field) and not one.text and one is not field]
        if empty:
            empty[0].entry.focus = True
        elif self._command is not None and not self._command.dangerous:
            self.go()

    def _take_focus(self) -> None:
        first = next(iter(self._inputs.values()), None)
        if self._command is None:
            self._entry.focus = True
        elif isinstance(first, Field):
            first.entry.focus = True
        elif isinstance(first, Select):
            first.ids.box.focus = True
        else:
            widget = first if first is not None else self._asked.ids.go.children[0]
            widget.focus = True


def _text(made: Field | Select | Check) -> str:
    if isinstance(made, Check):
        return "yes" if made.on else "no"
    return str(made.value if isinstance(made, Select) else made.text)


Builder.load_file(str(Path(__file__).with_name("overlay.kv")))
