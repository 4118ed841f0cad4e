from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.trainer_host.training.sums import CONFIG, SETTINGS, bytes_of, model, rows, same_weights
from trainer_host.errors import DataError, TrainerError
from trainer_host.students.language.data import Encoded, Mixture, in_order
from trainer_host.students.language.model import LanguageModel
from trainer_host.training import checkpoints
from trainer_host.training.gradients import LossModule, Micro, linear_cross_entropy
from trainer_host.training.loop import TrainingStopped, TrainSettings, examine, train_language
from trainer_host.training.schedule import Schedule, steps_for

CPU = torch.device("cpu")


def quiet(share: float, values: dict[str, float]) -> None:
    """For trainings that nobody watches."""


class Killed(Exception):
    """Stands for the end of the process."""


def killing(at: float) -> Callable[[float, dict[str, float]], None]:
    def progress(share: float, values: dict[str, float]) -> None:
        if share >= at:
            raise Killed

    return progress


def backwards(count: int, seed: int = 5) -> list[Encoded]:
    """Another task: from a number down."""
    return [
        Encoded(np.concatenate((row.ids[:1] + 1, row.ids[:0:-1])), row.mask, 0.0, "back") for row in rows(count, seed)
    ]


def test_a_training_that_was_killed_and_resumed_gives_the_same_bytes(tmp_path: Path) -> None:
    straight, again = model(), model()
    whole = train_language(straight, rows(60), rows(20, 1), tmp_path / "a", SETTINGS, quiet)
    with pytest.raises(Killed):
        train_language(model(), rows(60), rows(20, 1), tmp_path / "b", SETTINGS, killing(0.65))
    resumed = train_language(again, rows(60), rows(20, 1), tmp_path / "b", SETTINGS, quiet)
    assert same_weights(straight, again)
    assert (resumed.loss, resumed.held_out, resumed.tokens) == (whole.loss, whole.held_out, whole.tokens)
    last = "checkpoints/step-00000020"
    assert bytes_of(tmp_path / "a" / last) == bytes_of(tmp_path / "b" / last)


def test_a_process_that_is_killed_by_the_system_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.trainer_host.training.killed", str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if float(line.split()[0]) >= 0.6:
                process.kill()  # SIGKILL: nothing can be tidied up
                break
        process.wait(60)
    kept = checkpoints.load(tmp_path / "killed")
    assert kept is not None and 10 <= kept.step < 20
    straight, again = model(), model()
    train_language(straight, rows(60), rows(20, 1), tmp_path / "straight", SETTINGS, quiet)
    train_language(again, rows(60), rows(20, 1), tmp_path / "killed", SETTINGS, quiet)
    assert same_weights(straight, again)


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    one, three = model(), model()
    train_language(one, rows(60), [], tmp_path / "1", replace(SETTINGS, workers=1), quiet)
    train_language(three, rows(60), [], tmp_path / "3", replace(SETTINGS, workers=3), quiet)
    assert same_weights(one, three)


