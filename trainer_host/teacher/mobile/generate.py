"""Writes a dataset of pack `robot-en`, each row verified by carrying it out in the map, split by template and by inventory."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.home.inventory import Home, parse_home
from edge_runtime.home.parse import clauses_of
from edge_runtime.home.resolve import Call
from edge_runtime.home.words import tokenize
from edge_runtime.mobile.errands import DOCK, World, execute, world
from edge_runtime.mobile.lexicon import ACTIONS, PACK
from edge_runtime.mobile.resolve import resolve
from trainer_host.teacher.home.generate import MAX_TOKENS, label, spell
from trainer_host.teacher.home.grammar import Clause
from trainer_host.teacher.home.noise import roughen
from trainer_host.teacher.home.say import Unsayable, Word
from trainer_host.teacher.mobile import inventory
from trainer_host.teacher.mobile.grammar import Scene, clause, remarks, sections, side
from trainer_host.teacher.mobile.rehearse import Rehearsal

Json = dict[str, object]
HELD_OUT_SHARE = 0.1
EACH = 30  # sentences of an inventory
_SHARES = {
    "go": 20,
    "follow": 8,
    "fetch": 22,
    "place": 10,
    "find": 10,
    "stop": 5,
    "patrol": 8,
    "dock": 7,
    "speed": 6,
    "none": 18,
}
_JOINED = (
    "go",
    "fetch",
    "place",
    "find",
    "patrol",
    "dock",
    "follow",
    "go",
    "fetch",
    "place",
)  # what comes after another order
_ALONE = frozenset({"none", "stop", "speed"})
_JOINS = ("then", "and then", ", then", "and", "and", ", and then", ". then", "after that", ", after that", "and after that",
          "and afterwards", ". after that", ", and", ".", ",", "once you are done ,", "finally")  # fmt: skip
_OPENINGS = ("please", "hey robot ,", "robot ,", "robot", "could you", "can you", "could you please", "would you", "would you please",
             "i want you to", "i'd like you to", "you should", "ok ,", "now", "hi robot , please", "okay robot", "hello robot ,", "just",
             "first", "you can", "will you", "you have to", "go ahead and", "be so kind and", "you must", "next ,")  # fmt: skip
_CLOSINGS = (
    "please",
    "now",
    "robot",
    "thanks",
    "thank you",
    "for me",
    "right away",
    "would you",
    "when you can",
    "if you can",
)
_REMARKS = 0.4  # of sentences that mean nothing, those that the home's teacher has
_HERE = 0.6  # share of speakers whose place is known


@dataclass(frozen=True)
class Row:
    """A verified sentence."""

    text: str
    here: str | None
    labels: dict[str, list[int]]
    calls: list[Json]
    question: str | None
    templates: tuple[str, ...]
    visits: int


def make(
    raw: Json,
    home: Home,
    here: str | None,
    held_out: bool,
    rng: random.Random,
    bridge: Rehearsal,
    refused: Counter[str],
) -> Row | None:
    """One sentence, kept only if the robot ends where its meaning says, by the bridge's own planner."""
    try:
        clauses, wanted = _sentence(Scene(home, home.area(here), rng), held_out)
    except Unsayable:
        refused["nothing to say"] += 1
        return None
    tokens, labels = label(clauses, ACTIONS)
    text = spell(tokens, rng)
    if not 0 < len(tokens) <= MAX_TOKENS or tokenize(text) != tokens:
        refused["too long, or words change on reading"] += 1
        return None
    outcome = resolve(clauses_of(tokens, labels, ACTIONS), home, here)
    begun = str(raw["robot"])
    reason, visits = None, 0
    if wanted is None:
        reason = None if outcome.question else "in doubt, yet acts"
    elif outcome.question:
        reason = "means something, yet asks"
    else:
        meant, got = world(home, begun, here), world(home, begun, here)
        execute(wanted, meant, home)
        execute(outcome.calls, got, home)
        visits = len(got.visits)
        reason = "other end than meant" if meant.end() != got.end() else _drives(raw, begun, got, bridge)
    if reason:
        refused[reason] += 1
        return None
    calls: list[Json] = [{"name": c.name, "arguments": c.arguments, "targets": list(c.targets)} for c in outcome.calls]
    table = {
        "begins": [int(b) for b in labels.begins], "actions": labels.actions, "tags": labels.tags,
        "excluded": [int(b) for b in labels.excluded], "kinds": labels.kinds,
    }  # fmt: skip
    return Row(text, here, table, calls, outcome.question, tuple(c.template for c in clauses if c.template), visits)


