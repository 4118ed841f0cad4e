"""The Kivy application: ties the store, the commands and the screens together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kivy.app import App
from kivy.core.window import Window
from kivy.properties import ObjectProperty
from kivy.uix.behaviors import FocusBehavior
from kivy.uix.textinput import TextInput

from companion_app.registry import Registry
from companion_app.screens.ask.screen import AskScreen
from companion_app.screens.devices.screen import DevicesScreen
from companion_app.screens.home.screen import HomeScreen
from companion_app.screens.keys.screen import KeysScreen
from companion_app.screens.models.screen import ModelsScreen
from companion_app.screens.more.screen import MoreScreen
from companion_app.screens.pair.screen import PairHostScreen, PairScreen
from companion_app.screens.push.screen import PushScreen
from companion_app.screens.questions.screen import QuestionsScreen
from companion_app.screens.sign.screen import SignScreen
from companion_app.screens.teach.screen import TeachScreen
from companion_app.services.commands import Commands
from companion_app.services.host_commands import HostCommands
from companion_app.services.question_commands import QuestionCommands
from companion_app.services.remember import Memory, Remembered, RememberedHost, RememberError
from companion_app.services.signing_commands import SigningCommands
from companion_app.shell import Frame, Shell
from companion_app.state import actions as act
from companion_app.state.host import Host
from companion_app.state.inventory import Inventory, InventoryError, read_inventory
from companion_app.state.model import AppState, Device, Screen
from companion_app.state.store import Store
from companion_app.theme.palette import Palette

SAMPLE_HOME = Path(__file__).with_name("data") / "sample_home.json"
ESCAPE = 27
TAB = 9

SCREENS = {
    Screen.DEVICES: DevicesScreen,
    Screen.PAIR: PairScreen,
    Screen.PAIR_HOST: PairHostScreen,
    Screen.ASK: AskScreen,
    Screen.MODELS: ModelsScreen,
    Screen.TEACH: TeachScreen,
    Screen.QUESTIONS: QuestionsScreen,
    Screen.SIGN: SignScreen,
    Screen.KEYS: KeysScreen,
    Screen.PUSH: PushScreen,
    Screen.HOME: HomeScreen,
    Screen.MORE: MoreScreen,
}


@dataclass(frozen=True)
class Options:
    """What the command line decides. `inventory` wins over the remembered one."""

    config: Path
    inventory: Path | None = None
    theme: str | None = None


class CompanionApp(App):
    """One window. `store` is the truth; widgets show it and call `commands` (devices), `hosting` (the host),
    `questions` (what the host asks) and `signing` (what waits for a signature)."""

    title = "Enigma"
    palette = ObjectProperty(None)
    frame = ObjectProperty(None)
    shell = ObjectProperty(None, allownone=True)

    def __init__(self, options: Options, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.memory = Memory(options.config)
        state, self._devices, self._host = initial_state(self.memory, options)
        self.store = Store(state)
        self.registry = Registry()
        self.commands = Commands(self.store, self.memory)
        self.hosting = HostCommands(self.store, self.memory)
        self.questions = QuestionCommands(self.store, self.memory, self.hosting.client)
        self.signing = SigningCommands(self.store, self.memory, self.hosting.client)
        self.palette = Palette()
        self.palette.use(state.theme)
        self.frame = Frame()
        self._stop_listening = self.store.listen(self._changed)

    def build(self) -> Shell:
        """Kivy calls this for the root widget."""
        self.shell = Shell(SCREENS, self.frame)
        self.shell.show(self.store.state)
        Window.clearcolor = self.palette.background
        return self.shell

    def on_start(self) -> None:
        """The window is there: connect, and listen to keys and dropped files."""
        Window.bind(on_key_down=self._on_key_down, on_drop_file=self._on_drop_file)
        self.commands.start(self._devices)
        self.questions.start()
        self.signing.start()
        self.hosting.start(self._host)

    def on_stop(self) -> None:
        """The window is closing."""
        Window.unbind(on_key_down=self._on_key_down, on_drop_file=self._on_drop_file)
        self._stop_listening()

    async def serve(self) -> None:
        """Run until the window closes, then end every connection."""
        try:
            await self.async_run(async_lib="asyncio")
        finally:
            await self.signing.close()
            await self.questions.close()
            await self.hosting.close()
            await self.commands.close()

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""
        self.store.dispatch(act.Opened(Screen(screen)))

    def back(self) -> None:
        """Go where we came from."""
        self.store.dispatch(act.WentBack())

    def dismiss(self) -> None:
        """Hide the sentence under the title."""
        self.store.dispatch(act.Noticed(None))

    def _changed(self, state: AppState) -> None:
        if self.palette.name != state.theme:
            self.palette.use(state.theme)
            Window.clearcolor = self.palette.background
        if self.shell is not None:
            self.shell.show(state)

    def _on_key_down(self, window: object, key: int, scancode: int, text: str | None, modifiers: list[str]) -> bool:
        if key == ESCAPE:
            self.back()
            return True
        if key == TAB and not _someone_has_focus():
            first = self.shell.manager.current_screen.first_focus()
            if first is not None:
                first.focus = True
                return True
        if text and not {"ctrl", "alt", "meta"} & set(modifiers) and not _someone_types():
            return self.shell.manager.current_screen.pressed(text)
        return False

    def _on_drop_file(self, window: object, path: bytes | str, *where: object) -> None:
        self.commands.drop(path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path)


def initial_state(memory: Memory, options: Options) -> tuple[AppState, tuple[Remembered, ...], RememberedHost | None]:
    """What the app knows when it starts, and the devices and the host to connect to."""
    notice = None
    remembered: tuple[Remembered, ...] = ()
    host: RememberedHost | None = None
    try:
        memory.prepare()
        host = memory.host()
    except RememberError as error:
        notice = str(error)
    try:
        remembered = memory.devices()
    except RememberError as error:
        notice = str(error)
    settings = memory.settings()
    inventory = sample_home()
    chosen = options.inventory or (Path(settings.inventory) if settings.inventory else None)
    if chosen is not None:
        try:
            inventory = read_inventory(chosen)
        except InventoryError as error:
            notice = notice or f"{error} The sample home is used instead."
    devices = tuple(Device(device.address, device.name, device.role) for device in remembered)
    known = [device.address for device in devices]
    selected = settings.selected if settings.selected in known else (known[0] if known else None)
    state = AppState(
        inventory=inventory,
        screen=Screen.ASK if devices else Screen.TEACH if host else Screen.DEVICES,
        theme=options.theme or settings.theme,
        devices=devices,
        selected=selected,
        host=Host(host.address, host.name) if host else None,
        notice=notice,
    )
    return state, remembered, host


def sample_home() -> Inventory:
    """The small home that comes with the app."""
    home = read_inventory(SAMPLE_HOME, title="Sample home")
    return Inventory(home.title, None, home.areas, home.entities, home.document)


def _someone_has_focus() -> bool:
    return any(widget is not None for widget in FocusBehavior._keyboards.values())


def _someone_types() -> bool:
    return any(isinstance(widget, TextInput) for widget in FocusBehavior._keyboards.values())
