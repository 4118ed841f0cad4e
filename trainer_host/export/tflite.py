"""Writes a torch module as one .tflite file, without TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.errors import ExportError
from trainer_host.export.onnx import quiet
from trainer_host.students import ModelIO

if TYPE_CHECKING:
    import torch

SIGNATURE = "serving_default"


def export_tflite(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], path: Path) -> None:
    """Convert with static shapes; raises `ExportError`."""
    # The converter's C++ logs go to the terminal whatever Python does, unless told so before its import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GLOG_minloglevel", "3")
    try:
        with quiet(), SilentDescriptors():
            import litert_torch

            from trainer_host.export.tflite_compact import compact

            litert_torch.convert(module, examples).export(str(path))
    except (RuntimeError, ValueError, NotImplementedError) as cause:
        first = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise ExportError(f"The module can't be written as TFLite: {first[:300]}") from None
    path.write_bytes(compact(path.read_bytes(), short_names=True))


def tensor_names(names: ModelIO) -> tuple[dict[str, str], dict[str, str]]:
    """The task's names -> the names that the converter gives to arguments and results."""
    inputs = {name: f"args_{i}" for i, name in enumerate(names.inputs)}
    outputs = {name: f"output_{i}" for i, name in enumerate(names.outputs)}
    return inputs, outputs


class SilentDescriptors:
    """Send file descriptors 1 and 2 to nowhere: native code writes past Python's streams."""

    def __enter__(self) -> None:
        import sys

        sys.stdout.flush()
        sys.stderr.flush()
        self._saved = [os.dup(1), os.dup(2)]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)

    def __exit__(self, *exception: object) -> None:
        for descriptor, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
