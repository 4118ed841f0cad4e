"""A runtime for tests of students: what a network learnt, before it is exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch

from trainer_host.students import GraphStudent, student_of
from trainer_host.training.run import Run


class TorchEngine:
    """The trained module itself, in the place of a runtime."""

    def __init__(self, run: Run) -> None:
        self._module, _, self._names = cast(GraphStudent, student_of(run)).module(run.folder)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One run of the graph."""
        with torch.inference_mode():
            made = self._module(*(torch.from_numpy(inputs[name]) for name in self._names.inputs))
        parts = made if isinstance(made, tuple) else (made,)
        return {name: part.numpy() for name, part in zip(self._names.outputs, parts, strict=True)}
