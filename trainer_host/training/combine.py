"""Runs from runs: a merge of several, and a fork of one. Both keep a record of their parents (see `lineage`)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.data.dataset import open_dataset
from trainer_host.data.packs.card import parents_of
from trainer_host.errors import DataError, NotThere, TrainerError
from trainer_host.training.lineage import FILE as LINEAGE
from trainer_host.training.lineage import Lineage, Record, child, founder, read_lineage, save_born, write_lineage
from trainer_host.training.merging import NEED_BASE, Recipe, merge
from trainer_host.training.run import CARD, FORMAT, REPORT, Run, open_run, write_json
from trainer_host.training.weights import FILE as WEIGHTS
from trainer_host.workspace import Workspace, checked_name, making

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, TOKENIZER, TEMPLATE = "config.json", "tokenizer.json", "template.json"
_NOT_FORKED = frozenset({CARD, WEIGHTS, LINEAGE, "gate.json"})  # the fork gets its own, and its own gate


def merge_runs(
    workspace: Workspace,
    names: Sequence[str],
    into: str,
    recipe: Recipe,
    *,
    author: str,
    licence: str = "Apache-2.0",
    base: str | None = None,
) -> tuple[Run, Lineage]:
    """The merge of language models as run `into`, which has the first one's task, dataset and tokenizer.

    author: who makes the merge, and whose the parents without a record are. base: the run that all came from; for
    TIES and DARE by default the one ancestor that the lineages share and that this workspace still has. Raises
    `DataError` for models that don't fit each other and for licences that clash; then nothing is written.
    """
    checked_name(into)
    if into in names:
        raise TrainerError(
            f"'{into}' is one of the models that are merged; give the new one a name of its own with --to."
        )
    if len(set(names)) < len(names):
        raise TrainerError("The same run is named twice; name each once.")
    runs = [open_run(workspace.run(name)) for name in names]
    _check_alike(runs)
    lineages = [lineage_of(workspace, run, author, licence) for run in runs]
    root = None
    if recipe.method in NEED_BASE:
        root = open_run(workspace.run(base)) if base is not None else _shared(workspace, lineages)
        _check_alike([runs[0], root])
    # A base that no parent names counts as a parent too: what is merged was made from it.
    others = [] if root is None or _is_ancestor(root, lineages) else [lineage_of(workspace, root, author, licence)]
    shares = recipe.shares(len(runs))
    record = Record(into, "", licence, (author,), f"merge {recipe.method}", (*shares, *(0.0 for _ in others)))
    parents = [*lineages, *others]
    child(record, parents)  # a clash of licences is told before the work
    state = merge([_weights(run) for run in runs], recipe, _weights(root) if root is not None else None)
    with making(workspace.runs / into) as folder:
        for name in (TOKENIZER, TEMPLATE):
            if (runs[0].folder / name).is_file():
                shutil.copyfile(runs[0].folder / name, folder / name)
        _write_config(runs, folder)
        weights = save_born(folder, state, parents)
        lineage = child(replace(record, weights=weights, dataset=runs[0].content), parents)
        write_lineage(folder, lineage)
        write_card(runs[0], folder, into, weights, without=("settings",))  # a merge wasn't trained with them
        figures = {"method": recipe.method, "density": recipe.kept, "seed": recipe.seed, "shares": list(shares)}
        write_json(folder / REPORT, {"seconds": 0.0, "figures": {}, "merge": figures})
    for parent, known in zip([*runs, *([root] if root is not None and others else [])], parents, strict=True):
        remember(parent, known)
    return open_run(workspace.runs / into), lineage


def fork_run(
    workspace: Workspace, name: str, into: str, *, author: str, licence: str = "Apache-2.0"
) -> tuple[Run, Lineage]:
    """A copy of a run under another name, which names the first as its parent; of any task."""
    from safetensors.torch import load_file

    checked_name(into)
    if into == name:
        raise TrainerError(f"A fork needs a name of its own, other than '{name}'.")
    run = open_run(workspace.run(name))
    parent = lineage_of(workspace, run, author, licence)
    record = Record(into, "", licence, (author,), "fork", (1.0,), dataset=run.content)
    child(record, [parent])
    with making(workspace.runs / into) as folder:
        for path in run.folder.iterdir():
            if path.name in _NOT_FORKED or path.name.startswith("."):
                continue
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, folder / path.name)
        weights = save_born(folder, load_file(run.folder / WEIGHTS), [parent])
        lineage = child(replace(record, weights=weights), [parent])
        write_lineage(folder, lineage)
        write_card(run, folder, into, weights)
    remember(run, parent)
    return open_run(workspace.runs / into), lineage


def lineage_of(workspace: Workspace, run: Run, author: str, licence: str) -> Lineage:
    """The lineage of a run; of one that has no record, what is said of it here: it was trained on its dataset."""
    known = read_lineage(run.folder)
    if known is not None:
        return known
    try:
        dataset = open_dataset(workspace.dataset(run.dataset))
    except NotThere:
        raise DataError(
            f"The dataset '{run.dataset}' of run '{run.name}' is gone, so whoever made its rows can't be named; "
            "import it again."
        ) from None
    if dataset.content != run.content:
        raise DataError(f"The dataset '{run.dataset}' has other rows than when '{run.name}' was trained; train again.")
    if run.distilled is None:
        return founder(run.name, run.weights, licence, (author,), dataset)
    named = str(run.settings.get("teacher"))
    try:
        teacher = open_run(workspace.run(named))
    except NotThere:
        teacher = None
    if teacher is None or teacher.weights != run.distilled:
        raise DataError(
            f"The run '{named}' that '{run.name}' was distilled from is gone or was trained again, so whoever made it "
            "can't be named; bring it back."
        )
    record = Record(
        run.name,
        run.weights,
        licence,
        (author,),
        "distilled",
        dataset=dataset.content,
        packs=parents_of(dataset.params),
    )
    return child(record, [lineage_of(workspace, teacher, author, licence)])


def remember(run: Run, lineage: Lineage) -> None:
    """What was said of a run's makers once, when it became a parent, stays said: its next child names them too."""
    if not (run.folder / LINEAGE).is_file():
        write_lineage(run.folder, lineage)


