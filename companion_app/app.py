"""The Kivy application: ties the store, the commands and the screens together."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable

from kivy.app import App
from kivy.core.window import Keyboard, Window
from kivy.metrics import Metrics
from kivy.properties import ObjectProperty
from kivy.uix.behaviors import FocusBehavior
from kivy.uix.textinput import TextInput

from companion_app import i18n
from companion_app.a11y.assist import Assist
from companion_app.chords import chord_of, types_nothing
from companion_app.core_commands import commands
from companion_app.heap import undisturbed
from companion_app.i18n import tr
from companion_app.i18n.languages import system_language
from companion_app.registry import Registry
from companion_app.screens.base import AppScreen
from companion_app.screens.chat.commands import commands as chat_commands
from companion_app.screens.palette.overlay import Palette as CommandPalette
from companion_app.services.dropped import takes
from companion_app.services.system_theme import system_theme
from companion_app.shell import Frame, Shell
from companion_app.start import Options, Services
from companion_app.state import actions as act
from companion_app.state.drafts import Drafted
from companion_app.state.model import AppState, Screen
from companion_app.theme.focus import attached, focus
from companion_app.theme.forms import PathField
from companion_app.theme.over import Over, Overlay
from companion_app.theme.palette import Palette
from companion_app.window_commands import window_commands
from edge_runtime import local_only

__all__ = ["SCREENS", "CompanionApp", "Options"]

ESCAPE = 27
TAB = 9
# What the system's own letters are larger by, on a phone; ours are larger or smaller than that.
SYSTEM_SCALE = Metrics.fontscale


def _made_when_seen(place: str, name: str) -> Callable[[], AppScreen]:
    """A screen, imported when it is first shown: the first frame comes sooner."""

    def make() -> AppScreen:
        made: AppScreen = getattr(importlib.import_module(f"companion_app.screens.{place}.screen"), name)()
        return made

    return make


SCREENS = {
    Screen.DEVICES: _made_when_seen("devices", "DevicesScreen"),
    Screen.PAIR: _made_when_seen("pair", "PairScreen"),
    Screen.PAIR_HOST: _made_when_seen("pair", "PairHostScreen"),
    Screen.ASK: _made_when_seen("ask", "AskScreen"),
    Screen.CHAT: _made_when_seen("chat", "ChatScreen"),
    Screen.DEVICE: _made_when_seen("device", "DeviceScreen"),
    Screen.JOURNAL: _made_when_seen("journal", "JournalScreen"),
    Screen.TEACH: _made_when_seen("teach", "TeachScreen"),
    Screen.TRAIN: _made_when_seen("train", "TrainScreen"),
    Screen.DATA: _made_when_seen("data", "DataScreen"),
    Screen.QUESTIONS: _made_when_seen("questions", "QuestionsScreen"),
    Screen.SIGN: _made_when_seen("sign", "SignScreen"),
    Screen.KEYS: _made_when_seen("keys", "KeysScreen"),
    Screen.PUSH: _made_when_seen("push", "PushScreen"),
    Screen.HOME: _made_when_seen("home", "HomeScreen"),
    Screen.IMPORTS: _made_when_seen("imports", "ImportsScreen"),
    Screen.SETTINGS: _made_when_seen("settings", "SettingsScreen"),
    Screen.SHORTCUTS: _made_when_seen("shortcuts", "ShortcutsScreen"),
    Screen.ROBOT: _made_when_seen("robot", "RobotScreen"),
    Screen.MORE: _made_when_seen("more", "MoreScreen"),
}


class CompanionApp(App):
    """One window over `Services`: `store` is the truth; widgets show it, and run commands of `registry`."""

    title = "Enigma"
    palette = ObjectProperty(None)
    frame = ObjectProperty(None)
    shell = ObjectProperty(None, allownone=True)

    def __init__(self, options: Options, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.services = Services(options)
        self.memory, self.store = self.services.memory, self.services.store
        self.commands, self.hosting = self.services.commands, self.services.hosting
        self.questions, self.signing = self.services.questions, self.services.signing
        self.robots = self.services.robots
        self.training, self.rows = self.services.training, self.services.rows
        self.bundles = self.services.bundles
        self.chats = self.services.chats
        self.judging = self.services.judging
        self.accounts, self.upkeep = self.services.accounts, self.services.upkeep
        self.choosing, self.devices = self.services.choosing, self.services.devices
        self.files = self.services.files
        state = self.store.state
        if state.preferences.local_only:
            local_only.enforce()
        self.over = Over()
        self._files: Overlay | None = None
        self.registry = Registry(lambda: self.store.state, lambda said: self.store.dispatch(act.Noticed(said)))
        self.registry.add(*window_commands(self))
        self.registry.add(*commands(self))
        self.registry.add(*chat_commands(self))
        self._speak(state)
        self._scale(state)
        self.palette = Palette()
        self.palette.use(state.theme)
        self.frame = Frame()
        self.assist = Assist(self)
        self._looking: asyncio.Task[None] | None = None
        self._stop_listening = self.store.listen(self._changed)

    def build(self) -> Shell:
        """Kivy calls this for the root widget."""
        self.shell = Shell(SCREENS, self.frame, size=Window.size)
        self.shell.show(self.store.state)
        self.files.filled = self.shell.fill
        Window.clearcolor = self.palette.background
        return self.shell

    def on_start(self) -> None:
        """The window is there: connect, and listen to keys and dropped files."""
        Window.bind(on_key_down=self._on_key_down, on_drop_file=self._on_drop_file, focus=self._follow_system)
        self.services.start()
        self.assist.start()
        self._follow_system()

    def on_stop(self) -> None:
        """The window is closing."""
        Window.unbind(on_key_down=self._on_key_down, on_drop_file=self._on_drop_file, focus=self._follow_system)
        self._stop_listening()
        self.assist.stop()
        self.over.close()

    async def serve(self) -> None:
        """Run until the window closes, then end every connection."""
        try:
            await self.async_run(async_lib="asyncio")
        finally:
            if self._looking is not None:
                self._looking.cancel()
            await self.assist.close()
            await self.services.close()

    @property
    def screen(self) -> AppScreen:
        """The screen that is shown."""
        return self.shell.manager.current_screen

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""
        self.store.dispatch(act.Opened(Screen(screen)))

    def back(self) -> None:
        """Go where we came from."""
        self.store.dispatch(act.WentBack())

    def choose_file(self) -> None:
        """Look for a file for the first field of this screen that takes one."""
        field = next((widget for widget in self.screen.walk() if isinstance(widget, PathField)), None)
        if field is not None:
            field.browse()
        else:
            self.store.dispatch(act.Noticed(tr("This screen has no field for a file.")))

    def dismiss(self) -> None:
        """Hide the sentence under the title."""
        self.store.dispatch(act.Noticed(None))

    def draft(self, name: str, given: str = "") -> str:
        """What is typed or picked in a field and not sent; `given`, which the state has of it, where nothing is."""
        return self.store.state.drafts.get(name, given)

    def keep_draft(self, name: str, text: str, given: str = "") -> None:
        """A field holds another text."""
        self.store.dispatch(Drafted(name, "" if text == given else text, emptied=bool(given) and not text))

    def _changed(self, state: AppState) -> None:
        self._scale(state)
        if self._speak(state) and self.shell is not None:
            self.shell.rebuild()
        if self.palette.name != state.theme:
            self.palette.use(state.theme)
            Window.clearcolor = self.palette.background
        if self.shell is not None:
            self.shell.show(state)
            self._show_files(state)

    def _show_files(self, state: AppState) -> None:
        """The dialog for files lies over the window as long as a person looks for one."""
        if state.browsing is None and self._files is None:
            return
        # Imported when it is first wanted: the first frame comes sooner.
        from companion_app.screens.files.overlay import FileDialog

        shown = self._files if self._files is self.over.shown else None
        if state.browsing is None:
            self._files = None
            if shown is not None:
                self.over.close()
        elif isinstance(shown, FileDialog):
            shown.show(state.browsing)
        else:
            self._files = FileDialog(state.browsing)
            self.over.show(self._files, focus.widget)

    def _on_key_down(self, window: object, key: int, scancode: int, text: str | None, modifiers: list[str]) -> bool:
        if key == ESCAPE:
            if not self.over.close():
                self.back()
            return True
        if key == TAB and not _someone_has_focus():
            first = self.shell.manager.current_screen.first_focus()
            if first is not None:
                first.focus = True
                return True
        keys = chord_of(Keyboard.keycode_to_string(window, key), text, modifiers)
        if types_nothing(keys):
            return self._run(keys)
        if text and not _someone_types() and self.over.shown is None:
            return self.shell.manager.current_screen.pressed(text) or self._run(keys)
        return False

    def _run(self, keys: str) -> bool:
        """Run what these keys are for; whether there is something."""
        command = self.registry.command_of(keys)
        if command is None and keys == "?":
            command = self.registry["open.shortcuts"]
        if command is not None:
            self.over.close()
            self.ask_for(command.name)
        return command is not None

    def ask_for(self, name: str) -> None:
        """Run a command; what it needs to know, or a yes to something dangerous, is asked for first."""
        command = self.registry[name]
        if not self.registry.why_not(command) and (command.arguments or command.dangerous):
            self.show_palette(name)
        else:
            self.registry.run(name)

    def show_palette(self, name: str = "") -> None:
        """Show the command palette, or what a command asks for."""
        self.over.show(CommandPalette(self, name), focus.widget)

    def _speak(self, state: AppState) -> bool:
        """Use the language that was chosen, or the system's; whether that is another one."""
        code = state.preferences.language or system_language()
        changed = code != i18n.language()
        if changed:
            i18n.use(code)
        return changed

    def _scale(self, state: AppState) -> None:
        """Kivy's properties in sp follow by themselves, and so do heights by what they hold."""
        wanted = SYSTEM_SCALE * state.preferences.font_scale
        if Metrics.fontscale != wanted:
            with undisturbed():
                Metrics.fontscale = wanted
            if self.shell is not None:
                self.shell.fit()

    def _follow_system(self, *_: object) -> None:
        """Ask the system which theme it uses, beside the frames: at the start, and when a person comes back to the window."""
        if Window.focus and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look_at_system())

    async def _look_at_system(self) -> None:
        theme = await asyncio.to_thread(system_theme)
        if theme is not None:
            self.store.dispatch(act.SystemThemeSeen(theme))

    def _on_drop_file(self, window: object, path: bytes | str, *where: object) -> None:
        file = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
        if self.shell.manager.current_screen.dropped(file):
            return
        if takes(file):
            self.upkeep.drop(file)
        else:
            self.commands.drop(file)


def _someone_has_focus() -> bool:
    return any(widget is not None and attached(widget) for widget in FocusBehavior._keyboards.values())


def _someone_types() -> bool:
    return any(isinstance(widget, TextInput) for widget in FocusBehavior._keyboards.values())
