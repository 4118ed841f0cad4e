"""Signed bundles and model files that lie on the host, and the one that is fetched from there: to be kept, or for a device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from companion_app.state.model import AppState


class Goal(StrEnum):
    """What a bundle is fetched for."""

    SAVE = "save"
    PUSH = "push"


class FetchPhase(StrEnum):
    """How a fetch stands; WAITING is one whose host went away, and which goes on when it is back."""

    FETCHING = "fetching"
    WAITING = "waiting"
    CHECKING = "checking"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class HostBundle:
    """A bundle on the host, or a model file that was exported of a run. sha256: of the file; made: seconds since 1970;
    published: whether devices can fetch it. model: the name of a model file, whose run is the specialist; empty for a bundle.
    current: whether the run still has the weights that it was made of.
    """

    sha256: str
    specialist: str
    version: str
    task: str = ""
    bytes: int = 0
    made: float = 0.0
    published: bool = False
    model: str = ""
    current: bool = True

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.specialist} {self.model or self.version}"

    @property
    def address(self) -> str:
        """Where the host has it."""
        return f"/v1/{'exports' if self.model else 'bundles'}/{self.sha256}"

    @property
    def kept_as(self) -> tuple[str, str]:
        """What its file is called where a person keeps it, and how that ends."""
        name, _, suffix = self.model.rpartition(".")
        return (f"{self.specialist}.{name}", suffix) if self.model else (f"{self.specialist}-{self.version}", "enigma")


@dataclass(frozen=True)
class Fetch:
    """The bundle on its way from the host. got: bytes; message: what came of it; file: where it was saved."""

    bundle: HostBundle
    goal: Goal
    phase: FetchPhase = FetchPhase.FETCHING
    got: int = 0
    message: str = ""
    file: str = ""

    @property
    def open(self) -> bool:
        """Whether it is under way."""
        return self.phase in (FetchPhase.FETCHING, FetchPhase.WAITING, FetchPhase.CHECKING)


@dataclass(frozen=True)
class Bundles:
    """What the host has. known: it has said so; older: it can't say, being of an older version.

    lying: the newest first. damaged: a sentence for each file there that is no bundle. exported: model files, the newest first;
    None while the host hasn't said.
    """

    known: bool = False
    older: bool = False
    lying: tuple[HostBundle, ...] = ()
    damaged: tuple[str, ...] = ()
    exported: tuple[HostBundle, ...] | None = None
    fetch: Fetch | None = None

    @property
    def published(self) -> tuple[HostBundle, ...]:
        """Those that a rollout can give to devices, the newest first."""
        return tuple(one for one in self.lying if one.published)

    def specialists(self) -> tuple[str, ...]:
        """Whose versions are published, that of the newest one first."""
        return tuple(dict.fromkeys(one.specialist for one in self.published))

    def versions(self, specialist: str) -> tuple[HostBundle, ...]:
        """What is published of a specialist, the newest first."""
        return tuple(one for one in self.published if one.specialist == specialist)

    def find(self, wanted: str) -> HostBundle | None:
        """A bundle by its hash, by its name and version, or the newest one of a specialist."""
        words = wanted.strip().removesuffix(".enigma")
        for one in self.lying:
            if words in (one.sha256, one.name, f"{one.specialist}-{one.version}"):
                return one
        return next((one for one in self.lying if one.specialist == words), None)

    def find_exported(self, wanted: str) -> HostBundle | None:
        """A model file by its hash, or by its run and its name."""
        return next((one for one in self.exported or () if wanted.strip() in (one.sha256, one.name)), None)


class BundlesTold(NamedTuple):
    """The host said which bundles it has; None: it is of an older version, and can't."""

    lying: tuple[HostBundle, ...] | None
    damaged: tuple[str, ...] = ()


class ExportsTold(NamedTuple):
    """The host said which model files it has."""

    exported: tuple[HostBundle, ...]


class FetchBegun(NamedTuple):
    """A person wants one."""

    bundle: HostBundle
    goal: Goal


class FetchGot(NamedTuple):
    """So many bytes are here."""

    got: int


class FetchStands(NamedTuple):
    """It is in another phase, with a sentence where there is something to say."""

    phase: FetchPhase
    message: str = ""
    file: str = ""


class FetchDropped(NamedTuple):
    """A person doesn't want it any more, or has seen what came of it."""


BundlesAction = BundlesTold | ExportsTold | FetchBegun | FetchGot | FetchStands | FetchDropped


def reduce_bundles(action: BundlesAction, state: AppState) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    bundles = _reduced(action, state.bundles)
    return state if bundles is state.bundles else replace(state, bundles=bundles)


def _reduced(action: BundlesAction, bundles: Bundles) -> Bundles:
    fetch = bundles.fetch
    match action:
        case BundlesTold(lying, damaged):
            told = replace(bundles, known=True, older=lying is None, lying=lying or (), damaged=damaged)
            return bundles if told == bundles else told
        case ExportsTold(exported):
            return bundles if exported == bundles.exported else replace(bundles, exported=exported)
        case FetchBegun(bundle, goal):
            return replace(bundles, fetch=Fetch(bundle, goal))
        case FetchGot(got) if fetch is not None and fetch.open:
            return replace(bundles, fetch=replace(fetch, phase=FetchPhase.FETCHING, got=got, message=""))
        case FetchStands(phase, message, file) if fetch is not None:
            return replace(bundles, fetch=replace(fetch, phase=phase, message=message, file=file))
        case FetchDropped() if fetch is not None:
            return replace(bundles, fetch=None)
    return bundles
