from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.home.inventory import parse_home
from edge_runtime.home.match import FEATURES
from edge_runtime.home.words import tokenize
from edge_runtime.tasks.robot import HEADS, NGRAMS, TOKENS
from trainer_host.errors import DataError
from trainer_host.students.robot import STUDENT, UNSURE, UNSURE_BEFORE, room
from trainer_host.students.robot_align import align, with_labels
from trainer_host.students.robot_data import (
    Augmenter,
    build_vocabulary,
    clauses_alone,
    encode_rows,
    read_homes,
    read_rows,
)
from trainer_host.students.robot_doubts import MOST, kept_aside, parted
from trainer_host.students.robot_fit import Muon, orthogonal, rate
from trainer_host.students.robot_practice import practised
from trainer_host.students.word_vectors import common_words, vectors
from trainer_host.teacher.home.generate import generate_home_dataset, held_out, templates_of
from trainer_host.teacher.home.grammar import own_templates, their_templates


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    generate_home_dataset(folder, examples=600, seed=7, processes=1)
    return folder


def train(dataset: Path, run: Path, seed: int) -> list[tuple[float, dict[str, float]]]:
    run.mkdir()
    seen: list[tuple[float, dict[str, float]]] = []
    STUDENT.train(
        dataset, run, seed=seed, seconds=1.0, on_progress=lambda share, figures: seen.append((share, figures))
    )
    return seen


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With seed 3; read only."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert train(dataset, run, 3)[-1][0] == 1.0
    (run / "run.json").write_text('{"task": "robot"}')
    return run


def test_a_robot_that_begins_with_another_keeps_its_words_and_changes_little(
    dataset: Path, trained: Path, tmp_path: Path
) -> None:
    run = trained.with_name("tuned")
    run.mkdir()
    STUDENT.train(
        dataset, run, seed=5, seconds=1.0, settings={"init": trained.name}, on_progress=lambda share, figures: None
    )
    assert (run / "vocab.txt").read_bytes() == (trained / "vocab.txt").read_bytes()
    before, after = (STUDENT.module(folder)[0].state_dict() for folder in (trained, run))
    assert (before["words.weight"] == after["words.weight"]).all()
    for name in ("input.weight", "ngrams.weight", "conv1.conv.weight"):
        assert 0 < (after[name] - before[name]).abs().mean() < 0.2 * before[name].abs().mean()


def test_the_same_seed_gives_the_same_bytes(dataset: Path, trained: Path, tmp_path: Path) -> None:
    for name, seed in (("b", 3), ("c", 4)):
        seen = train(dataset, tmp_path / name, seed)
        assert seen[-1][0] == 1.0
    weights = [(run / "weights.safetensors").read_bytes() for run in (trained, tmp_path / "b", tmp_path / "c")]
    assert weights[0] == weights[1] != weights[2]
    assert (trained / "vocab.txt").read_bytes() == (tmp_path / "c" / "vocab.txt").read_bytes()


def test_the_module_has_the_tasks_inputs_and_heads(dataset: Path, trained: Path) -> None:
    net, example, io = STUDENT.module(trained)
    outputs = net(*example)
    assert io.inputs == ["words", "ngrams", "features"]
    assert io.outputs == list(HEADS)
    assert [tuple(out.shape) for out in outputs] == [(1, TOKENS, classes) for classes in HEADS.values()]
    inputs = list(STUDENT.calibration(trained, dataset, 5))
    assert len(inputs) == 5
    assert inputs[0]["ngrams"].shape == (1, TOKENS, NGRAMS)
    assert inputs[0]["features"].shape == (1, TOKENS, FEATURES)
    fields = STUDENT.manifest_fields(trained)
    assert fields["thresholds"]
    assert len(STUDENT.golden(trained, dataset, 8)) == 8


