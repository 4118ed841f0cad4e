"""The player: a small network for five games that learns from rows, practice around them, and games with itself."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.games import RULES
from edge_runtime.tasks import Specialist, game
from trainer_host.errors import DataError
from trainer_host.media.examples import needs
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport
from trainer_host.students.game_data import (
    Asked,
    Lessons,
    board_lessons,
    cells_of,
    inputs_of,
    read_rows,
    world_lessons,
)
from trainer_host.students.game_loss import choice_loss
from trainer_host.students.game_matches import asking_player, opening, points, searching_player
from trainer_host.students.game_model import BoardTower, PlayerNet, Shape
from trainer_host.students.game_rooms import room_lessons
from trainer_host.students.game_self_play import improve
from trainer_host.tasks.game import GAMES
from trainer_host.training.calibration import threshold_of
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
MIN_ROWS = 60  # fewer leave a game with so few that calibration says nothing
PLAYED = 40  # games of connect four in an examination, half of them begun by the other
HELD_BACK = 8  # each eighth row of a game calibrates, and teaches nothing
# A student plans by steps, so that the result doesn't depend on how fast the machine is: a second of one core does so
# many steps of the worlds' tower, half as many more of the boards', and three times as many of the rooms'.
STEPS_PER_SECOND = 8
MORE_STEPS = {"board": 1.5, "world": 1.0, "room": 3.0}
MIN_STEPS, MAX_STEPS = 40, 600
MAX_GAMES = 50_000  # of self-play, hours
# How many of each game a step shows, however many rows it has: none is drowned by another.
BATCH = {"connect_four": 64, "tic_tac_toe": 32, "frozen_lake": 24, "taxi": 24, "babyai": 32}
RATES = {"board": 3e-3, "world": 4e-3, "room": 4e-3}
DECAY = {"board": 0.01, "world": 1e-3, "room": 1e-3}
LESSONS: dict[str, Callable[[Sequence[Asked], Sequence[Asked], int], Lessons]] = {
    "board": board_lessons,
    "world": world_lessons,
    "room": room_lessons,
}
# None below 1: where all of a few rows are right they would sharpen what int8 rounds, until runtimes don't agree.
TEMPERATURES = np.exp(np.linspace(0, np.log(5.0), 121))


@dataclass(frozen=True)
class PlayerConfig:
    """What the network's shape and its answers depend on; saved beside the weights."""

    unsure: float
    temperatures: dict[str, float]
    shape: Shape
    towers: list[str]


