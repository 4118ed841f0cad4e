from __future__ import annotations

import copy
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer_host.training.manners import END, POLITE, PROMPTS, RUDE, SHAPE, digit, learned, right
from trainer_host.errors import DataError
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.preference import (
    DpoSettings,
    Pair,
    dpo_loss,
    encode_pair,
    log_probabilities,
    padded,
    tune_dpo,
)


@pytest.fixture(scope="module")
def taught() -> LanguageModel:
    torch.set_num_threads(1)
    return learned(120)


def pairs(count: int = 500) -> tuple[list[Pair], list[Pair]]:
    """Preferences with a known rule, politeness; the held-out ones are about other sums."""
    rng = random.Random(1)
    made = [Pair(p, (digit(p), POLITE, END), (digit(p), RUDE, END)) for p in rng.sample(PROMPTS, len(PROMPTS))]
    return rng.choices(made[:80], k=count), made[80:]


def test_500_preferences_teach_a_rule_that_holds_for_other_prompts(taught: LanguageModel) -> None:
    model = copy.deepcopy(taught)
    report = tune_dpo(model, *pairs(), DpoSettings(rate=3e-4, keep=0.2))
    assert report.preferred >= 0.9
    assert report.margin > 1
    assert report.drift < 0.5
    assert right(taught) - right(model) <= 0.02
    tokens = torch.tensor([[*p, digit(p)] for p in PROMPTS])
    shares = torch.softmax(model(tokens)[:, -1], -1).mean(0)
    assert shares[POLITE] > 0.8 > torch.softmax(taught(tokens)[:, -1], -1).mean(0)[POLITE]


def test_a_model_that_goes_too_far_is_taken_back(taught: LanguageModel) -> None:
    model = copy.deepcopy(taught)
    settings = DpoSettings(rate=3e-3, beta=0.01, epochs=2, most_drift=0.2, check_every=2)
    report = tune_dpo(model, *pairs(), settings)
    assert report.stopped and report.steps < 126
    assert report.drift <= 0.2
    free = copy.deepcopy(taught)
    assert tune_dpo(free, *pairs(), DpoSettings(rate=3e-3, beta=0.01, most_drift=math.inf)).drift > 0.2


def test_the_same_seed_gives_the_same_weights(taught: LanguageModel) -> None:
    made = [copy.deepcopy(taught) for _ in "ab"]
    for model in made:
        tune_dpo(model, *pairs(40))
    assert all(torch.equal(a, b) for a, b in zip(made[0].parameters(), made[1].parameters(), strict=True))


def test_a_loss_that_is_no_number_changes_no_weights(taught: LanguageModel) -> None:
    model = copy.deepcopy(taught)
    with torch.no_grad():
        model.norm.weight.fill_(math.inf)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(DataError, match="step 1 isn't a number"):
        tune_dpo(model, *pairs(40))
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_too_few_or_too_long_pairs_are_one_sentence(taught: LanguageModel) -> None:
    train, held_out = pairs(40)
    with pytest.raises(DataError, match="There are 3 pairs"):
        tune_dpo(taught, train[:3], held_out)
    long = Pair(PROMPTS[0], (POLITE,) * 20, (RUDE,))
    with pytest.raises(DataError, match="Pair 9 has 24 tokens, more than the context of 16"):
        tune_dpo(taught, [*train[:8], long], held_out)


def test_padding_changes_no_probability(taught: LanguageModel) -> None:
    texts = [((1, 10, 2, 11), (3, POLITE, END)), ((1, 10), (2, 11, 3, POLITE, END, 0, 5, 6))]
    tokens, mask = padded(texts, torch.device("cpu"))
    together = log_probabilities(taught, tokens, mask).sum(1)
    for row, text in enumerate(texts):
        alone = log_probabilities(taught, *padded([text], torch.device("cpu"))).sum()
        assert abs((alone - together[row]).item()) < 1e-5


def test_the_loss_falls_with_the_margin_and_forgives_wrong_labels() -> None:
    zero = torch.zeros(1)
    assert abs(float(dpo_loss(zero, zero, 0.1)) - math.log(2)) < 1e-6
    assert dpo_loss(torch.tensor([5.0]), zero, 0.1) < dpo_loss(torch.tensor([1.0]), zero, 0.1)
    # With a tenth of wrong labels a margin without end isn't the best one.
    assert dpo_loss(torch.tensor([200.0]), zero, 0.1, 0.1) > dpo_loss(torch.tensor([22.0]), zero, 0.1, 0.1)


