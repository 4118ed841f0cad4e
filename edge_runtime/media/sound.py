"""Programs of sound: notes to be played, or words to be spoken, and their WAV file."""

from __future__ import annotations

from edge_runtime.media import Json, reading
from edge_runtime.media.notes import Note, notes_schema, play, read_notes, write_notes
from edge_runtime.media.reading import strict_object
from edge_runtime.media.speech import VOICES, Utterance, read_utterance, speak
from edge_runtime.media.wav import write_wav

MUSIC, SPEECH = "music", "speech"
Program = tuple[Note, ...] | Utterance


def program_schema() -> Json:
    """JSON Schema of a program, as strict providers take it."""
    whole = reading.INTEGER
    music = strict_object(kind=reading.one_of(MUSIC), notes=notes_schema())
    speech = strict_object(
        kind=reading.one_of(SPEECH),
        text=reading.STRING,
        voice=reading.one_of(*VOICES),
        rate=whole,
        pitch=whole,
        loudness=whole,
    )
    return {"anyOf": [music, speech]}


def read_program(value: object) -> Program:
    """A program from JSON; raises `Rejected`. Nothing is played."""
    kind = reading.choice(value.get("kind") if isinstance(value, dict) else None, "kind", (MUSIC, SPEECH))
    if kind == MUSIC:
        return read_notes(reading.fields(value, "the program", ("kind", "notes"))["notes"])
    return read_utterance(reading.fields(value, "the program", ("kind", "text", "voice", "rate", "pitch", "loudness")))


def write_program(program: Program) -> Json:
    """The program as JSON; `read_program` reads it back."""
    if isinstance(program, Utterance):
        return {
            "kind": SPEECH,
            "text": program.text,
            "voice": program.voice,
            "rate": program.rate,
            "pitch": program.pitch,
            "loudness": program.loudness,
        }
    return {"kind": MUSIC, "notes": write_notes(program)}


def wav_of(program: Program) -> bytes:
    """The program's WAV file; raises `NotEquipped` for speech where espeak-ng is missing."""
    return write_wav(speak(program) if isinstance(program, Utterance) else play(program))
