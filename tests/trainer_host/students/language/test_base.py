from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.tasks.base import Base
from tests.trainer_host.data.plain_texts import sentence, words, write_texts
from tests.trainer_host.samples import write_jsonl
from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import gate_run, loaded, read_report
from trainer_host.data.dataset import Dataset
from trainer_host.data.text_corpus import gather, make_dataset, text_of
from trainer_host.data.text_sources import folder_sources
from trainer_host.data.transfer import import_rows
from trainer_host.errors import DataError
from trainer_host.export.language_run import HF, export_language, read_language_run
from trainer_host.release.bundle import build_bundle
from trainer_host.release.keys import signing_key
from trainer_host.students import student_for
from trainer_host.students.language.base import Reading, examined, read_text
from trainer_host.students.language.files import load_start
from trainer_host.students.language.model_card import CARD, deflated, xz_size
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

WORDS = 12  # of each kind
# Short, as every step counts in a test; a person takes what the size has.
SETTINGS: dict[str, object] = {"size": "nano", "context": 64, "rows": 4, "rate": 4e-3, "schedule": "wsd"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def dataset(workspace: Workspace) -> Dataset:
    folder = write_texts(workspace.home / "mine", 36, 16, WORDS)
    (folder / "LICENSE").write_text("CC0 1.0 Universal\n")
    return make_dataset(workspace, "texts", gather(folder_sources([folder]), 10**6, 1), seed=1, params={})


@pytest.fixture(scope="module")
def run(workspace: Workspace, dataset: Dataset) -> Run:
    return train(workspace, dataset, "ground", {**SETTINGS, "epochs": 6.0})


def train(workspace: Workspace, dataset: Dataset, name: str, settings: dict[str, object]) -> Run:
    return train_run(
        workspace, dataset, name, seed=1, seconds=None, settings=settings, on_progress=lambda share, values: None
    )[0]


@pytest.fixture(scope="module")
def files(run: Run, dataset: Dataset) -> Run:
    export_run(run, dataset, lambda share, note: None)
    gate_run(run, dataset)
    return run


@contextmanager
def opened(run: Run, precision: str = "fp32") -> Iterator[Base]:
    item = next(item for item in exported(run) if item.precision == precision)
    with loaded(run, student_for("base"), item, item.runtimes[0]) as specialist:
        yield cast(Base, specialist)


def figures(run: Run) -> dict[str, float]:
    return cast(dict[str, float], json.loads((run.folder / "training.json").read_bytes())["figures"])


def test_held_out_texts_take_fewer_bits_than_by_gzip_and_xz(run: Run, dataset: Dataset) -> None:
    texts = [text_of(row).encode() for row in examined(dataset.folder)]
    size = sum(map(len, texts))
    gzip, xz = 8 * sum(map(deflated, texts)) / size, 8 * sum(map(xz_size, texts)) / size
    made = figures(run)
    assert made["of gzip -9"] == pytest.approx(gzip, abs=1e-3) and made["of xz -9e"] == pytest.approx(xz, abs=1e-3)
    assert made["bits per byte"] < 0.9 * min(gzip, xz)


def test_it_goes_on_with_the_kind_of_word_that_follows(files: Run) -> None:
    with opened(files, "int8") as base:
        right = 0
        for at in range(20):
            begun = f"{words('who', WORDS)[at % WORDS]} {words('does', WORDS)[-at % WORDS]}"
            text = str(base.run({"text": begun, "max_tokens": 12})["text"])
            right += text.split()[0] in words("how", WORDS)
        assert right >= 15, "one kind of five follows"
        with pytest.raises(BadRequest):
            base.run({"messages": []})
        with pytest.raises(BadRequest):
            base.run({"text": " "})
        assert base.plain == frozenset(), "no chat can be held with it"


def test_each_token_of_a_long_text_is_read_once_and_with_half_a_context_before_it(files: Run, dataset: Dataset) -> None:
    with opened(files) as base:
        language = base.language
        text = "".join(text_of(row) for row in dataset.rows("heldout"))
        ids = language.tokenizer.encode(text)
        read = read_text(language, text)
        assert len(ids) > 3 * language.context and (read.tokens, read.bytes) == (len(ids) + 1, len(text.encode()))
        # In pieces that know nothing of each other it is more surprising.
        alone = sum((read_text(language, line) for line in text.splitlines(keepends=True)), Reading())
        assert read.bytes == alone.bytes and read.nats < alone.nats
        short = text[:80]
        ids = [language.tokenizer.special_id("<|bos|>"), *language.tokenizer.encode(short)]
        ids.append(language.tokenizer.special_id("<|im_end|>"))
        assert read_text(language, short).nats == pytest.approx(float(language.losses(ids, 1).sum()), rel=1e-5)


def test_the_bundle_and_the_folder_for_others_carry_the_model_card(
    files: Run, dataset: Dataset, workspace: Workspace, tmp_path: Path
) -> None:
    from edge_runtime.bundle import read_envelope, unpack_bundle

    card = (files.folder / CARD).read_text()
    for wanted in (
        dataset.content.removeprefix("sha256:"),
        files.weights.removeprefix("sha256:"),
        "| mine | mine | CC0-1.0 |",
        "seed 1",
    ):
        assert wanted in card
    bits = re.search(r"\| this model, float32 \| ([\d.]+) \|", card)
    assert bits is not None and float(bits[1]) == pytest.approx(figures(files)["bits per byte"], abs=1e-3)
    built = build_bundle(workspace, files, dataset, read_report(files), signing_key(workspace))
    with built.path.open("rb") as source:
        envelope = read_envelope(source)
    (tmp_path / "unpacked").mkdir()
    manifest = unpack_bundle(built.path, envelope, tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / CARD).read_text() == card
    assert manifest.task == "base" and 0 < float(str(manifest.metrics["bits_per_byte"])) < 4
    export_language(read_language_run(files.folder), tmp_path / "hf", HF, licence="CC0-1.0")
    readme = (tmp_path / "hf" / "README.md").read_text()
    assert 'license: "cc0-1.0"' in readme and card.partition("\n\n")[2] in readme
    assert load_start(str(tmp_path / "hf")).config == read_language_run(files.folder).config


def test_a_chat_that_begins_with_a_base_knows_its_language_already(
    run: Run, dataset: Dataset, workspace: Workspace, tmp_path: Path
) -> None:
    draw = random.Random(5)
    rows: list[dict[str, object]] = [
        {"messages": [{"role": "user", "content": f"say {at}"}], "reply": sentence(draw, WORDS)} for at in range(48)
    ]
    file = write_jsonl(tmp_path / "talk.jsonl", rows)
    talk = import_rows(workspace, file, task="chat", name="talk", seed=1, held_out=0.2)
    train(workspace, dataset, "blank", {**SETTINGS, "epochs": 0.05, "rows": 2, "rate": 1e-9})
    lost = {}
    for start in ("ground", "blank"):
        made = train(workspace, talk, f"talk-{start}", {"init": start, "epochs": 1.0, "rows": 2, "rate": 1e-3})
        lost[start] = figures(made)["held-out loss"]
        origin = json.loads((made.folder / "config.json").read_bytes())["start"]
        assert origin["name"] == start
    assert (
        f"sha256:{json.loads((workspace.run('talk-ground') / 'config.json').read_bytes())['start']['sha256']}"
        == run.weights
    )
    assert lost["ground"] < 0.75 * lost["blank"]


def test_what_a_base_has_no_use_for_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="curriculum"):
        student_for("base").train(
            dataset.folder, tmp_path, seed=1, seconds=None, curriculum=True, on_progress=lambda share, values: None
        )
