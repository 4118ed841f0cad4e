"""Task `video_gen`: a prompt gives a short film; the model writes what moves how, the device places and draws it.

As in `image_gen` the model writes a plan; a row that doesn't say what its film shows, or shows several of one thing,
is learnt as the scene itself. The film is an animated PNG, which loses nothing; browsers and chats play it.

A specialist of the other kind says which frames follow a picture when something is done; see `edge_runtime.tasks.next_frame`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.media import Media, Rejected, optional
from edge_runtime.media.film_layout import lay_out_film
from edge_runtime.media.film_plan import film_plan_of, read_film_plan, write_film_plan
from edge_runtime.media.film_words import ACTS, FILM_READING, KNOWN, doubt
from edge_runtime.media.prompts import Prompt, marked
from edge_runtime.media.scene import Scene, read_scene, scene_schema, write_scene
from edge_runtime.media.scene_notation import is_scene, read_line, write_line
from edge_runtime.media.words import stranger
from edge_runtime.tasks import next_frame
from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, prompt_of
from edge_runtime.tasks.image_gen import NOT_SHOWN, PROBLEM, alike
from edge_runtime.tasks.tries import TryingWriter
from edge_runtime.tasks.written_confidence import read_doubt

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines import Engine
    from edge_runtime.engines.language import LanguageEngine

NAME = "video_gen"
PLAIN = False
MAX_TOKENS = 400
MAX_PROMPT = 600
CONTENT_TYPE = "image/apng"
NOT_UNDERSTOOD = "This prompt wasn't understood; say which shapes there are to be, and how each moves."
SMOOTH = 2  # a film has many pictures: edges of two by two
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT},
        **next_frame.REQUEST_FIELDS,
        **OPTIONS,
    },
    "anyOf": [{"required": ["prompt"]}, {"required": ["image"]}],
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["film", "frames", "problem", "confidence", "unsure"],
    "properties": {
        "scene": {"anyOf": [scene_schema(film=True), {"type": "null"}], "description": "where one was drawn"},
        "film": {"description": "an animated PNG", "contentMediaType": CONTENT_TYPE},
        "frames": {"type": "integer", "minimum": 0},
        "problem": PROBLEM,
        **next_frame.FIELDS,
        **FIGURES,
    },
}


def messages(request: Json) -> list[Json]:
    """The prompt as one message, see `edge_runtime.media.prompts`; "text" is another name for it."""
    return [{"role": "user", "content": _read(request).said}]


def reply(request: Json, output: Json) -> str:
    """The plan of what the row shows; the scene itself where it doesn't say, or shows several of one thing."""
    prompt = _read(request)
    shows = cast(list[Json], output.get("shows") or [])
    counts = [fact["count"] for fact in shows if fact["fact"] == "count"]
    if counts and all(count == 1 for count in counts):
        return prompt.shortened(write_film_plan(film_plan_of(shows), prompt), ACTS)
    return write_line(read_scene(output["scene"], film=True), prompt)


def answer(request: Json, text: str) -> Json:
    """Draw what the model wrote; what can't be read has no film.

    What can't all be shown, and what says something else than the prompt, is unsure; "problem" says why.
    """
    from edge_runtime.media.draw import drawn
    from edge_runtime.media.pictures import animated_png

    optional("PIL", "Films")
    prompt = _read(request)
    try:
        scene, problem = _scene(text, prompt)
    except Rejected:
        told = stranger(prompt.plain, KNOWN) or NOT_UNDERSTOOD
        return {"scene": None, "film": None, "frames": 0, "problem": told, "unsure": True}
    film = Media(CONTENT_TYPE, animated_png(drawn(scene, SMOOTH), scene.fps))
    doubtful = problem is not None
    return {"scene": write_scene(scene), "film": film, "frames": scene.frames, "problem": problem, "unsure": doubtful}


def _read(request: Json) -> Prompt:
    return marked(prompt_of(request, MAX_PROMPT), FILM_READING)


def _scene(text: str, prompt: Prompt) -> tuple[Scene, str | None]:
    """The scene, and why it is doubtful."""
    if is_scene(text):
        scene, whole = read_line(text, prompt, film=True)
        return scene, None if whole else NOT_UNDERSTOOD
    plan, whole = read_film_plan(prompt.lengthened(text), prompt)
    scene, shown = lay_out_film(plan)
    return scene, NOT_UNDERSTOOD if not whole else doubt(plan, prompt) or (None if shown else NOT_SHOWN)


def load(manifest: Manifest, folder: Path, engine: LanguageEngine | Engine) -> Writer | next_frame.Foreteller:
    """A specialist over a language engine, or over a network's where the manifest's options say how large a frame's `cell` is.

    Raises `BundleError`, and `NotEquipped` where nothing could be drawn.
    """
    from edge_runtime.language.specialist import load_language

    if "cell" in manifest.options:
        return next_frame.load(manifest, folder, cast("Engine", engine))
    optional("PIL", "Films")
    task, language = cast(TextTask, sys.modules[__name__]), cast("LanguageEngine", engine)
    return TryingWriter(load_language(manifest, folder, language), task, read_doubt(manifest, NAME))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the same things move in both films, most of them: int8 kernels round differently."""
    if "changes" in expected or "changes" in got:
        return next_frame.agrees(expected, got)
    return alike(expected.get("scene"), got.get("scene"))
