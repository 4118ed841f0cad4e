"""A repository that began without a co-signer gets one: devices follow, and from then on the host alone makes no model."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.errors import EdgeError
from edge_runtime.update.tuf.metadata import sign
from tests.trainer_host.release.test_cosign import (
    MODEL,
    OTHER,
    PAPER,
    PHONE,
    Device,
    evil,
    forged,
    sign_all,
    stolen,
)
from tests.trainer_host.release.updates import NAME, Clock, Reference, give, made
from trainer_host.cli import main
from trainer_host.errors import TrainerError
from trainer_host.release.cosign import asked
from trainer_host.release.repository import Repository
from trainer_host.release.roles import MODELS, ROLES, ROOT, TARGETS
from trainer_host.release.trust import add_cosigner, rotate

phone, paper, other = map(public_key_of, (PHONE, PAPER, OTHER))


@pytest.fixture
def alone(tmp_path: Path) -> Repository:
    """A repository of one host, with one model."""
    repository = made(tmp_path, Clock())
    give(repository, tmp_path, "1.0.0")
    return repository


def test_devices_follow_through_the_root_that_the_old_one_signed(alone: Repository, tmp_path: Path) -> None:
    device, reference = Device(alone.public, tmp_path / "d"), Reference(alone.public, tmp_path / "r")
    assert device.fetch(MODEL) and reference.targets(MODEL)[MODEL]
    assert set(add_cosigner(alone, [phone], [paper]).waiting) == {ROOT, TARGETS, "models/router"}
    told = " ".join(line for each in asked(alone) for line in each.proposal.changes)
    assert phone.hex()[:16] in told and paper.hex()[:16] in told
    assert device.fetch(MODEL) and reference.targets(MODEL)[MODEL]  # until it has signed, all goes on as before
    assert alone.refresh().waiting == ("models/router", "root", "targets")
    [meanwhile] = give(alone, tmp_path, "1.0.1")
    assert device.fetch(meanwhile) and reference.targets(meanwhile)[meanwhile]
    assert sign_all(alone, PHONE).waiting == ()
    root, targets = alone.state().root.content, alone.state().targets.content
    assert [len(root.roles[name].keyids) for name in (ROOT, TARGETS)] == [3, 2]
    assert {root.roles[name].threshold for name in (ROOT, TARGETS)} == {2}
    assert {each.threshold for each in targets.delegations if each.name.startswith(MODELS)} == {2}
    for name in (MODEL, meanwhile):
        assert device.fetch(name) and reference.targets(name)[name]
    [newer] = give(alone, tmp_path, "1.1.0")
    assert newer not in alone.targets() and alone.waiting()
    sign_all(alone, PHONE)
    assert device.fetch(newer) and reference.targets(newer)[newer]


def test_from_then_on_all_keys_of_the_host_make_no_model(alone: Repository, tmp_path: Path) -> None:
    add_cosigner(alone, [phone], [paper])
    sign_all(alone, PHONE)
    device, keys, bad = Device(alone.public, tmp_path / "d"), stolen(alone, *ROLES), evil(alone)
    assert device.fetch(MODEL)
    models = alone.state().delegated["models/router"].content
    more = dataclasses.replace(models, version=models.version + 1, targets={**models.targets, bad.name: bad})
    owned = Repository(tmp_path / "owned", alone.keys, alone.clock)
    shutil.copytree(alone.public, owned.public)
    forged(owned, {"models/router": sign(more, [keys[MODELS]])}, keys)
    with pytest.raises(EdgeError, match="1 of the 2 signatures"):
        device.forked(owned.public).fetch(bad.name)
    assert rotate(alone, MODELS).waiting  # nor is the co-signer got rid of


def test_a_second_phone_may_sign_in_the_first_ones_place(alone: Repository, tmp_path: Path) -> None:
    add_cosigner(alone, [phone], [paper])
    sign_all(alone, PHONE)
    add_cosigner(alone, [other])
    assert sign_all(alone, PHONE).waiting == ()  # the old rules ask for the first one
    [newer] = give(alone, tmp_path, "1.1.0")
    assert sign_all(alone, OTHER).waiting == ()
    assert Device(alone.public, tmp_path / "d").fetch(newer) and NAME.format("1.1.0") == newer


def test_keys_that_can_not_be_added_are_refused(alone: Repository) -> None:
    [own] = alone.keys.held(ROOT)
    for cosigners, others in ([], [paper]), ([phone, phone], []), ([phone], [phone]), ([own.public], []):
        with pytest.raises(TrainerError, match=r"[.]$"):
            add_cosigner(alone, cosigners, others)
    with pytest.raises(TrainerError, match="at most 16 keys"):
        add_cosigner(alone, [phone], [bytes([number]) * 32 for number in range(20, 40)])
    add_cosigner(alone, [phone], [paper])
    with pytest.raises(TrainerError, match="still lacks signatures"):
        add_cosigner(alone, [other])


def test_the_command_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENIGMA_HOME", str(tmp_path))
    assert main(["release", "init", "--no-passphrase"]) == 0
    assert main(["release", "add-cosigner", phone.hex()]) == 0
    told = capsys.readouterr()
    assert "a sheet of paper will do" in told.err + told.out
    assert "until then all goes on as before" in told.out and "enigma release pending" in told.out
    assert main(["release", "add-cosigner", "abc"]) != 0
