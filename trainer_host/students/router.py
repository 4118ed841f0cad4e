"""The router's student: hashed words and n-grams, a bag of embeddings, one hidden layer, a calibrated end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.tasks import Specialist, router
from edge_runtime.tasks.text import SCHEME, Features, encode
from trainer_host.data.dataset import Row, open_dataset
from trainer_host.errors import DataError
from trainer_host.students import Json, ModelIO, OnProgress, TrainReport
from trainer_host.students.baselines import majority_accuracy, naive_bayes_accuracy
from trainer_host.training.calibration import Calibration, calibrate
from trainer_host.training.determinism import prepare
from trainer_host.training.weights import load_weights, save_weights
from trainer_host.workspace import write_atomic

CONFIG = "config.json"
FOLDS = 3  # a row's calibration comes from a model that hasn't seen it
CROSS_UP_TO = 3000  # with more rows one held-back part says enough
# A student plans by steps, so that the result doesn't depend on how fast the machine is.
STEPS_PER_SECOND = 150
MIN_STEPS, MAX_STEPS = 240, 2500


@dataclass(frozen=True)
class RouterConfig:
    """Everything that the network's shape and its answers depend on; saved beside the weights."""

    labels: tuple[str, ...]
    unsure: float
    features: Features
    width: int = 32
    hidden: int = 64


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    steps: int
    batch: int = 64
    rate: float = 0.004
    decay: float = 0.05
    smoothing: float = 0.05
    drop: float = 0.5  # of features: a sentence must be told by more than one word
    noise: float = 0.25  # share of each batch that is random features, which must leave it undecided


class RouterNet(nn.Module):
    """tokens int32 [1, length] (0 pads) -> probabilities float32 [1, labels], divided by the temperature.

    rows: of the table, 0 among them; a training holds only the rows that its texts use.
    """

    temperature: Tensor

    def __init__(self, config: RouterConfig, rows: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, config.width, padding_idx=0)
        self.hidden = nn.Linear(config.width, config.hidden)
        self.out = nn.Linear(config.hidden, len(config.labels))
        self.register_buffer("temperature", torch.ones(1))
        with torch.no_grad():
            self.table.weight.mul_(0.1)
            self.table.weight[0] = 0

    def logits(self, tokens: Tensor, weights: Tensor | None = None) -> Tensor:
        """float32 [batch, labels], before the temperature; weights [rows, 1] scale the table's rows."""
        count = (tokens != 0).to(torch.float32).sum(1, keepdim=True)
        rows = self.table(tokens)
        if weights is not None:
            rows = rows * weights[tokens]
        bag = rows.sum(1) * torch.rsqrt(count + 1)
        out: Tensor = self.out(torch.relu(self.hidden(bag)))
        return out

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.softmax(self.logits(tokens) / self.temperature, dim=-1)


