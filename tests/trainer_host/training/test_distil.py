from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.trainer_host.training.sums import SETTINGS, model, rows
from trainer_host.errors import DataError
from trainer_host.students.language.config import SIZES, LanguageConfig
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.soft import SHARE as SOFT_SHARE
from trainer_host.training.distil import SHARE, TEMPERATURE, Soft, check_tokenizers, linear_distillation
from trainer_host.training.gradients import LossModule, linear_cross_entropy
from trainer_host.training.loop import examine, train_language

WORDS, LENGTH = 24, 16


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    targets: Tensor,
    mask: Tensor,
    *,
    temperature: float = TEMPERATURE,
    share: float = SHARE,
) -> Tensor:
    """The paper's formula over whole logits, which `linear_distillation` is compared with; the mean over the mask."""
    mine, theirs = student[mask].float(), teacher[mask].float().detach()
    soft = F.kl_div(
        torch.log_softmax(mine / temperature, -1),
        torch.log_softmax(theirs / temperature, -1),
        reduction="batchmean",
        log_target=True,
    )
    return share * temperature**2 * soft + (1 - share) * F.cross_entropy(mine, targets[mask])


TEACHER = LanguageConfig(WORDS, 160, 4, 4, 2, 384, LENGTH)
# The layers of `nano`, with the words of the test's language; it is the smaller one.
NANO = LanguageConfig(
    WORDS, *(getattr(SIZES["nano"][0], n) for n in ("width", "layers", "heads", "kv_heads", "hidden")), LENGTH
)


def language() -> Tensor:
    """The chances of each word behind each: a few likely ones, as in texts."""
    generator = torch.Generator().manual_seed(5)
    return torch.softmax(2.5 * torch.randn(WORDS, WORDS, generator=generator), -1)


def texts(count: int, seed: int) -> Tensor:
    generator, chances = torch.Generator().manual_seed(seed), language()
    rows = [torch.randint(WORDS, (count,), generator=generator)]
    for _ in range(LENGTH):
        rows.append(torch.multinomial(chances[rows[-1]], 1, generator=generator)[:, 0])
    return torch.stack(rows, 1)


def trained(
    config: LanguageConfig, seed: int, steps: int, batches: Callable[[int], Tensor], teacher: LanguageModel | None
) -> LanguageModel:
    torch.manual_seed(seed)
    model = LanguageModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(steps):
        tokens = batches(step)
        logits, targets = model(tokens[:, :-1]), tokens[:, 1:]
        if teacher is None:
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        else:
            with torch.no_grad():
                known = teacher(tokens[:, :-1])
            loss = distillation_loss(
                logits, known, targets, torch.ones_like(targets, dtype=torch.bool), temperature=1.0
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def loss_of(model: LanguageModel, seed: int = 99) -> float:
    tokens = texts(64, seed)
    with torch.no_grad():
        return float(F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()))


def test_a_distilled_nano_beats_the_same_nano_alone_at_equal_steps() -> None:
    torch.set_num_threads(1)
    teacher = trained(TEACHER, 0, 50, lambda step: texts(12, 1000 + step), None)
    for seed in (1, 2, 3):
        few = texts(24, seed)  # what the student has: 24 texts, seen again and again

        def batch(step: int, few: Tensor = few) -> Tensor:
            return few[(step % 3) * 8 :][:8]

        alone, distilled = (loss_of(trained(NANO, seed, 24, batch, one)) for one in (None, teacher))
        assert distilled < alone - 0.15, (seed, alone, distilled)


def test_a_student_that_is_told_the_likeliest_five_beats_the_same_one_alone_at_equal_steps() -> None:
    """As a provider tells them: for what was written alone, with probabilities that don't sum to 1."""
    torch.set_num_threads(1)
    likely = language().topk(5)
    shape = LanguageConfig(WORDS, 64, 2, 2, 1, 96, LENGTH)
    batches = [texts(8, 1000 + step) for step in range(24)]

    def learnt(seed: int, share: float) -> LanguageModel:
        torch.manual_seed(seed)
        model = LanguageModel(shape)
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
        for tokens in batches:
            hidden = model.hidden(tokens[:, :-1]).flatten(0, 1)
            before, written = tokens[:, :-1].flatten(), tokens[:, 1:].flatten()
            chances = likely.values[before] / likely.values[before].sum(1, keepdim=True)
            targets = torch.cat([written[:, None], likely.indices[before]], 1)
            shares = torch.cat([torch.full((len(written), 1), 1 - share), share * chances], 1)
            optimizer.zero_grad()
            (linear_cross_entropy(hidden, model.embed_tokens.weight, targets, shares) / len(written)).backward()
            optimizer.step()
        return model.eval()

    for seed in (1, 2, 3):
        alone, told = loss_of(learnt(seed, 0.0)), loss_of(learnt(seed, SOFT_SHARE))
        assert told < alone - 0.05, (seed, alone, told)


