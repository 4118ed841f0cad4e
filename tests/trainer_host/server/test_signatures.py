"""Co-signatures over the host's API."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.update.cosign import look, signature, signer
from tests.edge_runtime import tiny
from tests.trainer_host.release.updates import NAME, Clock, give, made
from tests.trainer_host.server.conftest import Client
from trainer_host.release.cosign import asked, take_signature
from trainer_host.release.publish import publish_bundles
from trainer_host.release.trust import Plan
from trainer_host.server.access import scope_of
from trainer_host.workspace import Workspace

PHONE = bytes([1]) * 32


async def waiting(client: Client) -> list[dict[str, object]]:
    """What the phone is asked to sign."""
    found = (await client.get("/v1/signatures"))["waiting"]
    assert isinstance(found, list)
    return found


async def test_a_phone_sees_what_would_change_and_puts_it_in_force_by_its_signature(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    assert await waiting(client) == []
    repository = made(workspace.home, Clock(), Plan(cosigners=(public_key_of(PHONE),)))
    for role in ("root", "targets", "models/router"):
        if role == "models/router":
            give(repository, tmp_path, "1.0.0")
        found = next(each for each in await waiting(client) if each["role"] == role)
        raw = base64.b64decode(str(found["metadata"]))
        assert list(look(role, raw).changes) == found["changes"] and (found["have"], found["need"]) == (1, 2)
        keyid, signed = signature(role, raw, PHONE)
        assert found["lacking"] == [keyid] == [signer(PHONE)[1]]
        body = {"role": role, "version": found["version"], "keyid": keyid, "signature": signed}
        answer = await client.call("POST", "/v1/signatures", body)
        assert answer.status == 200 and role not in [each["role"] for each in answer.json["waiting"]]  # type: ignore[attr-defined]
        assert found["scores"] == {}, "what isn't a bundle has none"
    assert NAME.format("1.0.0") in repository.targets()


@pytest.mark.skipif(tiny.RUNTIME != "onnxruntime", reason="the tiny model is ONNX's")
async def test_of_a_bundle_it_is_said_how_it_did_in_the_gate(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    repository = made(workspace.home, Clock(), Plan(cosigners=(public_key_of(PHONE),)))
    for each in asked(repository):
        take_signature(repository, each.waiting.name, 1, *signature(each.waiting.name, each.raw, PHONE))
    bundle = tmp_path / "tiny-1.0.0.enigma"
    tiny.make_bundle(bundle, tiny.usable_manifest("1.0.0"), seed=1)
    publish_bundles(workspace, repository, [bundle], public_key_of(tiny.KEY))
    (found,) = await waiting(client)
    (scores,) = found["scores"].values()  # type: ignore[attr-defined]
    assert [name.split()[0] for name in scores] == ["onnxruntime"] and list(scores.values()) == [0.9]


async def test_wrong_signatures_are_one_sentence_and_change_nothing(client: Client, workspace: Workspace) -> None:
    made(workspace.home, Clock(), Plan(cosigners=(public_key_of(PHONE),)))
    before = await waiting(client)
    raw = base64.b64decode(str(before[0]["metadata"]))
    keyid, signed = signature("root", raw, PHONE)
    right = {"role": "root", "version": 1, "keyid": keyid, "signature": signed}
    for wrong, words in (
        ({"role": "fleet"}, "doesn't wait"),
        ({"version": 2}, "doesn't wait"),
        ({"version": True}, '"version"'),
        ({"keyid": "0" * 64}, "no signature of a key that may sign"),
        ({"signature": signed[:-2] + "ff"}, "no signature of a key that may sign"),
        ({"signature": "not hex"}, "no signature of a key that may sign"),
        ({"signature": "0" * 1000}, '"signature"'),
        ({"more": 1}, "nothing else"),
    ):
        answer = await client.call("POST", "/v1/signatures", {**right, **wrong})
        assert answer.status == 422 and words in answer.message
    assert await waiting(client) == before


def test_who_may_give_a_signature_owns_the_host() -> None:
    assert scope_of("POST", "/v1/signatures") == "owner"
