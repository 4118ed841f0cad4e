"""Whether steps help the task `math`: sums of two to eight numbers learnt with the answer alone, as one expression, line by line.

    python benchmarks/steps.py [--steps 1000] [--json FILE]

All three learn the same rows of `enigma teach --task math --option math.steps=true` (sums, bare and in stories) in as many
steps of as many places; those with short answers see more examples in a step. The first reads and writes numbers as they
are; the others are the task as it ships, whose device computes what the model writes. The decoder is narrower than nano, so
that it learns in a minute. All are asked through the device's own code, in onnxruntime. Held out are sums that no training
row holds; bare ones of more than eight numbers weren't learnt, stories had up to twelve. "lines": those that a device computed for right
answers, each checked again here; "doubted": how many of the wrong answers the device itself calls unsure.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import torch

from edge_runtime.arithmetic.steps import check_steps
from edge_runtime.engines.language import open_language_engine
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.language.template import CHATML
from edge_runtime.language.tokenizer import Tokenizer
from edge_runtime.tasks import math
from edge_runtime.tasks.dialogue import TextTask, Writer
from trainer_host.data.dataset import Row
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.data import Conversation, encode_rows
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.rows import read_texts
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer
from trainer_host.tasks import Json, task_spec
from trainer_host.tasks.math_problems import Problem
from trainer_host.tasks.math_sums import long_sum, plain_sum
from trainer_host.training.loop import TrainSettings, train_language

EXAMINED = (
    2,
    4,
    6,
    8,
    9,
    10,
    12,
    13,
)  # numbers of a sum; bare ones of more than 8 weren't learnt, stories of more than 12
EACH = 40
ROWS = 12_000
LARGEST = 9  # so that a model that computes by itself has a chance
CONTEXT = LENGTH = 256
PLACES = 2048  # a step
SPREAD = 4.0  # times the family's first weights: so narrow a model learns to look back sooner with larger ones

# What a model does that is to compute by itself: it reads the numbers, and writes the answer.
ALONE = SimpleNamespace(
    NAME="math",
    PLAIN=False,
    MAX_TOKENS=math.MAX_TOKENS,
    messages=lambda request: [{"role": "user", "content": request["question"]}],
    reply=lambda request, output: str(output["answer"]),
    answer=lambda request, text: {"answer": text.strip() or None, "unsure": not text.strip()},
)
KINDS = {"answers only": (ALONE, False), "one expression": (math, False), "line by line": (math, True)}


@dataclass(frozen=True)
class Result:
    """One training. right: share of right answers by numbers of a sum; lines, wrong: of all steps told; doubted: unsure
    answers among those that are wrong; cpu: seconds of the training.
    """

    kind: str
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
    unseen = {made.expression: _row(made, size) for size in EXAMINED for made in _some(rng, size)}
    train: list[Row] = []
    while len(train) < count:
        made = long_sum(rng, 2, LARGEST)
        if made.expression not in unseen and not any(other in made.question for other in unseen):
            train.append(_row(made, len(made.steps) + 1))
    return train, list(unseen.values())


def _some(rng: random.Random, size: int) -> list[Problem]:
    return [plain_sum(rng, size, LARGEST) for _ in range(EACH)]


def _row(made: Problem, size: int) -> Row:
    output: Json = {"steps": list(made.steps), "answer": made.answer, "expression": made.expression}
    return Row({"question": made.question}, output, {"numbers": size})


def trained(kind: str, count: int) -> Result:
    """Train and examine once. count: steps of the training."""
    train, held_out = sums(ROWS, 1)
    task, lines = cast(tuple[TextTask, bool], KINDS[kind])
    talks = [_talk(row, task, lines) for row in train]
    torch.manual_seed(1)
    table = train_tokenizer(read_texts(talks), 512)
    fast = FastTokenizer(table)
    rows = encode_rows(talks, fast, CHATML, CONTEXT)
    model = LanguageModel(LanguageConfig(-(-fast.size // 16) * 16, 64, 2, 2, 2, 128, CONTEXT))
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data *= SPREAD
    settings = TrainSettings(
        steps=count, rows=PLACES // LENGTH, length=LENGTH, rate=3e-3, decay=0.01, betas=(0.9, 0.98),
        workers=1, save_every=10**6, examine_every=10**6,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = time.process_time()
        train_language(model, rows, (), folder / "training", settings, lambda share, figures: None)
        cpu = time.process_time() - begun
        export_language_onnx(model.eval().state_dict(), model.config, folder / "model.onnx")
        with closing(open_language_engine(folder / "model.onnx")) as engine:
            language = LanguageSpecialist(engine, Tokenizer(json.loads(table)), CHATML, CONTEXT, ("math",), {})
            return examined(Writer(language, task, 0.0), held_out, Result(kind, count, {}, 0, 0, 0, 0, round(cpu, 1)))


def _talk(row: Row, task: TextTask, lines: bool) -> Conversation:
    said = task.reply(row.input, {**row.output, "stepwise": lines})
    return Conversation([*task.messages(row.input), {"role": "assistant", "content": said}], "math")


def examined(writer: Writer, held_out: Sequence[Row], result: Result) -> Result:
    """The result with the figures of the held-out rows."""
    spec = task_spec("math")
    scores: dict[int, list[float]] = {size: [] for size in EXAMINED}
    lines = wrong = mistakes = doubted = 0
    asks = result.kind != "answers only"
    for row in held_out:
        answer = writer.run({**row.input, "steps": True} if asks else row.input)
        right = spec.score(row.output, answer)
        scores[cast(int, row.meta["numbers"])].append(right)
        if not right:
            mistakes, doubted = mistakes + 1, doubted + (answer["unsure"] is True)
        found = check_steps("\n".join(cast("list[str]", answer.get("steps", []))))
        lines, wrong = lines + len(found), wrong + sum(line.holds is not True for line in found)
    right_share = {size: round(sum(some) / len(some), 3) for size, some in scores.items()}
    return replace(result, right=right_share, lines=lines, wrong=wrong, mistakes=mistakes, doubted=doubted)


def main() -> None:
    """Train all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, metavar="N", help="of each training")
    parser.add_argument("--kind", choices=KINDS, help="this one alone")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    sizes = " ".join(f"{size:>6}" for size in EXAMINED)
    print(f"{'numbers':14} {sizes} {'wrong lines':>13} {'doubted':>10} {'CPU s':>6}")
    for kind in [args.kind] if args.kind else KINDS:
        made = trained(kind, args.steps)
        results.append(asdict(made))
        right = " ".join(f"{made.right[size]:6.1%}" for size in EXAMINED)
        print(
            f"{kind:14} {right} {made.wrong:5} of {made.lines:4} {made.doubted:3} of {made.mistakes:3} {made.cpu:6.0f}",
            flush=True,
        )
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
