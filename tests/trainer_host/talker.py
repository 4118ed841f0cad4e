"""A run of the task chat that costs no training: the model that knows a text by heart, with rows that it never saw."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from edge_runtime.language.template import CHATML
from tests.trainer_host.learnt import Learnt, learnt
from trainer_host.data.dataset import Dataset, Row, seal, write_rows
from trainer_host.students.language.run_files import write_assets
from trainer_host.training.run import Run, open_run
from trainer_host.training.weights import save_weights
from trainer_host.workspace import Workspace

ASKED = ("Who sleeps on the shelf?", "Where was the lamp?", "What did the clock say?", "Who turned it off?")


def talker(workspace: Workspace, made: Learnt | None = None) -> tuple[Run, Dataset]:
    """The run "cat" and its dataset "talk". made: its model, by default `learnt()`."""
    data = workspace.data / "talk"
    data.mkdir(parents=True)
    rows = [Row({"messages": [{"role": "user", "content": asked}]}, {"reply": "the cat"}) for asked in ASKED]
    write_rows(data / "train.jsonl", rows[:2])
    write_rows(data / "heldout.jsonl", rows[2:])
    dataset = seal(data, name="talk", task="chat", teacher="t", seed=1, params={}, figures={})
    made, folder = made or learnt(), workspace.runs / "cat"
    folder.mkdir(parents=True)
    save_weights(folder, made.model)
    write_assets(folder, made.tokenizer, CHATML)
    card = {"format": 1, "model": made.config.to_json(), "tasks": ["chat"], "unsure": {"chat": 0.0}, "start": None}
    (folder / "config.json").write_text(json.dumps(card), "utf-8")
    weights = f"sha256:{hashlib.sha256((folder / 'weights.safetensors').read_bytes()).hexdigest()}"
    about = {"format": 1, "name": "cat", "task": "chat", "dataset": "talk", "content": dataset.content, "teacher": "t"}
    (folder / "run.json").write_text(json.dumps({**about, "seed": 1, "seconds": None, "weights": weights}), "utf-8")
    return open_run(folder), dataset


def said(path: Path, question: str, count: int) -> str:
    """What a .gguf file's model says to a question, straight out of llama.cpp."""
    from edge_runtime.engines.language_gguf import GgufLanguageEngine
    from edge_runtime.language.template import encode_chat
    from edge_runtime.language.tokenizer import Tokenizer

    tokenizer, engine = Tokenizer(json.loads(learnt().tokenizer)), GgufLanguageEngine(path)
    ids, _ = encode_chat(tokenizer, CHATML, [{"role": "user", "content": question}], answering=True)
    made: list[int] = []
    logits = engine.feed(ids)
    while len(made) < count and (token := int(logits[-1].argmax())) != tokenizer.special["<|im_end|>"]:
        made.append(token)
        logits = engine.feed([token])
    engine.close()
    return tokenizer.decode(made)
