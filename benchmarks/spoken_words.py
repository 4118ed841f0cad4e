"""How well an audio_gen says what it is asked to: word errors of an independent recogniser, beside those of the teacher's own voice.

    python benchmarks/spoken_words.py RUN [--home DIR] [--sentences 60] [--seed 9] [--whisper FOLDER] [--json FILE]

Fresh prompts of the built-in teacher that say which words are to be said (another seed than any row's; none asks what a row
of the run's dataset asks). What the run's int8 file answers, and the teacher's own program of the same prompt, are both said by
the device's code and heard by the recogniser; the word error rate of each is over the words of the prompt. The real-time factor is
of whole answers, processor seconds (espeak-ng's among them) by seconds of sound.

The recogniser is no part of Enigma: pocketsphinx with the model in its wheel (`pip install pocketsphinx`), or, with --whisper, a
model for faster-whisper in a folder.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fresh import fresh
from edge_runtime.audio.resample import resample
from edge_runtime.media import Media
from edge_runtime.media.sound import read_program, wav_of
from edge_runtime.media.speech import Utterance
from edge_runtime.media.wav import RATE, read_wav
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.students import student_of
from trainer_host.tasks import Example, Json
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace, default_home

HEARD_RATE = 16_000
PAUSE, AT_ONCE = 0.6, 28.0  # seconds between sentences, and of what is heard at once
_NUMBERS = {
    "1": "one",
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
}
Recogniser = Callable[[np.ndarray], str]


def main() -> None:
    """Measure one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", help="an exported run of audio_gen")
    parser.add_argument("--home", type=Path, help="default: as for enigma")
    parser.add_argument("--sentences", type=int, default=60, help="prompts (default: 60)")
    parser.add_argument("--seed", type=int, default=9, help="of the prompts (default: 9)")
    parser.add_argument("--whisper", type=Path, help="folder of a faster-whisper model (default: pocketsphinx)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    workspace = Workspace((args.home or default_home()).absolute())
    figures = measure(workspace, args.run, args.sentences, args.seed, recogniser(args.whisper))
    print(json.dumps(figures, indent=1))
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure(workspace: Workspace, name: str, count: int, seed: int, hear: Recogniser) -> Json:
    """Figures of the run's int8 file."""
    run = open_run(workspace.run(name))
    item = next(item for item in exported(run) if item.precision != "fp32" and item.file.endswith(".onnx"))
    said: dict[str, list[tuple[list[str], np.ndarray]]] = {"student": [], "teacher": []}
    totals = {"words": 0, "silent": 0, "unsure": 0, "other words": 0}
    unsaid = 0
    busy = sounded = 0.0
    with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
        for example in fresh(workspace, run, count, f"spoken {seed}", says):
            teacher = cast(Utterance, read_program(example.output["program"]))
            wanted = plain(teacher.text)
            said["teacher"].append((wanted, read_wav(wav_of(teacher))))
            before = _spent()
            answer = specialist.run(example.input)
            spent = _spent() - before
            totals["words"] += len(wanted)
            totals["unsure"] += bool(answer["unsure"])
            if answer["sound"] is None:
                totals["silent"] += 1
                unsaid += len(wanted)
                continue
            program = read_program(answer["program"])
            totals["other words"] += not isinstance(program, Utterance) or plain(program.text) != wanted
            samples = read_wav(cast(Media, answer["sound"]).content)
            busy, sounded = busy + spent, sounded + len(samples) / RATE
            said["student"].append((wanted, samples))
    rates = {who: errors(each, hear) / totals["words"] for who, each in said.items()}
    rates["student"] += unsaid / totals["words"]
    return {
        "file": item.file,
        "sentences": count,
        **totals,
        "word error rate": {who: round(rate, 4) for who, rate in rates.items()},
        "times the teacher's": round(rates["student"] / rates["teacher"], 3) if rates["teacher"] else None,
        "real-time factor": round(busy / sounded, 4) if sounded else None,
    }


def errors(said: list[tuple[list[str], np.ndarray]], hear: Recogniser) -> int:
    """Wrong words of all that was said. Sentences are heard in groups: whisper takes as long for 3 seconds as for 30."""
    made = 0
    quiet = np.zeros(round(PAUSE * RATE))
    at = 0
    while at < len(said):
        end, length = at, 0
        while end < len(said) and (end == at or length + len(said[end][1]) + len(quiet) < AT_ONCE * RATE):
            length += len(said[end][1]) + len(quiet)
            end += 1
        group = said[at:end]
        heard = hear(np.concatenate([part for _, samples in group for part in (samples, quiet)]))
        made += mistakes([word for words, _ in group for word in words], plain(heard))
        at = end
    return made


def says(example: Example) -> bool:
    """Whether a prompt says which words are to be said."""
    return any(fact["fact"] == "says" for fact in cast("list[Json]", example.output["shows"]))


def recogniser(whisper: Path | None) -> Recogniser:
    """What hears words in float64 samples at `RATE`."""
    if whisper is None:
        from pocketsphinx import Decoder

        decoder = Decoder(samprate=float(HEARD_RATE), loglevel="FATAL")

        def by_sphinx(samples: np.ndarray) -> str:
            decoder.start_utt()
            decoder.process_raw((_heard(samples) * 32767).astype("<i2").tobytes(), full_utt=True)
            decoder.end_utt()
            found = decoder.hyp()
            return "" if found is None else str(found.hypstr)

        return by_sphinx
    from faster_whisper import WhisperModel

    model = WhisperModel(str(whisper), compute_type="int8", cpu_threads=1)

    def by_whisper(samples: np.ndarray) -> str:
        segments, _ = model.transcribe(_heard(samples), language="en", beam_size=1)
        return " ".join(segment.text for segment in segments)

    return by_whisper


def plain(text: str) -> list[str]:
    """The words of a text, small, digits spelt."""
    return [_NUMBERS.get(word, word) for word in re.findall(r"[a-z]+(?:'[a-z]+)?|\d+", text.lower())]


def mistakes(wanted: list[str], heard: list[str]) -> int:
    """How many words are to be put in, left out or changed to make one of the other (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(wanted, 1):
        last, row[0] = row[0], number
        for at, other in enumerate(heard, 1):
            last, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, last + (word != other))
    return row[-1]


def _heard(samples: np.ndarray) -> np.ndarray:
    """float32 at `HEARD_RATE`, with a little silence around: recognisers cut off what begins at once."""
    quiet = np.zeros(HEARD_RATE // 4, np.float32)
    return np.concatenate([quiet, resample(samples.astype(np.float32), RATE, HEARD_RATE), quiet])


def _spent() -> float:
    """Processor seconds of this process and of those that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
