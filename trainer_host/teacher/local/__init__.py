"""The local Trainer AI: a language model on this machine, behind the same wire as everybody else's."""

from __future__ import annotations

from trainer_host.errors import TrainerError


class LocalTeacherError(TrainerError):
    """The local teacher can't be started: its weights, its address, its memory or its package isn't right."""
