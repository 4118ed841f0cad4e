"""Devices find each other by mDNS: a device announces `_enigma._tcp`, a host or companion looks for it.

It needs the package zeroconf (the extra `discovery`), which is imported when it is used and not before.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeError

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf

SERVICE = "_enigma._tcp.local."
MAX_FOUND = 256
_LOOK_UP_MS = 1500
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A device that announces itself. url: how to pair with it. id: as it says; pairing proves it."""

    name: str
    id: str
    url: str
    version: str


@contextlib.asynccontextmanager
async def announced(name: str, id_: str, version: str, host: str, port: int, encrypted: bool) -> AsyncIterator[bool]:
    """Announce a device while the body runs; False where that can't be, which is logged and hurts nobody.

    host: the address that it listens on; 0.0.0.0 or :: stand for all of this machine's.
    """
    try:
        from zeroconf import IPVersion, ServiceInfo
        from zeroconf.asyncio import AsyncZeroconf
    except ImportError:
        _log.info("not announced on the network: install enigma[discovery] if others should find this device")
        yield False
        return
    addresses = _addresses(host)
    if not addresses:
        yield False
        return
    info = ServiceInfo(
        SERVICE,
        f"{_label(name)} {id_[:8]}.{SERVICE}",
        addresses=[address.packed for address in addresses],
        port=port,
        properties={"id": id_, "name": name[:60], "version": version, "tls": "1" if encrypted else "0"},
        server=f"enigma-{id_}.local.",
    )
    try:
        zeroconf = AsyncZeroconf(
            ip_version=IPVersion.All if any(a.version == 6 for a in addresses) else IPVersion.V4Only
        )
        try:
            await (await zeroconf.async_register_service(info, allow_name_change=True))
            yield True
        finally:
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()
    except OSError as cause:
        _log.warning("not announced on the network: %s", cause.strerror or cause)
        yield False


async def find(seconds: float) -> list[Found]:
    """Devices that answer within so long, by name; raises `EdgeError` where zeroconf or the network is missing."""
    try:
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf
    except ImportError:
        raise EdgeError("To look for devices the package zeroconf is needed; install enigma[discovery].") from None
    names: set[str] = set()

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if len(names) < MAX_FOUND:
            names.add(name)

    try:
        zeroconf = AsyncZeroconf()
    except OSError as cause:
        raise EdgeError(f"The network can't be asked: {cause.strerror or cause}.") from None
    try:
        browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[changed])
        await asyncio.sleep(seconds)
        await browser.async_cancel()
        found = await asyncio.gather(*(_described(zeroconf, name) for name in sorted(names)))
    finally:
        await zeroconf.async_close()
    return sorted((one for one in found if one is not None), key=lambda one: (one.name, one.id))


async def _described(zeroconf: object, name: str) -> Found | None:
    info = await zeroconf.async_get_service_info(SERVICE, name, timeout=_LOOK_UP_MS)  # type: ignore[attr-defined]
    if info is None or not info.port:
        return None
    told = {
        key.decode("ascii", "replace"): (value or b"").decode("utf-8", "replace")[:64]
        for key, value in info.properties.items()
    }
    addresses = sorted(info.parsed_addresses(), key=lambda address: ":" in address)
    if not addresses or not all(text.isprintable() for text in told.values()):
        return None
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    scheme = "http" if told.get("tls") == "0" else "https"
    return Found(told.get("name", ""), told.get("id", ""), f"{scheme}://{host}:{info.port}", told.get("version", ""))


def _label(name: str) -> str:
    """A name that DNS-SD takes: at most 63 bytes with the id, and no dot."""
    return name.replace(".", " ").encode()[:48].decode("utf-8", "ignore")


def reached_at(host: str) -> str:
    """The address by which others reach a server that listens there, with brackets where it is of IPv6; raises `EdgeError`.

    For 0.0.0.0 and ::, it is the one from which this machine would speak to its network.
    """
    address = ipaddress.ip_address(host.split("%", 1)[0])
    if address.is_unspecified:
        family, everybody = (socket.AF_INET, "224.0.0.251") if address.version == 4 else (socket.AF_INET6, "ff02::fb")
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((everybody, 5353))  # sends nothing: only asks the routing table
                address = ipaddress.ip_address(str(probe.getsockname()[0]).split("%", 1)[0])
            except OSError:
                raise EdgeError("This machine is on no network; say by --address where others reach it.") from None
    return f"[{address}]" if address.version == 6 else str(address)


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses by which others reach a server that listens there."""
    given = ipaddress.ip_address(host.split("%", 1)[0])
    if not given.is_unspecified:
        return [given]
    from ifaddr import get_adapters

    found = []
    for adapter in get_adapters():
        for each in adapter.ips:
            text = each.ip if isinstance(each.ip, str) else each.ip[0]
            address = ipaddress.ip_address(text.split("%", 1)[0])
            if (
                address.is_loopback
                or address.version > given.version
                or (address.version == 6 and address.is_link_local)
            ):
                continue
            found.append(address)
    return found