def test_too_few_rows_are_refused_with_their_number(dataset: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    (few / "homes.jsonl").write_text((dataset / "homes.jsonl").read_text())
    lines = (dataset / "train.jsonl").read_text().splitlines(keepends=True)
    (few / "train.jsonl").write_text("".join(lines[:20]))
    with pytest.raises(DataError, match="20 rows"):
        train(few, tmp_path / "run", 1)


def test_what_is_practised_shares_no_template_and_no_sentence_with_what_is_examined(dataset: Path) -> None:
    rows, homes = read_rows(dataset / "train.jsonl"), read_homes(dataset)
    examined, learnt = rows[:300], rows[300:]
    made, more = practised(learnt, examined, homes, 90, seed=1)
    assert len(made) == 90 and more.items() > homes.items()
    assert {row["input"]["home"] for row in made} == more.keys() - homes.keys()

    def templates(some: list[dict]) -> set[str]:
        return {name for row in some for name in templates_of(row["meta"]["template"])}

    assert len(templates(examined)) > 200 and not templates(made) & templates(examined)
    assert not {row["input"]["text"].lower() for row in made} & {row["input"]["text"].lower() for row in rows}
    assert encode_rows(made, more, ["", "\u2047", "0"]).lengths.min() > 0


def test_practice_is_the_same_for_a_seed_and_none_for_rows_of_a_person(dataset: Path) -> None:
    rows, homes = read_rows(dataset / "train.jsonl"), read_homes(dataset)
    first = practised(rows, [], homes, 20, seed=1)
    assert first == practised(rows, [], homes, 20, seed=1) != practised(rows, [], homes, 20, seed=2)
    own = [{**row, "meta": {"labels": row["meta"]["labels"]}} for row in rows]
    assert practised(own, [], homes, 20, seed=1) == ([], homes)


def test_templates_that_the_grammar_holds_out_are_practised_only_around_rows_of_them(dataset: Path) -> None:
    rows, homes = read_rows(dataset / "train.jsonl")[:100], read_homes(dataset)
    examined = read_rows(dataset / "heldout.jsonl")

    def aside(learnt: list[dict]) -> int:
        made, _ = practised(learnt, examined, homes, 160, seed=1)
        return sum(any(map(held_out, templates_of(row["meta"]["template"]))) for row in made)

    assert aside(rows) == 0
    assert 20 < aside([*rows, *examined[:34]]) < 80  # a quarter of the homes


def test_each_clause_of_a_sentence_is_shown_alone_with_its_labels(dataset: Path) -> None:
    rows = read_rows(dataset / "train.jsonl")
    several = [row for row in rows if sum(row["meta"]["labels"]["begins"]) > 1]
    made = clauses_alone(rows)
    assert len(several) < len(made) <= sum(sum(row["meta"]["labels"]["begins"]) for row in several)
    whole: dict[int, set[str]] = {row["input"]["home"]: set() for row in several}
    for row in several:
        whole[row["input"]["home"]] |= {" ".join(tokenize(row["input"]["text"]))}
    for row in made:
        labels = row["meta"]["labels"]
        assert {len(values) for values in labels.values()} == {len(tokenize(row["input"]["text"]))}
        assert len(set(labels["actions"])) == 1 and sum(labels["begins"]) == labels["begins"][0] == 1
        assert any(row["input"]["text"] in sentence for sentence in whole[row["input"]["home"]])


def test_only_few_rows_leave_room_for_practice_and_only_as_much_as_the_seconds_allow() -> None:
    assert room(21_600, None) == 0  # what the quickstart learns from is enough
    assert room(300, None) == 19_700
    assert 300 < room(300, 10.0) < 3000 and room(540, 1.0) == 0


def test_steps_of_layers_are_made_orthogonal() -> None:
    import torch

    chance = torch.Generator().manual_seed(1)
    for shape in ((2, 24, 24), (1, 16, 40), (1, 40, 16)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=chance)))
        assert values.min() > 0.4 and values.max() < 1.3  # the rounds end near one, not at it
    matrix = torch.nn.Parameter(torch.zeros(8, 8))
    matrix.grad = torch.diag(torch.tensor([8.0, 4, 4, 2, 2, 2, 1, 1]))
    Muon([matrix], [1]).step(0.1)
    moved = -matrix.detach().diagonal()
    assert moved.min() > 0.04 and moved.max() < 0.13  # a small slope moves as far as a steep one


def test_rates_rise_and_then_fall_to_nothing() -> None:
    shares = [rate(step, 100) for step in range(100)]
    assert max(shares) == 1.0 == shares[4] and shares[0] == pytest.approx(0.2) and 0 < shares[-1] < 0.02
    assert rate(0, 1) == 1.0


def test_the_network_that_is_trained_is_the_one_that_is_exported(trained: Path, dataset: Path) -> None:
    import torch

    net, _, _ = STUDENT.module(trained)
    inputs = [torch.from_numpy(value) for value in next(STUDENT.calibration(trained, dataset, 1)).values()]
    with torch.no_grad():
        for exported, learnt in zip(net.eval()(*inputs), net.train()(*inputs), strict=True):
            assert torch.allclose(exported, learnt, atol=1e-4)


