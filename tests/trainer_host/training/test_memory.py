from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

_PEAK = """
import json, sys
import numpy as np
import torch
from edge_runtime.serving.memory import peak_bytes
from trainer_host.students.language.config import sized
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.gradients import LocalGradients, LossModule, Micro

torch.set_num_threads(1)
torch.manual_seed(0)
model = LanguageModel(sized("small")).train()
model.checkpointing = sys.argv[1] == "thrifty"
gradients = LocalGradients(LossModule(model), torch.device("cpu"), torch.float32, 1)
tokens = torch.randint(0, 8192, (2, 1024))
positions = torch.arange(1024).expand(2, -1)
part = Micro(tokens, positions, torch.ones_like(tokens), torch.arange(2047), tokens.flatten()[1:])
before = peak_bytes()
gradients.compute([part], 1 / 2047)
after = peak_bytes()
np.save(sys.argv[2], np.concatenate([parameter.grad.numpy().ravel() for parameter in gradients.parameters]))
print(json.dumps({"before": before, "peak": after}))
"""


def measured(kind: str, folder: Path) -> tuple[int, np.ndarray]:
    """The bytes at the peak of a step, and all gradients."""
    # Large blocks go back to the system when they are freed, and glibc's guesses about them stay out of the figures.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", _PEAK, kind, str(folder / f"{kind}.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200, env=environment)
    return int(json.loads(done.stdout)["peak"]), np.load(folder / f"{kind}.npy")


@pytest.mark.slow  # half a minute: a step of 27 million parameters over 2,048 tokens, twice
def test_checkpointing_takes_30_percent_less_memory_for_the_same_gradients(tmp_path: Path) -> None:
    (plain, wanted), (thrifty, found) = measured("plain", tmp_path), measured("thrifty", tmp_path)
    assert thrifty <= 0.7 * plain, (plain, thrifty)
    assert len(wanted) > 27_000_000 and np.abs(wanted).max() > 0.01
    assert np.abs(found - wanted).max() <= 1e-6
