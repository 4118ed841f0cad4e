"""What can happen to devices beyond what they answer, as data."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.fleet import Detail, Found, Label, Log, Sample


@dataclass(frozen=True)
class DetailSeen:
    """A device was looked at."""

    address: str
    detail: Detail


@dataclass(frozen=True)
class Labelled:
    """A person sorted a device."""

    address: str
    label: Label


@dataclass(frozen=True)
class Searched:
    """A person looks for a device by words."""

    words: str


@dataclass(frozen=True)
class Filtered:
    """A person wants the devices of one group or tag alone; empty for all."""

    label: str


@dataclass(frozen=True)
class NearbyLooked:
    """The network is asked for devices, or was; problem: why it can't be."""

    looking: bool
    found: tuple[Found, ...] | None = None
    problem: str = ""


@dataclass(frozen=True)
class CommandBegun:
    """A device is told to do something."""

    address: str
    what: str


@dataclass(frozen=True)
class CommandEnded:
    """It did, or not: one sentence, empty where there is nothing to say."""

    address: str
    what: str
    sentence: str = ""
    failed: bool = False


@dataclass(frozen=True)
class SampleSeen:
    """A specialist is tried, or was."""

    address: str
    specialist: str
    sample: Sample


@dataclass(frozen=True)
class LogSeen:
    """A device's journal is asked for, or came."""

    log: Log


@dataclass(frozen=True)
class PairingPicked:
    """A person picked a device to pair with, by its address."""

    address: str


@dataclass(frozen=True)
class PicturesFound:
    """The newest pictures on this machine, of which one may show a code."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class Scanning:
    """The camera looks for a code, or stopped."""

    on: bool


FleetAction = (
    DetailSeen
    | Labelled
    | Searched
    | Filtered
    | NearbyLooked
    | CommandBegun
    | CommandEnded
    | SampleSeen
    | LogSeen
    | PairingPicked
    | PicturesFound
    | Scanning
)
