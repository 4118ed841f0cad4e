from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.trainer_host.training.manners import END, POLITE, PROMPTS, SHAPE, digit, learned, right
from tests.trainer_host.training.test_preference import as_llama, llama_tokenizer
from trainer_host.errors import DataError
from trainer_host.students.language.model import LanguageModel
from trainer_host.tasks import Json, task_spec
from trainer_host.training.preference import log_probabilities, padded
from trainer_host.training.rewards import (
    GrpoSettings,
    Question,
    advantages,
    grpo_loss,
    mean_reward,
    sample,
    task_reward,
    tune_grpo,
)

STOPS = frozenset({END})


@pytest.fixture(scope="module")
def rude() -> LanguageModel:
    torch.set_num_threads(1)
    return learned(80, rude=0.8)


def words(answer: Sequence[int]) -> str:
    """An answer's tokens as a person reads them."""
    names = {POLITE: ", please", END: "."}
    return "".join(str(token) if token < 10 else names.get(token, "?") for token in answer)


def read(text: str) -> Json | None:
    """The task's output of a polite answer; others have no form."""
    said, comma, _ = text.partition(", please.")
    return {"answer": said} if comma else None


def questions() -> list[Question[Json]]:
    return [Question(prompt, {"answer": str(digit(prompt))}) for prompt in random.Random(2).sample(PROMPTS, 100)]


def test_the_tasks_verifier_teaches_the_wanted_form_and_keeps_the_sums(rude: LanguageModel) -> None:
    model, asked = copy.deepcopy(rude), questions()
    reward = task_reward(task_spec("math"), words, read)
    report = tune_grpo(model, asked[:80], asked[80:], reward, STOPS, GrpoSettings(steps=40, rate=5e-4, max_tokens=3))
    assert report.before < 0.1
    assert report.after >= 0.9
    assert right(model) >= right(rude) - 0.02


def test_the_reward_is_the_tasks_metric() -> None:
    reward = task_reward(task_spec("math"), words, read)
    wanted: Json = {"answer": "7"}
    assert reward(wanted, (7, POLITE, END)) == 1
    assert reward(wanted, (8, POLITE, END)) == reward(wanted, (7, END)) == reward(wanted, (POLITE, END)) == 0


def test_a_distance_to_the_start_that_costs_much_keeps_the_model_there(rude: LanguageModel) -> None:
    asked = questions()
    reward = task_reward(task_spec("math"), words, read)
    moved = []
    for beta in (0.0, 5.0):
        model = copy.deepcopy(rude)
        tune_grpo(model, asked, asked, reward, STOPS, GrpoSettings(10, rate=5e-4, beta=beta, max_tokens=3, passes=2))
        tokens = torch.tensor([[*p, digit(p)] for p in PROMPTS])
        moved.append(float(torch.softmax(model(tokens)[:, -1], -1).mean(0)[POLITE]))
    assert moved[0] > moved[1] + 0.05


def test_prompts_of_all_lengths_are_answered_as_alone(rude: LanguageModel) -> None:
    prompts = [(1, 10, 2, 11), (3, 11), (5, 10, 5, 11), (2,)]
    together = sample(rude, prompts, max_tokens=5, stops=STOPS, temperature=0)
    assert together == [sample(rude, [p], max_tokens=5, stops=STOPS, temperature=0)[0] for p in prompts]
    for answer in together:
        assert answer[-1] == END or len(answer) == 5
        assert END not in answer[:-1]


def test_draws_follow_the_models_probabilities(rude: LanguageModel) -> None:
    drawn = sample(rude, [(1, 10, 2, 11)] * 400, max_tokens=3, stops=STOPS, generator=torch.Generator().manual_seed(0))
    share = sum(POLITE in answer for answer in drawn) / len(drawn)
    with torch.no_grad():
        wanted = float(torch.softmax(rude(torch.tensor([[1, 10, 2, 11, 3]]))[0, -1], -1)[POLITE])
    assert abs(share - wanted) < 0.06


def test_a_group_of_equal_rewards_teaches_nothing(rude: LanguageModel) -> None:
    model = copy.deepcopy(rude)
    report = tune_grpo(model, questions(), questions(), lambda about, answer: 1.0, STOPS, GrpoSettings(3, max_tokens=3))
    assert report.idle == 1
    assert all(torch.equal(a, b) for a, b in zip(rude.parameters(), model.parameters(), strict=True))
    found = advantages(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    assert found[0].tolist() == [0, 0] and abs(float(found[1, 1]) - 0.7070) < 1e-3


def test_what_can_not_be_is_one_sentence(rude: LanguageModel) -> None:
    with pytest.raises(DataError, match="more than the context of 16"):
        sample(rude, [(1,) * 10], max_tokens=10, stops=STOPS)
    with pytest.raises(DataError, match="no questions"):
        tune_grpo(rude, [], questions(), lambda about, answer: 1.0, STOPS)
    with pytest.raises(DataError, match="two answers at the least"):
        tune_grpo(rude, questions(), questions(), lambda about, answer: 1.0, STOPS, GrpoSettings(group=1))


def test_mean_reward_is_that_of_greedy_answers(rude: LanguageModel) -> None:
    assert (
        mean_reward(rude, questions(), lambda about, answer: float(answer[0] == int(str(about["answer"]))), STOPS, 3)
        > 0.95
    )


def test_the_loss_equals_trls(rude: LanguageModel, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="TRL is in the extra 'llm'")
    datasets = pytest.importorskip("datasets")
    torch.manual_seed(3)
    old_model, first_model = LanguageModel(SHAPE), LanguageModel(SHAPE)
    texts = [((1, 10, 2, 11), (3, POLITE, END)), ((1, 10, 2, 11), (4, END)), ((7, 10, 2, 11), (9, POLITE, POLITE, END))]
    tokens, mask = padded(texts, torch.device("cpu"))
    advantage = torch.tensor([1.2, -0.7, 0.4])
    now, old, first = (log_probabilities(model, tokens, mask).detach() for model in (rude, old_model, first_model))
    args = trl.GRPOConfig(
        output_dir=str(tmp_path), loss_type="grpo", epsilon=0.2, use_bias_correction_kl=False, use_cpu=True,
        report_to=[], bf16=False, per_device_train_batch_size=4, num_generations=2, max_completion_length=4, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = trl.GRPOTrainer(
        as_llama(rude), reward_funcs=lambda completions, **_: [0.0] * len(completions), args=args,
        train_dataset=datasets.Dataset.from_list([{"prompt": "w1"}] * 4), processing_class=llama_tokenizer(),
    )  # fmt: skip
    trainer.current_gradient_accumulation_steps = 1
    prompt = 4
    inputs = {
        "prompt_ids": tokens[:, :prompt], "prompt_mask": torch.ones(3, prompt, dtype=torch.long),
        "completion_ids": tokens[:, prompt:], "completion_mask": mask[:, prompt:].long(), "advantages": advantage,
        "old_per_token_logps": old[:, prompt - 1 :], "ref_per_token_logps": first[:, prompt - 1 :],
    }  # fmt: skip
    trainer.model.eval()
    for beta in (0.0, 0.05):
        trainer.beta = beta  # given to the trainer's maker, it would look for a reference model on the hub
        wanted = float(trainer._compute_loss(trainer.model, dict(inputs)).detach())
        assert abs(float(grpo_loss(now, old, mask[:, 1:], advantage, 0.2, first, beta)) - wanted) < 1e-5
