"""A classifier of very many pictures: another recipe, pictures that grow, a first stage that halves small ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer_host.conftest import nothing
from tests.trainer_host.students.test_vision import dataset_of
from trainer_host.students import vision, vision_fit
from trainer_host.students.vision import RECIPES, load_config
from trainer_host.students.vision_data import Pictures, Variation, varied
from trainer_host.students.vision_fit import Recipe, held_back, planned
from trainer_host.students.vision_net import ClassifierNet, Shape, multiplications
from trainer_host.training.run import train_run
from trainer_host.workspace import Workspace

SIDE = 32
FAR = Variation(whole_pixels=True, shift=0.125, light=0.0)


def noise(count: int) -> Pictures:
    pixels = np.random.default_rng(1).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1, 1))
    return Pictures(pixels, (), whole, np.arange(count)[:, None] % 2)


def seen(variation: Variation, pictures: Pictures) -> np.ndarray:
    made, _, labels = varied(pictures, np.arange(len(pictures)), variation, np.random.default_rng(3))
    assert np.array_equal(labels.numpy(), pictures.labels)
    return ((made.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().astype(int)


def test_whole_pixels_are_only_moved_and_a_mirror_has_two_sides() -> None:
    pictures = noise(40)
    moved, mirrored = 0, 0
    for got, own in zip(seen(replace(FAR, mirror="sides"), pictures), pictures.pixels.astype(int), strict=True):
        fits = [
            (x, y, way)
            for way in (1, -1)
            for x in range(-4, 5)
            for y in range(-4, 5)
            if np.array_equal(got[8:24, 8:24], own[:, ::way][8 + y : 24 + y, 8 + x : 24 + x])
        ]
        assert len(fits) == 1
        moved += fits[0][:2] != (0, 0)
        mirrored += fits[0][2] == -1
    assert moved >= 35 and 8 <= mirrored <= 32


def test_a_square_of_each_picture_is_hidden() -> None:
    pictures = noise(30)
    hidden = (seen(replace(FAR, shift=0.0, cut=0.25), pictures) != pictures.pixels).any(-1).sum((1, 2))
    assert hidden.min() >= 12 and 50 <= hidden.max() <= 81


def test_pictures_grow_from_half_their_side_and_epochs_are_counted_in_pictures() -> None:
    recipe = planned(RECIPES["many"], Shape(2, SIDE), 10.0, None, 128 * 1000)
    assert (recipe.steps, recipe.tiled) == (1000, 0)
    sides = [recipe.side_at(step, SIDE) for step in range(recipe.steps)]
    assert sides == sorted(sides) and set(sides) == {16, 20, 24, 28, 32}
    assert sides.count(SIDE) == 400
    assert Recipe(steps=10).side_at(0, SIDE) == SIDE
    tiled = planned(RECIPES["detector"], Shape(2, 160), 10.0, None, 8 * 300)
    assert tiled.steps - tiled.tiled == 300 and tiled.tiled > 300
    assert held_back([0, 1] * 30_000, 1).sum() == 1200


def test_a_wide_network_halves_small_pictures_early_at_a_fifth_of_the_work() -> None:
    late, early = (ClassifierNet(Shape(10, SIDE, "small", early=early)) for early in (False, True))
    early.load_state_dict(late.state_dict())
    assert multiplications(early, SIDE) < multiplications(late, SIDE) / 3.5
    picture = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
    assert [part.shape[-1] for part in early.trunk(torch.zeros(1, 3, SIDE, SIDE))] == [16, 8, 4]
    assert early.eval()(picture).shape == (1, 10)


def test_from_many_rows_on_it_learns_in_that_way_and_repeats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision, "MANY", 45)
    monkeypatch.setattr(vision_fit, "MIN_STEPS", 1)
    monkeypatch.setitem(RECIPES, "many", replace(RECIPES["many"], batch=8))
    workspace = Workspace(tmp_path / "home")
    dataset = dataset_of(workspace, 60, whole=True)

    def trained(name: str) -> tuple[str, float]:
        settings: dict[str, object] = {"size": "tiny", "side": SIDE, "epochs": 1, "mirror": "sides"}
        run, report = train_run(workspace, dataset, name, seed=1, seconds=None, on_progress=nothing, settings=settings)
        assert load_config(run.folder).early is True
        return run.weights, report.figures["steps"]

    one = trained("a")
    assert one == trained("b") and one[1] == (45 - 11) // 8