def test_the_loss_is_kl_and_cross_entropy_over_the_mask() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 5, 7, generator=generator) for _ in "ab")
    targets = torch.randint(7, (2, 5), generator=generator)
    mask = torch.rand(2, 5, generator=generator) < 0.5
    hard = F.cross_entropy(student[mask], targets[mask])
    assert torch.allclose(distillation_loss(student, teacher, targets, mask, share=0.0), hard)
    p, q = (torch.softmax(logits[mask] / 3, -1) for logits in (teacher, student))
    kl = (p * (p / q).log()).sum(-1).mean()
    assert torch.allclose(
        distillation_loss(student, teacher, targets, mask, share=1.0, temperature=3.0), 9 * kl, atol=1e-5
    )
    other = torch.where(mask[..., None], teacher, 100.0)
    assert torch.equal(
        distillation_loss(student, other, targets, mask), distillation_loss(student, teacher, targets, mask)
    )
    assert abs(float(distillation_loss(teacher, teacher, targets, mask, share=1.0))) < 1e-6


@pytest.mark.parametrize("known_rows", [24, 20, 28])
def test_the_loss_without_whole_logits_is_the_same_with_the_same_gradients(
    known_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer_host.training.distil.numbers_at_once", lambda device: 16 * 24)  # several chunks
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(40, 8, generator=generator, requires_grad=True)
    table = torch.randn(24, 8, generator=generator, requires_grad=True)
    known, theirs = torch.randn(40, 12, generator=generator), torch.randn(known_rows, 12, generator=generator)
    targets = torch.randint(20, (40,), generator=generator)
    (linear_distillation(hidden, table, targets, known, theirs, 0.6, 3.0) * 0.5).backward()
    got = hidden.grad, table.grad
    hidden.grad = table.grad = None
    logits, both = hidden @ table.T, min(known_rows, 24)
    soft = distillation_loss(
        logits[:, :both], (known @ theirs.T)[:, :both], targets, targets >= 0, temperature=3.0, share=1.0
    )
    wanted = 40 * (0.6 * soft + 0.4 * F.cross_entropy(logits, targets))
    (wanted * 0.5).backward()
    made = linear_distillation(hidden, table, targets, known, theirs, 0.6, 3.0)
    assert torch.allclose(made, wanted, rtol=1e-5)
    for one, other in zip(got, (hidden.grad, table.grad), strict=True):
        assert one is not None and other is not None and torch.allclose(one, other, atol=1e-5)


def test_the_loop_learns_from_the_teacher_and_examines_with_the_rows_alone(tmp_path: Path) -> None:
    teacher = model(7)
    soft = Soft(teacher, "sha256:7", share=1.0, temperature=1.0)
    taught, alone = model(), model()
    made = train_language(taught, rows(40), rows(10, 1), tmp_path / "a", SETTINGS, lambda *_: None, soft=soft)
    train_language(alone, rows(40), [], tmp_path / "b", SETTINGS, lambda *_: None)
    device, tokens = torch.device("cpu"), torch.from_numpy(rows(8, 3)[0].ids.astype("int64"))[None]
    with torch.no_grad():
        theirs = torch.log_softmax(teacher(tokens), -1)
        far = [
            float(F.kl_div(torch.log_softmax(one(tokens), -1), theirs, log_target=True, reduction="batchmean"))
            for one in (taught, alone)
        ]
    assert far[0] < far[1] / 2
    seen = examine(LossModule(taught), rows(10, 1), 64, device, torch.float32)
    assert made.held_out == pytest.approx(seen)
    with pytest.raises(DataError, match="other settings"):
        other = Soft(teacher, "sha256:8", share=1.0, temperature=1.0)
        train_language(model(), rows(40), rows(10, 1), tmp_path / "a", SETTINGS, lambda *_: None, soft=other)
    assert not any("teacher" in name or "soft" in name for name in dict(LossModule(taught, soft).named_parameters()))


def test_no_gradient_reaches_the_teacher() -> None:
    student, teacher = (torch.randn(3, 4, requires_grad=True) for _ in "ab")
    tables = [torch.randn(9, 4, requires_grad=True) for _ in "ab"]
    linear_distillation(
        student, tables[0], torch.zeros(3, dtype=torch.long), teacher, tables[1], SHARE, TEMPERATURE
    ).backward()
    assert teacher.grad is None and tables[1].grad is None
    assert student.grad is not None and tables[0].grad is not None


def test_different_tokenizers_are_one_sentence() -> None:
    check_tokenizers("{}", "{}")
    with pytest.raises(DataError, match=r"another tokenizer.*'enigma teach'"):
        check_tokenizers("{}", "{ }")
