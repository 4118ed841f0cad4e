"""What a person can have a robot do. The emergency stop goes over every way at once, and again until it has come through."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from companion_app.i18n import tr
from companion_app.services.link import sentence_of
from companion_app.services.remember import Memory, Remembered, RememberError
from companion_app.services.robot_link import RobotLink
from companion_app.services.robot_wire import place_json, plan_from, zone_json
from companion_app.services.work import Work
from companion_app.state import actions as act
from companion_app.state import robot_actions as robot_act
from companion_app.state.model import AppState
from companion_app.state.robot import Place, Plan, Point, Robot, Zone
from companion_app.state.robot_words import shown_robot
from companion_app.state.store import Store
from edge_runtime.client import DeviceClient, EdgeError

log = logging.getLogger(__name__)

ARM_MINUTES = 15.0  # as the command and the slide say
STICK_EVERY = 0.1  # seconds; the robot's deadman is a quarter of a second
STOP_DEADLINE = 3.0  # of one try over one way
STOP_AGAIN = 0.5  # seconds between two tries
DEADLINE = 15.0
LOOK_EVERY = 0.5  # seconds between two looks for the token of a device that was paired just now
ROBOTS = "robots.json"
LEAST_CORNERS, MOST_NAME = 3, 64
Json = dict[str, object]


class RobotCommands:
    """A link to the robot of every device; each command returns at once and reports through the store."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store, self._memory = store, memory
        self._work = Work(lambda sentence: store.dispatch(act.Noticed(sentence)))
        # A link closes its client to connect anew; what a person asks for goes over another one, untouched.
        self._clients: dict[str, DeviceClient] = {}
        self._links: dict[str, tuple[RobotLink, asyncio.Task[None]]] = {}
        self._stopping: dict[str, asyncio.Task[None]] = {}
        self._drawing = asyncio.Lock()
        self._kept: tuple[str, ...] = ()
        self._number = 0
        self._looked: dict[str, float] = {}
        self._stick: tuple[str, float, float] | None = None
        self._held: str | None = None
        self._driving: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Look for robots beside the devices; needs a running event loop.

        One that was there before can be stopped from the first moment on, though it may be out of reach.
        """
        with contextlib.suppress(RememberError):
            kept = (self._memory.read(ROBOTS, tr("look for your robots again")) or {}).get("robots")
            self._kept = tuple(str(address) for address in kept) if isinstance(kept, list) else ()
        for device in self._store.state.devices:
            if device.address in self._kept:
                self._store.dispatch(robot_act.RobotFound(device.address))
        self._stop_listening = self._store.listen(self._follow)
        self._follow(self._store.state)

    async def close(self) -> None:
        """End every connection; what is driven stands by its deadman at the latest."""
        self._stop_listening()
        self._stick = self._held = None
        await self._work.close()
        for client in [link.client for link, _ in self._links.values()] + list(self._clients.values()):
            await client.close()
        self._links.clear()
        self._clients.clear()

    # The emergency stop.

    def stop(self) -> None:
        """The emergency stop of every robot, over every way that there is; pressed again, it is sent again."""
        self._stick = self._held = None
        for robot in self._store.state.robots.known:
            self._number += 1
            before = self._stopping.pop(robot.address, None)
            self._store.dispatch(robot_act.StopSent(robot.address, self._number))
            self._stopping[robot.address] = self._work.begin(self._stop(robot.address, self._number))
            if before is not None:
                before.cancel()

    async def _stop(self, address: str, number: int) -> None:
        began, tries = time.perf_counter(), 0
        while True:
            tries += 1
            answer, why = await self._stop_once(address, number)
            if answer is not None:
                ms = (time.perf_counter() - began) * 1000
                log.warning("emergency stop of %s: acknowledged after %.0f ms, %d tries", address, ms, tries)
                self._store.dispatch(robot_act.StopAnswered(address, number, answer.get("board") == "stands", ms))
                return
            log.error("emergency stop of %s: not delivered, try %d: %s", address, tries, why)
            self._store.dispatch(robot_act.StopFailed(address, number, why, tries))
            if self._store.state.robots.of(address) is None:
                return  # a person forgot the device
            await asyncio.sleep(STOP_AGAIN)

    async def _stop_once(self, address: str, number: int) -> tuple[Json | None, str]:
        """Every way at once; the first answer counts, and the others go on: twice stopped is stopped."""
        link = self._links.get(address)
        ways: list[Awaitable[Json]] = [self._stop_anew(address), self._stop_beside(address)]
        if link is not None:
            ways.append(link[0].stop(number))
        answers: asyncio.Queue[Json] = asyncio.Queue()

        async def go(way: Awaitable[Json]) -> None:
            try:
                async with asyncio.timeout(STOP_DEADLINE):
                    answers.put_nowait(await way)
            except (EdgeError, TimeoutError, OSError) as failed:
                answers.put_nowait({"error": sentence_of(failed)})

        for way in ways:
            self._work.begin(go(way))
        why = ""
        for _ in ways:
            answer = await answers.get()  # each way has its deadline
            if "error" not in answer:
                return answer, ""
            why = str(answer["error"])
        return None, why

    async def _stop_beside(self, address: str) -> Json:
        """Over the connection that everything else goes over."""
        return await self._known(address).robot.stop(STOP_DEADLINE)

    async def _stop_anew(self, address: str) -> Json:
        """Over a connection of its own, in case the others hang."""
        client = self._client(address)
        try:
            return await client.robot.stop(STOP_DEADLINE)
        finally:
            await client.close()

    # Driving.

    def drive(self, v: float, w: float) -> None:
        """Where the stick is now, m/s and rad/s; it is told again and again until it is (0, 0)."""
        robot = self._robot()
        if robot is None:
            return
        self._stick = (robot.address, v, w)
        self._begin_driving()

    def hold(self, held: bool) -> None:
        """The deadman of assisted driving."""
        robot = self._robot()
        self._held = robot.address if held and robot is not None else None
        self._begin_driving()

    def _begin_driving(self) -> None:
        if self._driving is None or self._driving.done():
            self._driving = self._work.begin(self._drive())

    async def _drive(self) -> None:
        """Tells the stick and the deadman while they are held; one that was let go is told once."""
        while self._stick is not None or self._held is not None:
            stick, held = self._stick, self._held
            try:
                if stick is not None:
                    address, v, w = stick
                    if not (v or w) and self._stick is stick:
                        self._stick = None
                    if address in self._links:
                        await self._links[address][0].drive(v, w)
                if held is not None and held in self._links:
                    await self._links[held][0].hold()
            except EdgeError as error:
                self._stick = self._held = None
                self._store.dispatch(act.Noticed(sentence_of(error)))
            # A stick that was moved meanwhile is told at once, and never more often than the robot looks.
            await asyncio.sleep(STICK_EVERY / 2 if self._stick is not stick else STICK_EVERY)

    # What else it is asked for.

    def go(self, x: float, y: float) -> None:
        """To a point of the map, metres."""
        self._order([{"name": "go_to", "arguments": {"x": round(x, 3), "y": round(y, 3)}}])

    def go_to(self, place: str) -> None:
        """To a place with a name."""
        self._order([{"name": "go_to", "targets": [place]}])

    def dock(self) -> None:
        """Home, to where it charges; or out of there."""
        robot = self._robot()
        if robot is not None and robot.frame is not None and robot.frame.mode == "docked":
            self.mode("undock")
        else:
            self._order([{"name": "dock"}])

    def cancel(self) -> None:
        """Drop all orders, and brake."""
        self._order([{"name": "stop"}])

    def mode(self, event: str) -> None:
        """Who drives: take, assist, automate, dock or undock."""
        self._begin(lambda client: client.robot.mode(event))

    def limit(self, speed: float) -> None:
        """The most that it may have, m/s."""
        self._begin(lambda client: client.robot.limit(speed))

    def arm(self) -> None:
        """Let a real robot's motors turn for a while."""
        self._begin(lambda client: client.robot.arm(ARM_MINUTES))

    def disarm(self) -> None:
        """Take that back: it brakes."""
        self._begin(lambda client: client.robot.disarm())

    def release(self) -> None:
        """End the emergency stop, or a fault whose cause is gone."""
        robot = self._robot()
        stopped = robot is not None and robot.stopped
        self._begin(lambda client: client.robot.release() if stopped else client.robot.clear())

    def add_zone(self, name: str, corners: Sequence[Point]) -> None:
        """Draw a zone; its name must be new."""
        plan = self._plan()
        if plan is None:
            return
        if len(corners) < LEAST_CORNERS:
            self._say(tr("A zone needs three corners or more: tap them one after the other."))
            return
        wanted = name.strip()[:MOST_NAME] or _free(tr("Zone"), [zone.name for zone in plan.zones])
        zone = Zone(wanted, tuple(corners), True)
        self._draw(zones=lambda plan: [*_drawn(plan.zones), zone], then=robot_act.DrawingDropped())

    def move_corner(self, name: str, at: int, point: Point) -> None:
        """Put one corner of a drawn zone somewhere else."""

        def moved(zone: Zone) -> Zone:
            if zone.name != name:
                return zone
            corners = tuple(point if number == at else corner for number, corner in enumerate(zone.corners))
            return replace(zone, corners=corners)

        self._draw(zones=lambda plan: [moved(zone) for zone in _drawn(plan.zones)])

    def remove_zone(self, name: str) -> None:
        """Take a drawn zone away."""
        self._draw(zones=lambda plan: [zone for zone in _drawn(plan.zones) if zone.name != name])

    def add_place(self, name: str, at: Place | None = None) -> None:
        """Save a place under a name: where the robot stands, if nothing else is said."""
        plan, robot = self._plan(), self._robot()
        if plan is None or robot is None:
            return
        pose = robot.frame.pose if robot.frame is not None else None
        if at is None and pose is None:
            self._say(tr("The robot doesn't know where it is."))
            return
        wanted = " ".join(name.split())[:MOST_NAME]
        if not wanted:
            self._say(tr("Give the place a name first."))
            return
        if at is None and pose is not None:
            at = Place(wanted, pose.x, pose.y, pose.degrees)
        assert at is not None
        place = replace(at, name=wanted, drawn=True)
        self._draw(places=lambda plan: [*(p for p in _drawn(plan.places) if p.name.lower() != wanted.lower()), place])

    def remove_place(self, name: str) -> None:
        """Forget a saved place."""
        self._draw(places=lambda plan: [place for place in _drawn(plan.places) if place.name != name])

    def _draw(
        self,
        zones: Callable[[Plan], list[Zone]] | None = None,
        places: Callable[[Plan], list[Place]] | None = None,
        then: robot_act.RobotAction | None = None,
    ) -> None:
        """One change after the other, each of the plan that the one before left."""

        async def drawn(client: DeviceClient) -> None:
            async with self._drawing:
                plan = self._plan()
                if plan is None:
                    return
                try:
                    await client.robot.draw(
                        plan.revision,
                        None if zones is None else [zone_json(zone) for zone in zones(plan)],
                        None if places is None else [place_json(place) for place in places(plan)],
                    )
                finally:  # what was drawn, or what somebody else drew meanwhile
                    with contextlib.suppress(EdgeError):
                        found = (await client.robot.about()).get("plan")
                        robot = self._robot()
                        if isinstance(found, dict) and robot is not None:
                            self._store.dispatch(robot_act.RobotPlanned(robot.address, plan_from(found)))
            if then is not None:
                self._store.dispatch(then)

        self._begin(drawn)

    def _order(self, calls: list[Json]) -> None:
        self._begin(lambda client: client.robot.order(calls))

    def _begin(self, ask: Callable[[DeviceClient], Awaitable[None]]) -> None:
        robot = self._robot()
        if robot is None:
            self._say(tr("There is no robot beside this device."))
            return
        self._work.begin(self._ask(robot.address, ask))

    async def _ask(self, address: str, ask: Callable[[DeviceClient], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                await ask(self._known(address))
        except (EdgeError, TimeoutError, OSError) as error:
            self._say(sentence_of(error))

    def _say(self, sentence: str) -> None:
        self._store.dispatch(act.Noticed(sentence))

    def _robot(self) -> Robot | None:
        return shown_robot(self._store.state)

    def _plan(self) -> Plan | None:
        robot = self._robot()
        return robot.plan if robot is not None else None

    # Which devices there are.

    def _follow(self, state: AppState) -> None:
        robots = tuple(robot.address for robot in state.robots.known)
        if robots != self._kept:
            self._kept = robots
            with contextlib.suppress(RememberError):  # they are looked for anyway
                self._memory.write(ROBOTS, {"robots": list(robots)})
        addresses = {device.address for device in state.devices}
        for address in set(self._links) - addresses:
            self._work.begin(self._end(address))
        now = time.monotonic()
        for address in addresses - set(self._links):
            if now - self._looked.get(address, -LOOK_EVERY) < LOOK_EVERY:
                continue
            self._looked[address] = now
            known = self._remembered(address)
            if known is not None and known.token:
                link = RobotLink(self._client(address), address, self._store.dispatch)
                self._clients[address] = self._client(address)
                self._links[address] = (link, self._work.begin(link.run()))

    async def _end(self, address: str) -> None:
        entry, client = self._links.pop(address, None), self._clients.pop(address, None)
        if client is not None:
            await client.close()
        if entry is not None:
            entry[1].cancel()
            await asyncio.gather(entry[1], return_exceptions=True)
            await entry[0].client.close()
        self._store.dispatch(robot_act.RobotGone(address))

    def _remembered(self, address: str) -> Remembered | None:
        try:
            return next((known for known in self._memory.devices() if known.address == address), None)
        except RememberError:
            return None

    def _known(self, address: str) -> DeviceClient:
        client = self._clients.get(address)
        if client is None:
            raise OSError(tr("this device was just forgotten"))
        return client

    def _client(self, address: str) -> DeviceClient:
        known = self._remembered(address)
        if known is None:
            raise OSError(tr("this device was just forgotten"))
        return DeviceClient(address, known.token or None, certificate=known.certificate)


Drawn = TypeVar("Drawn", Zone, Place)


def _drawn(things: Sequence[Drawn]) -> list[Drawn]:
    return [thing for thing in things if thing.drawn]


def _free(word: str, taken: list[str]) -> str:
    return next(name for number in range(1, len(taken) + 2) if (name := f"{word} {number}") not in taken)
