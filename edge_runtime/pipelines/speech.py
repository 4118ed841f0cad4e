"""What people say, as text: sound is cut at pauses, and a grammar says what may have been said, by pocketsphinx (the extra 'speech').

Nothing leaves the device, and nothing is learnt. A grammar is a JSGF file; its words are those of CMU's English dictionary. What
isn't in it is taken for what is nearest in it, or for nothing: let each sentence begin with a name, as in "robot, go home".
https://www.w3.org/TR/jsgf/
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.audio.files import RATE
from edge_runtime.errors import BadRequest
from edge_runtime.media import optional
from edge_runtime.pipelines.declare import Speech
from edge_runtime.pipelines.items import Item, Sound

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 64 * 1024
LONGEST = 15.0  # seconds of one sentence; what goes on is noise
_NAME = "sentences"
# A file's silence has no noise, which the models were never trained with.
_NOISE: dict[str, object] = {"dither": True, "seed": 1}
# Any sounds of English in a row: what is so much less likely (nats in each 10 ms) as a sentence of the grammar was none of them.
_PHONES, _WORSE = "en-us/en-us-phone.lm.bin", 1.5e-3
_WORDS = 0.74  # of a sentence's time, at least: where the grammar has no word for it, the decoder hears a pause, which would be none
_FAST: dict[str, object] = {"bestpath": False, "lw": 2.0, "beam": 1e-20, "pbeam": 1e-20}
_EDGE = np.zeros(int(0.2 * RATE), "<i2").tobytes()  # silence round a sentence, as the models were trained with it
_FRAME = RATE // 100  # samples of the decoder's frames


def spoken(declared: Speech, pieces: Iterator[Item], stopped: threading.Event) -> Iterator[Item]:
    """Of pieces of sound: each sentence as {"text", "seconds"}, captured when it ended; how long it was. Blocks.

    Raises `BadRequest` where the grammar can't be used, `NotEquipped` without pocketsphinx.
    """
    ears = _Ears(read_grammar(declared.grammar), declared.grammar)
    number, rest = 0, b""
    for piece in pieces:
        if stopped.is_set():
            return
        assert isinstance(piece.value, Sound)
        rest += np.rint(np.clip(piece.value.samples, -1, 1) * 32767).astype("<i2").tobytes()
        while len(rest) >= ears.frame:
            frame, rest = rest[: ears.frame], rest[ears.frame :]
            if (heard := ears.hear(frame)) is not None:
                number += 1
                text, seconds = heard
                late = piece.value.seconds - len(rest) / 2 / RATE
                yield Item(
                    {"text": text, "seconds": round(seconds, 2)},
                    piece.captured.later(late),
                    piece.position + late,
                    number,
                )


def read_grammar(path: Path) -> str:
    """The text of a JSGF file; raises `BadRequest`."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as cause:
        raise BadRequest(f"{path} can't be read: {cause.strerror}.") from None
    except UnicodeDecodeError:
        raise BadRequest(f"{path} isn't UTF-8; save it as such.") from None
    if len(data) > MOST_BYTES:
        raise BadRequest(f"{path} has over {MOST_BYTES:,} bytes; write less.")
    if not text.startswith("#JSGF"):
        raise BadRequest(f'{path} is no grammar: it must begin with "#JSGF V1.0;".')
    return text


class _Ears:
    """An endpointer that waits for speech, and a decoder for what it was. frame: bytes that are heard at once."""

    def __init__(self, grammar: str, path: Path) -> None:
        sphinx = optional("pocketsphinx", "Spoken sentences")
        self._ends: Any = sphinx.Endpointer(sample_rate=RATE)
        # The second pass (bestpath) throws away what is said a little otherwise than the models know it; `_fits` judges instead.
        self._decoder: Any = sphinx.Decoder(samprate=RATE, lm=None, bestpath=False, loglevel="FATAL", **_NOISE)
        phones = sphinx.get_model_path(_PHONES)
        self._sounds: Any = sphinx.Decoder(samprate=RATE, lm=None, allphone=phones, loglevel="FATAL", **_NOISE, **_FAST)
        try:
            self._decoder.add_jsgf_string(_NAME, grammar)
            self._decoder.activate_search(_NAME)
            self._whole: Any = self._decoder.get_fsg(_NAME)
        except (RuntimeError, ValueError):
            raise BadRequest(
                f"{path} can't be used: look at its rules, and at its words, which must be in CMU's dictionary."
            ) from None
        self.frame = int(self._ends.frame_bytes)
        self._sentence = bytearray()

    def hear(self, frame: bytes) -> tuple[str, float] | None:
        """What was said, and how long it took, where a sentence has just ended and is one of the grammar."""
        speech = self._ends.process(frame)
        if speech is not None and len(self._sentence) < LONGEST * RATE * 2:
            self._sentence += speech
        if self._ends.in_speech or not self._sentence:
            return None
        said, self._sentence = bytes(self._sentence), bytearray()
        sound = _EDGE + said + _EDGE
        found = _decoded(self._decoder, sound)
        text = found.hypstr.strip() if found is not None else ""
        # What comes to an end within a sentence of the grammar was none.
        if not text or not self._whole.accept(text):
            return None
        words = sum(each.end_frame - each.start_frame + 1 for each in self._decoder.seg() if each.word[0].isalpha())
        good = words >= _WORDS * len(said) / 2 / _FRAME and self._fits(found, sound)
        return (text, len(said) / 2 / RATE) if good else None

    def _fits(self, found: Any, sound: bytes) -> bool:
        """Whether it sounds like that sentence, and not like anything else that the grammar has no better word for."""
        anything = _decoded(self._sounds, sound)
        if anything is None:
            return True
        worse = math.log(anything.best_score) - math.log(found.best_score)
        return worse < _WORSE * self._decoder.n_frames()


def _decoded(decoder: Any, sound: bytes) -> Any:
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    return decoder.hyp()
