"""Signed bundles that lie on the host, and the one that is fetched from there: to be kept as a file, or for a device."""

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
    """A bundle on the host. sha256: of the file; made: seconds since 1970; published: whether devices can fetch it."""

    sha256: str
    specialist: str
    version: str
    task: str = ""
    bytes: int = 0
    made: float = 0.0
    published: bool = False

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.specialist} {self.version}"


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

    lying: the newest first. damaged: a sentence for each file there that is no bundle.
    """

    known: bool = False
    older: bool = False
    lying: tuple[HostBundle, ...] = ()
    damaged: tuple[str, ...] = ()
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


class BundlesTold(NamedTuple):
    """The host said which bundles it has; None: it is of an older version, and can't."""

    lying: tuple[HostBundle, ...] | None
    damaged: tuple[str, ...] = ()


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


BundlesAction = BundlesTold | FetchBegun | FetchGot | FetchStands | FetchDropped


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
        case FetchBegun(bundle, goal):
            return replace(bundles, fetch=Fetch(bundle, goal))
        case FetchGot(got) if fetch is not None and fetch.open:
            return replace(bundles, fetch=replace(fetch, phase=FetchPhase.FETCHING, got=got, message=""))
        case FetchStands(phase, message, file) if fetch is not None:
            return replace(bundles, fetch=replace(fetch, phase=phase, message=message, file=file))
        case FetchDropped() if fetch is not None:
            return replace(bundles, fetch=None)
    return bundles
