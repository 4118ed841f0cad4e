from __future__ import annotations

import numpy as np

from edge_runtime.tasks.confidence import adjusted
from edge_runtime.tasks.written_confidence import Doubt, signs
from trainer_host.training.calibration import (
    COOLEST,
    COVERED,
    MIN_COVERAGE,
    TARGET_PRECISION,
    Calibration,
    calibrate,
    platt_of,
    softmax,
    worth_of,
)
from trainer_host.training.uncertainty import calibration_error


def sample(noise: float, sharpness: float = 1.0, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, rows)
    logits = np.eye(4)[labels] * 3 + rng.normal(size=(rows, 4)) * noise
    return (logits * sharpness).astype(np.float32), labels


def answered(found: Calibration, logits: np.ndarray) -> np.ndarray:
    """What a device makes of these logits."""
    return np.stack([adjusted(row, found.platt) for row in softmax(logits / found.temperature)])


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
            chances = answered(found, logits[600:])
            covered.append(float((chances[np.arange(600), labels[600:]] >= found.likely).mean()))
    assert abs(float(np.mean(covered)) - COVERED) <= 0.01


def test_where_all_are_right_the_promise_holds_with_a_temperature_that_leaves_them_apart() -> None:
    covered: dict[float, list[float]] = {COOLEST: [], 0.5: []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 8, 700)
        logits = (np.eye(8)[labels] * rng.normal(5, 0.7, (700, 1))).astype(np.float32)
        for coolest, shares in covered.items():
            found = calibrate(logits[:100], labels[:100], coolest=coolest)
            assert found.temperature >= coolest - 1e-6
            shares.append(float((answered(found, logits[100:])[np.arange(600), labels[100:]] >= found.likely).mean()))
    assert abs(float(np.mean(covered[0.5])) - COVERED) <= 0.02 < float(np.mean(covered[COOLEST])) - COVERED


def test_how_far_the_promise_errs_is_told_also_where_rows_of_a_group_are_alike() -> None:
    shares, told = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 4, 600)
        logits = (np.eye(4)[labels] * 3 + rng.normal(size=(600, 4)) * 1.5).astype(np.float32)
        group = np.arange(60).repeat(4)
        found = calibrate(logits[group], labels[group], group.tolist())
        chances = answered(found, logits[60:])
        shares.append(float((chances[np.arange(540), labels[60:]] >= found.likely).mean()))
        told.append(found.covered_error)
    assert abs(float(np.mean(told)) / float(np.std(shares)) - 1) < 0.25
    alone = calibrate(logits[group], labels[group]).covered_error
    assert abs(told[-1] / alone - 2) < 0.1  # 4 of each


def test_easy_rows_still_leave_room_for_doubt() -> None:
    found = calibrate(*sample(0.6))
    assert found.precision == 1.0
    assert 0.97 <= found.coverage < 1
    assert found.threshold > 0.5


def test_what_a_temperature_cannot_mend_is_mended() -> None:
    """Rows that the network hardly knows, and is more often right on than its flat logits say."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 4000)
    known = np.where(rng.random(4000) < 0.3, 0.25, 4.0)[:, None]
    logits = ((np.eye(8)[labels] * 3 + rng.normal(size=(4000, 8)) * 1.3) * known).astype(np.float32)
    found = calibrate(logits[:2000], labels[:2000])
    plain = softmax(logits[2000:] / found.temperature)
    made = answered(found, logits[2000:])
    right = plain.argmax(1) == labels[2000:]
    assert (made.argmax(1) == plain.argmax(1)).all()
    assert calibration_error(made.max(1), right) < 0.7 * calibration_error(plain.max(1), right)


def test_a_few_rows_that_are_all_right_change_little() -> None:
    scale, shift = platt_of(np.full(20, 0.9), np.ones(20, bool))
    assert 0.9 < scale < 1.5 and 0 < shift < 0.5
    assert platt_of(np.empty(0), np.empty(0, bool)) == (1.0, 0.0)
    assert platt_of(np.array([0.9] * 50 + [0.6] * 50), np.array([False] * 50 + [True] * 50))[0] > 0


def test_what_is_written_gets_the_chance_that_it_is_right() -> None:
    rng = np.random.default_rng(0)
    means, tokens = rng.uniform(0.6, 0.999, 3000), rng.integers(3, 40, 3000)
    doubted = rng.random(3000) < 0.2
    # By the product of the tokens' chances, and hardly ever where the device doubts it.
    right = rng.random(3000) < means**tokens * np.where(doubted, 0.1, 1)
    answers = [
        (float(mean), int(count), bool(doubt)) for mean, count, doubt in zip(means, tokens, doubted, strict=True)
    ]
    weights = worth_of(np.array([signs(*answer) for answer in answers]), right)
    chances = np.array([Doubt(weights=weights).confidence(*answer) for answer in answers])
    assert calibration_error(chances, right) < 0.05 < calibration_error(means, right)
    assert weights[2] > 1.5


def test_answers_that_are_all_right_leave_the_mean_nearly_as_it_is() -> None:
    signed = np.array([signs(0.95, 8, False)] * 30)
    weights = worth_of(signed, np.ones(30, bool))
    assert weights[1] <= 0.3 and weights[2] == 2.0
    assert 0.95 < Doubt(weights=weights).confidence(0.95, 8, False) < 0.999
    assert (
        Doubt(weights=weights).confidence(0.3, 8, False) < 0.5 and Doubt(weights=weights).confidence(0.5, 8, True) < 0.5
    )


def test_what_speaks_for_an_answer_never_counts_against_it() -> None:
    rng = np.random.default_rng(1)
    means = rng.uniform(0.3, 0.99, 200)
    weights = worth_of(np.array([signs(mean, 5, False) for mean in means]), means < 0.6)
    assert min(weights[:3]) == 0
