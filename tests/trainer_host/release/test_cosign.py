"""What each key can do, and what it can't: the phone beside the host, and thieves of one or of all of the host's keys."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.errors import BadRequest, EdgeError
from edge_runtime.update.cosign import cosign, look, role_of_file
from edge_runtime.update.desired import Rollout, write_desired
from edge_runtime.update.tuf.client import UpdateClient
from edge_runtime.update.tuf.metadata import MetaFile, Role, Signed, TargetFile, key_of, sign, to_bytes
from edge_runtime.update.tuf.transport import FolderTransport
from tests.trainer_host.release.updates import NAME, Clock, Reference, give, made, opened
from trainer_host.errors import TrainerError
from trainer_host.release.cosign import asked, copies, sign_copy, take
from trainer_host.release.repository import Repository
from trainer_host.release.roles import FLEET, MODELS, ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from trainer_host.release.settle import Done
from trainer_host.release.trust import COSIGNER, Plan, rotate

PHONE, PAPER, OTHER = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
GUARDED = Plan(root_threshold=2, root_keys=(public_key_of(PAPER),), cosigners=(public_key_of(PHONE),))
MODEL = NAME.format("1.0.0")


class Device:
    """The client of a device, over the folder that is served; it starts from the first root."""

    def __init__(self, public: Path, trust: Path) -> None:
        trust.mkdir(parents=True)
        shutil.copyfile(public / "metadata" / "1.root.json", trust / "root.json")
        self.public, self.trust = public, trust

    def forked(self, public: Path) -> Device:
        """The same device, looking at another copy."""
        made = Device.__new__(Device)
        made.public, made.trust = public, self.trust.with_name(os.urandom(4).hex())
        shutil.copytree(self.trust, made.trust)
        return made

    def fetch(self, name: str) -> tuple[TargetFile, bytes] | None:
        """A target as its roles sign for it; raises `EdgeError` as the client does."""

        async def found() -> tuple[TargetFile, bytes] | None:
            client = UpdateClient(self.trust, FolderTransport(self.public))
            await client.refresh()
            known = await client.target(name)
            return None if known is None else (known[0], await client.read(known[0], 2**20))

        return asyncio.run(found())


def sign_all(repository: Repository, *seeds: bytes) -> Done:
    """What waits, signed by these as they see it."""
    done = Done(False)
    for each in asked(repository):
        raw = each.raw
        for seed in seeds:
            raw = cosign(each.waiting.name, raw, seed)
        done = take(repository, each.waiting.name, raw)
    return done


@pytest.fixture
def guarded(tmp_path: Path) -> Repository:
    """Root 2 of host, phone and paper; models and delegations need the phone."""
    repository = made(tmp_path, Clock(), GUARDED)
    assert repository.waiting()
    assert sign_all(repository, PHONE).waiting == ()
    return repository


def test_roles_that_the_same_keys_sign_are_told_of_at_once(tmp_path: Path) -> None:
    repository = made(tmp_path, Clock(), GUARDED)
    delegations, root = (
        each.proposal.changes for each in sorted(asked(repository), key=lambda each: each.waiting.name == ROOT)
    )
    fleet, models = delegations
    assert fleet.startswith("fleet is signed by 1 of the keys ")
    assert (
        models.startswith("models/ 3d_gen, ")
        and ", router, " in models
        and " are each signed by 2 of the keys " in models
    )
    assert [line.split()[0] for line in root] == ["root", "snapshot", "targets", "timestamp"]


def test_nothing_is_published_before_the_phone_signed(guarded: Repository, tmp_path: Path) -> None:
    device, reference = Device(guarded.public, tmp_path / "d"), Reference(guarded.public, tmp_path / "r")
    give(guarded, tmp_path, "1.0.0")
    assert reference.targets("fleet/desired.json")
    [waiting] = asked(guarded)
    assert (waiting.waiting.name, waiting.waiting.have, waiting.waiting.need) == ("models/router", 1, 2)
    assert waiting.proposal.changes[0].startswith("Adds easy 1.0.0 (router, 0.00 MB, SHA-256 ")
    assert MODEL not in guarded.targets()
    assert sign_all(guarded, PHONE) == Done(True)
    assert guarded.waiting() == []
    found = device.fetch(MODEL)
    assert found is not None and found[1] == (tmp_path / "easy-1.0.0.enigma").read_bytes()
    assert reference.targets(MODEL)[MODEL] == found[1]


def test_another_bundle_goes_along_with_what_waits_and_both_are_told_of(guarded: Repository, tmp_path: Path) -> None:
    give(guarded, tmp_path, "1.0.0")
    stale = asked(guarded)[0]
    give(guarded, tmp_path, "1.1.0")
    with pytest.raises(TrainerError, match="sign the newest copy"):
        take(guarded, stale.waiting.name, cosign("models/router", stale.raw, PHONE))
    assert [line[:16] for line in asked(guarded)[0].proposal.changes] == ["Adds easy 1.0.0 ", "Adds easy 1.1.0 "]
    sign_all(guarded, PHONE)
    assert set(guarded.targets()) == {MODEL, NAME.format("1.1.0")}


def test_rollouts_and_renewal_go_on_while_a_change_of_keys_waits(guarded: Repository, tmp_path: Path) -> None:
    give(guarded, tmp_path, "1.0.0")
    sign_all(guarded, PHONE)
    assert rotate(guarded, FLEET).waiting
    target = guarded.targets()[MODEL]
    wanted = Rollout("r-1", "easy", MODEL, target.hashes["sha256"])
    assert guarded.set_desired([wanted]).changed
    assert guarded.desired() == (wanted,)
    assert Device(guarded.public, tmp_path / "before").fetch("fleet/desired.json")
    assert sign_all(guarded, PHONE).waiting == ()
    found = Device(guarded.public, tmp_path / "after").fetch("fleet/desired.json")
    assert found is not None and found[1] == write_desired([wanted])


def test_a_copy_is_signed_on_another_machine(guarded: Repository, tmp_path: Path) -> None:
    give(guarded, tmp_path, "1.0.0")
    [copy] = copies(guarded, tmp_path / "stick")
    assert role_of_file(copy.name) == "models/router"
    with pytest.raises(TrainerError, match="no signature of a key that may sign"):
        take(guarded, "models/router", copy.read_bytes())
    sign_copy(copy, OTHER)
    with pytest.raises(TrainerError, match="no signature of a key that may sign"):
        take(guarded, "models/router", copy.read_bytes())
    sign_copy(copy, PHONE)
    assert take(guarded, "models/router", copy.read_bytes()) == Done(True)


def test_a_phone_refuses_what_is_older_or_something_else_under_the_same_version(
    guarded: Repository, tmp_path: Path
) -> None:
    give(guarded, tmp_path, "1.0.0")
    first = asked(guarded)[0].raw
    sign_all(guarded, PHONE)
    give(guarded, tmp_path, "1.1.0")
    second = asked(guarded)[0].raw
    assert look("models/router", second, first).changes[0].startswith("Adds easy 1.1.0")
    assert look("models/router", first, first).again
    with pytest.raises(BadRequest, match="version 1 of models/router, and version 2"):
        cosign("models/router", first, PHONE, signed_before=second)
    give(guarded, tmp_path, "1.2.0")
    with pytest.raises(BadRequest, match="version 2 of models/router, and version 2"):
        look("models/router", asked(guarded)[0].raw, second)


def test_the_metadata_of_one_role_are_not_signed_as_those_of_another(guarded: Repository, tmp_path: Path) -> None:
    give(guarded, tmp_path, "1.0.0")
    models, keys = asked(guarded)[0].raw, to_bytes(guarded.state().targets)
    assert look("models/router", models).bundles[0].target == NAME.format("1.0.0") and not look("targets", keys).bundles
    for role, raw in (("targets", models), ("models/chat", models), ("models/router", keys), ("fleet", models)):
        with pytest.raises(BadRequest, match="what only another role may say"):
            cosign(role, raw, PHONE)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff" * 100, b"[" * 100_000, b" " * (512 * 1024 + 1)])
def test_what_is_no_metadata_is_refused_in_one_sentence(guarded: Repository, raw: bytes) -> None:
    with pytest.raises(EdgeError, match=r"[.]$"):
        cosign("models/router", raw, PHONE)
    with pytest.raises(TrainerError, match=r"[.]$"):
        take(guarded, "models/router", raw)


@pytest.mark.parametrize("name", ["fleet.json", "timestamp.json", "..%2Froot.json", "models.json", "x" * 300])
def test_a_phone_signs_for_no_other_roles(name: str) -> None:
    with pytest.raises(BadRequest, match="isn't metadata that wait"):
        role_of_file(name)


# Thieves


def forged(repository: Repository, changes: dict[str, Signed], keys: dict[str, bytes]) -> None:
    """Write metadata, and a snapshot and a timestamp of them, by keys that were stolen or made."""
    now = repository.state()
    meta = dict(now.snapshot.content.meta)
    for name, signed in changes.items():
        meta[f"{name}.json"] = MetaFile(signed.content.version)
        repository.files.write(name, signed)
    version = now.snapshot.content.version + 1
    snapshot = dataclasses.replace(now.snapshot.content, version=version, meta=meta)
    timestamp = dataclasses.replace(
        now.timestamp.content, version=now.timestamp.content.version + 1, snapshot=MetaFile(version)
    )
    repository.files.write(SNAPSHOT, sign(snapshot, [keys[SNAPSHOT]]))
    repository.files.write(TIMESTAMP, sign(timestamp, [keys[TIMESTAMP]]))


def stolen(repository: Repository, *roles: str) -> dict[str, bytes]:
    """The seeds of these roles that the host has."""
    found = {}
    for role in roles:
        [key] = repository.keys.held(role)
        assert key.seed is not None
        found[role] = key.seed
    return found


def evil(repository: Repository, name: str = "models/router/evil-1.0.0.enigma") -> TargetFile:
    """A file that nobody published, laid where clients look for it."""
    return repository.files.store(name, b"evil")


def test_stolen_online_keys_give_out_good_models_and_make_none(tmp_path: Path) -> None:
    """Fleet, snapshot and timestamp together: they say which published model a device gets, and nothing else."""
    repository = made(tmp_path, Clock())
    give(repository, tmp_path, "1.0.0", "1.1.0")
    device = Device(repository.public, tmp_path / "d")
    keys = stolen(repository, FLEET, SNAPSHOT, TIMESTAMP)
    good = repository.targets()[MODEL]
    wanted = write_desired([Rollout("r-9", "easy", MODEL, good.hashes["sha256"])])
    listed = repository.files.store("fleet/desired.json", wanted)
    fleet = repository.state().delegated[FLEET].content
    again = dataclasses.replace(fleet, version=fleet.version + 1, targets={listed.name: listed})
    forged(repository, {FLEET: sign(again, [keys[FLEET]])}, keys)
    found = device.fetch("fleet/desired.json")
    assert found is not None and found[1] == wanted  # what they can do

    bad = evil(repository)
    # The fleet role says that it has the model itself: it may sign for fleet/* alone.
    claims = dataclasses.replace(again, version=again.version + 1, targets={listed.name: listed, bad.name: bad})
    forged(repository, {FLEET: sign(claims, [keys[FLEET]])}, keys)
    assert device.fetch(bad.name) is None
    # The models' role, signed by the key of the fleet.
    models = repository.state().delegated["models/router"].content
    more = dataclasses.replace(models, version=models.version + 1, targets={**models.targets, bad.name: bad})
    forged(repository, {"models/router": sign(more, [keys[FLEET]])}, keys)
    with pytest.raises(EdgeError, match="0 of the 1 signatures"):
        device.fetch(bad.name)
    with pytest.raises(EdgeError):
        device.fetch(MODEL)  # nor is anything else of that role taken, but what was there before


def test_a_model_that_no_snapshot_names_is_not_there(tmp_path: Path) -> None:
    """The models' key alone: metadata lie on the server, and nobody asks for them."""
    repository = made(tmp_path, Clock())
    give(repository, tmp_path, "1.0.0")
    device, bad = Device(repository.public, tmp_path / "d"), evil(repository)
    models = repository.state().delegated["models/router"].content
    more = dataclasses.replace(models, version=models.version + 1, targets={**models.targets, bad.name: bad})
    repository.files.write("models/router", sign(more, list(stolen(repository, MODELS).values())))
    assert device.fetch(bad.name) is None and device.fetch(MODEL) is not None