class GameStudent:
    """See `Student`."""

    task = game.NAME
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
        """Rows and practice first, then `self_play` games of the board games if asked for; see `Student.train`."""
        started = time.perf_counter()
        games = _self_play(settings)
        if curriculum:
            raise DataError("A player practises around all its rows from the start; leave out --curriculum.")
        needs("gymnasium", "Games")
        rows, heldout = read_rows(dataset, "train"), read_rows(dataset, "heldout")
        if len(rows) < MIN_ROWS:
            raise DataError(f"The dataset has {len(rows)} rows to train; a player needs at least {MIN_ROWS}.")
        steps = _planned(seconds)
        prepare(seed)
        back, kept = _held_back(rows)
        unseen = [*heldout, *back]
        towers = game.towers_of({row.game for row in rows})
        net = PlayerNet(Shape(), towers)
        share = 0.5 if games else 1.0
        told = Steps(work)
        figures: dict[str, float] = {}
        for number, name in enumerate(towers):
            lessons = LESSONS[name](kept, unseen, seed)
            figures[f"{name}s"] = float(len(lessons.planes))

            def on_part(done: float, loss: dict[str, float], before: int = number) -> None:
                on_progress(share * (before + done) / len(towers), loss)

            tower = net.get_submodule(name)
            _learn(tower, lessons, name, int(steps * MORE_STEPS[name]), seed, on_part, told)
            if games and isinstance(tower, BoardTower):
                figures |= improve(
                    tower, lessons, games, seed, lambda done, values: on_progress(0.5 + done / 2, values)
                )
        net.eval()
        temperatures, confidence, right = _calibrated(net, back)
        config = PlayerConfig(threshold_of(confidence, right), temperatures, Shape(), list(towers))
        save_weights(run, net)
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        figures |= {
            "parameters": float(sum(p.numel() for p in net.parameters())),
            "steps": float(steps),
            "unsure_below": config.unsure,
            "validation_accuracy": round(float(right.mean()), 4),
            **_baselines(kept, heldout),
        }
        return TrainReport(time.perf_counter() - started, figures)

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """The network and two empty inputs; see `Student.module`."""
        config = load_config(run)
        net = PlayerNet(config.shape, config.towers)
        load_weights(run, net)
        examples = tuple(torch.zeros(game.INPUTS[name]) for name in config.towers)
        return net.eval(), examples, ModelIO(config.towers, [f"{name}_scores" for name in config.towers])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Positions spread evenly over the train split, one for each tower; see `Student.calibration`."""
        towers = load_config(run).towers
        rows = read_rows(dataset, "train")
        parts = [[row for row in rows if game.TOWERS[row.game] == name] for name in towers]
        count = min(limit, max(len(some) for some in parts))
        for number in range(count):
            shown = [some[number * len(some) // count] for some in parts if some]
            yield {name: np.zeros(game.INPUTS[name], np.float32) for name in towers} | dict(map(inputs_of, shown))

    def assets(self, run: Path) -> dict[str, Path]:
        """None: the rules are the device's."""
        return {}

    def manifest_fields(self, run: Path) -> Json:
        """The threshold, and each game's temperature; see `Student.manifest_fields`."""
        config = load_config(run)
        return {
            "labels": [],
            "thresholds": {"unsure": config.unsure},
            "options": {"temperatures": config.temperatures},
            "tokenizer": None,
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy`: the action is a best one; each game's; ece, the error of the confidence (0 to 1); and
        `connect_four_points`, the share of points against a search of three moves."""
        rows = read_rows(dataset, "heldout")[:limit]
        answers = [specialist.run(row.request) for row in rows]
        right = np.array([answer["action"] in row.best for answer, row in zip(answers, rows, strict=True)], bool)
        sure = np.array([cast(float, answer["confidence"]) for answer in answers])
        figures = {
            "accuracy": float(right.mean()) if len(rows) else 0.0,
            "answered": float(np.mean([not answer["unsure"] for answer in answers])) if len(rows) else 0.0,
            "ece": _calibration_error(sure, right),
            "rows": float(len(rows)),
        }
        for name in RULES:
            those = np.array([row.game == name for row in rows], bool)
            if those.any():
                figures[name] = float(right[those].mean())
        if "connect_four" in figures:
            figures["connect_four_points"] = _points(specialist)
        return figures

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out states first, then those of train, each other one as a text; see `Student.golden`."""
        requests: list[Json] = []
        for row in [*read_rows(dataset, "heldout"), *read_rows(dataset, "train")][:count]:
            told = RULES[row.game].text(row.position)
            requests.append({"text": told} if len(requests) % 2 else row.request)
        return requests


def load_config(run: Path) -> PlayerConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        shape = Shape(**raw.pop("shape"))  # type: ignore[arg-type]
        return PlayerConfig(shape=shape, **raw)  # type: ignore[arg-type]
    except (OSError, BadRequest, KeyError, TypeError):
        raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.") from None


def _learn(
    tower: nn.Module,
    lessons: Lessons,
    name: str,
    steps: int,
    seed: int,
    on_progress: Callable[[float, dict[str, float]], None],
    told: Steps | None = None,
) -> None:
    shuffle = torch.Generator().manual_seed(seed)
    parts = [
        (torch.nonzero(lessons.game == number)[:, 0], BATCH[game])
        for number, game in enumerate(RULES)
        if (lessons.game == number).any()
    ]
    if not parts:
        return
    optimizer = torch.optim.AdamW(tower.parameters(), lr=RATES[name], weight_decay=DECAY[name])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATES[name], total_steps=steps)
    tower.train()
    for step in (told or Steps(None)).of(name, steps, tower, optimizer, schedule, shuffle):
        picked = [some[torch.randint(len(some), (count,), generator=shuffle)] for some, count in parts]
        planes, *wanted = lessons.drawn(torch.cat(picked), shuffle)
        loss = choice_loss(tower(planes).reshape(wanted[0].shape), *wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 24 or step + 1 == steps:
            on_progress((step + 1) / steps, {"loss": round(float(loss.detach()), 4)})


def _held_back(rows: Sequence[Asked]) -> tuple[list[Asked], list[Asked]]:
    """(rows for calibration, rows to learn), spread evenly over the games."""
    back: list[Asked] = []
    kept: list[Asked] = []
    met = Counter[str]()
    for row in rows:
        met[row.game] += 1
        (back if met[row.game] % HELD_BACK == 0 else kept).append(row)
    return back, kept


def _calibrated(net: PlayerNet, rows: Sequence[Asked]) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Each game's temperature, and confidence and rightness of every row's answer."""
    logits, right, which = np.zeros(len(rows)), np.zeros(len(rows), bool), np.array([row.game for row in rows])
    with torch.inference_mode():
        for number, row in enumerate(rows):
            name, planes = inputs_of(row)
            scores = net.get_submodule(name)(torch.from_numpy(planes)).reshape(-1, planes.shape[-1] ** 2).numpy()
            found = np.array([scores[action, cell] for action, cell in cells_of(row)])
            logits[number] = found.max()
            right[number] = GAMES[row.game].legal(row.position)[int(found.argmax())] in row.best
    temperatures = {name: _temperature(logits[which == name], right[which == name]) for name in RULES if name in which}
    divisor = np.array([temperatures[name] for name in which])
    return temperatures, 1 / (1 + np.exp(-logits / divisor)), right


def _temperature(logits: np.ndarray, right: np.ndarray) -> float:
    """What logits of chosen actions are divided by, so that they tell best how often the choice is right."""
    losses = [np.logaddexp(0, np.where(right, -logits, logits) / t).mean() for t in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 6)


def _calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017) with bins of equal width."""
    if not len(right):
        return 0.0
    part = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[part == b].sum() - right[part == b].sum()) for b in range(bins) if (part == b).any()]
    return float(sum(gaps) / len(right))


def _baselines(rows: Sequence[Asked], heldout: Sequence[Asked]) -> dict[str, float]:
    """Of any legal action, and of the action that is most often best in each game of the rows."""
    if not heldout:
        return {}
    often = {name: Counter(row.best[0] for row in rows if row.game == name).most_common(1) for name in RULES}
    most = [bool(often[row.game]) and often[row.game][0][0] in row.best for row in heldout]
    legal = [len(row.best) / len(GAMES[row.game].legal(row.position)) for row in heldout]
    return {
        "majority_baseline": round(float(np.mean(most)), 4),
        "legal_random_baseline": round(float(np.mean(legal)), 4),
    }


def _planned(seconds: float | None) -> int:
    if seconds is None:
        return MAX_STEPS
    allowed = int(seconds * STEPS_PER_SECOND)
    if allowed < MIN_STEPS:
        raise DataError(
            f"A player can't be trained in {seconds:g} seconds; allow at least {MIN_STEPS / STEPS_PER_SECOND:.0f}."
        )
    return min(MAX_STEPS, allowed)


def _points(specialist: Specialist) -> float:
    """The share of points in games of connect four against a search of three moves, always the same openings."""
    rng = random.Random(0)
    starts = [opening("connect_four", number % 4, rng) for number in range(PLAYED // 2)]
    return points("connect_four", asking_player(specialist), searching_player(rng), starts)


def _self_play(settings: Json | None) -> int:
    """How many games it plays against itself."""
    chosen = dict(settings or {})
    games = chosen.pop("self_play", 0)
    if chosen:
        raise DataError(f"A player takes only --self-play; leave out --{next(iter(chosen)).replace('_', '-')}.")
    if isinstance(games, bool) or not isinstance(games, int) or not 0 <= games <= MAX_GAMES:
        raise DataError(f"--self-play is a number of games from 0 to {MAX_GAMES:,}.")
    return games


STUDENT = GameStudent()
