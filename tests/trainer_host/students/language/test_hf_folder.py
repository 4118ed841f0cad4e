"""Folders of Hugging Face's, written and read by both sides."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from edge_runtime.language.template import CHATML
from tests.trainer_host.learnt import TEXT, Learnt, learnt
from trainer_host.errors import DataError, ExportError
from trainer_host.students.language.config import SIZES, LanguageConfig
from trainer_host.students.language.files import load_start
from trainer_host.students.language.hf_folder import config_from_json, config_json, read_folder, write_folder

CLOSE = 1e-5


def written(folder: Path, made: Learnt, **options: object) -> Path:
    """The model as a folder."""
    write_folder(folder, made.state, made.config, made.tokenizer, CHATML, licence="Apache-2.0", **options)  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rope", [None, "linear", "dynamic", "yarn"])
def test_transformers_computes_our_logits_from_our_folder(tmp_path: Path, tied: bool, rope: str | None) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference for folders")
    made = learnt(tied, rope)
    folder = written(tmp_path / "out", made)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval()
    assert type(theirs).__name__ == "LlamaForCausalLM"
    ids = torch.tensor([made.encode(TEXT)[:190]])
    with torch.inference_mode():
        assert (theirs(ids).logits - made.model(ids)).abs().max() <= CLOSE


def test_transformers_reads_our_tokenizer_and_says_what_we_say(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference for folders")
    made = learnt()
    folder = written(tmp_path / "out", made)
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    assert reader(TEXT)["input_ids"] == made.encode(TEXT)
    assert reader.decode(made.encode(TEXT)) == TEXT
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = made.encode(TEXT)[:20]
    got = theirs.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)[0, 20:].tolist()
    assert got == made.greedy(ids, 24)


@pytest.mark.parametrize(
    "rope", [None, {"rope_type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0}]
)
def test_we_compute_the_logits_of_a_folder_that_transformers_saved(
    tmp_path: Path, rope: dict[str, object] | None
) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference for folders")
    from trainer_host.students.language.model import LanguageModel

    torch.manual_seed(1)
    made = learnt()
    config = transformers.LlamaConfig(
        vocab_size=made.config.vocabulary,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=False,
        initializer_range=0.2,
        rope_parameters={"rope_theta": 500.0, "rope_type": "default", **(rope or {})},
    )
    theirs = transformers.LlamaForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="60KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    (tmp_path / "tokenizer.json").write_text(made.tokenizer, "utf-8")
    start = load_start(str(tmp_path))
    ours = LanguageModel(start.config).eval()
    ours.load_state_dict(start.state)
    ids = torch.randint(0, made.config.vocabulary, (1, 160))
    with torch.inference_mode():
        assert (theirs(ids).logits - ours(ids)).abs().max() <= CLOSE


def test_what_was_written_comes_back_bit_by_bit_from_one_file_and_from_many(tmp_path: Path) -> None:
    made = learnt(tied=False)
    for folder in (written(tmp_path / "one", made), written(tmp_path / "many", made, shard=40_000)):
        back = read_folder(folder)
        assert back.config == made.config
        assert back.state.keys() == made.state.keys()
        assert all(torch.equal(back.state[name], made.state[name]) for name in made.state)
        assert back.licence == "apache-2.0"
    names = {path.name for path in (tmp_path / "many").iterdir()}
    assert "model.safetensors.index.json" in names
    assert "model.safetensors" not in names


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    made = learnt()
    sizes = [
        (written(tmp_path / precision, made, precision=precision) / "model.safetensors").stat().st_size
        for precision in ("fp32", "bf16", "fp16")
    ]
    assert sizes[1] < 0.52 * sizes[0]
    assert sizes[2] < 0.52 * sizes[0]
    assert (read_folder(tmp_path / "bf16").state["norm.weight"] - made.state["norm.weight"]).abs().max() < 0.02


@pytest.mark.parametrize("size", sorted(SIZES))
def test_the_shape_of_every_size_comes_back(size: str) -> None:
    config = SIZES[size][0]
    assert config_from_json(config_json(config)) == config


def test_a_folder_that_was_there_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    made = learnt()
    folder = written(tmp_path / "out", made)
    before = (folder / "config.json").read_bytes()
    other = dataclasses.replace(made.config, window=16)
    with pytest.raises(ExportError, match="windows"):
        write_folder(folder, made.state, other, made.tokenizer, CHATML)
    assert (folder / "config.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "gpt2"}, "must be 'llama'"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"num_hidden_layers": None}, "num_hidden_layers"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "llama3"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 16}}, "beta_fast"),
        ({"rope_parameters": {"rope_type": "linear", "factor": "much"}}, "damaged"),
    ],
)
def test_a_checkpoint_that_we_cannot_compute_is_refused(change: dict[str, object], words: str) -> None:
    raw = config_json(LanguageConfig(300, 64, 2, 4, 2, 160))
    with pytest.raises(DataError, match=words):
        config_from_json({**raw, **change})


def test_a_damaged_folder_is_one_clear_error(tmp_path: Path) -> None:
    made = learnt()
    cases = []
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        folder = written(tmp_path / name, made)
        (folder / name).unlink()
        cases.append((folder, name))
    folder = written(tmp_path / "cut", made)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    cases.append((folder, "whole safetensors"))
    folder = written(tmp_path / "path", made, shard=40_000)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["model.norm.weight"] = "../one.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    cases.append((folder, "can't be one"))
    folder = written(tmp_path / "shape", made)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    cases.append((folder, "don't fit its config"))
    for folder, words in cases:
        with pytest.raises(DataError, match=words):
            load_start(str(folder))
