"""A training that is told to end by SIGTERM, and its curves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer_host.training.language_runs import small_model
from tests.trainer_host.training.sums import SETTINGS, bytes_of, model, rows, same_weights
from trainer_host.evaluation.heat import attention_weights
from trainer_host.students.language.model import Attention
from trainer_host.training import checkpoints
from trainer_host.training.curves import decimated, joined
from trainer_host.training.loop import train_language
from trainer_host.training.pausing import TrainingPaused


def test_a_training_that_is_told_to_end_saves_the_step_it_was_in_and_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    def told(share: float, values: dict[str, float]) -> None:
        if share == 7 / 20:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingPaused, match="Paused after step 8; the same command goes on"):
        train_language(model(), rows(60), rows(20, 1), tmp_path / "paused", SETTINGS, told)
    assert signal.getsignal(signal.SIGTERM) is before
    assert checkpoints.now(tmp_path / "paused") == 8
    straight, again = model(), model()
    train_language(straight, rows(60), rows(20, 1), tmp_path / "straight", SETTINGS, lambda share, values: None)
    train_language(again, rows(60), rows(20, 1), tmp_path / "paused", SETTINGS, lambda share, values: None)
    assert same_weights(straight, again)
    last = "checkpoints/step-00000020"
    assert bytes_of(tmp_path / "straight" / last) == bytes_of(tmp_path / "paused" / last)


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), max_size=300), st.integers(4, 60))
def test_a_curve_with_fewer_points_keeps_its_ends_and_its_extremes(values: list[float], most: int) -> None:
    points = list(enumerate(values))
    made = decimated(points, most)
    assert len(made) <= most and set(made) <= set(points) and made == sorted(made)
    if points:
        assert made[0] == points[0] and made[-1] == points[-1]
        assert {min(values), max(values)} <= {value for _, value in made}


def test_of_a_step_that_was_made_again_the_later_value_counts() -> None:
    assert joined([[(1, 1.0), (2, 2.0)], [(2, 5.0), (3, 3.0)]]) == [(1, 1.0), (2, 5.0), (3, 3.0)]


@pytest.mark.parametrize("window", [None, 4])
def test_the_map_of_attention_is_what_the_model_computes_with(window: int | None) -> None:
    made = small_model(3, window=window).eval()
    tokens = torch.randint(0, 48, (1, 12))
    seen: list[tuple[Attention, torch.Tensor, torch.Tensor]] = []
    for layer in made.layers:
        layer.self_attn.register_forward_hook(lambda module, args, out: seen.append((module, args[0], out)))
    found = attention_weights(made, tokens)
    for weights, (module, x, out) in zip(found, seen, strict=True):
        assert torch.allclose(weights.sum(-1), torch.ones(module.heads, 12), atol=1e-5)
        value = module.v_proj(x).view(1, 12, module.kv_heads, module.head).transpose(1, 2)
        mixed = weights[None] @ value.repeat_interleave(module.heads // module.kv_heads, 1)
        assert torch.allclose(module.o_proj(mixed.transpose(1, 2).reshape(1, 12, -1)), out, atol=1e-5)
