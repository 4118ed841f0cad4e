"""How long a language model is trained, and how its rows are shown, from the rows themselves and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.data import Encoded
from trainer_host.students.language.settings import MUON, LanguageSettings, epochs_for, highest_rate, optimizer_of

if TYPE_CHECKING:
    from trainer_host.training.loop import TrainSettings

_SHORTEST = 128  # places of a packed row: several short texts fill one better than one alone


def plan_of(
    config: LanguageConfig,
    texts: Sequence[Encoded],
    chosen: LanguageSettings,
    seed: int,
    seconds: float | None,
    curriculum: bool,
) -> TrainSettings:
    """The plan. texts: what is learnt. seconds: what there is time for on two small cores; None: as long as pays."""
    from trainer_host.students.language.data import Mixture
    from trainer_host.training.loop import TrainSettings
    from trainer_host.training.schedule import Schedule, steps_for

    longest = max(len(text.ids) for text in texts)
    length = min(config.context, max(_SHORTEST, 1 << (longest - 1).bit_length()))
    tokens = sum(len(text.ids) for text in texts)
    # Each task of a model of several needs as many looks at its rows as it would alone.
    epochs = chosen.epochs or epochs_for(tokens // len({text.task for text in texts}))
    optimizer = optimizer_of(chosen)
    steps = steps_for(
        tokens,
        chosen.rows * length,
        config.parameters,
        epochs=epochs,
        seconds=seconds,
        besides=_turning(config) if optimizer == MUON else 0,
    )
    return TrainSettings(
        steps=steps,
        rows=chosen.rows,
        length=length,
        optimizer=optimizer,
        rate=chosen.rate or highest_rate(config, chosen),
        schedule=Schedule(chosen.schedule),
        mixture=Mixture(curriculum=curriculum, replay=chosen.replay if chosen.old is not None else 0.0),
        patience=chosen.patience,
        seed=seed,
    )


def _turning(config: LanguageConfig) -> int:
    """Multiply-adds that Muon takes in a step: five times two products with each matrix, and one of its square."""
    heads, keys = config.heads * config.head, config.kv_heads * config.head
    sides = [(config.width, one) for one in (heads, keys, keys, heads, *[config.hidden] * 3)]
    return 5 * config.layers * sum(2 * min(two) ** 2 * max(two) + min(two) ** 3 for two in sides)
