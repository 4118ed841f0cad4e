"""A language model's files: what doesn't belong together is refused, and a model of several tasks is told its task."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edge_runtime.bundle import FileEntry, Golden, Manifest, ModelFile, Tokenizer
from edge_runtime.errors import AdmissionError, BadRequest, BundleError
from edge_runtime.language.golden import golden_rows
from edge_runtime.language.specialist import GOLDEN_TEXTS_FILE, LanguageSpecialist, load_language
from edge_runtime.language.template import CHATML, task_token
from tests.edge_runtime.language.engines import random_engine, write_tokenizer

HELLO = [{"role": "user", "content": "hello"}]
MANIFEST = Manifest(
    name="w",
    task="chat",
    version="1.0.0",
    licence="",
    io={},
    models=(ModelFile("model.onnx", "fp32", ()),),
    golden=Golden("golden.json", 1),
    options={"family": "language", "context": 100, "tasks": ["chat"]},
    tokenizer=Tokenizer("bpe-1", "tokenizer.json", "0" * 64),
    files={GOLDEN_TEXTS_FILE: FileEntry(0, "")},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "template.json").write_text(json.dumps(CHATML.to_json()))
    (tmp_path / GOLDEN_TEXTS_FILE).write_text(json.dumps(golden_rows(tokenizer)))
    return tmp_path


def load(folder: Path, vocabulary: int = 300, **changes: object) -> LanguageSpecialist:
    return load_language(dataclasses.replace(MANIFEST, **changes), folder, random_engine(vocabulary))  # type: ignore[arg-type]


def test_a_bundles_files_give_a_model_that_answers_within_its_context(folder: Path) -> None:
    language = load(folder)
    pieces = list(language.stream(HELLO))
    usage = pieces[-1].usage
    assert usage is not None and usage.prompt + usage.answer <= 100
    with pytest.raises(BadRequest, match="the model reads 100"):
        language.stream([{"role": "user", "content": "hello " * 100}])


def test_a_tokenizer_that_gives_other_tokens_than_where_the_model_was_made_is_refused(folder: Path) -> None:
    golden = json.loads((folder / GOLDEN_TEXTS_FILE).read_text())
    golden[1]["ids"] = [*golden[1]["ids"], 5]
    (folder / GOLDEN_TEXTS_FILE).write_text(json.dumps(golden))
    with pytest.raises(AdmissionError, match="gives other tokens"):
        load(folder)


def test_what_doesnt_fit_is_one_sentence(folder: Path) -> None:
    with pytest.raises(BundleError, match="don't belong together"):
        load(folder, vocabulary=20)
    with pytest.raises(BundleError, match="scheme bpe-1"):
        load(folder, tokenizer=Tokenizer("bytes-1"))
    with pytest.raises(BundleError, match="'context'"):
        load(folder, options={"tasks": ["chat"]})
    with pytest.raises(BundleError, match="no token for the task 'code'"):
        load(folder, options={"context": 50, "tasks": ["chat", "code"]})
    (folder / "template.json").unlink()
    with pytest.raises(BundleError, match=r"no template\.json"):
        load(folder)


def test_only_a_model_of_several_tasks_is_told_which_one(folder: Path) -> None:
    one, several = load(folder), load(folder, options={"context": 100, "tasks": ["math", "chat"]})
    for task in ("math", "chat"):
        next(several.stream(HELLO, task=task))
        assert several.engine.cache[0] == several.tokenizer.special[task_token(task)]  # type: ignore[attr-defined]
    next(one.stream(HELLO, task="chat"))
    assert task_token("chat") in one.tokenizer.special
    assert one.engine.cache[0] == one.tokenizer.special["<|im_start|>"]  # type: ignore[attr-defined]
    with pytest.raises(BadRequest, match="doesn't know the task 'code'"):
        several.stream(HELLO, task="code")