def _check_alike(runs: Sequence[Run]) -> None:
    """Raises `DataError` where shapes or tokenizers differ: equal shapes alone would merge words with other words."""
    first = runs[0]
    for run in runs[1:]:
        shape, other = (_config(one).get("model") for one in (first, run))
        if shape is not None and other is not None and shape != other:
            raise DataError(
                f"'{first.name}' and '{run.name}' are models of different shapes; only models of one size merge."
            )
        texts = [path.read_bytes() if (path := one.folder / TOKENIZER).is_file() else None for one in (first, run)]
        if texts[0] != texts[1]:
            raise DataError(
                f"'{first.name}' and '{run.name}' have different tokenizers, so their weights mean different words; "
                "train one of them with the other's (--init)."
            )


def _config(run: Run) -> dict[str, object]:
    path = run.folder / CONFIG
    raw = json.loads(path.read_bytes()) if path.is_file() else {}
    return raw if isinstance(raw, dict) else {}


def _write_config(runs: Sequence[Run], folder: Path) -> None:
    config = _config(runs[0])
    if isinstance(config.get("tasks"), list):
        named = [task for run in runs for task in _listed(_config(run).get("tasks"))]
        config["tasks"] = list(dict.fromkeys(named))
    write_json(folder / CONFIG, config)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _shared(workspace: Workspace, lineages: Sequence[Lineage]) -> Run:
    """The run whose weights are an ancestor of all; the nearest to the first model."""
    common = set.intersection(*({record.weights for record in (one.own, *one.ancestors)} for one in lineages))
    for record in (lineages[0].own, *lineages[0].ancestors):
        if record.weights not in common:
            continue
        for name in workspace.names(workspace.runs):
            if (workspace.runs / name / CARD).is_file() and (
                run := open_run(workspace.runs / name)
            ).weights == record.weights:
                return run
    raise DataError(
        "These runs share no ancestor that is in this workspace; name the model that they came from with --base."
    )


def _is_ancestor(root: Run, lineages: Sequence[Lineage]) -> bool:
    return any(record.weights == root.weights for one in lineages for record in (one.own, *one.ancestors))


def _weights(run: Run) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(run.folder / WEIGHTS)


def write_card(like: Run, folder: Path, name: str, weights: str, without: Sequence[str] = ()) -> None:
    """The card of a run that was made from another one. without: what doesn't hold for it."""
    made = replace(like, folder=folder, name=name, weights=weights)
    write_json(
        folder / CARD, {"format": FORMAT, **{k: v for k, v in asdict(made).items() if k not in ("folder", *without)}}
    )