def test_a_phone_alone_makes_no_model(guarded: Repository, tmp_path: Path) -> None:
    """And neither with whoever serves the files: snapshot and timestamp are stolen too."""
    give(guarded, tmp_path, "1.0.0")
    sign_all(guarded, PHONE)
    device, bad = Device(guarded.public, tmp_path / "d"), evil(guarded)
    models = guarded.state().delegated["models/router"].content
    more = dataclasses.replace(models, version=models.version + 1, targets={bad.name: bad})
    forged(guarded, {"models/router": sign(more, [PHONE])}, stolen(guarded, SNAPSHOT, TIMESTAMP))
    with pytest.raises(EdgeError, match="1 of the 2 signatures"):
        device.fetch(bad.name)


def test_devices_come_back_from_versions_that_a_thief_used_up(tmp_path: Path) -> None:
    """Fast forward: with the timestamp's key a thief shows version 1,000,000, and the host's next one looks old."""
    repository = made(tmp_path, Clock())
    device, reference = Device(repository.public, tmp_path / "d"), Reference(repository.public, tmp_path / "r")
    evil_server = Repository(tmp_path / "thief", repository.keys, repository.clock)
    shutil.copytree(repository.public, evil_server.public)
    far = dataclasses.replace(repository.state().timestamp.content, version=10**6)
    evil_server.files.write(TIMESTAMP, sign(far, list(stolen(repository, TIMESTAMP).values())))
    device, reference = device.forked(evil_server.public), reference.forked(evil_server.public, tmp_path / "seen")
    device.fetch("fleet/desired.json")
    reference.targets()
    give(repository, tmp_path, "1.0.0")
    device.public = reference.public = repository.public
    with pytest.raises(EdgeError, match="1000000 was seen before"):
        device.fetch(MODEL)
    rotate(repository, TIMESTAMP)
    assert device.fetch(MODEL) is not None and reference.targets(MODEL)[MODEL]


