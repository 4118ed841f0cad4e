"""Checkpoints of a training: whole or not there, checked by hash, kept by a policy, with undo and redo.

`FOLDER/checkpoints/step-00000100/` holds weights.safetensors, optimiser.safetensors and meta.json, which names the
hash of every file beside it. `now.json` says which one is current. What was undone stays, also where a training goes on
from there: the same training makes the same steps again, and before another one they move to `forks/N`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.errors import DataError
from trainer_host.workspace import making, storage_errors, write_atomic

if TYPE_CHECKING:
    import torch

FOLDER = "checkpoints"
FORMAT = 1
FORKS = "forks"
WEIGHTS = "weights.safetensors"
OPTIMISER = "optimiser.safetensors"
META = "meta.json"
_NOW = "now.json"
_NAME = re.compile(r"step-(\d{8})")

Json = dict[str, object]


@dataclass(frozen=True)
class Policy:
    """Which checkpoints stay: the best by held-out loss, the last ones, and every Nth step for good (0: none)."""

    best: bool = True
    last: int = 2
    every: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """One that is whole. loss: on the held-out rows, None where there are none; meta: all of meta.json."""

    folder: Path
    step: int
    loss: float | None
    meta: Json


def save(
    run: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, torch.Tensor]],
    meta: Mapping[str, object],
    policy: Policy,
    more: Callable[[Path], None] | None = None,
    spare: Path | None = None,
) -> Checkpoint:
    """Write a checkpoint, make it the current one, and drop those that the policy doesn't keep.

    tensors: file name -> tensors by name. meta: JSON, `loss` among it. more: puts further files into the folder, which
    lie half-written at `spare` until then.
    Raises `TrainerError` where the disk is full or refuses; then the earlier checkpoints are as they were.
    """
    root = run / FOLDER
    with storage_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        _clean(root, spare)
        before = now(run) or 0
        _fork(root, before, meta.get("address"))
        with making(_folder(root, step)) as folder:
            hashes = {name: write_tensors(folder / name, values) for name, values in tensors.items()}
            if more is not None:
                more(folder)
                for path in sorted(folder.rglob("*")):
                    name = path.relative_to(folder).as_posix()
                    if path.is_file() and name not in hashes:
                        hashes[name] = _hash(path)
            card = {"format": FORMAT, "step": step, **meta, "files": hashes}
            write_atomic(folder / META, json.dumps(card, sort_keys=True, indent=1).encode() + b"\n")
            _sync_folder(folder)
        _sync_folder(root)
        _point(root, step)
        made = _read(root, step)
        _drop(run, policy)
    return made


def load(run: Path, step: int | None = None) -> Checkpoint | None:
    """The current checkpoint (or that of a step) with its files checked; None where there is none.

    One whose files aren't those that were written is passed over for the one before. Raises `DataError` for a step
    that isn't there or is damaged.
    """
    root = run / FOLDER
    if step is not None:
        if step not in _steps(root):
            raise DataError(f"There is no checkpoint of step {step}; there are {_names(root)}.")
        return _whole(root, step)
    last: DataError | None = None
    for candidate in reversed([known for known in _steps(root) if known <= (now(run) or 0)]):
        try:
            return _whole(root, candidate)
        except DataError as cause:
            last = cause
    if last is not None:
        raise last
    return None


def kept(run: Path) -> list[Checkpoint]:
    """All checkpoints of a training, in the order of their steps; their files aren't hashed."""
    root = run / FOLDER
    return [_read(root, step) for step in _steps(root)]


def best(run: Path) -> Checkpoint | None:
    """The one with the least held-out loss up to the current one; the current one where none was examined."""
    current = now(run) or 0
    upto = [made for made in kept(run) if made.step <= current]
    scored = [made for made in upto if made.loss is not None]
    if scored:
        return min(scored, key=lambda made: (made.loss, made.step))
    return upto[-1] if upto else None


def now(run: Path) -> int | None:
    """The step of the current checkpoint."""
    root = run / FOLDER
    steps = _steps(root)
    try:
        raw = strict_json.loads_object((root / _NOW).read_bytes(), _NOW)
        if raw.get("step") in steps:
            return int(str(raw["step"]))
    except (OSError, BadRequest):
        pass  # not written yet, or the machine died: the newest one is the current one
    return steps[-1] if steps else None


def undo(run: Path) -> Checkpoint:
    """Go back to the checkpoint before the current one; raises `DataError` where there is none."""
    made = beside(run, back=True)
    point(run, made)
    return made


def redo(run: Path) -> Checkpoint:
    """Go to the checkpoint after the current one; raises `DataError` where there is none."""
    made = beside(run, back=False)
    point(run, made)
    return made


