"""What the Open Inference Protocol says holds here for requests that a machine thinks up after its description."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

pytest.importorskip("schemathesis")

import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ..conftest import StartDevice, edge
from .open_inference import document

EXAMPLES = 4  # for each address
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_it_holds_for_requests_that_schemathesis_thinks_up(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    assert edge("install", bundles["v1"], "--state", state).returncode == 0
    device = start_device()
    described = document("tiny", "1.0.0")
    answered: Counter[tuple[str, int]] = Counter()
    for found in schemathesis.openapi.from_dict(described).get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            response = case.call_and_validate(base_url=device.url, checks=CHECKS)
            answered[case.operation.path, response.status_code] += 1

        ask()
        if operation.method.upper() == "POST":
            example = described["paths"][operation.path]["post"]["requestBody"]["content"]["application/json"]["schema"]
            answers = []
            for body in (example["example"], {"inputs": []}):
                case = operation.Case(path_parameters={"MODEL_NAME": "tiny", "MODEL_VERSION": "1.0.0"})
                case.body, case.media_type = body, "application/json"
                answers.append(case.call_and_validate(base_url=device.url, checks=CHECKS))
                answered[operation.path, answers[-1].status_code] += 1
            answer = answers[0].json()
            assert answer["id"] == "42" and [one["name"] for one in answer["outputs"]] == ["probabilities"]
            assert sum(answer["outputs"][0]["data"]) == pytest.approx(1, abs=1e-5)
            assert answers[1].status_code == 400
    assert {path for path, _ in answered} == described["paths"].keys()
    # Each of those that only look is right; of tensors, the described example's are. What else is thought up depends on
    # which modules are loaded, so neither status is left to it.
    for path in described["paths"]:
        good = {200, 400} if path.endswith("/infer") else {200}
        assert {status for where, status in answered if where == path} == good, path
    assert "Traceback" not in device.log