def test_an_owned_host_makes_no_model_that_the_phone_did_not_sign(guarded: Repository, tmp_path: Path) -> None:
    """All of the host's keys, the sealed ones too: new models, new delegations, a new root, thresholds of one."""
    from tuf.api.exceptions import UnsignedMetadataError

    give(guarded, tmp_path, "1.0.0")
    sign_all(guarded, PHONE)
    device, reference = Device(guarded.public, tmp_path / "d"), Reference(guarded.public, tmp_path / "r")
    assert device.fetch(MODEL)
    reference.targets(MODEL)
    keys, bad, now = stolen(guarded, *ROLES), evil(guarded), guarded.state()

    def refused(changes: dict[str, Signed]) -> None:
        owned = Repository(tmp_path / os.urandom(4).hex(), guarded.keys, guarded.clock)
        shutil.copytree(guarded.public, owned.public)
        forged(owned, changes, keys)
        with pytest.raises(EdgeError, match="1 of the 2 signatures"):
            device.forked(owned.public).fetch(bad.name)
        with pytest.raises(UnsignedMetadataError):
            reference.forked(owned.public, tmp_path / os.urandom(4).hex()).targets(bad.name)

    models = now.delegated["models/router"].content
    model = dataclasses.replace(models, version=models.version + 1, targets={**models.targets, bad.name: bad})
    refused({"models/router": sign(model, [keys[MODELS]])})
    # One key under two ids, to be counted twice.
    own = sign(model, [keys[MODELS]])
    [signature] = own.signatures.values()
    phone = key_of(public_key_of(PHONE)).keyid
    refused({"models/router": dataclasses.replace(own, signatures={**own.signatures, phone: signature})})
    # Delegations that ask for one signature.
    targets = now.targets.content
    alone = tuple(dataclasses.replace(each, threshold=1) for each in targets.delegations)
    lax = dataclasses.replace(targets, version=targets.version + 1, delegations=alone)
    refused({TARGETS: sign(lax, [keys[TARGETS]]), "models/router": sign(model, [keys[MODELS]])})
    # A root that asks for one.
    root = now.root.content
    roles = {name: Role(role.keyids, 1) for name, role in root.roles.items()}
    taken = dataclasses.replace(root, version=root.version + 1, roles=roles)
    refused({ROOT: sign(taken, [keys[ROOT]]), TARGETS: sign(lax, [keys[TARGETS]])})
    # And by the commands themselves: all of it waits for the phone.
    assert not rotate(guarded, MODELS).changed
    assert not guarded.publish({bad.name: (guarded.files.file(bad), {})}).changed
    assert device.fetch(MODEL) is not None and device.fetch(bad.name) is None


