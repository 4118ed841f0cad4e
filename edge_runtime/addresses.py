"""Where an address leads, told from its text alone: to this machine, to a private network, or beyond."""

from __future__ import annotations

import functools
import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NEAR = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fe80::/10",
        "fc00::/7",
    )
)
_CHARACTERS = 45  # of the longest IP address in text


def is_loopback(host: str) -> bool:
    """Whether a name or an address always means this machine, without asking a name server."""
    if host.lower() == "localhost":
        return True
    address = address_of(host)
    return address is not None and address.is_loopback


def is_near(host: str) -> bool:
    """Whether an address or a name means this machine or a private network, without asking a name server.

    Private are those of RFC 1918 and RFC 4193, link-local addresses, and names of `.localhost` (RFC 6761) and `.local`
    (RFC 6762).
    """
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith((".local", ".localhost")):
        return True
    address = address_of(name)
    return address is not None and any(address in network for network in _NEAR)


def address_of(name: str) -> Address | None:
    """An IP address in text, without its zone; an IPv4 address within IPv6 as such; None for a name."""
    plain = name.split("%", 1)[0]
    return _parsed(plain) if len(plain) <= _CHARACTERS else None


@functools.lru_cache(maxsize=128)  # asked twice per request of a device, nearly always of 127.0.0.1
def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
