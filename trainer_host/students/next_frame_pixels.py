"""The student of video_gen for a person's own recording: a network says which pixels change, and into which of the colours.

Little of a frame changes, so it learns from cuts of frames, most of them where something moves; whole frames come out as it has no
layer that needs a size. It sees the frames before, as one doesn't tell how fast things move, and what was done then.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime import strict_json
from edge_runtime.media import Media, Rejected
from edge_runtime.media.pictures import read_picture
from edge_runtime.tasks import Specialist
from edge_runtime.tasks.next_frame import (
    ACTION,
    CELLS,
    FILE,
    MAX_COLOURS,
    MAX_PIXELS,
    NEXT,
    cells_in,
    chances,
    sureness,
)
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, telling
from trainer_host.students.next_frame import (
    AVERAGED,
    CONFIG,
    MIN_STEPS,
    RARE,
    RATE,
    FrameConfig,
    FrameStudent,
    examined,
    file_of,
    load_config,
    request_of,
    rows_to_learn,
    share,
)
from trainer_host.students.vision_fit import Draws, rate_at
from trainer_host.tasks.next_frames import ACTION as ASKED
from trainer_host.tasks.next_frames import BEFORE, DONE, FRAME, PICTURE, SEEN
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

EACH, FINE, MIDDLE, COARSE = (
    3,
    12,
    24,
    48,
)  # channels: of a pixel of a frame, then of all of them, in full, half and quarter size
CUT, MARGIN = 32, 8  # pixels of a cut, and those at its inner edges that don't count, as what is beyond isn't seen
MOVING = 0.8  # share of the cuts that lie where something changes
WEIGHT = 6.0  # of a pixel that changes, beside one that stays
FORGOTTEN = 0.15  # share of the rows that are learnt without what was done before
# Share of the cuts into which something strange is put that stays where it is, away from what moves: what a frame shows that none of
# the recording did, as another score, stays then.
STRANGE, STRANGE_SIDE, AWAY = 0.3, 12, 5
BATCH = 16
# Million multiplications, forward alone counted, that a second of one core learns with (AMD EPYC, 2026).
PER_SECOND = 5000
USUAL_SECONDS = 180.0
MAX_STEPS = 40_000
MOSTLY = 0.5  # of what changes: a frame of which so much is right should be sure


@dataclass(frozen=True)
class _Recording:
    """Frames uint8 [frames, side, side], colours by number. seen: int64 [rows, SEEN], next: [rows], done: float32 [rows, SEEN * actions]."""

    frames: np.ndarray
    seen: np.ndarray
    next: np.ndarray
    done: np.ndarray


class PixelNet(nn.Module):
    """cells int32 [batch, frames * down * across], action float32 [batch, frames * actions] -> see `NEXT`."""

    def __init__(self, config: FrameConfig) -> None:
        super().__init__()
        self.frames, self.down, self.across = config.frames, config.down, config.across
        self.colours = nn.Embedding(config.frames * config.known, EACH)
        at = torch.arange(config.frames, dtype=torch.int32).reshape(1, -1, 1, 1) * config.known
        self.at: Tensor
        self.register_buffer("at", at, persistent=False)
        given = config.frames * EACH
        self.begin = nn.Conv2d(given * 4, MIDDLE, 3, padding=1)
        self.further = nn.Conv2d(MIDDLE, COARSE, 3, stride=2, padding=1)
        self.layers = nn.ModuleList([nn.Conv2d(COARSE, COARSE, 3, padding=1) for _ in range(2)])
        self.steer = nn.ModuleList([nn.Linear(config.frames * len(config.actions), COARSE) for _ in range(2)])
        self.widen = nn.Conv2d(COARSE, MIDDLE * 4, 1)
        self.middle = nn.Conv2d(MIDDLE, MIDDLE, 3, padding=1)
        self.widen_again = nn.Conv2d(MIDDLE, FINE * 4, 1)
        self.given = nn.Conv2d(given, FINE, 1)
        self.fine = nn.Conv2d(FINE, FINE, 3, padding=1)
        self.end = nn.Conv2d(FINE, config.known + 1, 1)

    def forward(self, cells: Tensor, action: Tensor) -> Tensor:
        made = self.drawn(cells.reshape(-1, self.frames, self.down, self.across), action)
        return made.flatten(2).transpose(1, 2)

    def drawn(self, cells: Tensor, action: Tensor) -> Tensor:
        """int32 [batch, frames, height, width], multiples of four -> float32 [batch, known + 1, height, width]."""
        height, width = cells.shape[2:]
        pixels = self.colours(cells + self.at).permute(0, 1, 4, 2, 3).reshape(-1, self.frames * EACH, height, width)
        half = torch.relu(self.begin(functional.pixel_unshuffle(pixels, 2)))
        x = torch.relu(self.further(half))
        for layer, steer in zip(self.layers, self.steer, strict=True):
            x = x + torch.relu(layer(x) + steer(action)[:, :, None, None])
        x = torch.relu(functional.pixel_shuffle(self.widen(x), 2) + half)
        x = x + torch.relu(self.middle(x))
        x = torch.relu(functional.pixel_shuffle(self.widen_again(x), 2) + self.given(pixels))
        x = x + torch.relu(self.fine(x))
        return cast(Tensor, self.end(x))


class PixelStudent(FrameStudent):
    """See `Student`."""

    limits: ClassVar[dict[str, float]] = {"bytes": 1_000_000, "p50_ms": 100.0, "lost_points": 1.0}

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
        known = _colours(dataset, rows)
        recording = _recording(dataset, rows, known, actions)
        config = FrameConfig(MAX_PIXELS, MAX_PIXELS, len(known), actions, frames=SEEN)
        prepare(seed)
        net = PixelNet(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        steps = planned(config, seconds)
        # The end of the recording, as frames are much like the ones before.
        learnt = np.arange(len(rows) - max(20, len(rows) // 20))
        tell = telling(steps, on_progress, recorder)
        kept = _fit(net, recording, learnt, steps, seed, tell, Steps(work))
        config = replace(config, unsure=_least(kept, recording, np.arange(len(learnt), len(rows))))
        save_weights(run, kept)
        write_atomic(run / FILE, known.tobytes())
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        parameters = float(sum(p.numel() for p in net.parameters()))
        figures = {"parameters": parameters, "steps": float(steps), "colours": float(len(known))}
        return TrainReport(time.perf_counter() - started, figures)

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """See `Student.module`."""
        config = load_config(run)
        net = PixelNet(config)
        load_weights(run, net)
        cells = torch.zeros(1, config.frames * config.down * config.across, dtype=torch.int32)
        action = torch.zeros(1, config.frames * len(config.actions))
        return net.eval(), (cells, action), ModelIO([CELLS, ACTION], [NEXT])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Frames of the train split; see `Student.calibration`."""
        rows = list(open_dataset(dataset).rows("train"))
        config = load_config(run)
        known = np.frombuffer((run / FILE).read_bytes(), np.uint8).reshape(-1, 1, 1, 3)
        some = rows[:: max(1, len(rows) // limit)][:limit]
        recording = _recording(dataset, some, known, config.actions)
        for seen, done in zip(recording.seen, recording.done, strict=True):
            yield {CELLS: recording.frames[seen].reshape(1, -1).astype(np.int32), ACTION: done[None]}

    def manifest_fields(self, run: Path) -> Json:
        """What the device does around the graph; see `Student.manifest_fields`."""
        config = load_config(run)
        return {
            "labels": list(config.actions),
            "thresholds": {"unsure": config.unsure},
            "options": {"cell": 1, "across": config.across, "down": config.down, "frames": config.frames},
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """On held-out frames. `accuracy`: of the pixels that change, or were changed, how many are right, on average over frames.

        Besides: `whole`, frames of which every pixel is right; `same`, how many the frame before would be right for; `sure`; and
        `right_of_sure`, the accuracy of those.
        """
        rows = examined(dataset, limit)
        right, whole, same, sure = [], [], [], []
        for row in rows:
            answer = specialist.run(request_of(dataset, row))
            made = _read(cast(Media, answer["film"]).content)
            wanted, before = (_read(file_of(dataset, name)) for name in (row.output[FRAME], row.input[PICTURE]))
            right.append(_right(before, made, wanted))
            whole.append(bool((made == wanted).all()))
            same.append(bool((before == wanted).all()))
            sure.append(not answer["unsure"])
        scores, certain = np.array(right), np.array(sure, bool)
        return {
            "accuracy": share(scores),
            "whole": share(np.array(whole)),
            "same": share(np.array(same)),
            "sure": share(certain),
            "right_of_sure": share(scores[certain]),
            "rows": float(len(rows)),
        }


def planned(config: FrameConfig, seconds: float | None) -> int:
    """How many steps a budget of seconds of one core allows."""
    if seconds is not None and seconds < 1:
        raise DataError("Training takes at least 1 second; give more --seconds.")
    given = config.frames * EACH
    quarter = MIDDLE * COARSE * 9 + 2 * COARSE**2 * 9 + COARSE * MIDDLE * 4
    half = given * 4 * MIDDLE * 9 + MIDDLE**2 * 9 + MIDDLE * FINE * 4
    whole = given * FINE + FINE**2 * 9 + FINE * (config.known + 1)
    cost = CUT**2 * (quarter / 16 + half / 4 + whole) * BATCH / 1e6
    budget = (USUAL_SECONDS if seconds is None else seconds) * PER_SECOND
    return min(max(round(budget / cost), MIN_STEPS), MAX_STEPS)


def _fit(
    net: PixelNet,
    recording: _Recording,
    learnt: np.ndarray,
    steps: int,
    seed: int,
    on_progress: Callable[[int, float], None],
    kept: Steps,
) -> PixelNet:
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.01)
    draws = Draws(learnt, False, seed)
    for step in kept.of("pixels", steps, net, average, optimiser, draws):
        draw = np.random.default_rng([seed, 3, step])
        cells, done, after, counts = _cuts(recording, draws.next(BATCH, step / steps), draw)
        goal = torch.where(after == cells[:, -1], 0, after + 1)
        losses = functional.cross_entropy(net.drawn(cells, done), goal.long(), reduction="none")
        weights = counts * (1 + WEIGHT * (goal > 0))
        loss = (losses * weights).sum() / weights.sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate_at(step / steps, 0.05)
        optimiser.step()
        with torch.no_grad():
            for mean, parameter in zip(average.parameters(), net.parameters(), strict=True):
                mean.lerp_(parameter, max((1 - AVERAGED) / 4, 1 / (step + 1)))
        on_progress(step + 1, float(loss.detach()))
    return average.eval()


def _cuts(recording: _Recording, batch: np.ndarray, draw: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each row a cut: cells int32 [batch, SEEN, CUT, CUT], what was done, what comes next, and which pixels count (1)."""
    side, most = recording.frames.shape[1], recording.frames.shape[1] - CUT
    cells, after = [], []
    counts = np.zeros((len(batch), CUT, CUT), np.float32)
    for number, row in enumerate(batch):
        last, coming = recording.frames[recording.seen[row, -1]], recording.frames[recording.next[row]]
        changed = np.flatnonzero(last != coming)
        top, left = draw.integers(0, most + 1, 2)
        if len(changed) and draw.random() < MOVING:
            place = int(draw.choice(changed))
            top, left = np.array(divmod(place, side)) - draw.integers(MARGIN, CUT - MARGIN, 2)
        top, left = (int(np.clip(at, 0, most)) // 4 * 4 for at in (top, left))
        shown = np.concatenate([recording.frames[recording.seen[row]], coming[None]])[
            :, top : top + CUT, left : left + CUT
        ]
        if draw.random() < STRANGE:
            shown = _with_strange(shown, recording.frames, draw)
        cells.append(shown[:-1])
        after.append(shown[-1])
        rows, columns = (slice(MARGIN * (at > 0), CUT - MARGIN * (at < most)) for at in (top, left))
        counts[number, rows, columns] = 1
    done = recording.done[batch].copy()
    done[draw.random(len(batch)) < FORGOTTEN, : -(done.shape[1] // SEEN)] = 0
    given = (np.stack(cells).astype(np.int32), done, np.stack(after).astype(np.int32), counts)
    return cast("tuple[Tensor, Tensor, Tensor, Tensor]", tuple(torch.from_numpy(one) for one in given))


def _with_strange(shown: np.ndarray, frames: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The frames of a cut with a part of any frame, in other colours, where nothing changes around; else as they are."""
    high, wide = draw.integers(2, STRANGE_SIDE + 1, 2)
    top, left = (int(draw.integers(0, CUT - size + 1)) for size in (high, wide))
    around = shown[:, max(0, top - AWAY) : top + high + AWAY, max(0, left - AWAY) : left + wide + AWAY]
    if (around != around[:1]).any():
        return shown
    of, y, x = (int(draw.integers(most)) for most in (len(frames), frames.shape[1] - high, frames.shape[2] - wide))
    colours = draw.permutation(int(frames[of].max()) + 1).astype(np.uint8)
    made = shown.copy()
    made[:, top : top + high, left : left + wide] = colours[frames[of, y : y + high, x : x + wide]]
    return made


def _least(net: PixelNet, recording: _Recording, rows: np.ndarray) -> float:
    """How sure most frames are of which `MOSTLY` all that changes is right."""
    sure = []
    for row in rows:
        seen, wanted = recording.frames[recording.seen[row]], recording.frames[recording.next[row]]
        with torch.inference_mode():
            given = torch.from_numpy(seen[None].astype(np.int32)), torch.from_numpy(recording.done[row][None])
            logits = net.drawn(*given)[0].numpy()
        chosen = logits.argmax(0)
        made = np.where(chosen > 0, chosen - 1, seen[-1])
        if _right(seen[-1][..., None], made[..., None], wanted[..., None]) >= MOSTLY:
            sure.append(sureness(chances(logits.reshape(len(logits), -1).T), chosen.reshape(-1), True))
    return round(float(np.quantile(sure, RARE)), 4) if sure else 1.0


def _right(before: np.ndarray, made: np.ndarray, wanted: np.ndarray) -> float:
    """Of the pixels ([height, width, values]) that change, or were changed, how many are right; 1 where there are none."""
    changes, changed = (before != wanted).any(2), (before != made).any(2)
    either = changes | changed
    return float(((made == wanted).all(2) & either).sum() / either.sum()) if either.any() else 1.0


def _colours(dataset: Path, rows: Sequence[Row]) -> np.ndarray:
    """The colours of the frames, the commonest first, uint8 [colours, 1, 1, 3]: as the import found them."""
    named = open_dataset(dataset).params.get("colours")
    if not isinstance(named, list):
        names = sorted({str(row.input[PICTURE]) for row in rows})
        pixels = np.concatenate([_read(file_of(dataset, name)).reshape(-1, 3) for name in names])
        found, counts = np.unique(pixels, axis=0, return_counts=True)
        named = [bytes(found[at]).hex() for at in np.argsort(-counts, kind="stable")]
    if len(named) > MAX_COLOURS:
        raise DataError(f"The frames have {len(named)} colours; at most {MAX_COLOURS} are learnt.")
    made = [list(bytes.fromhex(str(one).lstrip("#"))) for one in named]
    return np.array(made, np.uint8).reshape(-1, 1, 1, 3)


def _recording(dataset: Path, rows: Sequence[Row], known: np.ndarray, actions: tuple[str, ...]) -> _Recording:
    """Rows as numbers; raises `DataError` where they aren't what an import makes."""
    places: dict[str, int] = {}
    seen, after = [], []
    done = np.zeros((len(rows), SEEN, len(actions)), np.float32)
    for number, row in enumerate(rows):
        names = [*cast("list[str]", row.input[BEFORE]), str(row.input[PICTURE])]
        acted = [*cast("list[str]", row.input[DONE]), str(row.input[ASKED])]
        if len(names) != SEEN or len(acted) != SEEN or not set(acted) <= set(actions):
            raise DataError(f"Rows of a recording have {SEEN - 1} frames before; import it again.")
        seen.append([places.setdefault(name, len(places)) for name in names])
        after.append(places.setdefault(str(row.output[FRAME]), len(places)))
        done[number, range(SEEN), [actions.index(action) for action in acted]] = 1
    frames = np.zeros((len(places), MAX_PIXELS, MAX_PIXELS), np.uint8)
    for name, place in places.items():
        pixels = _read(file_of(dataset, name))
        if pixels.shape != (MAX_PIXELS, MAX_PIXELS, 3):
            raise DataError(f"Frames of a recording are {MAX_PIXELS} by {MAX_PIXELS} pixels; import it again.")
        frames[place] = cells_in(pixels, known)[0].reshape(MAX_PIXELS, MAX_PIXELS)
    return _Recording(frames, np.array(seen), np.array(after), done.reshape(len(rows), -1))


def _read(content: bytes) -> np.ndarray:
    try:
        return np.asarray(read_picture(content, MAX_PIXELS))
    except Rejected as cause:
        raise DataError(f"A frame of the dataset can't be read ({cause}); make it again.") from None


STUDENT = cast(object, PixelStudent())
