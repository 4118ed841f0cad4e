"""The app's whole state as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from companion_app.state.bundles import Bundles
from companion_app.state.chat import Chat
from companion_app.state.files import Browsing
from companion_app.state.fleet import Fleet
from companion_app.state.host import Host, KeyForm, KeyMove, TeachForm
from companion_app.state.inventory import Inventory
from companion_app.state.phase import Phase
from companion_app.state.preferences import Preferences, theme_of
from companion_app.state.questions import Asking
from companion_app.state.robot import Robots
from companion_app.state.rows import Rows
from companion_app.state.signing import Signing
from companion_app.state.training import Training
from companion_app.state.upkeep import Upkeep


class Screen(StrEnum):
    """Every place a person can be in the app."""

    DEVICES = "devices"
    PAIR = "pair"
    PAIR_HOST = "pair_host"
    JOURNAL = "journal"
    ASK = "ask"
    CHAT = "chat"
    DEVICE = "device"
    TEACH = "teach"
    TRAIN = "train"
    DATA = "data"
    QUESTIONS = "questions"
    SIGN = "sign"
    KEYS = "keys"
    PUSH = "push"
    HOME = "home"
    IMPORTS = "imports"
    SETTINGS = "settings"
    SHORTCUTS = "shortcuts"
    ROBOT = "robot"
    MORE = "more"


class PushPhase(StrEnum):
    """How the delivery of a bundle stands."""

    IDLE = "idle"
    SENDING = "sending"
    CHECKING = "checking"  # everything is sent; the device verifies and runs the golden vectors
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Specialist:
    """One active specialist, as its device describes it. `size` is in bytes."""

    name: str
    task: str
    version: str
    runtime: str
    size: int
    metrics: tuple[tuple[str, float], ...] = ()
    precision: str = ""


@dataclass(frozen=True)
class Event:
    """Something a device said happened; `at` is this machine's clock, as the language writes it."""

    at: str
    text: str
    bad: bool = False


@dataclass(frozen=True)
class Link:
    """The live side of a device. `models` is what it last said, also while it is away; `refused`: it takes our token no more."""

    phase: Phase = Phase.CONNECTING
    ready: bool | None = None
    models: tuple[Specialist, ...] = ()
    events: tuple[Event, ...] = ()
    retry_in: float = 0.0
    error: str | None = None
    refused: bool = False


@dataclass(frozen=True)
class Device:
    """A remembered device; its token stays in `services.remember` and never enters the state."""

    address: str
    name: str
    role: str
    link: Link = Link()


@dataclass(frozen=True)
class Pairing:
    """A pairing form."""

    busy: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Call:
    """One call of an answer; `targets` are (entity id, the name people use for it)."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """What a specialist answered. `ms` is the device's own time, `round_trip_ms` ours."""

    confidence: float
    unsure: bool
    ms: float
    round_trip_ms: float
    calls: tuple[Call, ...] = ()
    question: str | None = None
    label: str | None = None
    scores: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Exchange:
    """One sentence and what came of it: pending, answered, or failed with one sentence."""

    number: int
    specialist: str
    sentence: str
    answer: Answer | None = None
    error: str | None = None

    @property
    def pending(self) -> bool:
        return self.answer is None and self.error is None


@dataclass(frozen=True)
class Push:
    """The bundle on its way; `sent` and `total` are bytes."""

    phase: PushPhase = PushPhase.IDLE
    path: str = ""
    sent: int = 0
    total: int = 0
    message: str | None = None


@dataclass(frozen=True)
class AppState:
    """Everything. `selected` is the address of a device in `devices`, or None; `system_theme` what the system uses."""

    inventory: Inventory
    screen: Screen = Screen.DEVICES
    behind: tuple[Screen, ...] = ()
    preferences: Preferences = field(default_factory=Preferences)
    system_theme: str = "dark"
    devices: tuple[Device, ...] = ()
    selected: str | None = None
    specialist: str | None = None
    area: str | None = None
    pairing: Pairing = Pairing()
    exchanges: tuple[Exchange, ...] = ()
    push: Push = Push()
    host: Host | None = None
    host_pairing: Pairing = Pairing()
    key_form: KeyForm = field(default_factory=KeyForm)
    key_move: KeyMove = field(default_factory=KeyMove)
    teach: TeachForm = field(default_factory=TeachForm)
    asking: Asking = field(default_factory=Asking)
    signing: Signing = field(default_factory=Signing)
    robots: Robots = field(default_factory=Robots)
    training: Training = field(default_factory=Training)
    rows: Rows = field(default_factory=Rows)
    bundles: Bundles = field(default_factory=Bundles)
    chat: Chat = field(default_factory=Chat)
    fleet: Fleet = field(default_factory=Fleet)
    upkeep: Upkeep = field(default_factory=Upkeep)
    drafts: Mapping[str, str] = field(default_factory=dict)
    browsing: Browsing | None = None
    notice: str | None = None

    @property
    def theme(self) -> str:
        """The theme to draw with, a name of `theme.tokens.THEMES`."""
        return theme_of(self.preferences, self.system_theme)

    @property
    def device(self) -> Device | None:
        """The selected device."""
        return next((device for device in self.devices if device.address == self.selected), None)

    @property
    def chosen(self) -> Specialist | None:
        """The specialist that the next sentence goes to: the picked one, else the device's first."""
        models = self.device.link.models if self.device else ()
        return next((model for model in models if model.name == self.specialist), models[0] if models else None)
