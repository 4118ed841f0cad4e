"""Teaches and trains the students of `benchmarks/peers.py` by the commands that a person would type, from the built-in teachers alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.vision import digits
from trainer_host.compress.gate import read_report
from trainer_host.errors import TrainerError
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace

Words = tuple[str, ...]
SEED = "7"
PHRASE = "hey robot"
DIGITS = "digits"


@dataclass(frozen=True)
class Recipe:
    """How a student comes about. run: its name. data: the command that makes its rows, in the dataset
    `dataset`; none for scikit-learn's digits. train: options."""

    run: str
    dataset: str
    data: Words
    train: Words = ()


def _taught(run: str, task: str, examples: int, *train: str, option: str = "") -> Recipe:
    chosen = ("--option", option) if option else ()
    words = ("teach", "--task", task, "--examples", str(examples), "--name", run, "--seed", SEED, *chosen)
    return Recipe(run, f"{run}-{task.replace('_', '-')}", words, train)


RECIPES = (
    _taught("talk", "chat", 1000, "--seconds", "200"),
    _taught("write", "code", 1000, "--seconds", "200"),
    _taught("count", "math", 1000, "--seconds", "200"),
    Recipe(DIGITS, DIGITS, (), ("--seconds", "25")),
    _taught("scenes", "vision", 1000, "--seconds", "90"),
    _taught("asked", "vision", 1200, option="vision.questions=true"),
    _taught("avatar", "avatar", 450),
    _taught("draw", "image_gen", 450),
    _taught("sound", "audio_gen", 500),
    _taught("film", "video_gen", 300, "--seconds", "45"),
    _taught("frames", "video_gen", 4000, option="video_gen.frames=minigrid"),
    _taught("solid", "3d_gen", 450, "--seconds", "60"),
    _taught("play", "game", 300),
    _taught("rooms", "game", 300, option="game.games=babyai"),
    Recipe("robot", "robot", ("teach", "--task", "robot", "--examples", "3000", "--name", "robot", "--seed", SEED)),
    _taught("route", "router", 450, "--seconds", "40"),
    Recipe("voice", "voice", ("voice", "data", "voice")),
    Recipe("hey-robot", "hey-robot", ("wakeword", "data", PHRASE)),
)


def train_missing(workspace: Workspace, names: tuple[str, ...] = ()) -> list[str]:
    """Train what this home lacks, of `names` or all; what failed, in a sentence each. What is there already isn't made again."""
    failed = []
    for recipe in RECIPES:
        if (names and recipe.run not in names) or _passed(workspace, recipe.run):
            continue
        print(f"{recipe.run}:", file=sys.stderr, flush=True)
        if recipe.dataset not in workspace.names(workspace.data) and not _data(workspace, recipe):
            failed.append(f"{recipe.run}: its rows couldn't be made.")
            continue
        train = ("train", "--data", recipe.dataset, "--name", recipe.run, "--seed", SEED, *recipe.train)
        if not all(_enigma(workspace, *words) for words in (train, ("export", recipe.run), ("gate", recipe.run))):
            failed.append(f"{recipe.run}: it couldn't be trained, or the gate refused it.")
    return failed


def _passed(workspace: Workspace, name: str) -> bool:
    try:
        read_report(open_run(workspace.run(name)))
    except TrainerError:
        return False
    return True


def _data(workspace: Workspace, recipe: Recipe) -> bool:
    if recipe.data:
        return _enigma(workspace, *recipe.data)
    with tempfile.TemporaryDirectory(prefix="enigma-digits-") as place:
        return digits(workspace, Path(place)) is not None


def _enigma(workspace: Workspace, *words: str) -> bool:
    print("  enigma", *words, file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "trainer_host.cli", "--home", str(workspace.home), *words]
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
