"""What can happen to devices beyond what they answer, as data."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.fleet import Detail, Found, Label, Log, Sample


class DetailSeen(NamedTuple):
    """A device was looked at."""

    address: str
    detail: Detail


class Labelled(NamedTuple):
    """A person sorted a device."""

    address: str
    label: Label


class Searched(NamedTuple):
    """A person looks for a device by words."""

    words: str


class Filtered(NamedTuple):
    """A person wants the devices of one group or tag alone; empty for all."""

    label: str


class NearbyLooked(NamedTuple):
    """The network is asked for devices, or was; problem: why it can't be."""

    looking: bool
    found: tuple[Found, ...] | None = None
    problem: str = ""


class CommandBegun(NamedTuple):
    """A device is told to do something."""

    address: str
    what: str


class CommandEnded(NamedTuple):
    """It did, or not: one sentence, empty where there is nothing to say."""

    address: str
    what: str
    sentence: str = ""
    failed: bool = False


class SampleSeen(NamedTuple):
    """A specialist is tried, or was."""

    address: str
    specialist: str
    sample: Sample


class LogSeen(NamedTuple):
    """A device's journal is asked for, or came."""

    log: Log


class PairingPicked(NamedTuple):
    """A person picked a device to pair with, by its address."""

    address: str


class PicturesFound(NamedTuple):
    """The newest pictures on this machine, of which one may show a code."""

    paths: tuple[str, ...]


class Scanning(NamedTuple):
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
