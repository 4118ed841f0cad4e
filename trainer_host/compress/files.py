"""The model files of a run: fp32 and int8, ONNX and TFLite, with export.json beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.engines import LITERT, ONNX, TFLITE, open_engine
from trainer_host.compress.adapter import REFERENCE, write_run_adapter
from trainer_host.compress.equalise import equalise_embeddings
from trainer_host.compress.frozen import requantize_onnx, requantize_tflite
from trainer_host.compress.inspect import check_int8, weight_bytes
from trainer_host.compress.quantize import quantize_onnx, quantize_tflite
from trainer_host.data.dataset import Dataset
from trainer_host.errors import ExportError, NotThere, TrainerError
from trainer_host.export.language_adapter import FILE as ADAPTER
from trainer_host.export.onnx import export_onnx
from trainer_host.export.tflite import SilentDescriptors, export_tflite, tensor_names
from trainer_host.students import ExportOptions, GraphStudent, ModelIO, TextStudent, student_of
from trainer_host.training.determinism import prepare
from trainer_host.training.lineage import read_lineage
from trainer_host.training.run import Run, open_run, write_json
from trainer_host.workspace import checked_name

if TYPE_CHECKING:
    import numpy as np
    import torch

CARD = "export.json"
OWN = "own"
# Exported graphs compute the same sums in another order: this is what float32 loses by that on logits.
LARGEST_ERROR = 1e-3
CALIBRATION_ROWS = 200  # ranges settle well before; more only take time

OnStep = Callable[[float, str], None]  # the share done, and what happens now


@dataclass(frozen=True)
class ModelFile:
    """One file: where it may run, how its tensors are called, and how far it is from the torch module.

    error: largest absolute difference of any output on calibration inputs. weights: bytes by type. cache: what a
    language model's keys and values are kept in, "float" or "int8".
    """

    file: str
    precision: str
    runtimes: tuple[str, ...]
    inputs: dict[str, str]
    outputs: dict[str, str]
    bytes: int
    sha256: str
    error: float
    weights: dict[str, int]
    cache: str = "float"


def export_run(
    run: Run,
    dataset: Dataset,
    on_step: OnStep,
    options: ExportOptions | None = None,
    *,
    adapter: bool = False,
    scales_of: str | None = None,
) -> list[ModelFile]:
    """Write model.fp32.onnx, model.int8.onnx and model.int8.tflite into the run, and export.json.

    options: of a language model's files. adapter: of a run that was trained with --lora, the adapter alone, see
    `trainer_host.compress.adapter`. scales_of: see `scales_base`.

    Raises `ExportError` where an fp32 graph answers differently from the module, or a file called int8 isn't.
    """
    import torch

    student = student_of(run)
    base = None if adapter else scales_base(run, scales_of)
    kept: dict[str, object] = {} if base is None else {"scales_of": base.name}
    if student.family == "language":
        if adapter:
            return _export_adapter(run, cast(TextStudent, student))
        chosen = options or ExportOptions()
        made = list(_written(run, cast(TextStudent, student), on_step, chosen, dataset, base))
        return _write_card(run, made, kept | ({"options": asdict(chosen)} if options is not None else {}))
    if adapter or options is not None:
        raise ExportError(f"'{run.name}' isn't a language model; leave out --adapter, --adapters and --cache.")
    student = cast(GraphStudent, student)
    prepare(run.seed)
    on_step(0.0, "onnx fp32")
    module, examples, names = student.module(run.folder)
    rows = list(student.calibration(run.folder, dataset.folder, CALIBRATION_ROWS))
    if not rows:
        raise ExportError(f"The dataset '{dataset.name}' gives no rows to calibrate int8 with; add rows.")
    with torch.inference_mode():
        wanted = [_as_dict(module(*_tensors(row, names)), names) for row in rows[:32]]
    edges, full = bool(getattr(module, "float_edges", False)), bool(getattr(module, "full_ranges", False))
    many = bool(getattr(module, "many_rows", False))
    module = equalise_embeddings(module, student.module(base.folder)[0] if base is not None else None)
    folder = run.folder
    same = {name: name for name in (*names.inputs, *names.outputs)}
    as_onnx = {name: same[name] for name in names.inputs}, {name: same[name] for name in names.outputs}
    as_tflite = tensor_names(names)
    export_onnx(module, examples, names, folder / "model.fp32.onnx", rows=many)
    on_step(0.25, "onnx int8")
    alike = [base is not None and requantize_onnx(*_beside(folder, base, "onnx"))]
    if not alike[0]:
        quantize_onnx(folder / "model.fp32.onnx", folder / "model.int8.onnx", rows, float_edges=edges)
    on_step(0.4, "tflite fp32")
    export_tflite(module, examples, folder / "model.fp32.tflite")
    on_step(0.75, "tflite int8")
    renamed = [{as_tflite[0][name]: value for name, value in row.items()} for row in rows]
    alike.append(base is not None and requantize_tflite(*_beside(folder, base, "tflite")))
    if not alike[1]:
        target = folder / "model.int8.tflite"
        quantize_tflite(folder / "model.fp32.tflite", target, renamed, float_edges=edges, full_ranges=full)
    on_step(0.9, "comparing")
    made = []
    for stem, precision, runtimes, tensors in (
        ("model.fp32.onnx", "fp32", (ONNX,), as_onnx),
        ("model.int8.onnx", "int8", (ONNX,), as_onnx),
        ("model.fp32.tflite", "fp32", (LITERT, TFLITE), as_tflite),
        ("model.int8.tflite", "int8", (LITERT, TFLITE), as_tflite),
    ):
        path = folder / stem
        error = _largest_error(path, tensors, rows, wanted)
        if precision == "fp32" and not error <= LARGEST_ERROR:
            raise ExportError(
                f"{stem} differs from the trained module by {error:.2g} (at most {LARGEST_ERROR:g} is float "
                "noise); the exporter doesn't support something in the module's forward."
            )
        weights = check_int8(path, folder / stem.replace("int8", "fp32")) if precision == "int8" else {}
        made.append(
            ModelFile(
                stem,
                precision,
                runtimes,
                dict(tensors[0]),
                dict(tensors[1]),
                path.stat().st_size,
                _sha256(path),
                float(f"{error:.3g}"),
                weights or weight_bytes(path),
            )
        )
    on_step(1.0, "done")
    return _write_card(run, made, kept if any(alike) else {})


def scales_base(run: Run, named: str | None) -> Run | None:
    """The run whose scales another one's weights are rounded with, so that its files differ little from that run's.

    named: its name, or `OWN` for none; by default the run that this one began with, where that one is exported here.
    Raises `TrainerError` where a named one isn't.
    """
    if named == OWN:
        return None
    if named is not None:
        if named == run.name:
            raise ExportError(f"'{named}' is the run itself; name the one that it began with.")
        return _exported_base(run, named)
    for name in _began_with(run):
        try:
            return _exported_base(run, name)
        except TrainerError:
            continue  # not a run, or not exported (yet): there is no bundle of it to differ from
    return None


def _exported_base(run: Run, name: str) -> Run:
    folder = run.folder.parent / checked_name(name)
    if not folder.is_dir():
        raise NotThere(f"There is no run '{name}' here; name the one that '{run.name}' began with, or own.")
    base = open_run(folder)
    files = {item.file for item in exported(base)}
    if base.task != run.task or "model.int8.onnx" not in files:
        raise ExportError(f"'{name}' has no int8 files of a {run.task}; export it first, or name another run.")
    return base


def _began_with(run: Run) -> list[str]:
    """What may be runs that this one was made from, the likeliest first."""
    family = read_lineage(run.folder)
    names = {record.address: record.name for record in family.ancestors} if family is not None else {}
    parents = [names[address] for address in family.own.parents] if family is not None else []
    started = run.settings.get("init")
    return [name for name in ([started] if isinstance(started, str) else []) + parents if name != run.name]


def with_own_scales(run: Run, dataset: Dataset, on_step: OnStep) -> bool:
    """Export again what was rounded with the scales of another run; False where nothing was."""
    if scales_of(run) is None:
        return False
    card, before = json.loads((run.folder / CARD).read_bytes()), exported(run)
    options = ExportOptions(**card["options"]) if "options" in card else None
    made = export_run(run, dataset, on_step, options, scales_of=OWN)
    names = {item.file for item in made}
    more: dict[str, object] = {"options": card["options"]} if options is not None else {}
    _write_card(run, [*made, *(item for item in before if item.file not in names)], more)
    return True


def scales_of(run: Run) -> str | None:
    """The run whose scales an exported run's files have, None for its own."""
    try:
        found = json.loads((run.folder / CARD).read_bytes()).get("scales_of")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError):
        raise ExportError(f"{run.folder / CARD} is damaged; run 'enigma export {run.name}' again.") from None
    return found if isinstance(found, str) else None


