"""What the camera of the robot that is shown sees: the latest picture of a pipeline that shows them, twice a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from companion_app.i18n import tr
from companion_app.services.link import sentence_of
from companion_app.services.wire import as_list, as_text
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import robot_actions as ract
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.robot import Camera
from companion_app.state.robot_words import shown_robot
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient, EdgeError, NotFound

EVERY = 0.5  # seconds between two pictures: a phone's network carries them beside everything else
LOOK_AGAIN = 5.0  # where none is shown, or something is wrong
STALE = 5.0  # without a newer picture a person is told
RUNS = ("running", "retrying")


class RobotCamera:
    """Asks only while the robot is on the screen."""

    def __init__(self, store: Store, client: Callable[[str], DeviceClient]) -> None:
        """client: a device's; raises OSError where it was forgotten."""
        self._store = store
        self._client = client
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        self._address: str | None = None
        self._looking: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Follow the state; needs a running event loop."""
        self._stop_listening = self._store.listen(self._follow)
        self._follow(self._store.state)

    async def close(self) -> None:
        """Look no more."""
        self._stop_listening()
        await self._work.close()

    def _follow(self, state: AppState) -> None:
        robot = shown_robot(state) if state.screen is Screen.ROBOT else None
        address = robot.address if robot is not None and robot.phase is Phase.ONLINE else None
        if address == self._address:
            return
        self._address = address
        if self._looking is not None:
            self._looking.cancel()
        self._looking = self._work.begin(self._look(address)) if address is not None else None

    async def _look(self, address: str) -> None:
        known, tag, at = Camera(address), "", 0.0
        while True:
            pause = EVERY
            try:
                client = self._client(address)
                if not known.pipeline:
                    name = _shown((await client.pipelines()).get("pipelines"))
                    known, tag, at = Camera(address, name, known.picture if name else b""), "", time.monotonic()
                    pause = EVERY if name else LOOK_AGAIN
                if known.pipeline:
                    found = await client.picture(known.pipeline, tag)
                    if found is not None:
                        picture, tag, _ = found
                        at = time.monotonic()
                        known = Camera(address, known.pipeline, picture)
                old = time.monotonic() - at
                stale = bool(known.picture) and old > STALE
                problem = tr("No newer picture for {seconds} s.", seconds=round(old)) if stale else ""
            except NotFound:  # it has none yet, or its file was changed: whichever it is, the list says
                problem, pause = "", EVERY
                known = Camera(address, "", known.picture)
            except (EdgeError, TimeoutError, OSError) as error:
                problem, pause = sentence_of(error), LOOK_AGAIN
                known = Camera(address, "", known.picture)
            self._store.dispatch(ract.CameraTold(replace(known, problem=problem, looked=True)))
            await asyncio.sleep(pause)


def _shown(listed: object) -> str:
    """The first pipeline that shows a camera, and runs; empty where there is none."""
    for one in as_list(listed):
        if isinstance(one, Mapping) and one.get("shown") is True and as_text(one.get("state")) in RUNS:
            return as_text(one.get("name"))
    return ""
