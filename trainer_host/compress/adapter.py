"""The adapter of a run as a file of its own, for devices that have the model which the training began with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.engines import ONNX
from edge_runtime.engines.language import open_language_engine
from trainer_host.errors import DataError, ExportError, NotThere
from trainer_host.export.language_adapter import FILE, read_trained, write_adapter
from trainer_host.training.run import Run, open_run

if TYPE_CHECKING:
    from trainer_host.students import TextStudent

REFERENCE = "model.fp32.onnx"  # the merged model in float: what base and adapter together are compared with
_TOKENS = 48


@dataclass(frozen=True)
class AdapterBase:
    """Over which model an adapter was made. run: the base's; file: of it; model, tokenizer: SHA-256 in hex.

    share: of the adapter's numbers among the base's, 0 to 1.
    """

    run: str
    file: str
    model: str
    tokenizer: str
    share: float

    def option(self, name: str) -> dict[str, object]:
        """What the manifest says, see `edge_runtime.update.adapters`. name: of the base's specialist."""
        return {"base": name, "model": self.model, "tokenizer": self.tokenizer}


@dataclass(frozen=True)
class WrittenAdapter:
    """errors: of the merged float file and of base and adapter, the largest difference from the torch module's logits."""

    base: AdapterBase
    precision: str
    errors: tuple[float, float]


def write_run_adapter(run: Run, student: TextStudent) -> WrittenAdapter:
    """Write the adapter and the merged model in float into the run.

    Its base must be a run that was exported with adapters and passed the gate: the adapter is for that very file.
    Raises `DataError`, `ExportError` or `NotThere`.
    """
    import torch

    from trainer_host.export.language_onnx import export_language_onnx
    from trainer_host.students.language.run_files import card_of, trained_model

    state, lora = read_trained(run.folder)
    base = _base_of(run, student)
    file, precision = _chosen(base)
    config, model = trained_model(run.folder)
    if _sha256(run.folder / "tokenizer.json") != _sha256(base.folder / "tokenizer.json"):
        raise DataError(
            f"'{run.name}' has other tokens than its base '{base.name}', so it can't be an adapter; export it whole."
        )
    if config.rope != card_of(base.folder)[1].rope:
        raise DataError(
            f"'{run.name}' reads positions otherwise than its base '{base.name}', since it was trained for longer texts; "
            "export it whole, or train it without --context."
        )
    size = write_adapter(state, lora, config, run.folder / FILE)
    export_language_onnx(model.state_dict(), config, run.folder / REFERENCE, "fp32", config.context)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, config.vocabulary, (1, min(_TOKENS, config.context)), generator=generator)
    with torch.inference_mode():
        wanted = model(tokens)[0].numpy()
    opened = ((run.folder / REFERENCE, None), (base.folder / REFERENCE, run.folder / FILE))
    errors = [_error(path, adapter, tokens[0].tolist(), wanted) for path, adapter in opened]
    made = AdapterBase(
        base.name,
        file,
        _sha256(base.folder / file),
        _sha256(base.folder / "tokenizer.json"),
        round(size / config.parameters, 5),
    )
    return WrittenAdapter(made, precision, (errors[0], errors[1]))


def adapter_base(run: Run) -> AdapterBase | None:
    """The base of a run that was exported as an adapter, None where it was exported whole."""
    from trainer_host.compress.files import CARD

    try:
        raw = json.loads((run.folder / CARD).read_bytes()).get("adapter")
        return None if raw is None else AdapterBase(**raw)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError):
        raise ExportError(f"{run.folder / CARD} is damaged; run 'enigma export {run.name}' again.") from None


def base_file(run: Run, base: AdapterBase) -> Path:
    """The base's model file; raises `NotThere` where it isn't what the adapter was exported for."""
    path = run.folder.parent / base.run / base.file
    if not path.is_file() or _sha256(path) != base.model:
        raise NotThere(
            f"{base.file} of the base '{base.run}' isn't the one that '{run.name}' was exported for; run "
            f"'enigma export {run.name} --adapter' again."
        )
    return path


def _base_of(run: Run, student: TextStudent) -> Run:
    start = student.origin(run.folder) or {}
    folder = run.folder.parent / str(start.get("name"))
    if not (folder / "run.json").is_file():
        raise DataError(
            f"'{run.name}' began with {start.get('name') or 'nothing'}, which is no run here; an adapter needs a run as "
            "its base, so train with --init RUN --lora r=8."
        )
    base = open_run(folder)
    if base.weights != f"sha256:{start.get('sha256')}":
        raise DataError(f"The base '{base.name}' was trained again since '{run.name}' began with it; train that again.")
    return base


def _chosen(base: Run) -> tuple[str, str]:
    """The base's file that its bundle carries for onnxruntime, and its precision."""
    from trainer_host.compress.files import exported
    from trainer_host.compress.gate import read_report

    files = {item.file: item for item in exported(base)}
    chosen = next((score.file for score in read_report(base).chosen() if score.runtime == ONNX), None)
    if chosen is None:
        raise NotThere(f"No ONNX file of the base '{base.name}' passed the gate, and only ONNX files take adapters.")
    return chosen, files[chosen].precision


def _error(path: Path, adapter: Path | None, tokens: list[int], wanted: np.ndarray) -> float:
    engine = open_language_engine(path, adapter=adapter)
    try:
        return float(np.abs(engine.feed(tokens, len(tokens)) - wanted).max())
    finally:
        engine.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
