"""What are a teacher's probabilities worth to a student with another tokenizer, where an API tells the likeliest five?

    python benchmarks/told_probabilities.py [--teacher tiny] [--rows 2400] [--few 600] [--seeds 1 2 3] [--json FILE]

A teacher learns the task chat, and answers the questions of some rows as a device does whose OpenAI API is asked for
`top_logprobs`: drawn at a temperature of 1. The nano students learn these answers, with their own tokenizer, at equal steps:
as they were written alone, and with what else was likely (`enigma teach --logprobs`). Scores are of held-out rows.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.distillation import datasets, score, trained
from edge_runtime.language.sampling import Sampling
from edge_runtime.tasks import task_module
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import Dataset, Row, seal, write_rows
from trainer_host.students import student_of
from trainer_host.teacher.protocol import Piece
from trainer_host.teacher.soft import ALTERNATIVES, SOFT, soft_pieces
from trainer_host.training.run import Run
from trainer_host.workspace import Workspace

TASK, FP32 = "chat", "model.fp32.onnx"
LONGEST = 60  # tokens of an answer


def main() -> None:
    """A teacher, its answers, and for each seed a student with its probabilities and one without."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", default="tiny", help="its size (default: tiny)")
    parser.add_argument("--rows", type=int, default=2400, help="that the teacher learns from, and is examined by")
    parser.add_argument("--few", type=int, default=600, help="that the teacher answers (default: 600)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="default: 1 2 3")
    parser.add_argument("--examined", type=int, default=200, help="held-out rows (default: 200)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    lines: list[tuple[str, int, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace, first = Workspace(Path(folder) / "home"), args.seeds[0]
        whole, few = datasets(workspace, Path(folder), TASK, args.rows, args.few, first)
        teacher = trained(workspace, whole, "teacher", first, {"size": args.teacher, "epochs": 4, "rows": 8})
        rows = answers(teacher, list(few.rows("train")), first)
        kinds = {
            "told": kept(workspace, "told", rows, whole),
            "written": kept(workspace, "written", [replace(row, meta={}) for row in rows], whole),
        }
        for seed in args.seeds:
            for name, dataset in kinds.items():
                run = trained(workspace, dataset, f"{name}-{seed}", seed, {"size": "nano", "epochs": 4, "rows": 4})
                lines.append((name, seed, score(run, whole, args.examined)))
                print(f"{name} {seed}: {lines[-1][2]}", flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps(lines, indent=1) + "\n")


def answers(run: Run, asked: Sequence[Row], seed: int) -> list[Row]:
    """The teacher's answers to the rows' questions, each with its probabilities."""
    item = next(item for item in exported(run) if item.file == FP32)
    rng = random.Random(seed)
    made = []
    with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
        language = specialist.language  # type: ignore[attr-defined]  # it writes
        for row in asked:
            pieces: list[Piece] = []
            for piece in language.stream(
                task_module(TASK).messages(row.input),  # type: ignore[attr-defined]  # it is a text's task
                task=TASK,
                sampling=Sampling(temperature=1.0, seed=rng.randrange(2**31)),
                logprobs=True,
                top=ALTERNATIVES,
                max_tokens=LONGEST,
            ):
                if piece.token is not None and piece.logprob is not None:
                    others = tuple((language.tokenizer.token_bytes(token), chance) for token, chance in piece.top)
                    pieces.append(Piece(language.tokenizer.token_bytes(piece.token), piece.logprob, others))
            said = b"".join(piece.data for piece in pieces).decode("utf-8", "replace")
            at = soft_pieces(f'"{said}"', (Piece(b'"', 0.0), *pieces), said)  # its end mark is the last piece
            if at and said.strip():
                made.append(Row(row.input, {"reply": said}, {SOFT: {"at": at}}))
    return made


def kept(workspace: Workspace, name: str, rows: Sequence[Row], whole: Dataset) -> Dataset:
    """A dataset of rows, with the held-out ones of another."""
    folder = workspace.data / name
    folder.mkdir(parents=True)
    write_rows(folder / "train.jsonl", rows)
    write_rows(folder / "heldout.jsonl", whole.rows("heldout"))
    return seal(folder, name=name, task=TASK, teacher="teacher", seed=1, params={}, figures={})


if __name__ == "__main__":
    main()
