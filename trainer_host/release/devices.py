"""The devices that this host is paired with: name, address and token, in HOME/keys/devices.json (0600)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from edge_runtime.client import DeviceClient
from edge_runtime.errors import EdgeError, Overloaded, Unauthorized
from edge_runtime.identity.invitation import is_invitation, read_invitation
from trainer_host.data.dataset import Json
from trainer_host.errors import NotThere, TrainerError
from trainer_host.release.edge_process import running_url
from trainer_host.release.keys import SigningKey, private_folder
from trainer_host.workspace import Workspace, checked_name, storage_errors, write_atomic

FILE = "devices.json"
BUSY_SECONDS = 30.0  # a slow device admits its old bundles, or installs another host's, within this
LOCAL = "local"  # the device whose state lies in HOME/device


@dataclass(frozen=True)
class Device:
    """A paired device; `id` is what it says of itself, the first hex digits of its public key.

    certificate: how its certificate is known (see `edge_runtime.identity.pin`), which it must show; empty where it doesn't
    encrypt. home: where that is kept, and kept anew once the device renewed it.
    """

    name: str
    url: str
    token: str
    id: str
    certificate: str = ""
    home: Workspace | None = field(default=None, compare=False)

    def __repr__(self) -> str:  # the token must not get into a log by way of a traceback
        return f"Device({self.name}, {self.url}, {self.id})"


def known_devices(workspace: Workspace) -> list[Device]:
    """All paired devices by name; raises `TrainerError` where the file is damaged."""
    path = workspace.keys / FILE
    try:
        raw = json.loads(path.read_bytes())
        return [Device(**item, home=workspace) for item in raw["devices"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainerError(f"{path} is damaged; delete it and pair the devices again.") from None


def device_named(workspace: Workspace, name: str | None) -> Device:
    """A paired device, the only one where no name is given; raises `NotThere` with what to do.

    The address of the device in HOME/device is the one that it listens on now.
    """
    devices = known_devices(workspace)
    names = ", ".join(device.name for device in devices)
    advice = f"there are {names}" if devices else "pair one with 'enigma devices pair URL CODE'"
    if name is None and len(devices) > 1:
        raise NotThere(f"Say which device with --device; {advice}.")
    found = next((device for device in devices if name is None or device.name == name), None)
    if found is None:
        raise NotThere(f"There is no paired device{f' {name!r}' if name else ''}; {advice}.")
    if found.name == LOCAL:
        url = running_url(workspace.device)
        if url is None:
            raise NotThere(
                f"The device in {workspace.device} isn't running; "
                f"start it with 'enigma-edge run --state {workspace.device}'."
            )
        return replace(found, url=url)
    return found


def remember(workspace: Workspace, device: Device) -> None:
    """Add a device, or replace the one of its name."""
    others = [known for known in known_devices(workspace) if known.name != device.name]
    _save(workspace, [*others, device])


def forget(workspace: Workspace, name: str) -> Device:
    """Remove a device from this host; raises `NotThere`. The device still trusts this host's key."""
    devices = known_devices(workspace)
    found = next((device for device in devices if device.name == name), None)
    if found is None:
        names = ", ".join(device.name for device in devices) or "none"
        raise NotThere(f"There is no paired device '{name}'; the paired ones: {names}.")
    _save(workspace, [device for device in devices if device is not found])
    return found


def pair(workspace: Workspace, url: str, code: str, name: str | None, key: SigningKey) -> Device:
    """Redeem the code that the device printed, and remember the token; the device then trusts `key`.

    url: the device's address, or all that its QR code holds; then its certificate is known before, and `code` is empty.
    """
    if name is not None:
        checked_name(name)

    certificate = None
    if is_invitation(url):
        found = read_invitation(url)
        url, code, certificate = found.url, found.code, found.certificate

    async def redeem() -> DeviceClient:
        async with DeviceClient(url, certificate=certificate) as client:
            await client.pair(code, socket.gethostname()[:60] or "host", key.public)
            return client

    met = asyncio.run(redeem())
    identity = str(met.device.get("id", ""))
    name = name or checked_name(f"device-{identity[:8]}")
    device = Device(name, met.base_url, met.token or "", identity, met.certificate or "")
    remember(workspace, device)
    return device


def still_paired(device: Device) -> bool:
    """Whether the device answers at its address, is the one that was paired, and knows the token."""

    async def ask() -> bool:
        async with client_of(device) as client:
            try:
                status = await client.status()
            except Unauthorized:
                return False
            about = status.get("device")
            return isinstance(about, dict) and about.get("id") == device.id

    try:
        return asyncio.run(ask())
    except EdgeError:
        return False


def push(device: Device, bundle: Path, on_progress: Callable[[int, int], None] | None = None) -> Json:
    """Deliver a bundle; what the device answers once it serves. Waits for one that is starting or installing."""

    async def deliver() -> Json:
        until = time.monotonic() + BUSY_SECONDS
        async with client_of(device) as client:
            while True:
                try:
                    return await client.push(bundle, on_progress)
                except Overloaded as busy:
                    if time.monotonic() + busy.retry_after > until:
                        raise
                    await asyncio.sleep(busy.retry_after)

    return asyncio.run(deliver())


def follow(device: Device, root: Path, urls: list[str], direct_push: bool) -> Json:
    """Let a device follow an update repository; its root metadata, a file, go through the paired channel."""
    try:
        content = root.read_bytes()
    except OSError as cause:
        raise TrainerError(f"{root} can't be read: {cause.strerror}.") from None

    async def tell() -> Json:
        async with client_of(device) as client:
            return await client.follow_updates(content, urls, direct_push)

    return asyncio.run(tell())


def ask(device: Device, specialist: str, requests: list[Json]) -> list[Json]:
    """Ask a device's specialist, one request after the other over one connection."""

    async def run() -> list[Json]:
        async with client_of(device) as client:
            return [await client.run(specialist, request) for request in requests]

    return asyncio.run(run())


def ask_any(device: Device, request: Json) -> Json:
    """Ask whom the device's router picks."""

    async def run() -> Json:
        async with client_of(device) as client:
            return await client.ask(request)

    return asyncio.run(run())


def unsure(device: Device, specialist: str, take: Callable[[list[Json]], None]) -> None:
    """Give `take` what the device kept of texts that a specialist was unsure about; the device drops them once it has them."""

    async def run() -> None:
        async with client_of(device) as client:
            take(await client.unsure(specialist))
            await client.forget_unsure(specialist)

    asyncio.run(run())


def models(device: Device) -> list[Json]:
    """The specialists that a device serves."""

    async def run() -> list[Json]:
        async with client_of(device) as client:
            return await client.models()

    return asyncio.run(run())


def client_of(device: Device) -> DeviceClient:
    """A client of a paired device, which keeps its certificate where it was renewed; close it."""

    def renewed(certificate: str) -> None:
        if device.home is not None:
            kept = next((known for known in known_devices(device.home) if known.name == device.name), None)
            if kept is not None and kept.token == device.token:
                remember(device.home, replace(kept, certificate=certificate))

    return DeviceClient(device.url, device.token, certificate=device.certificate, on_renewed=renewed)


def _save(workspace: Workspace, devices: list[Device]) -> None:
    with storage_errors(workspace.keys):
        private_folder(workspace)
        plain = [asdict(replace(device, home=None)) for device in sorted(devices, key=lambda d: d.name)]
        content = {"devices": [{key: value for key, value in item.items() if key != "home"} for item in plain]}
        write_atomic(workspace.keys / FILE, json.dumps(content, indent=1).encode() + b"\n", 0o600)
