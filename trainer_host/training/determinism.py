"""Makes a training repeatable: the same seed gives the same bytes on the same machine."""

from __future__ import annotations

import os
import random

# Sums are split among threads, so their number is part of the result: it is fixed, not that of the machine.
THREADS = 2


def prepare(seed: int, threads: int = THREADS) -> None:
    """Seed Python, numpy and torch, fix the number of threads, and refuse nondeterministic kernels."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats only with this set
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory costs a fifth of a small model's step; no kernel here reads it before writing.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
