"""What Home Assistant is told of a device over MQTT: entities as retained configurations, and their states. No I/O.

    <prefix>/<component>/<device>/<object>/config   retained: one entity, by MQTT discovery
    <topic>/<device>/home/<object>                  retained: its state
    <topic>/<device>/home/<object>/set              what Home Assistant asks for

Every entity names the device's signed presence as its availability, which is also the connection's last will. Written after
Home Assistant's documentation of MQTT discovery, and tried with Home Assistant 2024.3.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_runtime import __version__
from edge_runtime.presence.messages import MessageError, topic
from edge_runtime.update.machine import State, Unit

Json = dict[str, object]
STOP, VACUUM, AUTONOMOUS, PLACE = "emergency_stop", "vacuum", "autonomous", "place"
INSTALL, PRESS, ON, OFF = "install", "PRESS", "ON", "OFF"
START, HALT, PAUSE, HOME = "start", "stop", "pause", "return_to_base"
_UNDER_WAY = frozenset({State.FETCHING, State.VERIFIED, State.STAGED, State.PROBATION})
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Entity:
    """One entity. state: what it is now, None where it has none; sets: whether it hears commands."""

    component: str
    name: str
    config: Json
    state: str | Json | None = None
    sets: bool = False


def checked_prefix(prefix: str) -> str:
    """Home Assistant's discovery prefix; raises `MessageError`."""
    if not _PREFIX.fullmatch(prefix):
        raise MessageError("Home Assistant's prefix has letters, digits, '_' and '-', as in homeassistant.")
    return prefix


def updates(versions: Mapping[str, str], units: Mapping[str, Unit]) -> list[Entity]:
    """An update entity for each specialist: what serves, and the signed release that is under way or waits for its conditions."""
    made = []
    for name in sorted({*versions, *units}):
        unit, here = units.get(name), versions.get(name, "")
        release = unit.release if unit is not None and unit.state in _UNDER_WAY else None
        latest = (release.version or here) if release is not None else here
        state: Json = {
            "installed_version": here or None,
            "latest_version": latest or None,
            "title": name,
            "in_progress": release is not None and unit is not None and unit.state is not State.STAGED,
        }
        # It installs by itself what its repository's keys signed; the button has it look now.
        config: Json = {"name": name, "payload_install": INSTALL, "entity_category": "config"}
        made.append(Entity("update", name.replace("-", "_"), config, state, sets=True))
    return made


def robot(state: Json | None, places: Sequence[str], dock: str, acts: bool) -> list[Entity]:
    """A robot: battery, mode and fault; the emergency stop; where `acts`, also a vacuum, a switch and where it goes."""
    said = state or {}
    battery, orders = said.get("battery"), said.get("orders")
    sure = battery.get("sure") if isinstance(battery, dict) else None
    mode = str(said.get("mode") or "") or None
    fault = bool(said.get("fault") or said.get("stopped")) if state is not None else None
    going = _going(orders)
    made = [
        Entity(
            "sensor",
            "battery",
            {"name": "Battery", "device_class": "battery", "unit_of_measurement": "%", "state_class": "measurement"},
            str(round(100 * sure)) if isinstance(sure, int | float) else "None",
        ),
        Entity("sensor", "mode", {"name": "Mode", "icon": "mdi:robot"}, mode or "None"),
        Entity(
            "binary_sensor",
            "problem",
            {"name": "Fault or emergency stop", "device_class": "problem"},
            "None" if fault is None else ON if fault else OFF,
        ),
        Entity(
            "button", STOP, {"name": "Emergency stop", "icon": "mdi:alert-octagon", "payload_press": PRESS}, sets=True
        ),
    ]
    if not acts:
        return made
    doing = (
        "error" if fault or mode is None
        else "docked" if mode == "docked"
        else "returning" if going == dock and dock
        else "cleaning" if going
        else "idle"
    )  # fmt: skip
    features = ["start", "stop", "pause", "return_home"] if dock else ["start", "stop", "pause"]
    vacuum: Json = {"name": "Rounds", "supported_features": features}
    made.append(Entity("vacuum", VACUUM, vacuum, {"state": doing}, sets=True))
    made.append(
        Entity(
            "switch",
            AUTONOMOUS,
            {"name": "Drives by itself", "icon": "mdi:robot-mower", "payload_on": ON, "payload_off": OFF},
            ON if mode == "autonomous" else OFF,
            sets=True,
        )
    )
    if places:
        config: Json = {"name": "Goes to", "icon": "mdi:map-marker", "options": list(places)}
        made.append(Entity("select", PLACE, config, going if going in places else "None", sets=True))
    return made


def _going(orders: object) -> str:
    """The place that the robot is on its way to, or nothing."""
    if not isinstance(orders, list):
        return ""
    under_way = [each for each in orders if isinstance(each, dict) and each.get("state") in ("going", "waiting")]
    return str(under_way[0].get("place") or "") if under_way else ""


class Topics:
    """Topics and whole configurations of one device's entities."""

    def __init__(self, prefix: str, base: str, device: str, label: str) -> None:
        self._prefix, self._base, self._device, self._label = prefix, base, device, label

    @property
    def commands(self) -> str:
        """What to subscribe to."""
        return topic(self._base, self._device, "home/+/set")

    def commanded(self, name: str) -> str | None:
        """The entity that a topic commands, None where it is none of these."""
        begins, ends = topic(self._base, self._device, "home/"), "/set"
        inner = name[len(begins) : -len(ends)]
        return inner if name.startswith(begins) and name.endswith(ends) and "/" not in inner else None

    def state(self, entity: Entity) -> str:
        """Where its state is."""
        return topic(self._base, self._device, f"home/{entity.name}")

    def config(self, entity: Entity) -> str:
        """Where its configuration is."""
        return f"{self._prefix}/{entity.component}/{self._device}/{entity.name}/config"

    def configured(self, entity: Entity) -> Json:
        """Its whole configuration."""
        made: Json = {
            **entity.config,
            "unique_id": f"enigma_{self._device}_{entity.name}",
            "object_id": f"{self._label}_{entity.name}",
            "device": {
                "identifiers": [f"enigma_{self._device}"],
                "name": self._label,
                "manufacturer": "Enigma",
                "model": "edge device",
                "sw_version": __version__,
            },
            "origin": {"name": "enigma", "sw_version": __version__},
            "availability": [
                {
                    "topic": topic(self._base, self._device, "presence"),
                    "value_template": "{{ 'online' if value_json.signed.online else 'offline' }}",
                }
            ],
        }
        if entity.state is not None:
            made["state_topic"] = self.state(entity)
        if entity.sets:
            made["command_topic"] = f"{self.state(entity)}/set"
        return made
