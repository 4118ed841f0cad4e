"""Task `image_gen`: a prompt gives a picture; the model writes what it shows, the device places and draws it.

A small model learns which shapes are asked for, how many, and how they stand to each other: a plan. Where each is
found by a search, exactly. A row that doesn't say what its scene shows is learnt as the scene itself, in the
line notation of `edge_runtime.media.scene_notation`; a model may write either.

A specialist of the other kind learnt from captioned pictures, and its network makes pixels; see `edge_runtime.tasks.image_flow`.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.media import Media, Rejected, optional
from edge_runtime.media.picture_layout import lay_out
from edge_runtime.media.picture_plan import plan_of, read_plan, write_plan
from edge_runtime.media.picture_words import ACTS, KNOWN, PICTURE_READING, doubt
from edge_runtime.media.prompts import Prompt, marked
from edge_runtime.media.scene import Scene, read_scene, scene_schema, write_scene
from edge_runtime.media.scene_notation import is_scene, read_line, write_line
from edge_runtime.media.words import stranger
from edge_runtime.tasks import image_flow
from edge_runtime.tasks.dialogue import FIGURES, LEAST_ALIKE, OPTIONS, TextTask, Writer, prompt_of
from edge_runtime.tasks.tries import TryingWriter
from edge_runtime.tasks.written_confidence import read_doubt

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines import Engine
    from edge_runtime.engines.language import LanguageEngine

NAME = "image_gen"
PLAIN = False
MAX_TOKENS = 400
MAX_PROMPT = 600
CONTENT_TYPE = "image/png"
Json = dict[str, object]
PROBLEM: Json = {"type": ["string", "null"], "description": "why there is nothing to see, or why it is doubtful"}
NOT_UNDERSTOOD = "This prompt wasn't understood; say which shapes there are to be, how many and where."
NOT_SHOWN = "Not all that the prompt asks for can be shown together."
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["prompt"],
    "properties": {"prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT}, **OPTIONS},
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["picture", "problem", "unsure"],
    "properties": {
        "scene": {"anyOf": [scene_schema(film=False), {"type": "null"}], "description": "where one was drawn"},
        "picture": {"description": "a PNG", "contentMediaType": CONTENT_TYPE},
        "problem": PROBLEM,
        **image_flow.FIELDS,
        **FIGURES,
    },
}


def messages(request: Json) -> list[Json]:
    """The prompt as one message, see `edge_runtime.media.prompts`; "text" is another name for it."""
    return [{"role": "user", "content": _read(request).said}]


def reply(request: Json, output: Json) -> str:
    """The plan of what the row shows; the scene itself where it doesn't say."""
    prompt = _read(request)
    shows = cast(list[Json], output.get("shows") or [])
    if any(fact["fact"] == "count" for fact in shows):
        return prompt.shortened(write_plan(plan_of(shows), prompt), ACTS)
    return write_line(read_scene(output["scene"], film=False), prompt)


def answer(request: Json, text: str) -> Json:
    """Draw what the model wrote; what can't be read has no picture.

    What can't all be shown, and what says something else than the prompt, is unsure; "problem" says why.
    """
    from edge_runtime.media.draw import draw
    from edge_runtime.media.pictures import png

    optional("PIL", "Pictures")
    prompt = _read(request)
    try:
        scene, problem = _scene(text, prompt)
    except Rejected:
        told = stranger(prompt.plain, KNOWN) or NOT_UNDERSTOOD
        return {"scene": None, "picture": None, "problem": told, "unsure": True}
    picture = Media(CONTENT_TYPE, png(draw(scene)))
    return {"scene": write_scene(scene), "picture": picture, "problem": problem, "unsure": problem is not None}


def _read(request: Json) -> Prompt:
    return marked(prompt_of(request, MAX_PROMPT), PICTURE_READING)


def _scene(text: str, prompt: Prompt) -> tuple[Scene, str | None]:
    """The scene, and why it is doubtful."""
    if is_scene(text):
        scene, whole = read_line(text, prompt, film=False)
        return scene, None if whole else NOT_UNDERSTOOD
    plan, whole = read_plan(prompt.lengthened(text), prompt)
    scene, shown = lay_out(plan)
    return scene, NOT_UNDERSTOOD if not whole else doubt(plan, prompt) or (None if shown else NOT_SHOWN)


def load(manifest: Manifest, folder: Path, engine: LanguageEngine | Engine) -> Writer | image_flow.Painter:
    """A specialist over a language engine, or over a network's where the manifest's options say how many `parts` its pictures have.

    Raises `BundleError`, and `NotEquipped` where nothing could be drawn.
    """
    from edge_runtime.language.specialist import load_language

    if "parts" in manifest.options:
        return image_flow.load(manifest, folder, cast("Engine", engine))
    optional("PIL", "Pictures")
    task, language = cast(TextTask, sys.modules[__name__]), cast("LanguageEngine", engine)
    return TryingWriter(load_language(manifest, folder, language), task, read_doubt(manifest, NAME))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the same things are in both pictures, most of them, or nearly the same colours: int8 kernels round differently."""
    if "sketch" in expected or "sketch" in got:
        return image_flow.agrees(expected, got)
    return alike(expected.get("scene"), got.get("scene"))


def alike(expected: object, got: object) -> bool:
    """Whether two scenes have most of their shapes in common, by kind, colour and which properties move."""
    if not isinstance(expected, dict) or not isinstance(got, dict):
        return expected is None and got is None
    one, other = _shapes(expected), _shapes(got)
    return (one & other).total() >= LEAST_ALIKE * max(one.total(), other.total())


def _shapes(scene: Json) -> Counter[tuple[str, ...]]:
    shapes = cast(list[Json], scene["shapes"])
    return Counter(
        (
            str(shape["kind"]),
            str(shape["colour"]),
            *(str(track["property"]) for track in cast(list[Json], shape.get("motion", []))),
        )
        for shape in shapes
    )
