from __future__ import annotations

import numpy as np

from trainer_host.training.calibration import COVERED, MIN_COVERAGE, TARGET_PRECISION, calibrate, softmax


def sample(noise: float, sharpness: float = 1.0, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, rows)
    logits = np.eye(4)[labels] * 3 + rng.normal(size=(rows, 4)) * noise
    return (logits * sharpness).astype(np.float32), labels


def test_the_temperature_undoes_overconfidence() -> None:
    logits, labels = sample(1.5)
    plain, sharp = calibrate(logits, labels), calibrate(logits * 3, labels)
    assert abs(sharp.temperature / plain.temperature - 3) < 0.2


def test_the_threshold_buys_precision() -> None:
    found = calibrate(*sample(1.5))
    assert found.accuracy < TARGET_PRECISION <= found.precision
    assert MIN_COVERAGE <= found.coverage < 1


def test_rows_that_teach_nothing_are_still_answered_by_half() -> None:
    rng = np.random.default_rng(0)
    found = calibrate(rng.normal(size=(400, 4)).astype(np.float32), rng.integers(0, 4, 400))
    assert MIN_COVERAGE <= found.coverage <= 1
    assert found.precision < TARGET_PRECISION


def test_the_right_label_is_among_the_likely_ones_as_often_as_promised() -> None:
    covered = []
    for noise in (1.0, 1.5, 2.5):
        for seed in range(10):
            rng = np.random.default_rng(seed)
            labels = rng.integers(0, 4, 1200)
            logits = (np.eye(4)[labels] * 3 + rng.normal(size=(1200, 4)) * noise).astype(np.float32)
            found = calibrate(logits[:600], labels[:600])
            chances = softmax(logits[600:] / found.temperature)
            covered.append(float((chances[np.arange(600), labels[600:]] >= found.likely).mean()))
    assert abs(float(np.mean(covered)) - COVERED) <= 0.01


def test_easy_rows_still_leave_room_for_doubt() -> None:
    found = calibrate(*sample(0.6))
    assert found.precision == 1.0
    assert 0.97 <= found.coverage < 1
    assert found.threshold > 0.5
