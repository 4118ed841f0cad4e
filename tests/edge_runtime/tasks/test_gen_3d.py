"""A prompt goes to the model without its measures, and what it writes is a body or one sentence that says why not."""

from __future__ import annotations

import importlib
import io
import random
from types import ModuleType

import pytest

pytest.importorskip("manifold3d")
trimesh = pytest.importorskip("trimesh")

from edge_runtime.errors import BadRequest, NotEquipped  # noqa: E402  (after the packages that may be missing)
from edge_runtime.media import Media, described  # noqa: E402
from edge_runtime.media.glb import GLB  # noqa: E402
from edge_runtime.tasks import gen_3d, task_module  # noqa: E402
from trainer_host.tasks import Example, task_spec  # noqa: E402

Json = dict[str, object]
TUBE: Json = {"prompt": "Make a tube, 40 mm outside and 3 cm inside in diameter, 50 mm long."}
WRITTEN = "cylinder α γ\ncylinder β 2γ mid γ/2\ndifference"


def test_the_task_is_known_by_its_name() -> None:
    assert task_module("3d_gen") is gen_3d
    assert {"model", "size", "problem"} <= set(gen_3d.RESPONSE_SCHEMA["required"])  # type: ignore[call-overload]


def test_measures_are_letters_for_the_model_and_millimetres_for_the_body() -> None:
    [said] = gen_3d.messages(TUBE)
    assert said["content"] == "make a tube , α mm outside and β mm inside in diameter , γ mm long ."
    got = gen_3d.answer(TUBE, WRITTEN)
    assert got["size"] == {"x": 40, "y": 40, "z": 50} and got["problem"] is None and got["unsure"] is False
    model = got["model"]
    assert isinstance(model, Media) and model.content_type == GLB
    mesh = trimesh.load(io.BytesIO(model.content), file_type="glb", force="mesh")
    assert mesh.is_watertight and mesh.euler_number == 0  # one hole
    assert mesh.extents.tolist() == pytest.approx([0.04, 0.05, 0.04], abs=1e-6)
    assert gen_3d.messages({"text": TUBE["prompt"]}) == [said]


def test_what_a_model_learns_to_write_makes_the_body_that_was_asked_for() -> None:
    spec = task_spec("3d_gen")
    for seed in range(8):
        example = spec.built_in(random.Random(seed))
        got = gen_3d.answer(example.input, gen_3d.reply(example.input, example.output))
        assert got["unsure"] is False and spec.score(example.output, got) == pytest.approx(1, abs=1e-3)
        spec.check(Example(example.input, {"program": got["program"], "shows": example.output["shows"]}))


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "This prompt wasn't understood; say what the body is, and its measures in mm."),
        ("cylinder α γ\ncylind", "This prompt wasn't understood; say what the body is, and its measures in mm."),
        ("box δ", "This prompt wasn't understood; say what the body is, and its measures in mm."),
        (
            "box β-α",
            "What the prompt seems to ask for can't be made: parts[0].size.x must be from 0.1 to 1000, not -10.",
        ),
        (
            "box α\nbox 2α mid 0\ndifference",
            "What the prompt seems to ask for can't be made: nothing is left of 'difference3'.",
        ),
        (
            "box α\nbox α at α α\nunion",
            "What the prompt seems to ask for can't be made: the surface isn't closed: parts touch in an edge or a "
            "point only; overlap them.",
        ),
    ],
)
def test_what_is_no_body_is_unsure_with_one_sentence(written: str, sentence: str) -> None:
    got = gen_3d.answer(TUBE, written)
    assert got == {"program": None, "model": None, "size": None, "problem": sentence, "unsure": True}


def test_a_body_that_leaves_out_a_measure_is_unsure() -> None:
    got = gen_3d.answer(TUBE, "cylinder α γ")
    assert isinstance(got["model"], Media) and got["unsure"] is True
    assert got["problem"] == "The prompt names 30, but nothing in this body follows from it."
    cube = {"prompt": "A box of 9 x 9 x 9 mm"}
    assert gen_3d.answer(cube, "box α")["unsure"] is False, "the others are equal"


def test_bad_prompts_are_refused_with_what_to_send() -> None:
    for request in ({}, {"prompt": " "}, {"prompt": 7}, {"prompt": "x" * 601}, {"prompt": "a box", "more": 1}):
        with pytest.raises(BadRequest):
            gen_3d.messages(request)
    with pytest.raises(BadRequest, match="program can't be read: the program must be an object"):
        gen_3d.reply(TUBE, {"program": 7})


def test_golden_answers_are_compared_by_their_programs() -> None:
    got = described(gen_3d.answer(TUBE, WRITTEN))
    assert isinstance(got, dict) and gen_3d.agrees(got, gen_3d.answer(TUBE, WRITTEN))
    assert not gen_3d.agrees(got, gen_3d.answer(TUBE, "cylinder α γ"))


def test_a_device_without_the_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(name: str, package: str | None = None) -> ModuleType:
        if name == "manifold3d":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(NotEquipped, match="Bodies need the package 'manifold3d'; install it"):
        gen_3d.answer(TUBE, WRITTEN)
