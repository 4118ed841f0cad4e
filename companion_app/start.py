"""What the app knows when it starts, and the services that it is made of; imports no Kivy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from companion_app.i18n import N_, tr
from companion_app.services.account_commands import AccountCommands
from companion_app.services.bundle_commands import BundleCommands
from companion_app.services.chat_commands import ChatCommands
from companion_app.services.choosing import Choosing
from companion_app.services.commands import Commands
from companion_app.services.device_commands import DeviceCommands
from companion_app.services.discovery import Nearby
from companion_app.services.file_commands import FileCommands
from companion_app.services.host_commands import HostCommands
from companion_app.services.judging_commands import JudgingCommands
from companion_app.services.question_commands import QuestionCommands
from companion_app.services.remember import Memory, Remembered, RememberedHost, RememberError
from companion_app.services.robot_camera import RobotCamera
from companion_app.services.robot_commands import RobotCommands
from companion_app.services.rows_commands import RowsCommands
from companion_app.services.signing_commands import SigningCommands
from companion_app.services.train_commands import TrainCommands
from companion_app.services.upkeep_commands import UpkeepCommands, version_now
from companion_app.state import actions as act
from companion_app.state.host import Host
from companion_app.state.inventory import Inventory, InventoryError, read_inventory
from companion_app.state.model import AppState, Device, Screen
from companion_app.state.store import Store
from companion_app.state.upkeep import Upkeep

SAMPLE_HOME = Path(__file__).with_name("data") / "sample_home.json"


@dataclass(frozen=True)
class Options:
    """What the command line decides. `inventory` wins over the remembered one."""

    config: Path
    inventory: Path | None = None
    theme: str | None = None
    language: str | None = None


class Services:
    """The store, and all that talks to devices and the host: `commands` (devices), `hosting` (the host), `questions`
    (what the host asks), `signing` (what waits for a signature), `choosing` (preferences), `devices` (what a device is told
    to do) and `nearby` (devices that announce themselves)."""

    def __init__(self, options: Options) -> None:
        self.memory = Memory(options.config)
        state, self._devices, self._host = initial_state(self.memory, options)
        self.store = Store(state)
        self.choosing = Choosing(self.store, self.memory)
        self.commands = Commands(self.store, self.memory)
        self.devices = DeviceCommands(self.store, self.memory, self.commands)
        self.nearby = Nearby(self.store, self.commands.poke)
        self.robots = RobotCommands(self.store, self.memory)
        self.camera = RobotCamera(self.store, self.commands.client)
        self.hosting = HostCommands(self.store, self.memory)
        self.chats = ChatCommands(self.store, options.config, self.commands.client, self.hosting.client)
        self.questions = QuestionCommands(self.store, self.memory, self.hosting.client)
        self.signing = SigningCommands(self.store, self.memory, self.hosting.client)
        self.accounts = AccountCommands(self.store, self.memory)
        self.upkeep = UpkeepCommands(self.store, self.memory, self.hosting.client, self.chats.written)
        self.files = FileCommands(self.store)
        self.training = TrainCommands(self.store, self.hosting.client)
        self.judging = JudgingCommands(self.store, self.hosting.client)
        self.rows = RowsCommands(self.store, self.hosting.client)
        self.bundles = BundleCommands(
            self.store, options.config, self.hosting.client, self.commands.push, self.commands.select
        )

    def start(self) -> None:
        """Connect; needs a running event loop."""
        self.devices.start()
        self.commands.start(self._devices)
        self.robots.start()
        self.camera.start()
        self.questions.start()
        self.signing.start()
        self.training.start()
        self.bundles.start()
        self.chats.start()
        self.hosting.start(self._host)

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""
        self.store.dispatch(act.Opened(Screen(screen)))

    async def close(self) -> None:
        """End every connection."""
        await self.chats.close()
        await self.bundles.close()
        await self.rows.close()
        await self.training.close()
        await self.judging.close()
        await self.files.close()
        await self.upkeep.close()
        await self.accounts.close()
        await self.signing.close()
        await self.questions.close()
        await self.hosting.close()
        await self.nearby.close()
        await self.devices.close()
        await self.camera.close()
        await self.robots.close()
        await self.commands.close()


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
            notice = notice or tr("{problem} The sample home is used instead.", problem=error)
    devices = tuple(Device(device.address, device.name, device.role) for device in remembered)
    known = [device.address for device in devices]
    selected = settings.selected if settings.selected in known else (known[0] if known else None)
    preferences = settings.preferences
    state = AppState(
        inventory=inventory,
        screen=Screen.ASK if devices else Screen.TEACH if host else Screen.DEVICES,
        preferences=replace(
            preferences, theme=options.theme or preferences.theme, language=options.language or preferences.language
        ),
        devices=devices,
        selected=selected,
        host=Host(host.address, host.name, scope=host.scope) if host else None,
        upkeep=Upkeep(version=version_now(memory.folder)),
        notice=notice,
    )
    return state, remembered, host


def sample_home() -> Inventory:
    """The small home that comes with the app."""
    home = read_inventory(SAMPLE_HOME, title=N_("Sample home"))
    return Inventory(home.title, None, home.areas, home.entities, home.document)
