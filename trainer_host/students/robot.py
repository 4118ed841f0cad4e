"""Student of task `robot`: trains the token labeller, and examines it by the calls that the device's code makes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.home.lexicon import KINDS, TAGS
from edge_runtime.tasks.confidence import OPTION as PLATT
from edge_runtime.tasks.robot import HEADS, HOME, NGRAMS, PACKS, SCHEME, TOKENS, Pack
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, begins_with
from trainer_host.students import robot_doubts as doubts
from trainer_host.students import robot_practice as practice
from trainer_host.students.robot_data import (
    build_vocabulary,
    clauses_alone,
    comparable,
    encode_rows,
    read_homes,
    read_rows,
    request_of,
)
from trainer_host.students.word_vectors import common_words, vectors
from trainer_host.training.determinism import prepare
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

if TYPE_CHECKING:
    import torch
    from torch import nn

    from edge_runtime.tasks import Specialist
    from trainer_host.students.robot_model import RobotConfig, RobotNet

VOCABULARY = "vocab.txt"
CONFIG = "config.json"
LEAST = 96  # rows
EPOCHS = 4  # for the built-in teacher's 24,000 examples about a minute on two cores
EXAMPLES_PER_ROW = 1.35  # of the built-in teacher's: a row of several clauses shows each of them alone too
# What one example costs in a second's budget; measured on two x86 cores, used to plan epochs, never to stop.
SECONDS_PER_EXAMPLE = 0.0005
TUNED = 0.1  # of the rates and of the epochs (one at the least), where a robot begins with another one
# The chance of being right below which it asks back: there what it would do is wrong more often than right.
UNSURE = 0.5
# Where the confidence is no chance, by pack: below the first most readings of the development sentences are wrong. What a
# robot shouldn't do that drives about is worse than a question: with the second, on held-out sentences of the grammar, it does a
# third fewer wrong things than with the first, and gets one sentence in a hundred less right.
UNSURE_BEFORE = {"home-en": 0.12, "robot-en": 0.5}


class RobotStudent:
    """See `trainer_host.students.Student`."""

    task = "robot"
    family = "graph"

    def train(
        self,
        dataset: Path,
        run: Path,
        *,
        seed: int,
        seconds: float | None,
        on_progress: OnProgress,
        curriculum: bool = False,
        settings: Json | None = None,
        work: Path | None = None,
        recorder: Recorder | None = None,
    ) -> TrainReport:
        """Train on rows that carry token labels; rows that don't are aligned first, or left out and counted.

        Few rows of the home grammar are practised around, see `practised`. settings: init names the run of a robot that
        this one begins with: it keeps that one's vocabulary, and is changed little.
        """
        from trainer_host.students.robot_align import with_labels
        from trainer_host.students.robot_fit import fit
        from trainer_host.training.steps import Steps

        base = begins_with(self.task, settings, run)
        if curriculum:
            raise DataError("A robot sees all its rows in each epoch; leave out --curriculum.")
        started = time.perf_counter()
        prepare(seed)
        homes = read_homes(dataset)
        rows, unlabelled = with_labels(read_rows(dataset / "train.jsonl"), homes)
        if len(rows) < LEAST:
            raise DataError(
                f"Only {len(rows)} rows of this dataset can be learned from ({unlabelled} could not be aligned with "
                f"their calls); a robot specialist needs at least {LEAST}."
            )
        examined = read_rows(dataset / "heldout.jsonl")
        more, homes = practice.practised(rows, examined, homes, room(len(rows), seconds), seed)
        pack = pack_of(rows)
        learnt, aside, homes = doubts.kept_aside([*rows, *more], examined, homes, seed)
        if base is not None:
            vocabulary, net = _vocabulary(base), _open(base)
            config = net.config
            if config.pack != pack.name:
                raise DataError(
                    f"The run {base.name} is of pack {config.pack}, these rows are of {pack.name}; leave out --init."
                )
        else:
            vocabulary, net = _new(learnt, pack, seed)
            config = net.config
        fold, doubted = doubts.folded(rows) if base is None and not aside else ([], [])
        learnt += clauses_alone(learnt)
        fold += clauses_alone(fold)
        part = len(learnt) / (len(learnt) + len(fold))  # of the time
        arrays = encode_rows(learnt, homes, vocabulary)
        epochs = practice.EPOCHS if more else EPOCHS
        if base is not None:
            epochs = max(1, int(TUNED * epochs))
        if seconds is not None:
            left = part * (seconds - practice.SECONDS_PER_ROW * len(more))
            room_for = max(1, int(left / (SECONDS_PER_EXAMPLE * len(learnt))))
            epochs = room_for if base is None else min(epochs, room_for)

        def first(share: float, figures: dict[str, float]) -> None:
            on_progress(part * share, figures)

        loss = fit(net, arrays, vocabulary, seed, epochs, first, 1.0 if base is None else TUNED, Steps(work))
        write_atomic(run / VOCABULARY, "".join(f"{word}\n" for word in vocabulary).encode())
        platt = doubts.platt(net, aside, homes, vocabulary)
        if doubted:  # a second robot, which is only asked how sure the first may be
            words, other = _new(fold, pack, seed)
            beside = Steps(None if work is None else work / "doubt")

            def second(share: float, figures: dict[str, float]) -> None:
                on_progress(part + (1 - part) * share, figures)

            fit(other, encode_rows(fold, homes, words), words, seed, epochs, second, steps=beside)
            platt = doubts.platt(other, doubted, homes, words)
        write_atomic(run / CONFIG, json.dumps({**config.to_json(), "epochs": epochs, PLATT: platt}, indent=1).encode())
        save_weights(run, net)
        figures = {
            "rows": float(len(rows)), "unaligned_rows": float(unlabelled), "practised": float(len(more)),
            "kept aside": float(len(aside or doubted)), "epochs": float(epochs), "loss": round(loss, 4),
            "parameters": float(sum(p.numel() for p in net.parameters())), "vocabulary": float(len(vocabulary)),
        }  # fmt: skip
        return TrainReport(time.perf_counter() - started, figures)

    def module(self, run: Path) -> tuple[nn.Module, tuple[torch.Tensor, ...], ModelIO]:
        """The network and inputs int32 [1, 40], int32 [1, 40, 8], float32 [1, 40, F]."""
        import torch

        from edge_runtime.home.match import FEATURES

        net = _open(run)
        example = (
            torch.ones(1, TOKENS, dtype=torch.int32),
            torch.ones(1, TOKENS, NGRAMS, dtype=torch.int32),
            torch.zeros(1, TOKENS, FEATURES),
        )
        return net, example, ModelIO(["words", "ngrams", "features"], list(HEADS))

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Rows spread evenly over the train split, as the device encodes them."""
        rows = read_rows(dataset / "train.jsonl")
        chosen = rows[:: max(1, len(rows) // limit)][:limit]
        arrays = encode_rows(chosen, read_homes(dataset), _vocabulary(run), labelled=False)
        for i in range(len(chosen)):
            yield {
                "words": arrays.words[i : i + 1],
                "ngrams": arrays.ngrams[i : i + 1].astype(np.int32),
                "features": arrays.features[i : i + 1].astype(np.float32),
            }

    def assets(self, run: Path) -> dict[str, Path]:
        """The vocabulary."""
        return {VOCABULARY: run / VOCABULARY}

    def manifest_fields(self, run: Path) -> Json:
        """Label sets, the threshold of doubt and the tokenizer, as `edge_runtime.tasks.robot.load` checks them."""
        import hashlib

        digest = hashlib.sha256((run / VOCABULARY).read_bytes()).hexdigest()
        pack = PACKS[_config(run).pack]
        options: Json = {"actions": list(pack.actions), "tags": list(TAGS), "kinds": list(KINDS), "tokens": TOKENS}
        platt = _settings(run).get(PLATT)
        if platt is not None:
            options[PLATT] = platt
        return {
            "labels": list(pack.actions),
            "thresholds": {"unsure": UNSURE_BEFORE[pack.name] if platt is None else UNSURE},
            "options": options if pack is HOME else {**options, "pack": pack.name},
            "tokenizer": {"file": VOCABULARY, "sha256": digest, "scheme": SCHEME},
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """Share of held-out sentences whose calls (names, values and targets) are exactly the teacher's."""
        rows = read_rows(dataset / "heldout.jsonl")
        if limit is not None:
            rows = rows[:: max(1, len(rows) // limit)][:limit]
        homes = read_homes(dataset)
        right = asked = doubted = 0
        for row in rows:
            answer = specialist.run(request_of(row, homes))
            want = row["output"]["calls"]
            if not want and row["output"].get("question"):
                asked += 1
                doubted += bool(answer["unsure"])
            right += comparable(answer["calls"]) == comparable(want)
        return {
            "accuracy": right / max(1, len(rows)),
            "held_out": float(len(rows)),
            "asks_when_ambiguous": doubted / max(1, asked),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out requests spread over actions, each with its home."""
        rows = read_rows(dataset / "heldout.jsonl")
        homes = read_homes(dataset)
        return [request_of(row, homes) for row in rows[:: max(1, len(rows) // count)][:count]]


def room(rows: int, seconds: float | None) -> int:
    """How many rows may be practised beside so many: within `seconds`, those of whom all epochs can be shown."""
    if rows >= practice.FEW:
        return 0
    if seconds is None:
        return practice.ROWS - rows
    each = practice.EPOCHS * SECONDS_PER_EXAMPLE * EXAMPLES_PER_ROW
    return max(0, min(practice.ROWS - rows, int((seconds - rows * each) / (practice.SECONDS_PER_ROW + each))))


def pack_of_run(run: Path) -> str:
    """The name of the pack that a run's student was trained on."""
    return _config(run).pack


def pack_of(rows: list[dict]) -> Pack:
    """The pack that a dataset's rows are of. Raises `DataError` for several, or one that isn't known."""
    names = {row.get("meta", {}).get("pack", HOME.name) for row in rows}
    if len(names) != 1 or not names <= PACKS.keys():
        raise DataError(
            f"The rows must be of one pack: {', '.join(PACKS)}; not {', '.join(sorted(map(str, names)))[:80]}."
        )
    return PACKS[names.pop()]


def _vocabulary(run: Path) -> list[str]:
    return (run / VOCABULARY).read_text(encoding="utf-8").splitlines()


def _config(run: Path) -> RobotConfig:
    from trainer_host.students.robot_model import RobotConfig

    own = {name: value for name, value in _settings(run).items() if name not in ("epochs", PLATT)}
    return RobotConfig(**own)


def _settings(run: Path) -> dict:
    settings: dict = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    return settings


def _open(run: Path) -> RobotNet:
    from trainer_host.students.robot_model import RobotNet

    net = RobotNet(_config(run))
    load_weights(run, net)
    return net.eval()


def _new(rows: list[dict], pack: Pack, seed: int) -> tuple[list[str], RobotNet]:
    """The vocabulary of rows, and a network that has learnt nothing of them yet."""
    from trainer_host.students.robot_model import RobotConfig, RobotNet

    vocabulary, known = build_vocabulary(rows, common_words())
    net = RobotNet(RobotConfig(vocabulary=len(vocabulary), known=known, pack=pack.name))
    _start(net, vocabulary, seed)
    return vocabulary, net


def _start(net: RobotNet, vocabulary: list[str], seed: int) -> None:
    """Pretrained word vectors in the frozen columns, small noise in the others, zeros for padding."""
    import torch

    pretrained = vectors(vocabulary, net.config.frozen)
    pretrained[:2] = 0
    with torch.no_grad():
        net.words.weight.copy_(torch.from_numpy(pretrained))
        net.learned.weight.normal_(0, 0.1)
        net.ngrams.weight.normal_(0, 0.3)
        net.learned.weight[0] = 0
        net.ngrams.weight[0] = 0


STUDENT = RobotStudent()
