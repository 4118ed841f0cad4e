"""The student of image_gen for captioned pictures: a network learns from captioned pictures to make small ones of noise, in four steps.

Pictures are sums of a few hundred parts, and the network learns their shares (as latent diffusion does, arXiv 2112.10752, with a linear
decoder that needs no training): what they will be at the four moments that a device asks it (a rectified flow, arXiv 2209.03003,
whose network tells the end instead of the way there). It begins with noise and with what the pictures of the nearest captions have, which it
remembers (retrieval augmented diffusion, arXiv 2204.11824), and has learnt to make another picture of: never from a caption's own one.
"""

from __future__ import annotations

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
from edge_runtime.media import Media
from edge_runtime.media.pictures import read_picture
from edge_runtime.tasks import Specialist, image_flow
from edge_runtime.tasks.familiar import FILE as FAMILIAR
from edge_runtime.tasks.image_flow import MOMENT, NOISY, PICTURE, SIDES, WAY, WORDS, moment
from edge_runtime.tasks.text import SCHEME, encode
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport, telling
from trainer_host.students.familiar import familiarities, known_of
from trainer_host.students.image_flow_fit import BATCH, STEPS, fit, parts_of
from trainer_host.students.image_flow_net import FEATURES, REMEMBERED, SIZES, FlowNet, Shape
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
MIN_ROWS = 40
SIDE = 64
# Million multiplications, forward alone counted, that a second of one core learns with (AMD EPYC, 2026).
PER_SECOND = 5500
USUAL_SECONDS = 30.0
MIN_STEPS, MAX_STEPS = 40, 100_000
_FOREIGN = 0.05  # of captions like those of the training that are unfamiliar
_LOOK = 8  # a side of what pictures are compared by
EXAMINED = 200


@dataclass(frozen=True)
class FlowConfig:
    """What the network's shape and its answers depend on; saved beside the weights."""

    side: int
    size: str
    captions: int = 0
    familiar: float = 0.0

    @property
    def shape(self) -> Shape:
        """The network's shape."""
        return Shape(self.side, self.size, self.captions)

    @property
    def network(self) -> FlowNet:
        """A network of that shape, untrained."""
        return FlowNet(self.shape)


class FlowStudent:
    """See `Student`."""

    task = image_flow.NAME
    family = "graph"
    limits: ClassVar[dict[str, float]] = {"bytes": 16_000_000, "p50_ms": 2000.0, "lost_points": 1.0}

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
        """See `Student.train`. settings: `size`, one of `SIZES`; `side`, of the pictures, one of `SIDES`."""
        started = time.perf_counter()
        if curriculum:
            raise DataError("Captioned pictures have no curriculum; leave out --curriculum.")
        config = _config(dict(settings or {}))
        rows = list(open_dataset(dataset).rows("train"))
        if len(rows) < MIN_ROWS:
            raise DataError(
                f"The dataset has {len(rows)} rows to train; it needs at least {MIN_ROWS} captioned pictures."
            )
        captions = [caption_of(row) for row in rows]
        known = known_of(captions, [""] * len(captions))
        usual = familiarities(captions, [""] * len(captions), captions, seed)
        remembered = min(len(rows), REMEMBERED)
        config = FlowConfig(config.side, config.size, remembered, round(float(np.quantile(usual, _FOREIGN)), 4))
        prepare(seed)
        net = config.network
        steps = _planned(net, seconds)
        tell = telling(steps, on_progress, recorder)
        pictures = values_of(pixels_in(dataset, rows, config.side))
        kept = fit(net, parts_of(pictures, config.shape.parts), ids_of(captions), steps, seed, tell, Steps(work))
        save_weights(run, kept)
        write_atomic(run / FAMILIAR, known.tobytes())
        write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))
        parameters = float(sum(p.numel() for p in net.parameters()))
        return TrainReport(time.perf_counter() - started, {"parameters": parameters, "steps": float(steps)})

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """One step of the network; see `Student.module`."""
        config = load_config(run)
        net = config.network
        load_weights(run, net)
        noisy = torch.zeros(1, config.shape.parts)
        words = torch.zeros(1, FEATURES.length, dtype=torch.int32)
        examples = noisy, torch.from_numpy(moment(0.0)), words
        return net.eval(), examples, ModelIO([NOISY, MOMENT, WORDS], [WAY, PICTURE])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Steps on the way to pictures of the train split; see `Student.calibration`."""
        rows = list(open_dataset(dataset).rows("train"))
        rows = rows[:: max(1, len(rows) // limit)][:limit]
        net, _, _ = self.module(run)
        assert isinstance(net, FlowNet)
        for number, row in enumerate(rows):
            now = image_flow.noise(number, net.begin.in_features)
            words = encode(caption_of(row), FEATURES).ids
            for step in range(STEPS):
                given = {NOISY: now, MOMENT: moment(step / STEPS), WORDS: words}
                if step == number % STEPS:
                    yield given
                    break
                with torch.inference_mode():
                    clean = net.clean(*(torch.from_numpy(given[name]) for name in (NOISY, MOMENT, WORDS))).numpy()
                now = now + (clean - now) / np.float32(STEPS - step)

    def assets(self, run: Path) -> dict[str, Path]:
        """Which words the captions had."""
        return {FAMILIAR: run / FAMILIAR}

    def manifest_fields(self, run: Path) -> Json:
        """What the device does around the graph; see `Student.manifest_fields`."""
        config = load_config(run)
        return {
            "labels": [],
            "thresholds": {"familiar": config.familiar},
            "options": {
                "side": config.side,
                "parts": config.shape.parts,
                "steps": STEPS,
                "length": FEATURES.length,
                "buckets": FEATURES.buckets,
            },
            "tokenizer": {"scheme": SCHEME, "file": None, "sha256": None},
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """On held-out captions. `accuracy`: of the other captions' pictures, how many are less like the made one than the
        caption's own, on average (0.5 by chance), where pictures are compared by `_LOOK` by `_LOOK` colours.

        Besides: `nearest_tenth`, how often its own is among the tenth that is most like it (0.1 by chance); `sure`.
        """
        rows = list(open_dataset(dataset).rows("heldout"))
        most = min(limit or EXAMINED, EXAMINED)
        if most < len(rows):
            rows = [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]
        answers = [specialist.run({"prompt": caption_of(row)}) for row in rows]
        better = likenesses(
            [_file(dataset, row) for row in rows], [cast(Media, answer["picture"]).content for answer in answers]
        )
        sure = [not answer["unsure"] for answer in answers]
        return {
            "accuracy": float(np.mean(better)) if rows else 0.0,
            "nearest_tenth": float(np.mean([share >= 0.9 for share in better])) if rows else 0.0,
            "sure": float(np.mean(sure)) if rows else 0.0,
            "rows": float(len(rows)),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out captions, then those of train; see `Student.golden`."""
        card = open_dataset(dataset)
        said = dict.fromkeys(caption_of(row) for split in ("heldout", "train") for row in card.rows(split))
        return [{"prompt": caption} for caption in list(said)[:count]]


