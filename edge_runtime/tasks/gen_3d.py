"""Task `3d_gen`: a request in words gives a body; the model writes what it is made of, the device computes and builds it.

A small model learns which parts there are and how their lengths follow from those of the prompt. It reads "a tube, α mm
outside and β mm inside in diameter, γ mm long" and writes "cylinder α γ / cylinder β 2γ mid γ/2 / difference", see
`edge_runtime.media.solid_notation`; numbers, units, places and the surface are computed here.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.errors import BadRequest
from edge_runtime.media import Media, Rejected, optional, solid_notation
from edge_runtime.media.body import build, surface
from edge_runtime.media.formula_notation import plain
from edge_runtime.media.glb import GLB, write_glb
from edge_runtime.media.solid import program_schema, read_program, write_program
from edge_runtime.media.solid_words import KNOWN, asked, doubt
from edge_runtime.media.words import stranger
from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, prompt_of
from edge_runtime.tasks.tries import TryingWriter
from edge_runtime.tasks.written_confidence import read_doubt

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine

NAME = "3d_gen"
PLAIN = False
MAX_TOKENS = 360
MAX_PROMPT = 600
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["prompt"],
    "properties": {"prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT}, **OPTIONS},
}
_SIDE: Json = {"type": "number"}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["program", "model", "size", "problem", *FIGURES],
    "properties": {
        "program": {"anyOf": [program_schema(coloured=True), {"type": "null"}]},
        "model": {"type": ["object", "null"], "description": f"a file of {GLB}, in metres, y up"},
        "size": {  # of its box, in millimetres, z up
            "type": ["object", "null"],
            "properties": {"x": _SIDE, "y": _SIDE, "z": _SIDE},
        },
        "problem": {"type": ["string", "null"], "description": "why there is no body, or why it is doubtful"},
        **FIGURES,
    },
}


def messages(request: Json) -> list[Json]:
    """The prompt as one message, its lengths and angles as letters; "text" is another name for it."""
    return [{"role": "user", "content": asked(prompt_of(request, MAX_PROMPT)).said}]


def reply(request: Json, output: Json) -> str:
    """The notation of the program over the prompt's numbers; raises `BadRequest` for what isn't a program."""
    read = asked(prompt_of(request, MAX_PROMPT))
    try:
        return solid_notation.write(read_program(output["program"]), read.numbers)
    except Rejected as cause:
        raise BadRequest(f"The program can't be read: {cause.detail}.") from None


def answer(request: Json, text: str) -> Json:
    """Build what the model wrote; what can't be built has no program and is unsure, and "problem" says why.

    A body that leaves out a number of the prompt, or has something else than it says, is there, but unsure as well.
    """
    read = asked(prompt_of(request, MAX_PROMPT))
    try:
        program = replace(solid_notation.read(text, read.numbers), colour=read.colour)
        vertices, triangles = surface(build(program))
    except Rejected as cause:
        told = stranger(read.said, KNOWN) or problem(cause)
        return {"program": None, "model": None, "size": None, "problem": told, "unsure": True}
    left = solid_notation.unused(text, read.numbers)
    sides = (vertices.max(axis=0) - vertices.min(axis=0)).tolist()
    doubtful = f"The prompt names {plain(left[0])}, but nothing in this body follows from it." if left else None
    doubtful = doubtful or doubt(program, sides, read)
    return {
        "program": write_program(program),
        "model": Media(GLB, write_glb(vertices, triangles, program.colour)),
        "size": {axis: round(side, 3) for axis, side in zip("xyz", sides, strict=True)},
        "problem": doubtful,
        "unsure": doubtful is not None,
    }


def problem(cause: Rejected) -> str:
    """One sentence for a person: what the prompt asked for can't be made, or wasn't understood."""
    if cause.reason == solid_notation.UNREADABLE:
        return "This prompt wasn't understood; say what the body is, and its measures in mm."
    return f"What the prompt seems to ask for can't be made: {cause.detail}."


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Writer:
    """A specialist over a language engine; raises `BundleError`, and `NotEquipped` where manifold3d is missing."""
    from edge_runtime.language.specialist import load_language

    optional("manifold3d", "Bodies")
    task = cast(TextTask, sys.modules[__name__])
    return TryingWriter(load_language(manifest, folder, engine), task, read_doubt(manifest, NAME))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the bodies are of the same parts."""
    return expected.get("program") == got.get("program")
