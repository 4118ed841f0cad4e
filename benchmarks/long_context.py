"""Texts of four times the trained length, and the memory that a long text takes with a window.

    python benchmarks/long_context.py [--seeds 1] [--tune 150] [--json FILE]

A small decoder learns made-up texts of 128 tokens: words of a Markov chain, somewhere among them a key of four digits, and
later questions for it. It learns to look back first, by the answers alone, in texts of 20 tokens, of 40, and of 128; then
the words too. It is then tuned for a short time on answers in texts of 512 with YaRN (arXiv 2309.00071), as `enigma train
--init RUN --context N` does, and asked on the device's engine for keys at all depths of 512 tokens. Beside it stands the
model before the tuning, with YaRN and without. The perplexity is of the words alone, which the tuning doesn't practise. Each seed
begins with other weights, and learns and is asked other texts with other keys; the words' chain is the same for all.

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
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_runtime.engines.language import LanguageEngine, open_language_engine
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.data import Encoded
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.loop import TrainSettings, train_language

KEY, ASK, FIRST_DIGIT, FIRST_WORD, WORDS = 1, 2, 3, 13, 51
DIGITS = 4  # of a key
ASKED = DIGITS + 1
FOLLOWERS = np.array([8, 4, 2, 1]) / 15  # chances of the words that may follow one: learnable, and not to be foreseen
SHORT, LONG = 128, 512
SHAPE = LanguageConfig(64, 64, 2, 2, 2, 128, SHORT)
SPREAD = 4.0  # times the family's first weights: so narrow a model learns to look back sooner with larger ones
EXAMINED = 100
LEARNT, JUDGED, EXAM = range(3)  # what a seed's texts are for
LENGTHS = (1024, 2048, 4096, 8192)


@dataclass(frozen=True)
class Stage:
    """Texts of `length` tokens with so many questions. words: whether these count, and not only the answers."""

    length: int
    questions: int
    steps: int
    rows: int = 16
    rate: float = 3e-3
    words: bool = False


# A key that is near is found after some hundred steps, and one that is far only by a model that can find near ones.
STAGES = (
    Stage(20, 1, 400),
    Stage(40, 1, 300),
    Stage(SHORT, 1, 400, rate=2e-3),
    Stage(SHORT, 3, 300, rate=2e-3, words=True),
)


@dataclass(frozen=True)
class Texts:
    """ids int64 [count, length]; bool of the same shape: which can be known from those before, and which are words.

    The last question ends a text.
    """

    ids: np.ndarray
    known: np.ndarray
    plain: np.ndarray


def texts(rng: np.random.Generator, count: int, length: int, questions: int) -> Texts:
    """Made-up texts, each with its key at any place before the questions."""
    chosen = rng.choice(len(FOLLOWERS), size=(count, length), p=FOLLOWERS)
    words = np.empty((count, length), np.int64)
    words[:, 0] = rng.integers(WORDS, size=count)
    for at in range(1, length):
        words[:, at] = (words[:, at - 1] * 7 + chosen[:, at] * 11 + 3) % WORDS
    made = Texts(words + FIRST_WORD, np.ones((count, length), bool), np.ones((count, length), bool))
    for row in range(count):
        digits = rng.integers(0, 10, DIGITS) + FIRST_DIGIT
        key = int(rng.integers(1, length - ASKED * (questions + 1) + 1))
        behind = key + ASKED
        places = rng.choice((length - ASKED - behind) // ASKED, questions - 1, replace=False)
        for at in (key, *(behind + np.sort(places) * ASKED), length - ASKED):
            made.ids[row, at], made.ids[row, at + 1 : at + ASKED] = KEY if at == key else ASK, digits
            made.known[row, at : at + ASKED + 1] = False
            made.known[row, at + 1 : at + ASKED] = at != key
            made.plain[row, at : at + ASKED + 1] = False
    made.known[:, 0] = made.plain[:, 0] = False
    return made


def rows(count: int, stage: Stage, seed: tuple[int, ...]) -> list[Encoded]:
    """Texts to learn."""
    made = texts(np.random.default_rng(seed), count, stage.length, stage.questions)
    learn = made.known if stage.words else made.known & ~made.plain
    return [Encoded(ids, mask, 0.5, "text") for ids, mask in zip(made.ids.astype(np.int32), learn, strict=True)]


def learnt(model: LanguageModel, stage: Stage, seed: int, number: int) -> LanguageModel:
    """The model after a stage, by the trainer's own loop. number: of the stage, from 1."""
    length = max(SHORT, stage.length)  # short texts are packed
    settings = TrainSettings(
        steps=stage.steps, rows=stage.rows, length=length, rate=stage.rate, decay=0.01, betas=(0.9, 0.98), workers=1,
        save_every=10**6, examine_every=100, seed=number,
    )  # fmt: skip
    learning = rows(stage.steps * stage.rows * (length // stage.length), stage, (seed, number, LEARNT))
    with tempfile.TemporaryDirectory() as folder:
        judged = rows(64, stage, (seed, number, JUDGED))
        train_language(model, learning, judged, Path(folder), settings, lambda share, figures: None)
    return model.eval()


def examine(model: LanguageModel, length: int, folder: Path, seed: int) -> dict[str, float]:
    """On the device's engine: the share of keys that are found, and the perplexity of words."""
    path = folder / "model.onnx"
    export_language_onnx(model.state_dict(), model.config, path, "fp32", max(length, SHORT))
    with closing(open_language_engine(path)) as engine:
        return _examined(engine, length, seed)


def _examined(engine: LanguageEngine, length: int, seed: int) -> dict[str, float]:
    asked = texts(np.random.default_rng((seed, 0, EXAM)), EXAMINED, length, 1)
    found, loss, counted = 0, 0.0, 0
    for ids, plain in zip(asked.ids, asked.plain, strict=True):
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


def stretched(seed: int, tune: int) -> dict[str, object]:
    """The first part, with one seed."""
    import torch

    torch.manual_seed(seed)
    started = time.process_time()
    result: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = LanguageModel(SHAPE)
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.data *= SPREAD
        for number, stage in enumerate(STAGES, 1):
            model = learnt(model, stage, seed, number)
        before = examine(model, SHORT, folder, seed)
        result["trained length"] = before
        longer = LanguageModel(replace(SHAPE, context=LONG)).eval()
        longer.load_state_dict(model.state_dict())
        result["4 times, as it is"] = examine(longer, LONG, folder, seed)
        scaled = LanguageModel(SHAPE.read_up_to(LONG)).eval()
        scaled.load_state_dict(model.state_dict())
        result["4 times, YaRN"] = examine(scaled, LONG, folder, seed)
        begun = time.process_time()
        tuned = learnt(scaled, Stage(LONG, 1, tune, 4, 1e-3), seed, len(STAGES) + 1)
        result["cpu seconds of tuning"] = round(time.process_time() - begun, 1)
        after = examine(tuned, LONG, folder, seed)
        result["4 times, YaRN, tuned"] = after
        result["perplexity, tuned over trained length"] = round(after["perplexity"] / before["perplexity"], 3)
    result["cpu seconds"] = round(time.process_time() - started, 1)
    return result


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="N", help="of weights, texts and keys")
    parser.add_argument("--tune", type=int, default=150, metavar="N", help="steps on texts of 512 tokens")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--memory", nargs=2, metavar=("FILE", "LENGTH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        print(f"{memory(Path(args.memory[0]), int(args.memory[1])):.2f}")
        return
    import torch

    torch.set_num_threads(1)
    result: dict[str, object] = {"steps": sum(stage.steps for stage in STAGES), "steps of tuning": args.tune}
    for seed in args.seeds:
        result[f"seed {seed}"] = stretched(seed, args.tune)
        print(f"seed {seed}: {result[f'seed {seed}']}", flush=True)
    for window in (None, 256):
        made = memories(window)
        result[f"MB by length, window {window or 'none'}"] = made
        print(f"MB by length, window {window or 'none'}: {made}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
