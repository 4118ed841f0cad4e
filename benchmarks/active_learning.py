"""How many labels does a router need to be as good as one of so many labels that were chosen by chance?

    python benchmarks/active_learning.py [--seeds 5] [--target 460] [--json FILE]

The texts are those of the built-in router, twelve labels; templates of the examined texts are in no training. Both begin with
the same 60 labels and get 40 more a round: by chance, or those that `enigma data unsure` chooses with the model's scores
and the known texts. The target is what chance reaches with --target labels, over the seeds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from edge_runtime.tasks.text import Features
from trainer_host.students import text_heads
from trainer_host.students.text_heads import SHORT, Recipe, Shape, encoded, train_heads
from trainer_host.tasks import task_spec
from trainer_host.training.uncertainty import doubt_of, most_useful

FIRST, BATCH, POOL, EXAMINED, STEPS = 60, 40, 2000, 900, 150
Pairs = list[tuple[str, str]]


def main() -> None:
    """Curves of both, and what is saved."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="default: 5")
    parser.add_argument("--target", type=int, default=460, help="labels by chance (default: 460)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    text_heads.CROSS_UP_TO = 0  # one model to calibrate on is enough here
    by_chance, chosen = [], []
    for seed in range(1, args.seeds + 1):
        pool, asked = texts(seed)
        by_chance.append(curve(pool, asked, seed, args.target, useful=False))
        chosen.append(curve(pool, asked, seed, args.target, useful=True))
        print(f"seed {seed}: {by_chance[-1]} {chosen[-1]}", flush=True)
    saved = [1 - needed(one, other[-1][1]) / args.target for one, other in zip(chosen, by_chance, strict=True)]
    goal = statistics.mean(one[-1][1] for one in by_chance)
    mean = [
        (one[0][0], statistics.mean(point[1] for point in one))
        for one in (list(points) for points in zip(*chosen, strict=True))
    ]
    made = {
        "accuracy by chance": goal,
        "accuracy chosen, same labels": statistics.mean(one[-1][1] for one in chosen),
        "saved, mean of the seeds": statistics.mean(saved),
        "saved, mean curve": 1 - needed(mean, goal) / args.target,
        **{f"saved, seed {seed}": one for seed, one in enumerate(saved, 1)},
    }
    for name, value in made.items():
        print(f"{name:32s} {value:.3f}")
    if args.json is not None:
        args.json.write_text(json.dumps(made, indent=1) + "\n")


def texts(seed: int) -> tuple[Pairs, Pairs]:
    """A pool, and texts of other templates to examine with."""
    spec, rng = task_spec("router"), random.Random(seed)
    rows: dict[str, tuple[str, str]] = {}
    while len(rows) < (POOL + EXAMINED) * 3 // 2:
        row = spec.built_in(rng)
        rows.setdefault(str(row.input["text"]), (str(row.output["label"]), str(spec.group(row))))
    groups = sorted({group for _, group in rows.values()})
    held = set(rng.sample(groups, len(groups) // 4))
    parts: tuple[Pairs, Pairs] = ([], [])
    for text, (label, group) in rows.items():
        parts[group in held].append((text, label))
    return parts[0][:POOL], parts[1][:EXAMINED]


def curve(pool: Pairs, asked: Pairs, seed: int, most: int, *, useful: bool) -> list[tuple[int, float]]:
    """(labels, accuracy) by rounds."""
    labels = sorted({label for _, label in pool + asked})
    features = Features()
    tokens, examined = encoded([text for text, _ in pool], features), encoded([text for text, _ in asked], features)
    truth = torch.tensor([labels.index(label) for _, label in pool])
    wanted = torch.tensor([labels.index(label) for _, label in asked])
    rng = np.random.default_rng(seed)
    known = [int(place) for place in rng.choice(len(pool), FIRST, replace=False)]
    points: list[tuple[int, float]] = []
    while True:
        model = train_heads(
            Shape((len(labels),), features),
            tokens[known],
            truth[known][:, None],
            [pool[place][1] for place in known],
            Recipe(STEPS, aside=SHORT),  # only the model is asked
            seed,
            lambda step, loss: None,
        ).model
        with torch.inference_mode():
            right = model(examined).argmax(1) == wanted
            points.append((len(known), round(float(right.float().mean()), 4)))
            if len(known) >= most:
                return points
            left = sorted(set(range(len(pool))) - set(known))
            scores: Sequence[Sequence[float]] = model(tokens[left]).tolist() if useful else []
        if useful:
            doubt = [doubt_of(max(one), one) for one in scores]
            places = most_useful([pool[at][0] for at in left], doubt, BATCH, [pool[at][0] for at in known])
        else:
            places = [int(place) for place in rng.choice(len(left), BATCH, replace=False)]
        known += [left[place] for place in places]


def needed(points: Sequence[tuple[int, float]], goal: float) -> float:
    """Labels until an accuracy is reached, straight between the rounds; the last ones where it never is."""
    for (fewer, worse), (more, better) in itertools.pairwise(points):
        if better >= goal:
            return fewer if worse >= goal else fewer + (more - fewer) * (goal - worse) / (better - worse)
    return points[-1][0]


if __name__ == "__main__":
    main()
