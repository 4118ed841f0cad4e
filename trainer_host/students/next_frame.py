"""The student of video_gen for frames and actions: a network says which cells of a picture change, and into what.

The cells that recur in the frames are its vocabulary (see `edge_runtime.tasks.next_frame`), so that it chooses among what it has seen,
as of letters, and doesn't mix colours. Each cell sees the ones around it, and the action. A person's own recording is learnt in single
pixels, see `trainer_host.students.next_frame_pixels`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.media import Media, Rejected, to_json
from edge_runtime.media.pictures import read_picture
from edge_runtime.tasks import Specialist, next_frame
from edge_runtime.tasks.next_frame import (
    ACTION,
    CELLS,
    FILE,
    MAX_ACROSS,
    MAX_ACTIONS,
    MAX_KNOWN,
    NEXT,
    cells_in,
    cells_of,
    one_hot,
)
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, no_settings, telling
from trainer_host.students.vision_fit import Draws, rate_at
from trainer_host.tasks.next_frames import ACTION as ASKED
from trainer_host.tasks.next_frames import BEFORE, DONE, FRAME, PICTURE, TILE, right_cells
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
MIN_ROWS = 100
WIDE, LAYERS = 48, 3
BATCH, RATE, AVERAGED = 32, 0.003, 0.98
# Million multiplications, forward alone counted, that a second of one core learns with (AMD EPYC, 2026).
PER_SECOND = 6000
USUAL_SECONDS = 60.0
MIN_STEPS, MAX_STEPS = 100, 20_000
SAME = 2.0  # of 255, on average: cells that are no further apart are one
RARE = 0.05  # of held-back frames that are right; that many of those may be unsure
EXAMINED = 300


@dataclass(frozen=True)
class FrameConfig:
    """What the network's shape and its answers depend on; saved beside the weights.

    unsure: the least chance of a sure frame. frames: how many are seen.
    """

    across: int
    down: int
    known: int
    actions: tuple[str, ...]
    unsure: float = 0.0
    frames: int = 1


class FrameNet(nn.Module):
    """cells int32 [batch, down * across], action float32 [batch, actions] -> float32 [batch, down * across, known + 1], see `NEXT`."""

    def __init__(self, config: FrameConfig) -> None:
        super().__init__()
        self.down, self.across = config.down, config.across
        self.cells = nn.Embedding(config.known, WIDE)
        self.begin = nn.Linear(len(config.actions), WIDE)
        self.layers = nn.ModuleList([nn.Conv2d(WIDE, WIDE, 3, padding=1) for _ in range(LAYERS)])
        self.steer = nn.ModuleList([nn.Linear(len(config.actions), WIDE) for _ in range(LAYERS)])
        self.end = nn.Conv2d(WIDE, config.known + 1, 1)

    def forward(self, cells: Tensor, action: Tensor) -> Tensor:
        x = self.cells(cells).transpose(1, 2).reshape(-1, WIDE, self.down, self.across)
        for layer, steer in zip(self.layers, self.steer, strict=True):
            x = x + torch.relu(layer(x) + steer(action)[:, :, None, None])
        return cast(Tensor, self.end(x).flatten(2).transpose(1, 2))


class FrameStudent:
    """See `Student`."""

    task = next_frame.NAME
    family = "graph"
    limits: ClassVar[dict[str, float]] = {"bytes": 4_000_000, "p50_ms": 100.0, "lost_points": 1.0}

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
        """See `Student.train`; it has no settings."""
        started = time.perf_counter()
        rows, actions = rows_to_learn(dataset, curriculum, settings)
        frames = _pixels(dataset, rows)
        known = known_cells([pixels for pair in frames for pixels in pair])
        down, across = (side // TILE for side in frames[0][0].shape[:2])
        config = FrameConfig(across, down, len(known), actions)
        before, after = (np.stack([cells_in(pair[side], known)[0] for pair in frames]) for side in (0, 1))
        done = np.concatenate([one_hot(actions.index(str(row.input[ASKED])), len(actions)) for row in rows])
        prepare(seed)
        net = FrameNet(config)
        steps = _planned(config, seconds)
        order = np.random.default_rng([seed, 1]).permutation(len(rows))
        back, learnt = order[: max(20, len(rows) // 20)], order[max(20, len(rows) // 20) :]
        tell = telling(steps, on_progress, recorder)
        kept = _fit(net, before, done, after, learnt, steps, seed, tell, Steps(work))
        config = FrameConfig(across, down, len(known), actions, _least(kept, before[back], done[back], after[back]))
        save_weights(run, kept)
        write_atomic(run / FILE, known.tobytes())
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        parameters = float(sum(p.numel() for p in net.parameters()))
        figures = {"parameters": parameters, "steps": float(steps), "cells": float(len(known))}
        return TrainReport(time.perf_counter() - started, figures)

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """See `Student.module`."""
        config = load_config(run)
        net = FrameNet(config)
        load_weights(run, net)
        cells = torch.zeros(1, config.down * config.across, dtype=torch.int32)
        return net.eval(), (cells, torch.from_numpy(one_hot(0, len(config.actions)))), ModelIO([CELLS, ACTION], [NEXT])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Frames of the train split; see `Student.calibration`."""
        rows = list(open_dataset(dataset).rows("train"))
        config, known = load_config(run), _known(run)
        for row in rows[:: max(1, len(rows) // limit)][:limit]:
            cells, _ = cells_in(_pixels(dataset, [row])[0][0], known)
            action = config.actions.index(str(row.input[ASKED]))
            yield {CELLS: cells[None].astype(np.int32), ACTION: one_hot(action, len(config.actions))}

    def assets(self, run: Path) -> dict[str, Path]:
        """The cells that frames are put together of."""
        return {FILE: run / FILE}

    def manifest_fields(self, run: Path) -> Json:
        """What the device does around the graph; see `Student.manifest_fields`."""
        config = load_config(run)
        return {
            "labels": list(config.actions),
            "thresholds": {"unsure": config.unsure},
            "options": {"cell": TILE, "across": config.across, "down": config.down},
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """On held-out frames. `accuracy`: how many are right in every cell; `moved`: of those in which something changes.

        Besides: `same`, how many the frame before would be right for; `sure`, and `right_of_sure`.
        """
        rows = examined(dataset, limit)
        right, still, sure = [], [], []
        for row in rows:
            answer = specialist.run(request_of(dataset, row))
            wanted = file_of(dataset, row.output[FRAME])
            right.append(bool(right_cells(wanted, cast(Media, answer["film"]).content).all()))
            still.append(bool(right_cells(wanted, file_of(dataset, row.input[PICTURE])).all()))
            sure.append(not answer["unsure"])
        own, same, certain = (np.array(one, bool) for one in (right, still, sure))
        return {
            "accuracy": share(own),
            "moved": share(own[~same]),
            "same": share(same),
            "sure": share(certain),
            "right_of_sure": share(own[certain]),
            "rows": float(len(rows)),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out frames and actions, then those of train; see `Student.golden`."""
        card = open_dataset(dataset)
        rows = [row for split in ("heldout", "train") for row in card.rows(split)]
        return [cast(Json, to_json(request_of(dataset, row))) for row in rows[:count]]


def rows_to_learn(dataset: Path, curriculum: bool, settings: Json | None) -> tuple[list[Row], tuple[str, ...]]:
    """The rows of the train split, and their actions; raises `DataError` for too few, and for options that frames don't have."""
    if curriculum:
        raise DataError("Frames have no curriculum; leave out --curriculum.")
    no_settings("network that makes next frames", settings)
    rows = list(open_dataset(dataset).rows("train"))
    if len(rows) < MIN_ROWS:
        raise DataError(f"The dataset has {len(rows)} rows to train; it needs at least {MIN_ROWS} frames.")
    actions = tuple(sorted({str(row.input[ASKED]) for row in rows}))
    if len(actions) > MAX_ACTIONS:
        raise DataError(f"The rows have {len(actions)} different actions; at most {MAX_ACTIONS} are learnt.")
    return rows, actions


def known_cells(frames: Sequence[np.ndarray]) -> np.ndarray:
    """The cells that frames (uint8 [height, width, 3]) are put together of, uint8 [known, TILE, TILE, 3]; raises `DataError`."""
    if len({pixels.shape for pixels in frames}) > 1:
        raise DataError("All frames must be of one size in pixels.")
    height, width = frames[0].shape[:2]
    if height % TILE or width % TILE or max(height, width) > MAX_ACROSS * TILE:
        raise DataError(f"Frames must be whole multiples of {TILE} pixels, at most {MAX_ACROSS * TILE}, a side.")
    found = np.zeros((0, TILE * TILE * 3), np.float32)
    for pixels in frames:
        for cell in np.unique(cells_of(pixels, TILE), axis=0).astype(np.float32):
            if len(found) and float(np.abs(found - cell).mean(1).min()) <= SAME:
                continue
            found = np.concatenate([found, cell[None]])
            if len(found) > MAX_KNOWN:
                raise DataError(
                    f"These frames have more than {MAX_KNOWN} different cells of {TILE} by {TILE} pixels; next frames are learnt of worlds "
                    "that are drawn of cells that recur, as games are."
                )
    return found.astype(np.uint8).reshape(-1, TILE, TILE, 3)


def load_config(run: Path) -> FrameConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        return FrameConfig(**{**raw, "actions": tuple(cast("list[str]", raw["actions"]))})  # type: ignore[arg-type]
    except (OSError, BadRequest, TypeError, KeyError):
        raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.") from None


def _fit(
    net: FrameNet,
    before: np.ndarray,
    done: np.ndarray,
    after: np.ndarray,
    learnt: np.ndarray,
    steps: int,
    seed: int,
    on_progress: object,
    kept: Steps,
) -> FrameNet:
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.01)
    draws = Draws(learnt, False, seed)
    cells, actions = torch.from_numpy(before.astype(np.int32)), torch.from_numpy(done)
    wanted = torch.from_numpy(np.where(before == after, 0, after + 1))
    for step in kept.of("frames", steps, net, average, optimiser, draws):
        batch = draws.next(BATCH, step / steps)
        goal = wanted[batch]
        losses = nn.functional.cross_entropy(net(cells[batch], actions[batch]).flatten(0, 1), goal.flatten(), reduction="none")  # fmt: skip
        changed = (goal.flatten() > 0).float()
        # Few cells change; all of those count as much as all of the others.
        loss = (losses * changed).sum() / changed.sum().clamp(min=1) + (losses * (1 - changed)).sum() / (1 - changed).sum()  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate_at(step / steps, 0.05)
        optimiser.step()
        with torch.no_grad():
            for mean, parameter in zip(average.parameters(), net.parameters(), strict=True):
                mean.lerp_(parameter, max(1 - AVERAGED, 1 / (step + 1)))
        on_progress(step + 1, float(loss.detach()))  # type: ignore[operator]
    return average.eval()


def _least(net: FrameNet, before: np.ndarray, done: np.ndarray, after: np.ndarray) -> float:
    """The least chance of a frame's least sure cell that most right frames have."""
    with torch.inference_mode():
        chances = net(torch.from_numpy(before.astype(np.int32)), torch.from_numpy(done)).softmax(2).numpy()
    wanted = np.where(before == after, 0, after + 1)
    right = (chances.argmax(2) == wanted).all(1)
    sure = chances.max(2).min(1)[right]
    return round(float(np.quantile(sure, RARE)), 4) if len(sure) else 1.0


def _planned(config: FrameConfig, seconds: float | None) -> int:
    """How many steps a budget of seconds of one core allows."""
    if seconds is not None and seconds < 1:
        raise DataError("Training takes at least 1 second; give more --seconds.")
    cells = config.down * config.across
    cost = cells * WIDE * (LAYERS * 9 * WIDE + config.known + 1) * BATCH / 1e6
    budget = (USUAL_SECONDS if seconds is None else seconds) * PER_SECOND
    return min(max(round(budget / cost), MIN_STEPS), MAX_STEPS)


def _pixels(dataset: Path, rows: Sequence[Row]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The frames before and after, uint8 [height, width, 3]; raises `DataError`."""
    most = MAX_ACROSS * TILE
    made = []
    for row in rows:
        try:
            one, other = (np.asarray(read_picture(file_of(dataset, name), most)) for name in (row.input[PICTURE], row.output[FRAME]))  # fmt: skip
        except (OSError, Rejected) as cause:
            raise DataError(f"A frame of the dataset can't be read ({cause}); make it again.") from None
        made.append((one, other))
    return made


def examined(dataset: Path, limit: int | None) -> list[Row]:
    """Held-out rows, at most `EXAMINED`, from all parts of the split."""
    rows = list(open_dataset(dataset).rows("heldout"))
    most = min(limit or EXAMINED, EXAMINED)
    if most < len(rows):
        rows = [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]
    return rows


def request_of(dataset: Path, row: Row) -> Json:
    """What a specialist is asked for a row."""
    made: Json = {"image": Media("image/png", file_of(dataset, row.input[PICTURE])), "action": str(row.input[ASKED])}
    if BEFORE in row.input:
        before = cast("list[str]", row.input[BEFORE])
        made |= {BEFORE: [Media("image/png", file_of(dataset, name)) for name in before], DONE: row.input[DONE]}
    return made


def file_of(dataset: Path, name: object) -> bytes:
    """A file that a row names."""
    return (dataset / "files" / str(name)).read_bytes()


def _known(run: Path) -> np.ndarray:
    return np.frombuffer((run / FILE).read_bytes(), np.uint8).reshape(-1, TILE, TILE, 3)


def share(which: np.ndarray) -> float:
    """How many of them, 0 to 1."""
    return float(which.mean()) if len(which) else 0.0


STUDENT = cast(object, FrameStudent())
