"""The manifest: one canonical form, strict reading, every refusal one sentence."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import strict_json
from edge_runtime.bundle import FileEntry, Manifest, Tokenizer
from edge_runtime.errors import BundleError

from .. import tiny

COMPLETE = dataclasses.replace(
    tiny.manifest(),
    tokenizer=Tokenizer("words", "vocab.txt", "c" * 64),
    files={
        "model.onnx": FileEntry(10, "a" * 64),
        "golden.json": FileEntry(2, "b" * 64),
        "vocab.txt": FileEntry(3, "c" * 64),
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_a_manifest_survives_its_json_and_has_one_form() -> None:
    data = COMPLETE.to_json()
    assert Manifest.from_json(data) == COMPLETE
    assert Manifest.from_json(data).to_json() == data
    assert data.endswith(b"}\n") and b": " not in data.split(b'"io"')[0]
    assert Manifest.from_json(json.dumps(json.loads(data), indent=2).encode()).to_json() == data


def paths(value: object, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [prefix] if prefix else []
    if isinstance(value, dict):
        for key in value:
            # What is free-form or a map has no fields to check.
            if prefix[:1] not in (("io",), ("metrics",), ("lineage",), ("options",)) or len(prefix) < 1:
                found += paths(value[key], (*prefix, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            found += paths(value[index], (*prefix, index))
    return found


RAW = json.loads(COMPLETE.to_json())


@pytest.mark.parametrize("path", paths(RAW), ids=lambda p: ".".join(map(str, p)))
def test_every_field_is_checked_for_its_type(path: tuple[Any, ...]) -> None:
    raw = copy.deepcopy(RAW)
    place: Any = raw
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = 3 if isinstance(place[path[-1]], str) else "3"
    with pytest.raises(BundleError) as caught:
        Manifest.from_json(json.dumps(raw).encode())
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(RAW))
def test_every_field_is_required(key: str) -> None:
    raw = {k: v for k, v in RAW.items() if k != key}
    with pytest.raises(BundleError):
        Manifest.from_json(json.dumps(raw).encode())


CHANGES: dict[str, dict[str, object]] = {
    "unknown field": {"extra": 1},
    "newer format": {"format": 2},
    "a name that is a path": {"name": "../x"},
    "a task that is a path": {"task": "os.path"},
    "a version that isn't one": {"version": "1.0"},
    "no model": {"models": []},
    "labels twice": {"labels": ["a", "a"]},
    "a threshold over 1": {"thresholds": {"unsure": 1.5}},
    "no golden vector": {"golden": {"file": "golden.json", "count": 0}},
    "a golden file that isn't there": {"golden": {"file": "other.json", "count": 1}},
    "a file that is a path": {"files": {"../x": {"bytes": 1, "sha256": "a" * 64}}},
    "the manifest as a file": {"files": {**RAW["files"], "manifest.json": {"bytes": 1, "sha256": "a" * 64}}},
    "another tokenizer": {"tokenizer": {"scheme": "words", "file": "vocab.txt", "sha256": "d" * 64}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_contradictions_are_refused(change: str) -> None:
    with pytest.raises(BundleError):
        Manifest.from_json(json.dumps(RAW | CHANGES[change]).encode())


@given(st.sampled_from(sorted(RAW)), JSON)
def test_any_value_in_any_field_is_read_or_refused_with_our_error(key: str, value: object) -> None:
    try:
        made = Manifest.from_json(json.dumps(RAW | {key: value}).encode())
    except BundleError:
        return
    assert Manifest.from_json(made.to_json()) == made


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_with_our_error(junk: bytes) -> None:
    with pytest.raises(BundleError):
        Manifest.from_json(junk)


@given(JSON)
def test_strict_json_reads_what_it_writes(value: object) -> None:
    assert strict_json.loads(strict_json.dumps(value)) == value
