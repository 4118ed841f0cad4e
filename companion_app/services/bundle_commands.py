"""Fetching bundles and model files from the host: to keep one, or to carry a bundle to a device. What came is checked by its hash."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from companion_app.i18n import tr
from companion_app.services.bundle_wire import bundles_from, exports_from
from companion_app.services.host_client import SLOW_DEADLINE, HostClient, HostError
from companion_app.services.private_files import PlaceError, cannot, copy_new, new_place
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import bundles as bact
from companion_app.state.bundles import FetchPhase, Goal, HostBundle
from companion_app.state.describe import human_bytes
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.store import Store
from companion_app.state.training import Part
from edge_runtime.bundle import MAX_BUNDLE_BYTES

MISSING = 404
FOLDER = "bundles"
KEPT = 3  # whole bundles, so that a second device needs no second download
STALE_SECONDS = 7 * 24 * 3600.0  # after so long nobody goes on with what broke off
FRUITLESS = 4  # times that a host answers and then sends nothing
BACK_SECONDS = 300.0  # so long a fetch waits for a host that went away
AGAIN_SECONDS = 0.5  # before it is asked again; a link may not know yet that it is gone


class BundleCommands:
    """Owns the fetch. folder: the app's own; push: carries a file to the selected device; select: chooses a device."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        client: Callable[[], HostClient],
        push: Callable[[str], None],
        select: Callable[[str], None],
    ) -> None:
        self._store, self._client, self._push, self._select = store, client, push, select
        self._folder = folder / FOLDER
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._fetching: asyncio.Task[None] | None = None
        self._seen: tuple[object, ...] = (False,)
        self._stop_listening: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Look at the host's bundles whenever a person comes to see them; needs a running event loop."""
        self._stop_listening = self._store.listen(self._watch)

    async def close(self) -> None:
        """End what is under way; what came stays, and the next fetch goes on from there."""
        self._stop_listening()
        await self._work.close()

    def look(self) -> None:
        """Ask the host which bundles and model files it has."""
        self._work.begin(self._looked())

    def save(self, bundle: str, path: str = "") -> None:
        """Fetch one and keep it as a file. path: of a new file or a folder, by default where downloads go.

        bundle: its hash, "NAME VERSION", or a specialist's name for the newest one.
        """
        self._begin(bundle, Goal.SAVE, path)

    def save_model(self, file: str, path: str = "") -> None:
        """Fetch a model file and keep it. file: its hash, or "RUN FILE"; path: as `save`."""
        self._begin(file, Goal.SAVE, path, model=True)

    def push(self, bundle: str, device: str = "") -> None:
        """Fetch one and carry it to a device, by default the selected one."""
        if device:
            self._select(device)
        self._begin(bundle, Goal.PUSH, "")

    def cancel(self) -> None:
        """Don't fetch it after all; what came of it goes."""
        fetch = self._store.state.bundles.fetch
        if self._fetching is not None:
            self._fetching.cancel()
            self._fetching = None
        if fetch is not None:
            if fetch.phase is not FetchPhase.DONE:
                with contextlib.suppress(OSError):
                    self._part(fetch.bundle).unlink(missing_ok=True)
            self._store.dispatch(bact.FetchDropped())

    def _begin(self, bundle: str, goal: Goal, path: str, model: bool = False) -> None:
        if self._fetching is not None and not self._fetching.done():
            self._store.dispatch(act.Noticed(tr("A bundle is being fetched; wait until it is here, or cancel that.")))
            return
        self._fetching = self._work.begin(self._fetch(bundle, goal, path, model))

    async def _fetch(self, wanted: str, goal: Goal, path: str, model: bool) -> None:
        do = self._store.dispatch
        try:
            bundles = self._store.state.bundles
            if (bundles.exported is None) if model else not bundles.known:
                await self._looked(quiet=False)
                bundles = self._store.state.bundles
            one = bundles.find_exported(wanted) if model else bundles.find(wanted)
            if one is None:
                raise HostError(
                    tr("The host has no model file {name}; export the run under Train, Release.", name=wanted[:80])
                    if model
                    else tr("The host has no bundle {name}; make one under Train, Release.", name=wanted[:80])
                )
            file = new_place(path, *one.kept_as) if goal is Goal.SAVE else None
        except (HostError, PlaceError) as error:
            do(act.Noticed(str(error)))
            return
        do(bact.FetchBegun(one, goal))
        try:
            whole = await self._here(one)
            if file is None:
                self._carry(one, whole)
            else:
                await asyncio.to_thread(copy_new, whole, file)
                if one.model:  # it may be large, and no device wants it
                    whole.unlink(missing_ok=True)
                do(bact.FetchStands(FetchPhase.DONE, tr("Saved as {file}.", file=file), str(file)))
        except HostError as error:
            do(bact.FetchStands(FetchPhase.FAILED, str(error)))
        except OSError as error:
            do(bact.FetchStands(FetchPhase.FAILED, cannot(Path(error.filename or self._folder), error)))

    def _carry(self, one: HostBundle, whole: Path) -> None:
        device = self._store.state.device
        name = device.name if device is not None else ""
        self._store.dispatch(bact.FetchStands(FetchPhase.DONE, tr("It is here, and goes to {name}.", name=name)))
        self._push(str(whole))
        if self._store.state.screen is Screen.TRAIN:  # a person who is elsewhere by now stays there
            self._store.dispatch(act.Opened(Screen.PUSH))

    async def _here(self, one: HostBundle) -> Path:
        """The whole file with the right hash. Raises `HostError` and OSError."""
        if not one.model and not 0 < one.bytes <= MAX_BUNDLE_BYTES:
            most = MAX_BUNDLE_BYTES // 2**20
            raise HostError(tr("{name} is larger than a bundle may be ({most} MB).", name=one.name, most=most))
        whole, part = self._folder / ".".join(one.kept_as), self._part(one)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if one.model and shutil.disk_usage(self._folder).free < 2 * one.bytes:  # in the end it is copied to its place
            raise HostError(
                tr("There is no room here for {name} ({size}).", name=one.name, size=human_bytes(one.bytes))
            )
        if await asyncio.to_thread(_is, whole, one):
            return whole
        anew = False
        while True:
            await self._receive(one, part)
            self._store.dispatch(bact.FetchStands(FetchPhase.CHECKING))
            if await asyncio.to_thread(_is, part, one):
                break
            part.unlink(missing_ok=True)
            if anew:
                raise HostError(
                    tr("What came isn't the model file that the host listed; it was dropped. Export it again.")
                    if one.model
                    else tr("What came isn't the bundle that the host listed; it was dropped. Try again.")
                )
            anew = True  # perhaps what was here from before the break was damaged
        part.replace(whole)
        await asyncio.to_thread(_tidy, self._folder, whole)
        return whole

    async def _receive(self, one: HostBundle, part: Path) -> None:
        """Write all bytes, from where an earlier try broke off; waits for a host that goes away meanwhile."""
        fruitless = 0
        while (have := _length(part)) < one.bytes:
            try:
                before = have
                await self._receive_once(one, part, have)
                have = _length(part)
                fruitless = 0 if have > before else fruitless + 1
                reason = HostError(tr("The host sends nothing of {name}; try again later.", name=one.name))
            except HostError as error:
                fruitless = 0 if _length(part) > have else fruitless + 1
                if error.status:
                    raise
                reason = error
            if fruitless >= FRUITLESS:
                raise reason
            if _length(part) < one.bytes:
                self._store.dispatch(bact.FetchStands(FetchPhase.WAITING, str(reason)))
                await asyncio.sleep(AGAIN_SECONDS)
                if not await self._back():
                    raise reason

    async def _receive_once(self, one: HostBundle, part: Path, have: int) -> None:
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
        pieces = self._client().file(one.address, have)
        told = have
        with os.fdopen(handle, "r+b") as out:
            async with contextlib.aclosing(pieces) as sent:
                async for place, piece in sent:
                    if place + len(piece) > one.bytes:
                        out.truncate(0)
                        raise HostError(tr("The host sends more than it said; it was dropped."), -1)
                    if place != have:
                        out.truncate(place)  # it begins anew
                    out.seek(place)
                    out.write(piece)
                    have = place + len(piece)
                    if have - told >= one.bytes / 100 or have == one.bytes or have < told:
                        told = have
                        self._store.dispatch(bact.FetchGot(have))

    async def _back(self) -> bool:
        """Whether the host is there again, in time."""
        news = asyncio.Event()
        stop = self._store.listen(lambda state: news.set())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BACK_SECONDS):
                    while not _online(self._store.state):
                        news.clear()
                        await news.wait()
        finally:
            stop()
        return _online(self._store.state)

    async def _looked(self, quiet: bool = True) -> None:
        do = self._store.dispatch
        for place, told, older in (
            ("/v1/bundles", lambda answer: bact.BundlesTold(*bundles_from(answer)), bact.BundlesTold(None)),
            ("/v1/exports", lambda answer: bact.ExportsTold(exports_from(answer)), bact.ExportsTold(())),
        ):
            try:
                do(told(await self._client().call("GET", place, deadline=SLOW_DEADLINE)))
            except HostError as error:
                if error.status == MISSING:
                    do(older)
                elif not quiet:
                    raise

    def _watch(self, state: AppState) -> None:
        """Look when a person comes to the part about releases, and whenever a release is done there."""
        shown = state.screen is Screen.TRAIN and state.training.part is Part.RELEASE and _online(state)
        done = [job.id for job in state.training.jobs if job.kind == "release" and not job.open]
        seen = (shown, *done)
        if shown and seen != self._seen:
            self.look()
        self._seen = seen

    def _part(self, one: HostBundle) -> Path:
        return self._folder / f"{one.sha256}.part"


def _online(state: AppState) -> bool:
    return state.host is not None and state.host.phase is Phase.ONLINE


def _length(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _is(file: Path, one: HostBundle) -> bool:
    """Whether a file is this bundle. Blocks."""
    if _length(file) != one.bytes:
        return False
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == one.sha256


def _tidy(folder: Path, newest: Path) -> None:
    """Keep a few whole bundles, and of those that broke off what somebody may still go on with. Blocks."""
    whole = sorted(folder.glob("*.enigma"), key=lambda file: (file == newest, file.stat().st_mtime), reverse=True)
    stale = [file for file in folder.glob("*.part") if file.stat().st_mtime < time.time() - STALE_SECONDS]
    for file in (*whole[KEPT:], *stale):
        with contextlib.suppress(OSError):
            file.unlink()
