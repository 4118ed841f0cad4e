"""One robot's connection, kept alive: frames as they come, the plan and the map when they change, sticks and stops back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from companion_app.i18n import tr
from companion_app.services.link import Dispatch, backoff, sentence_of
from companion_app.services.robot_wire import frame_from, plan_from, scan_from
from companion_app.services.wire import as_number
from companion_app.services.work import together
from companion_app.state import robot_actions as act
from companion_app.state.robot import MapLies
from edge_runtime.client import DeviceClient, EdgeError, NotFound, Unauthorized

if TYPE_CHECKING:
    from edge_runtime.robot_client import RobotWatch

HZ = 10.0
# A device that has no robot may get one: its configuration is read when it starts.
LOOK_AGAIN = 30.0
# A robot's way back is worth more tries than a device's: somebody may be waiting to drive it.
LONGEST_WAIT = 2.0
MAP_EVERY = 2.0  # seconds between two pictures of a map that grows
ABOUT_DEADLINE = 10.0
Sleep = Callable[[float], Awaitable[None]]


class RobotLink:
    """Owns the connection to one device's robot until it is cancelled."""

    def __init__(self, client: DeviceClient, address: str, dispatch: Dispatch, sleep: Sleep = asyncio.sleep) -> None:
        self.client = client
        self._address, self._dispatch, self._sleep = address, dispatch, sleep
        self._watch: RobotWatch | None = None
        self._seen = 0.0
        self._plan, self._map = -1, -1
        self._lies: MapLies | None = None
        self._news = asyncio.Event()
        self._attempt = 0
        self._stops: dict[int, asyncio.Future[dict[str, object]]] = {}

    async def run(self) -> None:
        """Connect, follow, and begin again whenever the robot goes away; a device without one is asked again now and then."""
        while True:
            try:
                await self._follow()
            except NotFound:
                self._dispatch(act.RobotGone(self._address))
                await self._ended(LOOK_AGAIN)
            except Unauthorized as refused:  # the robot may be there all the same
                self._dispatch(act.RobotAway(self._address, sentence_of(refused)))
                await self._ended(LOOK_AGAIN)
            except (EdgeError, TimeoutError, OSError) as failed:
                self._dispatch(act.RobotAway(self._address, sentence_of(failed)))
                wait = min(LONGEST_WAIT, backoff(self._attempt, random.random()))
                self._attempt += 1
                await self._ended(wait)

    async def drive(self, v: float, w: float) -> None:
        """m/s, rad/s; nothing is kept for later where the robot is away."""
        if self._watch is not None:
            await self._watch.drive(v, w, self._seen)

    async def hold(self) -> None:
        """The deadman of assisted driving, for a quarter of a second."""
        if self._watch is not None:
            await self._watch.hold(self._seen)

    async def stop(self, number: int) -> dict[str, object]:
        """The emergency stop over the open connection, and its answer. Raises OSError where there is none."""
        if self._watch is None:
            raise OSError(tr("no connection is open"))
        answer = self._stops.setdefault(number, asyncio.get_running_loop().create_future())
        try:
            await self._watch.stop(number)
            return await answer
        finally:
            self._stops.pop(number, None)

    async def _ended(self, wait: float) -> None:
        await self.client.close()
        await self._sleep(wait)

    async def _follow(self) -> None:
        async with asyncio.timeout(ABOUT_DEADLINE):
            about = await self.client.robot.about()
        self._dispatch(act.RobotFound(self._address))
        plan = about.get("plan")
        if isinstance(plan, dict):
            self._take_plan(plan)
        async with self.client.robot.watch(HZ) as watch:
            self._watch, self._attempt = watch, 0
            try:
                await together(
                    asyncio.create_task(self._frames(watch)),
                    asyncio.create_task(self._changes()),
                )
            finally:
                self._watch, self._map = None, -1
                for answer in self._stops.values():
                    if not answer.done():
                        answer.set_exception(OSError(tr("the connection broke")))

    async def _frames(self, watch: RobotWatch) -> None:
        async for message in watch.messages():
            frame, refused = message.get("frame"), message.get("refused")
            if isinstance(frame, dict):
                made = frame_from(frame)
                self._seen, self._lies = made.t, made.map
                self._dispatch(act.RobotSeen(self._address, made, scan_from(frame.get("scan"))))
                if made.plan != self._plan or (made.map is not None and made.map.revision != self._map):
                    self._news.set()
            elif isinstance(refused, str):
                self._dispatch(act.RobotRefused(self._address, refused[:300]))
            elif "stopped" in message:
                answer = self._stops.get(int(as_number(message["stopped"])))
                if answer is not None and not answer.done():
                    answer.set_result(message)

    async def _changes(self) -> None:
        """Fetches plan and map after they changed, beside the frames."""
        while True:
            await self._news.wait()
            self._news.clear()
            async with asyncio.timeout(ABOUT_DEADLINE):
                about = await self.client.robot.about()
                plan = about.get("plan")
                if isinstance(plan, dict):
                    self._take_plan(plan)
                if self._lies is not None and self._lies.revision != self._map:
                    lies, picture = self._lies, await self.client.robot.map()
                    self._map = lies.revision
                    self._dispatch(act.RobotPictured(self._address, lies, picture))
            await asyncio.sleep(MAP_EVERY)

    def _take_plan(self, item: dict[str, object]) -> None:
        plan = plan_from(item)
        self._plan = plan.revision
        self._dispatch(act.RobotPlanned(self._address, plan))
