"""The steps of the self-test before any training: a provider on a socket, keys, and a lesson in all of its tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_host.data.dataset import open_dataset
from trainer_host.presentation import presenter_for
from trainer_host.selftest import run
from trainer_host.workspace import Workspace


def test_the_practice_provider_teaches_each_task_of_the_self_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "EXAMPLES", 8)
    trained: list[str] = []
    monkeypatch.setattr(run, "_specialist", lambda workspace, task, seed, show: trained.append(task) or {})
    workspace = Workspace(tmp_path)
    outcome = run.selftest(workspace, presenter_for())
    assert trained == list(run.TASKS)
    assert outcome.steps["teach"]["requests"] >= 24
    for task in run.TASKS:
        dataset = open_dataset(workspace.dataset(f"practice-{task}"))
        assert dataset.task == task and sum(dataset.counts.values()) == 8
