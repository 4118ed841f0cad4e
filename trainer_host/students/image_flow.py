"""The student of the task image_flow: a network learns from captioned pictures to make small ones of noise, in four steps.

It learns what picture each noisy one will be, at the four moments that a device asks it (a rectified flow, arXiv 2209.03003,
whose network tells the end instead of the way there). Nothing else is learnt, so four steps are as many as it can use.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from edge_runtime.tasks.image_flow import CLEAN, MOMENT, NOISY, SIDES, WORDS, moment, patches_of
from edge_runtime.tasks.text import SCHEME, encode
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, Recorder, TrainReport
from trainer_host.students.familiar import familiarities, known_of
from trainer_host.students.image_flow_net import FEATURES, SIZES, FlowNet, Shape
from trainer_host.students.vision_fit import HALVES, Draws, Progress, rate_at
from trainer_host.training.determinism import prepare
from trainer_host.training.steps import Steps
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
STEPS = 4  # of the device, from noise to a picture
MIN_ROWS = 40
SIDE = 64
BATCH = 32
RATE = 0.002
AVERAGED = 0.99  # the weights that are kept are a mean of the last steps'
# How often each of the device's moments is learnt, and how much it counts: the first step knows nothing but the caption.
_OFTEN, _COUNTS = (0.4, 0.2, 0.2, 0.2), (1.0, 1.25, 1.6, 2.2)
_UNSAID = 0.1  # of a caption's words and pieces are left out, so that none alone stands for a picture
# Million multiplications, forward alone counted, that a second of one core learns with (AMD EPYC with bfloat16, 2026).
PER_SECOND = 12_000
USUAL_SECONDS = 300.0
MIN_STEPS, MAX_STEPS = 40, 40_000
_FOREIGN = 0.05  # of captions like those of the training that are unfamiliar
_LOOK = 8  # a side of what pictures are compared by
EXAMINED = 200


@dataclass(frozen=True)
class FlowConfig:
    """What the network's shape and its answers depend on; saved beside the weights."""

    side: int
    size: str
    familiar: float = 0.0

    @property
    def network(self) -> FlowNet:
        """A network of that shape, untrained."""
        return FlowNet(Shape(self.side, self.size))


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
        config = FlowConfig(config.side, config.size, round(float(np.quantile(usual, _FOREIGN)), 4))
        pictures = torch.from_numpy(patches_of(pixels_in(dataset, rows, config.side)))
        prepare(seed)
        net = config.network
        steps = _planned(net, config.side, seconds)

        def tell(step: int, loss: float) -> None:
            on_progress(step / steps, {"loss": round(loss, 4)})
            if recorder is not None:
                recorder.record(step, {"loss": loss})

        kept = fit(net, pictures, ids_of(captions), steps, seed, tell, Steps(work))
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
        across = config.side // image_flow.PATCH
        noisy = torch.zeros(1, across, across, image_flow.PATCH**2 * 3)
        words = torch.zeros(1, FEATURES.length, dtype=torch.int32)
        examples = noisy, torch.from_numpy(moment(0.0)), words
        return net.eval(), examples, ModelIO([NOISY, MOMENT, WORDS], [CLEAN])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Steps on the way to pictures of the train split; see `Student.calibration`."""
        rows = list(open_dataset(dataset).rows("train"))
        rows = rows[:: max(1, len(rows) // limit)][:limit]
        patches = patches_of(pixels_in(dataset, rows, load_config(run).side))
        for number, row in enumerate(rows):
            at = number % STEPS / STEPS
            start = image_flow.noise(number, patches[:1].shape)
            now = start + (patches[number : number + 1] - start) * np.float32(at)
            yield {NOISY: now, MOMENT: moment(at), WORDS: encode(caption_of(row), FEATURES).ids}

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
        own = looks(pixels_in(dataset, rows, load_config(run).side))
        better, sure = [], []
        for number, row in enumerate(rows):
            answer = specialist.run({"prompt": caption_of(row)})
            made = looks(_pixels(cast(Media, answer["picture"]).content, load_config(run).side)[None])[0]
            far = np.abs(own - made).mean(1)
            others = np.delete(far, number)
            better.append(float((others > far[number]).mean()) if len(others) else 1.0)
            sure.append(not answer["unsure"])
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


def fit(
    net: FlowNet,
    pictures: Tensor,
    ids: Tensor,
    steps: int,
    seed: int,
    on_progress: Progress,
    kept: Steps,
) -> FlowNet:
    """Train `net` in place; the mean of its last steps' weights is the network to keep.

    pictures: float32 [pictures, side / PATCH, side / PATCH, values], see `patches_of`. ids: int32 [pictures, length].
    """
    average = copy.deepcopy(net)
    parameters = list(net.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01, betas=(0.9, 0.98))
    draws = Draws(np.arange(len(pictures)), False, seed)
    short = any(torch.cpu.get_capabilities().get(name) for name in ("amx_bf16", "avx512_bf16"))
    moments = torch.from_numpy(np.concatenate([moment(step / STEPS) for step in range(STEPS)]))

    def half(number: int, step: int, chosen: np.ndarray) -> tuple[float, tuple[Tensor, ...]]:
        draw = np.random.default_rng([seed, step, number])
        clean, said = pictures[chosen], ids[chosen]
        said = said * torch.from_numpy(draw.random(said.shape) >= _UNSAID)
        which = draw.choice(STEPS, len(chosen), p=_OFTEN)
        noise = torch.from_numpy(draw.standard_normal(clean.shape, np.float32))
        share = torch.from_numpy((which / STEPS).astype(np.float32))[:, None, None, None]
        with torch.autocast("cpu", torch.bfloat16, enabled=short):
            made = net(noise + (clean - noise) * share, moments[which], said).float()
        counts = torch.tensor([_COUNTS[one] for one in which])
        loss = (((made - clean) ** 2).mean((1, 2, 3)) * counts).mean()
        return float(loss.detach()), torch.autograd.grad(loss, parameters)

    with ThreadPoolExecutor(HALVES, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        for step in kept.of("flow", steps, net, average, optimiser, draws):
            chosen = draws.next(BATCH, step / steps)
            found = list(workers.map(half, range(HALVES), [step] * HALVES, np.split(chosen, HALVES)))
            for parameter, *grads in zip(parameters, *(grads for _, grads in found), strict=True):
                parameter.grad = torch.stack(grads).mean(0)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for group in optimiser.param_groups:
                group["lr"] = RATE * rate_at(step / steps, 0.05)
            optimiser.step()
            share = max(1 - AVERAGED, 1 / (step + 1))
            with torch.no_grad():
                for mean, parameter in zip(average.parameters(), parameters, strict=True):
                    mean.lerp_(parameter, share)
            on_progress(step + 1, sum(value for value, _ in found) / HALVES)
    return average.eval()


def caption_of(row: Row) -> str:
    """What a row's picture shows."""
    return str(row.input["prompt"])


