"""Everything that can happen in the app, as data."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.chat_actions import ChatAction
from companion_app.state.drafts import DraftAction
from companion_app.state.files import FilesAction
from companion_app.state.fleet_actions import FleetAction
from companion_app.state.host_actions import HostAction
from companion_app.state.inventory import Inventory
from companion_app.state.model import Answer, Device, Event, Screen, Specialist
from companion_app.state.preferences import Preferences
from companion_app.state.question_actions import QuestionAction
from companion_app.state.robot_actions import RobotAction
from companion_app.state.rows_actions import RowsAction
from companion_app.state.signing_actions import SigningAction
from companion_app.state.train_actions import TrainAction
from companion_app.state.upkeep import UpkeepAction


@dataclass(frozen=True)
class Opened:
    """A person went to a screen."""

    screen: Screen


@dataclass(frozen=True)
class WentBack:
    """A person pressed Escape or the back arrow."""


@dataclass(frozen=True)
class PreferencesChanged:
    """A person chose how the app looks or behaves."""

    preferences: Preferences


@dataclass(frozen=True)
class SystemThemeSeen:
    """The system uses this theme now, a name of `theme.tokens.THEMES`."""

    theme: str


@dataclass(frozen=True)
class Noticed:
    """One sentence to show above everything; None hides it."""

    sentence: str | None


@dataclass(frozen=True)
class PairingStarted:
    """The code is on its way to the device."""


@dataclass(frozen=True)
class PairingFailed:
    """The device or the network refused, with one sentence."""

    sentence: str


@dataclass(frozen=True)
class Paired:
    """A device accepted us; a device of the same address is replaced."""

    device: Device


@dataclass(frozen=True)
class DeviceSelected:
    """A person picked a device."""

    address: str


@dataclass(frozen=True)
class DeviceForgotten:
    """A person removed a device."""

    address: str


@dataclass(frozen=True)
class LinkConnecting:
    """The connection is being made."""

    address: str


@dataclass(frozen=True)
class LinkUpdated:
    """The device answered: it is online and this is how it is."""

    address: str
    ready: bool
    models: tuple[Specialist, ...]


@dataclass(frozen=True)
class LinkLost:
    """The device went away; the next try is in `retry_in` seconds. refused: it is there, and takes our token no more."""

    address: str
    sentence: str
    retry_in: float
    refused: bool = False


@dataclass(frozen=True)
class EventSeen:
    """The device told something."""

    address: str
    event: Event


@dataclass(frozen=True)
class SpecialistPicked:
    """The next sentences go to this specialist."""

    name: str


@dataclass(frozen=True)
class AreaPicked:
    """Where the person is, an area id; None is nowhere in particular."""

    area: str | None


@dataclass(frozen=True)
class InventoryLoaded:
    """Another home is in use."""

    inventory: Inventory


@dataclass(frozen=True)
class Asked:
    """A sentence is on its way."""

    number: int
    specialist: str
    sentence: str


@dataclass(frozen=True)
class Answered:
    """The answer to exchange `number`."""

    number: int
    answer: Answer


@dataclass(frozen=True)
class AskFailed:
    """No answer to exchange `number`, with one sentence why."""

    number: int
    sentence: str


@dataclass(frozen=True)
class PushPathSet:
    """A bundle file was typed or dropped."""

    path: str


@dataclass(frozen=True)
class PushStarted:
    """The file is open and its first bytes go out."""

    path: str
    total: int


@dataclass(frozen=True)
class PushProgressed:
    """`sent` bytes are out."""

    sent: int


@dataclass(frozen=True)
class PushDone:
    """The device activated the bundle."""

    sentence: str


@dataclass(frozen=True)
class PushFailed:
    """The device kept what it had, with one sentence why."""

    sentence: str


Action = (
    Opened
    | WentBack
    | PreferencesChanged
    | SystemThemeSeen
    | Noticed
    | PairingStarted
    | PairingFailed
    | Paired
    | DeviceSelected
    | DeviceForgotten
    | LinkConnecting
    | LinkUpdated
    | LinkLost
    | EventSeen
    | SpecialistPicked
    | AreaPicked
    | InventoryLoaded
    | Asked
    | Answered
    | AskFailed
    | PushPathSet
    | PushStarted
    | PushProgressed
    | PushDone
    | PushFailed
    | FleetAction
    | HostAction
    | QuestionAction
    | RobotAction
    | SigningAction
    | UpkeepAction
    | TrainAction
    | RowsAction
    | ChatAction
    | DraftAction
    | FilesAction
)
