"""The steps of a release on this device: fetch its file, stage it, wait for its conditions, switch to it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.bundle import HEADER_BYTES
from edge_runtime.errors import BundleError, EdgeError, EngineError, MissingBase, TookTooLong
from edge_runtime.update import compatibility, delta, disk, hooks
from edge_runtime.update.chunks import Plan
from edge_runtime.update.conditions import HELD, Readings, unmet
from edge_runtime.update.disk_threads import DiskHangs, on_disk
from edge_runtime.update.fetch import Budget, FetchError, Limits, NotOffered, OverBudget
from edge_runtime.update.fetch import fetch as fetch_plan
from edge_runtime.update.machine import Event, Release, Unit, What
from edge_runtime.update.ways import Way, ways

if TYPE_CHECKING:
    from edge_runtime.update.drives import Drives
    from edge_runtime.update.wishes import Wish

_log = logging.getLogger(__name__)
Json = dict[str, object]
FETCH_SECONDS = 3600.0  # beside what a bandwidth cap asks for; what is there stays for the next try
CONDITION_SECONDS = 5.0  # between two looks at the conditions
HOOK_SECONDS = {hooks.PRE: 60.0, hooks.POST: 60.0, hooks.DOCKED: 5.0, hooks.CHARGING: 5.0}
FILE, SPENT = "bundle.enigma", "spent.json"
_BASES = 3  # that a release has deltas from
_MOST_CHUNKS = 4096  # of a target, as many as the longest has


async def fetch(agent: Drives, name: str, release: Release) -> Event | None:
    """Get the bundle's file, by the cheapest way that is open here; None where it can't go on now."""
    wish = agent.wish(name)
    if wish is None or not wish.release.same(release) or agent.reach is None:
        return None
    if why := await on_disk(agent.state, _misfit, agent, wish):
        return Event(What.FAILED, cause=why, evidence={"at": "compatibility"})
    folder = agent.folder(name)
    with disk.storage_errors(folder):
        await on_disk(folder, disk.make_private, folder)
    budget = await on_disk(folder, Budget, int(agent.config.update.budget_mb * 2**20), folder / SPENT)
    tried: list[str] = []
    bases = _BASES * agent.installer.max_bundle_bytes
    open_ways = await on_disk(agent.state, _ways, agent, wish, budget, most_bytes=bases)
    later = False
    for way in open_ways:
        try:
            made = await _take(agent, name, wish, way, budget)
        except (NotOffered, OverBudget, BundleError) as error:
            tried.append(f"{way.scheme or 'whole'}: {error}")
            continue
        except FetchError as error:
            agent.hinder(name, str(error))
            later = True
            continue
        if made:
            return Event(What.FETCHED, evidence={"way": way.scheme or "whole", "bytes": budget.spent, "tried": tried})
        tried.append(f"{way.scheme or 'whole'}: It didn't give the signed file.")
    if later:
        return None
    cause = (
        tried[-1].partition(": ")[2]
        if tried
        else "The data budget doesn't allow any way to this release; raise budget_mb."
    )
    return Event(What.FAILED, cause=cause, evidence={"at": "fetch", "tried": tried, "bytes": budget.spent})


async def stage(agent: Drives, name: str, release: Release) -> Event:
    """Unpack the file beside it, compared with its hashes all the way."""
    installer, bundle = agent.installer, agent.folder(name) / FILE
    staged = installer.slots.staged_beside(bundle)
    folder, most = agent.folder(name), 3 * installer.max_bundle_bytes  # it is read twice, and written
    if await on_disk(folder, installer.still_staged, staged, release.bundle, most_bytes=most):
        return Event(What.STAGED)
    if not await on_disk(folder, bundle.is_file):
        return Event(What.LOST)
    try:
        await on_disk(folder, installer.stage, bundle, name, release.bundle, most_bytes=most)
    except BundleError as error:
        return Event(What.FAILED, cause=str(error), evidence={"at": "stage"})
    return Event(What.STAGED)


async def ready(agent: Drives, name: str, release: Release) -> bool:
    """Wait until it may begin to serve; False where it has to be tried again at the next poll.

    Raises `Overdue` where the device's own conditions, or its hook, kept it waiting for longer than `condition_days`.
    """
    await on_disk(agent.folder(name), _remove_what_it_was_made_of, agent.folder(name))
    waited, days = agent.waits.of(name, release), agent.config.update.condition_days
    while True:
        if why := _unsigned(agent, name, release):
            waited.waits_for_others()
            agent.hinder(name, why)
            return False
        wish = agent.wish(name)
        when = release.when if wish is None else wish.release.when
        waits = unmet(when, await _readings(agent))
        if not waits:
            break
        agent.hinder(name, " ".join(waits))
        if HELD in when:  # somebody paused it, who may take a holiday
            waited.paused()
        else:
            waited.waits(" ".join(waits), days)
        await asyncio.sleep(CONDITION_SECONDS)
    if why := await _hook(agent, hooks.PRE, name, release):
        waited.waits(why, days)
        agent.hinder(name, why)
        return False
    return True


def _remove_what_it_was_made_of(folder: Path) -> None:
    for path in folder.glob("*"):  # the staged folder is enough from here on
        if path.is_file() and path.name != SPENT:
            disk.remove(path)


def _unsigned(agent: Drives, name: str, release: Release) -> str:
    """Why the signers' word for a release doesn't count now, empty where it does: nothing is installed on an expired one."""
    wish, reach = agent.wish(name), agent.reach
    if wish is None or not wish.release.same(release) or reach is None:
        return "It waits until the repository of updates was asked."
    return reach.stale(wish.until)


async def switch(agent: Drives, name: str, release: Release) -> Event | None:
    """Let it serve, once its golden vectors agree; None where that is to be tried again.

    That it begins is written down before, so that a model which takes the daemon with it is refused in the end.
    """
    installer, folder = agent.installer, agent.folder(name)
    staged = installer.slots.staged_beside(folder / FILE)
    pointer = (await on_disk(agent.state, installer.slots.pointers)).get(name)
    most = installer.max_bundle_bytes
    if not await on_disk(folder, installer.still_staged, staged, release.bundle, most_bytes=most):
        if pointer is not None and pointer.active == release.bundle == agent.ground.serving(name):
            return Event(What.SWITCHED, former=pointer.previous)  # by a switch that the disk ended late
        return Event(What.LOST)
    former = None
    if pointer is not None:
        former = pointer.active if pointer.active != release.bundle else pointer.previous
    # It is refused for good only when it fails twice: a disk that fails for a moment looks like a model that can't be read.
    for last in (False, True):
        try:
            await agent.ground.switch(staged, release.bundle, lambda: agent.trying(name))
            break
        except DiskHangs as error:
            if not agent.units[name].running:
                raise  # it hasn't begun
            cause = f"The switch to it didn't come to its end in time, so it is given up. {error}"
            return Event(What.HUNG, cause=cause, evidence={"at": "switch"})
        except MissingBase as error:  # it may be on its way
            agent.hinder(name, str(error))
            return None
        except (BundleError, EngineError) as error:
            if last or isinstance(error, TookTooLong):
                return Event(What.FAILED, cause=str(error), evidence={"at": "admission", "code": error.code})
    return Event(What.SWITCHED, former=former)


async def after(agent: Drives, name: str, unit: Unit) -> None:
    """Tell the owner's hook how it went."""
    if unit.release is not None:
        told = {"ENIGMA_STATE": unit.state.value, "ENIGMA_CAUSE": unit.cause}
        if why := await _hook(agent, hooks.POST, name, unit.release, told):
            agent.ground.emit("error", specialist=name, code="hook", message=why)


