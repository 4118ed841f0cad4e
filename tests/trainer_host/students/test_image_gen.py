"""The student of pictures, trained small: it beats a look-up by far, and two precisions agree. That of films is alike."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import cast

from edge_runtime.engines.language import open_language_engine
from edge_runtime.media import described
from edge_runtime.tasks import task_module
from edge_runtime.tasks.dialogue import TextTask
from trainer_host.data.combos import written_by_language
from trainer_host.data.dataset import Row, seal
from trainer_host.students import image_gen, video_gen
from trainer_host.tasks import task_spec

Json = dict[str, object]
SETTINGS: Json = {"size": "nano", "context": 128, "epochs": 5}
MARGIN = 0.3


def rows(task: str, first: int, count: int) -> list[Row]:
    """Short prompts of the built-in teacher: what takes no minutes to learn."""
    spec = task_spec(task)
    made: list[Row] = []
    while len(made) < count:
        example = spec.built_in(random.Random(first))
        first += 1
        if len(cast(list[Json], example.output["shows"])) <= 4:
            made.append(Row(example.input, example.output))
    return made


def test_a_small_model_shows_more_of_what_was_asked_than_the_most_common_scene(tmp_path: Path) -> None:
    student, task, spec = image_gen.STUDENT, task_module("image_gen"), task_spec("image_gen")
    train, heldout = rows("image_gen", 0, 140), rows("image_gen", 10**6, 16)
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    run.mkdir()
    for name, part in (("train", train), ("heldout", heldout)):
        (data / f"{name}.jsonl").write_text("".join(f"{row.to_json()}\n" for row in part), encoding="utf-8")
    seal(data, name="data", task="image_gen", teacher="built-in", seed=1, params={}, figures={})
    student.train(data, run, seed=1, seconds=None, on_progress=lambda share, values: None, settings=SETTINGS)
    student.write_models(run, lambda share, what: None)
    golden = student.golden(run, data, 3)
    answers: list[list[Json]] = []
    scores: list[float] = []
    for precision in ("fp32", "int8"):
        engine = open_language_engine(run / f"model.{precision}.onnx")
        try:
            specialist = task.load(student._draft(run), run, cast(object, engine))  # type: ignore[arg-type]
            answers.append([cast(Json, described(specialist.run(request))) for request in golden])
            if precision == "int8":
                scores = [spec.score(row.output, specialist.run(row.input)) for row in heldout]
        finally:
            engine.close()
    assert all(task.agrees(expected, got) for expected, got in zip(*answers, strict=True))
    module = cast(TextTask, task)
    plans = [module.reply(row.input, row.output) for row in train]
    common = train[plans.index(Counter(plans).most_common(1)[0][0])].output
    baseline = sum(spec.score(row.output, common) for row in heldout) / len(heldout)
    assert sum(scores) / len(scores) > baseline + MARGIN


def test_a_combo_can_learn_pictures_and_films() -> None:
    assert written_by_language(image_gen.STUDENT.task) and written_by_language(video_gen.STUDENT.task)
