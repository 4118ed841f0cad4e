"""A generation: one version of a specialist that serves or ends, with its worker."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.engines import Engine, GraphEngine
from edge_runtime.errors import EngineError
from edge_runtime.serving.worker import Worker
from edge_runtime.tasks import Embeds, Specialist
from edge_runtime.update.admit import Loaded

if TYPE_CHECKING:
    from edge_runtime.language.specialist import LanguageSpecialist
    from edge_runtime.serving.streaming import StreamWorker


@dataclass
class Generation:
    """A specialist with its worker; `retired` once another one took its place.

    Asleep, it has no worker, and its engine is a stand-in that only says what the model takes and gives.
    """

    loaded: Loaded
    since: float
    worker: Worker | StreamWorker | None = None
    retired: bool = False
    used: float = 0.0  # by the monotonic clock, when it was asked last
    asked: int = 0  # requests that wait for it to be loaded, or for their answer
    loads: int = 1
    stuck: int = 0  # threads of its that didn't come back
    sick: str = ""  # why it isn't loaded any more
    _known: tuple[Engine, GraphEngine | None] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.writes = self.language is not None
        self.embeds = self.embedder is not None

    @property
    def language(self) -> LanguageSpecialist | None:
        """The language model below the specialist, None where it is another kind of model, or asleep."""
        return getattr(self.loaded.specialist, "language", None)

    @property
    def embedder(self) -> Specialist | None:
        """What places texts, None where the specialist doesn't, or is asleep."""
        specialist = self.loaded.specialist
        return specialist.embedder if isinstance(specialist, Embeds) else None

    @property
    def graph(self) -> GraphEngine | None:
        """The engine, None where it has no single graph; found out once, as `isinstance` of a protocol takes 0.1 ms."""
        engine = self.loaded.engine
        if self._known is None or self._known[0] is not engine:
            self._known = engine, engine if isinstance(engine, GraphEngine) else None
        return self._known[1]

    @property
    def spare_bytes(self) -> int:
        """Memory of the caches beyond the first, for answers that are written at once."""
        language, spares = self.language, getattr(self.worker, "spares", 0)
        return spares * language.text_bytes if language is not None else 0

    def lie_down(self) -> Loaded:
        """Have a stand-in take the engine's place; what was loaded."""
        loaded = self.loaded
        stand_in = Asleep(loaded.engine)
        self.loaded = dataclasses.replace(loaded, engine=stand_in, specialist=stand_in)
        self.worker = None
        return loaded

    @property
    def asleep(self) -> bool:
        """Whether its memory was given back, until somebody asks it."""
        return isinstance(self.loaded.engine, Asleep)


class Asking:
    """Within it a generation has a request, and stays awake. No generator, whose context takes a microsecond more."""

    def __init__(self, generation: Generation, calm: asyncio.Event) -> None:
        self._generation, self._calm = generation, calm

    def __enter__(self) -> None:
        self._generation.asked += 1
        self._generation.used = time.monotonic()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._generation.asked -= 1
        self._generation.used = time.monotonic()
        if not self._generation.asked:
            self._calm.set()


class Asleep:
    """Stands for the engine and the specialist of a model that gave its memory back."""

    def __init__(self, engine: Engine) -> None:
        self.runtime, self.version = engine.runtime, engine.version
        if isinstance(engine, GraphEngine):
            self.inputs, self.outputs = engine.inputs, engine.outputs

    def run(self, inputs: object) -> Any:
        """Nothing runs; raises `EngineError`."""
        raise EngineError("The model gave its memory back; ask again.")

    def close(self) -> None:
        """Nothing is left to free."""
