"""A home as the `robot` task needs it: areas and entities, read strictly from JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from companion_app.i18n import tr

# A large real home has a few hundred entities; a megabyte holds thousands, and the device bounds bodies too.
MAX_BYTES = 1_000_000


class InventoryError(ValueError):
    """The file is not a home; the message is one sentence for the person."""


@dataclass(frozen=True)
class Area:
    """A room or another place."""

    id: str
    name: str


@dataclass(frozen=True)
class Entity:
    """A thing that can be controlled."""

    id: str
    name: str
    area: str | None
    domain: str
    state: str


@dataclass(frozen=True)
class Inventory:
    """`document` is what goes to the device, unchanged; the rest is what the app shows."""

    title: str
    path: str | None
    areas: tuple[Area, ...]
    entities: tuple[Entity, ...]
    document: Mapping[str, object] = field(repr=False, compare=False)

    def name_of(self, entity_id: str) -> str:
        """What people call an entity; its id if this home has no such thing."""
        return next((entity.name for entity in self.entities if entity.id == entity_id), entity_id)


def read_inventory(path: Path, *, title: str | None = None) -> Inventory:
    """Read a home from a JSON file. Raises InventoryError."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InventoryError(
                tr(
                    "{file} is {size:,} bytes; a home file may have {most:,} at most.",
                    file=path.name,
                    size=size,
                    most=MAX_BYTES,
                )
            )
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InventoryError(tr("{name} is not UTF-8 text; save it as JSON in UTF-8.", name=path.name)) from None
    except OSError as error:
        raise InventoryError(
            tr("Cannot read {path}: {why}.", path=path, why=(error.strerror or str(error)).lower())
        ) from None
    return parse_inventory(text, title=title or path.stem.replace("_", " ").capitalize(), path=str(path))


def parse_inventory(text: str, *, title: str, path: str | None = None) -> Inventory:
    """Check the JSON text of a home. Raises InventoryError."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InventoryError(
            tr("The home is not valid JSON: {why} in line {line}.", why=error.msg, line=error.lineno)
        ) from None
    except RecursionError:
        raise InventoryError(tr("The home is nested too deeply to be one.")) from None
    if not isinstance(document, dict):
        raise InventoryError(tr('A home is a JSON object with "areas" and "entities".'))
    areas = tuple(
        Area(id=_text(item, "id", "area"), name=_text(item, "name", "area")) for item in _objects(document, "areas")
    )
    entities = tuple(_entity(item) for item in _objects(document, "entities"))
    known = {area.id for area in areas}
    for entity in entities:
        if entity.area is not None and entity.area not in known:
            raise InventoryError(
                tr('Entity "{id}" is in area "{area}", which "areas" does not list.', id=entity.id, area=entity.area)
            )
    seen: set[str] = set()
    for entity in entities:
        if entity.id in seen:
            raise InventoryError(tr('Entity "{id}" is listed twice; give each its own id.', id=entity.id))
        seen.add(entity.id)
    return Inventory(title=title, path=path, areas=areas, entities=entities, document=document)


def _entity(item: Mapping[str, object]) -> Entity:
    entity_id = _text(item, "id", "entity")
    area = item.get("area")
    if area is not None and not isinstance(area, str):
        raise InventoryError(tr('Entity "{entity_id}" has an "area" that is not text.', entity_id=entity_id))
    domain = item.get("domain")
    if not isinstance(domain, str) or not domain:
        raise InventoryError(tr('Entity "{entity_id}" has no "domain", such as "light".', entity_id=entity_id))
    state = item.get("state")
    return Entity(
        id=entity_id,
        name=_text(item, "name", "entity"),
        area=area,
        domain=domain,
        state=state if isinstance(state, str) else "",
    )


def _objects(document: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    items = document.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InventoryError(tr('A home needs "{key}", a list of objects.', key=key))
    return items


def _text(item: Mapping[str, object], key: str, what: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        sentence = tr('Every area needs "{key}", a text that is not empty.', key=key)
        if what == "entity":
            sentence = tr('Every entity needs "{key}", a text that is not empty.', key=key)
        raise InventoryError(sentence)
    return value
