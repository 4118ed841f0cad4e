"""What a robot's confidence is worth, found on sentences of templates that it didn't learn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from edge_runtime.home.spelling import Spelling
from edge_runtime.tasks.robot import HEADS, PACKS, Robot
from trainer_host.students.robot_data import comparable, request_of
from trainer_host.students.robot_practice import named_templates
from trainer_host.tasks.phrases import TEMPLATE
from trainer_host.teacher.home.generate import EXAMPLES_PER_HOME, batch, held_out, row_of
from trainer_host.teacher.home.grammar import own_templates, their_templates
from trainer_host.training.calibration import platt_of

if TYPE_CHECKING:
    from edge_runtime.engines import Engine
    from trainer_host.students.robot_model import RobotNet

# Of what is learnt that is kept aside where the teacher has nothing else: by its own hash, the same each time.
SHARE = 0.04
MOST = 600  # sentences
ENOUGH = 100  # templates that the teacher holds out and that examine nothing: with as many, all rows are learnt
_ASIDE = "kept aside"
# Of another pack's rules and homes, what a second robot doesn't learn that is asked instead of the first, see `folded`.
FOLD = 0.2
LEAST = 100  # sentences of those, else nothing is found
_HOMES = 60  # looked for sentences in, each by a few hundred draws
Rows = list[dict]


def kept_aside(
    rows: Rows, examined: Iterable[dict], homes: Mapping[int, dict], seed: int
) -> tuple[Rows, Rows, dict[int, dict]]:
    """(what is learnt, what tells how sure the robot may be, and the homes of both by number).

    For rows of the home grammar those are sentences in new homes, of templates that are neither learnt nor `examined`: with
    words and names that it knows, a robot is right more often than with a person's. They come from the grammar's held-out
    side, and where too little of that is left, some templates aren't learnt. Rows of others are kept aside themselves;
    none of another pack, which has so few templates that an action might not be learnt, see `folded`.
    """
    if any("pack" in row.get("meta", {}) for row in rows):
        return rows, [], dict(homes)
    learnt, aside = parted(rows)
    if not any(TEMPLATE in row.get("meta", {}) for row in rows):
        return learnt, aside, dict(homes)
    every = {template.key for template in (*own_templates(), *their_templates())}
    named = {name for row in examined for name in named_templates(row.get("meta", {}))}
    known = {name for row in rows for name in named_templates(row.get("meta", {}))}
    free = {name for name in every if held_out(name)} - named - known
    side = len(free) >= ENOUGH
    if side:
        learnt = rows
    else:
        free = {name for name in every if _is_aside(name) and not held_out(name)} - named
    found, made = dict(homes), []
    first = max(homes, default=-1) + 1
    for number in range(first, first + _HOMES):
        home, examples, _ = batch(f"doubt {seed}", EXAMPLES_PER_HOME, side, number, frozenset(every - free))
        found[number] = home
        # What is made of no template, a row of states, is as it is learnt.
        made += [row for row in map(row_of, examples) if named_templates(row["meta"])]
        if len(made) >= MOST:
            break
    return learnt, made[:MOST], found


def folded(rows: Rows) -> tuple[Rows, Rows]:
    """(what a second robot learns, what tells by it how sure the first may be, `MOST` at most), for rows of a pack that has rules.

    The second part is in homes and by rules that the first has nothing of, as a person's sentences are. Both are empty where
    too little of that is there. Nothing is withheld from the robot itself.
    """

    def new(name: str) -> bool:
        return _hashed(name) < FOLD

    learnt: Rows = []
    aside: Rows = []
    for row in rows:
        rules = row.get("meta", {}).get("rules")
        if not rules:
            continue
        far, unlike = new(f"home {row['input']['home']}"), any(new(f"rule {rule}") for rule in rules)
        if far and unlike:
            aside.append(row)
        elif not far and not unlike:
            learnt.append(row)
    return (learnt, aside[:: max(1, len(aside) // MOST)][:MOST]) if len(aside) >= LEAST else ([], [])


def parted(rows: Rows) -> tuple[Rows, Rows]:
    """(what is learnt, what isn't): whole templates fall on one side, and so do equal sentences of a person's rows."""
    learnt: Rows = []
    aside: Rows = []
    for row in rows:
        names = named_templates(row.get("meta", {})) or [str(row["input"]["text"]).lower()]
        (aside if any(map(_is_aside, names)) else learnt).append(row)
    return learnt, aside


def platt(net: RobotNet, aside: Rows, homes: Mapping[int, dict], vocabulary: Sequence[str]) -> list[float] | None:
    """Scale and shift of the log-odds of its confidence, by at most `MOST` of these rows, None where there are none."""
    rows = aside[:MOST]
    if not rows:
        return None
    net.eval()
    table = {word: row for row, word in enumerate(vocabulary)}
    spelling = Spelling("".join(f"{word}\n" for word in vocabulary).encode())
    robot = Robot(cast("Engine", _Net(net)), table, 0.0, spelling, PACKS[net.config.pack])
    confidence, right = [], []
    for row in rows:
        answer = robot.run(request_of(row, dict(homes)))
        confidence.append(cast(float, answer["confidence"]))
        right.append(comparable(answer["calls"]) == comparable(row["output"]["calls"]))
    return list(platt_of(np.array(confidence), np.array(right)))


def _is_aside(name: str) -> bool:
    return _hashed(f"{_ASIDE} {name}") < SHARE


def _hashed(name: str) -> float:
    """From 0 to 1, evenly, the same each time."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


class _Net:
    """The network as a device's engine."""

    def __init__(self, net: RobotNet) -> None:
        self._net = net

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Engine`."""
        import torch

        with torch.no_grad():
            made = self._net(*(torch.from_numpy(inputs[name]) for name in ("words", "ngrams", "features")))
        return {head: rows.numpy() for head, rows in zip(HEADS, made, strict=True)}
