"""GGUF files: read by the package gguf, and run by llama.cpp with the tokens that our model gives."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.engines.language_gguf import GgufLanguageEngine
from edge_runtime.language.template import CHATML
from tests.trainer_host.learnt import TEXT, Learnt, learnt
from trainer_host.compress.gptq import round_matrices
from trainer_host.compress.language import Text
from trainer_host.errors import DataError, ExportError
from trainer_host.export.gguf import export_gguf
from trainer_host.students.language.chat_jinja import jinja_of
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.gguf_in import read_gguf
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.tokenizers import FastTokenizer
from trainer_host.students.language.vocabulary import GPT2, LLAMA3, QWEN2, SMOLLM, read_vocabulary, write_vocabulary

HARD = [
    TEXT,
    "I'm 12345.678 years,\tit's  12 o'clock\r\n\r\n   and   we'LL go…  ",
    "naïve café Žluťoučký kůň 你好，世界 مرحبا नमस्ते 👩‍👩‍👧‍👦🏽 ½²Ⅷ x²",
    "def f(x):\n    return {'a': x ** 2}  # ¿qué?\n\n\n",
    "<|im_start|>user <think> spelled, not meant <|im_end|>",
    " ",
]
# llama.cpp's own server, as an outside judge; its destructor may wait for ever, so the process ends without it.
SERVER = """
import json, os, sys, urllib.request, xllamacpp
path, prompt, count = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel, params.port = path, 256, 1, 0
params.fit_params, params.warmup, params.verbosity, params.offline, params.ui = False, False, 1, True, False
params.hostnames = ["127.0.0.1"]
server = xllamacpp.Server(params)
asked = {"prompt": prompt, "n_predict": count, "temperature": 0, "return_tokens": True, "ignore_eos": True}
sent = urllib.request.Request(server.listening_address + "/completion", json.dumps(asked).encode(), {"content-type": "application/json"})
print(json.dumps(json.load(urllib.request.urlopen(sent, timeout=60))["tokens"]), flush=True)
os._exit(0)
"""


def gguf(path: Path, made: Learnt, precision: str = "f32", **options: str) -> Path:
    """The model as a file."""
    export_gguf(made.state, made.config, made.tokenizer, path, precision, end="<|im_end|>", **options)
    return path


def needs_llama() -> None:
    """Skip where llama.cpp isn't."""
    pytest.importorskip("xllamacpp", reason="llama.cpp is the reference for GGUF")


def perplexity(logits: np.ndarray, ids: list[int]) -> float:
    """Of a text's tokens after the first."""
    shifted = logits[:-1].astype(np.float64)
    shifted -= shifted.max(-1, keepdims=True)
    chances = shifted[np.arange(len(ids) - 1), ids[1:]] - np.log(np.exp(shifted).sum(-1))
    return math.exp(-chances.mean())


@pytest.mark.parametrize("rope", [None, "linear", "yarn"])
@pytest.mark.parametrize("tied", [True, False])
def test_llama_cpp_gives_our_greedy_tokens(tmp_path: Path, tied: bool, rope: str | None) -> None:
    needs_llama()
    made = learnt(tied, rope)
    ids = made.encode(TEXT)[:100]
    for precision in ("f32", "f16"):
        engine = GgufLanguageEngine(gguf(tmp_path / "a.gguf", made, precision))
        got, logits = [], engine.feed(ids)[0]
        for _ in range(32):
            got.append(int(logits.argmax()))
            logits = engine.feed(got[-1:])[0]
        engine.close()
        assert got == made.greedy(ids, 32), precision


