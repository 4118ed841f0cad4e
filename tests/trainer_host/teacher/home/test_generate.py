from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from edge_runtime.home.inventory import parse_home
from edge_runtime.home.parse import TokenLabels, clauses_of
from edge_runtime.home.resolve import Call, resolve
from edge_runtime.home.simulate import execute
from edge_runtime.home.words import tokenize
from trainer_host.teacher.home.generate import generate_home_dataset, held_out
from trainer_host.teacher.home.grammar import Clause, own_templates, their_templates
from trainer_host.teacher.home.homes import generate_home
from trainer_host.teacher.home.noise import roughen, slip
from trainer_host.teacher.home.say import Scene, Word


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("homes")
    return folder, generate_home_dataset(folder, examples=800, seed=5, processes=1)


def rows(folder: Path, split: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def test_no_template_no_home_and_no_sentence_is_on_both_sides(dataset: tuple[Path, dict]) -> None:
    folder, figures = dataset
    train, held = rows(folder, "train"), rows(folder, "heldout")
    assert len(train) + len(held) == figures["examples"] > 750

    def templates(split: list[dict]) -> set[str]:
        return {t for row in split for t in row["meta"]["template"].split(" + ")}

    assert not templates(train) & templates(held)
    assert not {row["input"]["home"] for row in train} & {row["input"]["home"] for row in held}
    assert not {row["input"]["text"].lower() for row in train} & {row["input"]["text"].lower() for row in held}


def test_every_label_gives_its_calls_and_can_be_executed_in_its_home(dataset: tuple[Path, dict]) -> None:
    folder, _ = dataset
    homes = {h["id"]: parse_home({k: h[k] for k in ("areas", "entities")}) for h in rows(folder, "homes")}
    for row in rows(folder, "train"):
        tokens, table = tokenize(row["input"]["text"]), row["meta"]["labels"]
        labels = TokenLabels(
            [bool(x) for x in table["begins"]], table["actions"], table["tags"], [bool(x) for x in table["excluded"]],
            table["kinds"],
        )  # fmt: skip
        home = homes[row["input"]["home"]]
        outcome = resolve(clauses_of(tokens, labels), home, row["input"]["context"].get("area"))
        assert [call.name for call in outcome.calls] == [call["name"] for call in row["output"]["calls"]]
        execute([Call(c["name"], c["arguments"], tuple(c["targets"])) for c in row["output"]["calls"]], home)


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate_home_dataset(tmp_path / name, examples=120, seed=seed, processes=1)
    a, b, c = ((tmp_path / name / "train.jsonl").read_bytes() for name in "abc")
    assert a == b != c


def test_both_grammars_contribute_and_the_hard_forms_appear(dataset: tuple[Path, dict]) -> None:
    train = rows(dataset[0], "train")
    theirs = sum(row["meta"]["template"].startswith("Hass") for row in train)
    assert 0.1 < theirs / len(train) < 0.6
    seen = Counter(
        {
            "exclusion": sum(any(row["meta"]["labels"]["excluded"]) for row in train),
            "several": sum(sum(row["meta"]["labels"]["begins"]) > 1 for row in train),
            "question": sum(row["output"]["question"] is not None for row in train),
            "nothing": sum(not row["output"]["calls"] for row in train),
        }
    )
    assert all(seen[form] >= 10 for form in ("exclusion", "several", "question", "nothing")), seen


def test_the_package_grammar_is_used_as_a_whole() -> None:
    intents = {template.key.partition(":")[0] for template in their_templates()}
    assert len(intents) >= 38
    assert len(their_templates()) > 700
    assert len(own_templates()) > 500
    share = sum(held_out(t.key) for t in own_templates()) / len(own_templates())
    assert 0.05 < share < 0.15


def test_noise_keeps_labels_on_their_words() -> None:
    rng = random.Random(3)
    words = [
        Word("turn"),
        Word("off"),
        Word("the"),
        Word("kitchen", "AREA", begin=True),
        Word("lights", "KIND", "light", begin=True),
    ]
    for _ in range(300):
        tagged = [w.slot for w in roughen(words, rng) if w.slot]
        assert tagged == ["AREA", "KIND"]


def test_a_slip_is_one_small_edit() -> None:
    rng = random.Random(0)
    for _ in range(200):
        changed = slip("kitchen", rng)
        assert abs(len(changed) - 7) <= 1
        assert changed[0] == "k"


def test_generated_homes_are_valid_and_differ() -> None:
    homes = [generate_home(random.Random(seed)) for seed in range(40)]
    parsed = [parse_home(home) for home in homes]
    assert len({tuple(e.name for e in home.entities) for home in parsed}) == 40
    assert all(2 <= len(home.areas) <= 12 and home.entities for home in parsed)


def test_a_scene_without_matching_things_is_unsayable_not_an_error() -> None:
    from trainer_host.teacher.home.say import Unsayable
    from trainer_host.teacher.home.targets import target

    empty = Scene(parse_home({"areas": [], "entities": []}), None, random.Random(0))
    with pytest.raises(Unsayable):
        target(empty, ("light",))
    assert Clause("none", "any", [], "x").ids is None
