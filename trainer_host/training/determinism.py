"""Makes a training repeatable: the same seed gives the same bytes on the same machine."""

from __future__ import annotations

import os
import random


def prepare(seed: int) -> None:
    """Seed Python, numpy and torch, keep operators on one thread, and refuse nondeterministic kernels.

    Sums are split among an operator's threads, so their number would be part of the result; and their barrier
    costs more than they save on small models (docs/log.md, 2026-11-23). Students share work among batches instead.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats only with this set
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory costs a fifth of a small model's step; no kernel here reads it before writing.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
