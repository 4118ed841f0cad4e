"""The peers of `benchmarks/peers.py`: what else answers the same, each measured here or said to be absent."""

from __future__ import annotations

import importlib.util
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.media import Media
from edge_runtime.tasks.text import words
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.check import homes_of
from trainer_host.data.dataset import Dataset, Row, open_dataset
from trainer_host.data.quality import files_of
from trainer_host.errors import TrainerError
from trainer_host.evaluation.answers import Answered
from trainer_host.evaluation.compare import smallest
from trainer_host.students import student_for
from trainer_host.students.game_matches import Board, Player
from trainer_host.students.vision_data import labels_of, seen_rows
from trainer_host.tasks import Example, task_spec
from trainer_host.training.run import Run

Json = dict[str, object]
NEIGHBOURS = 5
GAMES, MISSIONS = 40, 20
WORD_PHRASES, WORD_HOURS = 40, 0.1
PICTURE_SIDE = 32
# What Debian's packages bring besides the program.
SPEECH = {"espeak-ng": ("libespeak-ng.so.1", "espeak-ng-data"), "flite": ("libflite*.so.1",)}
_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")


@dataclass(frozen=True)
class Peer:
    """Who answers: bytes that it needs, milliseconds of processor time of an answer, score of 0 to 1; None: not measured."""

    name: str
    bytes: int | None = None
    ms: float | None = None
    score: float | None = None


def said_of(run: Run, file: str) -> str:
    """A student's file, what it learnt from, and how long was planned."""
    rows = open_dataset(run.folder.parents[1] / "data" / run.dataset).counts["train"]
    planned = "" if run.seconds is None else f", {run.seconds:g} s planned"
    return f"{file.removeprefix('model.')}, {rows:,} rows{planned}"


def lookup(dataset: Dataset, answers: Sequence[Answered]) -> Peer:
    """The answer of the training row whose question shares most words with the one asked."""
    spec = task_spec(dataset.task)

    def asked(given: Json, wanted: Json, files: dict[str, bytes]) -> frozenset[str]:
        return frozenset(spec.key(Example(given, wanted, files)).lower().split())

    train: list[Row] = list(dataset.rows("train"))
    known = [asked(row.input, row.output, files_of(dataset, row)) for row in train]

    def said(answer: Answered) -> Json:
        mine = asked(answer.asked, answer.wanted, answer.files)
        best = max(range(len(known)), key=lambda at: len(mine & known[at]) / max(1, len(mine | known[at])))
        return train[best].output

    size = (dataset.folder / "train.jsonl").stat().st_size
    return _scored("the nearest training row", size, answers, said)


def nearest_caption(dataset: Dataset, answers: Sequence[Answered]) -> Peer:
    """The picture of the training caption that shares most words with the one asked."""
    from trainer_host.students.image_flow import caption_of, likenesses

    train = list(dataset.rows("train"))
    captions = [frozenset(words(caption_of(row))) for row in train]
    pictures = [(dataset.folder / "files" / str(row.output["picture"])).read_bytes() for row in train]
    times, made = [], []
    for answer in answers:
        began = time.process_time()
        mine = frozenset(words(str(answer.asked["prompt"])))
        best = max(range(len(train)), key=lambda at: len(mine & captions[at]) / max(1, len(mine | captions[at])))
        made.append(pictures[best])
        times.append((time.process_time() - began) * 1000)
    own = [cast(Media, answer.wanted["picture"]).content for answer in answers]
    size = sum(map(len, pictures))
    return Peer("the nearest caption's picture", size, float(np.median(times)), float(np.mean(likenesses(own, made))))


def same_frame(answers: Sequence[Answered]) -> Peer:
    """The last frame again, as if nothing happened."""

    def said(answer: Answered) -> Json:
        [content] = answer.files.values()
        return {"film": Media("image/png", content)}

    return _scored("the same frame again", 0, answers, said)


def hassil(dataset: Dataset, answers: Sequence[Answered]) -> Peer:
    """Home Assistant's own grammar."""
    if importlib.util.find_spec("hassil") is None or importlib.util.find_spec("home_assistant_intents") is None:
        return Peer("hassil: not installed")
    from trainer_host.evaluation.hassil_baseline import Hassil

    grammar = Hassil()
    place = importlib.util.find_spec("home_assistant_intents")
    assert place is not None and place.origin is not None
    size = sum(path.stat().st_size for path in (Path(place.origin).parent / "data").glob("en*"))
    homes = homes_of(dataset)

    def said(answer: Answered) -> Json:
        home = answer.asked.get("home")
        inventory = {"inventory": homes[home]} if isinstance(home, int) else {}
        return grammar.run({**answer.asked, **inventory})

    return _scored("hassil, home-assistant-intents", size, answers, said)


