"""What a robot says, as the app's own data; a robot may be newer, so no shape is taken for granted."""

from __future__ import annotations

import math
from collections.abc import Mapping

from companion_app.services.wire import as_list, as_number, as_text
from companion_app.state.robot import Battery, Frame, Imu, MapLies, Order, Place, Plan, Point, Pose, Scan, Zone

# More than a map shows; a robot sends less.
MOST_ZONES, MOST_CORNERS, MOST_RAYS, MOST_POINTS, MOST_TEXTS = 500, 2000, 720, 400, 8


def frame_from(item: Mapping[str, object]) -> Frame:
    """A frame of `watch`."""
    speed, battery, imu = _object(item.get("speed")), item.get("battery"), item.get("imu")
    pose = item.get("pose")
    return Frame(
        t=_finite(item.get("t")),
        mode=as_text(item.get("mode")),
        stopped=item.get("stopped") is True,
        fault=as_text(item.get("fault")),
        simulated=item.get("simulated") is True,
        board=as_text(item.get("board")),
        armed=None if item.get("armed_seconds") is None else _finite(item.get("armed_seconds")),
        pose=_pose(pose) if isinstance(pose, dict) else None,
        missing=_texts(_object(pose).get("missing")),
        v=_finite(speed.get("v")),
        w=_finite(speed.get("w")),
        why=_texts(item.get("why")),
        battery=_battery(battery) if isinstance(battery, dict) else None,
        orders=tuple(_order(each) for each in as_list(item.get("orders"))[-MOST_TEXTS:] if isinstance(each, dict)),
        path=_points(item.get("path"), MOST_POINTS),
        limit=_finite(item.get("limit")),
        plan=int(_finite(item.get("plan"))),
        map=lies_from(item.get("map")),
        imu=Imu(*(_finite(imu.get(name)) for name in ("roll", "pitch", "rate"))) if isinstance(imu, dict) else None,
    )


def scan_from(item: object) -> Scan | None:
    """The scan in a frame; None: there is no new one."""
    scan = _object(item)
    at = [_finite(each) for each in as_list(scan.get("pose"))]
    if len(at) != 3:
        return None
    metres = tuple(_finite(each) / 100 for each in as_list(scan.get("cm"))[:MOST_RAYS])
    return Scan(Pose(*at), _finite(scan.get("first")), _finite(scan.get("step")), metres)


def lies_from(item: object) -> MapLies | None:
    """Where the map lies; None: there is none."""
    if not isinstance(item, dict):
        return None
    west, south, cell = (_finite(item.get(name)) for name in ("west", "south", "cell"))
    revision, columns, rows = (int(_finite(item.get(name))) for name in ("revision", "columns", "rows"))
    lies = MapLies(revision, west, south, cell, columns, rows)
    return lies if lies.cell > 0 and lies.columns > 0 and lies.rows > 0 else None


def plan_from(item: Mapping[str, object]) -> Plan:
    """The plan."""
    return Plan(
        revision=int(_finite(item.get("revision"))),
        simulated=item.get("simulated") is True,
        radius=max(0.02, _finite(item.get("radius"))),
        most_speed=max(0.01, _finite(item.get("most_speed"))),
        most_back=max(0.01, _finite(item.get("most_back"))),
        most_turn=max(0.05, _finite(item.get("most_turn"))),
        fence=_points(item.get("fence"), MOST_CORNERS),
        zones=tuple(
            Zone(as_text(each.get("name")), _points(each.get("corners"), MOST_CORNERS), each.get("drawn") is True)
            for each in as_list(item.get("zones"))[:MOST_ZONES]
            if isinstance(each, dict)
        ),
        places=tuple(_place(each) for each in as_list(item.get("places"))[:MOST_ZONES] if isinstance(each, dict)),
        dock=as_text(item.get("dock")),
    )


def zone_json(zone: Zone) -> dict[str, object]:
    """A drawn zone as the robot takes it."""
    return {"name": zone.name, "corners": [[round(x, 3), round(y, 3)] for x, y in zone.corners]}


def place_json(place: Place) -> dict[str, object]:
    """A drawn place as the robot takes it."""
    return {"name": place.name, "at": [round(place.x, 3), round(place.y, 3), round(place.degrees, 1)]}


def _place(item: Mapping[str, object]) -> Place:
    at = [_finite(each) for each in as_list(item.get("at"))] + [0.0, 0.0, 0.0]
    return Place(as_text(item.get("name")), at[0], at[1], at[2], item.get("drawn") is True)


def _pose(item: Mapping[str, object]) -> Pose:
    return Pose(*(_finite(item.get(name)) for name in ("x", "y", "degrees", "doubt")))


def _battery(item: Mapping[str, object]) -> Battery:
    return Battery(_finite(item.get("charge")), _finite(item.get("sure")), as_text(item.get("asks")))


def _order(item: Mapping[str, object]) -> Order:
    return Order(as_text(item.get("place")), as_text(item.get("state")), as_text(item.get("why")))


def _points(item: object, most: int) -> tuple[Point, ...]:
    return tuple(
        (_finite(each[0]), _finite(each[1]))
        for each in as_list(item)[:most]
        if isinstance(each, list) and len(each) == 2
    )


def _texts(item: object) -> tuple[str, ...]:
    return tuple(as_text(each) for each in as_list(item)[:MOST_TEXTS])


def _object(item: object) -> Mapping[str, object]:
    return item if isinstance(item, dict) else {}


def _finite(value: object) -> float:
    number = as_number(value)
    return number if math.isfinite(number) and abs(number) < 1e9 else 0.0
