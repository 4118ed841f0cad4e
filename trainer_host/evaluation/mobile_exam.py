"""Scores a specialist of pack `robot-en` by its orders, on sentences written by hand, beside keyword matching."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.home.inventory import parse_home
from edge_runtime.mobile.lexicon import SPEEDS
from trainer_host.errors import DataError
from trainer_host.evaluation.exam import shares

Json = dict[str, object]
Answer = Callable[[Json], Json]


@dataclass(frozen=True)
class Case:
    """A sentence and the orders that it means, in order; `asks`: that a question must come back instead."""

    request: Json
    calls: list[Json]
    asks: bool
    easy: bool


def exam_folder() -> Path | None:
    """The project's own sentences; part of the source tree, not of an installed package."""
    folder = Path(__file__).resolve().parents[2] / "tests" / "exams" / "robot_en"
    return folder if (folder / "cases.jsonl").is_file() else None


def load(folder: Path) -> list[Case]:
    """`folder/cases.jsonl` with the inventories of `folder/homes/*.json`. Raises `DataError` for what is no such exam."""
    try:
        homes = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (folder / "homes").glob("*.json")}
        lines = (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines()
        cases = []
        for line in filter(str.strip, lines):
            raw = json.loads(line)
            request: Json = {"text": raw["text"], "inventory": homes[raw["home"]]}
            if raw.get("area"):
                request["context"] = {"area": raw["area"]}
            cases.append(Case(request, list(raw["calls"]), bool(raw.get("asks")), raw.get("level") == "easy"))
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise DataError(
            f"{folder} is no exam of robot-en ({cause}); docs/robot-specialist.md says what one looks like."
        ) from None
    return cases


def right(case: Case, answer: Json) -> bool:
    """Whether exactly the orders that were meant come back in their order, or a question where one must."""
    asks = bool(answer.get("question"))
    if case.asks:
        return asks and not answer.get("calls")
    return not (asks and case.calls) and answer.get("calls") == case.calls


def grade(cases: list[Case], answer: Answer) -> dict[str, float]:
    """Shares of right sentences, and of sentences that move a robot though they must not; see `shares`."""
    answers = [answer(case.request) for case in cases]
    found = [right(case, said) for case, said in zip(cases, answers, strict=True)]
    still = [bool(said.get("calls")) for case, said in zip(cases, answers, strict=True) if not case.calls]
    return {
        "cases": float(len(cases)),
        **shares(
            accuracy=found,
            easy=[ok for ok, case in zip(found, cases, strict=True) if case.easy],
            hard=[ok for ok, case in zip(found, cases, strict=True) if not case.easy],
            moved_wrongly=still,
        ),
    }


_CUTS = re.compile(r"\s*(?:,|\.|;|!|\?)?\s*\b(?:and then|then|after that|and)\b\s*|[,.;!?]\s*")
_VERBS = (
    ("stop", ("stop", "halt", "freeze", "cancel")), ("dock", ("dock", "charge", "charging", "go home")),
    ("patrol", ("patrol", "tour", "rounds")), ("follow", ("follow",)), ("find", ("find", "look for", "search")),
    ("place", ("put", "place", "drop")), ("fetch", ("bring", "fetch", "get", "take", "carry", "grab", "deliver", "pick up")),
    ("go", ("go", "drive", "come", "head", "move", "visit", "return")),
)  # fmt: skip
_ORDER = {"go": "go_to", "stop": "stop", "dock": "dock", "patrol": "patrol", "follow": "follow", "find": "find", "place": "place",
          "fetch": "fetch"}  # fmt: skip


def keywords(request: Json) -> Json:
    """What one writes in an afternoon: a table of verbs, names sought in the text, cut at "then" and "and"."""
    home = parse_home(request["inventory"])
    context = request.get("context")
    here = context.get("area") if isinstance(context, dict) else None
    calls: list[Json] = []
    thing: str | None = None
    text = str(request["text"]).lower()
    if re.search(r"\b(don't|do not|never)\b", text) or text.rstrip().endswith("?"):
        return {"calls": [], "question": None}
    for part in _CUTS.split(text):
        said = f" {part or ''} "
        action = next((name for name, words in _VERBS if any(f" {word} " in said for word in words)), None)
        met = sorted((said.find(area.name.lower()), area.id) for area in home.areas if area.name.lower() in said)
        areas = [area for _, area in met]
        named = [e.id for e in home.entities if any(name.lower() in said for name in (e.name, *e.aliases))]
        thing = named[0] if named else thing
        speed = next((name for name, words in SPEEDS.items() if words & set(said.split())), None)
        arguments: Json = {"speed": speed} if speed else {}
        if action is None:
            if speed and not areas:
                calls.append({"name": "set_speed", "arguments": arguments, "targets": []})
            elif areas and calls and calls[-1]["name"] == "patrol":
                calls[-1]["targets"] = [*calls[-1]["targets"], *areas]  # type: ignore[misc]
            continue
        goal = areas[-1] if areas else here
        targets: list[str] = []
        if action == "go":
            if goal is None:
                return {"calls": [], "question": "Where to?"}
            targets = [str(goal)]
        elif action == "patrol":
            targets = areas or [area.id for area in home.areas]
        elif action == "follow":
            targets = named[:1]
        elif action in ("fetch", "place", "find"):
            if thing is None:
                return {"calls": [], "question": "What?"}
            targets = [thing]
            source = next(
                (
                    a.id
                    for a in home.areas
                    if f" from the {a.name.lower()} " in said or f" from {a.name.lower()} " in said
                ),
                None,
            )
            if action == "find" and areas:
                arguments["in"] = areas[0]
            if action == "fetch" and source:
                arguments["from"] = source
                goal = next((place for place in reversed(areas) if place != source), here)
            if (action == "fetch" and goal) or (action == "place" and areas):
                arguments["to"] = goal
        calls.append({"name": _ORDER[action], "arguments": arguments, "targets": targets})
    return {"calls": calls, "question": None}
