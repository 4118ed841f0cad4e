"""Texts of four times the trained length, and the memory that a long text takes with a window.

    python benchmarks/long_context.py [--steps 1500] [--tune 150] [--json FILE]

A small decoder learns made-up texts of 128 tokens: words of a Markov chain, somewhere among them a key of four digits, and
later questions for it. It is then tuned for a short time on texts of 512 with YaRN (arXiv 2309.00071), as `enigma train
--init RUN --context N` does, and asked on the device's engine for keys at all depths of 512 tokens. Beside it stands the
model before the tuning, with YaRN and without. The perplexity is of the words alone.

The second part reads texts of up to 8,192 tokens, each length in a process of its own, and shows the most memory that it took.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_runtime.engines.language import LanguageEngine, open_language_engine
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.data import Encoded
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.loop import TrainSettings, train_language

KEY, ASK, FIRST_DIGIT, FIRST_WORD, WORDS = 1, 2, 3, 13, 51
DIGITS, FOLLOWERS = 4, 4  # of a key; words that may follow a word
SHORT, LONG = 128, 512
SHAPE = LanguageConfig(64, 64, 3, 4, 2, 160, SHORT)
EXAMINED = 100
LENGTHS = (1024, 2048, 4096, 8192)


def text(rng: np.random.Generator, length: int, questions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, which of them can be known from those before, and which are words. The last question ends the text."""
    asked = DIGITS + 1
    words = np.empty(length, np.int64)
    words[0] = rng.integers(WORDS)
    for at in range(1, length):  # 1, 2, 4 or 8 in 15 of the times, so that the chain can be learnt, and not foreseen
        words[at] = (words[at - 1] * 7 + rng.choice(FOLLOWERS, p=[8 / 15, 4 / 15, 2 / 15, 1 / 15]) * 11 + 3) % WORDS
    ids, known, plain = words + FIRST_WORD, np.ones(length, bool), np.ones(length, bool)
    digits = rng.integers(0, 10, DIGITS) + FIRST_DIGIT
    key = int(rng.integers(1, length - asked * (questions + 1)))
    ids[key], ids[key + 1 : key + asked] = KEY, digits
    known[key : key + asked + 1] = plain[key : key + asked + 1] = False
    free = length - asked - (key + asked)
    starts = (
        key + asked + np.sort(rng.choice(free // asked, questions - 1, replace=False)) * asked if questions > 1 else []
    )
    for at in (*starts, length - asked):
        ids[at], ids[at + 1 : at + asked] = ASK, digits
        known[at], known[at + 1 : at + asked] = False, True
        plain[at : at + asked + 1] = False
        known[at + asked : at + asked + 1] = False
    known[0] = plain[0] = False
    return ids, known, plain


def rows(count: int, length: int, questions: int, seed: int) -> list[Encoded]:
    """Texts to learn."""
    rng = np.random.default_rng(seed)
    drawn = [text(rng, length, questions) for _ in range(count)]
    return [Encoded(ids.astype(np.int32), known, 0.5, "text") for ids, known, _ in drawn]


def learnt(model: LanguageModel, length: int, settings: TrainSettings, folder: Path) -> LanguageModel:
    """The model after a training on texts of a length."""
    made = rows(settings.steps * settings.rows, length, 4, settings.seed)
    judged = rows(32, length, 4, settings.seed + 1)
    train_language(model, made, judged, folder, settings, lambda share, figures: None)
    return model.eval()


def examine(model: LanguageModel, length: int, folder: Path) -> dict[str, float]:
    """On the device's engine: the share of keys that are found, and the perplexity of words."""
    path = folder / "model.onnx"
    export_language_onnx(model.state_dict(), model.config, path, "fp32", max(length, SHORT))
    with closing(open_language_engine(path)) as engine:
        return _examined(engine, length)


def _examined(engine: LanguageEngine, length: int) -> dict[str, float]:
    rng = np.random.default_rng(99)
    found, loss, counted = 0, 0.0, 0
    for _ in range(EXAMINED):
        ids, _, plain = text(rng, length, 1)
        engine.rewind(0)
        logits = engine.feed(ids[:-DIGITS].tolist(), length - DIGITS).astype(np.float64)
        written = [int(logits[-1].argmax())]
        while len(written) < DIGITS:
            written.append(int(engine.feed(written[-1:])[0].argmax()))
        found += written == ids[-DIGITS:].tolist()
        logits -= logits.max(-1, keepdims=True)
        chances = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        at = np.flatnonzero(plain[1 : length - DIGITS])
        loss -= float(chances[at, ids[at + 1]].sum())
        counted += len(at)
    return {"found": found / EXAMINED, "perplexity": round(math.exp(loss / counted), 3)}


def memory(path: Path, length: int) -> float:
    """MB that this process takes more, at its peak, to open a model and read a text; run in a process of its own."""
    from edge_runtime.serving.memory import peak_bytes, rss_bytes

    warm = open_language_engine(path, context=16)  # the runtime's libraries, and the weights, which are shared
    warm.feed([1, 2, 3])
    before = rss_bytes()
    with closing(open_language_engine(path, context=length)) as engine:
        engine.feed([5] * length)
        return (peak_bytes() - before) / 1e6


def memories(window: int | None) -> dict[int, float]:
    """MB by length."""
    shape = LanguageConfig(256, 256, 4, 8, 4, 512, LENGTHS[-1], window=window, full_every=10**6)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "model.onnx"
        export_language_onnx(LanguageModel(shape).state_dict(), shape, path)
        made = {}
        for length in LENGTHS:
            words = [sys.executable, str(Path(__file__).absolute()), "--memory", str(path), str(length)]
            made[length] = float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        return made


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, metavar="N")
    parser.add_argument("--tune", type=int, default=150, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--memory", nargs=2, metavar=("FILE", "LENGTH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        print(f"{memory(Path(args.memory[0]), int(args.memory[1])):.2f}")
        return
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(1)
    result: dict[str, object] = {"steps": args.steps, "tune": args.tune}
    started = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = TrainSettings(steps=args.steps, rows=16, rate=3e-3, decay=0.01, workers=1, save_every=10**6)
        model = learnt(LanguageModel(SHAPE), SHORT, first, folder / "short")
        result["trained length"] = examine(model, SHORT, folder)
        longer = LanguageModel(replace(SHAPE, context=LONG)).eval()
        longer.load_state_dict(model.state_dict())
        result["4 times, as it is"] = examine(longer, LONG, folder)
        stretched = LanguageModel(SHAPE.read_up_to(LONG)).eval()
        stretched.load_state_dict(model.state_dict())
        result["4 times, YaRN"] = examine(stretched, LONG, folder)
        again = replace(first, steps=args.tune, rows=4, rate=1e-3, seed=5)
        result["4 times, YaRN, tuned"] = examine(learnt(stretched, LONG, again, folder / "long"), LONG, folder)
    result["cpu seconds"] = round(time.process_time() - started, 1)
    for window in (None, 256):
        result[f"MB by length, window {window or 'none'}"] = memories(window)
    for key, value in result.items():
        print(f"{key}: {value}")
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
