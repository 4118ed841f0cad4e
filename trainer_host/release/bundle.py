"""Builds a signed bundle of a gated run; the same run, version and key give the same bytes."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from edge_runtime import strict_json
from edge_runtime.bundle import Envelope, Golden, Manifest, ModelFile, Scored, Tokenizer, file_name, write_bundle
from edge_runtime.errors import EdgeError
from edge_runtime.language.specialist import TEMPLATE_FILE
from edge_runtime.media import described
from edge_runtime.tasks import task_module
from trainer_host.compress.adapter import adapter_base
from trainer_host.compress.files import exported
from trainer_host.compress.gate import GateReport, draft_manifest, loaded
from trainer_host.data.dataset import Dataset, Json
from trainer_host.data.packs.card import LICENCES, check_licences, parents_json, parents_of
from trainer_host.errors import GateRefused, NotThere, TrainerError
from trainer_host.release.draft import FILE as DRAFT_FILE
from trainer_host.release.draft import DraftReport
from trainer_host.release.keys import SigningKey
from trainer_host.students import Student, TextStudent, student_of
from trainer_host.training.lineage import Lineage, checked, read_lineage
from trainer_host.training.run import Run
from trainer_host.workspace import Workspace, checked_name, storage_errors

GOLDEN_FILE = "golden.json"
GOLDEN_COUNT = 32
# Requests near a decision's edge fall on either side in another runtime. They are left out of the golden
# vectors, which must fail only where a model is broken; a model with more than this share of them is.
GOLDEN_CANDIDATES = 96
LEAST_AGREEING = 0.75


@dataclass(frozen=True)
class Built:
    """A bundle on disk. `fresh` is false where the same bytes lay there before."""

    path: Path
    version: str
    address: str
    bytes: int
    golden: int
    disagreeing: int
    fresh: bool


def build_bundle(
    workspace: Workspace,
    run: Run,
    dataset: Dataset,
    report: GateReport,
    key: SigningKey,
    *,
    name: str | None = None,
    version: str | None = None,
    licence: str = "Apache-2.0",
    draft: DraftReport | None = None,
) -> Built:
    """Write BUNDLES/NAME-VERSION.enigma.

    draft: what `examine_draft` found, where it is to be kept; the bundle carries its model too.
    version: by default that of the newest bundle of this name where the content is the same, else the next
    one. Raises `GateRefused` where the runtimes disagree too often, `TrainerError` where the version is taken
    by another content, and `DataError` where the packs that the data came from don't allow the licence; they are named
    in the manifest's lineage, which the signature covers.
    """
    if parents := parents_of(dataset.params):
        check_licences(licence, [parent.licence for parent in parents])
    family = read_lineage(run.folder)
    if family is not None:
        checked(Lineage(dataclasses.replace(family.own, licence=licence), family.ancestors))
    student = student_of(run)
    start = cast(TextStudent, student).origin(run.folder) if student.family == "language" else None
    if (
        start is not None and (of_start := str(start["licence"])) in LICENCES
    ):  # one that isn't known was told at training
        check_licences(licence, [of_start])
    specialist = checked_name(name or run.name)
    golden, disagreeing = _golden(run, dataset, student, report)
    manifest = _manifest(run, dataset, student, report, specialist, licence, len(golden), _roots(family, start))
    contents: dict[str, bytes | Path] = {GOLDEN_FILE: strict_json.dumps(golden)}
    contents |= {item.file: run.folder / item.file for item in manifest.models}
    assets = student.assets(run.folder)
    if adapter_base(run) is not None:  # the base's bundle has the rest
        assets = {name: path for name, path in assets.items() if name == TEMPLATE_FILE}
    contents |= dict(assets)
    if draft is not None:
        contents[DRAFT_FILE] = run.folder.parent / draft.run / draft.file
        options = {**manifest.options, "draft": {"file": DRAFT_FILE}}
        lineage = {**manifest.lineage, "draft": draft.address}
        manifest = dataclasses.replace(manifest, options=options, lineage=lineage)
    return write_versioned(workspace, manifest, contents, key, version, (golden, disagreeing))


def write_versioned(
    workspace: Workspace,
    manifest: Manifest,
    contents: dict[str, bytes | Path],
    key: SigningKey,
    version: str | None,
    made_golden: tuple[list[Json], int],
) -> Built:
    """Write a bundle under its name, by default with the next version that is free for its content; see `build_bundle`.

    made_golden: the golden vectors, which `contents` holds as well, and how many were left out of them.
    """
    specialist, (golden, disagreeing) = manifest.name, made_golden
    with storage_errors(workspace.bundles):
        workspace.bundles.mkdir(parents=True, exist_ok=True)
        newest = newest_bundle(workspace, specialist)
        if version is None:
            version = version_of(newest) if newest else "1.0.0"
            made = _write(workspace, manifest, contents, key, version, golden, disagreeing)
            if made is not None:
                return made
            version = _next(version)
        made = _write(workspace, manifest, contents, key, version, golden, disagreeing)
    if made is None:
        raise TrainerError(
            f"There is another bundle {specialist}-{version}; give a new --version, devices know the old one."
        )
    return made


def newest_bundle(workspace: Workspace, name: str) -> Path | None:
    """The bundle with the highest version of a specialist, None where there is none."""
    found = [
        path
        for path in workspace.bundles.glob(f"{name}-*.enigma")
        if re.fullmatch(r"\d+\.\d+\.\d+", version_of(path, name))
    ]
    return max(found, key=lambda path: tuple(map(int, version_of(path, name).split("."))), default=None)


def version_of(path: Path, name: str | None = None) -> str:
    """The version in a bundle's file name, NAME-VERSION.enigma."""
    stem = path.name.removesuffix(".enigma")
    return stem[len(name) + 1 :] if name else stem.rsplit("-", 1)[-1]


