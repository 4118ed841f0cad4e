"""Gestures as poses of a human body over time, and the keyframes of them for the joints that a rig has.

Angles are degrees about the axes x (to the avatar's left), y (up) and z (to its front), from the T-pose with the palms
down and the thumbs to the front: the pose and the axes of VRM 1.0's normalised humanoid. A joint's rotation is
Rx * Ry * Rz, about its parent's axes: Euler order XYZ as three.js has it. Joints of the other side mirror: x, -y, -z.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from edge_runtime.avatar.humanoid import FINGERS, SIDES, segments
from edge_runtime.avatar.names import LEFT, RIGHT

Angles = tuple[float, float, float]
ZERO: Angles = (0.0, 0.0, 0.0)
GAZE_SECONDS = 0.4  # until eyes and head have arrived: a glance, not a jerk
AROUND_SECONDS = 2.4

# Arms, as the right one has them: upper arm x, y, z; bend of the elbow; hand x (turn of the forearm), y, z. Solved once
# by least squares for where the palm is and where it looks, on a body of 1.75 m; the tests hold where the hands go.
_ARMS: Mapping[str, tuple[int, int, int, int, int, int, int]] = {
    "rest": (0, 0, 75, 15, 0, 0, 0),
    "wave out": (-55, -15, 10, 90, -5, 0, -35), "wave in": (-65, -5, 20, 110, 25, 0, -15),
    "point": (-45, 35, 60, 55, 45, -10, 15),
    "thumb up": (-10, 0, 80, 90, -10, -10, 0), "thumb down": (45, 35, -20, 90, 90, -30, 40),
    "clap open": (0, 0, 80, 95, -10, 30, 0), "clap shut": (-15, 40, 85, 80, 5, 25, -40),
    "crossed over": (-10, 55, 85, 100, -20, -5, 30), "crossed under": (-10, 50, 85, 75, -20, 15, 45),
    "palm on face": (-70, 35, 85, 125, -85, 0, -20), "half a heart": (10, 45, 45, 100, 35, 30, -45),
    "chin": (-30, 30, 85, 140, -65, -20, 5), "salute": (-85, 15, 35, 120, -35, -5, 35),
    "beckon": (-25, -15, 85, 85, -90, -15, 55), "beckon in": (-25, -15, 85, 105, -90, -15, 75),
    "hand up": (-85, 30, 5, 80, 5, -25, -5), "shrug": (0, -35, 85, 90, -90, 5, 0),
    "dance high": (-25, -10, 50, 95, 45, 5, -55), "dance low": (10, -10, 70, 85, -25, 30, 15),
    "swing back": (25, 0, 72, 20, 0, 0, 0),
}  # fmt: skip
# How far the three segments of the four fingers curl.
_HANDS: Mapping[str, Mapping[str, float]] = {
    "open": {},
    "fist": {"Index": 75, "Middle": 75, "Ring": 75, "Little": 75},
    "pointing": {"Middle": 75, "Ring": 75, "Little": 75},
    "half": {"Index": 35, "Middle": 35, "Ring": 35, "Little": 35},
}  # fmt: skip
# Where a rig lacks a joint of the trunk, the one below turns for it as well.
BELOW: Mapping[str, str] = {"upperChest": "chest", "chest": "spine", "spine": "hips", "head": "neck"}


@dataclass(frozen=True)
class Pose:
    """A body at a share of a gesture's time. Arms and hands by name; turns: other joints; lift: of the hips' height."""

    at: float
    right: str = "rest"
    left: str = "rest"
    right_hand: str = "open"
    left_hand: str = "open"
    turns: Mapping[str, Angles] = field(default_factory=dict)
    lift: float = 0.0


def _both(
    at: float, arm: str, hand: str = "open", turns: Mapping[str, Angles] | None = None, lift: float = 0.0
) -> Pose:
    return Pose(at, arm, arm, hand, hand, turns or {}, lift)


def _head(at: float, **turns: Angles) -> Pose:
    return Pose(at, turns=turns)


def _legs(bend: float) -> dict[str, Angles]:
    """Knees bent, feet flat, trunk upright."""
    turns = {"UpperLeg": -bend, "LowerLeg": 2 * bend, "Foot": -bend}
    return {f"{side}{part}": (turn, 0.0, 0.0) for side in SIDES for part, turn in turns.items()}


_BOWED: dict[str, Angles] = {
    "hips": (20, 0, 0), "spine": (15, 0, 0), "chest": (15, 0, 0), "neck": (5, 0, 0), "head": (10, 0, 0),
    "leftUpperLeg": (-20, 0, 0), "rightUpperLeg": (-20, 0, 0),
}  # fmt: skip
_RAISED: dict[str, Angles] = {"leftShoulder": (0, 0, 15), "rightShoulder": (0, 0, -15)}
_SWAY: dict[str, Angles] = {"hips": (0, 15, 5), "chest": (0, -15, -8), "head": (0, 0, 6)}
_SWAY_BACK: dict[str, Angles] = {joint: (x, -y, -z) for joint, (x, y, z) in _SWAY.items()}

# Each begins and ends at rest, which is where it takes over from a rig's own idle pose and gives back to it.
_POSES: Mapping[str, tuple[Pose, ...]] = {
    "none": (),
    "wave": (
        Pose(0.25, "wave out"), Pose(0.4, "wave in"), Pose(0.55, "wave out"), Pose(0.7, "wave in"),
        Pose(0.8, "wave out"),
    ),
    "nod": (
        _head(0.25, head=(18, 0, 0), neck=(8, 0, 0)), _head(0.5, head=(-4, 0, 0)),
        _head(0.75, head=(14, 0, 0), neck=(6, 0, 0)),
    ),
    "shake_head": (
        _head(0.2, head=(0, 25, 0), neck=(0, 10, 0)), _head(0.45, head=(0, -25, 0), neck=(0, -10, 0)),
        _head(0.7, head=(0, 20, 0), neck=(0, 8, 0)),
    ),
    "shrug": (
        _both(0.35, "shrug", turns={"head": (0, 0, 8), **_RAISED}),
        _both(0.65, "shrug", turns={"head": (0, 0, 8), **_RAISED}),
    ),
    "point": (Pose(0.35, "point", right_hand="pointing"), Pose(0.75, "point", right_hand="pointing")),
    "thumbs_up": (Pose(0.35, "thumb up", right_hand="fist"), Pose(0.75, "thumb up", right_hand="fist")),
    "thumbs_down": (Pose(0.35, "thumb down", right_hand="fist"), Pose(0.75, "thumb down", right_hand="fist")),
    "clap": tuple(
        _both(round(0.15 + 0.1 * beat, 2), "clap shut" if beat % 2 else "clap open") for beat in range(8)
    ),
    "bow": (_head(0.4, **_BOWED), _head(0.65, **_BOWED)),
    "cross_arms": (
        Pose(0.4, "crossed over", "crossed under", "half", "half"),
        Pose(0.9, "crossed over", "crossed under", "half", "half"),
    ),
    "facepalm": (
        Pose(0.35, "palm on face", turns={"head": (10, 0, 0), "neck": (5, 0, 0)}),
        Pose(0.75, "palm on face", turns={"head": (10, 12, 0), "neck": (5, 0, 0)}),
    ),
    "heart_hands": (_both(0.35, "half a heart", "half"), _both(0.8, "half a heart", "half")),
    "dance": (
        Pose(0.125, "dance high", "dance low", turns={**_SWAY, **_legs(12)}, lift=-0.02),
        Pose(0.25, "dance low", "dance high", turns={**_SWAY_BACK, **_legs(4)}),
        Pose(0.375, "dance high", "dance low", turns={**_SWAY, **_legs(12)}, lift=-0.02),
        Pose(0.5, "dance low", "dance high", turns={**_SWAY_BACK, **_legs(4)}),
        Pose(0.625, "dance high", "dance low", turns={**_SWAY, **_legs(12)}, lift=-0.02),
        Pose(0.75, "dance low", "dance high", turns={**_SWAY_BACK, **_legs(4)}),
        Pose(0.875, "dance high", "dance low", turns={**_SWAY, **_legs(12)}, lift=-0.02),
    ),
    "jump": (
        _both(0.3, "swing back", turns=_legs(35), lift=-0.12), _both(0.55, "dance high", turns=_legs(8), lift=0.2),
        _both(0.8, "rest", turns=_legs(28), lift=-0.08),
    ),
    "think": (
        Pose(0.3, "chin", right_hand="half", turns={"head": (-4, 8, 6)}),
        Pose(0.8, "chin", right_hand="half", turns={"head": (-4, -6, 6)}),
    ),
    "salute": (Pose(0.3, "salute"), Pose(0.75, "salute")),
    "beckon": (
        Pose(0.25, "beckon"), Pose(0.4, "beckon in", right_hand="half"), Pose(0.55, "beckon"),
        Pose(0.7, "beckon in", right_hand="half"), Pose(0.8, "beckon"),
    ),
    "tilt_head": (_head(0.35, head=(0, 0, 16), neck=(0, 0, 6)), _head(0.75, head=(0, 0, 16), neck=(0, 0, 6))),
    "hands_up": (_both(0.35, "hand up"), _both(0.8, "hand up")),
}  # fmt: skip
# Eyes and head of a gaze, at seconds; they stay where they arrive. Left and right are the avatar's own.
_GAZES: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "up": ((GAZE_SECONDS, -18, 0),), "down": ((GAZE_SECONDS, 18, 0),),
    "left": ((GAZE_SECONDS, 0, 22),), "right": ((GAZE_SECONDS, 0, -22),), "away": ((GAZE_SECONDS, 6, 28),),
    "around": ((0.25 * AROUND_SECONDS, 0, 24), (0.65 * AROUND_SECONDS, 0, -24), (AROUND_SECONDS, 0, 0)),
}  # fmt: skip

# A joint's turns over time: (seconds, angles), the first at 0.
Track = tuple[tuple[float, Angles], ...]


def joints_of(gesture: str, gaze: str) -> tuple[str, ...]:
    """The joints that a gesture and a gaze turn on a whole body."""
    return tuple(sorted({*_turned(gesture), *(joint for joint, _ in _gazing(gaze))}))


def tracks(gesture: str, gaze: str, seconds: float) -> tuple[dict[str, list[Track]], Track]:
    """What each joint does, as one or two movements that add up, and how the body is lifted (in the second angle).

    seconds: of the gesture. Empty for a gesture of none with a gaze that needs no joint.
    """
    found: dict[str, list[Track]] = {}
    poses = _POSES[gesture]
    for joint, over in _turned(gesture).items():
        found.setdefault(joint, []).append(tuple((share * seconds, angles) for share, angles in over))
    for joint, track in _gazing(gaze):
        found.setdefault(joint, []).append(track)
    lift: Track = ()
    if any(pose.lift for pose in poses):
        lifts = [(0.0, 0.0), *((pose.at, pose.lift) for pose in poses), (1.0, 0.0)]
        lift = tuple((share * seconds, (0.0, up, 0.0)) for share, up in lifts)
    return found, lift


def at_time(track: Track, seconds: float) -> Angles:
    """A track's angles then, linear between its times, held before and after."""
    before = track[0]
    for after in track:
        if after[0] >= seconds:
            if after[0] == before[0] or after[0] == seconds:
                return after[1]
            share = (seconds - before[0]) / (after[0] - before[0])
            x, y, z = (one + (two - one) * share for one, two in zip(before[1], after[1], strict=True))
            return x, y, z
        before = after
    return before[1]