def nearest_pictures(dataset: Dataset, answers: Sequence[Answered]) -> Peer:
    """The most frequent label of the nearest training pictures, in pixels."""
    pixels, labels, names = _pictures(dataset)
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    squares = (flat**2).sum(1)

    def said(answer: Answered) -> Json:
        mine = _square(answer)
        nearest = np.argpartition(squares - 2 * flat @ mine, NEIGHBOURS)[:NEIGHBOURS]
        return _label(names[int(np.bincount(labels[nearest], minlength=len(names)).argmax())])

    return _scored(f"{NEIGHBOURS} nearest pictures", pixels.nbytes, answers, said)


def pixel_regression(dataset: Dataset, answers: Sequence[Answered]) -> Peer:
    """Multinomial logistic regression on the pixels, as one would write it first."""
    import torch

    pixels, labels, names = _pictures(dataset)
    given = torch.from_numpy(pixels.reshape(len(pixels), -1)).float() / 255
    wanted = torch.from_numpy(labels)
    torch.manual_seed(1)
    layer = torch.nn.Linear(given.shape[1], len(names))
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        found = torch.nn.functional.cross_entropy(layer(given), wanted) + 1e-3 * layer.weight.square().sum()
        found.backward()
        return found

    optimiser.step(loss)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()

    def said(answer: Answered) -> Json:
        return _label(names[int((weight @ (_square(answer) / 255) + bias).argmax())])

    return _scored("logistic regression on pixels", weight.nbytes + bias.nbytes, answers, said)


def image_resnet() -> tuple[Peer | None, str]:
    """MLPerf Tiny's int8 ResNet on the labelled pictures that lie beside it, and what is to be known of that."""
    from benchmarks.mlperf_tiny import DEFAULT, measure
    from edge_runtime.errors import EdgeError

    published = "its authors publish 87.3 % of the 10,000 test pictures"
    try:
        rows = [row for row in measure(DEFAULT, 0.3) if row.model.startswith("pretrainedResnet_quant")]
    except EdgeError:
        rows = []
    if not rows:
        return None, f"the models aren't here; {published}"
    row = min(rows, key=lambda row: row.cpu_us or 1e9)
    peer = Peer(
        f"MLPerf Tiny ResNet, {row.model}",
        round(row.kilobytes * 1000),
        None if row.cpu_us is None else row.cpu_us / 1000,
        row.accuracy,
    )
    return peer, f"the peer on {row.examined} test pictures, its network alone; {published}"


def connect_four(run: Run) -> tuple[Peer, Peer] | None:
    """The player and a search of three moves, against each other; None where it didn't learn the game."""
    from benchmarks.game import SEARCHED_MOVES, _against
    from trainer_host.students.game import load_config
    from trainer_host.students.game_matches import asking_player, searching_player

    if "connect_four" not in load_config(run.folder).temperatures:
        return None
    rng = random.Random(31)
    item = smallest(exported(run))
    with loaded(run, student_for("game"), item, item.runtimes[0]) as specialist:
        ours, theirs = _Timed(asking_player(specialist)), _Timed(searching_player(rng, SEARCHED_MOVES))
        points = _against("connect_four", ours, theirs, GAMES, rng)["points"]
    name = f"a search of {SEARCHED_MOVES} moves"
    return Peer(said_of(run, item.file), item.bytes, ours.ms, points), Peer(name, None, theirs.ms, 1 - points)


def babyai(run: Run) -> tuple[Peer, Peer] | None:
    """The player and BabyAI's expert bot on the same seeds; None where it didn't learn them, or minigrid is missing."""
    from trainer_host.students.game import load_config

    if "babyai" not in load_config(run.folder).temperatures or importlib.util.find_spec("minigrid") is None:
        return None
    from benchmarks.game import _missions

    item = smallest(exported(run))
    with loaded(run, student_for("game"), item, item.runtimes[0]) as specialist:
        levels = list(_missions(specialist, MISSIONS).values())
    own, bot = (sum(level[key] for level in levels) / len(levels) for key in ("done", "the bot's"))
    return Peer(said_of(run, item.file), item.bytes, None, own), Peer("BabyAI's expert bot", None, None, bot)


