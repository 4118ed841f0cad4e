"""What a signed target requires, against what a device is."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.config import Config
from edge_runtime.engines import available_runtimes
from edge_runtime.engines.opsets import highest_opset
from edge_runtime.tasks import router
from edge_runtime.update.compatibility import (
    Here,
    machine_name,
    misfits,
    schema_hash,
    schema_of,
    this_device,
)

ROUTER = schema_hash({"request": router.REQUEST_SCHEMA, "response": router.RESPONSE_SCHEMA})
HERE = Here("aarch64", {"onnxruntime": "1.20.1"}, 400.0, lambda: 21, schema_of)
FITS: dict[str, object] = {
    "runtimes": {"onnxruntime": ["1.29.0"], "ai-edge-litert": ["2.3.0"]},
    "machines": ["aarch64", "x86_64"],
    "memory_mb": 12,
    "opset": 17,
    "schema": ROUTER,
}


def told(changed: dict[str, object], here: Here = HERE, task: str = "router") -> list[str]:
    return misfits({"task": task, "requires": {**FITS, **changed}}, here)


def test_what_fits_has_no_misfits_and_what_asks_nothing_fits() -> None:
    assert told({}) == []
    assert misfits({"task": "router"}, HERE) == []
    assert told({"runtimes": {}, "machines": [], "memory_mb": 0, "opset": 0, "schema": ""}) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"runtimes": {"ai-edge-litert": ["2.3.0"]}}, "scored in ai-edge-litert 2.3.0, and this device may use onnxruntime 1.20.1"),
        ({"runtimes": {"onnxruntime": ["2.0.0"]}}, "onnxruntime 2.0.0"),
        ({"machines": ["x86_64", "amd64"]}, "for x86_64, and this device is aarch64"),
        ({"memory_mb": 401}, "needs 401 MB of memory, and models may have 400 MB"),
        ({"opset": 22}, "ONNX opset 22, and onnxruntime reads up to 21"),
        ({"schema": "0" * 64}, "takes or gives other fields"),
        ({"task": "telepathy"}, "doesn't know the task 'telepathy'"),
    ],
)  # fmt: skip
def test_each_thing_that_lacks_is_told_in_a_sentence(changed: dict[str, object], words: str) -> None:
    (sentence,) = told({k: v for k, v in changed.items() if k != "task"}, task=str(changed.get("task", "router")))
    assert words in sentence
    assert sentence.endswith(".")


def test_all_that_lacks_is_told_at_once() -> None:
    assert len(told({"machines": ["riscv64"], "memory_mb": 9999, "opset": 40, "schema": "0" * 64})) == 4


def test_a_requirement_of_a_later_version_is_not_passed_over() -> None:
    (sentence,) = told({"npu": "hailo8"})
    assert "'npu'" in sentence
    assert "update Enigma" in sentence


@pytest.mark.parametrize(
    "changed",
    [
        {"runtimes": ["onnxruntime"]},
        {"runtimes": {"onnxruntime": "1.0"}},
        {"runtimes": {str(i): ["1"] for i in range(100)}},
        {"machines": "aarch64"},
        {"machines": [1]},
        {"memory_mb": -1},
        {"memory_mb": True},
        {"opset": float("nan")},
        {"schema": 5},
        {"schema": "0"},
    ],
)
def test_what_cant_be_read_is_a_reason(changed: dict[str, object]) -> None:
    (sentence,) = told(changed)
    assert "can't be read" in sentence


json = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6)  # fmt: skip


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*FITS, "more"]), json), json)
def test_anything_gives_short_sentences(requires: dict[str, object], task: object) -> None:
    for sentence in misfits({"task": task, "requires": requires}, HERE):
        assert len(sentence) < 500


def test_a_model_without_the_runtime_s_opset_rule_is_judged_by_its_runtime_alone() -> None:
    litert = dataclasses.replace(HERE, runtimes={"ai-edge-litert": "2.3.0"})
    assert told({"opset": 99}, litert) == []


def test_this_device_is_what_it_is() -> None:
    here = this_device(Config())
    assert here.runtimes == {name: version for name, version in available_runtimes().items()}
    assert here.memory_mb > 64
    if "onnxruntime" not in here.runtimes:
        assert highest_opset() == 0
        return
    assert 17 <= highest_opset() < 64  # the models of this repository have 17 and open here
    assert misfits({"task": "router", "requires": {"opset": 17, "schema": ROUTER}}, here) == []


def test_one_machine_has_one_name() -> None:
    assert machine_name("AMD64") == machine_name("x86_64")
    assert machine_name("arm64") == "aarch64"