@lru_cache(maxsize=64)
def _turned(gesture: str) -> dict[str, Track]:
    """Joint -> (share of the time, angles); joints that stay at rest are left out."""
    poses = [Pose(0.0), *_POSES[gesture], Pose(1.0)]
    whole = [(pose.at, _angles(pose)) for pose in poses]
    rest = whole[0][1]
    joints = {joint for _, angles in whole for joint in angles}
    moved = [
        joint
        for joint in sorted(joints)
        if any(angles.get(joint, ZERO) != rest.get(joint, ZERO) for _, angles in whole)
    ]
    return {joint: tuple((at, angles.get(joint, ZERO)) for at, angles in whole) for joint in moved}


def _angles(pose: Pose) -> dict[str, Angles]:
    found: dict[str, Angles] = dict(pose.turns)
    for side, arm, hand in ((RIGHT, pose.right, pose.right_hand), (LEFT, pose.left, pose.left_hand)):
        flip = 1 if side == RIGHT else -1
        x, y, z, bend, turn, bow, drop = _ARMS[arm]
        found[f"{side}UpperArm"] = (x, flip * y, flip * z)
        found[f"{side}LowerArm"] = (0, flip * bend, 0)
        found[f"{side}Hand"] = (turn, flip * bow, flip * drop)
        for finger in FINGERS:
            for part in segments(finger):
                found[f"{side}{finger}{part}"] = (0, 0, flip * _HANDS[hand].get(finger, 0))
    return found


def _gazing(gaze: str) -> list[tuple[str, Track]]:
    if gaze not in _GAZES:
        return []
    track: Track = ((0.0, ZERO), *((at, (float(x), float(y), 0.0)) for at, x, y in _GAZES[gaze]))
    # The head makes less of the way than the eyes.
    head: Track = tuple((at, (0.6 * x, 0.6 * y, 0.0)) for at, (x, y, _) in track)
    return [("leftEye", track), ("rightEye", track), ("head", head)]
