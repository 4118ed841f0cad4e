"""What is heard in the WAV file of a program of sound."""

from __future__ import annotations

from edge_runtime.media.notes import TAIL
from edge_runtime.media.sound import Program, wav_of
from edge_runtime.media.speech import Utterance, speak
from edge_runtime.media.wav import RATE, read_wav, refuse_bad_sound, write_wav
from trainer_host.media import hearing
from trainer_host.media.sound_facts import Sound
from trainer_host.media.speech_facts import Spoken
from trainer_host.tasks import Rejected


def heard(program: Program) -> Sound:
    """Write the WAV, read it back and listen; raises `Rejected` where it isn't what the program says."""
    samples = read_wav(wav_of(program))
    refuse_bad_sound(samples)
    if isinstance(program, Utterance):
        plain = read_wav(write_wav(speak(program.plain)))
        return Spoken(program, hearing.listen(samples), hearing.listen(plain))
    seconds = max(note.end for note in program) + TAIL
    if abs(len(samples) / RATE - seconds) > 0.01:
        raise Rejected("wrong length", f"the file lasts {len(samples) / RATE:.2f} s instead of {seconds:.2f} s")
    return hearing.hear(samples, program)
