"""Which role may sign for which target, in which order they are asked, and by whose keys."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge_runtime.update.tuf.metadata import Delegation, NotTrusted, Targets
from tests.edge_runtime.update.tuf.making import BUNDLE, DESIRED, LATER, Device, Made


@pytest.mark.parametrize("role", ["models/router", "fleet"])
async def test_a_delegated_role_by_another_key_is_refused(device: Device, role: str) -> None:
    device.made.signers[role] = ["a thief"]
    device.made.publish(role, "snapshot", "timestamp")
    await device.refresh()
    with pytest.raises(NotTrusted, match="0 of the 1 signatures"):
        await device.client.target({"fleet": DESIRED}.get(role, BUNDLE))


async def test_a_role_can_not_sign_for_names_that_were_not_delegated_to_it(device: Device) -> None:
    device.made.add("fleet", "models/router/home-9.9.9.enigma", b"forged by the online key")
    device.made.publish("fleet", "snapshot", "timestamp")
    await device.refresh()
    assert await device.client.target("models/router/home-9.9.9.enigma") is None


async def test_a_role_that_two_delegate_to_must_be_signed_as_each_of_them_says(device: Device) -> None:
    made = device.made
    shared = Delegation("shared", (), 1, True, ("a/*", "b/*"))
    for name, signer in (("a", "key of a"), ("b", "key of b")):
        made.contents[name] = Targets(0, LATER, {}, {}, (), {})
        made.signers |= {name: [name], "shared": [signer]}
        made.delegate(shared)
        below = made.contents["targets"]
        assert isinstance(below, Targets)
        made.change(name, delegations=below.delegations, keys=below.keys)
    made.contents["shared"] = Targets(0, LATER, {}, {}, (), {})
    made.signers["shared"] = ["key of a"]
    made.add("shared", "a/x", b"x")
    made.add("shared", "b/y", b"y")
    made.delegate(*(Delegation(name, (), 1, True, (f"{name}/*",)) for name in "ab"))
    made.publish("shared", "a", "b", "targets", "snapshot", "timestamp")
    await device.refresh()
    assert await device.client.target("a/x", "shared") is not None
    with pytest.raises(NotTrusted, match="0 of the 1"):  # though it is there and trusted, by another one's word
        await device.client.target("b/y")


async def test_of_two_roles_that_may_sign_for_a_name_the_one_named_first_counts(device: Device) -> None:
    made = device.made
    for name in ("second", "first"):
        made.signers[name] = [name]
        made.contents[name] = Targets(0, LATER, {}, {}, (), {})
        made.add(name, "x/1", name.encode())
    made.delegate(*(Delegation(name, (), 1, False, ("x/*",)) for name in ("first", "second")))
    made.publish("first", "second", "targets", "snapshot", "timestamp")
    await device.refresh()
    found = await device.client.target("x/1")
    assert found is not None
    assert found[1] == "first"
    assert await device.client.read(found[0], 100) == b"first"


@pytest.mark.parametrize("terminating", [True, False])
async def test_behind_a_terminating_role_nobody_else_is_asked(device: Device, terminating: bool) -> None:
    made = device.made
    for name in ("first", "second"):
        made.signers[name] = [name]
        made.contents[name] = Targets(0, LATER, {}, {}, (), {})
    made.add("second", "x/1", b"second")
    made.delegate(*(Delegation(name, (), 1, terminating, ("x/*",)) for name in ("first", "second")))
    made.publish("first", "second", "targets", "snapshot", "timestamp")
    await device.refresh()
    assert (await device.client.target("x/1") is None) is terminating


async def test_two_of_two_signatures_are_needed_where_the_delegation_says_so(device: Device) -> None:
    made = device.made
    made.signers["models/router"] = ["models/router", "phone"]
    made.delegate(Delegation("models/router", (), 2, True, ("models/router/*",)))
    made.signers["models/router"] = ["models/router"]  # the host's alone
    made.publish("models/router", "targets", "snapshot", "timestamp")
    await device.refresh()
    with pytest.raises(NotTrusted, match="1 of the 2"):
        await device.client.target(BUNDLE)
    made.signers["models/router"] = ["models/router", "phone"]
    made.publish("models/router", "snapshot", "timestamp")
    await device.refresh()
    assert await device.client.target(BUNDLE) is not None


async def test_delegations_without_an_end_are_given_up(tmp_path: Path) -> None:
    made = Made()
    for i in range(40):
        made.signers[f"r{i}"] = ["r"]
        made.contents[f"r{i}"] = Targets(0, LATER, {}, {}, (), {})
    made.delegate(Delegation("r0", (), 1, False, ("deep/*",)))
    below = made.contents["targets"]
    assert isinstance(below, Targets)
    for i in range(39):
        here = dataclasses.replace(below.delegations[0], name=f"r{i + 1}")
        made.change(f"r{i}", delegations=(here,), keys=below.keys)
    made.add("r20", "deep/near", b"n")
    made.add("r39", "deep/far", b"f")
    made.publish(*(f"r{i}" for i in range(40)), "targets", "snapshot", "timestamp")
    device = Device(made, tmp_path / "trust")
    await device.refresh()
    assert await device.client.target("deep/near") is not None
    assert await device.client.target("deep/far") is None