def test_llama_cpps_own_server_gives_our_greedy_tokens(tmp_path: Path) -> None:
    needs_llama()
    made = learnt()
    ids = made.encode(TEXT)[:40]
    path = gguf(tmp_path / "a.gguf", made, "f16", chat_template=jinja_of(CHATML))
    arguments = [sys.executable, "-c", SERVER, str(path), json.dumps(ids), "32"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == made.greedy(ids, 32)


def test_eight_bits_change_the_perplexity_by_less_than_a_hundredth_and_four_by_a_fifth(tmp_path: Path) -> None:
    needs_llama()
    made = learnt()
    ids = made.encode(TEXT)[:200]
    with torch.inference_mode():
        ours = perplexity(made.model(torch.tensor([ids]))[0].numpy(), ids)
    found = {}
    for precision in ("f32", "q8_0", "q4_0"):
        engine = GgufLanguageEngine(gguf(tmp_path / "a.gguf", made, precision))
        found[precision] = perplexity(engine.feed(ids, len(ids)), ids)
        engine.close()
    assert found["f32"] == pytest.approx(ours, rel=0.002)
    assert found["q8_0"] == pytest.approx(ours, rel=0.01)
    assert found["q4_0"] < ours * 1.2


def test_weights_rounded_for_what_the_model_reads_are_written_as_they_are(tmp_path: Path) -> None:
    made = learnt()
    blocks = round_matrices(copy.deepcopy(made.model), [Text(made.encode(TEXT))])
    path = tmp_path / "a.gguf"
    export_gguf(made.state, made.config, made.tokenizer, path, "q4_0", end="<|im_end|>", rounded=blocks)
    state = read_gguf(path).state
    for name, each in blocks.items():
        if name.startswith("layers"):
            np.testing.assert_allclose(state[name].numpy(), each.weight(), rtol=1e-3)  # scales are float16
    export_gguf(made.state, made.config, made.tokenizer, path, "q4_0", end="<|im_end|>")
    plain, ids = read_gguf(path).state, torch.tensor([made.encode(TEXT)[:200]])
    wanted = made.model(ids)
    lost = []
    for found in (state, plain):
        model = LanguageModel(made.config)
        model.load_state_dict(found)
        lost.append(((model.eval()(ids) - wanted) ** 2).mean().item())
    assert lost[0] < 0.6 * lost[1]


@pytest.mark.parametrize("pre", [GPT2, SMOLLM, LLAMA3, QWEN2])
def test_llama_cpp_splits_texts_as_our_tokenizer_does(tmp_path: Path, pre: str) -> None:
    needs_llama()
    made = learnt()
    text = write_vocabulary(dataclasses.replace(read_vocabulary(made.tokenizer), pre=pre))
    assert read_vocabulary(text).pre == pre
    engine = GgufLanguageEngine(gguf(tmp_path / "a.gguf", dataclasses.replace(made, tokenizer=text)))
    reader = FastTokenizer(text)
    try:
        for hard in HARD:
            assert engine.tokenize(hard) == reader.encode(hard)
    finally:
        engine.close()


def test_the_template_travels_and_is_the_one_that_was_given(tmp_path: Path) -> None:
    needs_llama()
    engine = GgufLanguageEngine(gguf(tmp_path / "a.gguf", learnt(), chat_template=jinja_of(CHATML)))
    assert engine.chat_template() == jinja_of(CHATML)
    engine.close()


def test_the_package_gguf_reads_all_tensors_and_the_tokenizer(tmp_path: Path) -> None:
    from gguf import GGUFReader

    made = learnt(tied=False)
    reader = GGUFReader(gguf(tmp_path / "a.gguf", made, "q8_0", name="cat", licence="MIT"))
    assert len(reader.tensors) == len(made.state)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert {kind for name, kind in kinds.items() if "norm" in name} == {"F32"}
    assert {kind for name, kind in kinds.items() if "norm" not in name} == {"Q8_0"}
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    assert tokens == [token for _, token in sorted(read_vocabulary(made.tokenizer).tokens.items())]
    assert reader.fields["general.license"].contents() == "MIT"
    assert tokens[reader.fields["tokenizer.ggml.eos_token_id"].contents()] == "<|im_end|>"


@pytest.mark.parametrize(("precision", "error"), [("f32", 0.0), ("f16", 5e-4), ("q8_0", 0.01), ("q4_0", 0.15)])
def test_what_was_written_comes_back(tmp_path: Path, precision: str, error: float) -> None:
    made = learnt(tied=False)
    back = read_gguf(gguf(tmp_path / "a.gguf", made, precision))
    assert back.config == made.config
    assert back.state.keys() == made.state.keys()
    for name, weight in made.state.items():
        assert (back.state[name] - weight).abs().max() <= error * weight.abs().max(), name
    assert read_vocabulary(back.tokenizer).special == read_vocabulary(made.tokenizer).special
    assert FastTokenizer(back.tokenizer).encode(TEXT) == made.encode(TEXT)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (gguf(tmp_path / name, learnt(), "q4_0").read_bytes() for name in ("a.gguf", "b.gguf"))
    assert one == two
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gguf", "b.gguf"]


def test_rows_that_do_not_fill_blocks_are_written_in_sixteen_bits_and_run(tmp_path: Path) -> None:
    needs_llama()
    vocabulary = read_vocabulary(learnt().tokenizer).size
    config = LanguageConfig(vocabulary, 48, 1, 4, 4, 96, context=64)
    torch.manual_seed(0)
    made = Learnt(LanguageModel(config).eval(), config, learnt().tokenizer)
    engine = GgufLanguageEngine(gguf(tmp_path / "a.gguf", made, "q4_0"))
    got = engine.feed([5, 6, 7], 3)
    engine.close()
    with torch.inference_mode():
        want = made.model(torch.tensor([[5, 6, 7]]))[0].numpy()
    assert np.abs(got - want).max() < 0.05


def test_what_llama_cpp_has_no_place_for_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    made, path = learnt(), tmp_path / "a.gguf"
    cases = [
        (dataclasses.replace(made.config, window=8), "f16", "windows"),
        (dataclasses.replace(made.config, rope={"type": "dynamic", "factor": 2.0}), "f16", "dynamic"),
        (made.config, "q3_k", "no precision 'q3_k'"),
    ]
    for config, precision, words in cases:
        with pytest.raises(ExportError, match=words):
            export_gguf(made.state, config, made.tokenizer, path, precision)
    with pytest.raises(ExportError, match="no special token"):
        export_gguf(made.state, made.config, made.tokenizer, path, end="<|eot|>")
    small = dataclasses.replace(made.config, vocabulary=300)
    with pytest.raises(DataError, match="don't belong together"):
        export_gguf(made.state, small, made.tokenizer, path)
    assert list(tmp_path.iterdir()) == []
