"""Teaches, trains, compresses, gates, signs and pushes specialists.

    from trainer_host import get_trainer_ai

gives the one object for all of it (trainer_host.trainer_ai); it is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer_host.trainer_ai import TrainerAI, get_trainer_ai

__all__ = ["TrainerAI", "get_trainer_ai"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from trainer_host import trainer_ai

        return getattr(trainer_ai, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
