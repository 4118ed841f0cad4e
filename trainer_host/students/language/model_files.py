"""The .onnx files of a trained language model, and what a cache of int8 changes in one of its files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edge_runtime.engines.language import open_language_engine
from trainer_host.errors import DataError
from trainer_host.students import ExportOptions, WrittenModel
from trainer_host.students.language.run_files import trained_model

if TYPE_CHECKING:
    from trainer_host.compress.language import Text

PRECISIONS: tuple[Literal["fp32", "int8", "int4"], ...] = ("fp32", "int8", "int4")
_COMPARED = 48  # tokens whose logits are held against the trained model's


def write_onnx(
    run: Path,
    texts: Sequence[Text] | None,
    on_step: Callable[[float, str], None],
    options: ExportOptions,
    base: Path | None,
) -> list[WrittenModel]:
    """Write model.PRECISION.onnx into a run's folder, for each of `PRECISIONS`.

    texts: of training rows, which int4 is rounded for and an int8 cache is measured on; without them int4 is rounded weight
    by weight. base: the run's folder whose scales are kept. Raises `DataError` for an int8 cache without texts.
    """
    import torch

    from trainer_host.compress.gptq import round_matrices
    from trainer_host.compress.language import cache_scales
    from trainer_host.export.language_onnx import export_language_onnx

    config, model = trained_model(run)
    tokens = torch.randint(
        0, config.vocabulary, (1, min(_COMPARED, config.context)), generator=torch.Generator().manual_seed(1)
    )
    with torch.inference_mode():
        wanted = model(tokens)[0].numpy()
    scales = None
    if options.cache == "int8":
        if texts is None:
            raise DataError("A cache of int8 is measured on texts; name the dataset.")
        scales = cache_scales(model, texts)
    made = []
    for at, precision in enumerate(PRECISIONS):
        on_step(at / len(PRECISIONS), f"onnx {precision}")
        path = run / f"model.{precision}.onnx"
        like = None if base is None or precision == "fp32" else base / path.name
        rounded = None
        if precision == "int4" and texts is not None:
            share = partial(_of_all, on_step, at, f"rounding to {precision}")
            rounded = round_matrices(deepcopy(model), texts, like, share)
        export_language_onnx(
            model.state_dict(),
            config,
            path,
            precision,
            config.context,
            None if precision == "fp32" else scales,  # what all files are compared with stays as it was trained
            options.adapters,
            like,
            rounded,
        )
        with closing(open_language_engine(path)) as engine:
            got = engine.feed(tokens[0].tolist(), wanted=tokens.shape[1])
        made.append(WrittenModel(path.name, precision, float(np.abs(got - wanted).max())))
    on_step(1.0, "done")
    return made


def cache_agreement(run: Path, texts: Sequence[Text], model: Path, precision: str) -> float:
    """How often a file with a cache of int8 finds the same next token most likely as with one of float, 0 to 1."""
    from trainer_host.compress.language import compare
    from trainer_host.export.language_onnx import blocks_of, export_language_onnx
    from trainer_host.export.language_tflite import export_language_tflite

    config, trained = trained_model(run)
    with tempfile.TemporaryDirectory(prefix="enigma-language-") as name:
        twin = Path(name) / model.name
        if model.suffix == ".gguf":  # what it keeps is said when it is opened
            twin.symlink_to(model.absolute())
        elif model.suffix == ".tflite":
            export_language_tflite(trained.state_dict(), config, twin, precision, config.context)
        else:
            same = {} if precision == "fp32" else blocks_of(model, config)
            export_language_onnx(trained.state_dict(), config, twin, precision, config.context, rounded=same)
        reference, other = open_language_engine(twin), open_language_engine(model, cache="int8")
        with closing(reference), closing(other):
            return compare(reference, other, texts).agreement


def _of_all(on_step: Callable[[float, str], None], at: int, what: str, share: float) -> None:
    """Tell how far the files are, given the share of one that is done."""
    on_step((at + share) / len(PRECISIONS), what)