def _beside(folder: Path, base: Run, kind: str) -> tuple[Path, Path, Path, Path]:
    float_file, int8_file = f"model.fp32.{kind}", f"model.int8.{kind}"
    return folder / float_file, folder / int8_file, base.folder / float_file, base.folder / int8_file


def _export_adapter(run: Run, student: TextStudent) -> list[ModelFile]:
    made = write_run_adapter(run, student)
    files = []
    for file, precision, error in zip((REFERENCE, ADAPTER), ("fp32", made.precision), made.errors, strict=True):
        path = run.folder / file
        if not error <= LARGEST_ERROR:
            raise ExportError(f"{file} differs from the trained module by {error:.2g}; export it again.")
        weights = weight_bytes(path) if file == REFERENCE else {"float32": path.stat().st_size}
        size = path.stat().st_size
        files.append(ModelFile(file, precision, (ONNX,), {}, {}, size, _sha256(path), float(f"{error:.3g}"), weights))
    return _write_card(run, files, {"adapter": asdict(made.base)})


def _written(
    run: Run, student: TextStudent, on_step: OnStep, options: ExportOptions, dataset: Dataset, base: Run | None
) -> Iterator[ModelFile]:
    before = base.folder if base is not None else None
    for item in student.write_models(run.folder, on_step, options, dataset.folder, before):
        path = run.folder / item.file
        if item.precision == "fp32" and not item.error <= LARGEST_ERROR:
            raise ExportError(f"{item.file} differs from the trained module by {item.error:.2g}; export it again.")
        weights = weight_bytes(path)
        yield ModelFile(
            item.file,
            item.precision,
            (ONNX,),
            {},
            {},
            path.stat().st_size,
            _sha256(path),
            float(f"{item.error:.3g}"),
            weights,
            "float" if item.precision == "fp32" else options.cache,
        )


