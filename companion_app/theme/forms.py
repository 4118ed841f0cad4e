"""The widgets that forms are made of, beside `Field`: check boxes, a drop-down, a number, a key that nobody sees."""

from __future__ import annotations

from pathlib import Path

from kivy.app import App
from kivy.cache import Cache
from kivy.clock import Clock
from kivy.lang import Builder
from kivy.properties import BooleanProperty, ListProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.dropdown import DropDown

from companion_app.state.files import OPEN, Wanted
from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.focus import focus
from companion_app.theme.widgets import Card, Column, Entry, Pressable, RoundAct, Worded

# Where Kivy keeps what text fields drew, by its text, for a minute.
TEXT_CACHES = ("textinput.label", "textinput.width")


class Check(Pressable, BoxLayout):
    """A box that is ticked or not, with what it stands for; `note` is a word under it."""

    role = Role("checkbox")
    text = StringProperty("")
    note = StringProperty("")
    on = BooleanProperty(False)


class StepAct(RoundAct):
    """A button beside a number."""


class Stepper(Column):
    """A whole number: typed, or changed in steps; `on_step` gets -1 or +1."""

    label = StringProperty("")
    text = StringProperty("")
    problem = StringProperty("")
    entry = ObjectProperty(None)

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_step")
        super().__init__(**kwargs)

    def on_step(self, direction: int) -> None:
        """A person wants more or less."""


class SecretEntry(Entry):
    """A key: dots until it is shown, and nothing of it goes to a clipboard or a keyboard's memory."""

    secret = True
    role = Role("password")

    def copy(self, data: str = "") -> None:
        """A key can be pasted, never copied."""

    def _cut(self, data: str) -> None:
        """A key can be pasted, never cut out; Kivy's shortcut comes here, past `cut`."""

    def _update_cutbuffer(self, *args: object) -> None:
        """Kivy fills the selection of X11 here."""

    def forget(self) -> None:
        """Empty the field, also of what Kivy keeps to undo and to draw again."""
        self.text = ""
        self.reset_undo()
        for name in TEXT_CACHES:
            Cache.remove(name)


class SecretField(Column):
    """A `SecretEntry` under its name, with a button that shows and hides it."""

    label = StringProperty("")
    hint = StringProperty("")
    problem = StringProperty("")
    entry = ObjectProperty(None)
    hidden = BooleanProperty(True)

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_enter")
        super().__init__(**kwargs)

    def on_enter(self) -> None:
        """Enter was pressed in the field."""

    def forget(self) -> None:
        """Empty it, and hide what is typed next."""
        self.entry.forget()
        self.hidden = True


class PathField(Column):
    """The path of a file: typed, or chosen in a dialog. way, suffixes: see `state.files.Wanted`."""

    label = StringProperty("")
    hint = StringProperty("")
    problem = StringProperty("")
    text = StringProperty("")
    draft = StringProperty("")
    way = StringProperty(OPEN)
    suffixes = ListProperty([])
    entry = ObjectProperty(None)

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_enter")
        super().__init__(**kwargs)

    def on_enter(self) -> None:
        """Enter was pressed in the field."""

    def browse(self) -> None:
        """Let a person choose."""
        wanted = Wanted(self.draft, self.way, self.label or self.spoken, tuple(self.suffixes))
        App.get_running_app().files.browse(wanted, self.text)


class Invitation(Card):
    """In the place of what isn't there yet: what is missing, and the way to it. to: the screen that the button opens."""

    title = StringProperty("")
    text = StringProperty("")
    act = StringProperty("")
    to = StringProperty("")


class Option(Worded):
    """One line of an opened drop-down."""

    role = Role("option")
    note = StringProperty("")
    value = StringProperty("")
    on = BooleanProperty(False)


class Menu(Accessible, DropDown):
    """The lines of an opened drop-down."""

    role = Role("list")


class SelectBox(Pressable, BoxLayout):
    """The closed drop-down: what is chosen."""

    role = Role("combobox")
    text = StringProperty("")
    chosen = BooleanProperty(False)
    expanded = BooleanProperty(False)
    wrong = BooleanProperty(False)


class Select(Column):
    """A drop-down under its name. options: (value, text, note) each; `on_pick` gets the value that was picked.

    draft: as an `Entry`'s, for a value that the state doesn't have.
    """

    label = StringProperty("")
    hint = StringProperty("")
    problem = StringProperty("")
    value = StringProperty("")
    options = ListProperty([])
    shown = StringProperty("")
    draft = StringProperty("")
    menu = ObjectProperty(None, allownone=True)

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_pick")
        super().__init__(**kwargs)
        self.bind(value=self._fit, options=self._fit)
        self._fit()

    def on_draft(self, *_: object) -> None:
        """It is this one now: what was picked is picked again."""
        self.value = App.get_running_app().draft(self.draft)

    def on_value(self, *_: object) -> None:
        """Something else is picked."""
        if self.draft:
            App.get_running_app().keep_draft(self.draft, self.value)

    def on_pick(self, value: str) -> None:
        """A line was picked."""

    def open(self) -> None:
        """Show the lines, below the box or above it."""
        menu = self.menu = Menu()
        menu.bind(on_dismiss=self._closed)
        for value, text, note in self.options:
            line = Option(value=value, text=text, note=note, on=value == self.value)
            line.bind(on_release=self._picked)
            menu.add_widget(line)
        menu.open(self.ids.box)
        # What is about to be touched stays where it is, whatever comes and goes on the page behind it.
        self.ids.box.unbind(pos=menu._reposition, size=menu._reposition)
        Clock.schedule_once(self._focus)

    def _focus(self, *_: object) -> None:
        if self.menu is not None:
            lines = self.menu.container.children
            line = next((line for line in lines if line.on), lines[-1] if lines else None)
            if line is not None:
                line.focus = True
                self.menu.scroll_to(line, animate=False)

    def _picked(self, line: Option) -> None:
        self.menu.dismiss()
        self.ids.box.focus = True
        self.dispatch("on_pick", line.value)

    def _closed(self, *_: object) -> None:
        self.menu = None
        if focus.by_keys:
            self.ids.box.focus = True

    def _fit(self, *_: object) -> None:
        self.shown = next((text for value, text, _ in self.options if value == self.value), "")


Builder.load_file(str(Path(__file__).with_name("forms.kv")))
