"""The versions of specialists that lie on a device, switching between them, and their golden vectors as samples."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import BundleError, EdgeError, NotFound
from edge_runtime.update import disk

if TYPE_CHECKING:
    from edge_runtime.device import Device

Json = dict[str, object]
MOST_SAMPLES = 5
SAMPLE_BYTES = 64 * 1024  # of one; a longer one, as a picture is, is left out


def versions(device: Device) -> Json:
    """{specialist: [{"bundle", "version", "active"}]}, what serves first; a bundle that can't be read has no version."""
    found: Json = {}
    with disk.storage_errors(device.state):
        pointers = device.slots.pointers()
    for name, pointer in pointers.items():
        digests = [] if pointer is None else [pointer.active, *([pointer.previous] if pointer.previous else [])]
        found[name] = [
            {"bundle": f"sha256:{digest}", "version": _version(device, digest), "active": number == 0}
            for number, digest in enumerate(digests)
        ]
    return found


async def switch(device: Device, name: str, bundle: str) -> Json:
    """Let one of a specialist's bundles on the device serve: {"specialist", "version", "bundle", "changed"}.

    Asked for again, it changes nothing, so that it may be sent twice. Raises `NotFound` where the bundle isn't here, and
    what `Device.roll_back` does.
    """
    pointer = (await asyncio.to_thread(device.slots.pointers)).get(name)
    digest = bundle.removeprefix("sha256:")
    if pointer is None or digest not in (pointer.active, pointer.previous):
        raise NotFound(f"'{name[:64]}' has no bundle {bundle[:20]} on this device any more; push it again.")
    if digest == pointer.active and name in device.serving.names():
        version = await asyncio.to_thread(_version, device, digest)
        return {"specialist": name, "version": version, "bundle": f"sha256:{digest}", "changed": False}
    return {**await device.roll_back(name, expected=digest), "changed": True}


def samples(device: Device, name: str) -> list[Json]:
    """The first golden vectors of what serves: [{"request", "response"}]; raises `NotFound` and `BundleError`."""
    loaded = device.serving.current(name).loaded
    path = device.slots.folder(loaded.digest) / loaded.manifest.golden.file
    try:
        found = strict_json.loads(path.read_bytes(), "The golden vectors", BundleError)
    except OSError as cause:
        raise BundleError(f"The golden vectors of '{name[:64]}' can't be read: {cause.strerror}.") from None
    whole = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    short = (one for one in whole if len(strict_json.dumps(one)) <= SAMPLE_BYTES)
    return [
        {"request": one.get("request"), "response": one.get("response")}
        for one, _ in zip(short, range(MOST_SAMPLES), strict=False)
    ]


def _version(device: Device, digest: str) -> str:
    try:
        return device.slots.manifest(digest).version
    except EdgeError:
        return ""
