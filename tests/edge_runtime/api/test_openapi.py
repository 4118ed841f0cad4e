"""The API's own description: it says what there is, and what it says holds for requests that a machine thinks up."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import RunningDevice, StartDevice, edge, edge_environment
from .test_access import MATRIX

EXAMPLES = 4  # for each address


def test_every_address_stands_there_with_what_it_needs(shared_device: RunningDevice) -> None:
    made = shared_device.get("/openapi.json").json
    found = {(method.upper(), path) for path, each in made["paths"].items() for method in each}
    assert found >= MATRIX.keys()
    assert {path for _, path in found - MATRIX.keys()} == {"/v1/run/tiny"}
    run = made["paths"]["/v1/run/tiny"]["post"]
    assert run["requestBody"]["content"]["application/json"]["schema"]["required"] == ["text"]
    assert "`operator`" in run["description"] and "`owner`" in made["paths"]["/v1/tokens"]["get"]["description"]
    assert all(one["summary"] for each in made["paths"].values() for one in each.values())


@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_what_it_says_holds_for_requests_that_schemathesis_thinks_up(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    assert edge("install", bundles["v1"], "--state", state).returncode == 0
    device = start_device()
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{device.url}/openapi.json", "--checks", checks]
    options = ["--max-examples", str(EXAMPLES), "--seed", "1", "--phases", "examples,fuzzing", "--no-color"]
    # A stream of events and one of sound have no end of their own; what removes ends what the others ask.
    left_out = ["--exclude-path", "/v1/events", "--exclude-path-regex", "/v1/(listen/|remove/|rollback/|restart)"]
    done = subprocess.run(
        [*command, *options, *left_out, "-H", f"Authorization: Bearer {device.token}"],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=state.parent,
        env=edge_environment(),
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"[1-9]\d* generated", done.stdout), done.stdout[-2000:]
    assert device.version() == "1.0.0" and "Traceback" not in device.log
