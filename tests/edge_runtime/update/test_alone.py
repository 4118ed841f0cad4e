"""The updater over a state folder without a daemon: a stick, deltas, starts that fail, and all of it whole after a kill."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.cli import main
from edge_runtime.config import Config, UpdateConfig
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update import deadline, install, steps
from edge_runtime.update.agent import UpdateAgent
from edge_runtime.update.ground import Alone, Begun
from edge_runtime.update.install import Installer
from edge_runtime.update.journal import Journal
from edge_runtime.update.machine import Event, State, Unit, What, step
from edge_runtime.update.slots import Slots
from edge_runtime.update.source import follow, updates_folder
from edge_runtime.update.tuf import client
from trainer_host.release.export_updates import export
from trainer_host.release.settle import utc_now

from .following import NAME, Site, wrong_golden


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "home")


@pytest.fixture
def state(tmp_path: Path, site: Site) -> Iterator[Path]:
    """A device that follows the site's folder."""
    folder = tmp_path / "device"
    follow(folder, site.root.read_bytes(), [str(site.public)])
    yield folder


def agent_of(state: Path, config: Config | None = None) -> UpdateAgent:
    config = config or Config()
    installer = Installer(Slots(state), TrustStore(IdentityFolder(state)), config)
    return UpdateAgent(state, config, installer, Alone(installer), "device-1")


def update(state: Path, config: Config | None = None) -> UpdateAgent:
    """Once, to where it rests."""

    async def once() -> UpdateAgent:
        agent = agent_of(state, config)
        await agent.before_start()
        await agent.check()
        await agent.rest(30)
        await agent.close()
        return agent

    return asyncio.run(once())


def start(state: Path) -> State:
    """A start of the device that the power ends before anything else happens."""

    async def begin() -> State:
        agent = agent_of(state)
        await agent.before_start()
        return agent.units[NAME].state

    return asyncio.run(begin())


def committed(state: Path) -> str:
    """Let what is on probation pass, as a daemon that serves it would; its hash."""
    journal = Journal(updates_folder(state))
    unit, _ = step(journal.units[NAME], Event(What.PASSED))
    journal.record("passed", NAME, unit)
    pointer = Slots(state).pointers()[NAME]
    assert pointer is not None
    return pointer.active


def active(state: Path) -> str | None:
    pointer = Slots(state).pointers().get(NAME)
    return None if pointer is None else pointer.active


def test_the_third_start_that_does_not_reach_the_end_of_probation_goes_back(site: Site, state: Path) -> None:
    site.want(site.publish("1.0.0"))
    update(state)
    first = committed(state)
    site.want(site.publish("2.0.0"))
    assert update(state).units[NAME].state is State.PROBATION
    second = active(state)
    assert second not in (None, first)
    # The updater ended cleanly, so the first start isn't counted as one after a failure.
    for _ in range(3):
        assert start(state) is State.PROBATION
        assert active(state) == second
    assert start(state) is State.ROLLED_BACK
    assert active(state) == first
    unit = Journal(updates_folder(state)).units[NAME]
    assert "3 times" in unit.cause and not unit.revert
    assert update(state).units[NAME].state is State.ROLLED_BACK  # and it isn't tried again
    site.want(site.publish("3.0.0"))
    assert update(state).units[NAME].state is State.PROBATION


