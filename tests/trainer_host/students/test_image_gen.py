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
from trainer_host.data.dataset import Row, seal, write_rows
from trainer_host.students import image_gen, student_of
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


def test_a_combo_can_learn_plans_of_pictures_and_films_but_no_captioned_pictures(tmp_path: Path) -> None:
    captioned = [Row({"prompt": "a red disc"}, {"picture": "abc.png"})]
    for number, (task, made) in enumerate(
        (("image_gen", rows("image_gen", 0, 2)), ("video_gen", rows("video_gen", 0, 2)), ("image_gen", captioned))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        for split in ("train", "heldout"):
            write_rows(folder / f"{split}.jsonl", made)
        dataset = seal(folder, name="data", task=task, teacher="person", seed=1, params={}, figures={})
        assert written_by_language(dataset) is (made is not captioned)
        assert student_of(dataset).family == ("graph" if made is captioned else "language")