def home_words(runs: Sequence[Run]) -> list[tuple[bool, Peer]]:
    """(whether it is ours, figures) of wake words: phrases of synthetic speakers that were heard, at each one's threshold."""
    from benchmarks.wake_word import Listener, milliseconds, ours, peers, said
    from edge_runtime.audio.wake import STEP_SECONDS
    from edge_runtime.tasks.wake_word import WakeWord
    from trainer_host.speech.voices import require_speech
    from trainer_host.students.wake_word import load_config

    try:
        programs = require_speech()
    except TrainerError:
        return []
    found: list[tuple[bool, Peer]] = []

    def examined(listener: Listener, own: bool) -> None:
        heard = 0
        for samples, end, _ in said(77, listener.phrase, WORD_PHRASES, programs):
            peaks = listener.open()(samples)[int((end - 0.3) / STEP_SECONDS) : int((end + 0.8) / STEP_SECONDS) + 1]
            heard += max(peaks, default=0.0) >= listener.threshold
        name = f"{listener.name} ('{listener.phrase}')"
        found.append((own, Peer(name, listener.bytes, milliseconds(listener.open()), heard / WORD_PHRASES)))

    for run in runs[:1]:
        item = smallest(exported(run))
        with loaded(run, student_for("wake_word"), item, item.runtimes[0]) as word:
            config = load_config(run.folder)
            opened = ours(cast(WakeWord, word))
            examined(Listener(said_of(run, item.file), config.phrase, item.bytes, config.threshold, opened), True)
    for listener in peers():
        examined(listener, False)
    return found


def speakers() -> list[Peer]:
    """The programs that say words: their files, and the time of a short sentence."""
    from trainer_host.speech.voices import HELD_OUT, draw_speaker, say

    made = []
    for name, parts in SPEECH.items():
        program = shutil.which(name)
        if program is None:
            made.append(Peer(f"{name}: not installed"))
            continue
        size = Path(program).resolve().stat().st_size
        for library in map(Path, _LIBRARIES):
            size += sum(_size(path) for part in parts for path in library.glob(part))
        speaker = draw_speaker(np.random.default_rng(1), HELD_OUT, [name])
        times = []
        for _ in range(5):
            began = time.perf_counter()
            say(speaker, "Please mind the gap between the train and the platform.")
            times.append((time.perf_counter() - began) * 1000)
        made.append(Peer(name, size, sorted(times)[2]))
    return made


class _Timed:
    """A player, and the processor time of its moves."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._times: list[float] = []

    def __call__(self, game: str, boards: Sequence[Board]) -> list[str]:
        began = time.process_time()
        moves = self._player(game, boards)
        self._times += [(time.process_time() - began) * 1000 / max(1, len(boards))] * len(boards)
        return moves

    @property
    def ms(self) -> float:
        """The median of a move."""
        return float(np.median(self._times)) if self._times else 0.0


def _scored(name: str, size: int, answers: Sequence[Answered], say: Callable[[Answered], Json]) -> Peer:
    times, scores = [], []
    for answer in answers:
        began = time.process_time()
        said = say(answer)
        times.append((time.process_time() - began) * 1000)
        scores.append(task_spec(answer.task).score(answer.wanted, said))
    return Peer(name, size, float(np.median(times)), sum(scores) / len(scores))


def _pictures(dataset: Dataset) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """uint8 [n, side, side, 3], int64 [n], and the labels."""
    from edge_runtime.vision.pixels import framed

    rows = seen_rows(dataset.folder, "train")
    names = labels_of(rows)
    pixels = np.stack([framed(row.content, PICTURE_SIDE)[0] for row in rows])
    return pixels, np.array([names.index(row.objects[0].label) for row in rows], np.int64), names


def _square(answer: Answered) -> np.ndarray:
    from edge_runtime.vision.pixels import framed

    [content] = answer.files.values()
    made: np.ndarray = framed(content, PICTURE_SIDE)[0].reshape(-1).astype(np.float32)
    return made


def _label(name: str) -> Json:
    return {"objects": [{"label": name, "box": [0.0, 0.0, 1.0, 1.0]}]}


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size
