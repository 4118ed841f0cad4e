"""A small model learns to write music over the names in a prompt: with others than it saw, it sounds as was asked."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edge_runtime.engines.language import open_language_engine
from edge_runtime.media.notes import write_notes
from edge_runtime.tasks import task_module
from trainer_host.data.dataset import Row, seal, write_rows
from trainer_host.media.music_facts import EndsOn
from trainer_host.media.music_sampler import sample
from trainer_host.media.sound_facts import write_fact
from trainer_host.media.sound_phrases import music
from trainer_host.students.audio_gen import STUDENT, shares
from trainer_host.tasks import task_spec

KINDS = ("arpeggio",)
TRAIN, HELD_OUT = 100, 16


def rows(count: int, seed: int) -> list[Row]:
    rng = random.Random(seed)
    made: list[Row] = []
    while len(made) < count:
        one = sample(rng)
        if one.kind in KINDS:
            program = {"kind": "music", "notes": write_notes(one.notes)}
            shows = [write_fact(fact) for fact in one.facts]
            made.append(Row({"prompt": one.request}, {"program": program, "shows": shows}, {}))
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    write_rows(folder / "train.jsonl", rows(TRAIN, 1))
    write_rows(folder / "heldout.jsonl", rows(HELD_OUT, 2))
    seal(folder, name="sounds", task="audio_gen", teacher="built-in", seed=1, params={}, figures={})
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    settings = {"size": "nano", "epochs": 12.0, "rows": 2}
    STUDENT.train(data, folder, seed=1, seconds=None, on_progress=lambda share, figures: None, settings=settings)
    STUDENT.write_models(folder, lambda share, what: None)
    return folder


def test_sounds_with_new_notes_are_right_where_those_of_the_nearest_prompt_are_not(run: Path, data: Path) -> None:
    module, draft = task_module("audio_gen"), STUDENT._draft(run)
    int8, fp32 = (open_language_engine(run / f"model.{precision}.onnx") for precision in ("int8", "fp32"))
    try:
        specialist, other = module.load(draft, run, int8), module.load(draft, run, fp32)  # type: ignore[arg-type]
        found = STUDENT.evaluate(run, data, specialist, None)
        golden = STUDENT.golden(run, data, 3)
        answers = [(specialist.run(request), other.run(request)) for request in golden]
    finally:
        int8.close()
        fp32.close()
    spec = task_spec("audio_gen", {"kinds": ["music"]})
    train, held = rows(TRAIN, 1), rows(HELD_OUT, 2)

    def words(row: Row) -> set[str]:
        return set(str(row.input["prompt"]).split())

    nearest = [max(train, key=lambda known, row=row: len(words(known) & words(row))) for row in held]  # type: ignore[misc]
    baseline = sum(spec.score(row.output, known.output) for row, known in zip(held, nearest, strict=True)) / len(held)
    assert found["notes"] >= 0.75 > shares(held, [known.output for known in nearest])["notes"] + 0.5
    assert found["accuracy"] >= baseline + 0.05
    assert found["readable"] == 1 and found["music"] == found["as_asked"]
    assert len(golden) == 3 and all(one["program"] and module.agrees(one, two) for one, two in answers)


def test_what_is_wrong_is_counted_apart() -> None:
    """The right notes, one of them another, and none at all."""
    [asked] = rows(1, 3)
    program = asked.output["program"]
    assert isinstance(program, dict)
    other = {**program, "notes": [{**program["notes"][0], "pitch": "C2"}, *program["notes"][1:]]}
    found = shares([asked] * 3, [{"program": program}, {"program": other}, {"program": None}])
    assert found["readable"] == pytest.approx(2 / 3)
    assert found["as_asked"] == found["music"] == found["notes"] == pytest.approx(1 / 3)


def test_a_melody_that_may_go_any_way_says_nothing_of_right_notes() -> None:
    rng = random.Random(4)
    made = [one for one in (music(rng) for _ in range(120)) if not any(type(f) is EndsOn for f in one.facts)]
    for kind, judged in (("melody", False), ("scale", True), ("beat", True), ("tune", True), ("chords", True)):
        some = [one for one in made if one.kind == kind][:3]
        rows_ = [
            Row(
                {"prompt": one.request},
                {
                    "program": {"kind": "music", "notes": write_notes(one.notes)},
                    "shows": [write_fact(fact) for fact in one.facts],
                },
            )
            for one in some
        ]
        assert some and ("notes" in shares(rows_, [row.output for row in rows_])) is judged, kind
