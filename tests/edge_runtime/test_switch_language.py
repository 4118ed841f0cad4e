"""A language model is switched under fifty chats: none fails, and each is answered by one model from begin to end."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest

pytest.importorskip("torch", reason="the model files are made by the trainer's export")

from tests.edge_runtime.api import chatty
from tests.edge_runtime.test_switch_memory import held

from .conftest import StartDevice

CLIENTS, TEXTS = 50, 5


def installed(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not find_spec(module), reason=f"no {module}")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own peak is read")
@pytest.mark.parametrize(
    "runtime",
    [
        pytest.param("onnxruntime", marks=installed("onnxruntime")),
        pytest.param("ai-edge-litert", marks=installed("ai_edge_litert")),
    ],
)
async def test_fifty_chats_are_each_answered_by_one_model(
    runtime: str, tmp_path: Path, state: Path, start_device: StartDevice
) -> None:
    bundles = []
    for version, seed in (("1.0.0", 1), ("2.0.0", 2)):
        (folder := tmp_path / version).mkdir()
        made = chatty.make_bundle(folder, version=version, seed=seed, runtime=runtime, width=256, layers=4)
        bundles.append(made.read_bytes())
    (state / "config.toml").write_text("[server]\ndeadline_seconds = 60\n", encoding="utf-8")
    device = start_device()
    pid = device.process.pid
    headers = {"Authorization": f"Bearer {device.token}", "Content-Type": "application/octet-stream"}
    async with aiohttp.ClientSession(device.url, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def push(bundle: bytes) -> None:
            async with session.post("/v1/bundles", data=bundle, headers=headers) as answer:
                assert answer.status == 200, await answer.text()

        async def ask(number: int) -> str:
            said = [{"role": "user", "content": f"text {number % TEXTS}"}]
            wanted = {"model": "chatty", "messages": said, "max_tokens": 6}
            async with session.post("/v1/chat/completions", json=wanted) as answer:
                assert answer.status == 200, await answer.text()
                return str((await answer.json())["choices"][0]["message"]["content"])

        base = held(pid, "VmRSS")
        await push(bundles[0])
        first = [await ask(number) for number in range(TEXTS)]
        assert await asyncio.gather(*(ask(number) for number in range(TEXTS))) == first
        old = held(pid, "VmRSS") - base  # with the runtime, which both share
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
        asked = [asyncio.create_task(ask(number)) for number in range(CLIENTS // 2)]
        switching = asyncio.create_task(push(bundles[1]))
        asked += [asyncio.create_task(ask(number)) for number in range(CLIENTS // 2, CLIENTS)]
        told = await asyncio.gather(*asked)  # none failed
        await switching
        peak = held(pid, "VmHWM") - base
        second = [await ask(number) for number in range(TEXTS)]
    assert not set(first) & set(second)
    assert all(text in (first[number % TEXTS], second[number % TEXTS]) for number, text in enumerate(told))
    assert first[0] in told and peak <= 1.2 * (old + old)
