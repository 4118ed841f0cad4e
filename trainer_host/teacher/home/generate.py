"""The built-in teacher: writes a verified dataset of home commands, split by template and by home."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path

from edge_runtime.home.inventory import Home
from edge_runtime.home.lexicon import ACTIONS, KINDS, TAGS
from edge_runtime.home.parse import TokenLabels, clauses_of
from edge_runtime.home.resolve import Outcome, resolve
from edge_runtime.home.simulate import execute
from edge_runtime.home.words import tokenize
from trainer_host.teacher.home import homes
from trainer_host.teacher.home.grammar import Clause, GrammarDisagrees, Template, own_templates, their_templates
from trainer_host.teacher.home.noise import roughen
from trainer_host.teacher.home.phrases import CLOSINGS, JOINS, OPENINGS, PREAMBLES
from trainer_host.teacher.home.say import Scene, Unsayable, Word
from trainer_host.teacher.home.targets import switchable, target

MAX_TOKENS = 40  # the student's window; longer sentences are not taught
HELD_OUT_TEMPLATES = 0.1
HELD_OUT_SHARE = 0.1
EXAMPLES_PER_HOME = 40
# What a clause is made from where it has no template of its own.
_TERSE_NAME, _FOLLOW_UP, _PREAMBLE = "terse", "follow-up light", "preamble"
_BETWEEN = " + "  # of the templates of a sentence's clauses
_WITHOUT_OPENING = frozenset({"none", "query", "respond", "nevermind", "weather", "time", "date"})
_AFTERTHOUGHT = (
    "on",
    "off",
    "open",
    "close",
    "set",
    "up",
    "down",
    "lock",
    "unlock",
    "mute",
    "pause",
    "start",
    "dock",
    "next",
    "add",
    "cool",
)


@dataclass(frozen=True)
class Example:
    """One verified example: the sentence, its labels and what it causes."""

    text: str
    here: str | None
    home: int
    labels: dict[str, list[int]]
    calls: list[dict[str, object]]
    question: str | None
    template: str


def held_out(key: str) -> bool:
    """Whether a template belongs to the held-out side; by its own hash, so adding others moves nothing."""
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_TEMPLATES


@lru_cache(maxsize=2)
def _templates(side: bool) -> tuple[list[Template], list[float], list[Template], list[float]]:
    """Our templates and the package's, with the sums of their weights up to each."""
    own = [t for t in own_templates() if held_out(t.key) == side]
    theirs = [t for t in their_templates() if held_out(t.key) == side]
    return own, list(accumulate(t.weight for t in own)), theirs, list(accumulate(t.weight for t in theirs))


def templates_of(sentence: str) -> list[str]:
    """The templates that an `Example.template` names, in the order of its clauses; none for one without a verb."""
    names = sentence.split(_BETWEEN)
    return [name for name in names if name not in (_TERSE_NAME, _FOLLOW_UP) and not name.startswith(f"{_PREAMBLE} ")]


def label(clauses: list[Clause], names: Sequence[str] = ACTIONS) -> tuple[list[str], TokenLabels]:
    """Tokens and per-token labels of labelled clauses. names: of the actions that there are."""
    tokens: list[str] = []
    labels = TokenLabels([], [], [], [], [])
    for clause in clauses:
        open_slot = ""
        for i, word in enumerate(clause.words):
            tokens.append(word.text)
            labels.begins.append(i == 0)
            labels.actions.append(names.index(clause.action))
            tag = "O"
            if word.slot:
                tag = f"{'B' if word.begin or open_slot != word.slot else 'I'}-{word.slot}"
            labels.tags.append(TAGS.index(tag))
            labels.excluded.append(word.excluded)
            labels.kinds.append(KINDS.index(word.kind or clause.kind))
            open_slot = word.slot
    return tokens, labels


def _clause(scene: Scene, side: bool) -> Clause:
    own, own_weights, theirs, their_weights = _templates(side)
    if scene.rng.random() < 0.68:
        template = scene.rng.choices(own, cum_weights=own_weights)[0]
    else:
        template = scene.rng.choices(theirs, cum_weights=their_weights)[0]
    return template.say(scene)