def test_packed_texts_have_the_gradients_of_texts_that_stand_alone() -> None:
    texts = rows(12)
    packed, alone = LossModule(model()), model()
    total = torch.zeros(())
    for batch in in_order(texts, 2, 64):
        total = total + packed(Micro.of(batch, slice(None), CPU))
    total.backward()
    wanted = torch.zeros(())
    for text in texts:
        ids = torch.from_numpy(text.ids.astype(np.int64))
        logits = alone(ids[None, :-1])[0]
        learnt = torch.from_numpy(text.mask[1:])
        wanted = wanted + F.cross_entropy(logits[learnt], ids[1:][learnt], reduction="sum")
    wanted.backward()
    assert torch.allclose(total, wanted, rtol=1e-4)
    for one, other in zip(packed.parameters(), alone.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("vocabulary", [7, 70_000])
def test_the_cross_entropy_in_chunks_is_torchs(vocabulary: int) -> None:
    torch.manual_seed(1)
    hidden, table = torch.randn(70, 8, requires_grad=True), torch.randn(vocabulary, 8, requires_grad=True)
    targets = torch.randint(0, vocabulary, (70,))
    made = linear_cross_entropy(hidden, table, targets)
    (made * 0.5).backward()
    grads = hidden.grad, table.grad
    hidden.grad = table.grad = None
    wanted = F.cross_entropy(hidden @ table.T, targets, reduction="sum")
    (wanted * 0.5).backward()
    assert torch.allclose(made, wanted, rtol=1e-5)
    for got, expected in zip(grads, (hidden.grad, table.grad), strict=True):
        assert got is not None and expected is not None and torch.allclose(got, expected, atol=1e-5, rtol=1e-4)


def test_checkpointing_gives_the_same_gradients(tmp_path: Path) -> None:
    plain, thrifty = model(), model()
    train_language(plain, rows(40), [], tmp_path / "a", replace(SETTINGS, steps=3), quiet)
    train_language(thrifty, rows(40), [], tmp_path / "b", replace(SETTINGS, steps=3, checkpointing=True), quiet)
    for one, other in zip(plain.parameters(), thrifty.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_half_precision_learns_as_float32_within_2_percent(tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=200, rows=2, micro=2, workers=1, examine_every=200, save_every=200)
    learnt = {
        kind: train_language(
            model(), rows(60), rows(20, 1), tmp_path / kind, replace(settings, precision=kind), quiet
        ).held_out
        for kind in ("fp32", "bf16", "fp16")
    }
    full = learnt.pop("fp32")
    assert full is not None and full < 2.0  # it did learn: 4.2 at first
    for half in learnt.values():
        assert half is not None and abs(half - full) <= 0.02 * full and half != full


def test_float16_lowers_its_scale_where_gradients_overflow(tmp_path: Path) -> None:
    wide = model()
    with torch.no_grad():
        wide.norm.weight.mul_(300)  # gradients of thousands, times a scale of 65,536, have no float16
    losses: list[float] = []
    settings = replace(SETTINGS, steps=20, precision="fp16", rate=1e-4)
    train_language(wide, rows(60), [], tmp_path, settings, lambda share, values: losses.append(values["norm"]))
    assert any(not np.isfinite(norm) for norm in losses) and np.isfinite(losses[-1])
    meta = checkpoints.kept(tmp_path)[-1].meta
    standing = meta["standing"]
    assert isinstance(standing, dict) and standing["scale"] < 65536
    assert all(bool(torch.isfinite(value).all()) for value in wide.state_dict().values())


def test_a_loss_that_is_no_number_stops_and_names_the_rows_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    poisoned = model()

    def poison(share: float, values: dict[str, float]) -> None:
        if share >= 0.6:
            with torch.no_grad():
                poisoned.norm.weight.fill_(float("nan"))

    with pytest.raises(TrainingStopped, match=r"became nan in step 13, whose rows were \d+, "):
        train_language(poisoned, rows(60), [], tmp_path, SETTINGS, poison)
    kept = checkpoints.load(tmp_path)
    assert kept is not None and kept.step == 10
    weights = checkpoints.read_tensors(kept.folder / checkpoints.WEIGHTS)
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    write = checkpoints.write_tensors

    def full(path: Path, tensors: dict[str, torch.Tensor]) -> str:
        nonlocal written
        written += 1
        if written > 5:  # the third checkpoint, half-way
            path.write_bytes(b"begun")
            raise OSError(28, "No space left on device", str(path))
        return write(path, tensors)

    monkeypatch.setattr(checkpoints, "write_tensors", full)
    with pytest.raises(TrainerError, match="No space left on device"):
        train_language(model(), rows(60), [], tmp_path, SETTINGS, quiet)
    kept = checkpoints.load(tmp_path)
    assert kept is not None and kept.step == 10
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir())[-1] == "step-00000010"
    monkeypatch.setattr(checkpoints, "write_tensors", write)
    straight, again = model(), model()
    train_language(again, rows(60), [], tmp_path, SETTINGS, quiet)
    train_language(straight, rows(60), [], tmp_path / "straight", SETTINGS, quiet)
    assert same_weights(straight, again)


def test_the_best_weights_are_those_that_are_left(tmp_path: Path) -> None:
    made, other = model(), backwards(20)  # the better it counts, the worse it counts backwards
    settings = replace(SETTINGS, rate=1e-2, steps=60, patience=2, schedule=Schedule("wsd"))
    trained = train_language(made, rows(30), other, tmp_path, settings, quiet)
    assert trained.stopped == "patience" and trained.steps < 60
    assert trained.step < trained.steps
    assert trained.held_out == examine(LossModule(made), other, 64, CPU, torch.float32)
    again = train_language(model(), rows(30), other, tmp_path, settings, quiet)  # which changes nothing
    assert (again.step, again.steps, again.stopped) == (trained.step, trained.steps, "patience")


def test_a_tenth_of_old_rows_keeps_what_was_known_within_2_points(tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=80, micro=4, workers=1, rate=1e-2, examine_every=1000, save_every=1000)
    first = model()
    train_language(first, rows(100), [], tmp_path / "first", settings, quiet)
    known = accuracy(first, rows(40, 2))
    kept, learnt = {}, {}
    for share in (0.0, 0.1):
        second = LanguageModel(CONFIG)
        second.load_state_dict(first.state_dict())
        more = replace(settings, mixture=Mixture(replay=share), steps=120)
        train_language(second, backwards(100), [], tmp_path / str(share), more, quiet, old=rows(100))
        kept[share], learnt[share] = accuracy(second, rows(40, 2)), accuracy(second, backwards(20, 6))
    assert known > 0.98
    assert kept[0.1] >= known - 0.02
    assert kept[0.0] < 0.5  # without old rows it is forgotten
    assert min(learnt.values()) > 0.98


def accuracy(made: LanguageModel, texts: list[Encoded]) -> float:
    """Share of the tokens to learn that are the likeliest ones."""
    right = count = 0
    with torch.no_grad():
        for batch in in_order(texts, 4, 64):
            part = Micro.of(batch, slice(None), CPU)
            logits = made(part.tokens, positions=part.positions, segments=part.segments)
            likeliest = logits.flatten(0, 1)[part.places].argmax(-1)
            right, count = right + int((likeliest == part.targets).sum()), count + len(part.targets)
    return right / count


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ([], "There are no rows to learn from"),
        ([Encoded(np.full(200, 5, np.int32), np.ones(200, bool), 0.0, "a")], "Row 1 has 200 tokens, more than the 65"),
        ([Encoded(np.array([1, 64], np.int32), np.ones(2, bool), 0.0, "a")], "the tokenizer doesn't belong"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_one_sentence(texts: list[Encoded], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        train_language(model(), texts, [], tmp_path, SETTINGS, quiet)


def test_another_seed_or_other_rows_do_not_continue_a_checkpoint(tmp_path: Path) -> None:
    train_language(model(), rows(60), [], tmp_path, SETTINGS, quiet)
    with pytest.raises(DataError, match="other settings"):
        train_language(model(), rows(60), [], tmp_path, replace(SETTINGS, seed=2), quiet)
    with pytest.raises(DataError, match="other rows"):
        train_language(model(), rows(61), [], tmp_path, SETTINGS, quiet)


@pytest.mark.parametrize("kind", ["cosine", "wsd"])
def test_the_rate_warms_up_stays_below_1_and_ends_low(kind: str) -> None:
    schedule = Schedule(kind)
    factors = [schedule.factor(step, 200) for step in range(200)]
    assert factors[:10] == sorted(factors[:10]) and max(factors) == 1.0
    assert 0 < factors[0] < 0.2 and 0.1 <= factors[-1] < 0.15
    after = factors[10:]
    assert after == sorted(after, reverse=True)
    assert (after[:100].count(1.0) > 90) == (kind == "wsd")


def test_a_budget_plans_fewer_steps_and_refuses_too_little() -> None:
    free = steps_for(1_000_000, 8192, 5_000_000)
    assert steps_for(1_000_000, 8192, 5_000_000, seconds=600) < free
    with pytest.raises(DataError, match="allow at least"):
        steps_for(1_000_000, 8192, 5_000_000, seconds=10)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="precision"):
        TrainSettings(steps=1, precision="int3")
    with pytest.raises(DataError, match="1 or more"):
        TrainSettings(steps=0)