def as_llama(model: LanguageModel) -> Any:
    """The same model in transformers."""
    transformers = pytest.importorskip("transformers", reason="transformers is in the extra 'llm'")
    config = transformers.LlamaConfig(
        vocab_size=SHAPE.vocabulary, hidden_size=SHAPE.width, num_hidden_layers=SHAPE.layers,
        num_attention_heads=SHAPE.heads, num_key_value_heads=SHAPE.kv_heads, intermediate_size=SHAPE.hidden,
        max_position_embeddings=SHAPE.context, rms_norm_eps=SHAPE.norm_epsilon, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": SHAPE.rope_base},
    )  # fmt: skip
    made = transformers.LlamaForCausalLM(config)
    found = made.load_state_dict({f"model.{k}": v for k, v in model.state_dict().items()}, strict=False)
    assert found.missing_keys == ["lm_head.weight"] and not found.unexpected_keys
    return made


def llama_tokenizer() -> Any:
    """What TRL's trainers ask for; nothing is written with it."""
    tokenizers, transformers = pytest.importorskip("tokenizers"), pytest.importorskip("transformers")
    words = {f"w{i}": i for i in range(SHAPE.vocabulary)}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="w0", eos_token="w14", unk_token="w0")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_equals_trls(taught: LanguageModel, tmp_path: Path, smoothing: float) -> None:
    trl = pytest.importorskip("trl", reason="TRL is in the extra 'llm'")
    datasets = pytest.importorskip("datasets")
    torch.manual_seed(3)
    other = LanguageModel(SHAPE)
    batch = [Pair((1, 10, 2, 11), (3, POLITE, END), (4, RUDE, RUDE, END)), Pair((7, 11), (9, END), (2, 2, 2, END))]
    raw = [{"prompt": "w1", "chosen": "w2", "rejected": "w3"}] * 2
    args = trl.DPOConfig(
        output_dir=str(tmp_path), beta=0.3, label_smoothing=smoothing, use_cpu=True, report_to=[], bf16=False,
        loss_type="robust" if smoothing else "sigmoid", gradient_checkpointing=False,
    )  # fmt: skip
    trainer = trl.DPOTrainer(
        as_llama(taught), as_llama(other), args=args, train_dataset=datasets.Dataset.from_list(raw),
        processing_class=llama_tokenizer(),
    )  # fmt: skip
    rows = [{"prompt_ids": [*p.prompt], "chosen_ids": [*p.chosen], "rejected_ids": [*p.rejected]} for p in batch]
    wanted = float(trainer._compute_loss(trainer.model, trainer.data_collator(rows), False).detach())
    texts = [(p.prompt, p.chosen) for p in batch] + [(p.prompt, p.rejected) for p in batch]
    tokens, mask = padded(texts, torch.device("cpu"))
    gained = (log_probabilities(taught, tokens, mask) - log_probabilities(other, tokens, mask)).sum(1)
    if smoothing:  # TRL calls the conservative form "cdpo" no more; its robust form is this one scaled and shifted
        clean, flipped = dpo_loss(*gained.chunk(2), 0.3), dpo_loss(*gained.chunk(2), 0.3, 1.0)
        found = ((1 - smoothing) * clean - smoothing * flipped) / (1 - 2 * smoothing)
        assert abs(float(found.mean()) - wanted) < 1e-5
    else:
        assert abs(float(dpo_loss(*gained.chunk(2), 0.3).mean()) - wanted) < 1e-5


def test_a_pair_is_written_by_the_template_of_the_device() -> None:
    from edge_runtime.language.template import CHATML
    from tests.trainer_host.training.letters import letter_tokenizer

    tokenizer = letter_tokenizer()
    pair = encode_pair(tokenizer, CHATML, [{"role": "user", "content": "Hi"}], "Yes.", "No!")
    assert tokenizer.decode(list(pair.chosen[:-1])) == "Yes."
    assert pair.chosen[-1] == pair.rejected[-1] == tokenizer.special["<|im_end|>"]
    assert tokenizer.decode([i for i in pair.prompt if i not in tokenizer.special.values()]).endswith("assistant\n")
    with pytest.raises(DataError, match="are the same"):
        encode_pair(tokenizer, CHATML, [{"role": "user", "content": "Hi"}], "Yes.", "Yes.")