class RouterStudent:
    """See `Student`."""

    task = router.NAME

    def train(
        self, dataset: Path, run: Path, *, seed: int, seconds: float | None, on_progress: OnProgress
    ) -> TrainReport:
        """Calibrate on models that haven't seen the rows, then train on all of them; see `Student.train`."""
        started = time.perf_counter()
        rows = _rows(dataset, "train")
        labels = tuple(sorted({label for _, label in rows}))
        if len(labels) < 2:
            raise DataError("The dataset has fewer than two labels; a router needs two or more.")
        features = Features()
        draft = RouterConfig(labels, 0.0, features)
        tokens = torch.from_numpy(np.concatenate([encode(text, features).ids for text, _ in rows]))
        wanted = torch.tensor([labels.index(label) for _, label in rows])
        folds = FOLDS if len(rows) <= CROSS_UP_TO else 1
        recipe = Recipe(_steps(len(rows), folds + 1, seconds))

        done = 0

        def progress(step: int, loss: float) -> None:
            share = (done + step / recipe.steps) / (folds + 1)
            on_progress(share, {"loss": round(loss, 4)})

        fold_of = _folds(rows, seed)
        seen: list[Tensor] = []
        truth: list[Tensor] = []
        for fold in range(folds):
            back = fold_of == fold
            model = _fit(draft, tokens[~back], wanted[~back], recipe, seed + 1 + fold, progress)
            with torch.inference_mode():
                seen.append(model.logits(tokens[back]).clone())
            truth.append(wanted[back])
            done += 1
        found = calibrate(torch.cat(seen).numpy(), torch.cat(truth).numpy())
        model = _fit(draft, tokens, wanted, recipe, seed, progress)
        model.temperature.fill_(found.temperature)
        save_weights(run, model)
        _save_config(run, RouterConfig(labels, found.threshold, features))
        return TrainReport(time.perf_counter() - started, _figures(model, found, recipe, rows, dataset))

    def module(self, run: Path) -> tuple[nn.Module, tuple[Tensor, ...], ModelIO]:
        """The network and one empty text; see `Student.module`."""
        config = load_config(run)
        model = RouterNet(config, config.features.buckets + 1)
        load_weights(run, model)
        example = torch.from_numpy(encode("one two three", config.features).ids)
        return model.eval(), (example,), ModelIO([router.INPUT], [router.OUTPUT])

    def calibration(self, run: Path, dataset: Path, limit: int) -> Iterator[dict[str, np.ndarray]]:
        """Texts of train, mixed by a hash; see `Student.calibration`."""
        features = load_config(run).features
        for text, _ in _mixed(_rows(dataset, "train"))[:limit]:
            yield {router.INPUT: encode(text, features).ids}

    def assets(self, run: Path) -> dict[str, Path]:
        """None: the features are hashed."""
        return {}

    def manifest_fields(self, run: Path) -> Json:
        """Labels, the threshold and the features; see `Student.manifest_fields`."""
        config = load_config(run)
        return {
            "labels": list(config.labels),
            "thresholds": {"unsure": config.unsure},
            "options": {"features": asdict(config.features)},
            "tokenizer": {"scheme": SCHEME, "file": None, "sha256": None},
        }

    def evaluate(self, run: Path, dataset: Path, specialist: Specialist, limit: int | None) -> dict[str, float]:
        """`accuracy` over all, `answered` (the share that is sure) and `accuracy_answered` among those."""
        rows = _rows(dataset, "heldout")[:limit]
        right = sure = right_sure = 0
        for text, label in rows:
            answer = specialist.run({"text": text})
            hit = answer["label"] == label
            right += hit
            sure += not answer["unsure"]
            right_sure += hit and not answer["unsure"]
        return {
            "accuracy": right / len(rows),
            "answered": sure / len(rows),
            "accuracy_answered": right_sure / sure if sure else 0.0,
            "rows": len(rows),
        }

    def golden(self, run: Path, dataset: Path, count: int) -> list[Json]:
        """Held-out texts first, then those of train; see `Student.golden`."""
        rows = _mixed(_rows(dataset, "heldout")) + _mixed(_rows(dataset, "train"))
        return [{"text": text} for text, _ in rows[:count]]


def load_config(run: Path) -> RouterConfig:
    """Read RUN/config.json; raises `DataError`."""
    try:
        raw = strict_json.loads_object((run / CONFIG).read_bytes(), CONFIG)
        features = Features(**raw.pop("features"))  # type: ignore[arg-type]
        labels: tuple[str, ...] = tuple(raw.pop("labels"))  # type: ignore[arg-type]
        return RouterConfig(labels=labels, features=features, **raw)  # type: ignore[arg-type]
    except (OSError, BadRequest, KeyError, TypeError):
        raise DataError(f"The {CONFIG} of run '{run.name}' is damaged; train again.") from None


def _save_config(run: Path, config: RouterConfig) -> None:
    write_atomic(run / CONFIG, strict_json.dumps(asdict(config)))


def _rows(dataset: Path, split: str) -> list[tuple[str, str]]:
    def pair(row: Row) -> tuple[str, str]:
        return str(row.input["text"]), str(row.output["label"])

    try:
        return [pair(row) for row in open_dataset(dataset).rows(split)]
    except KeyError as cause:
        raise DataError(f"The dataset has a row without {cause}; its task isn't router.") from None


