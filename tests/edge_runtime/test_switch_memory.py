"""A switch under fifty requests at a time: none fails, memory stays below both models and a fifth, and none stays taken."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from . import tiny
from .conftest import StartDevice

CLIENTS = 50
HIDDEN, LAYERS = 1040, 8
SIZE = 4 * LAYERS * HIDDEN**2 / 2**20  # 33 MB of weights; a batch of sixteen texts takes 4 beside them


def held(pid: int, what: str) -> float:
    """MB by a line of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:"))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own peak is read")
async def test_a_switch_takes_both_models_and_a_fifth_at_most_and_fails_no_request(
    tmp_path: Path, start_device: StartDevice
) -> None:
    bundles = []
    for name, version, hidden, layers in (("small", 1, 64, 1), ("big", 1, HIDDEN, LAYERS), ("big", 2, HIDDEN, LAYERS)):
        path = tmp_path / f"{name}-{version}.enigma"
        tiny.make_bundle(path, tiny.manifest(f"{version}.0.0", name), seed=version, hidden=hidden, layers=layers)
        bundles.append(path.read_bytes())
    device = start_device()
    pid = device.process.pid
    headers = {"Authorization": f"Bearer {device.token}", "Content-Type": "application/octet-stream"}
    switched = False
    told: list[tuple[str, object]] = []
    async with aiohttp.ClientSession(device.url, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def push(bundle: bytes) -> None:
            async with session.post("/v1/bundles", data=bundle, headers=headers) as answer:
                assert answer.status == 200, await answer.text()

        async def run(text: str, name: str = "big") -> dict[str, Any]:
            async with session.post(f"/v1/run/{name}", json={"text": text}) as answer:
                assert answer.status == 200, await answer.text()
                return dict((await answer.json())["scores"])

        async def ask(number: int) -> None:
            while not switched:
                text = tiny.SENTENCES[number % len(tiny.SENTENCES)]
                told.append((text, await run(text)))

        async def answered(count: int) -> None:
            async with asyncio.timeout(60):
                while len(told) < count:  # noqa: ASYNC110 - nobody is told
                    await asyncio.sleep(0.01)

        async def known() -> dict[str, dict[str, Any]]:
            return {text: await run(text) for text in tiny.SENTENCES}

        await push(bundles[0])  # with it comes the runtime
        await asyncio.gather(*(run(text, "small") for text in (tiny.SENTENCES * CLIENTS)[:CLIENTS]))
        base = held(pid, "VmRSS")
        await push(bundles[1])
        first, old = await known(), held(pid, "VmRSS") - base
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
        clients = [asyncio.create_task(ask(number)) for number in range(CLIENTS)]
        await answered(2 * CLIENTS)
        await push(bundles[2])
        await answered(len(told) + 2 * CLIENTS)
        switched = True
        await asyncio.gather(*clients)  # none failed
        peak = held(pid, "VmHWM") - base
        second = await known()
        async with asyncio.timeout(60):  # the old one's memory goes once its last request has its answer
            while held(pid, "VmRSS") - base > 1.1 * old:  # noqa: ASYNC110 - memory tells nobody when it goes
                await asyncio.sleep(0.05)
    by_one = [any(close(scores, each[text]) for each in (first, second)) for text, scores in told]
    assert all(by_one) and len(by_one) > CLIENTS and SIZE < old < 1.3 * SIZE
    assert not any(close(first[text], second[text]) for text in first)
    assert peak <= 1.2 * (old + old), (base, old, peak)  # the new one is as large


def close(one: Any, other: Any) -> bool:
    """Whether two answers have the same scores; a batch rounds in another order."""
    return all(abs(one[label] - other[label]) < 2e-3 for label in one)