def find_bundle(workspace: Workspace, wanted: str) -> Path:
    """A bundle by its path, or the newest one of a specialist; raises `NotThere`."""
    path = Path(wanted)
    if path.suffix == ".enigma":
        if path.is_file():
            return path
        raise NotThere(f"There is no bundle {path}.")
    found = newest_bundle(workspace, checked_name(wanted))
    if found is None:
        raise NotThere(f"There is no bundle of '{wanted}' in {workspace.bundles}; make one with 'enigma bundle'.")
    return found


def _write(
    workspace: Workspace,
    manifest: Manifest,
    contents: dict[str, bytes | Path],
    key: SigningKey,
    version: str,
    golden: list[Json],
    disagreeing: int,
) -> Built | None:
    """The bundle under this version; None where another content has it."""
    final = dataclasses.replace(manifest, version=version)
    target = workspace.bundles / file_name(final)
    with tempfile.TemporaryDirectory(dir=workspace.bundles, prefix=".building-") as folder:
        part = Path(folder) / target.name
        try:
            envelope: Envelope = write_bundle(part, final, contents, key.seed)
        except EdgeError as cause:
            raise TrainerError(str(cause)) from None
        fresh = not target.exists()
        if not fresh and target.read_bytes() != part.read_bytes():
            return None
        if fresh:
            part.replace(target)
    return Built(target, version, envelope.address, target.stat().st_size, len(golden), disagreeing, fresh)


def _manifest(
    run: Run,
    dataset: Dataset,
    student: Student,
    report: GateReport,
    name: str,
    licence: str,
    golden: int,
    roots: Json,
) -> Manifest:
    models: list[ModelFile] = []
    chosen = report.chosen()
    for item in exported(run):
        # No latency here: it is the machine's, and the same run must give the same bytes.
        scored = tuple(
            Scored(score.runtime, score.version, round(score.accuracy, 4))
            for score in chosen
            if score.file == item.file
        )
        if scored:
            names = {s.runtime for s in scored}
            runtimes = tuple(runtime for runtime in item.runtimes if runtime in names)
            models.append(ModelFile(item.file, item.precision, runtimes, item.inputs, item.outputs, scored))
    first = chosen[0]
    metrics: Json = {key: round(value, 4) for key, value in first.figures.items()}
    metrics |= {"accuracy": round(first.accuracy, 4), "held_out": dataset.counts["heldout"]}
    draft, base = draft_manifest(run, student), adapter_base(run)
    kept = {item.file: item.cache for item in exported(run)}
    if caches := {model.file: kept[model.file] for model in models if kept[model.file] != "float"}:
        draft = dataclasses.replace(draft, options={**draft.options, "cache": caches})
    if base is not None and draft.tokenizer is not None:
        metrics["adapter_share"] = base.share
        whole = {**draft.options, "adapter": base.option(base.run)}
        draft = dataclasses.replace(draft, options=whole, tokenizer=Tokenizer(draft.tokenizer.scheme))
    return dataclasses.replace(
        draft,
        name=name,
        licence=licence,
        models=tuple(models),
        golden=Golden(GOLDEN_FILE, golden),
        metrics=metrics,
        lineage={
            "dataset": dataset.content,
            "run": run.address,
            "teacher": run.teacher,
            "seed": run.seed,
            "parents": parents_json(parents_of(dataset.params)),
            **({"distilled": run.distilled} if run.distilled is not None else {}),
            **roots,
        },
    )


def _roots(family: Lineage | None, start: Json | None) -> Json:
    """Whom a model comes from, where that isn't its data alone."""
    return {
        **({"family": family.to_json()} if family is not None else {}),
        **({"start": start} if start is not None else {}),
    }


def _golden(run: Run, dataset: Dataset, student: Student, report: GateReport) -> tuple[list[Json], int]:
    """Requests with the answers on which all scored files agree; how many were left out."""
    task = task_module(run.task)
    requests = student.golden(run.folder, dataset.folder, GOLDEN_CANDIDATES)
    files = {item.file: item for item in exported(run)}
    with ExitStack() as stack:
        specialists = [
            stack.enter_context(loaded(run, student, files[score.file], score.runtime)) for score in report.chosen()
        ]
        kept: list[Json] = []
        for request in requests:
            first, *others = [cast(Json, described(specialist.run(request))) for specialist in specialists]
            if all(task.agrees(first, other) for other in others):
                kept.append({"request": request, "response": first})
    disagreeing = len(requests) - len(kept)
    if len(kept) < min(GOLDEN_COUNT, len(requests)) or len(kept) < LEAST_AGREEING * len(requests):
        raise GateRefused(
            f"The runtimes answer {disagreeing} of {len(requests)} requests of '{run.name}' differently, so there "
            "is no bundle for all of them; train longer, so that fewer answers lie at an edge, or name one with --runtime."
        )
    return kept[:GOLDEN_COUNT], disagreeing


def _next(version: str) -> str:
    major, minor, _ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"