def _mixed(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(rows, key=lambda row: hashlib.sha256(row[0].encode()).digest())


def _folds(rows: list[tuple[str, str]], seed: int) -> Tensor:
    """A fold for each row, every label spread evenly."""
    order = np.random.default_rng(seed).permutation(len(rows))
    met: dict[str, int] = {}
    fold = torch.zeros(len(rows), dtype=torch.int64)
    for position in order:
        label = rows[position][1]
        met[label] = met.get(label, -1) + 1
        fold[position] = met[label] % FOLDS
    return fold


def _steps(rows: int, models: int, seconds: float | None) -> int:
    wanted = min(max(MIN_STEPS, rows * 30 // Recipe(0).batch), MAX_STEPS)
    if seconds is None:
        return wanted
    allowed = int(seconds * STEPS_PER_SECOND / models)
    if allowed < MIN_STEPS // 3:
        raise DataError(
            f"A router can't be trained in {seconds:g} seconds; allow at least "
            f"{models * MIN_STEPS / 3 / STEPS_PER_SECOND:.0f}."
        )
    return min(wanted, allowed)


def _fit(
    config: RouterConfig,
    tokens: Tensor,
    wanted: Tensor,
    recipe: Recipe,
    seed: int,
    progress: Callable[[int, float], None],
) -> RouterNet:
    prepare(seed)
    used, rows = torch.unique(tokens, return_inverse=True)
    if used[0] != 0:  # no text is shorter than the model's length, so padding doesn't occur
        used, rows = torch.cat([torch.zeros(1, dtype=used.dtype), used]), rows + 1
    # Rare features tell more (inverse document frequency); the factor becomes part of the table below.
    present = torch.zeros(len(tokens), len(used)).scatter_(1, rows, 1.0).sum(0)
    rarity = torch.log(len(tokens) / present.clamp(min=1)).unsqueeze(1)
    model = _descend(RouterNet(config, len(used)), rows, wanted, rarity, recipe, seed, progress)
    whole = RouterNet(config, config.features.buckets + 1)
    with torch.no_grad():
        state = model.state_dict()
        small = state.pop("table.weight")
        # A bucket that no text of the training uses says nothing.
        large = torch.zeros_like(whole.table.weight)
        large[used.long()] = small * rarity
        whole.load_state_dict({**state, "table.weight": large})
    return whole.eval()


def _descend(
    model: RouterNet,
    rows: Tensor,
    wanted: Tensor,
    rarity: Tensor,
    recipe: Recipe,
    seed: int,
    progress: Callable[[int, float], None],
) -> RouterNet:
    """Train on `rows`, int64 [texts, length]: positions in the table of used features."""
    model.train()
    shuffle = torch.Generator().manual_seed(seed)
    table, *rest = model.parameters()
    groups: list[dict[str, object]] = [{"params": [table], "weight_decay": recipe.decay}, {"params": rest}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps)
    noisy = int(recipe.batch * recipe.noise)
    labels, last = model.out.out_features, len(rarity)
    undecided = torch.full((noisy, labels), 1.0 / labels)
    for step in range(recipe.steps):
        chosen = torch.randint(len(rows), (recipe.batch - noisy,), generator=shuffle)
        clean = rows[chosen]
        keep = torch.rand(clean.shape, generator=shuffle) >= recipe.drop
        random = torch.randint(1, last, (noisy, rows.shape[1]), generator=shuffle)
        # As many random features as real texts have, so that the count alone tells nothing.
        random = random * (clean[torch.arange(noisy) % len(clean)] != 0)
        logits = model.logits(torch.cat([clean * keep, random]), rarity)
        target = nn.functional.one_hot(wanted[chosen], labels).to(torch.float32)
        target = target * (1 - recipe.smoothing) + recipe.smoothing / labels
        loss = nn.functional.cross_entropy(logits, torch.cat([target, undecided]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 25 == 24 or step + 1 == recipe.steps:
            progress(step + 1, float(loss.detach()))
    return model


def _figures(
    model: RouterNet, found: Calibration, recipe: Recipe, rows: list[tuple[str, str]], dataset: Path
) -> dict[str, float]:
    heldout = _rows(dataset, "heldout")
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": recipe.steps,
        "temperature": round(found.temperature, 4),
        "unsure_below": found.threshold,
        "validation_accuracy": round(found.accuracy, 4),
        "validation_answered": round(found.coverage, 4),
        "validation_precision": round(found.precision, 4),
        "majority_baseline": round(majority_accuracy(rows, heldout), 4),
        "naive_bayes_baseline": round(naive_bayes_accuracy(rows, heldout), 4),
    }


STUDENT = RouterStudent()
