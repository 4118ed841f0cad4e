"""What a person chooses for a language student: its size or its start, and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer_host.errors import DataError
from trainer_host.students.language.config import SIZES, LanguageConfig
from trainer_host.workspace import checked_name

if TYPE_CHECKING:
    from trainer_host.training.adapters import Lora

Json = dict[str, object]
MUON, ADAMW = OPTIMIZERS = ("muon", "adamw")


@dataclass(frozen=True)
class LanguageSettings:
    """size: see `config.SIZES`, by default as large as the rows are many. init: what to begin with, see `files.load_start`; then the size is that of the start.

    lora: adapters that are trained in place of all weights. context: most tokens of a text. window: how many tokens
    most layers look back, see `config.LanguageConfig`. epochs: how often the rows are shown. optimizer: see `optimizers`.
    rate: the highest learning rate. replay: share of rows from the dataset `old`. shard: the processes of torchrun share
    the weights too (FSDP2), which then need less memory each. teacher: a run whose probabilities are learnt, see `trainer_host.training.distil`; distil_weight: how much they count, temperature: both
    models' there.
    """

    size: str | None = None
    init: str | None = None
    lora: Lora | None = None
    context: int | None = None
    window: int | None = None
    epochs: float | None = None
    optimizer: str | None = None
    rate: float | None = None
    rows: int = 16
    schedule: str = "cosine"
    patience: int | None = None
    old: str | None = None
    replay: float = 0.1
    shard: bool = False
    teacher: str | None = None
    distil_weight: float | None = None
    temperature: float | None = None

    @classmethod
    def read(cls, raw: Json | None) -> LanguageSettings:
        """Check what came from a command or an API; raises `DataError` naming the option."""
        given = {key: value for key, value in (raw or {}).items() if value is not None}
        if strange := sorted(given.keys() - cls.__dataclass_fields__.keys()):
            raise DataError(f"A language student has no option --{strange[0].replace('_', '-')}.")
        if "size" in given and "init" in given:
            raise DataError("A start has its own size; give --size or --init, not both.")
        made = cls(
            size=None if "size" not in given else str(given["size"]),
            init=None if "init" not in given else str(given["init"]),
            lora=_lora(given.get("lora")),
            context=_whole(given, "context", 16, 1_000_000),
            window=_whole(given, "window", 8, 1_000_000),
            epochs=_number(given, "epochs", 0, 1000),
            optimizer=None if "optimizer" not in given else str(given["optimizer"]),
            rate=_number(given, "rate", 0, 1),
            rows=_whole(given, "rows", 1, 4096) or 16,
            schedule=str(given.get("schedule", "cosine")),
            patience=_whole(given, "patience", 1, 1000),
            old=None if "old" not in given else checked_name(str(given["old"])),
            replay=_number(given, "replay", 0, 0.9) or cls.replay,
            shard=given.get("shard", False) is True,
            teacher=None if "teacher" not in given else checked_name(str(given["teacher"])),
            distil_weight=_number(given, "distil_weight", 0, 1),
            temperature=_number(given, "temperature", 0, 20),
        )
        if made.size is not None and made.size not in SIZES:
            raise DataError(f"There is no size '{made.size[:40]}'; there are {', '.join(SIZES)}.")
        if made.optimizer not in (None, *OPTIMIZERS):
            raise DataError(f"There is no optimizer '{made.optimizer[:20]}'; there are {' and '.join(OPTIMIZERS)}.")
        if "replay" in given and made.old is None:
            raise DataError("Say which rows are to be replayed: --old names their dataset.")
        if made.teacher is None and (made.distil_weight or made.temperature):
            raise DataError("Say whose probabilities are to be learnt: --teacher names a run.")
        if made.window is not None and made.init is not None:
            raise DataError("A start looks back as far as it was trained to; give --window or --init, not both.")
        if made.lora and made.init is None:
            raise DataError("Adapters need weights that were trained before; name them with --init.")
        if made.optimizer == MUON and (made.lora or made.shard):
            raise DataError("Muon changes whole matrices; adapters, and weights that are shared, are trained by adamw.")
        return made


def optimizer_of(chosen: LanguageSettings) -> str:
    """Muon for weights that begin at chance; those that were trained before are tuned by AdamW, as they were made."""
    return chosen.optimizer or (ADAMW if chosen.init is not None or chosen.shard else MUON)


def epochs_for(tokens: int) -> float:
    """Small datasets are shown more often: 600,000 tokens in all, but at least 3 times and at most 20."""
    return min(20.0, max(3.0, 6e5 / tokens))


def highest_rate(config: LanguageConfig, chosen: LanguageSettings) -> float:
    """The highest learning rate: less for wider models, and a tenth where weights were trained before."""
    rate = 3e-3 * math.sqrt(128 / config.width)
    return rate / 10 if chosen.init is not None else rate


def _lora(value: object) -> Lora | None:
    if value is None:
        return None
    from trainer_host.training.adapters import Lora

    return Lora.parse(str(value))


def _whole(given: Json, name: str, least: int, most: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DataError(f"--{name} must be a whole number from {least} to {most}.")
    return value


def _number(given: Json, name: str, above: float, most: float) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= most:
        raise DataError(f"--{name.replace('_', '-')} must be above {above:g} and at most {most:g}.")
    return float(value)