def _sentence(scene: Scene, side: bool) -> list[Clause]:
    rng = scene.rng
    if not side and rng.random() < 0.05:
        return _terse(scene)
    first = _clause(scene, side)
    clauses = [first]
    joinable = first.action in _AFTERTHOUGHT and not first.ambiguous
    more = 0 if not joinable or rng.random() > 0.26 else 1 if rng.random() < 0.8 else 2
    for _ in range(more):
        if not side and first.ids and rng.random() < 0.15 and (follow := _follow_up(first, rng)):
            nxt = follow
        else:
            nxt = _clause(scene, side)
        if nxt.action not in _AFTERTHOUGHT or nxt.ambiguous:
            continue
        join = [Word(token) for token in tokenize(rng.choice(JOINS))]
        clauses.append(Clause(nxt.action, nxt.kind, [*join, *nxt.words], nxt.template, nxt.ids))
    if rng.random() < 0.06 and first.action not in _WITHOUT_OPENING:
        lead = tokenize(rng.choice(PREAMBLES) + rng.choice((",", ".", "", "", " so", "!", "?")))
        clauses.insert(0, Clause("none", "any", [Word(token) for token in lead], f"{_PREAMBLE} {side}"))
    elif rng.random() < 0.34 and first.action not in _WITHOUT_OPENING:
        first.words = [*(Word(token) for token in tokenize(rng.choice(OPENINGS))), *first.words]
    last = clauses[-1]
    if rng.random() < 0.2 and last.action not in ("play", "broadcast", "timer_start"):
        comma = [Word(",")] if rng.random() < 0.4 else []
        last.words = [*last.words, *comma, *(Word(token) for token in tokenize(rng.choice(CLOSINGS)))]
    if rng.random() < 0.25:
        mark = "?" if first.action in ("query", "temperature", "weather", "time", "date") else rng.choice("..!")
        last.words = [*last.words, Word(mark)]
    for clause in clauses:
        clause.words = roughen(clause.words, rng)
    return clauses


_TERSE = (
    ("on", "on"),
    ("off", "off"),
    ("open", "open"),
    ("close", "closed"),
    ("open", "up"),
    ("close", "down"),
)


def _terse(scene: Scene) -> list[Clause]:
    """ "hall light on, blinds down": states without verbs, in a row."""
    rng = scene.rng
    clauses: list[Clause] = []
    for i in range(rng.choice((2, 2, 2, 3))):
        action, word = rng.choice(_TERSE if rng.random() < 0.4 else _TERSE[:2])
        domains = switchable(scene) if action in ("on", "off") else ("cover",)
        said = target(scene, domains)
        if said.ambiguous or not said.ids:
            raise Unsayable
        kinds = [w.kind for w in said.words if w.slot in ("NAME", "KIND") and not w.excluded]
        words = [*said.words, Word(word)]
        if i == 0 and rng.random() < 0.3:
            words = [Word(rng.choice(("turn", "switch", "put"))), *words] if action in ("on", "off") else words
        if i:
            join = tokenize(rng.choice((",", ",", "and", ", and", "but", "then")))
            words = [*(Word(token) for token in join), *words]
        clauses.append(Clause(action, kinds[0] if kinds else "any", words, _TERSE_NAME, said.ids))
    for clause in clauses:
        clause.words = roughen(clause.words, rng)
    return clauses


def _follow_up(first: Clause, rng: random.Random) -> Clause | None:
    """ "... and dim it to 30 percent": a second clause about the first one's things."""
    it = Word(rng.choice(("it", "it", "them") if len(first.ids or []) < 2 else ("them",)), "PRON", begin=True)
    if first.kind == "light" and first.action in ("on", "set"):
        value = [Word(t, "VALUE", begin=i == 0) for i, t in enumerate(tokenize(f"{rng.randint(5, 95)}%"))]
        color = [Word(rng.choice(("red", "blue", "green", "orange", "purple")), "COLOR", begin=True)]
        words = rng.choice((
            [Word("dim"), it, Word("to"), *value], [Word("set"), it, Word("to"), *value], [Word("make"), it, *color],
            [Word("turn"), it, *color], [Word("set"), it, Word("to"), *color],
        ))  # fmt: skip
        return Clause("set", "light", list(words), _FOLLOW_UP, first.ids)
    return None


def make(scene: Scene, home: Home, number: int, side: bool, rejected: Counter[str]) -> Example | None:
    """Draw one sentence, label it, and keep it only if its label holds: the verification of the teacher."""
    try:
        clauses = _sentence(scene, side)
    except Unsayable:
        rejected["nothing to say"] += 1
        return None
    except GrammarDisagrees:
        rejected["recognizer disagrees"] += 1
        return None
    tokens, labels = label(clauses)
    if not 0 < len(tokens) <= MAX_TOKENS:
        rejected["too long"] += 1
        return None
    text = spell(tokens, scene.rng)
    if tokenize(text) != tokens:
        rejected["words change on reading"] += 1
        return None
    outcome = resolve(clauses_of(tokens, labels), home, scene.here.id if scene.here else None)
    reason = wrong(clauses, outcome, home)
    if reason:
        rejected[reason] += 1
        return None
    calls: list[dict[str, object]] = [
        {"name": c.name, "arguments": c.arguments, "targets": list(c.targets)} for c in outcome.calls
    ]
    table = {
        "begins": [int(b) for b in labels.begins], "actions": labels.actions, "tags": labels.tags,
        "excluded": [int(b) for b in labels.excluded], "kinds": labels.kinds,
    }  # fmt: skip
    return Example(
        text, scene.here.id if scene.here else None, number, table, calls, outcome.question,
        _BETWEEN.join(clause.template for clause in clauses),
    )  # fmt: skip


