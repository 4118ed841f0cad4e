"""Asking paired devices over the network: all that answer are kept, and nobody's silence keeps the others waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web

from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import device_key
from edge_runtime.update.report import Report, plain_report
from tests.edge_runtime.conftest import RunningDevice
from trainer_host.fleet import lan
from trainer_host.fleet.database import sqlite_engine
from trainer_host.fleet.store import Store
from trainer_host.release.devices import Device
from trainer_host.workspace import Workspace

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """Something at an address that isn't a device as it should be."""
    app = web.Application()
    app.router.add_get("/v1/updates", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def told(device: str) -> Report:
    return Report(device, device, (), 1.0)


def test_a_device_is_asked_kept_and_marked_away_once_it_does_not_answer(tmp_path: Path) -> None:
    state, workspace = tmp_path / "device", Workspace(tmp_path / "home")
    key = device_key(IdentityFolder(state))
    (state / "config.toml").write_text('[device]\nname = "kitchen"\ntags = ["floor:2"]\n')
    with Store(sqlite_engine(tmp_path / "fleet.db"), "the database") as store:
        running = RunningDevice(state)
        device = Device("k", running.url, running.token, key.id)
        try:
            assert [answer.why for answer in lan.refresh(workspace, [device], store)] == [""]
            with store.reading() as session:
                found = session.device("kitchen")
            assert (found.id, found.tags, found.present, found.via) == (key.id, ("floor:2",), True, "lan")
            # One that can't do what it is asked for is there all the same.
            assert "follows no repository" in lan.refresh(workspace, [device], store, check=True)[0].why
            with store.reading() as session:
                assert session.device("kitchen").present
        finally:
            running.kill()
        assert "can't be reached" in lan.refresh(workspace, [device], store)[0].why
        with store.reading() as session:
            assert (session.device("kitchen").present, session.device("kitchen").seen) == (False, found.seen)


async def test_who_is_silent_old_or_somebody_else_gets_a_reason_of_its_own() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async def old(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"code": "not_found", "message": "no"}}, status=404)

    async def other(request: web.Request) -> web.StreamResponse:
        return web.json_response(plain_report(told("f" * 16)))

    async def broken(request: web.Request) -> web.StreamResponse:
        return web.json_response({"format": 1})

    expected = {silent: "within 0.5 s", old: "update Enigma", other: "another device", broken: "device's report"}
    for handler, why in expected.items():
        async with answering(handler) as url:
            seconds = 0.5 if handler is silent else lan.SECONDS
            (answer,) = await lan.ask_all([Device("a", url, "t", "a" * 16)], seconds=seconds)
            assert answer.report is None and why in answer.why


async def test_many_are_asked_at_the_same_time_but_no_more_than_allowed() -> None:
    now, most = 0, 0
    enough = asyncio.Event()

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 4:
            enough.set()
        await enough.wait()
        now -= 1
        return web.json_response(plain_report(told("a" * 16)))

    async with answering(count) as url:
        answers = await lan.ask_all([Device(f"d{n}", url, "t", "a" * 16) for n in range(12)], at_once=4)
    assert [answer.device.name for answer in answers] == [f"d{n}" for n in range(12)]
    assert all(answer.report for answer in answers) and most == 4
