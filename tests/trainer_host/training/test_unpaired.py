from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest
import torch

from tests.trainer_host.training.manners import END, POLITE, PROMPTS, RUDE, SHAPE, digit, learned, right
from tests.trainer_host.training.test_preference import as_llama, llama_tokenizer
from trainer_host.errors import DataError
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.unpaired import Judged, KtoSettings, _gained, kto_loss, tune_kto


@pytest.fixture(scope="module")
def taught() -> LanguageModel:
    torch.set_num_threads(1)
    return learned(120)


def thumbs(count: int) -> tuple[list[Judged], list[Judged]]:
    """Answers of which the polite ones were liked, one of each question alone; the held-out ones are about other sums."""
    rng = random.Random(1)
    made = []
    for prompt in rng.sample(PROMPTS, len(PROMPTS)):
        polite = rng.random() < 0.4
        made.append(Judged(prompt, (digit(prompt), POLITE if polite else RUDE, END), polite))
    return rng.choices(made[:80], k=count), made[80:]


def test_thumbs_teach_a_rule_that_holds_for_other_prompts(taught: LanguageModel) -> None:
    model = copy.deepcopy(taught)
    report = tune_kto(model, *thumbs(300), KtoSettings(rate=3e-4, keep=0.2))
    assert report.agreed > 0.85 and report.margin > 1 and report.drift < 0.5 and not report.stopped
    assert right(taught) - right(model) <= 0.02
    tokens = torch.tensor([[*p, digit(p)] for p in PROMPTS])
    polite = [torch.softmax(one(tokens)[:, -1], -1).mean(0)[POLITE] for one in (taught, model)]
    assert polite[1] > 0.75 > polite[0]


def test_a_model_that_goes_too_far_is_taken_back_and_the_same_seed_gives_the_same(taught: LanguageModel) -> None:
    made = [copy.deepcopy(taught) for _ in "ab"]
    settings = KtoSettings(rate=5e-3, beta=0.01, epochs=3, most_drift=0.1, check_every=2)
    reports = [tune_kto(model, *thumbs(48), settings) for model in made]
    assert reports[0] == reports[1] and reports[0].stopped and reports[0].drift <= 0.1
    assert all(torch.equal(a, b) for a, b in zip(made[0].parameters(), made[1].parameters(), strict=True))


def test_what_nothing_can_be_learned_from_is_one_sentence(taught: LanguageModel) -> None:
    some, held_out = thumbs(40)
    with pytest.raises(DataError, match="There are 3 answers"):
        tune_kto(taught, some[:3], held_out)
    with pytest.raises(DataError, match="No answer is a good one"):
        tune_kto(taught, [one for one in some if not one.good], held_out)
    long = Judged(PROMPTS[0], (POLITE,) * 20, True)
    with pytest.raises(DataError, match="Answer 9 has 24 tokens, more than the context of 16"):
        tune_kto(taught, [*some[:8], long], held_out)


def test_the_loss_equals_trls(taught: LanguageModel, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="TRL is in the extra 'llm'")
    datasets = pytest.importorskip("datasets")
    torch.manual_seed(3)
    # Who knows nothing finds what belongs elsewhere likelier, so the reference point isn't 0.
    other = LanguageModel(SHAPE)
    batch = [
        Judged((1, 10, 2, 11), (3, POLITE, END), True),
        Judged((7, 11), (9, END), False),
        Judged((2, 10, 5), (7, RUDE, RUDE, END), False),
    ]
    raw = [{"prompt": "w1 w2", "completion": "w3 w4", "label": bool(number % 2)} for number in range(3)]
    args = trl.KTOConfig(
        output_dir=str(tmp_path), beta=0.3, use_cpu=True, report_to=[], bf16=False, gradient_checkpointing=False,
        per_device_train_batch_size=3, desirable_weight=1.5, undesirable_weight=1.0,
    )  # fmt: skip
    trainer = trl.KTOTrainer(
        as_llama(other), as_llama(taught), args=args, train_dataset=datasets.Dataset.from_list(raw),
        processing_class=llama_tokenizer(),
    )  # fmt: skip
    # As here, the answer before is what stands behind a foreign prompt.
    rows = [
        {
            "prompt_ids": [*one.prompt], "completion_ids": [*one.answer], "label": one.good,
            "KL_completion_ids": [*batch[place - 1].answer],
        }
        for place, one in enumerate(batch)
    ]  # fmt: skip
    wanted = float(trainer._compute_loss(trainer.model, trainer.data_collator(rows), False).detach())
    gained, kl, _ = _gained(other, taught, batch)
    found = kto_loss(gained, torch.tensor([one.good for one in batch]), kl, 0.3, (1.5, 1.0))
    assert abs(float(found.mean()) - wanted) < 1e-5 and float(kl) > 0.01
