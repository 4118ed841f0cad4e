"""Examines home specialists on sentences written by hand, beside what people have today."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edge_runtime.tasks import Specialist
from trainer_host.evaluation.exam import grade, load_exam, summary

# Sentences that the quickstart asks, with the area the speaker stands in.
QUICKSTART_SENTENCES: tuple[tuple[str, str | None], ...] = (
    ("turn off the light", "kitchen"),
    ("it's too dark in here", "living_room"),
    ("close the blinds in the bedroom and turn the tv off", None),
    ("set the bedside lamp to thirty percent", None),
    ("all lights off except the hall", None),
    ("could you lock the front door please", "hall"),
    ("we're out of oat milk", "kitchen"),
    ("send dusty home", None),
    ("open the blind", "bedroom"),
    ("is the kitchen light on?", "living_room"),
)


@dataclass(frozen=True)
class ExamReport:
    """Shares of right sentences, ours and those of Home Assistant's grammar on the same sentences; None of what there is none."""

    cases: int
    accuracy: float | None
    easy: float | None
    hard: float | None
    hassil_accuracy: float | None
    hassil_easy: float | None
    hassil_hard: float | None


def sample_home() -> dict[str, object]:
    """The home that `enigma quickstart` and `enigma ask` speak to when no other is given; a request's `inventory`."""
    text = resources.files(__package__).joinpath("sample_home.json").read_text(encoding="utf-8")
    found: dict[str, object] = json.loads(text)
    return found


def exam_folder() -> Path | None:
    """The hand-written held-out sentences; they are part of the source tree, not of an installed package."""
    folder = Path(__file__).resolve().parents[2] / "tests" / "exams" / "home_en"
    return folder if (folder / "cases.jsonl").is_file() else None


def exam_report(specialist: Specialist, folder: Path | None = None) -> ExamReport | None:
    """Examine a loaded `robot` specialist, and hassil, on the sentences of `folder` (default: the hand-written exam).

    None where the exam is absent. Raises `DataError` where the folder's sentences cannot be read.
    """
    folder = folder or exam_folder()
    if folder is None:
        return None
    from trainer_host.evaluation.hassil_baseline import Hassil

    cases, homes = load_exam(folder)
    ours, theirs = summary(grade(cases, homes, specialist.run)), summary(grade(cases, homes, Hassil().run))
    return ExamReport(
        len(cases), *map(ours.get, ("accuracy", "easy", "hard")), *map(theirs.get, ("accuracy", "easy", "hard"))
    )
