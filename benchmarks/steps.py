"""Whether a chain of thought helps: a decoder on sums of two to eight numbers, with the steps and with the answer alone.

    python benchmarks/steps.py [--steps 600] [--json FILE]

Both learn the same rows of `enigma teach --task chat --option chat.steps=true` in as many steps of as many places, one of them
without the reasoning; that one sees more examples in a step, as its rows are shorter. The decoder is narrower than nano, so
that it learns in a minute. Both are asked through the device's own code, in onnxruntime, which doesn't show a thought. Held out
are sums that no training row holds, and sums of ten numbers, longer than any that was learnt. "wrong lines" is what the step
checker found in the thoughts; "doubted", how many of the wrong answers the device itself calls unsure.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch

from edge_runtime.arithmetic.steps import check_steps
from edge_runtime.engines.language import open_language_engine
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.language.template import CHATML
from edge_runtime.language.tokenizer import Tokenizer
from edge_runtime.tasks import chat
from edge_runtime.tasks.dialogue import TextTask, Writer
from trainer_host.data.dataset import Row
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.data import encode_rows
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.rows import conversations, read_texts
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer
from trainer_host.tasks import task_spec
from trainer_host.tasks.chat_steps import FEWEST, MOST, sum_of
from trainer_host.training.loop import TrainSettings, train_language

EXAMINED = (2, 4, 6, 8, 10)  # numbers of a sum; none of ten was learnt
EACH = 40
ROWS = 12_000
CONTEXT = 256
LENGTHS = {True: 128, False: 64}  # tokens of a row of the longest text that is learnt, by whether it has steps
PLACES = 2048  # a step
SPREAD = 4.0  # times the family's first weights: so narrow a model learns to look back sooner with larger ones


@dataclass(frozen=True)
class Result:
    """One training. right: share of right answers by numbers of a sum; lines, wrong: of all thoughts; doubted: unsure
    answers among those that are wrong; cpu: seconds of the training.
    """

    steps: bool
    trained: int
    right: dict[int, float]
    lines: int
    wrong: int
    mistakes: int
    doubted: int
    cpu: float


def sums(count: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and held-out ones."""
    rng = random.Random(seed)
    unseen = {made.group: made for size in EXAMINED for made in (sum_of(rng, size) for _ in range(EACH))}
    train: list[Row] = []
    while len(train) < count:
        made = sum_of(rng, rng.randint(FEWEST, MOST))
        if made.group not in unseen:
            train.append(Row(made.input, made.output, {}))
    held_out = [
        Row(made.input, made.output, {"numbers": str(made.output["reasoning"]).count("\n") + 2})
        for made in unseen.values()
    ]
    return train, held_out


def trained(steps: bool, count: int) -> Result:
    """Train and examine once. count: steps of the training."""
    train, held_out = sums(ROWS, 1)
    if not steps:
        train = [Row(row.input, {"reply": row.output["reply"]}, row.meta) for row in train]
    torch.manual_seed(1)
    talks = conversations(train, "chat")
    table = train_tokenizer(read_texts(talks), 512)
    fast = FastTokenizer(table)
    rows = encode_rows(talks, fast, CHATML, CONTEXT, combo=False)
    model = LanguageModel(LanguageConfig(-(-fast.size // 16) * 16, 64, 2, 2, 2, 128, CONTEXT))
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data *= SPREAD
    settings = TrainSettings(
        steps=count, rows=PLACES // LENGTHS[steps], length=LENGTHS[steps], rate=3e-3, decay=0.01, betas=(0.9, 0.98),
        workers=1, save_every=10**6, examine_every=10**6,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = time.process_time()
        train_language(model, rows, (), folder / "training", settings, lambda share, figures: None)
        cpu = time.process_time() - begun
        export_language_onnx(model.eval().state_dict(), model.config, folder / "model.onnx")
        with closing(open_language_engine(folder / "model.onnx")) as engine:
            language = LanguageSpecialist(engine, Tokenizer(json.loads(table)), CHATML, CONTEXT, ("chat",), {})
            return examined(language, held_out, Result(steps, count, {}, 0, 0, 0, 0, round(cpu, 1)))


def examined(language: LanguageSpecialist, held_out: list[Row], result: Result) -> Result:
    """The result with the figures of the held-out rows."""
    writer, spec = Writer(language, cast(TextTask, chat), 0.0), task_spec("chat", {"steps": True})
    scores: dict[int, list[float]] = {size: [] for size in EXAMINED}
    lines = wrong = mistakes = doubted = 0
    for row in held_out:
        answer = writer.run(row.input)
        right = spec.score(row.output, answer)
        scores[int(str(row.meta["numbers"]))].append(right)
        if not right:
            mistakes, doubted = mistakes + 1, doubted + (answer["unsure"] is True)
        thought = "".join(piece.thought for piece in language.stream(chat.messages(row.input), max_tokens=200))
        found = check_steps(thought)
        lines, wrong = lines + len(found), wrong + sum(line.holds is False for line in found)
    right_share = {size: round(sum(some) / len(some), 3) for size, some in scores.items()}
    return replace(result, right=right_share, lines=lines, wrong=wrong, mistakes=mistakes, doubted=doubted)


def main() -> None:
    """Train both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, metavar="N", help="of each training")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    sizes = " ".join(f"{size:>3} numbers" for size in EXAMINED)
    print(f"{'':13} {sizes} {'wrong lines':>14} {'doubted':>10} {'CPU s':>6}")
    for steps in (True, False):
        made = trained(steps, args.steps)
        results.append(asdict(made))
        right = " ".join(f"{made.right[size]:11.1%}" for size in EXAMINED)
        print(
            f"{'with steps' if steps else 'answers only':13} {right} {made.wrong:6} of {made.lines:4} "
            f"{made.doubted:3} of {made.mistakes:3} {made.cpu:6.0f}",
            flush=True,
        )
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
