"""Adapters on a device: pushed alone, over the base that they name, and gone without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model files are made by the trainer's export")
pytest.importorskip("peft", reason="PEFT is in the extra 'llm'")

from edge_runtime.bundle import Manifest
from edge_runtime.cli import main
from tests.edge_runtime.api import chatty
from tests.edge_runtime.conftest import RunningDevice, StartDevice, edge
from tests.edge_runtime.update.adapted import adapter_bundle, manifest_of

Json = dict[str, object]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapters")


@pytest.fixture(scope="module")
def base(folder: Path) -> tuple[Path, Manifest]:
    made = chatty.make_bundle(folder, adapters=True)
    return made, manifest_of(made, folder / "unpacked")


@pytest.fixture(scope="module")
def skill(folder: Path, base: tuple[Path, Manifest]) -> tuple[Path, Json, Json]:
    return adapter_bundle(folder, base[1])


def answer(device: RunningDevice, name: str, request: Json) -> object:
    reply = device.request("POST", f"/v1/run/{name}", request)
    return reply.json.get("reply", reply.json.get("error"))


def test_an_adapter_is_pushed_alone_and_unloaded_and_its_base_answers_as_before(
    start_device: StartDevice, state: Path, base: tuple[Path, Manifest], skill: tuple[Path, Json, Json]
) -> None:
    device, (path, request, wanted) = start_device(), skill
    refused = device.push(path)
    assert refused.status == 422 and refused.json["error"]["code"] == "missing_base"
    assert "for the model" in refused.message and "push the bundle of 'chatty'" in refused.message
    assert device.push(base[0]).status == 200
    before = answer(device, "chatty", request)
    assert device.push(path).status == 200
    assert path.stat().st_size < base[0].stat().st_size / 3
    assert answer(device, "skill", request) == wanted["reply"] != before
    assert answer(device, "chatty", request) == before
    models = {model["name"]: model for model in device.get("/v1/models").json["models"]}
    assert models["skill"]["base"] == "chatty" and models["chatty"]["base"] is None

    device.kill()
    device = start_device()
    assert answer(device, "skill", request) == wanted["reply"]
    assert edge("remove", "skill", "--state", state).stdout == "skill is removed.\n"
    assert device.request("POST", "/v1/run/skill", request).status == 404
    assert answer(device, "chatty", request) == before
    assert len(list((state / "bundles").iterdir())) == 1
    owner = {"Authorization": f"Bearer {device.token}"}
    assert device.request("POST", "/v1/remove/skill", headers=owner).status == 404


def test_an_adapter_goes_on_over_its_own_base_where_a_newer_one_serves(
    start_device: StartDevice, state: Path, tmp_path: Path, base: tuple[Path, Manifest], skill: tuple[Path, Json, Json]
) -> None:
    device, (path, request, wanted) = start_device(), skill
    newer = [chatty.make_bundle(tmp_path, version=f"{n}.0.0", seed=n, adapters=True).read_bytes() for n in (2, 3)]
    for bundle in (base[0], path, *newer):
        assert device.push(bundle).status == 200
    device.stop()
    device = start_device()
    assert device.version("chatty") == "3.0.0"
    assert answer(device, "skill", request) == wanted["reply"]
    owner = {"Authorization": f"Bearer {device.token}"}
    assert device.request("POST", "/v1/remove/skill", headers=owner).status == 200
    assert len(list((state / "bundles").iterdir())) == 2  # the base that only the adapter needed is gone with it


def test_a_daemon_isnt_needed_to_install_one(
    state: Path, base: tuple[Path, Manifest], skill: tuple[Path, Json, Json]
) -> None:
    assert main(["install", str(skill[0]), "--state", str(state)]) == 1
    assert main(["install", str(base[0]), "--state", str(state)]) == 0
    assert main(["install", str(skill[0]), "--state", str(state)]) == 0
    assert main(["bench", "skill", "--seconds", "0.1", "--state", str(state)]) == 0
