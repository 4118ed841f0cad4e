"""What the fleet's owner wants this device to run: read from signed metadata, and only where both signers name the same."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge_runtime.errors import BadRequest
from edge_runtime.update import disk
from edge_runtime.update.desired import MOST_BYTES, TARGET, Rollout, chosen, parse_desired
from edge_runtime.update.disk_threads import on_disk
from edge_runtime.update.machine import Release
from edge_runtime.update.probation import rules_of
from edge_runtime.update.tuf.client import UpdateClient
from edge_runtime.update.tuf.metadata import TARGETS, MetadataError, TargetFile, check_bytes

FLEET = "fleet"
_KEPT = "desired.json"


@dataclass(frozen=True)
class Wish:
    """A release for this device. file: the bundle's signed target; role: who signed it; until: that all who named it count."""

    release: Release
    file: TargetFile
    role: str
    until: datetime


async def read_wishes(
    client: UpdateClient, kept: Path, device: str, tags: Collection[str]
) -> tuple[dict[str, Wish], dict[str, str]]:
    """(specialist -> what is wished, specialist -> why a wish can't be followed), by metadata that the client refreshed.

    kept: a folder, for the list as it was read last. Raises `MetadataError`, `DesiredError` and what the client does.
    """
    found = await client.target(TARGET, FLEET)
    if found is None or found[1] != FLEET:
        return {}, {}
    raw = await _list(client, found[0], kept)
    wishes: dict[str, Wish] = {}
    refused: dict[str, str] = {}
    for name, rollout in chosen(parse_desired(raw), device, tags).items():
        try:
            wishes[name] = await _wish(client, rollout)
        except (BadRequest, MetadataError) as error:
            refused[name] = str(error)
    return wishes, refused


async def _list(client: UpdateClient, file: TargetFile, kept: Path) -> bytes:
    path = kept / _KEPT
    with contextlib.suppress(OSError, MetadataError):
        raw = await on_disk(kept, path.read_bytes)
        check_bytes(raw, file.length, file.hashes, "the list of rollouts")
        return raw
    raw = await client.read(file, MOST_BYTES)
    with disk.storage_errors(kept):
        await on_disk(kept, disk.write_atomic, path, raw)
    return raw


async def _wish(client: UpdateClient, rollout: Rollout) -> Wish:
    """The release that a rollout names, where the task's own signers name it too; raises `BadRequest`."""
    role = f"models/{rollout.task}"
    found = await client.target(rollout.target, role)
    if found is None or found[1] != role or found[0].hashes.get("sha256") != rollout.sha256:
        raise BadRequest(
            f"The fleet wants '{rollout.target[:80]}', and the signers of '{role}' didn't sign that file, so it isn't "
            "taken; publish it, or start the rollout again."
        )
    file = found[0]
    trusted = client.trusted
    named = (trusted.targets(), trusted.targets(FLEET, TARGETS), trusted.targets(role, TARGETS))
    return Wish(_release(rollout, file.custom), file, role, min(each.expires for each in named))


def _release(rollout: Rollout, custom: Mapping[str, object]) -> Release:
    bundle = custom.get("bundle")
    if custom.get("kind") != "bundle" or not isinstance(bundle, str) or len(bundle) != 64:
        raise BadRequest(f"'{rollout.target[:80]}' isn't published as a bundle; publish it again.")
    if (custom.get("specialist"), custom.get("task")) != (rollout.specialist, rollout.task):
        raise BadRequest(f"'{rollout.target[:80]}' was published for another specialist or task; publish it again.")
    budgets = rules_of(custom, 1, 1.0, 1)
    return Release(
        rollout.id,
        rollout.target,
        rollout.sha256,
        bundle,
        rollout.version,
        rollout.when,
        budgets.p95_ms or 0.0,
        budgets.memory_mb or 0.0,
    )