def _misfit(agent: Drives, wish: Wish) -> str:
    most = agent.installer.max_bundle_bytes
    if wish.file.length - HEADER_BYTES > most:
        return (
            f"The bundle has {wish.file.length:,} bytes, and this device takes {most:,}; raise max_bundle_mb in its "
            "configuration."
        )
    return " ".join(compatibility.misfits(wish.file.custom, compatibility.this_device(agent.config)))


def _ways(agent: Drives, wish: Wish, budget: Budget) -> list[Way]:
    slots = agent.installer.slots

    def holds(base: str) -> bool:
        try:
            slots.check(base, again=True)
        except EdgeError:
            return False
        return True

    file = wish.file
    return ways(file.name, file.length, file.custom, holds, _free_mb(), budget.allows)


async def _take(agent: Drives, name: str, wish: Wish, way: Way, budget: Budget) -> bool:
    """Fetch one way's target and make the bundle's file of it; whether that has the signed hash."""
    assert agent.reach is not None
    file = wish.file
    if way.scheme:
        found = await agent.reach.target(way.target, wish.role)
        if found is None or not _is_way(found.custom, way, file.name):
            raise NotOffered(f"The signers of '{wish.role}' didn't sign '{way.target[:80]}' for this bundle.")
        file = found
    folder, ours, whole = agent.folder(name), agent.config.update, wish.file.length
    cap = ours.bandwidth_kb * 1024
    # Beside the download: the bundle's file, where it is made of another one, what is unpacked, and cold weights.
    copies = 1 + bool(way.scheme) + agent.config.models.cold
    limits = Limits(
        bytes_per_second=cap,
        budget=budget,
        deadline=FETCH_SECONDS + (2 * file.length / cap if cap else 0.0),
        room=copies * whole + ours.keep_free_mb * 2**20,
    )
    chunks = file.custom.get("chunks")
    listed = tuple(map(str, chunks[:_MOST_CHUNKS])) if isinstance(chunks, list) else ()
    plan = Plan(file.name, (f"targets/{file.path()}",), file.length, file.hashes.get("sha256", ""), listed)
    told = 0

    def tell(taken: int, total: int) -> None:
        nonlocal told
        if 4 * taken // total > told:
            told = 4 * taken // total
            fields: Json = {"stage": "receiving", "bytes": taken, "total": total, "version": wish.release.version}
            agent.ground.emit("update", specialist=name, **fields)

    got = await fetch_plan(plan, agent.reach.places(), folder, limits, tell)
    agent.ground.count("enigma_update_fetched_total", way=way.scheme or "whole")
    bundle = folder / FILE
    with disk.storage_errors(folder):
        return await on_disk(folder, _make, agent, way, got, bundle, wish, most_bytes=3 * whole)


