from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from trainer_host.data.packs.card import Parent
from trainer_host.errors import DataError
from trainer_host.training.lineage import (
    Lineage,
    Record,
    child,
    founder,
    licence_clash,
    parse_lineage,
    problems,
    read_lineage,
    save_born,
    write_lineage,
)

PACK = Parent("sha256:" + "1" * 64, "birds", "1.0.0", "CC-BY-4.0", ("Grace",))


def record(name: str, **changes: object) -> Record:
    return replace(Record(name, f"sha256:{name}", "Apache-2.0", (name.title(),)), **changes)  # type: ignore[arg-type]


def three_generations() -> Lineage:
    """ada and bob, their merge, and a fork of it."""
    ada, bob = (child(record(name, packs=(PACK,) if name == "bob" else ()), []) for name in ("ada", "bob"))
    merged = child(record("merged", method="merge ties", shares=(0.5, 0.5)), [ada, bob])
    return child(record("fork", method="fork", shares=(1.0,)), [merged])


def test_three_generations_are_verified_and_all_are_named() -> None:
    family = three_generations()
    assert problems(family) == []
    assert [one.name for one in family.ancestors] == ["merged", "ada", "bob"]
    assert family.attribution() == [
        "fork by Fork (Apache-2.0, fork)",
        "merged by Merged (Apache-2.0, merge ties)",
        "ada by Ada (Apache-2.0, trained)",
        "bob by Bob (Apache-2.0, trained)",
        "data birds 1.0.0 by Grace (CC-BY-4.0)",
    ]
    assert [len(line) - len(line.lstrip()) for line in family.tree()] == [0, 2, 4, 4]
    assert parse_lineage(json.dumps(family.to_json()).encode(), "x") == family


@pytest.mark.parametrize("lost", range(3))
def test_no_ancestor_can_be_left_out(lost: int) -> None:
    family = three_generations()
    kept = tuple(one for place, one in enumerate(family.ancestors) if place != lost)
    assert any("missing or was changed" in told for told in problems(replace(family, ancestors=kept)))


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    "change", [{"authors": ("Eve",)}, {"licence": "MIT"}, {"weights": "sha256:0"}, {"packs": ()}, {"shares": (0.1,)}]
)
def test_no_word_of_an_ancestor_can_be_changed(place: int, change: dict[str, object]) -> None:
    family = three_generations()
    changed = list(family.ancestors)
    changed[place] = replace(changed[place], **change)  # type: ignore[arg-type]
    if changed[place] != family.ancestors[place]:
        assert any("missing or was changed" in told for told in problems(replace(family, ancestors=tuple(changed))))


def test_a_stranger_among_the_ancestors_is_told() -> None:
    family = three_generations()
    assert problems(replace(family, ancestors=(*family.ancestors, record("eve")))) == ["'eve' is nobody's parent here."]


@pytest.mark.parametrize(
    ("licence", "parent", "told"),
    [
        ("Apache-2.0", "CC-BY-SA-4.0", "must be too"),
        ("Apache-2.0", "CC-BY-NC-4.0", "can't be sold"),
        ("MIT", "CC-BY-ND-4.0", "nothing made from it"),
        ("Secret-1.0", "MIT", "isn't a licence"),
    ],
)
def test_clashes_of_licences_are_reported_over_models_and_data(licence: str, parent: str, told: str) -> None:
    assert told in (licence_clash(licence, [parent]) or "")
    own = record("own", licence=licence)
    for family in (own, replace(own, packs=(replace(PACK, licence=parent),))):
        parents = [] if family.packs else [Lineage(record("parent", licence=parent))]
        with pytest.raises(DataError, match=told):
            child(family, parents)


def test_a_clash_two_generations_up_is_reported_too() -> None:
    ada = child(record("ada", licence="CC-BY-SA-4.0"), [])
    merged = record("merged", licence="MIT", parents=(ada.own.address,))
    family = Lineage(record("fork", parents=(merged.address,)), (merged, ada.own))
    assert any(told.startswith("'merged'") and "must be too" in told for told in problems(family))


def written(folder: Path) -> tuple[Path, Lineage]:
    """A run folder whose model has two parents."""
    folder.mkdir()
    parents = [child(record(name), []) for name in ("ada", "bob")]
    weights = save_born(folder, {"w": torch.arange(4.0)}, parents)
    family = child(record("own", weights=weights, method="merge average", shares=(0.5, 0.5)), parents)
    write_lineage(folder, family)
    return folder, family


def test_a_lineage_comes_back_from_its_folder(tmp_path: Path) -> None:
    folder, family = written(tmp_path / "run")
    assert read_lineage(folder) == family
    assert torch.equal(load_file(folder / "weights.safetensors")["w"], torch.arange(4.0))


def test_a_model_with_parents_is_refused_without_its_lineage(tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "run")
    (folder / "lineage.json").unlink()
    with pytest.raises(DataError, match=r"made from others, but lineage.json"):
        read_lineage(folder)


def test_a_lineage_of_other_parents_or_weights_is_refused(tmp_path: Path) -> None:
    folder, family = written(tmp_path / "run")
    write_lineage(folder, founder("own", family.own.weights, "MIT", ["Eve"]))
    with pytest.raises(DataError, match="other parents"):
        read_lineage(folder)
    write_lineage(folder, family)
    save_file(
        {"w": torch.zeros(4)}, folder / "weights.safetensors"
    )  # the header is stripped, and with it the hash changes
    with pytest.raises(DataError, match="other weights"):
        read_lineage(folder)


def test_a_model_without_parents_needs_no_lineage(tmp_path: Path) -> None:
    save_born(tmp_path, {"w": torch.zeros(2)}, [])
    assert read_lineage(tmp_path) is None


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"format": 1}', b'{"format": 9}', b'{"format": 1, "own": {}, "ancestors": []}']
)
def test_a_damaged_file_is_one_error(tmp_path: Path, content: bytes) -> None:
    folder, _ = written(tmp_path / "run")
    (folder / "lineage.json").write_bytes(content)
    with pytest.raises(DataError):
        read_lineage(folder)


def test_nobody_is_no_author() -> None:
    with pytest.raises(DataError, match="--author"):
        founder("x", "sha256:0", "MIT", [" "])
