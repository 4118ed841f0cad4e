"""A draft is kept where it changes no answer and gains enough; what was measured once is kept, so bundles stay the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

from edge_runtime.engines import available_runtimes
from edge_runtime.language.template import CHATML
from tests.edge_runtime.language.trained import ours, table
from tests.trainer_host.training.language_runs import language_run, small_model
from trainer_host.compress import files
from trainer_host.compress.gate import CARD, LANGUAGE_LIMITS, GateReport, Score, read_report
from trainer_host.data.dataset import Dataset, Row, open_dataset, seal, write_rows
from trainer_host.errors import DataError
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.release.draft import CARD as DRAFT_CARD
from trainer_host.release.draft import DraftReport, examine_draft
from trainer_host.training.run import Run, write_json
from trainer_host.workspace import Workspace


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    folder = workspace.data / "talk"
    folder.mkdir(parents=True)
    for split, count in (("train", 4), ("heldout", 6)):
        asked = [[{"role": "user", "content": f"the cat on {split} {number}"}] for number in range(count)]
        write_rows(folder / f"{split}.jsonl", [Row({"messages": talk}, {"reply": "a hat"}, {}) for talk in asked])
    seal(folder, name="talk", task="chat", teacher="test", seed=1, params={}, figures={})
    return open_dataset(folder)


def gated(workspace: Workspace, dataset: Dataset, name: str, seed: int, layers: int = 2, extra: str = "") -> Run:
    """A run whose only quantized file passed the gate."""
    model = small_model(seed, vocabulary=ours().size, layers=layers, heads=1, context=128)
    run = language_run(workspace, dataset, name, model, tokenizer=table() + extra)
    (run.folder / "template.json").write_text(json.dumps(CHATML.to_json()))
    path = run.folder / "model.int8.onnx"
    export_language_onnx(model.state_dict(), model.config, path, "int8")
    entry = files.ModelFile(
        path.name, "int8", ("onnxruntime",), {}, {}, path.stat().st_size, files._sha256(path), 0, {}
    )
    files._write_card(run, [entry])
    runtime = ("onnxruntime", available_runtimes()["onnxruntime"])
    score = Score(path.name, entry.sha256, "int8", *runtime, 0.9, 0.0, entry.bytes, 1.0, 1.0)
    write_json(run.folder / CARD, dataclasses.asdict(GateReport(run.weights, LANGUAGE_LIMITS, (score,), ())))
    return run


def nothing(share: float, what: str) -> None:
    """Progress that nobody watches."""


def test_a_draft_is_tried_on_the_requests_and_what_was_found_is_kept(workspace: Workspace, dataset: Dataset) -> None:
    run, draft = (gated(workspace, dataset, name, seed) for name, seed in (("large", 1), ("quick", 2)))
    found = examine_draft(run, dataset, read_report(run), draft, nothing)
    assert (found.run, found.file, found.prompts) == ("quick", "model.int8.onnx", 10)
    assert found.plain > 0 and found.guessed > 0
    assert examine_draft(run, dataset, read_report(run), draft, nothing) == found
    card = json.loads((run.folder / DRAFT_CARD).read_bytes())
    write_json(run.folder / DRAFT_CARD, {**card, "plain": 1.0})
    assert examine_draft(run, dataset, read_report(run), draft, nothing).plain == 1.0  # not measured again
    write_json(run.folder / DRAFT_CARD, {**card, "hashes": ["0", "1"]})
    assert examine_draft(run, dataset, read_report(run), draft, nothing).hashes == found.hashes


def test_other_tokens_are_refused_with_what_to_do(workspace: Workspace, dataset: Dataset) -> None:
    run = gated(workspace, dataset, "large", 1)
    other = gated(workspace, dataset, "foreign", 2, extra="\n")
    with pytest.raises(DataError, match=r"'foreign' has other tokens than 'large'.*--teacher large"):
        examine_draft(run, dataset, read_report(run), other, nothing)
    assert not Path(run.folder / DRAFT_CARD).exists()


def test_only_what_gains_and_changes_nothing_is_kept() -> None:
    good = DraftReport("quick", "model.int4.onnx", "sha256:0", 100, 100, 100.0, 110.0, ("a", "b"))
    assert good.kept and good.gain == pytest.approx(1.1)
    assert not dataclasses.replace(good, guessed=109.0).kept
    assert not dataclasses.replace(good, same=99).kept