def test_own_rows_are_aligned_only_where_the_resolver_gives_their_calls_back(dataset: Path) -> None:
    rows, homes = read_rows(dataset / "heldout.jsonl"), read_homes(dataset)
    bare = [{**row, "meta": {}} for row in rows]
    aligned, left_out = with_labels(bare, homes)
    assert len(aligned) + left_out == len(rows)
    assert len(aligned) > 0.4 * len(rows)
    wrong = {**bare[0], "output": {"calls": [{"name": "HassTurnOn", "arguments": {}, "targets": ["light.none"]}]}}
    assert align(wrong, parse_home(homes[wrong["input"]["home"]])) is None


def test_augmentation_touches_only_names_and_free_words(dataset: Path) -> None:
    rows = read_rows(dataset / "train.jsonl")[:200]
    vocabulary, known = build_vocabulary(rows, [])
    assert 3 < known <= len(vocabulary)
    arrays = encode_rows(rows, read_homes(dataset), vocabulary)
    words, ngrams = Augmenter(vocabulary, 1)(arrays.words, arrays.ngrams, arrays.labels["tag"])
    plain = arrays.labels["tag"] == 0
    assert np.array_equal(words[plain], arrays.words[plain])
    assert not np.array_equal(words, arrays.words)
    assert words.shape == arrays.words.shape
    assert ngrams.shape == arrays.ngrams.shape


def test_pretrained_vectors_know_what_belongs_together() -> None:
    words = ["lamp", "light", "kitchen", "milk", "dark", "bright", "music", "song"]
    found = vectors([*words, *common_words()[:2000]], 64)[: len(words)]
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    near = dict(zip(words, unit @ unit[0], strict=True))
    assert near["light"] > max(near["milk"], near["song"], near["kitchen"])


def test_what_says_how_sure_a_robot_is_was_made_from_templates_that_it_did_not_learn(dataset: Path) -> None:
    rows, examined, homes = (
        read_rows(dataset / "train.jsonl"),
        read_rows(dataset / "heldout.jsonl"),
        read_homes(dataset),
    )

    def templates(some: list[dict]) -> set[str]:
        return {name for row in some for name in templates_of(row["meta"]["template"])}

    learnt, aside, found = kept_aside(rows, examined, homes, 1)
    assert learnt == rows and len(aside) == MOST and kept_aside(rows, examined, homes, 1)[1] == aside
    assert not templates(aside) & (templates(rows) | templates(examined))
    assert not {row["input"]["home"] for row in aside} & set(homes) and homes.items() <= found.items()
    # Where all that the teacher holds out is examined, some of what could be learnt isn't.
    every = [{"meta": {"template": template.key}} for template in (*own_templates(), *their_templates())]
    few, others, _ = kept_aside(rows, [row for row in every if held_out(row["meta"]["template"])], homes, 1)
    assert 0.85 * len(rows) < len(few) < len(rows) and len(others) > MOST // 4
    assert not templates(others) & templates(few)


def test_rows_of_a_person_are_kept_aside_themselves(dataset: Path) -> None:
    own = [{**row, "meta": {"labels": row["meta"]["labels"]}} for row in read_rows(dataset / "train.jsonl")]
    learnt, aside, _ = kept_aside(own, [], read_homes(dataset), 1)
    assert (learnt, aside) == parted(own) and 0 < len(aside) < 0.1 * len(own)


def test_the_confidence_of_a_run_is_a_chance_and_one_of_before_is_opened_as_it_was(
    trained: Path, tmp_path: Path
) -> None:
    fields = STUDENT.manifest_fields(trained)
    scale, shift = fields["options"]["platt"]  # type: ignore[index]
    assert scale > 0 and abs(shift) < 10 and fields["thresholds"] == {"unsure": UNSURE}
    before = tmp_path / "before"
    shutil.copytree(trained, before)
    card = json.loads((before / "config.json").read_text())
    del card["platt"]
    (before / "config.json").write_text(json.dumps(card))
    fields = STUDENT.manifest_fields(before)
    assert "platt" not in fields["options"] and fields["thresholds"] == {"unsure": UNSURE_BEFORE["home-en"]}  # type: ignore[operator]
