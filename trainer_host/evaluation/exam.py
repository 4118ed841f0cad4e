"""Scores a home specialist by the state changes that its calls cause, on sentences written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.home.inventory import Home, parse_home
from edge_runtime.home.resolve import Call
from edge_runtime.home.simulate import Change, execute
from edge_runtime.home.words import tokenize
from trainer_host.errors import DataError

Answer = Callable[[dict[str, object]], dict[str, object]]
_STEPS = {
    "brightness": "brightness",
    "percentage": "percentage",
    "temperature": "temperature",
    "position": "current_position",
}


@dataclass(frozen=True)
class Case:
    """A sentence in a home, and the state changes that should follow; `level` is "easy" or "hard"."""

    number: int
    text: str
    here: str | None
    home: str
    expect: dict[str, Change]
    unsure: bool
    level: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    case: Case
    right: bool
    got: dict[str, Change]
    answer: dict[str, object]


def load_exam(folder: Path) -> tuple[list[Case], dict[str, dict[str, object]]]:
    """Cases of `folder/cases.jsonl` and the inventories of `folder/homes/*.json` by name.

    Raises:
        DataError: the folder has no such files, or a line of them is wrong; the text says which.
    """
    if not (folder / "cases.jsonl").is_file() or not (folder / "homes").is_dir():
        raise DataError(
            f"{folder} has no cases.jsonl and homes/; docs/home-specialist.md says what an exam looks like."
        )
    inventories = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "homes").glob("*.json"))
    }
    cases = []
    for number, line in enumerate((folder / "cases.jsonl").read_text(encoding="utf-8").splitlines()):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            case = Case(
                number=number,
                text=raw["text"],
                here=raw.get("area"),
                home=raw["home"],
                expect=raw["expect"],
                unsure=bool(raw.get("unsure")),
                level=raw.get("level", "hard"),
                tags=tuple(raw.get("tags", ())),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise DataError(f"{folder / 'cases.jsonl'}, line {number + 1} is not a case ({cause}).") from None
        if case.home not in inventories:
            raise DataError(f"{folder / 'cases.jsonl'}, line {number + 1} names a home without a file: {case.home}.")
        cases.append(case)
    return cases, inventories


def grade(cases: list[Case], inventories: dict[str, dict[str, object]], answer: Answer) -> list[Verdict]:
    """Ask every sentence and compare the state changes that the answer's calls cause with the expected ones."""
    homes = {name: parse_home(inventory) for name, inventory in inventories.items()}
    verdicts = []
    for case in cases:
        request: dict[str, object] = {"text": case.text, "inventory": inventories[case.home]}
        if case.here:
            request["context"] = {"area": case.here}
        reply = answer(request)
        raw = reply.get("calls")
        calls = [
            Call(str(c["name"]), dict(c["arguments"]), tuple(c["targets"]))
            for c in (raw if isinstance(raw, list) else [])
        ]
        got = execute(calls, homes[case.home])
        verdicts.append(Verdict(case, same_changes(case.expect, got, homes[case.home]), got, reply))
    return verdicts


def same_changes(expect: dict[str, Change], got: dict[str, Change], home: Home) -> bool:
    """Equal changes; a relative wish ("a bit brighter") holds when the value moved that way."""
    entities = {entity.id: entity for entity in home.entities}
    if set(expect) != set(got):
        return False
    for target, want in expect.items():
        have = dict(got[target])
        entity = entities[target]
        for key, value in want.items():
            if key.endswith("_step") and key != "volume_step":
                base = key.removesuffix("_step")
                before = entity.number(_STEPS[base]) or 0.0
                if base == "brightness":
                    before = before / 255 * 100
                now = have.pop(base, None)
                if not isinstance(now, int | float):
                    if not (
                        base in ("brightness", "position", "percentage")
                        and have.get("state") in ("on", "open", "closed")
                    ):
                        return False
                    now = {"on": 100.0, "open": 100.0, "closed": 0.0}[str(have.get("state"))]
                if (now > before) != (value == "up") or now == before:
                    return False
                have.pop("state", None)
            elif key == "volume_step":
                step = have.pop(key, None)
                volume = have.pop("volume", None)
                before = (entity.number("volume_level") or 0.0) * 100
                if isinstance(step, int | float):
                    step = "up" if step > 0 else "down"
                if isinstance(volume, int | float):
                    step = "up" if volume > before else "down"
                if step != value:
                    return False
            elif key == "volume" and "volume" not in have and isinstance(have.get("volume_step"), int | float):
                step = have.pop("volume_step")
                before = (entity.number("volume_level") or 0.0) * 100
                if not isinstance(value, int | float) or abs(before + float(str(step)) - value) > 1:
                    return False
            elif key in ("added", "completed", "removed"):
                if sorted(map(_plain, _list(value))) != sorted(map(_plain, _list(have.pop(key, None)))):
                    return False
            elif key == "play":
                if not set(_plain(value).split()) & set(_plain(have.pop(key, "")).split()):
                    return False
            elif key in have:
                mine = have.pop(key)
                numeric = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (mine, value))
                if numeric and abs(float(str(mine)) - float(str(value))) > (100 if key == "color_temp" else 1):
                    return False
                if not numeric and str(mine) != str(value):
                    return False
            else:
                return False
        have.pop("state", None) if "state" not in want and set(want) - {"muted"} else None
        if have:
            return False
    return True


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _plain(value: object) -> str:
    return " ".join(word for word in tokenize(str(value)) if word not in ("the", "a", "an", "some", "my", "-"))


def summary(verdicts: list[Verdict]) -> dict[str, float]:
    """Shares of right answers: over all, over the easy and over the hard half; see `shares`."""
    return {
        "cases": len(verdicts),
        **shares(
            accuracy=[v.right for v in verdicts],
            easy=[v.right for v in verdicts if v.case.level == "easy"],
            hard=[v.right for v in verdicts if v.case.level != "easy"],
        ),
    }


def shares(**right: list[bool]) -> dict[str, float]:
    """The share of each list that is right, to four digits; what an exam has no sentences of is left out."""
    return {name: round(sum(found) / len(found), 4) for name, found in right.items() if found}


def percent(share: object) -> str:
    """A share as a table shows it; "none" where an exam has no such sentences."""
    return f"{share * 100:.1f} %" if isinstance(share, int | float) else "none"
