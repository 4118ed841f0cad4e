from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import pytest

from tests.trainer_host.data.plain_texts import write_texts
from trainer_host.data.dataset import seal, write_rows
from trainer_host.data.dedup import NearDuplicates
from trainer_host.data.text_corpus import RUN, Corpus, gather, make_dataset, text_of
from trainer_host.data.text_sources import NOT_STATED, folder_sources, machine_sources
from trainer_host.errors import DataError, TrainerError
from trainer_host.workspace import Workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts") / "mine", 40, 16)


def gathered(folder: Path, most: int = 10**6, seed: int = 1) -> Corpus:
    return gather(folder_sources([folder]), most, seed)


def labels(corpus: Corpus) -> tuple[list[str], list[str]]:
    return [text.label for text in corpus.train], [text.label for text in corpus.held_out]


def test_the_same_files_elsewhere_give_the_same_dataset(folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "other" / "mine")
    made = [
        make_dataset(Workspace(tmp_path / str(number)), "texts", gathered(place, 15_000), seed=1, params={})
        for number, place in enumerate((folder, moved))
    ]
    assert (
        made[0].content == made[1].content and str(tmp_path) not in made[0].folder.joinpath("train.jsonl").read_text()
    )
    assert labels(gathered(folder, 15_000, seed=2)) != labels(gathered(folder, 15_000))


def test_rows_hold_the_texts_whole_and_whose_they_are(folder: Path, tmp_path: Path) -> None:
    dataset = make_dataset(Workspace(tmp_path), "texts", gathered(folder), seed=1, params={})
    rows = [row for split in ("train", "heldout") for row in dataset.rows(split)]
    texts = {row.meta["source"]: text_of(row) for row in rows}
    assert texts == {f"mine/{path.name}": path.read_text() for path in folder.iterdir()}
    assert all(0 < len(str(row.input["text"])) <= 200 and row.meta["licence"] == NOT_STATED for row in rows)
    assert dataset.counts["heldout"] >= 2 and dataset.task == "base"


def test_no_more_is_taken_than_was_asked_for_and_that_there_is_more_is_said(folder: Path) -> None:
    corpus = gathered(folder, 8_000)
    taken = sum(text.bytes for text in [*corpus.train, *corpus.held_out])
    assert 8_000 <= taken < 9_500 and corpus.more and not gathered(folder).more


def test_copies_are_left_out_also_with_other_numbers_and_nothing_held_out_was_learnt(
    folder: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(folder, tmp_path / "mine")
    originals = sorted(place.iterdir())
    for number, path in enumerate(originals[:20]):
        (place / f"copy-{path.name}").write_text(f"Version {number}.{number}\n{path.read_text()}")
    # A text that is half of another is no near-duplicate, but nothing to be examined on.
    for path in originals[20:]:
        half = path.read_text().splitlines()[:8]
        (place / f"half-{path.name}").write_text("\n".join([*half, *write_lines(path.name)]) + "\n")
    corpus = gathered(place)
    assert corpus.left_out["near-duplicate"] == 20
    index = NearDuplicates()
    assert all(index.add(text.text) for text in corpus.train)
    assert all(index.add(text.text) for text in corpus.held_out)
    learnt = {run for text in corpus.train for run in runs(text.text)}
    for text in corpus.held_out:
        own = runs(text.text)
        assert len([run for run in own if run in learnt]) <= 0.2 * len(own)


def runs(text: str) -> list[str]:
    split = text.replace(".", " ").split()
    return [" ".join(split[at : at + RUN]) for at in range(len(split) - RUN + 1)]


def write_lines(seed: str) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join(draw.choice("abcdefgh") + draw.choice("klmnop") + draw.choice("rstu") for _ in range(6))
        for _ in range(16)
    ]


def test_personal_data_is_replaced_and_counted(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / "mine")
    path = place / "000.txt"
    path.write_text(path.read_text() + "Write to ada.lovelace@analytical.org about it.\n")
    corpus = gathered(place)
    text = next(text for text in [*corpus.train, *corpus.held_out] if text.label == "mine/000.txt")
    assert text.text.endswith("Write to <EMAIL_1> about it.\n") and corpus.scrubbed == {"EMAIL": 1}


def test_a_licence_is_the_files_own_else_the_folders(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / "mine")
    (place / "LICENSE").write_text("MIT License\n\nPermission is hereby granted, free\nof charge, to any person ...\n")
    path = place / "001.txt"
    path.write_text(f"# SPDX-License-Identifier: CC0-1.0\n{path.read_text()}")
    licences = {text.label: text.licence for text in gathered(place).train}
    assert licences.get("mine/001.txt", "CC0-1.0") == "CC0-1.0" and licences["mine/002.txt"] == "MIT"


def test_hidden_files_links_and_what_is_no_text_are_not_read(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / "mine")
    secret = tmp_path / "secret.txt"
    secret.write_text("Nobody is to read this, as it lies outside.\n" * 9)
    (place / "link.txt").symlink_to(secret)
    (place / ".hidden").write_text("Nobody is to read this, as it is hidden.\n" * 9)
    (place / "picture").write_bytes(bytes(range(256)) * 9)
    os.mkfifo(place / "pipe")  # reading it would wait for ever
    corpus = gathered(place)
    assert len(corpus.train) + len(corpus.held_out) == 40 and corpus.left_out == {"not UTF-8": 1}


def test_too_few_texts_no_folder_and_texts_that_all_repeat_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        folder_sources([tmp_path / "nowhere"])
    few = write_texts(tmp_path / "few", 3, 16)
    with pytest.raises(DataError, match="3 different texts"):
        gathered(few)
    same = tmp_path / "same"
    same.mkdir()
    part = "".join(f"The same words stand here in every file, line {'i' * (number + 1)}.\n" for number in range(9))
    for number in range(12):
        (same / f"{number}.txt").write_text(part + "\n".join(write_lines(str(number))) + "\n")
    with pytest.raises(DataError, match="repeats another"):
        gathered(same)


def test_a_dataset_of_another_task_stays_as_it_is(folder: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    place = workspace.data / "texts"
    place.mkdir(parents=True)
    for split in ("train", "heldout"):
        write_rows(place / f"{split}.jsonl", [])
    seal(place, name="texts", task="chat", teacher="me", seed=1, params={}, figures={})
    with pytest.raises(TrainerError, match="another task"):
        make_dataset(workspace, "texts", gathered(folder), seed=1, params={})
    assert not (place / "train.jsonl").read_text()


def test_what_every_machine_has_names_no_path_of_it_and_states_a_licence() -> None:
    sources = machine_sources()
    library = [source for source in sources if source.kind == "python"]
    assert {"python/json/decoder.py", "python/argparse.py"} <= {source.label for source in library}
    assert {source.licence for source in library} == {"PSF-2.0"}
    assert not any(source.label.startswith("/") or sys.prefix in source.label for source in sources)
    numpy = next(source for source in sources if source.label == "packages/numpy/description")
    assert "BSD" in numpy.licence and "array" in str(numpy.read()) and numpy.origin.startswith("numpy ")
