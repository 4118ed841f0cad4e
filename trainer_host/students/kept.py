"""A specialist whose answers are kept: what is measured on an answer's file needs no second run of the model."""

from __future__ import annotations

from edge_runtime.tasks import Specialist
from trainer_host.students import Json


class Kept:
    """Answers as the specialist does, and keeps the answers in their order."""

    def __init__(self, specialist: Specialist) -> None:
        self._specialist = specialist
        self.answers: list[Json] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._specialist, name)

    def run(self, request: Json) -> Json:
        """See `Specialist`."""
        self.answers.append(self._specialist.run(request))
        return self.answers[-1]
