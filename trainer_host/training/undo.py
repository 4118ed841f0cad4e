"""Undo and redo: a run gets the weights of the checkpoint before the current one of its training, or behind it."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from typing import cast

from trainer_host.errors import DataError, NotThere
from trainer_host.students import student_of
from trainer_host.students.language.run_files import CONFIG, trained_model
from trainer_host.students.language.settings import LanguageSettings
from trainer_host.students.language.student import LanguageStudent
from trainer_host.training import checkpoints
from trainer_host.training.checkpoints import Checkpoint
from trainer_host.training.combine import write_card
from trainer_host.training.lineage import read_lineage, write_lineage
from trainer_host.training.run import ORDER, REPORT, Run, dataset_of, hash_of, open_run, write_json
from trainer_host.training.runs import RUNNING, Entry
from trainer_host.training.weights import FILE as WEIGHTS
from trainer_host.training.weights import save_weights
from trainer_host.workspace import Workspace, making


def move(workspace: Workspace, entry: Entry, *, back: bool) -> tuple[Checkpoint, Run | None]:
    """Go one checkpoint back, or on; the run has its weights then, and neither exports nor a gate any more.

    Nothing of the training is deleted. None for a run that isn't of this training, or of one that hasn't ended. Where
    the machine dies in between, the same call makes the same run again. Raises `DataError` where there is no such
    checkpoint, or the dataset that the run's doubts are found on is gone.
    """
    if entry.status == RUNNING:
        raise DataError(f"'{entry.name}' is being trained; let it end, or end it with Ctrl-C, and go back then.")
    if not (entry.folder / checkpoints.FOLDER).is_dir():
        raise DataError(f"{entry.folder} keeps no checkpoints; undo and redo are for language models.")
    found = checkpoints.beside(entry.folder, back=back)
    run = _run_of(workspace, entry)
    if run is not None:
        run = _at(workspace, run, found)
    checkpoints.point(entry.folder, found)
    return found, run


def _run_of(workspace: Workspace, entry: Entry) -> Run | None:
    """The run that came of a training; None where it isn't there, or of other settings."""
    try:
        run = open_run(workspace.run(entry.name))
        order = json.loads((entry.folder / ORDER).read_bytes())
    except (NotThere, OSError, ValueError):
        return None
    made = {
        "content": run.content,
        "seed": run.seed,
        "seconds": run.seconds,
        "curriculum": run.curriculum,
        "settings": run.settings,
        **({"distilled": run.distilled} if run.distilled is not None else {}),
    }
    return run if order == made else None


def _at(workspace: Workspace, run: Run, found: Checkpoint) -> Run:
    """The run with a checkpoint's weights, in the place of what it was."""
    student = cast(LanguageStudent, student_of(run))
    chosen = LanguageSettings.read(run.settings)
    dataset = dataset_of(workspace, run)
    family = read_lineage(run.folder)
    started = time.perf_counter()
    with making(workspace.runs / run.name) as folder:
        for source in (run.folder / CONFIG, *student.assets(run.folder).values()):
            shutil.copyfile(source, folder / source.name)
        model = trained_model(run.folder)[1]
        if chosen.lora is not None:  # the checkpoints hold the adapters beside the base
            from trainer_host.training.adapters import add_lora, merge_lora

            add_lora(model, chosen.lora)
        model.load_state_dict(checkpoints.read_tensors(found.folder / checkpoints.WEIGHTS))
        if chosen.lora is not None:
            merge_lora(model)
        save_weights(folder, model)
        weights = hash_of(folder / WEIGHTS)
        figures = {"step": float(found.step), **student.recalibrate(folder, dataset.folder)}
        if found.loss is not None:
            figures["held-out loss"] = round(found.loss, 4)
        if family is not None:
            write_lineage(folder, replace(family, own=replace(family.own, weights=weights)))
        write_card(replace(run, step=found.step), folder, run.name, weights)
        write_json(folder / REPORT, {"seconds": round(time.perf_counter() - started, 3), "figures": figures})
    return open_run(workspace.runs / run.name)