def likenesses(own: Sequence[bytes], made: Sequence[bytes]) -> list[float]:
    """Of each made picture (a file, as its own one), to how many of the others' own ones it is less like than to its own, 0 to 1."""
    wanted, found = (np.array([looks(_pixels(one, SIDE)[None])[0] for one in files]) for files in (own, made))
    shares = []
    for number, picture in enumerate(found):
        far = np.abs(wanted - picture).mean(1)
        others = np.delete(far, number)
        shares.append(float((others > far[number]).mean()) if len(others) else 1.0)
    return shares


def caption_of(row: Row) -> str:
    """What a row's picture shows."""
    return str(row.input["prompt"])


def ids_of(captions: Sequence[str]) -> Tensor:
    """int32 [captions, length], as the device reads them."""
    return torch.from_numpy(np.concatenate([encode(caption, FEATURES).ids for caption in captions]))


def pixels_in(dataset: Path, rows: Sequence[Row], side: int) -> np.ndarray:
    """The rows' pictures, uint8 [rows, side, side, 3], on white where they aren't square."""
    made = [_pixels(_file(dataset, row), side) for row in rows]
    return np.stack(made) if made else np.zeros((0, side, side, 3), np.uint8)


def values_of(pixels: np.ndarray) -> np.ndarray:
    """uint8 [pictures, side, side, 3] -> float32 [pictures, side * side * 3] of -1 to 1."""
    made: np.ndarray = pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(127.5) - 1
    return made


def looks(pixels: np.ndarray) -> np.ndarray:
    """What pictures are compared by: the mean colours of `_LOOK` by `_LOOK` parts, float32 [pictures, values]."""
    size = pixels.shape[1] // _LOOK
    parts = pixels.reshape(len(pixels), _LOOK, size, _LOOK, size, 3).mean((2, 4), dtype=np.float32)
    return parts.reshape(len(pixels), -1)


def load_config(run: Path) -> FlowConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        made = FlowConfig(**strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG))  # type: ignore[arg-type]
        if made.size in SIZES and made.side in SIDES:
            return made
    except (OSError, BadRequest, TypeError):
        pass  # said below
    raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.")


def _file(dataset: Path, row: Row) -> bytes:
    return (dataset / "files" / str(row.output["picture"])).read_bytes()


def _pixels(content: bytes, side: int) -> np.ndarray:
    from PIL import Image

    picture = read_picture(content, max(side, 256))
    whole = max(picture.size)
    square = Image.new("RGB", (whole, whole), "white")
    square.paste(picture, ((whole - picture.width) // 2, (whole - picture.height) // 2))
    return np.asarray(square.resize((side, side), Image.Resampling.LANCZOS))


def _planned(net: FlowNet, seconds: float | None) -> int:
    """How many steps a budget of seconds of one core allows."""
    if seconds is not None and seconds < 1:
        raise DataError("Training takes at least 1 second; give more --seconds.")
    layers = (net.steer, net.begin, *net.layers, net.end, net.said)
    cost = sum(layer.weight.numel() for layer in layers) * BATCH / 1e6
    budget = (USUAL_SECONDS if seconds is None else seconds) * PER_SECOND
    return min(max(round(budget / cost), MIN_STEPS), MAX_STEPS)


def _config(settings: Json) -> FlowConfig:
    size, side = str(settings.pop("size", None) or "micro"), settings.pop("side", None) or SIDE
    if settings:
        raise DataError(f"A network that makes pictures has no --{min(settings).replace('_', '-')}; it has --size.")
    if size not in SIZES:
        raise DataError(f"A network that makes pictures has no size '{size[:20]}'; it has {', '.join(SIZES)}.")
    if side not in SIDES or not isinstance(side, int):
        raise DataError(f"The side must be {', '.join(map(str, SIDES))} pixels.")
    return FlowConfig(side, size)


STUDENT = cast(object, FlowStudent())
