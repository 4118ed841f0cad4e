"""Local-only mode: a switch after which this process connects to nothing beyond the machine and its private networks.

`ENIGMA_LOCAL_ONLY=1` turns it on for every command of Enigma, `local_only = true` in a device's configuration for that
device. It is an audit hook (PEP 578), so it sees each connection and each look-up of a name that Python code begins,
whichever library does it, and can't be taken out again. Libraries in other languages that open sockets by themselves
aren't seen; none of those that Enigma uses on a device does.
"""

from __future__ import annotations

import errno
import os
import socket
import sys

from edge_runtime.addresses import address_of, is_near

VARIABLE = "ENIGMA_LOCAL_ONLY"
_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_on = False


class LocalOnlyError(PermissionError):
    """Something would have left the machine's own networks."""

    def __init__(self, where: str) -> None:
        super().__init__(
            errno.EACCES,
            f"local-only mode is on, so {where} isn't contacted; turn it off ({VARIABLE}, or local_only in the "
            "device's configuration) if it should be",
        )


def wanted() -> bool:
    """Whether the environment asks for it."""
    return os.environ.get(VARIABLE, "").lower() not in ("", "0", "no", "false", "off")


def enforce() -> None:
    """Turn it on for this process, for good. What this process starts must be told by the environment."""
    global _on  # audit hooks can't be removed, so there is one per process
    os.environ[VARIABLE] = "1"
    if not _on:
        _on = True
        sys.addaudithook(_watch)


def is_on() -> bool:
    """Whether it is on in this process."""
    return _on


def refuse_far(url_host: str, what: str) -> str:
    """Why something that is far isn't asked, in a sentence; empty where it may be."""
    if not _on or is_near(url_host):
        return ""
    return f"Local-only mode is on, so {what} isn't asked; turn it off ({VARIABLE}) if it should be."


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in _CONNECTS:
        address = arguments[1]  # a path or bytes for a socket of the machine itself, None for one that is connected
        host = address[0] if isinstance(address, tuple) and address else ""
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    if not (text in ("", socket.gethostname()) or is_near(text) or _is_everybody(text)):
        raise LocalOnlyError(text)


def _is_everybody(text: str) -> bool:
    """Whether an address is no machine's: all that listen on this network, or any of this machine's own."""
    address = address_of(text.strip("[]"))
    return address is not None and (address.is_multicast or address.is_unspecified)
