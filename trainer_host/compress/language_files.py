"""More model files of a language run than ONNX: TFLite and GGUF, for the gate, the bundle and the device."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from edge_runtime.engines import LITERT, XLLAMACPP
from edge_runtime.engines.language import open_language_engine
from trainer_host.compress.blocks import Blocks
from trainer_host.compress.files import CARD, LARGEST_ERROR, ModelFile, OnStep, export_run, exported
from trainer_host.compress.inspect import weight_bytes
from trainer_host.data.dataset import Dataset
from trainer_host.errors import ExportError, NotThere
from trainer_host.export.language_onnx import blocks_of
from trainer_host.export.language_run import GGUF, LanguageRun, export_language, read_language_run
from trainer_host.export.language_tflite import PRECISIONS as TFLITE_PRECISIONS
from trainer_host.export.language_tflite import check_precision, export_language_tflite
from trainer_host.export.tflite import SilentDescriptors
from trainer_host.students import TextStudent, student_of
from trainer_host.training.run import Run, write_json

if TYPE_CHECKING:
    from torch import Tensor

GGUF_PRECISIONS = ("f16", "q8_0", "q4_0")
_COMPARED = 48  # tokens


def add_gguf(
    run: Run,
    dataset: Callable[[], Dataset],
    on_step: OnStep,
    precisions: Sequence[str] = GGUF_PRECISIONS,
    *,
    licence: str = "",
    task: str | None = None,
    cache: str = "float",
) -> list[ModelFile]:
    """Write model.PRECISION.gguf into the run and export.json; gives these files.

    The gate compares with the float file in ONNX, so a run that wasn't exported yet gets its ONNX files first; they
    need the dataset. licence, task: see `export_language`, for programs other than ours that read the file. cache: what
    devices keep keys and values in, "float" (16 bits) or "int8"; the file is the same. Raises `DataError` for a run that
    holds no language model, and `ExportError`.
    """
    model = read_language_run(run.folder)
    if cache == "int8" and model.config.head % 32:
        raise ExportError(
            f"llama.cpp keeps keys and values in int8 by 32 numbers, and this model's heads have {model.config.head}; leave "
            "--cache out, or export as ONNX or TFLite."
        )
    if not _whole(run):
        export_run(run, dataset(), on_step)
    made = []
    for at, precision in enumerate(precisions):
        on_step(at / len(precisions), f"gguf {precision}")
        path = run.folder / f"model.{precision}.gguf"
        rounded = rounded_weights(run, model)
        export_language(model, path, GGUF, precision, licence=licence, task=task, beside=True, rounded=rounded)
        made.append(_entry(path, precision, (XLLAMACPP,), _difference(model, path), cache))
    add_files(run, made)
    on_step(1.0, "done")
    return made


def add_tflite(
    run: Run,
    dataset: Callable[[], Dataset],
    on_step: OnStep,
    precisions: Sequence[str] = TFLITE_PRECISIONS,
    cache: str = "float",
) -> list[ModelFile]:
    """Write model.PRECISION.tflite into the run and export.json, as `add_gguf` does; gives these files.

    cache: "int8" keeps keys and values so, but for a file in float. Raises `DataError` for a run that holds no language model, and `ExportError` where a file in float answers
    differently from the model.
    """
    model = read_language_run(run.folder)
    for precision in precisions:
        check_precision(precision)
    if not _whole(run):
        export_run(run, dataset(), on_step)
    tokens, wanted = _answered(model)
    scales = None
    if cache == "int8":
        scales = cast(TextStudent, student_of(run)).cache_scales(run.folder, dataset().folder)
    made = []
    for at, precision in enumerate(precisions):
        on_step(at / len(precisions), f"tflite {precision}")
        path = run.folder / f"model.{precision}.tflite"
        kept = None if precision == "fp32" else scales  # what all files are compared with stays as it was trained
        export_language_tflite(model.state, model.config, path, precision, cache=kept)
        with SilentDescriptors():  # LiteRT greets on standard error
            engine = open_language_engine(path)
        with closing(engine):
            error = float(np.abs(engine.feed(tokens, len(tokens)) - wanted).max())
        if precision == "fp32" and not error <= LARGEST_ERROR:
            raise ExportError(f"{path.name} differs from the trained module by {error:.2g}; export it again.")
        made.append(_entry(path, precision, (LITERT,), error, "float" if kept is None else cache))
    add_files(run, made)
    on_step(1.0, "done")
    return made


def add_files(run: Run, made: Sequence[ModelFile]) -> None:
    """Enter more files into export.json, behind those of other names that are there."""
    names = {item.file for item in made}
    models = [*(item for item in exported(run) if item.file not in names), *made]
    card = json.loads((run.folder / CARD).read_bytes())
    write_json(run.folder / CARD, {**card, "models": [dataclasses.asdict(item) for item in models]})


def rounded_weights(run: Run, model: LanguageRun) -> dict[str, Blocks]:
    """The weights in 4 bits of a run's exported int4 file, by their names; none where it isn't there."""
    path = run.folder / "model.int4.onnx"
    return blocks_of(path, model.config) if _whole(run) and path.is_file() else {}


def _whole(run: Run) -> bool:
    """Whether the model files of all weights are there; an adapter alone is no such."""
    try:
        exported(run)
        return "adapter" not in json.loads((run.folder / CARD).read_bytes())
    except (NotThere, ExportError):
        return False


def _entry(path: Path, precision: str, runtimes: tuple[str, ...], error: float, cache: str) -> ModelFile:
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    size, rounded = path.stat().st_size, float(f"{error:.3g}")
    return ModelFile(path.name, precision, runtimes, {}, {}, size, digest, rounded, weight_bytes(path), cache)


def _difference(run: LanguageRun, path: Path) -> float:
    """The largest difference of a logit that a file's rounded weights make, in torch; the gate looks into llama.cpp."""
    from trainer_host.students.language.gguf_in import read_gguf

    return float(np.abs(_answered(run)[1] - _answered(run, read_gguf(path).state)[1]).max())


def _answered(run: LanguageRun, state: Mapping[str, Tensor] | None = None) -> tuple[list[int], np.ndarray]:
    """Some tokens, and the logits that follow each in torch, float32 [tokens, vocabulary]; state: other weights."""
    import torch

    from trainer_host.students.language.model import LanguageModel

    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, run.config.vocabulary, (1, min(_COMPARED, run.config.context)), generator=generator)
    model = LanguageModel(run.config)
    model.load_state_dict(run.state if state is None else state)
    with torch.inference_mode():
        return tokens[0].tolist(), model.eval()(tokens)[0].numpy()
