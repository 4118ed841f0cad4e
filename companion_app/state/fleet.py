"""What the app knows of devices beyond what they answer: how they are, what lies on them, how a person sorts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
MAX_TAGS = 16


@dataclass(frozen=True)
class Vitals:
    """How a device is. started: seconds since 1970. celsius, battery (percent): None where it doesn't tell.

    memory, free: bytes that the daemon takes, and that its disk has left. load: free, sparing or urgent; reasons: why.
    """

    version: str = ""
    started: float = 0.0
    celsius: float | None = None
    battery: float | None = None
    memory: int = 0
    free: int = 0
    load: str = "free"
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """One specialist, live. p50_ms: half of its latest answers took no longer, None before the first one. memory: bytes."""

    p50_ms: float | None = None
    answered: int = 0
    memory: int = 0


@dataclass(frozen=True)
class Version:
    """One version of a specialist that lies on the device. bundle: its hash, by which it is switched to."""

    bundle: str
    version: str
    active: bool


@dataclass(frozen=True)
class PipelineTold:
    """One pipeline. state: as the device says (running, retrying, stopped, ...). items: that came out of it."""

    name: str
    state: str
    problem: str = ""
    items: int = 0

    @property
    def on(self) -> bool:
        """Whether it runs, or tries to."""
        return self.state in ("running", "retrying")


@dataclass(frozen=True)
class Coming:
    """A release that the device's updater works on, or can't take."""

    specialist: str
    state: str
    cause: str = ""


@dataclass(frozen=True)
class Updates:
    """What the updater knows. following: whether the device looks for updates at all."""

    following: bool = False
    cause: str = ""
    coming: tuple[Coming, ...] = ()


@dataclass(frozen=True)
class PairedWith:
    """One pairing of the device, as it lists them."""

    name: str
    scope: str
    created: str = ""


@dataclass(frozen=True)
class Detail:
    """A device at its latest look. What is None couldn't be asked: the device is older, or our pairing may not."""

    vitals: Vitals | None = None
    figures: Mapping[str, Figures] = field(default_factory=dict)
    versions: Mapping[str, tuple[Version, ...]] | None = None
    pipelines: tuple[PipelineTold, ...] | None = None
    updates: Updates | None = None
    paired: tuple[PairedWith, ...] = ()
    certificate: str = ""


def steerable(detail: Detail | None) -> bool:
    """Whether a device is of a version that can be switched and restarted from here, and does each command once.

    Those tell when they were started; older ones do not.
    """
    return detail is not None and detail.vitals is not None and detail.vitals.started > 0


@dataclass(frozen=True)
class Found:
    """A device near us that announces itself."""

    name: str
    id: str
    url: str
    version: str = ""


@dataclass(frozen=True)
class Label:
    """How a person sorts a device."""

    group: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One request that a specialist was tried with. asked, expected, answer: as a person reads them."""

    busy: bool = True
    asked: str = ""
    expected: str = ""
    answer: str = ""
    ms: float = 0.0
    error: str = ""
    number: int = 0


@dataclass(frozen=True)
class LogLine:
    """One line of a device's journal. kind: log, request or update."""

    at: float
    kind: str
    text: str
    bad: bool = False


@dataclass(frozen=True)
class Log:
    """A device's journal, the newest first. lacks: what of it our pairing may not see, or the device doesn't have."""

    address: str = ""
    busy: bool = False
    lines: tuple[LogLine, ...] = ()
    lacks: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Fleet:
    """All of it. busy: (address, what is being done there). note: by address, what came of the latest command, and whether
    it failed. filter: a group or a tag, empty for all. invited: the address that a person picked to pair with.
    pictures: paths of the newest ones here, one of which may show a code."""

    details: Mapping[str, Detail] = field(default_factory=dict)
    labels: Mapping[str, Label] = field(default_factory=dict)
    samples: Mapping[tuple[str, str], Sample] = field(default_factory=dict)
    busy: frozenset[tuple[str, str]] = frozenset()
    notes: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    found: tuple[Found, ...] = ()
    looking: bool = False
    look_problem: str = ""
    search: str = ""
    filter: str = ""
    log: Log = Log()
    scanning: bool = False
    invited: str = ""
    pictures: tuple[str, ...] = ()


def with_item(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """A copy in which the key stands for this."""
    return MappingProxyType({**mapping, key: value})


def without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    """A copy without the key."""
    return MappingProxyType({name: value for name, value in mapping.items() if name != key})
