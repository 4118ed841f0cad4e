from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.home.inventory import parse_home
from trainer_host.errors import DataError
from trainer_host.evaluation import QUICKSTART_SENTENCES, exam_folder, sample_home
from trainer_host.evaluation.exam import grade, load_exam, same_changes, summary
from trainer_host.evaluation.hassil_baseline import Hassil

EXAMS = Path(__file__).parents[2] / "exams"


@pytest.mark.parametrize("name", ["home_en", "home_en_dev"])
def test_an_exam_is_large_hand_written_and_consistent(name: str) -> None:
    cases, homes = load_exam(EXAMS / name)
    assert len(cases) >= 200
    assert len({case.text.lower() for case in cases}) > 0.95 * len(cases)
    for case in cases:
        home = parse_home(homes[case.home])
        ids = {entity.id for entity in home.entities}
        assert set(case.expect) <= ids, case
        assert case.here is None or home.area(case.here), case


def test_the_two_exams_share_no_home_and_no_sentence() -> None:
    (cases, homes), (dev, dev_homes) = load_exam(EXAMS / "home_en"), load_exam(EXAMS / "home_en_dev")
    names = {e["name"] + str(e["area"]) for h in homes.values() for e in h["entities"]}  # type: ignore[attr-defined]
    dev_names = {e["name"] + str(e["area"]) for h in dev_homes.values() for e in h["entities"]}  # type: ignore[attr-defined]
    assert len(names & dev_names) < 0.2 * len(names)  # every home has a TV
    shared = {c.text.lower() for c in cases} & {c.text.lower() for c in dev}
    assert len(shared) <= 0.05 * len(cases)  # "turn off the tv" is said everywhere


def test_doing_nothing_scores_what_expects_nothing() -> None:
    cases, homes = load_exam(EXAMS / "home_en")
    nothing = summary(grade(cases, homes, lambda request: {"calls": []}))
    assert nothing["accuracy"] == pytest.approx(sum(not c.expect for c in cases) / len(cases), abs=1e-3)
    assert nothing["accuracy"] < 0.3


def test_hassil_knows_the_plain_half_best() -> None:
    cases, homes = load_exam(EXAMS / "home_en")
    figures = summary(grade(cases, homes, Hassil().run))
    assert 0.25 < figures["accuracy"] < 0.6
    assert figures["easy"] > figures["hard"]


def test_the_exam_is_found_from_a_source_tree() -> None:
    assert exam_folder() == EXAMS / "home_en"


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ({"light.a": {"brightness_step": "up"}}, {"light.a": {"brightness": 90}}, True),
        ({"light.a": {"brightness_step": "up"}}, {"light.a": {"brightness": 10}}, False),
        ({"light.a": {"state": "off"}}, {"light.a": {"state": "off"}, "light.b": {"state": "off"}}, False),
        ({"light.a": {"brightness": 30}}, {"light.a": {"brightness": 30.4}}, True),
        ({}, {}, True),
        ({"light.a": {"color": "red"}}, {"light.a": {"color": "blue"}}, False),
    ],
)
def test_changes_are_compared_by_meaning(want: dict, got: dict, same: bool) -> None:
    home = parse_home(
        {"areas": [], "entities": [
            {"id": "light.a", "name": "A", "state": "on", "attributes": {"brightness": 128}},
            {"id": "light.b", "name": "B", "state": "on"},
        ]}
    )  # fmt: skip
    assert same_changes(want, got, home) is same


def test_the_quickstart_sentences_fit_the_sample_home() -> None:
    home = parse_home(sample_home())
    assert len(QUICKSTART_SENTENCES) == 10
    assert all(here is None or home.area(here) for _, here in QUICKSTART_SENTENCES)


def test_a_bad_exam_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cases\.jsonl"):
        load_exam(tmp_path)
    (tmp_path / "homes").mkdir()
    (tmp_path / "homes" / "flat.json").write_text('{"areas": [], "entities": []}')
    (tmp_path / "cases.jsonl").write_text('{"home": "flat", "text": "hi", "expect": {}}\n{"home": "flat"}\n')
    with pytest.raises(DataError, match="line 2"):
        load_exam(tmp_path)
    (tmp_path / "cases.jsonl").write_text('{"home": "villa", "text": "hi", "expect": {}}\n')
    with pytest.raises(DataError, match="villa"):
        load_exam(tmp_path)


def test_home_assistants_sentences_are_what_its_own_grammar_knows() -> None:
    cases, homes = load_exam(EXAMS / "home_assistant")
    assert len(cases) >= 200 and {case.home for case in cases} == homes.keys()
    assert summary(grade(cases, homes, Hassil().run))["accuracy"] > 0.9  # the rest is of other versions of it
    assert summary(grade(cases, homes, lambda request: {"calls": []}))["accuracy"] < 0.02


def test_an_exam_without_hard_sentences_says_that_there_are_none() -> None:
    from trainer_host.quickstart import exam_table

    cases, homes = load_exam(EXAMS / "home_en")
    easy = summary(grade([case for case in cases if case.level == "easy"][:3], homes, lambda request: {"calls": []}))
    assert easy == {"cases": 3, "accuracy": 0.0, "easy": 0.0}
    rows = exam_table({**easy, "hassil_accuracy": 1.0, "hassil_easy": 1.0, "hassil_hard": None})[1]
    assert [row[1:] for row in rows] == [["0.0 %", "0.0 %", "none"], ["100.0 %", "100.0 %", "none"]]
