"""Whether an avatar does what it is told on three rigs whose names it wasn't built with, and stays within their joints' limits.

    python benchmarks/avatar_rigs.py RUN [--home DIR] [--commands 300] [--seed 9] [--file FILE] [--json FILE]

Fresh texts of the built-in teacher in frames that the run held out. The rigs are a game's (Source), an animator's (Maya's Advanced Skeleton)
and a phone's (ARKit's body), with what each name is by hand here; each text comes with limits drawn anew for half of a rig's bones, some
too narrow for any gesture. "intent": emotion, gesture and gaze are right. "done": besides, just those bones move that the gesture and the gaze need
of those that the rig has. "beyond limits": turns of a bone outside its limits, of all that were told. "misread": names of bones read as another joint.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fresh import fresh
from benchmarks.judging import add_arguments, opened, report
from edge_runtime.avatar.gestures import BELOW, joints_of
from edge_runtime.avatar.humanoid import match_bones
from edge_runtime.avatar.rig import AXES
from edge_runtime.tasks import Specialist
from trainer_host.data.dataset import open_dataset
from trainer_host.tasks import Example, Json, task_spec
from trainer_host.tasks.avatar import SCORED
from trainer_host.tasks.phrases import TEMPLATE
from trainer_host.training.run import dataset_of
from trainer_host.workspace import Workspace, default_home

Named = dict[str, str]  # a bone's name -> the joint that it is


def _source() -> Named:
    own = "ValveBiped.Bip01_"
    made = {f"{own}Pelvis": "hips", f"{own}Spine": "spine", f"{own}Neck1": "neck", f"{own}Head1": "head"}
    made |= {f"{own}Spine1": "chest", f"{own}Spine2": "upperChest"}
    parts = {"Clavicle": "Shoulder", "UpperArm": "UpperArm", "Forearm": "LowerArm", "Hand": "Hand", "Thigh": "UpperLeg"}
    parts |= {"Calf": "LowerLeg", "Foot": "Foot", "Toe0": "Toes"}
    return made | {
        f"{own}{letter}_{theirs}": f"{side}{part}"
        for letter, side in (("L", "left"), ("R", "right")) for theirs, part in parts.items()
    }  # fmt: skip


def _maya() -> Named:
    made = {"Root_M": "hips", "Spine1_M": "spine", "Chest_M": "chest", "Neck_M": "neck", "Head_M": "head"}
    parts = {"Scapula": "Shoulder", "Shoulder": "UpperArm", "Elbow": "LowerArm", "Wrist": "Hand", "Hip": "UpperLeg"}
    parts |= {"Knee": "LowerLeg", "Ankle": "Foot", "Toes": "Toes", "Eye": "Eye"}
    return made | {
        f"{theirs}_{letter}": f"{side}{part}"
        for letter, side in (("L", "left"), ("R", "right")) for theirs, part in parts.items()
    }  # fmt: skip


def _phone() -> Named:
    made = {"hips_joint": "hips", "spine_1_joint": "spine", "spine_4_joint": "chest", "spine_7_joint": "upperChest"}
    made |= {"neck_1_joint": "neck", "head_joint": "head"}
    parts = {"shoulder_1": "Shoulder", "arm": "UpperArm", "forearm": "LowerArm", "hand": "Hand", "upLeg": "UpperLeg"}
    parts |= {"leg": "LowerLeg", "foot": "Foot", "toes": "Toes"}
    return made | {
        f"{side}_{theirs}_joint": f"{side}{part}" for side in ("left", "right") for theirs, part in parts.items()
    }


RIGS = {"Source": _source(), "Advanced Skeleton": _maya(), "ARKit body": _phone()}


def main() -> None:
    """Ask a run's file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--commands", type=int, default=300, help="texts for each rig (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=9, help="of texts and limits (default: %(default)s)")
    args = parser.parse_args()
    with opened(args) as (specialist, run, item):
        workspace = Workspace((args.home or default_home()).absolute())
        rows = open_dataset(dataset_of(workspace, run).folder).rows("heldout")
        frames = {row.meta.get(TEMPLATE) for row in rows} - {None}
        spec = task_spec(run.task)
        examples = fresh(
            workspace, run, args.commands, f"rigs {args.seed}", lambda example: spec.group(example) in frames
        )
        figures: Json = {"file": item.file, "bytes": item.bytes, "texts": len(examples), "frames": len(frames)}
        for name, bones in RIGS.items():
            figures[name] = judge(specialist, examples, bones, random.Random(f"{args.seed} {name}"))
    report(figures, args.json)


def judge(specialist: Specialist, examples: Sequence[Example], bones: Named, rng: random.Random) -> Json:
    """Figures of the answers to these texts on a rig."""
    read = {bone: joint for joint, bone in match_bones([*bones]).of.items()}
    intent = done = told = beyond = 0
    for example in examples:
        rig = {name: limits(rng) if rng.random() < 0.5 else None for name in bones}
        asked = [{"name": name, **({"limits": limit} if limit else {})} for name, limit in rig.items()]
        answer = specialist.run({"text": example.input["text"], "rig": {"bones": asked}})
        right = all(answer[head] == example.output[head] for head in SCORED)
        moved: set[str] = set()
        for frame in cast("list[dict[str, dict[str, dict[str, float]]]]", answer["motion"]):
            for name, turn in frame["bones"].items():
                moved.add(name)
                for axis, (low, high) in (rig[name] or {}).items():
                    told += 1
                    beyond += not low <= turn[axis] <= high
        intent += right
        done += right and moved == needed(example, bones)
    return {
        "intent": round(intent / len(examples), 4),
        "done": round(done / len(examples), 4),
        "turns with a limit": told,
        "beyond limits": beyond,
        "bones": len(bones),
        "known bones": len(read),
        "misread": sum(bones[bone] != joint for bone, joint in read.items()),
    }


def limits(rng: random.Random) -> dict[str, tuple[float, float]]:
    """Degrees about each axis: from all that a joint could do to next to nothing, also beside its rest."""
    made = {}
    for axis in AXES:
        middle, half = rng.uniform(-20, 20), rng.choice((0.0, 3.0, 20.0, 90.0))
        made[axis] = (round(middle - half, 2), round(middle + half, 2))
    return made


def needed(example: Example, bones: Named) -> set[str]:
    """The bones that a text's gesture and gaze turn: for a part of the trunk that a rig lacks the next one below."""
    have = {joint: name for name, joint in bones.items()}
    found = set()
    for wanted in joints_of(str(example.output["gesture"]), str(example.output["gaze"])):
        joint: str | None = wanted
        while joint is not None and joint not in have:
            joint = BELOW.get(joint)
        if joint is not None:
            found.add(have[joint])
    return found


if __name__ == "__main__":
    main()
