"""Any rig: the names of its bones and expressions come with the request, and the answer is in those names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from edge_runtime.avatar.expressions import Expressions, match_expressions, weights
from edge_runtime.avatar.gestures import BELOW, Angles, Track, at_time, joints_of, tracks
from edge_runtime.avatar.humanoid import Bones, match_bones
from edge_runtime.errors import BadRequest

Json = dict[str, object]
MAX_NAMES = 1024  # of bones, and of expressions: more than the largest rigs of games have
MAX_NAME_CHARS = 80
MAX_DEGREES = 360.0
AXES = ("x", "y", "z")
# How far a joint of a person goes about each axis where the rig sets no limit, generously: no gesture is cut short.
_HUMAN: Mapping[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "Eye": ((-35, 35), (-40, 40), (-10, 10)), "head": ((-50, 45), (-70, 70), (-40, 40)),
    "neck": ((-30, 35), (-40, 40), (-30, 30)),
    "LowerLeg": ((-5, 150), (-20, 20), (-10, 10)), "UpperLeg": ((-125, 30), (-60, 60), (-50, 50)),
    "Foot": ((-50, 50), (-30, 30), (-30, 30)),
    "Shoulder": ((-30, 30), (-30, 30), (-40, 40)), "UpperArm": ((-180, 180), (-135, 135), (-120, 120)),
    "LowerArm": ((-90, 90), (-150, 150), (-10, 10)), "Hand": ((-95, 95), (-40, 40), (-90, 90)),
}  # fmt: skip
_TRUNK = ((-45.0, 45.0), (-45.0, 45.0), (-35.0, 35.0))
_FINGER = ((-30.0, 30.0), (-40.0, 40.0), (-110.0, 110.0))
Limit = tuple[float, float]


@dataclass(frozen=True)
class Bone:
    """A bone of a rig. limits: degrees about x, y and z, None where the rig sets none."""

    name: str
    limits: tuple[Limit | None, Limit | None, Limit | None] = (None, None, None)


@dataclass(frozen=True)
class Rig:
    """What a request says about a body."""

    expressions: tuple[str, ...] = ()
    bones: tuple[Bone, ...] = ()


@dataclass(frozen=True)
class Matched:
    """A rig whose names are understood."""

    rig: Rig
    bones: Bones
    expressions: Expressions
    limits: Mapping[str, tuple[Limit | None, Limit | None, Limit | None]]


def read_rig(value: object) -> Rig:
    """A request's "rig", checked; raises `BadRequest` with what to change."""
    if not isinstance(value, dict) or not value.keys() <= {"expressions", "bones"}:
        raise BadRequest('The "rig" must be {"expressions": [names], "bones": [{"name", "limits"}]}, and nothing else.')
    expressions = tuple(_name(item, "expression") for item in _items(value, "expressions"))
    bones = tuple(_bone(item) for item in _items(value, "bones"))
    for what, names in (("expression", expressions), ("bone", [bone.name for bone in bones])):
        if (
            twice := next((name for name in names if names.count(name) > 1), None)
            if len(set(names)) < len(names)
            else None
        ):
            raise BadRequest(f"The rig has the {what} '{_shown(twice)}' twice; give each name once.")
    if not expressions and not bones:
        raise BadRequest('The "rig" has no names; give its "expressions", its "bones", or both.')
    return Rig(expressions, bones)


@lru_cache(maxsize=8)
def matched(rig: Rig) -> Matched:
    """Which of a rig's names is what; raises `BadRequest` where none of them is known."""
    bones = match_bones([bone.name for bone in rig.bones])
    expressions = match_expressions(rig.expressions)
    if not (bones.of or bones.unused or expressions.moves or expressions.whole or expressions.unused):
        first = rig.bones[0].name if rig.bones else rig.expressions[0]
        raise BadRequest(
            f"None of the rig's names is known, such as '{_shown(first)}'; name bones and expressions in English, "
            "as VRM, Mixamo, Unreal, Rigify or ARKit do."
        )
    return Matched(rig, bones, expressions, {bone.name: bone.limits for bone in rig.bones})


def answer(found: Matched, choice: Mapping[str, str], seconds: float) -> Json:
    """What a rig does for a choice: `expressions`, `motion`, and under `rig` what could not be done and why.

    choice: a label for each of emotion, intensity, gesture and gaze. seconds: of the gesture.
    """
    shapes, shown = weights(found.expressions, choice["emotion"], choice["intensity"], choice["gaze"])
    frames, limited = _motion(found, choice["gesture"], choice["gaze"], seconds)
    needed = joints_of(choice["gesture"], choice["gaze"]) if found.rig.bones else ()
    said: Json = {
        "unknown": [*found.bones.unknown, *found.expressions.unknown],
        "unused": [*found.bones.unused, *found.expressions.unused],
        "missing": [joint for joint in needed if _bearer(joint, found.bones.of) is None],
        "limited": limited,
    }
    if found.rig.expressions:
        said["shown"] = shown
    return {"expressions": shapes, "motion": frames, "rig": said}