def _write_card(run: Run, made: list[ModelFile], more: dict[str, object] | None = None) -> list[ModelFile]:
    card = {"models": [asdict(item) for item in made], "weights": run.weights, **(more or {})}
    write_json(run.folder / CARD, card)
    return made


def exported(run: Run) -> list[ModelFile]:
    """The model files that `export_run` wrote for these weights; raises `NotThere` or `ExportError`."""
    path = run.folder / CARD
    try:
        raw = json.loads(path.read_bytes())
        made = [ModelFile(**{**item, "runtimes": tuple(item["runtimes"])}) for item in raw["models"]]
        if raw.get("options", {}).get("cache") == "int8" and not all("cache" in item for item in raw["models"]):
            raise KeyError("cache")  # written before each file said it, and the gate would ask none for its own
    except FileNotFoundError:
        raise NotThere(f"The run '{run.name}' has no model files yet; run 'enigma export {run.name}'.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ExportError(f"{path} is damaged; run 'enigma export {run.name}' again.") from None
    for item in made:
        file = run.folder / item.file
        if raw.get("weights") != run.weights or not file.is_file() or _sha256(file) != item.sha256:
            raise ExportError(
                f"{item.file} isn't what was exported from '{run.name}'; run 'enigma export {run.name}' again."
            )
    return made


def _tensors(row: dict[str, np.ndarray], names: ModelIO) -> Iterator[torch.Tensor]:
    import torch

    for name in names.inputs:
        yield torch.from_numpy(row[name])


def _as_dict(result: object, names: ModelIO) -> dict[str, np.ndarray]:
    parts = result if isinstance(result, tuple | list) else (result,)
    return {name: part.numpy() for name, part in zip(names.outputs, parts, strict=True)}


def _largest_error(
    path: Path,
    tensors: tuple[dict[str, str], dict[str, str]],
    rows: list[dict[str, np.ndarray]],
    wanted: list[dict[str, np.ndarray]],
) -> float:
    with SilentDescriptors():  # LiteRT greets on standard error
        engine = open_engine(path, rename_inputs=tensors[0], rename_outputs=tensors[1])
    try:
        largest = 0.0
        for row, want in zip(rows, wanted, strict=False):
            got = engine.run(row)
            largest = max(largest, *(float(abs(got[name] - want[name]).max()) for name in want))
        return largest
    finally:
        engine.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
