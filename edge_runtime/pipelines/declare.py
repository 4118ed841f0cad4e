"""What a pipeline is: one source, models, and sinks, as its file declares them; see `edge_runtime.pipelines.reading`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.pipelines import references
from edge_runtime.serving.turns import Urgency

Json = dict[str, object]


@dataclass(frozen=True)
class Timer:
    """The same value again and again. count: how often, without end where 0."""

    every_seconds: float
    value: Json
    count: int


@dataclass(frozen=True)
class Topic:
    """What is published on a topic of this device."""

    topic: str


@dataclass(frozen=True)
class Microphone:
    """A microphone by its ALSA name ("": the default one), or a WAV file in its place.

    heard: whether who may have the device act may listen to it over the API.
    """

    device: str
    file: Path | None
    fast: bool
    loop: bool
    heard: bool = False


@dataclass(frozen=True)
class Camera:
    """One of a V4L2 device, a file, and an address. fps: pictures a second at most, all where 0.

    shown: whether who may have the device act may look at its latest picture over the API.
    """

    device: str
    file: Path | None
    url: str
    credentials_file: Path | None
    width: int
    height: int
    fps: float
    fast: bool
    loop: bool
    shown: bool = False


@dataclass(frozen=True)
class Serial:
    """Lines of a serial port. json: whether each is an object; else it is a text."""

    port: str
    baud: int
    json: bool


@dataclass(frozen=True)
class Speech:
    """What is said into a microphone, as text. grammar: a JSGF file of all sentences that may be said."""

    sound: Microphone
    grammar: Path


@dataclass(frozen=True)
class Robot:
    """What became of a robot's orders. socket, token_file: as an action's."""

    socket: Path | None
    every_seconds: float
    token_file: Path | None = None


Source = Timer | Topic | Microphone | Camera | Serial | Speech | Robot


@dataclass(frozen=True)
class When:
    """What must be so of an answer. fields: the values that may stand at each path."""

    fields: Mapping[str, tuple[object, ...]] = dataclasses.field(default_factory=dict)
    min_confidence: float = 0.0

    def holds(self, answer: Mapping[str, object]) -> bool:
        """Whether it is so."""
        if self.min_confidence:
            confidence = answer.get("confidence")
            if not isinstance(confidence, int | float) or confidence < self.min_confidence:
                return False
        return all(_among(references.within(answer, path), values) for path, values in self.fields.items())


@dataclass(frozen=True)
class Model:
    """One question to a specialist for each item.

    after: the model whose answer it goes on with; "" where it takes the source's items. request: a template, None for
    the item as it is. window, hop: seconds of sound that are asked about at once, and between two such questions.
    """

    name: str
    specialist: str
    after: str
    when: When
    request: Json | None
    urgency: Urgency
    queue: int
    window: float
    hop: float


@dataclass(frozen=True)
class Event:
    """Tells who listens to the device's events."""


@dataclass(frozen=True)
class Publish:
    """Publishes on a topic."""

    topic: str


@dataclass(frozen=True)
class Webhook:
    """Posts JSON to an address, signed where there is a secret."""

    url: str
    secret_file: Path | None
    timeout: float
    tries: int


@dataclass(frozen=True)
class Action:
    """Asks the safety envelope, which listens on a UNIX socket, to let a robot do something.

    socket: None for the robot of the device's configuration, with the token there. calls: a template; max_age: seconds after
    which what was captured moves nothing any more; token_file: what to show it.
    """

    socket: Path | None
    calls: object
    timeout: float
    max_age: float
    token_file: Path | None = None


@dataclass(frozen=True)
class Sight:
    """Tells a robot what a detector found in its camera's picture.

    socket, token_file: as an action's. sure: an object's confidence at least; names: what the robot calls a label; max_age: seconds.
    """

    socket: Path | None
    names: Mapping[str, str]
    sure: float
    timeout: float
    max_age: float
    token_file: Path | None = None


@dataclass(frozen=True)
class Speak:
    """Says a text, a template, or plays an answer's sound: to a speaker by its ALSA name ("": the default one), or into a WAV file."""

    text: object
    voice: str
    device: str
    file: Path | None


@dataclass(frozen=True)
class HomeAssistant:
    """Calls a Home Assistant's services. entities: patterns of those that it may move; max_age: as an action's."""

    url: str
    token_file: Path
    entities: tuple[str, ...]
    timeout: float
    max_age: float


@dataclass(frozen=True)
class Sink:
    """after: the models whose answers it takes; () where there is no model. every_seconds: the least between two."""

    kind: str
    to: Event | Publish | Webhook | Action | Sight | Speak | HomeAssistant
    after: tuple[str, ...]
    when: When
    every_seconds: float
    queue: int


@dataclass(frozen=True)
class Pipeline:
    """One file.

    retry: seconds until a source that failed is tried again; doubled each time up to retry_most. quiet: seconds after
    which a source that gives nothing has failed; 0 where it may be quiet.
    """

    name: str
    enabled: bool
    kind: str
    source: Source
    retry: float
    retry_most: float
    quiet: float
    models: tuple[Model, ...]
    sinks: tuple[Sink, ...]

    @property
    def waits(self) -> bool:
        """Whether the source waits for the slowest stage, as a file read as fast as possible does; nothing is dropped."""
        played = self.source.sound if isinstance(self.source, Speech) else self.source
        return isinstance(played, Microphone | Camera) and played.fast

    @property
    def hears(self) -> bool:
        """Whether its items are sound."""
        return isinstance(self.source, Microphone)


def _among(value: object, values: tuple[object, ...]) -> bool:
    # True equals 1 in Python, and doesn't in an answer.
    return any(value == each and isinstance(value, bool) is isinstance(each, bool) for each in values)
