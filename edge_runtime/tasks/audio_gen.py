"""Task `audio_gen`: a request in words gives a sound; the model writes what is played or said, the device does it.

A small model learns what a scale, a crescendo or a sad voice is. It reads "a falling α scale of 6 notes that starts on
β" and writes "β d*5", see `edge_runtime.media.sound_notation`; which pitches those are, when they begin and how they
sound is computed here, and speech is said by espeak-ng where the device has it.

A specialist of the other kind learnt a teacher's voice, and its network speaks; see `edge_runtime.tasks.voice`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.errors import BadRequest, NotEquipped
from edge_runtime.media import Media, Rejected, sound_notation
from edge_runtime.media.reference_notation import UNREADABLE
from edge_runtime.media.sound import Program, program_schema, read_program, wav_of, write_program
from edge_runtime.media.sound_words import asked, doubt, not_read
from edge_runtime.tasks import voice
from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, prompt_of
from edge_runtime.tasks.tries import TryingWriter
from edge_runtime.tasks.written_confidence import read_doubt

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines import Engine
    from edge_runtime.engines.language import LanguageEngine

NAME = "audio_gen"
PLAIN = False
MAX_TOKENS = 240
MAX_PROMPT = 600
WAV = "audio/wav"
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["prompt"],
    "properties": {"prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT}, **OPTIONS, **voice.ASKED},
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["sound", "problem", "unsure"],
    "properties": {
        "program": {"anyOf": [program_schema(), {"type": "null"}]},
        "sound": {"type": ["object", "null"], "description": f"a file of {WAV}: mono, 16 bits"},
        "problem": {"type": ["string", "null"], "description": "why there is no sound, or why it is doubtful"},
        **voice.FIELDS,
        **FIGURES,
    },
}


def messages(request: Json) -> list[Json]:
    """The prompt as one message, what it names as letters; "text" is another name for it."""
    return [{"role": "user", "content": asked(prompt_of(request, MAX_PROMPT)).said}]


def reply(request: Json, output: Json) -> str:
    """The notation of the program over what the prompt names; raises `BadRequest` for what isn't a program."""
    things = asked(prompt_of(request, MAX_PROMPT)).things
    try:
        return sound_notation.write(read_program(output["program"]), things)
    except Rejected as cause:
        raise BadRequest(f"The program can't be read: {cause.detail}.") from None


def answer(request: Json, text: str) -> Json:
    """Play or say what the model wrote; what can't be is unsure, and "problem" says why.

    Where only the device's voice is missing, the program is there without its sound. A sound that leaves out what the
    prompt names, or has something else than it says, is there, but unsure as well.
    """
    read = asked(prompt_of(request, MAX_PROMPT))
    things = read.things
    program: Program | None = None
    try:
        program = sound_notation.read(text, things)
        sound = Media(WAV, wav_of(program))
    except (Rejected, NotEquipped) as cause:
        made = None if program is None else write_program(program)
        strange = not_read(read) if isinstance(cause, Rejected) else None
        return {"program": made, "sound": None, "problem": strange or problem(cause), "unsure": True}
    left = sound_notation.unused(text, things)
    doubtful = f"The prompt names {left[0]}, but nothing in this sound follows from it." if left else None
    doubtful = doubtful or doubt(program, read)
    return {
        "program": write_program(program),
        "sound": sound,
        "problem": doubtful,
        "unsure": doubtful is not None,
    }


def problem(cause: Rejected | NotEquipped) -> str:
    """One sentence for a person: what the device lacks, what can't be made, or that the prompt wasn't understood."""
    if isinstance(cause, NotEquipped):
        return str(cause)
    if cause.reason == UNREADABLE:
        return "This prompt wasn't understood; say which notes are to be played and how fast, or what is to be said."
    return f"What the prompt seems to ask for can't be made: {cause.detail}."


def load(manifest: Manifest, folder: Path, engine: LanguageEngine | Engine) -> Writer | voice.Voice:
    """A specialist over a language engine, or over a voice's network where the manifest's options have `spellings`.

    Raises `BundleError`.
    """
    from edge_runtime.language.specialist import load_language

    if "spellings" in manifest.options:
        return voice.load(manifest, folder, cast("Engine", engine))
    task, language = cast(TextTask, sys.modules[__name__]), cast("LanguageEngine", engine)
    return TryingWriter(load_language(manifest, folder, language), task, read_doubt(manifest, NAME))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the same is played or said."""
    if "levels" in expected or "levels" in got:
        return voice.agrees(expected, got)
    return expected.get("program") == got.get("program")
