"""Everything that can happen in the app, as data."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.bundles import BundlesAction
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


class Opened(NamedTuple):
    """A person went to a screen."""

    screen: Screen


class WentBack(NamedTuple):
    """A person pressed Escape or the back arrow."""


class PreferencesChanged(NamedTuple):
    """A person chose how the app looks or behaves."""

    preferences: Preferences


class SystemThemeSeen(NamedTuple):
    """The system uses this theme now, a name of `theme.tokens.THEMES`."""

    theme: str


class Noticed(NamedTuple):
    """One sentence to show above everything; None hides it."""

    sentence: str | None


class PairingStarted(NamedTuple):
    """The code is on its way to the device."""


class PairingFailed(NamedTuple):
    """The device or the network refused, with one sentence."""

    sentence: str


class Paired(NamedTuple):
    """A device accepted us; a device of the same address is replaced."""

    device: Device


class DeviceSelected(NamedTuple):
    """A person picked a device."""

    address: str


class DeviceForgotten(NamedTuple):
    """A person removed a device."""

    address: str


class LinkConnecting(NamedTuple):
    """The connection is being made."""

    address: str


class LinkUpdated(NamedTuple):
    """The device answered: it is online and this is how it is."""

    address: str
    ready: bool
    models: tuple[Specialist, ...]


class LinkLost(NamedTuple):
    """The device went away; the next try is in `retry_in` seconds. refused: it is there, and takes our token no more."""

    address: str
    sentence: str
    retry_in: float
    refused: bool = False


class EventSeen(NamedTuple):
    """The device told something."""

    address: str
    event: Event


class SpecialistPicked(NamedTuple):
    """The next sentences go to this specialist."""

    name: str


class AreaPicked(NamedTuple):
    """Where the person is, an area id; None is nowhere in particular."""

    area: str | None


class InventoryLoaded(NamedTuple):
    """Another home is in use."""

    inventory: Inventory


class Asked(NamedTuple):
    """A sentence is on its way."""

    number: int
    specialist: str
    sentence: str


class Answered(NamedTuple):
    """The answer to exchange `number`."""

    number: int
    answer: Answer


class AskFailed(NamedTuple):
    """No answer to exchange `number`, with one sentence why."""

    number: int
    sentence: str


class PushPathSet(NamedTuple):
    """A bundle file was typed or dropped."""

    path: str


class PushStarted(NamedTuple):
    """The file is open and its first bytes go out."""

    path: str
    total: int


class PushProgressed(NamedTuple):
    """`sent` bytes are out."""

    sent: int


class PushDone(NamedTuple):
    """The device activated the bundle."""

    sentence: str


class PushFailed(NamedTuple):
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
    | BundlesAction
    | ChatAction
    | DraftAction
    | FilesAction
)
