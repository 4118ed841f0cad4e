from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.trainer_host.training.manners import PROMPTS, digit, learned, right
from tests.trainer_host.training.test_preference import as_llama
from trainer_host.errors import DataError, TrainerError
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.adapters import (
    TARGETS,
    Lora,
    add_lora,
    load_adapter,
    merge_lora,
    save_adapter,
)

peft = pytest.importorskip("peft", reason="PEFT is in the extra 'llm'")
TOKENS = torch.tensor([[*prompt, 3] for prompt in PROMPTS])


@pytest.fixture(scope="module")
def base() -> LanguageModel:
    torch.set_num_threads(1)
    return learned(60)


def trained(model: LanguageModel, steps: int = 30) -> LanguageModel:
    """Teach the next digit instead of the sum's own, with what may train."""
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-2)
    tokens = torch.tensor([list(prompt) for prompt in PROMPTS])
    wanted = torch.tensor([(digit(prompt) + 1) % 10 for prompt in PROMPTS])
    for _ in range(steps):
        loss = F.cross_entropy(model(tokens)[:, -1], wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def gap(first: LanguageModel, second: LanguageModel) -> float:
    with torch.no_grad():
        return float((first(TOKENS) - second(TOKENS)).abs().max())


def exact(model: LanguageModel) -> LanguageModel:
    """The same weights, computed with in float64: logits of this size differ by 1e-5 by the order of float32's sums."""
    return copy.deepcopy(model).double()


def test_a_new_adapter_changes_nothing_and_alone_trains(base: LanguageModel) -> None:
    model = add_lora(copy.deepcopy(base), Lora(4))
    assert gap(model, base) == 0
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    assert {name for name, weight in model.named_parameters() if weight.requires_grad} == {
        n for n in before if "lora_" in n
    }
    trained(model)
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name]) == ("lora_" not in name)
    assert right(model) < 0.3 < right(base)


def test_merged_logits_equal_the_adapters_and_names_are_the_bases(base: LanguageModel) -> None:
    model = trained(add_lora(copy.deepcopy(base), Lora(4, 8.0)))
    merged = merge_lora(copy.deepcopy(model))
    assert gap(exact(merged), exact(model)) <= 1e-5 < gap(merged, base)
    assert merged.state_dict().keys() == base.state_dict().keys()
    assert all(weight.requires_grad for weight in merged.parameters())
    plain = LanguageModel(base.config)
    plain.load_state_dict(merged.state_dict())
    assert gap(plain, merged) == 0


def test_a_saved_adapter_comes_back_and_peft_reads_it_over_transformers(base: LanguageModel, tmp_path: Path) -> None:
    lora = Lora(4, 8.0, ("q_proj", "down_proj"))
    model = trained(add_lora(copy.deepcopy(base), lora))
    save_adapter(tmp_path, model, lora)
    again = copy.deepcopy(base)
    assert load_adapter(tmp_path, again) == lora
    assert gap(again.eval(), model) == 0
    theirs = peft.PeftModel.from_pretrained(as_llama(base), str(tmp_path)).eval().double()
    with torch.no_grad():
        assert float((theirs(TOKENS).logits - exact(model)(TOKENS)).abs().max()) <= 1e-5


def test_an_adapter_of_another_model_is_refused(base: LanguageModel, tmp_path: Path) -> None:
    from dataclasses import replace

    lora = Lora(4)
    save_adapter(tmp_path, add_lora(copy.deepcopy(base), lora), lora)
    with pytest.raises(DataError, match="another size"):
        load_adapter(tmp_path, LanguageModel(replace(base.config, width=32)))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(DataError, match="no LoRA adapter"):
        load_adapter(tmp_path, copy.deepcopy(base))
    with pytest.raises(DataError, match="can't be read"):
        load_adapter(tmp_path / "nowhere", copy.deepcopy(base))


def test_a_base_in_four_bits_trains_and_merges(base: LanguageModel) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is in the extra 'llm'")
    model = add_lora(copy.deepcopy(base), Lora(4, bits=4))
    kept = sum(w.numel() * w.element_size() for n, w in model.named_parameters() if "base_layer" in n)
    whole = sum(w.numel() * w.element_size() for n, w in base.named_parameters() if n.split(".")[-2] in TARGETS)
    assert kept == whole / 8
    assert gap(model, base) > 0
    trained(model)
    assert right(model) < 0.3
    merged = merge_lora(copy.deepcopy(model))
    assert gap(merged, model) <= 1e-4  # its 4 bits are turned into floats by another kernel, which rounds otherwise
    assert {str(weight.dtype) for weight in merged.parameters()} == {"torch.float32"}
    assert merged.state_dict().keys() == base.state_dict().keys()


@pytest.mark.parametrize(("package", "bits"), [("peft", 16), ("bitsandbytes", 4)])
def test_a_missing_package_is_one_sentence(
    base: LanguageModel, monkeypatch: pytest.MonkeyPatch, package: str, bits: int
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TrainerError, match=f"package {package}; install Enigma with the extra 'llm'"):
        add_lora(copy.deepcopy(base), Lora(bits=bits))


def test_a_second_adapter_and_none_are_refused(base: LanguageModel) -> None:
    model = add_lora(copy.deepcopy(base), Lora())
    with pytest.raises(DataError, match="already"):
        add_lora(model, Lora())
    with pytest.raises(DataError, match="no adapter"):
        merge_lora(copy.deepcopy(base))


def test_the_option_is_read() -> None:
    assert Lora.parse("") == Lora.parse("targets=all") == Lora()
    wanted = Lora(16, 32.0, ("q_proj", "v_proj"), 0.1, 4)
    assert Lora.parse("r=16, alpha=32,targets=q_proj+v_proj,dropout=0.1,bits=4") == wanted


@pytest.mark.parametrize(
    "text", ["r=0", "r=x", "size=3", "targets=head", "targets=", "bits=3", "dropout=1", "alpha=nan"]
)
def test_options_that_can_not_be_are_refused(text: str) -> None:
    with pytest.raises(DataError):
        Lora.parse(text)
