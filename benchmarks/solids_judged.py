"""Whether the bodies of a 3d_gen are what was asked for: judged from the GLB files alone.

    python benchmarks/solids_judged.py RUN [--home DIR] [--bodies 200] [--seed 9] [--files FOLDER] [--json FILE]

Fresh prompts of the built-in teacher, none of which the run's dataset has. Each answer's GLB is read by trimesh, as any program would, and
what the prompt asks for is measured on its surface: "size", "count" (holes, pieces, hollows, levels, legs), "colour" (of its material), each of the
prompts that say such a thing (one piece without holes is no count), and "all" of everything asked. "parses": answers that are a program. "watertight": files whose surface is
closed, of all prompts. "sure": answers without doubt. With --files the GLBs stay there, for Khronos's gltf-validator:
`npm install gltf-validator`, then `python benchmarks/solids_judged.py RUN --files FOLDER --validator node_modules/gltf-validator`.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fresh import fresh
from benchmarks.judging import add_arguments, opened, report
from edge_runtime.media import Media
from edge_runtime.media.colours import COLOURS, rgb
from trainer_host.media.body import Body, measure
from trainer_host.media.solid_facts import (
    Cavities,
    Colour,
    Extent,
    Fact,
    Holes,
    Legs,
    Levels,
    Pieces,
    Sides,
    Size,
    read_facts,
    unmet,
)
from trainer_host.tasks import Example, Json, Rejected
from trainer_host.workspace import Workspace, default_home

MILLIMETRES = 1000.0
KINDS: dict[str, tuple[type, ...]] = {
    "size": (Size, Extent, Sides),
    "count": (Holes, Pieces, Cavities, Levels, Legs),
    "colour": (Colour,),
}
OFF = 8  # of 255
PLAIN = (Pieces(1), Holes(0), Cavities(0))  # true of nearly everything: a prompt says nothing by them
_VALIDATE = """
const v = require(process.argv[1]), fs = require('fs'), path = require('path');
(async () => {
  const found = {files: 0, errors: 0, warnings: 0};
  for (const name of fs.readdirSync(process.argv[2]).filter(name => name.endsWith('.glb'))) {
    const told = await v.validateBytes(new Uint8Array(fs.readFileSync(path.join(process.argv[2], name))));
    found.files += 1; found.errors += told.issues.numErrors; found.warnings += told.issues.numWarnings;
  }
  console.log(JSON.stringify(found));
})();
"""


def main() -> None:
    """Judge a run's bodies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--bodies", type=int, default=200, help="prompts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=9, help="of the prompts (default: %(default)s)")
    parser.add_argument("--files", type=Path, help="write the GLBs into this folder")
    parser.add_argument("--validator", type=Path, help="folder of the npm package gltf-validator (needs --files)")
    args = parser.parse_args()
    with opened(args) as (specialist, run, item):
        workspace = Workspace((args.home or default_home()).absolute())
        examples = fresh(workspace, run, args.bodies, f"solids {args.seed}")
        answers = [specialist.run(example.input) for example in examples]
    figures: Json = {"file": item.file, "bytes": item.bytes, **judge(examples, answers)}
    if args.files is not None:
        args.files.mkdir(parents=True, exist_ok=True)
        for number, answer in enumerate(answers):
            if answer["model"] is not None:
                (args.files / f"{number:04}.glb").write_bytes(cast(Media, answer["model"]).content)
    if args.validator is not None:
        figures["gltf-validator"] = validated(args.validator, args.files)
    report(figures, args.json)


def judge(examples: Sequence[Example], answers: Iterable[Json]) -> Json:
    """Figures of the answers to these prompts."""
    held: dict[str, list[bool]] = {
        kind: [] for kind in ("parses", "watertight", *KINDS, "all", "sure", "all, of the sure")
    }
    for example, answer in zip(examples, answers, strict=True):
        facts = read_facts(example.output["shows"])
        body, colour = seen(None if answer["model"] is None else cast(Media, answer["model"]).content)
        held["parses"].append(answer["program"] is not None)
        held["watertight"].append(body is not None)
        for kind, kinds in KINDS.items():
            asked = [fact for fact in facts if isinstance(fact, kinds)]
            if any(fact not in PLAIN for fact in asked):
                held[kind].append(_met(asked, body, colour))
        held["all"].append(_met(facts, body, colour))
        held["sure"].append(not answer["unsure"])
        if not answer["unsure"]:
            held["all, of the sure"].append(held["all"][-1])
    counts = {f"prompts that say {kind}": len(held[kind]) for kind in KINDS}
    return {"bodies": len(examples), **counts} | {
        kind: round(float(np.mean(each)), 4) for kind, each in held.items() if each
    }


def seen(content: bytes | None) -> tuple[Body | None, str]:
    """The body of a GLB file in millimetres, z up, None where there is none or it isn't closed; its colour's name, "" for none of ours."""
    import trimesh
    from manifold3d import Manifold, Mesh

    if content is None:
        return None, ""
    scene = trimesh.load_scene(io.BytesIO(content), file_type="glb")
    (mesh,) = scene.geometry.values()
    if not mesh.is_watertight or not mesh.is_winding_consistent:
        return None, ""
    x, y, z = mesh.vertices.T * MILLIMETRES
    places = np.stack([x, -z, y], axis=1).astype(np.float32)
    solid = Manifold(Mesh(places, mesh.faces.astype(np.uint32)))
    level = np.asarray(mesh.visual.material.baseColorFactor[:3], float)
    factor = level / 255 if level.max() > 1 else level
    try:
        return measure(solid), _named(factor)
    except Rejected:
        return None, ""


def _named(linear: np.ndarray) -> str:
    """The colour of `COLOURS` that has these linear levels, 0 to 1, as nearly as trimesh keeps them, in 8 bits: dark ones are off by a few."""
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    far = {name: float(np.abs(np.array(rgb(value)) - shown).max()) for name, value in COLOURS.items()}
    nearest = min(far, key=lambda name: far[name])
    return nearest if far[nearest] <= OFF else ""


def _met(facts: Sequence[Fact], body: Body | None, colour: str) -> bool:
    return body is not None and not unmet(facts, body, colour)


def validated(package: Path, folder: Path) -> Json:
    """Errors and warnings of gltf-validator about all GLBs in a folder."""
    done = subprocess.run(
        ["node", "-e", _VALIDATE, str(package.absolute()), str(folder.absolute())],
        check=True,
        capture_output=True,
        text=True,
    )
    return cast(Json, json.loads(done.stdout))


if __name__ == "__main__":
    main()