def test_a_lost_phone_is_replaced_by_host_and_paper(guarded: Repository, tmp_path: Path) -> None:
    give(guarded, tmp_path, "1.0.0")
    sign_all(guarded, PHONE)
    device, reference = Device(guarded.public, tmp_path / "d"), Reference(guarded.public, tmp_path / "r")
    assert device.fetch(MODEL)
    reference.targets(MODEL)
    waiting = rotate(guarded, COSIGNER, public_key_of(PHONE), public_key_of(OTHER)).waiting
    assert waiting == ("models/router", "root", "targets")
    sign_all(guarded, OTHER)  # the new phone alone
    assert guarded.waiting()[0].name == ROOT and reference.targets(MODEL)
    assert sign_all(guarded, PAPER).waiting == ()
    give(guarded, tmp_path, "1.1.0")
    with pytest.raises(TrainerError, match="no signature of a key that may sign"):
        sign_all(guarded, PHONE)
    sign_all(guarded, OTHER)
    for name in (MODEL, NAME.format("1.1.0")):
        assert device.fetch(name) is not None and reference.targets(name)[name]


def test_a_lost_or_stolen_root_key_of_the_host_is_replaced_by_phone_and_paper(
    guarded: Repository, tmp_path: Path
) -> None:
    reference = Reference(guarded.public, tmp_path / "r")
    reference.targets()
    [lost] = guarded.keys.held(ROOT)
    lost.path.unlink()
    assert rotate(guarded, ROOT, old=lost.public).waiting == ("root",)
    assert sign_all(guarded, PHONE).waiting
    assert sign_all(guarded, PAPER).waiting == ()
    give(guarded, tmp_path, "1.0.0")
    sign_all(guarded, PHONE)
    assert reference.targets(MODEL)[MODEL]


