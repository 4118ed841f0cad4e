"""Has Home Assistant find a device and its robot over MQTT, and takes what it asks for: through the robot's envelope, or not at all.

Whoever may publish to the broker's command topics may ask; so everything but the emergency stop is off until the configuration
says `home_assistant_acts`, ending an emergency stop or a fault is never offered, and an update only has the device look at its
signed repository.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError
from edge_runtime.presence import broker as brokers
from edge_runtime.presence import home_entities as entities
from edge_runtime.presence.home_entities import Entity, Topics
from edge_runtime.presence.messages import MessageError
from edge_runtime.robot import STOP_SECONDS, RobotDoor
from edge_runtime.update import disk
from edge_runtime.update.machine import Unit

if TYPE_CHECKING:
    from aiomqtt import Client

_log = logging.getLogger(__name__)
EVERY_SECONDS = 2.0  # between two looks at the robot
MOST_COMMAND = 200  # bytes
_FILE = "home_assistant.json"  # topics of configurations that were published, to take back what isn't there any more
_MOST_FILE = 1 << 20
Json = dict[str, object]


class HomeAssistant:
    """One device for one Home Assistant, on a connection that somebody else holds.

    versions, units: of the specialists now. check: looks for updates. door: the robot's, None: there is none.
    """

    def __init__(
        self,
        topics: Topics,
        state: Path,
        versions: Callable[[], Mapping[str, str]],
        units: Callable[[], Mapping[str, Unit]],
        check: Callable[[], Awaitable[object]],
        door: RobotDoor | None,
        acts: bool,
    ) -> None:
        self._topics, self._file, self._acts, self._door = topics, state / _FILE, acts, door
        self._versions, self._units, self._check = versions, units, check
        self._places: list[str] = []
        self._dock = ""
        self._now: dict[str, Entity] = {}
        self.refused = ""  # why the robot refused last, empty where it did what was asked

    @property
    def commands(self) -> str:
        """The topics that it hears."""
        return self._topics.commands

    async def tell(self, client: Client) -> None:
        """Publishes what changed, for as long as the connection lasts."""
        told: dict[str, bytes] = {}
        while True:
            self._now = {each.name: each for each in await self._look()}
            wanted: dict[str, bytes] = {}
            for entity in self._now.values():
                wanted[self._topics.config(entity)] = strict_json.dumps(self._topics.configured(entity))
            configs = set(wanted)
            for topic in self._published() - configs:
                await brokers.publish(client, topic, b"", retain=True)
            for entity in self._now.values():
                if entity.state is not None:
                    state = entity.state
                    wanted[self._topics.state(entity)] = (
                        state.encode() if isinstance(state, str) else strict_json.dumps(state)
                    )
            self._remember(configs)
            for topic, content in wanted.items():
                if told.get(topic) != content:
                    await brokers.publish(client, topic, content, retain=True)
            told = wanted
            await asyncio.sleep(EVERY_SECONDS)

    def heard(self, topic: str) -> str | None:
        """The entity that a message is for, None where it isn't for one of these."""
        return self._topics.commanded(topic)

    async def take(self, name: str, payload: object) -> None:
        """Does what was asked of an entity. Raises `EdgeError` where that can't be; the robot's own reason, where it refuses."""
        entity = self._now.get(name)
        if entity is None or not entity.sets:
            raise MessageError(f"There is nothing called {name[:64]!r} that can be asked for something.")
        if not isinstance(payload, bytes) or len(payload) > MOST_COMMAND:
            raise MessageError(f"A command has at most {MOST_COMMAND} bytes.")
        said = payload.decode("utf-8", "replace")
        if entity.component == "update":
            _known(said, entities.INSTALL)
            await self._check()
            return
        try:
            if name == entities.STOP:
                _known(said, entities.PRESS)
                await self._ask({"op": "stop"}, STOP_SECONDS)
            elif name == entities.AUTONOMOUS:
                _known(said, entities.ON, entities.OFF)
                await self._ask({"op": "mode", "event": "automate" if said == entities.ON else "take"})
            elif name == entities.PLACE:
                _known(said, *self._places)
                await self._ask({"calls": [{"name": "stop"}, _go(said)]})
            elif name == entities.VACUUM:
                await self._vacuum(said)
        except EdgeError as error:
            self.refused = str(error)
            raise
        self.refused = ""

    async def _vacuum(self, said: str) -> None:
        _known(said, entities.START, entities.HALT, entities.PAUSE, entities.HOME)
        if said == entities.START:  # a round past all places, and home
            rounds = [_go(place) for place in self._places if place != self._dock][:6]
            await self._ask({"calls": [*rounds, *([{"name": "dock"}] if self._dock else [])]})
        elif said == entities.HOME:
            await self._ask({"calls": [{"name": "stop"}, {"name": "dock"}]})
        else:
            await self._ask({"calls": [{"name": "stop"}]})

    async def _ask(self, asked: Json, seconds: float = 3.0) -> None:
        assert self._door is not None  # it has entities
        await self._door.ask(asked, seconds)
        _log.info("Home Assistant asked the robot: %s", asked.get("op", "orders"))

    async def _look(self) -> list[Entity]:
        made = entities.updates(self._versions(), self._units())
        if self._door is None:
            return made
        state: Json | None = None
        try:
            async with self._door.line() as line:
                said = (await line.ask({"op": "state"}))["state"]
                state = said if isinstance(said, dict) else None
                plan = (await line.ask({"op": "plan"}))["plan"]
            if isinstance(plan, dict):
                self._places = [str(each["name"]) for each in plan["places"]]
                self._dock = str(plan.get("dock") or "")
        except (EdgeError, KeyError, TypeError) as error:
            _log.debug("the robot can't be asked how it is: %s", error)
        return made + entities.robot(state, self._places, self._dock, self._acts)

    def _published(self) -> set[str]:
        try:
            kept = strict_json.loads_object(self._file.read_bytes()[:_MOST_FILE], str(self._file), MessageError).get(
                "topics"
            )
        except (OSError, EdgeError):
            return set()
        return {topic for topic in kept if isinstance(topic, str)} if isinstance(kept, list) else set()

    def _remember(self, topics: set[str]) -> None:
        if topics != self._published():
            with disk.storage_errors(self._file.parent):
                disk.write_atomic(self._file, strict_json.dumps({"topics": sorted(topics)}))


def _go(place: str) -> Json:
    return {"name": "go_to", "targets": [place]}


def _known(said: str, *words: str) -> None:
    if said not in words:
        raise MessageError(f"{said[:40]!r} isn't one of {', '.join(words)[:200]}.")
