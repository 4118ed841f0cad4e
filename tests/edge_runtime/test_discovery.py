"""Announcing and finding devices by mDNS, over the machine's own network."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from edge_runtime.discovery import announced, find
from edge_runtime.errors import EdgeError

from .conftest import StartDevice, edge

needs_zeroconf = pytest.mark.skipif(importlib.util.find_spec("zeroconf") is None, reason="zeroconf is not installed")
ID = "00112233aabbccdd"


async def _found(seconds: float = 4.0) -> list[str]:
    """The addresses of our device, as soon as it is found."""
    try:
        return [one.url for one in await find(seconds) if one.id == ID]
    except EdgeError as cause:
        pytest.skip(f"this machine's network has no multicast: {cause}")


@needs_zeroconf
async def test_what_is_announced_is_found_until_it_ends() -> None:
    async with announced("Küche · v1.2", ID, "0.1.0", "127.0.0.1", 8765, encrypted=True) as told:
        if not told:
            pytest.skip("this machine's network has no multicast")
        found = await _found(2.0)
        if not found:
            pytest.skip("multicast doesn't come back on this machine")
        assert found == ["https://127.0.0.1:8765"]
    assert await _found(1.0) == []


async def test_without_the_package_a_device_runs_on_and_who_looks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("zeroconf", "zeroconf.asyncio"):
        monkeypatch.setitem(sys.modules, name, None)
    async with announced("a", ID, "0.1.0", "0.0.0.0", 1, encrypted=True) as told:
        assert told is False
    with pytest.raises(EdgeError, match=r"enigma\[discovery\]"):
        await find(0.1)


@needs_zeroconf
async def test_only_a_device_that_listens_to_the_network_is_announced(start_device: StartDevice, state: Path) -> None:
    near = start_device()
    near.stop()
    assert "announced" not in near.log
    assert edge("config").stdout.count("# announce = true") == 1
    far = start_device(listen="0.0.0.0:0")
    await asyncio.sleep(0.1)
    far.stop()
    assert "Traceback" not in far.log
