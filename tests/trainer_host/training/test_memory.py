from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

_PEAK = """
import json, sys
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
norms = [float(parameter.grad.norm()) for parameter in gradients.parameters]
sums = [float(parameter.grad.double().sum()) for parameter in gradients.parameters]
print(json.dumps({"before": before, "peak": after, "norms": norms, "sums": sums}))
"""


def measured(kind: str) -> dict[str, object]:
    # Large blocks go back to the system when they are freed, and glibc's guesses about them stay out of the figures.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", _PEAK, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200, env=environment)
    made: dict[str, object] = json.loads(done.stdout)
    return made


@pytest.mark.slow  # half a minute: a step of 27 million parameters over 2,048 tokens, twice
def test_checkpointing_takes_30_percent_less_memory_for_the_same_gradients() -> None:
    plain, thrifty = measured("plain"), measured("thrifty")
    assert isinstance(plain["peak"], int) and isinstance(thrifty["peak"], int)
    assert thrifty["peak"] <= 0.7 * plain["peak"], (plain["peak"], thrifty["peak"])
    assert thrifty["norms"] == pytest.approx(plain["norms"], rel=1e-5, abs=1e-6)
    assert thrifty["sums"] == pytest.approx(plain["sums"], rel=1e-5, abs=1e-5)
