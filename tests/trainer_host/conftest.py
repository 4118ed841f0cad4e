"""One trained and exported router for the tests of the stages behind training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.trainer_host.samples import easy_dataset
from trainer_host.compress.files import export_run
from trainer_host.data.dataset import Dataset
from trainer_host.students import text_heads
from trainer_host.students.word_scores import WordScores
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace


@dataclass(frozen=True)
class Trained:
    """A workspace with a dataset and a run of it."""

    workspace: Workspace
    dataset: Dataset
    run: Run


def nothing(share: float, what: object) -> None:
    """Progress that nobody watches."""


@contextmanager
def easily() -> Iterator[None]:
    """Trains routers with two models to calibrate on, and with the scores of words, which these easy rows don't need: the
    stages behind training are shown a bundle with all its files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_heads, "SHORT", text_heads.Aside(10, 2))
        patch.setattr(WordScores, "helps", lambda *given: True)
        yield


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty home folder."""
    return Workspace(tmp_path / "home")


@pytest.fixture(scope="session")
def exported_once(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained and exported; read only (copy it with `exported` to change it)."""
    folder = tmp_path_factory.mktemp("router")
    home = Workspace(folder / "home")
    dataset = easy_dataset(home, folder)
    with easily():
        run, _ = train_run(home, dataset, "easy", seed=1, seconds=10, on_progress=nothing)
    export_run(run, dataset, nothing)
    return Trained(home, dataset, run)


@pytest.fixture
def exported(exported_once: Trained, tmp_path: Path) -> Trained:
    """A copy that a test may change."""
    import shutil

    from trainer_host.data.dataset import open_dataset
    from trainer_host.training.run import open_run

    home = Workspace(tmp_path / "home")
    shutil.copytree(exported_once.workspace.home, home.home)
    # Another test may have gated or bundled the one that all share.
    (home.runs / "easy" / "gate.json").unlink(missing_ok=True)
    return Trained(home, open_dataset(home.dataset("easy")), open_run(home.run("easy")))
