"""How well a voice of its own is understood: word errors of an independent recogniser, beside those of the teacher's voice.

    python benchmarks/voice_words.py RUN --whisper FOLDER [--home DIR] [--sentences FILE] [--file model.int8.onnx] [--json FILE]

The run's int8 file says each line of a text (default: tests/exams/audio_gen/said.txt; nothing is learnt from it or from told.txt and plain.txt), through the
device's code; its teacher says the same; both are heard by whisper in a folder of faster-whisper's, which is no part of
Enigma. The real-time factor is of whole answers, processor seconds by seconds of sound.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.judging import add_arguments, opened, report
from benchmarks.spoken_words import AT_ONCE, HEARD_RATE, PAUSE, mistakes, plain
from edge_runtime.audio.files import read_sound
from edge_runtime.media import Media, spoken
from edge_runtime.tasks.voice import Voice
from trainer_host.speech.told import tell
from trainer_host.students import Json
from trainer_host.students.voice import load_config

SENTENCES = Path(__file__).parent.parent / "tests/exams/audio_gen/said.txt"


def main() -> None:
    """Measure one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--whisper", type=Path, required=True, help="folder of a faster-whisper model")
    parser.add_argument("--sentences", type=Path, default=SENTENCES, help="a text, a sentence on each line")
    parser.add_argument("--sounds", type=Path, help="a folder to write all WAVs to")
    args = parser.parse_args()
    texts = [line.strip() for line in args.sentences.read_text("utf-8").splitlines() if line.strip()]
    said: dict[str, list[np.ndarray]] = {"student": [], "teacher": []}
    busy = sounded = first = 0.0
    guessed = 0
    with opened(args) as (specialist, run, item):
        assert isinstance(specialist, Voice)
        for number, text in enumerate(texts):
            before = time.process_time()
            answer = specialist.run({"prompt": text})
            spent = time.process_time() - before
            busy, sounded, first = busy + spent, sounded + float(str(answer["seconds"])), max(first, spent)
            guessed += len(cast("list[str]", answer["guessed"]))
            both = {
                "student": cast(Media, answer["sound"]).content,
                "teacher": _taught(load_config(run.folder).teacher, text),
            }
            for who, content in both.items():
                said[who].append(read_sound(content).samples)
                if args.sounds is not None:
                    args.sounds.mkdir(parents=True, exist_ok=True)
                    (args.sounds / f"{number:03}-{who}.wav").write_bytes(content)
    wanted = [plain(text) for text in texts]
    words = sum(map(len, wanted))
    wrong = {who: errors(wanted, sounds, args.whisper) for who, sounds in said.items()}
    figures: Json = {
        "file": item.file,
        "runtime": item.runtimes[0],
        "bytes": item.bytes,
        "sentences": len(texts),
        "words": words,
        "words that no lexicon has": guessed,
        "word error rate": {who: round(count / words, 4) for who, count in wrong.items()},
        "times the teacher's": round(wrong["student"] / wrong["teacher"], 3) if wrong["teacher"] else None,
        "real-time factor": round(busy / sounded, 4),
        "slowest sentence, processor seconds": round(first, 3),
    }
    report(figures, args.json)


def errors(wanted: list[list[str]], sounds: list[np.ndarray], whisper: Path) -> int:
    """Wrong words of all that was said. Sentences are heard in groups: whisper takes as long for 3 seconds as for 30."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(whisper), compute_type="int8", cpu_threads=1)
    quiet = np.zeros(round(PAUSE * HEARD_RATE), np.float32)
    made = at = 0
    while at < len(sounds):
        end, length = at, 0
        while end < len(sounds) and (end == at or length + len(sounds[end]) + len(quiet) < AT_ONCE * HEARD_RATE):
            length += len(sounds[end]) + len(quiet)
            end += 1
        group = np.concatenate([quiet, *(part for one in sounds[at:end] for part in (one, quiet))])
        segments, _ = model.transcribe(group.astype(np.float32), language="en", beam_size=1)
        heard = " ".join(segment.text for segment in segments)
        made += mistakes([word for words in wanted[at:end] for word in words], plain(heard))
        at = end
    return made


def _taught(voice: str, text: str) -> bytes:
    phrases = [phrase for sentence in spoken.read(text).sentences for phrase in sentence]
    return tell(voice, " ".join(" ".join(phrase.words) + phrase.mark for phrase in phrases)).wav


if __name__ == "__main__":
    main()