def wrong(clauses: list[Clause], outcome: Outcome, home: Home) -> str | None:
    """Why an example is refused: its calls are not what its grammar meant, or cannot be executed in its home."""
    meant: set[str] = set()
    known = True
    for clause in clauses:
        if clause.ids is None:
            known = known and clause.action in _WITHOUT_OPENING
        else:
            meant.update(clause.ids)
    if any(clause.ambiguous for clause in clauses):
        return None if outcome.question else "ambiguous, yet acts"
    acted = {target for call in outcome.calls for target in call.targets if call.name != "HassGetState"}
    if outcome.question and meant:
        return "means something, yet asks"
    if known and meant and not (acted <= meant and (acted == meant or _only_lit(clauses))):
        return "other targets than meant"
    try:
        execute(outcome.calls, home)
    except KeyError:
        return "not executable"
    return None


def _only_lit(clauses: list[Clause]) -> bool:
    return any(clause.action == "down" for clause in clauses)


def spell(tokens: list[str], rng: random.Random) -> str:
    """Tokens as a person would write them."""
    out = ""
    for i, token in enumerate(tokens):
        glue = i == 0 or token in (",", ".", "!", "?", ":", ";", "%", "°") or (out and out[-1] == "-") or token == "-"
        out += token if glue else f" {token}"
    if rng.random() < 0.4:
        out = out[:1].upper() + out[1:]
    return out


def batch(
    seed: int | str, wanted: int, side: bool, number: int, without: frozenset[str] = frozenset()
) -> tuple[dict[str, object], list[Example], Counter[str]]:
    """One home and its examples; a pure function of its arguments, so processes may share the work.

    without: templates that no clause may be made from.
    """
    rng = random.Random(f"{seed}/{side}/{number}")
    raw = homes.generate_home(rng)
    home = homes.read(raw)
    rejected: Counter[str] = Counter()
    examples: list[Example] = []
    seen: set[tuple[str, str | None]] = set()
    for _ in range(wanted * 12):
        if len(examples) == wanted:
            break
        here = rng.choice(home.areas) if rng.random() < 0.65 else None
        example = make(Scene(home, here, rng), home, number, side, rejected)
        if example is None:
            continue
        if not without.isdisjoint(templates_of(example.template)):
            rejected["template left out"] += 1
            continue
        key = (" ".join(tokenize(example.text)), example.here)
        if key in seen:
            rejected["duplicate"] += 1
            continue
        seen.add(key)
        examples.append(example)
    return raw, examples, rejected


def generate_home_dataset(
    folder: Path,
    *,
    examples: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
    processes: int = 2,
) -> dict[str, object]:
    """Write `homes.jsonl`, `train.jsonl`, `heldout.jsonl` into `folder` and return the figures.

    Train and held-out share no template and no home; duplicates (same words in the same home) are dropped.
    The bytes depend on `examples` and `seed` alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_held = round(examples * HELD_OUT_SHARE)
    sides = [(False, examples - n_held), (True, n_held)]
    rejected: Counter[str] = Counter()
    counts: dict[str, int] = {}
    templates: dict[bool, set[str]] = {False: set(), True: set()}
    actions: Counter[str] = Counter()
    texts: set[str] = set()
    done = number_of_homes = 0
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(processes, mp_context=context) as pool,
        (folder / "homes.jsonl").open("w") as homes_file,
    ):
        for side, total in sides:
            name = "heldout" if side else "train"
            batches = -(-total // EXAMPLES_PER_HOME)
            sizes = [min(EXAMPLES_PER_HOME, total - i * EXAMPLES_PER_HOME) for i in range(batches)]
            first = number_of_homes
            work = pool.map(partial(_one, seed, side, first), range(batches), sizes, chunksize=4)
            counts[name] = 0
            with (folder / f"{name}.jsonl").open("w") as rows:
                for raw, batch, refused in work:
                    homes_file.write(json.dumps({"id": number_of_homes, **raw}, ensure_ascii=False) + "\n")
                    number_of_homes += 1
                    rejected.update(refused)
                    for example in batch:
                        if side and example.text.lower() in texts:
                            rejected["in both splits"] += 1
                            continue
                        if not side:
                            texts.add(example.text.lower())
                        rows.write(json.dumps(row_of(example), ensure_ascii=False) + "\n")
                        counts[name] += 1
                        templates[side].update(example.template.split(_BETWEEN))
                        actions.update({ACTIONS[a] for a in example.labels["actions"]})
                    done += len(batch)
                    if on_progress:
                        on_progress(done, examples)
    return {
        "examples": sum(counts.values()), **counts, "homes": number_of_homes, "templates": len(templates[False]),
        "held_out_templates": len(templates[True]), "shared_templates": len(templates[False] & templates[True]),
        "rejected": dict(sorted(rejected.items())), "actions": dict(actions.most_common()),
    }  # fmt: skip


def _one(
    seed: int, side: bool, first: int, i: int, wanted: int
) -> tuple[dict[str, object], list[Example], Counter[str]]:
    return batch(seed, wanted, side, first + i)


def row_of(example: Example) -> dict:
    """As a dataset holds it."""
    context = {"area": example.here} if example.here else {}
    return {
        "input": {"text": example.text, "context": context, "home": example.home},
        "output": {"calls": example.calls, "question": example.question},
        "meta": {"labels": example.labels, "template": example.template},
    }