def test_a_switch_that_takes_the_process_with_it_is_given_up_the_third_time(
    site: Site, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.want(site.publish("1.0.0"))

    async def dies(self: Alone, staged: Path, digest: str, begun: Begun) -> None:
        await begun()
        await asyncio.sleep(3600)  # until the process ends, as where memory ran out

    async def life() -> Unit:
        agent = agent_of(state)
        await agent.before_start()
        before = agent.units.get(NAME, Unit())
        await agent.check()
        await until(agent, State.STAGED)
        async with asyncio.timeout(60):
            while not agent.units[NAME].running:  # noqa: ASYNC110 - as the device is watched
                await asyncio.sleep(0.01)
        return before

    with monkeypatch.context() as patch:
        patch.setattr(Alone, "switch", dies)
        assert [asyncio.run(life()).boots for _ in range(3)] == [0, 1, 2]
    assert start(state) is State.ROLLED_BACK
    unit = Journal(updates_folder(state)).units[NAME]
    assert "3 times in the middle of its switch" in unit.cause and active(state) is None
    assert update(state).units[NAME].state is State.ROLLED_BACK  # and it isn't tried again


def test_a_first_release_that_fails_leaves_nothing_behind(site: Site, state: Path) -> None:
    site.want(site.publish("1.0.0"))
    update(state)
    left = updates_folder(state) / "incoming" / "other"
    left.mkdir()
    for _ in range(4):
        start(state)
    assert active(state) is None and not left.exists()
    assert not list((state / "bundles").iterdir())


def test_the_smallest_way_is_taken_and_where_it_is_spoilt_the_whole_file(site: Site, state: Path) -> None:
    site.want(site.publish("1.0.0"))
    update(state)
    committed(state)
    site.want(site.publish("2.0.0"))
    whole = site.repository.targets()["models/router/tiny-2.0.0.enigma"]
    update(state)
    seen = last_fetch(state)
    assert seen["way"] != "whole" and seen["bytes"] < whole.length
    committed(state)
    site.want(site.publish("3.0.0"))
    spoilt = [path for path in site.public.glob("targets/models/router/*.tiny-3.0.0.enigma.*")]
    assert spoilt
    for path in spoilt:
        path.write_bytes(bytes(path.stat().st_size))
    agent = update(state)
    assert agent.units[NAME].state is State.PROBATION
    seen = last_fetch(state)
    assert seen["way"] == "whole" and len(seen["tried"]) >= 1


def last_fetch(state: Path) -> Any:
    entries = Journal(updates_folder(state)).entries()
    return next(line["seen"] for line in entries if line["what"] == "fetched")


def test_a_data_budget_that_allows_no_way_is_told(site: Site, state: Path) -> None:
    site.want(site.publish("1.0.0"))

    async def once() -> UpdateAgent:
        config = Config(update=type(Config().update)(budget_mb=0.001))
        installer = Installer(Slots(state), TrustStore(IdentityFolder(state)), config)
        agent = UpdateAgent(state, config, installer, Alone(installer), "device-1")
        await agent.check()
        await agent.rest(30)
        await agent.close()
        return agent

    unit = asyncio.run(once()).units[NAME]
    assert unit.state is State.ROLLED_BACK and "budget_mb" in unit.cause


async def until(agent: UpdateAgent, state: State) -> None:
    async with asyncio.timeout(60):
        while agent.units.get(NAME, Unit()).state is not state:  # noqa: ASYNC110 - as the device is watched
            await asyncio.sleep(0.02)


def test_a_condition_that_is_lifted_lets_it_go_on(site: Site, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "CONDITION_SECONDS", 0.02)
    target = site.publish("1.0.0")
    site.want(target, when=("docked",))

    async def waited() -> None:
        agent = agent_of(state)
        await agent.check()
        await until(agent, State.STAGED)
        async with asyncio.timeout(60):
            while NAME not in agent.hindered:  # noqa: ASYNC110 - as the device is watched
                await asyncio.sleep(0.02)
        assert "docked" in agent.hindered[NAME]
        site.want(target, again=True)
        await agent.check()
        await until(agent, State.PROBATION)
        await agent.close()

    asyncio.run(waited())
    assert active(state) is not None


def test_a_condition_that_never_comes_is_given_up_and_what_is_paused_is_not(
    site: Site, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "CONDITION_SECONDS", 0.02)
    target = site.publish("1.0.0")
    site.want(target, when=("docked", "held"))
    short = dataclasses.replace(Config(), update=dataclasses.replace(Config().update, condition_days=0.2 / 86400))

    async def waited() -> None:
        agent = agent_of(state, short)
        await agent.check()
        await until(agent, State.STAGED)
        await asyncio.sleep(0.4)
        assert agent.units[NAME].state is State.STAGED
        site.want(target, when=("docked",), again=True)
        await agent.check()
        await until(agent, State.ROLLED_BACK)
        assert agent.units[NAME].evidence == {"at": "condition"}
        assert "as long as condition_days allows. It waits until the device is docked" in agent.units[NAME].cause
        await agent.close()

    asyncio.run(waited())
    assert active(state) is None
    assert not (updates_folder(state) / "incoming" / NAME).exists()


def test_the_owner_s_hooks_put_a_switch_off_and_are_told_how_it_went(site: Site, state: Path, tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir(mode=0o700)

    def hook(name: str, script: str) -> None:
        (hooks / name).write_text(f"#!/bin/sh\n{script}\n")
        (hooks / name).chmod(0o700)

    config = Config(update=UpdateConfig(trial=False, hooks=str(hooks)))
    hook("pre-update", "echo the arm is moving; exit 1")
    hook("post-update", f'echo "$ENIGMA_SPECIALIST $ENIGMA_VERSION $ENIGMA_STATE $ENIGMA_CAUSE" >{tmp_path}/told')
    site.want(site.publish("1.0.0", wrong_golden("1.0.0")))
    agent = update(state, config)
    assert agent.units[NAME].state is State.STAGED and "the arm is moving" in agent.hindered[NAME]
    hook("pre-update", "exit 0")
    assert update(state, config).units[NAME].state is State.ROLLED_BACK
    assert (tmp_path / "told").read_text().startswith(f"{NAME} 1.0.0 rolled_back Golden vector 1")


def test_what_is_staged_needs_no_network_but_signatures_that_still_count(
    site: Site, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "CONDITION_SECONDS", 0.02)
    site.want(site.publish("1.0.0"), when=("docked",))

    async def docked() -> None:
        agent = agent_of(state)
        await agent.check()
        await until(agent, State.STAGED)
        site.public.rename(site.public.with_name("away"))
        await agent.check()
        assert "can't be reached" in agent.cause or "hasn't got" in agent.cause
        wish = agent.wish(NAME)
        assert wish is not None and agent.reach is not None
        assert agent.reach.stale(wish.until) == ""
        assert "expired" in agent.reach.stale(utc_now())
        there = dataclasses.replace(agent.ground.readings(""), docked=True)
        monkeypatch.setattr(Alone, "readings", lambda self, window: there)
        await until(agent, State.PROBATION)
        await agent.close()

    asyncio.run(docked())
    assert active(state) is not None


def test_a_model_that_does_not_load_in_time_changes_nothing_however_late(
    site: Site, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "LOAD_SECONDS", 0.05)
    loads = install.admit

    def slow(*arguments: Any, **named: Any) -> Any:
        time.sleep(0.3)
        return loads(*arguments, **named)

    monkeypatch.setattr(install, "admit", slow)
    site.want(site.publish("1.0.0"))
    unit = update(state, Config(update=UpdateConfig(trial=False))).units[NAME]
    assert unit.state is State.ROLLED_BACK and "loaded and checked within" in unit.cause
    assert active(state) is None and not list((state / "bundles").iterdir())


def test_a_clock_that_is_behind_does_not_keep_an_expired_word_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = utc_now() + timedelta(days=3)  # the host's clock is right, the device's three days behind
    site = Site(tmp_path / "home", lambda: then)
    follow(tmp_path / "device", site.root.read_bytes(), [str(site.public)])
    site.want(site.publish("1.0.0"), ("window",))

    async def look() -> tuple[str, str]:
        agent = agent_of(tmp_path / "device")
        await agent.check()
        reach = agent.reach
        assert reach is not None
        until, running = then + timedelta(minutes=2), client._running()
        now = reach.stale(until)
        monkeypatch.setattr(client, "_running", lambda: running + 180)
        found = now, reach.stale(until)
        await agent.close()
        return found

    before, after = asyncio.run(look())
    assert before == "" and "expired" in after


def test_only_what_both_signers_name_is_installed(site: Site, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = site.publish("1.0.0")
    rollout = site.want(first)
    site.repository.publish({}, remove=[first])  # the task's signers took it back; the fleet still wants it
    agent = update(state)
    assert NAME not in agent.units and active(state) is None
    assert "didn't sign" in agent.hindered[NAME]
    assert rollout == "r-0001"
    assert main(["updates", "apply", str(site.public), "--state", str(state)]) == 1
    assert "tiny (idle): " in (said := capsys.readouterr().out) and "didn't sign" in said


def test_a_stick_brings_a_release_without_a_daemon_and_without_a_network(
    site: Site, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.want(site.publish("1.0.0"))
    export(site.repository, tmp_path / "stick")
    assert main(["updates", "apply", str(tmp_path / "stick"), "--state", str(state)]) == 0
    said = capsys.readouterr().out
    assert "(asked: " in said and "tiny 1.0.0 (probation" in said
    assert active(state) is not None
    assert main(["updates", "--state", str(state)]) == 0
    assert "(no daemon runs)" in capsys.readouterr().out
    assert main(["updates", "apply", str(tmp_path), "--state", str(state)]) == 1
    assert "enigma release export" in capsys.readouterr().err


def test_an_expired_repository_brings_nothing_new_and_stops_nothing(
    site: Site, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.want(site.publish("1.0.0"))
    update(state)
    first = committed(state)
    then = utc_now() - timedelta(days=9)
    frozen = Site(tmp_path / "frozen", lambda: then)  # its timestamp counts for a week
    frozen.want(frozen.publish("9.0.0"))
    follows = ["updates", "follow", "--root", str(frozen.root), "--from", str(frozen.public), "--state", str(state)]
    assert main(follows) == 0
    assert main(["updates", "apply", str(frozen.public), "--state", str(state)]) == 1
    assert "expired" in capsys.readouterr().out
    assert active(state) == first and len(list((state / "bundles").iterdir())) == 1