def _drives(raw: Json, begun: str, got: World, bridge: Rehearsal) -> str | None:
    """Why the bridge doesn't take the robot where it should end; None: it does."""
    areas = raw["areas"]
    assert isinstance(areas, list)
    spots = {str(area["id"]): (float(area["at"][0]), float(area["at"][1])) for area in areas}
    spots[DOCK] = inventory.DOCK
    if not got.visits:
        return None
    ends = bridge.drive(spots[begun], [spots[place] for place in got.visits])
    if isinstance(ends, str):
        return "refused by the bridge"
    return None if ends == [spots[place] for place in got.visits] and ends[-1] == spots[got.at] else "ends elsewhere"


def _sentence(scene: Scene, held_out: bool) -> tuple[list[Clause], list[Call] | None]:
    """Clauses, and the orders that they mean; None: a question must come back."""
    rng = scene.rng
    action = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
    parts = [_clause(action, scene, held_out)]
    if action not in _ALONE or (
        action == "none" and parts[0][0].words[0].text in ("don't", "do", "no", "nope") and rng.random() < 0.5
    ):
        more = 0 if rng.random() < 0.55 else 1 if rng.random() < 0.7 else 2
        for _ in range(more if action != "none" else 1):
            made, call = _clause(rng.choice(_JOINED), scene, held_out)
            made.words = [*_literal(rng.choice(_JOINS if action != "none" else (",", ". ", "but"))), *made.words]
            parts.append((made, call))
    clauses = [made for made, _ in parts]
    if action != "none" and rng.random() < 0.4:
        clauses[0].words = [*_literal(rng.choice(_OPENINGS)), *clauses[0].words]
    if action != "none" and rng.random() < 0.15:
        clauses[-1].words = [*clauses[-1].words, *_literal(rng.choice(("", "", ","))), *_literal(rng.choice(_CLOSINGS))]
    if rng.random() < 0.25:
        clauses[-1].words = [*clauses[-1].words, Word(rng.choice("..!"))]
    for made in clauses:
        made.words = roughen(made.words, rng)
    wanted: list[Call] | None = []
    for _, call in parts:
        wanted = None if wanted is None or call is None else [*wanted, *call]
    return clauses, wanted


def _clause(action: str, scene: Scene, held_out: bool) -> tuple[Clause, list[Call] | None]:
    known = remarks() if action == "none" and scene.rng.random() < _REMARKS else sections()[action]
    templates = side(known, held_out) or list(known)
    return clause(action, scene.rng.choice(templates), scene)


def _literal(text: str) -> list[Word]:
    return [Word(token) for token in tokenize(text)]


def generate(folder: Path, *, examples: int, seed: int, on_progress: Callable[[int, int], None] | None = None) -> Json:
    """Write `homes.jsonl`, `train.jsonl` and `heldout.jsonl` into `folder` and return the figures.

    Train and held-out share no inventory, and no template but of actions of which none is on the held-out side. The bytes
    depend on `examples` and `seed` alone. Raises `DataError` where the bridge can't be started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = round(examples * HELD_OUT_SHARE)
    refused: Counter[str] = Counter()
    orders: Counter[str] = Counter()
    counts: dict[str, int] = {}
    texts: set[str] = set()
    number = done = drives = 0
    with Rehearsal() as bridge, (folder / "homes.jsonl").open("w", encoding="utf-8") as homes:
        for name, total, held_out in (("train", examples - held, False), ("heldout", held, True)):
            rng = random.Random(f"{PACK} {seed} {name}")
            counts[name] = 0
            with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                while counts[name] < total:
                    raw = inventory.draw(rng)
                    homes.write(json.dumps({"id": number, **raw}) + "\n")
                    for row in _rows(raw, min(EACH, total - counts[name]), held_out, rng, bridge, refused):
                        if row.text.lower() in texts:
                            refused["said already"] += 1
                            continue
                        texts.add(row.text.lower())
                        file.write(json.dumps(_plain(row, number)) + "\n")
                        counts[name] += 1
                        orders.update(str(call["name"]) for call in row.calls)
                        drives += row.visits
                    number += 1
                    if on_progress:
                        on_progress(done + counts[name], examples)
            done += counts[name]
    return {
        "examples": sum(counts.values()), **counts, "homes": number, "driven": drives,
        "rejected": dict(sorted(refused.items())), "orders": dict(orders.most_common()),
    }  # fmt: skip


def _rows(
    raw: Json, wanted: int, held_out: bool, rng: random.Random, bridge: Rehearsal, refused: Counter[str]
) -> Sequence[Row]:
    home = parse_home(raw)
    made = []
    for _ in range(wanted):
        here = rng.choice(home.areas).id if rng.random() < _HERE else None
        if row := make(raw, home, here, held_out, rng, bridge, refused):
            made.append(row)
    return made


def _plain(row: Row, home: int) -> Json:
    return {
        "input": {"text": row.text, "context": {"area": row.here} if row.here else {}, "home": home},
        "output": {"calls": row.calls, "question": row.question},
        "meta": {"labels": row.labels, "pack": PACK, "rules": list(row.templates)},
    }
