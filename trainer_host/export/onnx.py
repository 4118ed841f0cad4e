"""Writes a torch module as one .onnx file whose bytes depend on the module alone."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import ExportError
from trainer_host.students import ModelIO

if TYPE_CHECKING:
    import onnx
    import torch


def export_onnx(
    module: torch.nn.Module, examples: tuple[torch.Tensor, ...], names: ModelIO, path: Path, *, rows: bool = False
) -> None:
    """Export with static shapes; inputs and outputs get the task's names. Raises `ExportError`.

    rows: the first axis of all inputs and outputs, one in the examples, may have any size: a device that is asked by
    several runs them together.
    """
    import onnx
    import torch

    shapes = None
    if rows:
        shapes = tuple({0: torch.export.Dim("rows")} for _ in examples)
        examples = tuple(torch.cat([each, each]) for each in examples)  # of one row, its number is taken for fixed
    try:
        with quiet():
            program = torch.onnx.export(
                module,
                examples,
                input_names=names.inputs,
                output_names=names.outputs,
                dynamo=True,
                external_data=False,  # the default writes a second file, and a bundle signs each alone
                verbose=False,
                dynamic_shapes=shapes,
            )
    except torch.onnx.errors.OnnxExporterError as cause:
        first = str(cause).strip().splitlines()[0]
        raise ExportError(f"The module can't be written as ONNX: {first[:300]}") from None
    assert program is not None
    model = program.model_proto
    strip(model)
    onnx.save(model, path)


def strip(model: onnx.ModelProto) -> None:
    """Remove what isn't the model: doc strings and notes, which hold paths and source lines of this machine."""
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    for items in (graph.node, graph.input, graph.output, graph.value_info, graph.initializer, model.functions):
        for item in items:
            item.doc_string = ""
            del item.metadata_props[:]
    for function in model.functions:
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep exporters' progress and warnings off the person's screen; their errors are raised all the same."""
    import io

    noisy = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "jax", "absl", "root")]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)
