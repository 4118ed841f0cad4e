"""What the app knows of the host that teaches: its tasks, teachers and lessons, and of its keys only their ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from companion_app.state.phase import Phase

# What the drop-down of the key form means by it; no provider can be called so, their names have no "+".
CUSTOM = "+custom"


class KeyWay(StrEnum):
    """Which way all keys go: into a file, or out of one."""

    EXPORT = "export"
    IMPORT = "import"


class LessonState(StrEnum):
    """How a lesson stands; all but the first two can be resumed."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OPEN = "open"


@dataclass(frozen=True)
class Task:
    """One of the tasks that the host teaches. `trained`: whether a specialist can learn it from the examples yet."""

    name: str
    title: str
    trained: bool = True


@dataclass(frozen=True)
class Provider:
    """One teacher. `wire` is how it is spoken to, `model` what it is asked for where a person chooses none."""

    name: str
    wire: str = "openai"
    base_url: str = ""
    model: str = ""
    needs_key: bool = True
    custom: bool = False


@dataclass(frozen=True)
class StoredKey:
    """A key on the host, as far as anybody is shown it. `source` is "vault", or a variable of the host."""

    provider: str
    name: str
    tail: str = ""
    in_use: bool = False
    added: str = ""
    source: str = "vault"


@dataclass(frozen=True)
class Lesson:
    """One job of generating examples. `progress` is 0 to 1, `rate` examples a minute, `eta` seconds.

    cancelling: a person pressed Cancel and the host has not stopped yet.
    """

    id: str
    name: str
    tasks: tuple[str, ...]
    examples: int
    provider: str
    state: LessonState
    progress: float = 0.0
    accepted: int = 0
    rejected: tuple[tuple[str, int], ...] = ()
    errors: int = 0
    cost: float | None = None
    rate: float | None = None
    eta: float | None = None
    message: str = ""
    datasets: tuple[tuple[str, str], ...] = ()
    cancelling: bool = False

    @property
    def running(self) -> bool:
        """Whether the host works on it."""
        return self.state is LessonState.RUNNING

    @property
    def waiting(self) -> bool:
        """Whether it waits for its turn; the host says so in words, one that was cut short has none."""
        return self.state is LessonState.OPEN and bool(self.message)

    @property
    def resumable(self) -> bool:
        """Whether the host can go on with it."""
        return self.state not in (LessonState.RUNNING, LessonState.DONE)


@dataclass(frozen=True)
class Offer:
    """All that the host said at once about what can be taught, by whom, with which keys."""

    tasks: tuple[Task, ...] = ()
    presets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    providers: tuple[Provider, ...] = ()
    keys: tuple[StoredKey, ...] = ()


@dataclass(frozen=True)
class Host:
    """The host that this app is paired with; its token stays in `services.remember`.

    offer and lessons are what it last said, also while it is away. scope: what our pairing allows, empty where that
    isn't known (a pairing that an earlier version made).
    """

    address: str
    name: str
    phase: Phase = Phase.CONNECTING
    error: str | None = None
    retry_in: float = 0.0
    offer: Offer = Offer()
    lessons: tuple[Lesson, ...] = ()
    scope: str = ""


@dataclass(frozen=True)
class Order:
    """What a lesson is asked for, and so what its cost depends on. `model` "" is the provider's own."""

    tasks: tuple[str, ...]
    examples: int
    provider: str
    model: str = ""


@dataclass(frozen=True)
class Estimate:
    """What an order will cost, in US dollars; no figures where the price is not known, a sentence where it failed."""

    order: Order
    likely: float | None = None
    low: float | None = None
    high: float | None = None
    sentences: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class TeachForm:
    """What a person is about to have taught. Numbers are kept as typed, right or wrong.

    picked: whether the provider is a person's choice; until then it is one that is set up.
    """

    selected: tuple[str, ...] = ()
    examples: str = "100"
    provider: str = ""
    picked: bool = False
    model: str = ""
    budget: str = ""
    estimate: Estimate | None = None
    starting: bool = False
    refused: str | None = None


@dataclass(frozen=True)
class KeyForm:
    """The form for a new key; the key itself is in its text field alone, never in here.

    problems: (field, sentence) for what is wrong with what was typed. taken: the host has a key of that name.
    """

    provider: str = ""
    busy: bool = False
    problems: tuple[tuple[str, str], ...] = ()
    refused: str | None = None
    taken: bool = False
    saved: str | None = None


@dataclass(frozen=True)
class KeyMove:
    """All keys on their way into a file or out of one; passphrases are in their text fields alone, never in here.

    way: which form is open, None where neither is. path: of a file that a person brought otherwise than by typing.
    problems: (field, sentence). done: what came of it. skipped: what the host kept its own of, under the same name.
    """

    way: KeyWay | None = None
    path: str = ""
    busy: bool = False
    problems: tuple[tuple[str, str], ...] = ()
    refused: str | None = None
    done: str | None = None
    skipped: tuple[str, ...] = ()
