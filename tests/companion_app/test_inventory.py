"""A home file is read strictly, and what is wrong is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from companion_app.state.inventory import (
    MAX_BYTES,
    Inventory,
    InventoryError,
    parse_inventory,
    read_inventory,
)

KITCHEN = {"id": "kitchen", "name": "Kitchen"}
LAMP = {"id": "light.a", "name": "Lamp", "area": "kitchen", "domain": "light"}


def test_the_sample_home_is_a_home(home: Inventory) -> None:
    assert 10 <= len(home.entities) <= 16
    assert len({entity.domain for entity in home.entities}) >= 7
    assert home.name_of("vacuum.rosie") == "Rosie"
    assert home.name_of("light.unknown") == "light.unknown"


def test_the_document_goes_out_unchanged(home: Inventory) -> None:
    assert home.document["entities"][0]["aliases"] == ["big kitchen light"]  # type: ignore[index]


def test_an_empty_home_is_a_home() -> None:
    assert parse_inventory('{"areas": [], "entities": []}', title="t").entities == ()


@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ([], "object"),
        ({"areas": []}, '"entities"'),
        ({"areas": [1], "entities": []}, '"areas"'),
        ({"areas": [KITCHEN], "entities": [{**LAMP, "area": "attic"}]}, "attic"),
        ({"areas": [KITCHEN], "entities": [LAMP, LAMP]}, "twice"),
        ({"areas": [KITCHEN], "entities": [{**LAMP, "domain": None}]}, "domain"),
        ({"areas": [KITCHEN], "entities": [{**LAMP, "name": " "}]}, '"name"'),
        ({"areas": [KITCHEN], "entities": [{**LAMP, "area": 3}]}, "area"),
        ({"areas": [{"id": "x"}], "entities": []}, '"name"'),
    ],
)
def test_what_is_no_home_is_refused_with_a_sentence(document: object, hint: str) -> None:
    with pytest.raises(InventoryError, match=hint) as refused:
        parse_inventory(json.dumps(document), title="t")
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"{", b"[" * 200_000, b"x" * (MAX_BYTES + 1)])
def test_bad_files_are_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "home.json"
    path.write_bytes(content)
    with pytest.raises(InventoryError):
        read_inventory(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"gone\.json"):
        read_inventory(tmp_path / "gone.json")
    with pytest.raises(InventoryError):
        read_inventory(tmp_path)
