from __future__ import annotations

import pytest

from tests.trainer_host.conftest import Trained
from tests.trainer_host.samples import easy_rows, write_jsonl
from trainer_host.data.transfer import import_rows
from trainer_host.errors import DataError
from trainer_host.training.run import dataset_of, open_run


def test_weights_that_were_changed_are_noticed(exported: Trained) -> None:
    weights = exported.run.folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DataError, match="train again"):
        open_run(exported.run.folder)


def test_a_run_is_not_examined_on_other_rows_than_it_learned_with(exported: Trained) -> None:
    file = write_jsonl(exported.workspace.home / "other.jsonl", easy_rows(seed=5))
    import_rows(exported.workspace, file, task="router", name="easy", seed=1, held_out=0.3)
    with pytest.raises(DataError, match="other rows"):
        dataset_of(exported.workspace, exported.run)


def test_the_address_of_a_run_changes_with_anything_that_made_it(exported: Trained) -> None:
    import dataclasses

    assert open_run(exported.run.folder).address == exported.run.address
    assert dataclasses.replace(exported.run, seed=2).address != exported.run.address