def _make(agent: Drives, way: Way, got: Path, bundle: Path, wish: Wish) -> bool:
    disk.remove(bundle)
    if not way.scheme:
        disk.move(got, bundle)
        return True  # `fetch_plan` compared it
    base = agent.installer.slots.folder(way.base) if way.base is not None else None
    try:
        delta.apply(got, base, bundle, wish.file.length)
        with bundle.open("rb") as made:
            right = hashlib.file_digest(made, "sha256").hexdigest() == wish.release.sha256
        # Or a power cut could leave this name to what an earlier run, which was killed, began to write under it.
        disk.sync_folder(bundle.parent)
    finally:
        disk.remove(got)
    if not right:
        disk.remove(bundle)
    return right


def _is_way(custom: Json, way: Way, of: str) -> bool:
    told = tuple(custom.get(key) for key in ("kind", "of", "base", "scheme"))
    return told == ("delta", of, way.base, way.scheme)


async def _readings(agent: Drives) -> Readings:
    readings = agent.ground.readings(agent.config.update.window)
    found = {word: await _asked(agent, hook) for word, hook in (("docked", hooks.DOCKED), ("charging", hooks.CHARGING))}
    docked, charging = found["docked"], found["charging"]
    return Readings(
        readings.busy,
        readings.quiet,
        readings.minute,
        readings.charging if charging is None else charging,
        readings.docked if docked is None else docked,
        readings.window,
    )


async def _asked(agent: Drives, hook: str) -> bool | None:
    """What a hook answers, None without it, or where it answers neither yes nor no."""
    try:
        path = await _found(agent, hook)
        run = None if path is None else await hooks.run_hook(path, {}, HOOK_SECONDS[hook])
    except hooks.HookError as error:
        _log.warning("%s", error)
        return None
    return {0: True, 1: False}.get(cast(int, run.status)) if run is not None else None


async def _hook(agent: Drives, hook: str, name: str, release: Release, more: dict[str, str] | None = None) -> str:
    """Run a hook; why it said no, empty where it didn't, or there is none."""
    told = {
        "ENIGMA_SPECIALIST": name,
        "ENIGMA_VERSION": release.version,
        "ENIGMA_BUNDLE": release.bundle,
        **(more or {}),
    }
    try:
        path = await _found(agent, hook)
        return "" if path is None else (await hooks.run_hook(path, told, HOOK_SECONDS[hook])).cause
    except hooks.HookError as error:
        return str(error)


async def _found(agent: Drives, hook: str) -> Path | None:
    folder = agent.config.update.hooks
    return await on_disk(Path(folder), hooks.find_hook, Path(folder), hook) if folder else None


def _free_mb() -> float:
    """Memory that may be used, 0 where the kernel doesn't say."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0.0
