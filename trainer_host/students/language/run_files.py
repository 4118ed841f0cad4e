"""What a language student leaves in a run's folder beside its weights, and how it is read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.language.golden import golden_rows
from edge_runtime.language.specialist import GOLDEN_TEXTS_FILE
from edge_runtime.language.template import Template
from edge_runtime.language.tokenizer import Tokenizer as DeviceTokenizer
from trainer_host.errors import DataError
from trainer_host.students import Json
from trainer_host.students.language.config import LanguageConfig
from trainer_host.training.weights import load_weights
from trainer_host.workspace import write_atomic

if TYPE_CHECKING:
    from trainer_host.students.language.model import LanguageModel

CONFIG, TOKENIZER, TEMPLATE = "config.json", "tokenizer.json", "template.json"
FORMAT = 1


def write_assets(run: Path, tokenizer: str, template: Template) -> None:
    """Write what a bundle carries: tokenizer, template, and texts with their tokens to prove the tokenizer by."""
    write_atomic(run / TOKENIZER, tokenizer.encode("utf-8"))
    write_atomic(run / TEMPLATE, strict_json.dumps(template.to_json()))
    pairs = golden_rows(DeviceTokenizer.read(run / TOKENIZER))
    write_atomic(run / GOLDEN_TEXTS_FILE, strict_json.dumps(pairs))


def read_template(run: Path) -> Template:
    """A run's template."""
    return Template.from_json(json.loads((run / TEMPLATE).read_bytes()))


def card_of(run: Path) -> tuple[Json, LanguageConfig]:
    """A run's config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        if raw["format"] != FORMAT:
            raise DataError(f"The run '{run.name}' was made by another version of Enigma; train again.")
        return raw, LanguageConfig.from_json(cast(Json, raw["model"]))
    except (OSError, BadRequest, KeyError, TypeError):
        raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.") from None


def trained_model(run: Path) -> tuple[LanguageConfig, LanguageModel]:
    """A run's model in eval mode, with its shape; raises `DataError`."""
    from trainer_host.students.language.model import LanguageModel

    _, config = card_of(run)
    model = LanguageModel(config)
    load_weights(run, model)
    return config, model.eval()
