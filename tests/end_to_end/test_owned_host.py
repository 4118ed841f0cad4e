"""A phone co-signs models; somebody owns the host with all of its keys, and the device's own client and daemon are asked."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.config import Config
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import grant
from edge_runtime.identity.tokens import TokenStore
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update.agent import UpdateAgent
from edge_runtime.update.cosign import cosign
from edge_runtime.update.desired import Rollout, write_desired
from edge_runtime.update.ground import Alone
from edge_runtime.update.install import Installer
from edge_runtime.update.slots import Slots
from edge_runtime.update.source import follow
from edge_runtime.update.tuf.metadata import Role, Root, Signed, Targets, sign
from tests.edge_runtime import tiny
from tests.edge_runtime.conftest import RunningDevice, trust
from tests.trainer_host.release.test_cosign import forged, stolen
from tests.trainer_host.release.updates import Clock, made
from trainer_host.errors import TrainerError
from trainer_host.release.cosign import asked, take
from trainer_host.release.publish import publish_bundles
from trainer_host.release.repository import Repository
from trainer_host.release.roles import FLEET, MODELS, ROLES, ROOT, TARGETS
from trainer_host.release.trust import Plan
from trainer_host.workspace import Workspace

PHONE = bytes([9]) * 32
TRUSTED = public_key_of(tiny.KEY)


def phone_signs(repository: Repository) -> None:
    """Its owner looked, and agreed."""
    for each in asked(repository):
        take(repository, each.waiting.name, cosign(each.waiting.name, each.raw, PHONE))


def rollout(repository: Repository, target: str) -> Rollout:
    return Rollout("r-1", "tiny", target, repository.targets()[target].hashes["sha256"])


def bundle(folder: Path, version: str, seed: int) -> Path:
    path = folder / f"tiny-{version}.enigma"
    tiny.make_bundle(path, tiny.usable_manifest(version), seed=seed)  # by the very key that the device trusts
    return path


def serves(state: Path) -> str:
    """The version that the device's pointer names, its bytes checked."""
    slots = Slots(state)
    pointer = slots.pointers()["tiny"]
    assert pointer is not None
    return slots.check(pointer.active).version


def update(state: Path, public: Path) -> str:
    """One run of the device's own updater, as without a daemon; why it took nothing, empty where nothing hindered it."""

    async def run() -> str:
        installer = Installer(Slots(state), TrustStore(IdentityFolder(state)), Config())
        agent = UpdateAgent(state, Config(), installer, Alone(installer), "device")
        try:
            await agent.before_start()
            await agent.check([str(public)])
            await agent.rest(60)
            return " ".join([agent.cause, *agent.hindered.values()]).strip()
        finally:
            await agent.close()

    return asyncio.run(run())


@pytest.mark.skipif(not tiny.RUNTIME, reason="no runtime for models here")
def test_a_model_that_the_phone_did_not_sign_reaches_no_device(tmp_path: Path) -> None:
    home, state = Workspace(tmp_path / "home"), tmp_path / "device"
    repository = made(home.home, Clock(), Plan(cosigners=(public_key_of(PHONE),)))
    phone_signs(repository)
    publish_bundles(home, repository, [bundle(tmp_path, "1.0.0", 1)], TRUSTED)
    phone_signs(repository)
    good = "models/router/tiny-1.0.0.enigma"
    repository.set_desired([rollout(repository, good)])
    trust(state)
    root = (repository.public / "metadata" / "1.root.json").read_bytes()
    follow(state, root, [str(repository.public)], direct_push=False)

    assert update(state, repository.public) == "" and serves(state) == "1.0.0"

    # By the command: it waits, and what the fleet shall run can't name it.
    evil = bundle(tmp_path, "6.6.6", 6)
    done, [release] = publish_bundles(home, repository, [evil], TRUSTED)
    assert not done.changed and done.waiting == ("models/router",)
    with pytest.raises(TrainerError, match="isn't published with that content"):
        repository.set_desired([Rollout("r-2", "tiny", release.target, "0" * 64)])
    assert update(state, repository.public) == "" and serves(state) == "1.0.0"

    # By hand, with all of the host's keys.
    keys, now = stolen(repository, *ROLES), repository.state()
    target = dataclasses.replace(now.delegated["models/router"].content.targets[good], name=release.target)
    raw = evil.read_bytes()
    target = dataclasses.replace(target, **_measured(repository, release.target, raw), custom=release.custom)
    models = now.delegated["models/router"].content
    more = dataclasses.replace(models, version=models.version + 1, targets={**models.targets, target.name: target})
    wanted = repository.files.store(
        "fleet/desired.json", write_desired([Rollout("r-2", "tiny", target.name, target.hashes["sha256"])])
    )
    fleet = now.delegated[FLEET].content
    gives = dataclasses.replace(fleet, version=fleet.version + 1, targets={wanted.name: wanted})
    by_host, to_all = sign(more, [keys[MODELS]]), sign(gives, [keys[FLEET]])
    both = dataclasses.replace(gives, targets={wanted.name: wanted, target.name: target})
    lax = sign(_alone(now.targets.content), [keys[TARGETS]])
    lax_root = sign(_alone_root(now.root.content), [keys[ROOT]])
    attacks: list[tuple[str, dict[str, Signed], dict[str, Signed]]] = [
        ("has 1 of the 2 signatures", {"models/router": by_host, FLEET: to_all}, {}),
        # The fleet's role as the one that has the model, and nobody else.
        ("didn't sign that file", {FLEET: sign(both, [keys[FLEET]])}, {}),
        # Rules by which the host's signature is enough.
        ("targets metadata has 1 of the 2 signatures", {TARGETS: lax, "models/router": by_host, FLEET: to_all}, {}),
        ("root metadata has 1 of the 2", {TARGETS: lax, "models/router": by_host, FLEET: to_all}, {ROOT: lax_root}),
    ]
    for number, (why, changes, roots) in enumerate(attacks):
        owned = Repository(tmp_path / f"owned-{number}", repository.keys, repository.clock)
        shutil.copytree(repository.public, owned.public)
        device_state = tmp_path / f"device-{number}"
        shutil.copytree(state, device_state)
        forged(owned, changes, keys)
        for name, signed in roots.items():
            owned.files.write(name, signed)
        assert why in update(device_state, owned.public)
        assert serves(device_state) == "1.0.0"

    # Past the repository: straight to the device, by the token that the host was paired with.
    token = TokenStore(IdentityFolder(state)).add("host", grant("releaser"))
    device = RunningDevice(state)
    try:
        pushed = device.push(evil, token)
        assert pushed.status == 403 and "only from the repository of updates that it follows" in pushed.message
        assert device.push(evil).status == 403  # the owner's own token neither
        body = json.dumps({"root": "", "urls": ["http://evil.example"]}).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        assert device.request("PUT", "/v1/updates/source", body, headers).status == 403
        assert device.request("DELETE", "/v1/updates/source", None, headers).status == 403
        assert device.version() == "1.0.0"
    finally:
        device.stop()


def _measured(repository: Repository, name: str, raw: bytes) -> dict[str, object]:
    stored = repository.files.store(name, raw)
    return {"length": stored.length, "hashes": stored.hashes}


def _alone(targets: Targets) -> Targets:
    delegations = tuple(dataclasses.replace(each, threshold=1) for each in targets.delegations)
    return dataclasses.replace(targets, version=targets.version + 1, delegations=delegations)


def _alone_root(root: Root) -> Root:
    roles = {name: Role(role.keyids, 1) for name, role in root.roles.items()}
    return dataclasses.replace(root, version=root.version + 1, roles=roles)