def beside(run: Path, *, back: bool) -> Checkpoint:
    """The checkpoint before the current one, or behind it, with its files checked; raises `DataError`."""
    root = run / FOLDER
    steps = _steps(root)
    current = now(run)
    place = steps.index(current) + (-1 if back else 1) if current is not None else -1
    if not 0 <= place < len(steps):
        refusal = "no earlier checkpoint to go back to" if back else "nothing to redo"
        raise DataError(f"There is {refusal}; the checkpoints are {_names(root)}.")
    return _whole(root, steps[place])


def point(run: Path, made: Checkpoint) -> None:
    """Make a checkpoint the current one."""
    with storage_errors(run / FOLDER):
        _point(run / FOLDER, made.step)


def undone(run: Path) -> bool:
    """Whether there are checkpoints behind the current one."""
    steps = _steps(run / FOLDER)
    return bool(steps) and now(run) != steps[-1]


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> str:
    """Write a safetensors file and return its SHA-256; the bytes depend on the tensors alone.

    Written piece by piece: the library's own writer holds all bytes at once, or maps the file, where a full disk ends
    the process. Format: 8 bytes length, a JSON header, the tensors' bytes (github.com/huggingface/safetensors).
    """
    import torch

    kinds = {
        torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
        torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
    }  # fmt: skip
    header: dict[str, object] = {}
    place = 0
    names = sorted(tensors)
    for name in names:
        tensor = tensors[name]
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": kinds[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    made = hashlib.sha256()
    with path.open("xb") as out:
        for part in (len(text).to_bytes(8, "little"), text):
            made.update(part)
            out.write(part)
        for name in names:
            flat = tensors[name].detach().cpu().contiguous().reshape(-1)
            data = flat.view(torch.uint8).numpy().data if flat.numel() else b""
            made.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return f"sha256:{made.hexdigest()}"


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file; raises `DataError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as cause:
        raise DataError(f"{path} can't be read ({str(cause)[:120]}); go back with 'enigma runs undo'.") from None


def _drop(run: Path, policy: Policy) -> None:
    root = run / FOLDER
    steps = _steps(root)
    current = now(run) or 0
    upto = [step for step in steps if step <= current]
    stay = {*upto[-max(1, policy.last) :], *steps[len(upto) :]}  # what was undone stays
    if policy.every:
        stay |= {step for step in steps if step % policy.every == 0}
    if policy.best and (found := best(run)) is not None:
        stay.add(found.step)
    for step in steps:
        if step not in stay:
            shutil.rmtree(_folder(root, step))


def _fork(root: Path, before: int, address: object) -> None:
    """Put the steps behind `before` aside, where what is saved now belongs to another training than they do."""
    later = [step for step in _steps(root) if step > before]
    if not later or (address is not None and _read(root, later[0]).meta.get("address") == address):
        return
    forks = root.parent / FORKS
    number = 1 + max((int(path.name) for path in forks.glob("*") if path.name.isdigit()), default=0)
    (forks / str(number)).mkdir(parents=True)
    for step in later:
        _folder(root, step).rename(forks / str(number) / _folder(root, step).name)


def _clean(root: Path, spare: Path | None) -> None:
    """Remove what a process that was killed left half-written."""
    for path in root.glob(".step-*"):
        if path != spare:
            shutil.rmtree(path, ignore_errors=True)
    for path in root.glob(".now.json.*.part"):
        path.unlink(missing_ok=True)


def _folder(root: Path, step: int) -> Path:
    return root / f"step-{step:08d}"


def _steps(root: Path) -> list[int]:
    if not root.is_dir():
        return []
    found = (_NAME.fullmatch(path.name) for path in root.iterdir())
    return sorted(int(match[1]) for match in found if match and (root / match[0] / META).is_file())


def _names(root: Path) -> str:
    return ", ".join(f"step {step}" for step in _steps(root)) or "none"


def _read(root: Path, step: int) -> Checkpoint:
    folder = _folder(root, step)
    try:
        meta = strict_json.loads_object((folder / META).read_bytes(), META)
    except (OSError, BadRequest):
        raise DataError(f"The checkpoint {folder} is damaged; go back with 'enigma runs undo'.") from None
    if meta.get("format") != FORMAT:
        raise DataError(f"The checkpoint {folder} was made by another version of Enigma; train again.")
    loss = meta.get("loss")
    return Checkpoint(folder, step, float(loss) if isinstance(loss, int | float) else None, meta)


def _whole(root: Path, step: int) -> Checkpoint:
    made = _read(root, step)
    files = made.meta.get("files")
    for name, wanted in (files if isinstance(files, dict) else {}).items():
        path = made.folder / name
        if not path.is_file() or _hash(path) != wanted:
            raise DataError(f"{path} isn't the file that was saved; go back with 'enigma runs undo'.")
    return made


def _hash(path: Path) -> str:
    with path.open("rb") as source:
        return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"


def _point(root: Path, step: int) -> None:
    write_atomic(root / _NOW, json.dumps({"step": step}).encode() + b"\n")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder can't be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