def _motion(found: Matched, gesture: str, gaze: str, seconds: float) -> tuple[list[Json], list[str]]:
    """Keyframes in the rig's names, and the bones whose turn a limit cut short."""
    turns, lift = tracks(gesture, gaze, seconds)
    by_bone: dict[str, tuple[str, list[Track]]] = {}
    for joint, movements in turns.items():
        bearer = _bearer(joint, found.bones.of)
        if bearer is not None:
            by_bone.setdefault(found.bones.of[bearer], (bearer, []))[1].extend(movements)
    if not by_bone:
        return [], []
    every = [track for _, movements in by_bone.values() for track in movements]
    times = sorted({round(at, 3) for track in (*every, *((lift,) if lift else ())) for at, _ in track})
    limited: list[str] = []
    frames: list[Json] = []
    for time in times:
        bones: Json = {}
        for name, (joint, movements) in by_bone.items():
            wanted = tuple(sum(axis) for axis in zip(*(at_time(track, time) for track in movements), strict=True))
            held = _held(wanted, joint, found.limits[name])
            if name not in limited and any(abs(one - two) > 0.5 for one, two in zip(wanted, held, strict=True)):
                limited.append(name)
            bones[name] = dict(zip(AXES, held, strict=True))
        frame: Json = {"t": time, "bones": bones}
        if lift:
            frame["lift"] = round(at_time(lift, time)[1], 3)
        frames.append(frame)
    return frames, limited


def _bearer(joint: str, have: Mapping[str, str]) -> str | None:
    """The joint of the rig that turns for one: itself, or in the trunk the next one below that there is."""
    at: str | None = joint
    while at is not None and at not in have:
        at = BELOW.get(at)
    return at


def _held(wanted: tuple[float, ...], joint: str, limits: tuple[Limit | None, Limit | None, Limit | None]) -> Angles:
    """The angles within the rig's limits, and a person's where the rig sets none."""
    x, y, z = (
        # Rounded first: a rounded angle may lie beyond the limit again.
        min(max(round(float(angle), 1) + 0.0, low), high)  # + 0.0: no -0.0
        for angle, limit, human in zip(wanted, limits, _human(joint), strict=True)
        for low, high in (limit or human,)
    )
    return x, y, z


def _human(joint: str) -> tuple[Limit, Limit, Limit]:
    if joint in _HUMAN:
        return _HUMAN[joint]
    part = joint.removeprefix("left").removeprefix("right")
    if part in _HUMAN:
        return _HUMAN[part]
    return _TRUNK if part == joint else _FINGER


def _items(value: Mapping[str, object], what: str) -> list[object]:
    items = value.get(what, [])
    if not isinstance(items, list):
        raise BadRequest(f'The rig\'s "{what}" must be a list.')
    if len(items) > MAX_NAMES:
        raise BadRequest(f"The rig has {len(items):,} {what}; send at most {MAX_NAMES:,}, those that are to move.")
    return items


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"Each {what} of the rig needs a name, a text that isn't empty.")
    if len(value) > MAX_NAME_CHARS or not value.isprintable():
        raise BadRequest(
            f"The name of a {what} has at most {MAX_NAME_CHARS} printable characters, unlike '{_shown(value)}'."
        )
    return value


def _bone(value: object) -> Bone:
    if isinstance(value, str):
        return Bone(_name(value, "bone"))
    if not isinstance(value, dict) or not value.keys() <= {"name", "limits"}:
        raise BadRequest('Each bone of the rig must be a name, or {"name", "limits"} and nothing else.')
    name = _name(value.get("name"), "bone")
    limits = value.get("limits", {})
    if not isinstance(limits, dict) or not limits.keys() <= set(AXES):
        raise BadRequest(f"The limits of '{_shown(name)}' must be {{\"x\": [low, high]}}, and the same for y and z.")
    x, y, z = (_limit(limits[axis], name, axis) if axis in limits else None for axis in AXES)
    return Bone(name, (x, y, z))


def _limit(value: object, name: str, axis: str) -> Limit:
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in value)
        and all(abs(bound) <= MAX_DEGREES for bound in value)  # neither infinite nor no number
        and value[0] <= value[1]
    ):
        return float(value[0]), float(value[1])
    raise BadRequest(
        f"The limit {axis} of '{_shown(name)}' must be two numbers of degrees from -360 to 360, the lower one first."
    )


def _shown(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name[:40])
