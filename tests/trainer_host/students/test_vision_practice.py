"""A classifier of drawn shapes practises with more of them, and never with what it is examined in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.trainer_host.conftest import nothing
from trainer_host.data.dataset import Dataset
from trainer_host.students import vision, vision_fit
from trainer_host.students.vision_data import Pictures, load_pictures, seen_rows
from trainer_host.students.vision_net import ClassifierNet, Shape, look_for_edges
from trainer_host.students.vision_practice import drawn_around, joined
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.determinism import prepare
from trainer_host.training.run import train_run
from trainer_host.workspace import Workspace

LABELS = ("circle", "triangle")
SIDE = 64


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    options: dict[str, dict[str, object]] = {"vision": {"whole": True, "labels": list(LABELS)}}
    home = Workspace(tmp_path_factory.mktemp("pictures") / "home")
    return give(home, Lesson("few", ("vision",), 60, "built-in", options=options), None).taught[0].dataset


@pytest.fixture(scope="module")
def drawn(few: Dataset) -> Pictures:
    return drawn_around(few.params.get("options"), LABELS, SIDE, 40, seed=1, known=())


def test_pictures_that_are_practised_are_boxed_and_none_is_one_of_the_dataset(few: Dataset, drawn: Pictures) -> None:
    some = Pictures(drawn.pixels[:24], drawn.frames[:24], drawn.boxes[:24], drawn.labels[:24])
    more = drawn_around(few.params.get("options"), LABELS, SIDE, 16, seed=1, known=(some,))
    assert len(more) == 16 and set(drawn.labels[:, 0].tolist()) == {0, 1}
    assert not {picture.tobytes() for picture in more.pixels} & {picture.tobytes() for picture in some.pixels}
    assert np.array_equal(more.pixels, drawn.pixels[24:40])  # otherwise the same
    own = load_pictures(seen_rows(few.folder, "train"), LABELS, SIDE)
    whole = joined(own, more)
    assert len(whole) == len(own) + 16 and np.array_equal(whole.boxes[len(own) :], more.boxes)
    for picture, box in zip(drawn.pixels[:20], drawn.boxes[:20, 0] * SIDE, strict=True):
        x, y = ((box[:2] + box[2:]) / 2).round().astype(int)
        beside = picture[y, max(0, int(box[0]) - 3)].astype(int)
        assert abs(picture[y, x].astype(int) - beside).sum() > 40  # the shape's colour, and its ground's or the frame's


def test_a_first_layer_of_edges_sees_nothing_in_even_colours_and_both_signs_of_an_edge() -> None:
    prepare(1)
    net = ClassifierNet(Shape(len(LABELS), SIDE, "micro"))
    look_for_edges(net.trunk)
    first = net.trunk.one[0].conv
    colours = torch.rand(6, 3, 1, 1)
    edge = torch.cat([colours[:3].expand(3, 3, 8, 4), colours[3:].expand(3, 3, 8, 4)], 3)
    with torch.inference_mode():
        assert float(first(colours.expand(6, 3, 8, 8))[:, :, 1:].abs()[:, :, :, 1:].max()) < 1e-5
        seen = torch.relu(first(edge)[:, :, 2, 2])
        swapped = torch.relu(first(2 * colours.mean() - edge)[:, :, 2, 2])
    assert float(seen.max()) > 0.01
    assert torch.allclose(seen.sort(1).values, swapped.sort(1).values, atol=1e-5)


def test_the_student_practises_and_says_how_much(few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision, "PRACTISED", 40)
    monkeypatch.setattr(vision, "CHECKED", 8)
    monkeypatch.setattr(vision_fit, "MAX_STEPS", 3)
    home = Workspace(few.folder.parents[1])
    settings: dict[str, object] = {"size": "nano", "side": 48}

    def trained(name: str, curriculum: bool = False) -> tuple[str, float]:
        run, report = train_run(
            home, few, name, seed=1, seconds=1.0, on_progress=nothing, settings=settings, curriculum=curriculum
        )
        return run.weights, report.figures["practised"]

    one = trained("a")
    assert one == trained("b")
    assert one[1] == 40 and trained("c", curriculum=True)[1] == 0