def ids_of(captions: Sequence[str]) -> Tensor:
    """int32 [captions, length], as the device reads them."""
    return torch.from_numpy(np.concatenate([encode(caption, FEATURES).ids for caption in captions]))


def pixels_in(dataset: Path, rows: Sequence[Row], side: int) -> np.ndarray:
    """The rows' pictures, uint8 [rows, side, side, 3], on white where they aren't square."""
    made = [_pixels((dataset / "files" / str(row.output["picture"])).read_bytes(), side) for row in rows]
    return np.stack(made) if made else np.zeros((0, side, side, 3), np.uint8)


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


def _pixels(content: bytes, side: int) -> np.ndarray:
    from PIL import Image

    picture = read_picture(content, max(side, 256))
    whole = max(picture.size)
    square = Image.new("RGB", (whole, whole), "white")
    square.paste(picture, ((whole - picture.width) // 2, (whole - picture.height) // 2))
    return np.asarray(square.resize((side, side), Image.Resampling.LANCZOS))


def _planned(net: FlowNet, side: int, seconds: float | None) -> int:
    """How many steps a budget of seconds of one core allows."""
    if seconds is not None and seconds < 1:
        raise DataError("Training takes at least 1 second; give more --seconds.")
    total = 0

    def count(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += module.weight.numel() * made.shape[-1] * made.shape[-2]

    hooks = [module.register_forward_hook(count) for module in net.modules() if isinstance(module, nn.Conv2d)]
    across = side // image_flow.PATCH
    with torch.inference_mode():
        noisy = torch.zeros(1, across, across, image_flow.PATCH**2 * 3)
        net(noisy, torch.from_numpy(moment(0.0)), torch.zeros(1, FEATURES.length, dtype=torch.int32))
    for hook in hooks:
        hook.remove()
    budget = (USUAL_SECONDS if seconds is None else seconds) * PER_SECOND
    return min(max(round(budget / (BATCH * total / 1e6)), MIN_STEPS), MAX_STEPS)


def _config(settings: Json) -> FlowConfig:
    size, side = str(settings.pop("size", None) or "micro"), settings.pop("side", None) or SIDE
    if settings:
        raise DataError(f"The task {image_flow.NAME} has no --{min(settings).replace('_', '-')}; it has --size.")
    if size not in SIZES:
        raise DataError(f"The task {image_flow.NAME} has no size '{size[:20]}'; it has {', '.join(SIZES)}.")
    if side not in SIDES or not isinstance(side, int):
        raise DataError(f"The side must be {', '.join(map(str, SIDES))} pixels.")
    return FlowConfig(side, size)


STUDENT = cast(object, FlowStudent())
