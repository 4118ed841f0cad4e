"""Small students that are told to end by SIGTERM go on to the same bytes, and so does every loop that they are made of."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.students.wake_clips import some_material, some_noises
from trainer_host.errors import DataError
from trainer_host.students.game import _learn
from trainer_host.students.game_data import board_lessons
from trainer_host.students.game_model import BoardTower
from trainer_host.students.robot_data import Augmenter
from trainer_host.students.robot_fit import Muon, _Course
from trainer_host.students.vision_fit import Draws
from trainer_host.students.wake_fit import Recipe as WakeRecipe
from trainer_host.students.wake_fit import fit as fit_wake
from trainer_host.students.wake_net import Shape as WakeShape
from trainer_host.students.wake_net import WakeNet
from trainer_host.training.determinism import prepare
from trainer_host.training.pausing import STEPS, TrainingPaused
from trainer_host.training.run import train_run
from trainer_host.training.steps import Arrays, Steps
from trainer_host.workspace import Workspace

Tell = Callable[..., None]


def nothing(*told: object) -> None:
    """Nobody listens."""


def ending(call: int) -> Tell:
    """Ends this process, politely, when it is called so often."""
    calls = iter(range(1, 10**9))

    def tell(*told: object) -> None:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGTERM)

    return tell


def paused_and_not(train: Callable[[Path | None, Tell], nn.Module], work: Path, *calls: int) -> None:
    """The same weights, whether it was paused in these calls or never; and no step was done twice."""
    done: list[object] = []
    straight = train(None, lambda *told: done.append(1)).state_dict()
    for call in calls:
        with pytest.raises(TrainingPaused, match="the same command goes on"):
            train(work, ending(call))
    left: list[object] = []
    again = train(work, lambda *told: left.append(1)).state_dict()
    assert len(left) == len(done) - sum(calls)
    assert straight.keys() == again.keys()
    for name, tensor in straight.items():
        assert torch.equal(tensor, again[name]), name


def test_all_kinds_of_parts_go_on_from_where_they_were(tmp_path: Path) -> None:
    def train(work: Path | None, tell: Tell) -> nn.Module:
        prepare(1)
        net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
        adam = torch.optim.AdamW(net.parameters(), lr=1e-2)
        muon = Muon([net[3].weight], [1])
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 1e-2, total_steps=20)
        shuffle, draw = torch.Generator().manual_seed(2), np.random.default_rng(3)
        draws, course = Draws(np.arange(50), True, 4), _Course(np.arange(1, 700) % 9, 5)
        augment, arrays = Augmenter(["a", "b", "c", "words", "more"], 6), Arrays(last=np.zeros(4, np.float32))
        parts = (net, adam, muon, schedule, shuffle, draw, draws, course, augment, arrays)
        for step in Steps(work).of("all", 20, *parts):
            rows = torch.randn(6, 4, generator=shuffle) + float(draw.random()) + random.random()
            rows = rows + torch.from_numpy(arrays["last"]) + float(np.random.rand())
            rows = rows + float(draws.next(7, step / 20).sum() + course.next()[0]) / 1000
            words, _ = augment(np.full((1, 4), 3), np.zeros((1, 4, 8), np.int16), np.full((1, 4), 1))
            loss = net(rows + float(words.sum())).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            muon.step(1e-3)
            schedule.step()
            arrays["last"] = rows[0].numpy() % 1
            course.total += float(loss.detach())
            tell()
        net.register_buffer("total", torch.tensor(course.total))
        net.register_buffer("next", torch.rand(2))
        return net

    paused_and_not(train, tmp_path, 3, 5)
    kept = tmp_path / STEPS / "all.pt"
    before = signal.getsignal(signal.SIGTERM)
    assert train(tmp_path, pytest.fail).state_dict()["total"] > 0, "a loop that is done isn't done again"
    assert signal.getsignal(signal.SIGTERM) is before
    kept.write_bytes(kept.read_bytes()[:200])
    train(tmp_path, nothing)  # what can't be read is done anew
    good = torch.load(kept, weights_only=True)
    torch.save({**good, "parts": good["parts"][:-1]}, kept)
    with pytest.raises(DataError, match="damaged; delete it"):
        train(tmp_path, nothing)
    torch.save({**good, "made": ["another version"]}, kept)
    calls: list[object] = []
    train(tmp_path, lambda: calls.append(1))
    assert len(calls) == 20


def test_the_loops_of_a_player_and_of_a_wake_word(tmp_path: Path) -> None:
    def player(work: Path | None, tell: Tell) -> nn.Module:
        from tests.trainer_host.students.test_game_self_play import rows

        prepare(1)
        tower = BoardTower(8, 1)
        lessons = board_lessons(rows(4), [], 1)
        _learn(tower, lessons, "board", 30, 1, tell, Steps(work))
        return tower

    def wake_word(work: Path | None, tell: Tell) -> nn.Module:
        torch.manual_seed(3)
        net = WakeNet(WakeShape(8))
        fit_wake(net, some_material(), some_noises(), WakeRecipe(8, clips=(2, 2, 2)), 1, tell, Steps(work))
        return net

    for name, train, call in (("player", player, 1), ("wake", wake_word, 5)):
        paused_and_not(train, tmp_path / name, call)  # the same bits, and no step done twice
        assert list((tmp_path / name / STEPS).iterdir())


def test_a_router_that_is_paused_twice_is_the_router_that_never_was(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    dataset = easy_dataset(workspace, tmp_path)

    def train(name: str, tell: Tell) -> str:
        made, _ = train_run(workspace, dataset, name, seed=1, seconds=3.3, on_progress=tell)
        return made.weights + str((workspace.runs / name / "config.json").read_bytes())

    straight = train("straight", nothing)
    for call in (5, 9):
        with pytest.raises(TrainingPaused):
            train("paused", ending(call))
        assert not (workspace.runs / "paused").exists()
    assert sorted(file.name for file in (workspace.training / "paused" / STEPS).iterdir())[0] == "fold-0.pt"
    assert train("paused", nothing) == straight
    assert not (workspace.training / "paused" / STEPS).exists(), "what is done needs no steps"


def test_pictures_in_two_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.trainer_host.students.test_vision import dataset_of
    from trainer_host.students import vision_fit

    monkeypatch.setattr(vision_fit, "MAX_STEPS", 8)
    workspace = Workspace(tmp_path / "home")
    dataset = dataset_of(workspace, 60, whole=True)

    def train(name: str, tell: Tell) -> str:
        settings = {"size": "nano", "side": 32}
        return train_run(workspace, dataset, name, seed=1, seconds=1.0, on_progress=tell, settings=settings)[0].weights

    straight = train("straight", nothing)
    with pytest.raises(TrainingPaused, match="after step 5"):
        train("paused", ending(5))
    assert train("paused", nothing) == straight
