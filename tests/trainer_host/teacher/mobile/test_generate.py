"""Pack `robot-en`: every row is carried out in the map, by the bridge; what ends elsewhere than meant is no row."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("shapely")

from edge_runtime.home.inventory import parse_home
from edge_runtime.home.lexicon import TAGS
from edge_runtime.home.match import FEATURES
from edge_runtime.home.parse import TokenLabels, clauses_of
from edge_runtime.home.words import tokenize
from edge_runtime.mobile.lexicon import ACTIONS, ORDERS
from edge_runtime.mobile.resolve import resolve
from edge_runtime.tasks.robot import HEADS, HOME, TOKENS
from trainer_host.errors import DataError
from trainer_host.evaluation import mobile_exam
from trainer_host.students import robot as student
from trainer_host.students import robot_doubts
from trainer_host.students.robot import STUDENT
from trainer_host.students.robot_data import read_homes, read_rows
from trainer_host.tasks import task_spec
from trainer_host.teacher.mobile import generate as module
from trainer_host.teacher.mobile.generate import generate
from trainer_host.teacher.mobile.grammar import sections
from trainer_host.teacher.mobile.inventory import SPOTS
from trainer_host.teacher.mobile.rehearse import Rehearsal


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mobile")
    figures = generate(folder, examples=200, seed=9)
    assert figures["train"] == 180 and figures["heldout"] == 20 and int(str(figures["driven"])) > 150
    return folder


def test_rows_are_the_same_for_a_seed_and_their_labels_give_their_orders(dataset: Path, tmp_path: Path) -> None:
    generate(tmp_path, examples=40, seed=9)
    again, first = (
        [row for row in (folder / "train.jsonl").read_bytes().splitlines() if b'"home": 0}' in row]
        for folder in (tmp_path, dataset)
    )
    assert len(again) > 15 and again == first  # the first inventory's, whatever comes after
    homes = {number: parse_home(raw) for number, raw in read_homes(dataset).items()}
    train, held = read_rows(dataset / "train.jsonl"), read_rows(dataset / "heldout.jsonl")
    for row in (*train, *held):
        labels, given = row["meta"]["labels"], row["input"]
        read = TokenLabels(*([*map(bool, labels["begins"])], labels["actions"], labels["tags"], [*map(bool, labels["excluded"])], labels["kinds"]))  # fmt: skip
        outcome = resolve(clauses_of(tokenize(given["text"]), read, ACTIONS), homes[given["home"]], given["context"].get("area"))  # fmt: skip
        assert [(c.name, c.arguments, list(c.targets)) for c in outcome.calls] == [
            (c["name"], c["arguments"], c["targets"]) for c in row["output"]["calls"]
        ]
        assert outcome.question == row["output"]["question"]
        assert max(labels["tags"]) < len(TAGS)
    assert {row["input"]["home"] for row in train}.isdisjoint(row["input"]["home"] for row in held)
    assert {call["name"] for row in train for call in row["output"]["calls"]} == set(ORDERS.values())
    assert {"none", *ORDERS} == sections().keys()


def test_a_sentence_whose_labels_lead_elsewhere_is_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    real = module.resolve
    raw: dict[str, object] = {
        "areas": [{"id": f"place.{i}", "name": name, "at": list(SPOTS[i])} for i, name in enumerate(("kitchen", "hall"))],
        "entities": [{"id": "cup", "name": "cup", "area": "place.0"}],
        "robot": "place.0",
    }  # fmt: skip
    home = parse_home(raw)
    monkeypatch.setattr(module, "resolve", lambda clauses, home, here: real(clauses[:1], home, here))
    refused: Counter[str] = Counter()
    with Rehearsal() as bridge:
        for seed in range(60):
            module.make(raw, home, "place.1", False, random.Random(seed), bridge, refused)
        assert refused["other end than meant"] > 5
        monkeypatch.setattr(module, "resolve", real)
        raw["areas"][1]["at"] = list(SPOTS[-1])  # type: ignore[index]
        before = refused["refused by the bridge"]
        for seed in range(60):
            module.make(raw, home, "place.1", False, random.Random(seed), bridge, refused)
        assert before == 0 and refused["refused by the bridge"] > 10
        assert "zone" in str(bridge.drive(SPOTS[0], [SPOTS[-1]]))


def test_a_bridge_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with Rehearsal("/nowhere") as bridge, pytest.raises(DataError, match="enigma-bridge robot rehearse"):
        bridge.drive((1.0, 1.0), [(2.0, 2.0)])


def test_a_student_of_the_pack_has_its_actions_and_one_of_a_home_is_as_before(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(student, "common_words", list)  # the pretrained words are nothing of the pack's
    monkeypatch.setattr(student, "vectors", lambda words, width: np.zeros((len(words), width), np.float32))
    monkeypatch.setattr(robot_doubts, "LEAST", 1)  # of so few rows
    run = tmp_path / "run"
    run.mkdir()
    shares: list[float] = []
    STUDENT.train(dataset, run, seed=1, seconds=0.01, on_progress=lambda share, figures: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1 and any(0.3 < share < 0.9 for share in shares)
    net, example, _ = STUDENT.module(run)
    assert [out.shape[-1] for out in net(*example)] == [*{**HEADS, "action": len(ACTIONS)}.values()]
    assert example[2].shape == (1, TOKENS, FEATURES)
    fields = STUDENT.manifest_fields(run)
    assert fields["labels"] == list(ACTIONS) and fields["options"]["pack"] == "robot-en"  # type: ignore[index]
    scale, _shift = fields["options"]["platt"]  # type: ignore[index]
    assert scale > 0 and fields["thresholds"] == {"unsure": student.UNSURE}
    config = json.loads((run / "config.json").read_text())
    del config["pack"]  # as runs were written before there were packs
    (run / "config.json").write_text(json.dumps(config))
    fields = STUDENT.manifest_fields(run)
    assert fields["labels"] == list(HOME.actions) and "pack" not in fields["options"]  # type: ignore[operator]
    rows = read_rows(dataset / "train.jsonl")
    rows[0]["meta"]["pack"] = "home-en"
    (tmp_path / "homes.jsonl").write_bytes((dataset / "homes.jsonl").read_bytes())
    for name in ("train", "heldout"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match="one pack"):
        STUDENT.train(tmp_path, tmp_path, seed=1, seconds=0.01, on_progress=lambda share, figures: None)


def test_what_a_second_robot_is_asked_has_neither_rules_nor_homes_that_it_learnt(dataset: Path) -> None:
    rows = read_rows(dataset / "train.jsonl")
    assert robot_doubts.folded(rows) == ([], [])  # too few
    wide = [
        {**row, "input": {**row["input"], "home": home}} for home in range(20) for row in rows
    ]  # as if in many homes
    assert robot_doubts.folded([{**row, "meta": {"labels": row["meta"]["labels"]}} for row in wide]) == ([], [])
    learnt, aside = robot_doubts.folded(wide)
    assert len(learnt) > len(aside) > 0 and robot_doubts.folded(wide) == (learnt, aside)
    assert not {row["input"]["home"] for row in learnt} & {row["input"]["home"] for row in aside}
    known = {rule for row in learnt for rule in row["meta"]["rules"]}
    assert all(set(row["meta"]["rules"]) - known for row in aside)


def test_the_pack_is_the_built_in_teachers_alone() -> None:
    with pytest.raises(DataError, match="--option robot"):
        task_spec("robot", {"pack": "robot-en"})
    with pytest.raises(DataError, match="home-en or robot-en"):
        task_spec("robot", {"pack": "boat"})
    assert task_spec("robot", {"pack": "home-en"}).name == "robot"


def test_the_exam_reads_and_its_baseline_gets_the_plain_ones(tmp_path: Path) -> None:
    folder = mobile_exam.exam_folder()
    assert folder is not None
    cases = mobile_exam.load(folder)
    found = mobile_exam.grade(cases, mobile_exam.keywords)
    assert found["cases"] == 96 and found["easy"] > 0.8 > 0.5 > found["hard"]
    second = mobile_exam.load(folder.with_name("robot_en_2"))
    found = mobile_exam.grade(second, mobile_exam.keywords)
    assert found["cases"] == 70 and found["easy"] > 0.7 > found["accuracy"] and found["moved_wrongly"] > 0.3
    texts = {str(case.request["text"]).lower() for case in cases}
    assert sum(str(case.request["text"]).lower() in texts for case in second) < 10
    silent = mobile_exam.grade(cases, lambda request: {"calls": [], "question": None})
    assert silent["accuracy"] < 0.2 and silent["moved_wrongly"] == 0
    moving = mobile_exam.grade([case for case in cases if case.easy and case.calls], mobile_exam.keywords)
    assert {"hard", "moved_wrongly"}.isdisjoint(moving) and moving["easy"] == moving["accuracy"]
    with pytest.raises(DataError, match="no exam"):
        mobile_exam.load(tmp_path)