def test_what_waits_survives_a_restart_and_a_kill_while_it_is_put_in_force(
    guarded: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone's signature came, and the host is killed after each of its writes: the next command ends it."""
    rotate(guarded, TIMESTAMP)
    raw = cosign(ROOT, asked(guarded)[0].raw, PHONE)
    states: list[Path] = []
    replace = Path.replace

    def step(self: Path, target: Path) -> Path:
        done = replace(self, target)
        states.append(tmp_path / f"state-{len(states)}")
        shutil.copytree(guarded.folder.parent, states[-1], ignore=shutil.ignore_patterns("state-*"))
        return done

    device = Device(guarded.public, tmp_path / "d")
    monkeypatch.setattr(Path, "replace", step)
    take(guarded, ROOT, raw)
    monkeypatch.undo()
    assert len(states) >= 4
    for number, state in enumerate(states):
        public = state / "updates" / "repository"
        assert Device(public, tmp_path / f"new-{number}").fetch("fleet/desired.json")
        device.public = public
        assert device.fetch("fleet/desired.json")
        again = opened(state, Clock())
        again.refresh()
        assert again.state().root.content.version == 2 and again.waiting() == []


def test_plans_that_cannot_hold_are_refused(tmp_path: Path) -> None:
    phone = public_key_of(PHONE)
    for plan in (Plan(2), Plan(0), Plan(1, (phone, phone)), Plan(4, (phone,), (phone,))):
        with pytest.raises(TrainerError, match=r"[.]$"):
            plan.checked()
    assert Plan(cosigners=(phone,)).checked().root_threshold == 2
